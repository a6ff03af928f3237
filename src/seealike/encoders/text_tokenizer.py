"""Texts to the numbers that a text tower takes, by a tokenizer file in Hugging Face's format."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from seealike.encoders.text_cleaning import cleaned
from seealike.errors import EncoderError, MissingExtraError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from seealike.encoders.text_card import TextCard
    from seealike.types import Int64Array


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
    try:
        from tokenizers import Tokenizer
    except ImportError as exc:
        raise MissingExtraError("a text query", "text") from exc
    try:
        with open(file, "rb") as opened:
            return Tokenizer.from_buffer(opened.read())
    except OSError as exc:
        raise EncoderError(f"the tokenizer {file} cannot be read: {exc.strerror}") from exc
    except Exception as exc:
        raise EncoderError(f"{file} is no tokenizer in Hugging Face's format: {exc}") from exc
