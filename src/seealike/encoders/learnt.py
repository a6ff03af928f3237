"""What an encoder learnt from, as its card says it: a mark of every picture, so that none judges it later.

A mark is the first six bytes of the SHA-256 of the picture's file, so it outlives another name, folder or
catalogue. Among a million marks and a million other pictures one is mistaken in one of 280 cases.
"""

from __future__ import annotations

import base64
import hashlib

import numpy as np

from seealike.types import Int64Array

_BYTES = 6
_LETTERS = 8  # in base64


def mark_of(item_id: str, sha256: bytes | None) -> int:
    """The mark of an item; one whose picture was no file is known by its id alone."""
    digest = sha256 or hashlib.sha256(b"id\0" + item_id.encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:_BYTES], "big")


def marks_to_text(marks: Int64Array) -> str:
    """Marks as a card holds them, eight letters each. Shapes: marks is (n,)."""
    rows = np.unique(marks).astype(">i8").view(np.uint8).reshape(-1, 8)
    return base64.b64encode(rows[:, 8 - _BYTES :].tobytes()).decode("ascii")


def marks_from_text(text: str) -> Int64Array:
    """The marks that a card holds, ascending. Shapes: the result is (n,).

    Raises:
        ValueError: they are none.
    """
    if len(text) % _LETTERS:
        raise ValueError("cut off")
    rows = np.frombuffer(base64.b64decode(text.encode("ascii"), validate=True), np.uint8).reshape(-1, _BYTES)
    whole = np.zeros((len(rows), 8), np.uint8)
    whole[:, 8 - _BYTES :] = rows
    return np.unique(whole.view(">i8").ravel().astype(np.int64))
