"""What headers state before anything is decoded: sizes, and how a JPEG is made."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from seealike.images.sniff import Format

_NO_LENGTH = frozenset({0x01, *range(0xD0, 0xD9)})
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_SEQUENTIAL = frozenset({0xC0, 0xC1, 0xC9})
_APP1, _START_OF_SCAN = 0xE1, 0xDA
_COEFFICIENT_BYTES, _BLOCK = 2, 8


@dataclass(frozen=True, slots=True)
class JpegHeader:
    """A JPEG's frame header, and whether an EXIF or XMP segment precedes it.

    ``coefficient_bytes`` is what a decoder must keep of it until its last scan; 0 where one scan has it all.
    """

    width_px: int
    height_px: int
    components: int
    has_metadata: bool
    coefficient_bytes: int


def jpeg_header(data: bytes) -> JpegHeader | None:
    """Walk a JPEG's segments up to its first scan; ``None`` where there is no frame header before it."""
    frame: tuple[int, int] | None = None
    has_metadata, first_scan = False, 0
    for marker, at in _jpeg_segments(data):
        if marker == _START_OF_SCAN:
            first_scan = data[at + 4]
            break
        if marker in _FRAMES and frame is None:
            frame = marker, at
        has_metadata |= marker == _APP1 and frame is None
    if frame is None:
        return None
    marker, at = frame
    height, width = (
        int.from_bytes(data[at + 5 : at + 7], "big"),
        int.from_bytes(data[at + 7 : at + 9], "big"),
    )
    components = data[at + 9]
    at_once = marker in _SEQUENTIAL and first_scan == components
    sampling = [(byte >> 4, byte & 15) for byte in data[at + 11 : at + 10 + 3 * components : 3]]
    kept = 0 if at_once else _coefficient_bytes(width, height, sampling)
    return JpegHeader(width, height, components, has_metadata, kept)


def _jpeg_segments(data: bytes) -> Iterator[tuple[int, int]]:
    """Every marker that begins a segment, and where it is, up to the first scan."""
    at = 2
    while at + 10 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:  # a fill byte
            at += 1
        elif marker in _NO_LENGTH:
            at += 2
        else:
            yield marker, at
            if marker == _START_OF_SCAN:
                return
            at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")


def _coefficient_bytes(width: int, height: int, sampling: list[tuple[int, int]]) -> int:
    """What all coefficients take; every component is padded to whole blocks of the picture's units."""
    across = max((h for h, _ in sampling), default=1) or 1
    down = max((v for _, v in sampling), default=1) or 1
    units = -(-width // (_BLOCK * across)) * -(-height // (_BLOCK * down))
    return units * sum(h * v for h, v in sampling) * _BLOCK * _BLOCK * _COEFFICIENT_BYTES


def declared_size(kind: Format, data: bytes) -> tuple[int, int] | None:
    """Return width and height in pixels as the header states them, where that is simple to read."""
    if kind is Format.PNG and data[12:16] == b"IHDR" and len(data) >= 24:
        return int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")
    if kind is Format.GIF and len(data) >= 10:
        return int.from_bytes(data[6:8], "little"), int.from_bytes(data[8:10], "little")
    if kind is Format.WEBP and len(data) >= 30:
        return _webp_size(data)
    if kind is Format.BMP:
        return _bmp_size(data)
    if kind is Format.JPEG:
        header = jpeg_header(data)
        return (header.width_px, header.height_px) if header else None
    return None


def _webp_size(data: bytes) -> tuple[int, int] | None:
    chunk = data[12:16]
    if chunk == b"VP8X":
        return int.from_bytes(data[24:27], "little") + 1, int.from_bytes(data[27:30], "little") + 1
    if chunk == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if chunk == b"VP8 " and data[23:26] == b"\x9d\x01\x2a":
        width, height = int.from_bytes(data[26:28], "little"), int.from_bytes(data[28:30], "little")
        return width & 0x3FFF, height & 0x3FFF
    return None


def _bmp_size(data: bytes) -> tuple[int, int] | None:
    if len(data) < 26:
        return None
    if int.from_bytes(data[14:18], "little") == 12:
        return int.from_bytes(data[18:20], "little"), int.from_bytes(data[20:22], "little")
    width = int.from_bytes(data[18:22], "little", signed=True)
    height = int.from_bytes(data[22:26], "little", signed=True)
    return width, abs(height)


def is_cut(kind: Format, data: bytes) -> bool:
    """Whether the file ends before the end its own structure states, where that is simple to tell."""
    if kind is Format.WEBP:
        return int.from_bytes(data[4:8], "little") + 8 > len(data) + 1
    if kind is Format.PNG:
        return _runs_out(data, at=8, overhead=12, length_includes_overhead=False)
    if kind in (Format.AVIF, Format.HEIF):
        return _runs_out(data, at=0, overhead=8, length_includes_overhead=True)
    return False


def _runs_out(data: bytes, *, at: int, overhead: int, length_includes_overhead: bool) -> bool:
    """Follow a chain of chunks that begin with their lengths, big-endian."""
    while at < len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        if data[at + 4 : at + 8] == b"IEND":
            return at + overhead > len(data)
        if length_includes_overhead and length == 0:  # to the end of the file
            return False
        if length_includes_overhead and length == 1:
            length = int.from_bytes(data[at + 8 : at + 16], "big")
        at += max(length, overhead) if length_includes_overhead else length + overhead
    return at > len(data) or not length_includes_overhead
