"""The record of a text tower, a small JSON file beside its ONNX file: how texts become its input.

    clip-text.onnx  clip-text.json  tokenizer.json

The tokenizer says how text is cut into numbered pieces, the card how many of them the model takes and
what stands around them.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, fields
from enum import StrEnum

from seealike.errors import EncoderError

MAX_CONTEXT = 4096
_MOST_BYTES = 1_000_000


class Cleaning(StrEnum):
    """What happens to a text before the tokenizer sees it.

    ``NONE``: nothing; the tokenizer does all. ``SPACES``: typography is made plain (curly quotes, ligatures,
    full-width letters, HTML entities, control characters) and white space is one space. ``LOWER``: and lower
    case. ``CANONICAL``: and without ASCII punctuation.
    """

    NONE = "none"
    SPACES = "spaces"
    LOWER = "lower"
    CANONICAL = "canonical"


@dataclass(frozen=True, slots=True)
class TextCard:
    """How a text tower is fed.

    Args:
        context_length: how many pieces the model takes; longer texts are cut, shorter ones filled up.
        pad_id: the piece that fills up.
        begin_id: the piece put in front. Where ``begin_id`` and ``end_id`` are both None, the tokenizer's own
            rule for what stands around a text is used.
        end_id: the piece put behind; also of a text that was cut.
        cleaning: what happens before.
        tokenizer: the file with the tokenizer, in the same folder.
        ids_input: the graph's input for the pieces; None is its only one, or ``input_ids``.
        mask_input: the graph's input that is 1 for pieces of the text and 0 where it was filled up; None is
            ``attention_mask`` where there is one.
        output: the tensor to take, (n, d); None is ``text_embeds`` where there is one, else the first.
        pictures_sha256: the SHA-256 of the picture model's file that it belongs to; None where nobody said.
    """

    context_length: int
    pad_id: int = 0
    begin_id: int | None = None
    end_id: int | None = None
    cleaning: Cleaning = Cleaning.NONE
    tokenizer: str = "tokenizer.json"
    ids_input: str | None = None
    mask_input: str | None = None
    output: str | None = None
    pictures_sha256: str | None = None


def text_card_path(onnx_path: str) -> str:
    """Where the card of a text model lies."""
    return os.path.splitext(onnx_path)[0] + ".json"


def write_text_card(onnx_path: str, card: TextCard) -> None:
    """Write the card beside its model."""
    with open(text_card_path(onnx_path), "w", encoding="utf-8") as file:
        json.dump(asdict(card), file, indent=2)
        file.write("\n")


def read_text_card(onnx_path: str) -> TextCard:
    """Read the card beside a text model.

    Raises:
        EncoderError: there is none, or it is malformed.
    """
    path = text_card_path(onnx_path)
    try:
        with open(path, encoding="utf-8") as file:
            found = json.loads(file.read(_MOST_BYTES))
    except FileNotFoundError as exc:
        raise EncoderError(
            f'the text model {onnx_path} has no card; write {path} with at least {{"context_length": 77}}'
        ) from exc
    except (OSError, ValueError, RecursionError) as exc:
        raise EncoderError(f"the card {path} cannot be read: {exc}") from exc
    return _checked(path, found)


def _checked(path: str, found: object) -> TextCard:
    if not isinstance(found, dict):
        raise EncoderError(f"the card {path} must be a JSON object")
    known = {field.name for field in fields(TextCard)}
    if unknown := sorted(set(found) - known):
        raise EncoderError(
            f"the card {path} has an unknown field {unknown[0]!r}; known: {', '.join(sorted(known))}"
        )
    for name, value in found.items():
        if problem := _problem(name, value):
            raise EncoderError(f"the card {path} is wrong: {name} {problem}, not {value!r:.100}")
    if "context_length" not in found:
        raise EncoderError(f"the card {path} does not say the context_length")
    return TextCard(**{**found, "cleaning": Cleaning(found.get("cleaning", "none"))})


def _problem(name: str, value: object) -> str | None:
    """What is wrong with a field's value, if anything."""
    if name == "context_length":
        return None if _is_count(value) and value else f"is a number from 1 to {MAX_CONTEXT}"
    if name == "cleaning":
        return (
            None if isinstance(value, str) and value in list(Cleaning) else f"is one of {', '.join(Cleaning)}"
        )
    if name in ("begin_id", "end_id", "pad_id"):
        return None if _is_id(value) or (value is None and name != "pad_id") else "is a number from 0"
    if name == "tokenizer":
        plain = isinstance(value, str) and value and os.path.basename(value) == value
        return None if plain else "is the name of a file in the same folder"
    return None if value is None or (isinstance(value, str) and value) else "is a name"


def _is_id(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**31


def _is_count(value: object) -> bool:
    return _is_id(value) and isinstance(value, int) and value <= MAX_CONTEXT
