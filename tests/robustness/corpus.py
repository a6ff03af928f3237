"""A small hostile corpus, made on the spot: cut, flipped, mislabelled and outright false pictures."""

from __future__ import annotations

import io
import random
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from PIL import Image
from tests.pictures import picture

from seealike.types import SkipReason

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")
ANY_REASON = frozenset(SkipReason)
BROKEN = frozenset({SkipReason.TRUNCATED, SkipReason.CORRUPT})


@dataclass(frozen=True)
class Sample:
    """One file. ``may_decode`` and ``reasons`` say which verdicts are right."""

    name: str
    data: bytes
    may_decode: bool
    reasons: frozenset[SkipReason] = frozenset()


def encoded(image: Image.Image, kind: str) -> bytes:
    """An image as a file of a format."""
    out = io.BytesIO()
    image.save(out, kind)
    return out.getvalue()


def png_of_size(width: int, height: int) -> bytes:
    """A PNG whose header states a size, and is sound, with next to no pixels behind it."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(bytes(100))), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in chunks
    )


def corpus(seed: int = 0) -> list[Sample]:
    """All samples, the same ones for the same seed."""
    return [*_sound(), *_cut(), *_flipped(random.Random(seed)), *_false()]


def _sound() -> Iterator[Sample]:
    for number, kind in enumerate(FORMATS):
        wrong = FORMATS[number - 1].lower()
        yield Sample(f"mislabelled-{kind}.{wrong}", encoded(picture(number), kind), may_decode=True)
    for mode in ("1", "L", "LA", "P", "RGBA", "I;16"):
        data = encoded(picture(3).convert(mode if mode != "I;16" else "I").convert(mode), "PNG")
        yield Sample(f"mode-{mode.replace(';', '')}.png", data, may_decode=True)
    yield Sample("cmyk.jpg", encoded(picture(4).convert("CMYK"), "JPEG"), may_decode=True)
    yield Sample("tail.jpg", encoded(picture(5), "JPEG") + b"more" * 99, may_decode=True)


def _cut() -> Iterator[Sample]:
    for number, kind in enumerate(FORMATS):
        whole = encoded(picture(number, (320, 240)), kind)
        half = whole[: len(whole) // 2]
        yield Sample(f"half-{kind}.jpg", half, may_decode=False, reasons=BROKEN)
        head = Sample(f"head-{kind}.jpg", whole[:40], may_decode=False, reasons=BROKEN)
        yield head
        yield Sample(f"magic-{kind}.jpg", whole[:3], may_decode=False, reasons=ANY_REASON)


def _flipped(rng: random.Random) -> Iterator[Sample]:
    for number, kind in enumerate(FORMATS):
        whole = encoded(picture(number, (160, 120)), kind)
        for turn in range(6):
            data = bytearray(whole)
            for _ in range(1 + turn * 3):
                data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
            yield Sample(f"flipped-{kind}-{turn}.png", bytes(data), may_decode=True, reasons=ANY_REASON)


def _false() -> Iterator[Sample]:
    def refused(name: str, data: bytes, reason: SkipReason) -> Sample:
        return Sample(name, data, may_decode=False, reasons=frozenset({reason}))

    yield refused("empty.jpg", b"", SkipReason.EMPTY_FILE)
    yield refused("text.jpg", b"to be done\n" * 9, SkipReason.NOT_AN_IMAGE)
    yield refused("noise.jpg", bytes(range(1, 256)), SkipReason.NOT_AN_IMAGE)
    yield refused("zeros.png", bytes(5000), SkipReason.NOT_AN_IMAGE)
    yield refused("drawing.png", b'<?xml version="1.0"?><svg/>', SkipReason.UNSUPPORTED_FORMAT)
    yield refused("paper.jpg", b"%PDF-1.7\n", SkipReason.UNSUPPORTED_FORMAT)
    yield refused("script.jpg", b"%!PS-Adobe-3.0 EPSF-3.0\n", SkipReason.UNSUPPORTED_FORMAT)
    yield refused("icon.png", encoded(picture(1), "ICO"), SkipReason.UNSUPPORTED_FORMAT)
    yield refused("pixmap.jpg", encoded(picture(1), "PPM"), SkipReason.UNSUPPORTED_FORMAT)
    yield refused("bomb.png", png_of_size(100_000, 100_000), SkipReason.TOO_MANY_PIXELS)
    yield refused("flat.png", png_of_size(10, 0), SkipReason.ZERO_DIMENSION)
    canvas = b"RIFF\x1e\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0" + (5999).to_bytes(3, "little") * 2 + bytes(8)
    yield refused("canvas.webp", canvas, SkipReason.TOO_MANY_PIXELS)
