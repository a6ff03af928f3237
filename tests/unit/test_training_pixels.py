"""Decoded pictures in a file: the same pixels as decoded alone, and no full disk."""

from __future__ import annotations

import shutil
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
from tests.pictures import write_pictures

from seealike.errors import PictureError, StorageError
from seealike.images import DecodeLimits, decode
from seealike.training.data.pixels import decoded
from seealike.types import Fit, Preprocessing

HOW = Preprocessing(32, 32, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), fit=Fit.SQUASH)


def test_every_picture_is_what_it_is_when_decoded_alone(tmp_path: Path) -> None:
    paths = [str(path) for path in write_pictures(tmp_path / "photos", range(20))]
    with decoded(paths, HOW, str(tmp_path), lambda _: None) as pixels:
        assert pixels.shape == (20, 32, 32, 3)
        for path, found in zip(paths, pixels, strict=True):
            wanted = decode(Path(path).read_bytes(), HOW, DecodeLimits()).pixels
            assert np.array_equal(found, wanted)
        del pixels, found
    assert [path.name for path in tmp_path.iterdir()] == ["photos"]


def test_a_picture_that_is_gone_is_named(tmp_path: Path) -> None:
    with (
        pytest.raises(PictureError, match=r"gone\.jpg"),
        decoded([str(tmp_path / "gone.jpg")], HOW, str(tmp_path), lambda _: None),
    ):
        pass


def test_what_does_not_fit_on_the_disk_is_refused_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "free")  # noqa: PYI024
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(1000))
    with (
        pytest.raises(StorageError, match=r"need 0\.0 GB"),
        decoded(["a.jpg"] * 10, HOW, str(tmp_path), lambda _: None),
    ):
        pass
