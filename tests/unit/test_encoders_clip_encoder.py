"""Texts become vectors as numpy computes them, whatever a text tower looks like from outside."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.text_towers import (
    BEGIN,
    CONTEXT,
    END,
    SIDE_PX,
    Form,
    Pair,
    numbered,
    wanted_vectors,
    write_own_template,
    write_pair,
)
from tests.unit.test_encoders_offline import GUARD, run

from seealike.encoders import EncoderCard, InputForm, load_text_encoder, parse_spec, record_for, write_card
from seealike.encoders.clip.encoder import OpenVinoTextEncoder
from seealike.errors import EncoderError, MissingExtraError, UsageError
from seealike.protocols import TextEncoder
from seealike.types import Float32Array, Preprocessing

TEXTS = ["red", "a green dress", "BLUE  light", "", "light light red dress"]


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    return write_pair(tmp_path / "pair")


def encoder_of(pair: Pair, cache: Path) -> OpenVinoTextEncoder:
    record = record_for(parse_spec(pair.spec), str(cache))
    assert record is not None
    return OpenVinoTextEncoder(record)


def encoded(pair: Pair, cache: Path, texts: list[str]) -> Float32Array:
    encoder = encoder_of(pair, cache)
    try:
        return encoder.encode_texts(texts)
    finally:
        encoder.close()


def with_ends(text: str) -> list[int]:
    return [BEGIN, *numbered(text)[: CONTEXT - 2], END]


@pytest.mark.parametrize(
    "form",
    [
        Form(),
        Form(integer="INT32"),
        Form(mask=None),
        Form(ids="tokens", mask=None),
        Form(ids="tokens", mask="attention_mask"),
    ],
    ids=str,
)
def test_a_text_has_the_vector_that_numpy_computes(form: Form, tmp_path: Path) -> None:
    pair = write_pair(tmp_path / "pair", form)
    found = encoded(pair, tmp_path / "cache", TEXTS)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, wanted_vectors([with_ends(text) for text in TEXTS]), atol=1e-5)


def test_a_card_names_inputs_and_output_that_have_unusual_names(tmp_path: Path) -> None:
    pair = write_pair(tmp_path / "pair", Form(ids="tokens", mask="counts", output="features"))
    with pytest.raises(EncoderError, match="ids_input to use; the model has tokens, counts"):
        encoded(pair, tmp_path / "cache", TEXTS)
    pair.rewrite_card(ids_input="tokens", mask_input="counts")
    with pytest.raises(
        EncoderError, match=r"not \(n, d\); say in its card which output to use: states, feat"
    ):
        encoded(pair, tmp_path / "cache", TEXTS)
    pair.rewrite_card(output="features")
    found = encoded(pair, tmp_path / "cache", TEXTS)
    np.testing.assert_allclose(found, wanted_vectors([with_ends(text) for text in TEXTS]), atol=1e-5)


def test_a_tokenizer_with_its_own_ends_is_followed(pair: Pair, tmp_path: Path) -> None:
    write_own_template(pair)
    texts = [*TEXTS, "red " * 20]
    found = encoded(pair, tmp_path / "cache", texts)
    np.testing.assert_allclose(found, wanted_vectors([with_ends(text) for text in texts]), atol=1e-5)


def test_a_long_text_is_cut_and_keeps_its_end(pair: Pair, tmp_path: Path) -> None:
    long = "red " * 5 + "green " * 5 + "blue " * 50
    found = encoded(pair, tmp_path / "cache", [long])
    np.testing.assert_allclose(found, wanted_vectors([[BEGIN, *[4] * 5, 5, END]]), atol=1e-5)


def test_texts_together_have_the_vectors_that_they_have_alone(pair: Pair, tmp_path: Path) -> None:
    encoder = encoder_of(pair, tmp_path / "cache")
    together = encoder.encode_texts(TEXTS)
    alone = np.concatenate([encoder.encode_texts([text]) for text in TEXTS])
    assert np.array_equal(together, alone)
    assert encoder.encode_texts([]).shape == (0, 4)


def test_a_text_encoder_keeps_the_protocol_and_ends_when_it_is_closed(pair: Pair, tmp_path: Path) -> None:
    encoder = load_text_encoder(pair.spec, cache_dir=str(tmp_path / "cache"))
    assert isinstance(encoder, TextEncoder)
    encoder.close()
    encoder.close()
    with pytest.raises(EncoderError, match="closed"):
        encoder.encode_texts(["red"])


def test_an_encoder_without_a_text_tower_has_no_text_encoder() -> None:
    assert load_text_encoder("efficientnet-lite0") is None


def test_what_is_no_text_or_endless_is_refused(pair: Pair, tmp_path: Path) -> None:
    encoder = encoder_of(pair, tmp_path / "cache")
    for text in (b"red", "x" * 100_001):
        with pytest.raises(UsageError, match="at most 100,000 letters"):
            encoder.encode_texts([text])  # type: ignore[list-item]


def _without_card(pair: Pair) -> None:
    pair.text.with_suffix(".json").unlink()


def _without_tokenizer(pair: Pair) -> None:
    pair.text.with_name("tokenizer.json").unlink()


def _broken_tokenizer(pair: Pair) -> None:
    pair.text.with_name("tokenizer.json").write_text("{}")


def _without_model(pair: Pair) -> None:
    pair.text.unlink()


def _broken_model(pair: Pair) -> None:
    pair.text.write_bytes(b"no model")


def _nested_card(pair: Pair) -> None:
    pair.text.with_suffix(".json").write_text("[" * 100_000)


def _another_model(pair: Pair) -> None:
    shutil.copyfile(pair.pictures, pair.text)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (_without_card, r'has no card; write .*words.json with at least {"context_length": 77}'),
        (_without_tokenizer, "tokenizer.json cannot be read: No such file"),
        (_broken_tokenizer, "no tokenizer in Hugging Face's format"),
        (_without_model, "there is no text model .*words.onnx"),
        (_broken_model, "cannot load .*words.onnx"),
        (_another_model, "OpenVINO cannot load .*words.onnx"),
        (lambda pair: pair.rewrite_card(context_length=0), "context_length is a number from 1"),
        (lambda pair: pair.rewrite_card(pad_id=-1), "pad_id is a number from 0, not -1"),
        (lambda pair: pair.rewrite_card(cleaning="upper"), "one of none, spaces, lower, canonical"),
        (lambda pair: pair.rewrite_card(cleaning=[]), "one of none, spaces, lower, canonical"),
        (lambda pair: pair.rewrite_card(cleaning={"a": 1}), "one of none, spaces, lower, canonical"),
        (lambda pair: pair.rewrite_card(tokenizer="x" * 10_000 + "/"), "same folder, not 'x{50,100}$"),
        (_nested_card, "words.json cannot be read"),
        (lambda pair: pair.rewrite_card(output="x" * 1_000_000), "words.json cannot be read"),
        (lambda pair: pair.rewrite_card(bos=3), "unknown field 'bos'; known: begin_id"),
        (lambda pair: pair.rewrite_card(tokenizer="../tokenizer.json"), "a file in the same folder"),
        (lambda pair: pair.rewrite_card(context_length=2), "puts 2 pieces around a text"),
        (lambda pair: pair.rewrite_card(ids_input="nothing"), "which ids_input to use"),
        (lambda pair: pair.rewrite_card(pictures_sha256="0" * 64), "was made for another picture model"),
    ],
)
def test_a_spoilt_pair_is_one_line_that_names_the_fault(
    spoil: Callable[[Pair], object], said: str, pair: Pair, tmp_path: Path
) -> None:
    spoil(pair)
    with pytest.raises(EncoderError, match=said) as raised:
        encoder_of(pair, tmp_path / "cache")
    assert "\n" not in str(raised.value)


def test_two_towers_of_different_dimensions_are_refused(pair: Pair, tmp_path: Path) -> None:
    record = record_for(parse_spec(pair.spec), str(tmp_path / "cache"))
    assert record is not None
    with pytest.raises(EncoderError, match=r"vectors of 4 numbers and .*not the two towers of one model"):
        OpenVinoTextEncoder(replace(record, dimension=5))


def test_without_the_package_the_error_says_how_to_install_it(
    pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'seealike\[text\]'"):
        encoder_of(pair, tmp_path / "cache")


def test_a_text_query_opens_no_socket_and_starts_no_process(pair: Pair, tmp_path: Path) -> None:
    code = f"""
from seealike.encoders import load_text_encoder
encoder = load_text_encoder({pair.spec!r})
assert encoder.encode_texts(["red dress"]).shape == (1, 4)
"""
    result = run(GUARD + code, tmp_path)
    assert "FORBIDDEN" not in result.stderr
    assert result.returncode == 0, result.stderr


def test_the_card_of_the_picture_model_names_its_text_tower(pair: Pair, tmp_path: Path) -> None:
    levels = (127.5, 127.5, 127.5)
    card = EncoderCard(
        name="colours",
        preprocessing=Preprocessing(SIDE_PX, SIDE_PX, levels, levels),
        layer="image_embeds",
        pooling="none",
        input=InputForm.TENSOR,
        text=pair.text.name,
    )
    write_card(str(pair.pictures), card)
    encoder = load_text_encoder(f"onnx:{pair.pictures}", cache_dir=str(tmp_path / "cache"))
    assert encoder is not None
    assert encoder.identity.name == "colours"
    np.testing.assert_allclose(encoder.encode_texts(["red"]), wanted_vectors([with_ends("red")]), atol=1e-5)
