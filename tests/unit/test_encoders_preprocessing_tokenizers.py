"""What the files of a tokenizer say about texts; ``tests/golden`` compares with transformers itself."""

from __future__ import annotations

import json

import pytest

from seealike.encoders.preprocessing.tokenizers import text_card_of
from seealike.encoders.text_card import Cleaning, TextCard
from seealike.errors import EncoderError

CONFIG: dict[str, object] = {
    "tokenizer_class": "CLIPTokenizer",
    "model_max_length": 77,
    "pad_token": "<end>",
    "clean_up_tokenization_spaces": False,
}
TOKENIZER: dict[str, object] = {
    "added_tokens": [{"id": 7, "content": "<end>", "special": True}],
    "model": {"type": "BPE", "vocab": {"a": 0, "b": 1}},
}


def card(config: object = CONFIG, tokenizer: object = TOKENIZER) -> TextCard:
    return text_card_of("made/model", json.dumps(config).encode(), json.dumps(tokenizer).encode())


def refused(config: object = CONFIG, tokenizer: object = TOKENIZER) -> str:
    with pytest.raises(EncoderError) as caught:
        card(config, tokenizer)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_length_and_filling_up_are_those_of_the_files_and_what_stands_around_is_the_tokenizers() -> None:
    assert card() == TextCard(context_length=77, pad_id=7, cleaning=Cleaning.NONE)


@pytest.mark.parametrize(
    ("config", "tokenizer", "pad_id"),
    [
        ({"pad_token": "b"}, {}, 1),
        ({"pad_token": {"content": "b", "lstrip": False}}, {}, 1),
        ({"pad_token": "b"}, {"added_tokens": None}, 1),
        ({"pad_token": "b"}, {"model": {"vocab": [["a", -1.5], ["c", -2.5], ["b", -3.5]]}}, 2),
        ({"pad_token": "a"}, {"added_tokens": [{"id": 9, "content": "a"}]}, 9),
    ],
)
def test_the_piece_that_fills_up_is_found_in_every_kind_of_vocabulary(
    config: dict[str, object], tokenizer: dict[str, object], pad_id: int
) -> None:
    assert card(CONFIG | config, TOKENIZER | tokenizer).pad_id == pad_id


@pytest.mark.parametrize(
    ("name", "cleaning"),
    [
        ("CLIPTokenizerFast", Cleaning.NONE),
        ("PreTrainedTokenizerFast", Cleaning.NONE),
        ("SiglipTokenizer", Cleaning.CANONICAL),
        ("GemmaTokenizerFast", Cleaning.LOWER),
        ("Siglip2Tokenizer", Cleaning.LOWER),
    ],
)
def test_what_a_class_does_beyond_its_file_is_done(name: str, cleaning: Cleaning) -> None:
    assert card(CONFIG | {"tokenizer_class": name, "padding_side": "right"}).cleaning is cleaning


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"tokenizer_class": "OwnTokenizer"}, "the tokenizer 'OwnTokenizer' is unknown; known: Bert"),
        ({"tokenizer_class": None}, "tokenizer_class is not a line of text"),
        ({"padding_side": "left"}, "padding_side is left, which is not supported"),
        ({"truncation_side": "left"}, "truncation_side is left, which is not supported"),
        ({"tokenizer_class": "GemmaTokenizer"}, "padding_side is left, which is not supported"),
        ({"padding_side": 1}, "padding_side is 1, not one of left, right"),
        ({"model_max_length": 10**30}, "model_max_length is not a number of pieces up to 4096"),
        ({"model_max_length": 0}, "model_max_length is not a number of pieces"),
        ({"model_max_length": True}, "model_max_length is not a number of pieces"),
        ({"model_max_length": None}, "model_max_length is not a number of pieces"),
        ({"pad_token": "c"}, "pad_token is 'c', of which tokenizer.json does not know the number"),
        ({"pad_token": None}, "pad_token is not a line of text"),
        ({"pad_token": {"lstrip": True}}, "pad_token is not a line of text"),
    ],
)
def test_what_is_not_known_is_refused_by_name(changes: dict[str, object], said: str) -> None:
    message = refused(CONFIG | changes)
    assert message.startswith(f"made/model/tokenizer_config.json: {said}")
    assert message.endswith("use the files by onnx:FILE and text=FILE, with a card of your own")


@pytest.mark.parametrize(
    "tokenizer",
    [
        [],
        {},
        {"model": 3},
        {"model": {"vocab": [3]}, "added_tokens": []},
        {"model": {"vocab": [[]]}, "added_tokens": []},
        {"model": {"vocab": [[[], 1]]}},
        {"model": {"vocab": {"<end>": "7"}}},
        {"model": {"vocab": {"<end>": -7}}},
        {"model": {"vocab": {}}, "added_tokens": [3]},
        {"model": {"vocab": {}}, "added_tokens": [{"content": "<end>"}]},
        {"model": {"vocab": {}}, "added_tokens": [{"content": [], "id": 1}]},
    ],
)
def test_a_file_that_is_no_tokenizer_is_refused_in_a_line(tokenizer: object) -> None:
    assert "tokenizer" in refused(tokenizer=tokenizer)


@pytest.mark.parametrize("content", [b"<html>", b"\xff", b"[" * 100_000])
def test_a_page_in_the_place_of_a_file_is_refused_in_a_line(content: bytes) -> None:
    for config, tokenizer in ((content, b"{}"), (json.dumps(CONFIG).encode(), content)):
        with pytest.raises(EncoderError, match="is no JSON"):
            text_card_of("made/model", config, tokenizer)
