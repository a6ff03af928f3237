"""An ONNX file on disk: its content, the files of weights it refers to, and one digest for all of them.

Models above two gigabytes, and many below, keep their weights in files beside. Which ones is read from the
file itself, of whose structure (Protocol Buffers, fields by number) only that much is known here.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from seealike.errors import EncoderError

_DEEPEST = 32
# Message -> field number -> the message in it. Only the way to the names of files is listed.
_WAYS = {
    "model": {7: "graph", 25: "function"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "function": {7: "node", 11: "attribute"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {13: "entry"},
}
_KEY, _VALUE = 1, 2
_REPLACED = "\ufffd"  # what is put where bytes are no UTF-8


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A model as it is on disk now. ``sha256`` is over the file, and those beside it that it needs."""

    path: str
    data: bytes
    sha256: str
    size_bytes: int
    beside: tuple[str, ...]


def read_model_file(path: str) -> ModelFile:
    """Read a model file and hash everything that belongs to it.

    Raises:
        EncoderError: it is not there, or one that it needs is not.
    """
    try:
        with open(path, "rb") as file:
            data = file.read()
    except FileNotFoundError as exc:
        raise EncoderError(f"there is no model file {path}") from exc
    except OSError as exc:
        raise EncoderError(f"the model file {path} cannot be read: {exc.strerror or exc}") from exc
    size, digests = len(data), {}
    beside = external_files(path, data)
    for name in beside:
        digests[name], length = _digest_of(path, name)
        size += length
    return ModelFile(path, data, joint_sha256(hashlib.sha256(data).hexdigest(), digests), size, beside)


def joint_sha256(main: str, beside: Mapping[str, str]) -> str:
    """Return the digest of a model from that of its file, and those of the files it refers to by name."""
    if not beside:
        return main
    digest = hashlib.sha256(bytes.fromhex(main))
    for name in sorted(beside):
        digest.update(os.fsencode(name) + b"\0" + bytes.fromhex(beside[name]))
    return digest.hexdigest()


def external_files(path: str, data: bytes) -> tuple[str, ...]:
    """Return the names of the files of weights that a model refers to, sorted.

    Raises:
        EncoderError: one of them is not beside the model, or its name is no text.
    """
    try:
        found = set(_locations(memoryview(data), "model", 0))
    except (IndexError, ValueError, RecursionError):
        return ()  # no ONNX: that is for the runtime to say
    names = {os.path.normpath(place.decode(errors="replace")) for place in found}
    if any(letter < " " or letter == _REPLACED for name in names for letter in name):
        raise EncoderError(f"{path} keeps weights in a file whose name is no text; export it again")
    for name in names:
        if os.path.isabs(name) or name.split(os.sep)[0] == os.pardir:
            raise EncoderError(f"{path} keeps weights in {name}, which is not beside it; export it again")
    return tuple(sorted(names))


def _digest_of(path: str, name: str) -> tuple[str, int]:
    try:
        with open(os.path.join(os.path.dirname(path), name), "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest(), os.fstat(file.fileno()).st_size
    except OSError as exc:
        raise EncoderError(
            f"{path} keeps weights in {name}, which cannot be read: {exc.strerror or exc}; "
            "keep the two files in one folder"
        ) from exc


def _locations(message: memoryview, kind: str, depth: int) -> Iterator[bytes]:
    """Yield every place of external data in a message."""
    if depth > _DEEPEST:
        raise ValueError("nested too deep")
    ways = _WAYS[kind]
    for number, body in _fields(message):
        inner = ways.get(number)
        if inner == "entry":
            entry = dict(_fields(body))
            if bytes(entry.get(_KEY, b"")) == b"location":
                yield bytes(entry.get(_VALUE, b""))
        elif inner:
            yield from _locations(body, inner, depth + 1)


def _fields(message: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Yield number and content of every field that has a length.

    Source: the Protocol Buffers encoding: a key is ``number << 3 | type``; type 0 is a varint, 1 and 5 are
    eight and four bytes, 2 is a length and as many bytes.
    """
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        kind = key & 7
        if kind == 2:
            length, at = _varint(message, at)
            if at + length > len(message):
                raise ValueError("cut off")
            yield key >> 3, message[at : at + length]
            at += length
        elif kind == 0:
            _, at = _varint(message, at)
        elif kind in (1, 5):
            at += 8 if kind == 1 else 4
        else:
            raise ValueError("no such type of field")


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    value, shift = 0, 0
    while shift < 70:
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    raise ValueError("a number without an end")
