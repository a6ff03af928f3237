"""Texts given as queries: the encoder's text tower, where it has one, made ready at first use."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import ExitStack
from functools import cached_property

from seealike.catalog.encoder.at_hand import EncoderAtHand, encoded_unit
from seealike.encoders import load_text_encoder, reads_text
from seealike.errors import UsageError
from seealike.protocols import TextEncoder
from seealike.types import Float32Array


class TextQueries:
    """Holds the text tower that queries need. Safe to use from several threads."""

    def __init__(self, at_hand: EncoderAtHand) -> None:
        """Nothing is loaded yet."""
        self._at_hand = at_hand
        self._guard = threading.Lock()
        self._open = ExitStack()
        self._encoder: TextEncoder | None = None
        self._closed = False

    @cached_property
    def reads(self) -> bool:
        """Whether the encoder has a text tower; none is loaded to find out."""
        given = self._at_hand.given
        return reads_text(self._at_hand.spec()) if given is None else isinstance(given, TextEncoder)

    def encode(self, texts: Sequence[str]) -> Float32Array:
        """Encode texts, in order. Result is (n, d), unit norm.

        Raises:
            UsageError: a text is empty, the encoder has no text tower, or the catalogue is closed.
            MissingExtraError: the tokenizer's package is not installed.
            EncoderError: a file of the text tower is missing or damaged, or of another model now.
        """
        check_texts(texts)
        with self._guard:
            if self._closed:
                raise UsageError("the catalogue is closed")
            if self._encoder is None:
                self._encoder = self._loaded()
            return encoded_unit(self._encoder.encode_texts(texts))

    def close(self) -> None:
        """Free the text tower."""
        with self._guard:
            self._closed = True
            self._open.close()
            self._encoder = None

    def _loaded(self) -> TextEncoder:
        given = self._at_hand.given
        if given is not None:
            if isinstance(given, TextEncoder):
                return given
        elif (found := self._at_hand.first(load_text_encoder)) is not None:
            self._open.callback(found.close)
            return found
        raise UsageError(
            f"the encoder {self._at_hand.identity.name} reads no text; those that do are what "
            "`seealike encoders get clip-b32-laion2b --text` fetches, open_clip:NAME and "
            "onnx:FILE?text=FILE: `seealike reindex --encoder SPEC` changes to one"
        )


def check_texts(texts: object) -> None:
    """Refuse what cannot be asked with.

    Raises:
        UsageError: it is no list of texts, or one of them is blank.
    """
    if isinstance(texts, str) or not isinstance(texts, Sequence):
        raise UsageError("text queries are a list of texts, one or more")
    for text in texts:
        if not isinstance(text, str):
            raise UsageError(f"a text query is a text, not {type(text).__name__}")
        if not text.strip():
            raise UsageError("a text query needs at least one word")
