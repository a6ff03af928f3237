"""The encoder card: what is written is read back, and what is malformed is refused in one line."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seealike.encoders import EncoderCard, InputForm, card_path, read_card, write_card
from seealike.encoders.spec import INTERPOLATIONS
from seealike.errors import EncoderError
from seealike.types import Fit, Preprocessing

MADE = Preprocessing(256, 224, (123.675, 116.28, 103.53), (58.395, 57.12, 57.375))
CARD = EncoderCard("timm:resnet18", MADE, "layer4", "avg", InputForm.PICTURES, licence="MIT", source="timm")

TEXT = st.text(st.characters(categories=["L", "N", "P", "S"], include_characters=" "), min_size=1)
NUMBER = st.floats(-1e6, 1e6)
POSITIVE = st.floats(1e-6, 1e6)
PREPROCESSING = st.builds(
    Preprocessing,
    resize_px=st.integers(300, 4096),
    crop_px=st.integers(1, 300),
    mean=st.tuples(NUMBER, NUMBER, NUMBER),
    std=st.tuples(POSITIVE, POSITIVE, POSITIVE),
    interpolation=st.sampled_from(INTERPOLATIONS),
    fit=st.sampled_from(Fit),
    bgr=st.booleans(),
)
CARDS = st.builds(
    EncoderCard,
    name=TEXT,
    preprocessing=PREPROCESSING,
    layer=TEXT,
    pooling=TEXT,
    input=st.sampled_from(InputForm),
    output=st.none() | TEXT,
    licence=TEXT,
    source=st.just("") | TEXT,
    text=st.none() | st.just("words.onnx"),
    precise=st.booleans(),
    learnt=st.sampled_from(["", "AAAAAAAF", "AAAAAAAFAAAAAAAH"]),
)


@given(card=CARDS)
def test_what_is_written_is_read_back(card: EncoderCard, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = str(tmp_path_factory.getbasetemp() / "made.onnx")
    write_card(path, card)
    assert read_card(path) == card


def test_no_card_is_no_error_and_it_lies_beside_the_model(tmp_path: Path) -> None:
    path = str(tmp_path / "made.v2.onnx")
    assert read_card(path) is None
    write_card(path, CARD)
    assert [file.name for file in tmp_path.iterdir()] == ["made.v2.json"]
    assert card_path(path) == str(tmp_path / "made.v2.json")


def test_what_has_a_default_may_be_left_out_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "made.json"
    write_card(str(tmp_path / "made.onnx"), CARD)
    whole, optional = json.loads(path.read_text()), {"output", "text", "precise", "learnt"}
    path.write_text(json.dumps({key: value for key, value in whole.items() if key not in optional}))
    assert read_card(str(tmp_path / "made.onnx")) == CARD
    for key in whole.keys() - optional:
        path.write_text(json.dumps({name: value for name, value in whole.items() if name != key}))
        with pytest.raises(EncoderError, match=f"{key} is missing|says no"):
            read_card(str(tmp_path / "made.onnx"))


def _within(key: str, value: object) -> Callable[[dict[str, object]], None]:
    def change(content: dict[str, object]) -> None:
        content["preprocessing"] = {**content["preprocessing"], key: value}  # type: ignore[dict-item]

    return change


def _at(key: str, value: object) -> Callable[[dict[str, object]], None]:
    return lambda content: content.update({key: value})


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (_at("encoder_card", 2), 'reads "encoder_card": 1'),
        (_at("surname", "x"), "'surname' is unknown; known: input, layer"),
        (_at("name", ""), "name is not a line of text"),
        (_at("name", "two\nlines"), "name is not a line of text"),
        (_at("licence", 5), "licence is not a line of text"),
        (_at("input", "sound"), "input is 'sound', not one of pictures, tensor"),
        (_at("input", ["pictures"]), "input is"),
        (_at("text", "../words.onnx"), "text is not the name of a file beside it"),
        (_at("text", ".."), "text is not the name of a file beside it"),
        (_at("preprocessing", []), "preprocessing is no JSON object"),
        (_within("crop_px", 300), "crop_px is larger than resize_px"),
        (_within("crop_px", True), "crop_px is not a number of pixels"),
        (_within("resize_px", 4097), "resize_px is not a number of pixels up to 4096"),
        (_within("resize_px", 224.5), "resize_px is not a number of pixels"),
        (_within("mean", [1, 2]), "mean is not three numbers"),
        (_within("mean", [1, 2, "3"]), "mean is not three numbers"),
        (_within("mean", [1, 2, float("nan")]), "mean is not three numbers"),
        (_within("mean", [1, 2, 10**400]), "mean is not three numbers"),
        (_within("mean", [1, 2, True]), "mean is not three numbers"),
        (_at("precise", 1), "precise is neither true nor false"),
        (_at("learnt", "AAAA"), "learnt is no list"),
        (_at("learnt", ["AAAAAAAF"]), "learnt is no list"),
        (_within("std", [1, 0, 1]), "std has a number that is not positive"),
        (_within("bgr", 0), "bgr is neither true nor false"),
        (_within("fit", "stretch"), "fit is 'stretch', not one of crop, crop-floor, squash, pad"),
        (_within("interpolation", "nearest"), "interpolation is 'nearest', not one of bicubic"),
        (_within("blur", 1), "'blur' is unknown"),
    ],
)
def test_a_malformed_card_is_refused_in_one_line(
    change: Callable[[dict[str, object]], None], complaint: str, tmp_path: Path
) -> None:
    write_card(str(tmp_path / "made.onnx"), CARD)
    path = tmp_path / "made.json"
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    with pytest.raises(EncoderError) as caught:
        read_card(str(tmp_path / "made.onnx"))
    assert complaint in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b"\xff\xfe", b"[" * 100_000])
def test_what_is_no_card_at_all_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "made.json").write_bytes(content)
    with pytest.raises(EncoderError, match=r"made\.json"):
        read_card(str(tmp_path / "made.onnx"))


def test_a_card_that_could_not_be_read_back_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match="larger than resize_px"):
        write_card(str(tmp_path / "made.onnx"), replace(CARD, preprocessing=replace(MADE, crop_px=999)))
    with pytest.raises(EncoderError, match="cannot write"):
        write_card(str(tmp_path / "nowhere" / "made.onnx"), CARD)
    assert list(tmp_path.iterdir()) == []
