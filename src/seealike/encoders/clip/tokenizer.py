"""Texts to the numbers that a text tower takes: cleaned, then cut by a tokenizer of Hugging Face's format."""

from __future__ import annotations

import html
import json
import re
import string
import unicodedata
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from seealike.encoders.text_card import Cleaning
from seealike.errors import EncoderError, MissingExtraError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from seealike.encoders.text_card import TextCard
    from seealike.types import Int64Array

# Full-width ASCII, half-width katakana, and the ideographic space.
_WIDTHS = (*range(0xFF01, 0xFF9F + 1), *range(0xFFA1, 0xFFDC + 1), *range(0xFFE0, 0xFFEE + 1), 0x3000)
_LIGATURES = "ĲĳǄǅǆǇǈǉǊǋǌǱǲǳﬀﬁﬂﬃﬄﬅﬆ"
_SINGLE_QUOTES = "\u02bc\u2018\u2019\u201a\u201b"
_DOUBLE_QUOTES = "\u201c\u201d\u201e\u201f"
_UNSEEN = (
    *range(0x09),
    0x0B,
    *range(0x0E, 0x20),
    0x7F,
    *range(0x206A, 0x2070),
    0xFEFF,
    *range(0xFFF9, 0xFFFD),
)
_PLAIN = {
    **{code: unicodedata.normalize("NFKC", chr(code)) for code in _WIDTHS},
    **{ord(letter): unicodedata.normalize("NFKC", letter) for letter in _LIGATURES},
    **{ord(quote): "'" for quote in _SINGLE_QUOTES},
    ord("ŉ"): "'n",
    **{ord(quote): '"' for quote in _DOUBLE_QUOTES},
    **dict.fromkeys(_UNSEEN, ""),
}
_ESCAPES = re.compile(r"\x1b\[[\d;]*[A-Za-z]")
_WITHOUT_PUNCTUATION = str.maketrans("", "", string.punctuation)


class TextTokenizer:
    """Cleans, cuts, numbers, and fills up."""

    def __init__(self, file: str, card: TextCard) -> None:
        """Read the tokenizer's file.

        Raises:
            MissingExtraError: the package ``tokenizers`` is not installed.
            EncoderError: the file cannot be read, or does not fit its card.
        """
        self._card = card
        self._own_ends = card.begin_id is None and card.end_id is None
        self._tokenizer = _opened(file)
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        around = self._around()
        if around >= card.context_length:
            raise EncoderError(
                f"{file} puts {around} pieces around a text, and its card has room for {card.context_length}"
            )
        if self._own_ends:
            self._tokenizer.enable_truncation(card.context_length)

    def encode(self, texts: Sequence[str]) -> tuple[Int64Array, Int64Array]:
        """Number the pieces of each text.

        Shapes: both are (n, context_length): the pieces, and a mask that is 1 for each of them and 0 where
        the row was filled up.
        """
        length = self._card.context_length
        ids = np.full((len(texts), length), self._card.pad_id, np.int64)
        mask = np.zeros((len(texts), length), np.int64)
        for row, text in enumerate(texts):
            pieces = self._pieces(cleaned(text, self._card.cleaning))
            ids[row, : len(pieces)] = pieces
            mask[row, : len(pieces)] = 1
        return ids, mask

    def _pieces(self, text: str) -> list[int]:
        found: list[int] = self._tokenizer.encode(text, add_special_tokens=self._own_ends).ids
        if self._own_ends:
            return found
        begin = [] if self._card.begin_id is None else [self._card.begin_id]
        end = [] if self._card.end_id is None else [self._card.end_id]
        return begin + found[: self._card.context_length - len(begin) - len(end)] + end

    def _around(self) -> int:
        """How many pieces stand around a text."""
        if self._own_ends:
            return int(self._tokenizer.num_special_tokens_to_add(False))
        return sum(end is not None for end in (self._card.begin_id, self._card.end_id))


def _opened(file: str) -> Tokenizer:
    """Read a tokenizer's file; a file that is none is said also where nothing is installed that reads it."""
    try:
        with open(file, "rb") as opened:
            content = opened.read()
    except OSError as exc:
        raise EncoderError(f"the tokenizer {file} cannot be read: {exc.strerror}") from exc
    try:
        from tokenizers import Tokenizer

        return Tokenizer.from_buffer(content)
    except ImportError as exc:
        _check_form(file, content)
        raise MissingExtraError("a text query", "text") from exc
    except Exception as exc:
        raise _no_tokenizer(file, exc) from exc


def _check_form(file: str, content: bytes) -> None:
    try:
        json.loads(content)["model"]
    except (ValueError, TypeError, KeyError, RecursionError) as exc:
        raise _no_tokenizer(file, exc) from exc


def _no_tokenizer(file: str, exc: Exception) -> EncoderError:
    return EncoderError(f"{file} is no tokenizer in Hugging Face's format: {exc}")


def cleaned(text: str, cleaning: Cleaning) -> str:
    """``text`` made plain, as the captions were that text towers learnt from; ``Cleaning`` says how far."""
    if cleaning is Cleaning.NONE:
        return text
    text = html.unescape(html.unescape(_plain(text)))
    if cleaning is Cleaning.CANONICAL:
        text = text.replace("_", " ").translate(_WITHOUT_PUNCTUATION)
    if cleaning is not Cleaning.SPACES:
        text = text.lower()
    return " ".join(text.split())


def _plain(text: str) -> str:
    whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return unicodedata.normalize("NFC", _ESCAPES.sub("", whole).translate(_PLAIN))
