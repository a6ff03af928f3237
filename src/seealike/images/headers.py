"""What headers state before anything is decoded: sizes, and how a JPEG is made."""

from __future__ import annotations

from dataclasses import dataclass

from seealike.images.sniff import Format

_NO_LENGTH = frozenset({0x01, *range(0xD0, 0xD9)})
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_APP1, _START_OF_SCAN = 0xE1, 0xDA


@dataclass(frozen=True, slots=True)
class JpegHeader:
    """A JPEG's frame header, and whether an EXIF or XMP segment precedes it."""

    width_px: int
    height_px: int
    components: int
    has_metadata: bool


def jpeg_header(data: bytes) -> JpegHeader | None:
    """Walk a JPEG's segments up to its frame header; ``None`` where that is not possible."""
    at, has_metadata = 2, False
    while at + 10 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == _START_OF_SCAN:
            break
        if marker in _FRAMES:
            height, width = (
                int.from_bytes(data[at + 5 : at + 7], "big"),
                int.from_bytes(data[at + 7 : at + 9], "big"),
            )
            return JpegHeader(width, height, data[at + 9], has_metadata)
        has_metadata |= marker == _APP1
        if marker == 0xFF:  # a fill byte
            at += 1
        elif marker in _NO_LENGTH:
            at += 2
        else:
            at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return None


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
