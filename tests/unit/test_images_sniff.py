"""What a file is, told by its content."""

from __future__ import annotations

import io

import pytest
from PIL import Image
from tests.pictures import picture
from tests.robustness.corpus import encoded

from seealike.images import DecodeError
from seealike.images.headers import declared_size, is_cut, jpeg_header
from seealike.images.limits import one_line
from seealike.images.sniff import Format, sniff
from seealike.types import SkipReason


@pytest.mark.parametrize("kind", [kind for kind in Format if kind is not Format.HEIF])
def test_pictures_are_known_by_their_content(kind: Format) -> None:
    assert sniff(encoded(picture(1), kind.value)) is kind


@pytest.mark.parametrize(
    ("brands", "kind"),
    [
        (b"heic\0\0\0\0mif1", Format.HEIF),
        (b"mif1\0\0\0\0mif1heic", Format.HEIF),
        (b"mif1\0\0\0\0mif1avif", Format.AVIF),
        (b"avis\0\0\0\0avif", Format.AVIF),
        (b"msf1\0\0\0\0", Format.HEIF),
    ],
)
def test_avif_and_heif_are_told_apart_by_their_brands(brands: bytes, kind: Format) -> None:
    assert sniff((len(brands) + 8).to_bytes(4, "big") + b"ftyp" + brands) is kind


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"%PDF-1.4", "PDF"),
        (b"%!PS-Adobe", "EPS"),
        (b"<svg xmlns='x'>", "SVG"),
        (b"\xef\xbb\xbf\n<?xml version='1.0'?>\n<!-- x --><s:svg >", "SVG"),
        (b"\0\0\1\0\1\0", "ICO"),
        (b"8BPS\0\1", "PSD"),
        (b"P6 3 3 255\n", "PNM"),
        (b"#define cat_width 8\n", "XBM"),
        (b"\0\0\0\x18ftypisom\0\0\0\0", "isom"),
        (b"RIFF\0\0\0\0AVI LIST", "AVI"),
        (b"RIFF\0\0\0\0WAVEfmt ", "WAVE"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"),
    ],
)
def test_what_is_known_but_not_supported_is_called_by_its_name(data: bytes, name: str) -> None:
    with pytest.raises(DecodeError, match=name) as refused:
        sniff(data)
    assert refused.value.reason is SkipReason.UNSUPPORTED_FORMAT


@pytest.mark.parametrize(
    "data", [b"hello", b"BMW is no bitmap at all", b"<html><p>svg</p>", b"\xff", b"PK\3\4"]
)
def test_anything_else_is_no_image(data: bytes) -> None:
    with pytest.raises(DecodeError) as refused:
        sniff(data)
    assert refused.value.reason is SkipReason.NOT_AN_IMAGE


@pytest.mark.parametrize("data", [b"\x89PNG", b"\xff\xd8", b"GIF8", b"RIFF\1\2", b"BM12"])
def test_a_file_that_ends_within_its_first_bytes_is_truncated(data: bytes) -> None:
    with pytest.raises(DecodeError) as refused:
        sniff(data)
    assert refused.value.reason is SkipReason.TRUNCATED


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP", "WEBP"])
def test_the_declared_size_is_the_size(kind: str) -> None:
    for mode in ("RGB", "L"):
        data = encoded(picture(1, (123, 45)).convert(mode), kind)
        assert declared_size(Format(kind), data) == (123, 45)


@pytest.mark.parametrize("options", [{"lossless": True}, {"lossless": False}, {"exif": b"Exif\0\0II*\0"}])
def test_the_declared_size_of_every_kind_of_webp_is_the_size(options: dict[str, object]) -> None:
    out = io.BytesIO()
    picture(1, (123, 45)).save(out, "WEBP", **options)
    assert declared_size(Format.WEBP, out.getvalue()) == (123, 45)


def test_a_jpeg_header_says_what_it_is_made_of() -> None:
    for mode, components in (("L", 1), ("RGB", 3), ("CMYK", 4)):
        header = jpeg_header(encoded(Image.new(mode, (9, 8)), "JPEG"))
        assert header is not None
        assert (header.width_px, header.height_px, header.components) == (9, 8, components)
        assert not header.has_metadata
    out = io.BytesIO()
    picture(1).save(out, "JPEG", exif=Image.Exif())
    assert jpeg_header(b"\xff\xd8\xff\xe1\0\2" + encoded(picture(1), "JPEG")[2:]) is not None


def test_headers_cut_anywhere_are_no_reason_to_fail() -> None:
    for kind in Format:
        whole = encoded(picture(1), kind.value) if kind is not Format.HEIF else b"\0\0\0\x0cftypheic"
        for end in range(min(len(whole), 200)):
            declared_size(kind, whole[:end])
            is_cut(kind, whole[:end])


@pytest.mark.parametrize("kind", [Format.PNG, Format.WEBP, Format.AVIF])
def test_a_cut_file_is_told_from_a_whole_one(kind: Format) -> None:
    whole = encoded(picture(1), kind.value)
    assert not is_cut(kind, whole)
    for end in (len(whole) - 2, len(whole) // 2, 60):
        assert is_cut(kind, whole[:end])


def test_messages_become_one_printable_line() -> None:
    assert one_line("a\nb\0c\x1b[31m  d") == "a b c [31m d"
    assert len(one_line("x" * 999)) == 160
