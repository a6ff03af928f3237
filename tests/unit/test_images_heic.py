"""HEIC, which needs an optional package: pixels as of other formats, upright, reasons for bad files."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.pictures import picture

from seealike.images import DecodeError, DecodeLimits, DecodePool, DecodeTask, decode, prepare
from seealike.types import Preprocessing, SkipReason

pillow_heif = pytest.importorskip("pillow_heif", reason="pillow-heif is not installed")
PREPROCESSING = Preprocessing(64, 56, (0.0,) * 3, (1.0,) * 3)


def heic(image: Image.Image, *, orientation: int = 1) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = io.BytesIO()
    pillow_heif.from_pillow(image).save(file, format="HEIF", quality=95, chroma=444, exif=exif.tobytes())
    return file.getvalue()


def difference(data: bytes, wanted: Image.Image) -> float:
    got = decode(data, PREPROCESSING, DecodeLimits()).pixels.astype(np.int16)
    return float(np.abs(got - prepare(wanted, PREPROCESSING).pixels).mean())


def test_the_pixels_are_those_of_the_picture_that_was_encoded() -> None:
    assert difference(heic(picture(3)), picture(3)) < 2.0
    assert difference(heic(picture(3)), picture(4)) > 10.0


def test_a_picture_that_lies_on_its_side_is_put_upright_once() -> None:
    upright = picture(5, (96, 72)).transpose(Image.Transpose.ROTATE_270)
    found = decode(heic(picture(5, (96, 72)), orientation=6), PREPROCESSING, DecodeLimits())
    assert (found.width_px, found.height_px) == (72, 96)
    assert difference(heic(picture(5, (96, 72)), orientation=6), upright) < 2.0


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.9])
def test_a_cut_file_has_a_reason(kept: float) -> None:
    data = heic(picture(6))
    with pytest.raises(DecodeError) as refused:
        decode(data[: int(kept * len(data))], PREPROCESSING, DecodeLimits())
    assert refused.value.reason in (SkipReason.TRUNCATED, SkipReason.CORRUPT)


def test_the_decoding_processes_take_it_too(tmp_path: Path) -> None:
    path = tmp_path / "named wrongly.jpg"
    path.write_bytes(heic(picture(7)))
    with DecodePool(PREPROCESSING, workers=1, batch_size=2, buffers=3) as pool:
        batches = list(pool.decode(iter([DecodeTask(token=1, path=str(path))])))
        assert not [failure for batch in batches for failure in batch.refused]
        got = batches[0].pixels[0].astype(np.int16)
        assert np.abs(got - prepare(picture(7), PREPROCESSING).pixels).mean() < 2.0
        for batch in batches:
            batch.release()
