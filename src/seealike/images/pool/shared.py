"""Memory that the pool and its processes both see, and how a batch's outcome lies in it.

A slot holds one batch: the index of the picture under work, one record per picture, the pixels.
A process that dies therefore leaves behind what it had finished and which picture it was on.
"""

from __future__ import annotations

import mmap
import os
import secrets
import struct
import sys
import tempfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from seealike.signatures import COLOUR_BYTES, HASH_BYTES
from seealike.types import Signature, SkipReason

if TYPE_CHECKING:
    from seealike.types import PixelArray

_PROGRESS = struct.Struct("<q")
_RECORD = struct.Struct(f"<BBHIIqq32s{COLOUR_BYTES}s{HASH_BYTES}s")
_DETAIL_BYTES = 324
_RECORD_BYTES = _RECORD.size + _DETAIL_BYTES
_PAGE = 4096
_REASONS = tuple(SkipReason)

PICTURE, SAME, FAILURE = 1, 2, 3
_NO_SIGNATURE = Signature(bytes(COLOUR_BYTES), bytes(HASH_BYTES))


@dataclass(frozen=True, slots=True)
class Record:
    """One picture's outcome. ``kind`` is PICTURE, SAME or FAILURE; unknown numbers are -1."""

    kind: int
    reason: SkipReason | None = None
    detail: str = ""
    width_px: int = 0
    height_px: int = 0
    size_bytes: int = -1
    mtime_ns: int = -1
    sha256: bytes = bytes(32)
    signature: Signature = _NO_SIGNATURE


@dataclass(frozen=True, slots=True)
class Layout:
    """Where everything lies: ``slots`` for batches of ``batch_size``, then one for single pictures."""

    slots: int
    batch_size: int
    crop_px: int

    @property
    def picture_bytes(self) -> int:
        """The size of one picture's pixels."""
        return self.crop_px * self.crop_px * 3

    def capacity(self, slot: int) -> int:
        """How many pictures a slot holds."""
        return self.batch_size if slot < self.slots else 1

    def offset(self, slot: int) -> int:
        """Where a slot begins."""
        return slot * self._slot_bytes(self.batch_size)

    def pixels_offset(self, slot: int) -> int:
        """Where a slot's pixels begin."""
        return self.offset(slot) + _whole_pages(_PROGRESS.size + self.capacity(slot) * _RECORD_BYTES)

    @property
    def total_bytes(self) -> int:
        """The size of it all."""
        return self.offset(self.slots) + self._slot_bytes(1)

    def _slot_bytes(self, capacity: int) -> int:
        records = _whole_pages(_PROGRESS.size + capacity * _RECORD_BYTES)
        return records + _whole_pages(capacity * self.picture_bytes)


def _whole_pages(size: int) -> int:
    return -(-size // _PAGE) * _PAGE


class SharedSlots:
    """The shared memory itself, on either side."""

    def __init__(self, layout: Layout, memory: mmap.mmap, handle: str, fd: int = -1) -> None:
        self.layout, self.handle, self.fd = layout, handle, fd
        self._memory = memory

    @classmethod
    def create(cls, layout: Layout) -> SharedSlots:
        """Make shared memory that vanishes with the last process that has it."""
        if sys.platform == "win32":
            name = f"seealike-{secrets.token_hex(12)}"
            return cls(layout, mmap.mmap(-1, layout.total_bytes, tagname=name), f"name:{name}")
        fd = _nameless_file()
        os.ftruncate(fd, layout.total_bytes)
        return cls(layout, mmap.mmap(fd, layout.total_bytes), f"fd:{fd}", fd)

    @classmethod
    def attach(cls, layout: Layout, handle: str) -> SharedSlots:
        """Open what another process created."""
        kind, _, name = handle.partition(":")
        if kind == "fd":
            return cls(layout, mmap.mmap(int(name), layout.total_bytes), handle)
        if sys.platform == "win32":
            return cls(layout, mmap.mmap(-1, layout.total_bytes, tagname=name), handle)
        raise ValueError(f"no shared memory of kind {kind!r} here")

    def close(self) -> None:
        """Let go of the memory; it stays while arrays still show it."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def pixels(self, slot: int, count: int) -> PixelArray:
        """Show the first ``count`` pictures of a slot. Result is (count, crop_px, crop_px, 3)."""
        side = self.layout.crop_px
        flat = np.frombuffer(
            self._memory, np.uint8, count * self.layout.picture_bytes, self.layout.pixels_offset(slot)
        )
        return flat.reshape(count, side, side, 3)

    def progress(self, slot: int) -> int:
        """Return the index of the picture under work; the batch's length when all are done."""
        return int(_PROGRESS.unpack_from(self._memory, self.layout.offset(slot))[0])

    def set_progress(self, slot: int, index: int) -> None:
        """Say which picture is under work from now on."""
        _PROGRESS.pack_into(self._memory, self.layout.offset(slot), index)

    def write(self, slot: int, index: int, record: Record) -> None:
        """Write one picture's outcome."""
        detail = record.detail.encode("utf-8", "backslashreplace")[:_DETAIL_BYTES]
        at = self._record_offset(slot, index)
        _RECORD.pack_into(
            self._memory,
            at,
            record.kind,
            _REASONS.index(record.reason) if record.reason else 0,
            len(detail),
            record.width_px,
            record.height_px,
            record.size_bytes,
            record.mtime_ns,
            record.sha256,
            record.signature.colour,
            record.signature.hash,
        )
        start = at + _RECORD.size
        self._memory[start : start + len(detail)] = detail

    def read(self, slot: int, index: int) -> Record:
        """Read one picture's outcome.

        Raises:
            ValueError: what lies there is no outcome.
        """
        at = self._record_offset(slot, index)
        fields = _RECORD.unpack_from(self._memory, at)
        kind, reason, length, width, height, size, mtime, sha256, colour, coarse = fields
        sane = reason < len(_REASONS) and length <= _DETAIL_BYTES
        if not sane or kind not in (PICTURE, SAME, FAILURE) or (kind == PICTURE and not (width and height)):
            raise ValueError(f"no outcome of picture {index}")
        start = at + _RECORD.size
        detail = self._memory[start : start + length].decode("utf-8", "replace")
        why = _REASONS[reason] if kind == FAILURE else None
        return Record(kind, why, detail, width, height, size, mtime, sha256, Signature(colour, coarse))

    def _record_offset(self, slot: int, index: int) -> int:
        if not 0 <= index < self.layout.capacity(slot):
            raise ValueError(f"slot {slot} has no picture {index}")
        return self.layout.offset(slot) + _PROGRESS.size + index * _RECORD_BYTES


def _nameless_file() -> int:
    if hasattr(os, "memfd_create"):
        return os.memfd_create("seealike", os.MFD_CLOEXEC)
    fd, path = tempfile.mkstemp(prefix="seealike-")
    os.unlink(path)
    return fd
