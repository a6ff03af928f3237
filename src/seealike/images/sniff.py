"""What a file is, by its content: no extension is ever believed, and no decoder is asked.

Only the names and the declared sizes of formats are known here, not how to decode them.
"""

from __future__ import annotations

import re
from enum import StrEnum

from seealike.images.limits import DecodeError
from seealike.types import SkipReason


class Format(StrEnum):
    """The formats that are decoded; the values are Pillow's names."""

    JPEG = "JPEG"
    PNG = "PNG"
    WEBP = "WEBP"
    GIF = "GIF"
    BMP = "BMP"
    TIFF = "TIFF"
    AVIF = "AVIF"
    HEIF = "HEIF"


_ALLOWED: tuple[tuple[bytes, Format], ...] = (
    (b"\xff\xd8\xff", Format.JPEG),
    (b"\x89PNG\r\n\x1a\n", Format.PNG),
    (b"GIF87a", Format.GIF),
    (b"GIF89a", Format.GIF),
    (b"II*\0", Format.TIFF),
    (b"MM\0*", Format.TIFF),
    (b"II+\0", Format.TIFF),
    (b"MM\0+", Format.TIFF),
)

_REFUSED: tuple[tuple[bytes, str], ...] = (
    (b"%PDF-", "PDF"),
    (b"%!PS", "EPS or PostScript"),
    (b"\xc5\xd0\xd3\xc6", "EPS"),
    (b"\0\0\1\0", "ICO"),
    (b"\0\0\2\0", "CUR"),
    (b"icns", "ICNS"),
    (b"8BPS", "PSD"),
    (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"),
    (b"\xff\x4f\xff\x51", "JPEG 2000"),
    (b"\xff\x0a", "JPEG XL"),
    (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
    (b"II\xbc", "JPEG XR"),
    (b"DDS ", "DDS"),
    (b"\x76\x2f\x31\x01", "OpenEXR"),
    (b"#?RADIANCE", "Radiance HDR"),
    (b"#?RGBE", "Radiance HDR"),
    (b"qoif", "QOI"),
    (b"farbfeld", "farbfeld"),
    (b"\x01\xda", "SGI"),
    (b"\x59\xa6\x6a\x95", "Sun raster"),
    (b"SIMPLE  =", "FITS"),
    (b"\xd7\xcd\xc6\x9a", "WMF"),
    (b"AT&TFORM", "DjVu"),
    (b"BLP1", "BLP"),
    (b"BLP2", "BLP"),
    (b"gimp xcf", "XCF"),
    (b"FLIF", "FLIF"),
    (b"BPG\xfb", "BPG"),
    (b"\x8aMNG\r\n\x1a\n", "MNG"),
    (b"\x8bJNG\r\n\x1a\n", "JNG"),
    (b"/* XPM */", "XPM"),
    (b"DanM", "MSP"),
    (b"LinS", "MSP"),
    (b"\x1aE\xdf\xa3", "Matroska video"),
    (b"FORM", "IFF"),
    (b"\0gd2\0", "GD2"),
)

_NETPBM = re.compile(rb"P[1-7]\s|P[fFyY]\s")
_XBM = re.compile(rb"\s*#define\s+\S+_width\s")
_SVG = re.compile(rb"<(?:[A-Za-z_][\w.-]*:)?svg[\s>/]", re.IGNORECASE)
_AVIF_BRANDS = frozenset({b"avif", b"avis"})
_HEIF_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"})
_EITHER_BRANDS = frozenset({b"mif1", b"mif2", b"msf1"})
_BMP_HEADERS = frozenset({12, 16, 40, 52, 56, 64, 108, 124})


def sniff(data: bytes) -> Format:
    """Return the format of a file's content.

    Raises:
        DecodeError: the content is empty, a known format that is not supported, or no picture.
    """
    if not data:
        raise DecodeError(SkipReason.EMPTY_FILE, "the file has no content")
    for magic, allowed in _ALLOWED:
        if data.startswith(magic):
            return allowed
    if data.startswith(b"RIFF"):
        return _sniff_riff(data)
    if data[4:8] == b"ftyp":
        return _sniff_boxes(data)
    if data.startswith(b"BM") and int.from_bytes(data[14:18], "little") in _BMP_HEADERS:
        return Format.BMP
    _refuse_known(data)
    _refuse_cut(data)
    raise DecodeError(SkipReason.NOT_AN_IMAGE, "the content is no picture format")


def _sniff_riff(data: bytes) -> Format:
    kind = data[8:12]
    if kind == b"WEBP":
        return Format.WEBP
    if len(data) < 12:
        raise DecodeError(SkipReason.TRUNCATED, "the file ends within its RIFF header")
    name = kind.decode("ascii", "replace").strip()
    raise DecodeError(SkipReason.UNSUPPORTED_FORMAT, f"RIFF file of kind {name!r}, not WebP")


def _sniff_boxes(data: bytes) -> Format:
    brands = [data[8:12]]
    if brands[0] in _EITHER_BRANDS:
        end = min(int.from_bytes(data[:4], "big"), 512)
        brands += [data[at : at + 4] for at in range(16, end, 4)]
    for brand in brands:
        if brand in _AVIF_BRANDS:
            return Format.AVIF
        if brand in _HEIF_BRANDS:
            return Format.HEIF
    if brands[0] in _EITHER_BRANDS:
        return Format.HEIF
    name = brands[0].decode("ascii", "replace").strip()
    raise DecodeError(SkipReason.UNSUPPORTED_FORMAT, f"MP4-like file of brand {name!r}, not AVIF or HEIC")


def _refuse_known(data: bytes) -> None:
    name = next((name for magic, name in _REFUSED if data.startswith(magic)), None)
    head = data[:4096].lstrip(b"\xef\xbb\xbf \t\r\n")
    if name is None and _NETPBM.match(data):
        name = "PNM"
    elif name is None and _XBM.match(head):
        name = "XBM"
    elif name is None and head.startswith(b"<") and _SVG.search(head):
        name = "SVG"
    elif name is None and data[:1] == b"\x0a" and data[1:2] in b"\0\2\3\4\5" and data[2:3] == b"\1":
        name = "PCX"
    elif name is None and data[-18:] == b"TRUEVISION-XFILE.\0":
        name = "TGA"
    elif name is None and data[40:44] == b" EMF" and data.startswith(b"\1\0\0\0"):
        name = "EMF"
    if name is not None:
        raise DecodeError(SkipReason.UNSUPPORTED_FORMAT, f"{name} is not supported")


def _refuse_cut(data: bytes) -> None:
    """Name a file that ends within the first bytes of a supported format."""
    cut = len(data) >= 2 and any(magic.startswith(data) for magic, _ in _ALLOWED)
    if cut or (data.startswith(b"BM") and len(data) < 18):
        raise DecodeError(SkipReason.TRUNCATED, "the file ends within the first bytes of a picture")
