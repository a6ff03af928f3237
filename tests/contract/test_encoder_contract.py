"""One contract for every encoder, and proof that the contract notices what breaks it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from seealike.encoders import EncoderMode, load_encoder
from seealike.testing import FakeEncoder, check_encoder, sample_pixels

if TYPE_CHECKING:
    from concurrent.futures import Future
    from pathlib import Path

    from seealike.types import Float32Array, PixelArray


@pytest.mark.parametrize("mode", EncoderMode)
def test_the_bundled_encoder_keeps_the_contract(mode: EncoderMode, tmp_path: Path) -> None:
    check_encoder(load_encoder("efficientnet-lite0", cache_dir=str(tmp_path), mode=mode))


@pytest.mark.parametrize(("batch_size", "concurrency"), [(1, 1), (4, 2), (7, 3)])
def test_the_fake_encoder_keeps_the_contract(batch_size: int, concurrency: int) -> None:
    check_encoder(FakeEncoder(batch_size=batch_size, concurrency=concurrency))


def test_both_modes_of_the_bundled_encoder_give_the_same_vectors(tmp_path: Path) -> None:
    pixels = sample_pixels(9, 224)
    answers = []
    for mode in EncoderMode:
        encoder = load_encoder("efficientnet-lite0", cache_dir=str(tmp_path), mode=mode)
        answers.append(encoder.encode(pixels))
        encoder.close()
    np.testing.assert_array_equal(answers[0], answers[1])


def test_the_fake_encoder_finds_a_slightly_changed_picture() -> None:
    pixels = sample_pixels(6, 32)
    darker = (pixels * 0.9).astype(np.uint8)
    encoder = FakeEncoder()
    scores = encoder.encode(darker) @ encoder.encode(pixels).T
    encoder.close()
    assert scores.argmax(axis=1).tolist() == list(range(6))


class Unscaled(FakeEncoder):
    def _project(self, pixels: PixelArray) -> Float32Array:
        return 2 * super()._project(pixels)


class Shuffled(FakeEncoder):
    def encode(self, pixels: PixelArray) -> Float32Array:
        self._check(pixels)
        return self._project(pixels)

    def submit(self, pixels: PixelArray) -> Future[Float32Array]:
        return super().submit(pixels[::-1])


class Crowded(FakeEncoder):
    def encode(self, pixels: PixelArray) -> Float32Array:
        return super().encode(pixels) if len(pixels) < 3 else super().encode(pixels[:2])


class Coupled(FakeEncoder):
    def _project(self, pixels: PixelArray) -> Float32Array:
        vectors = super()._project(pixels)
        mixed = vectors + 0.01 * vectors.mean(axis=0)
        unit: Float32Array = mixed / np.linalg.norm(mixed, axis=1, keepdims=True)
        return unit


class Blind(FakeEncoder):
    def _project(self, pixels: PixelArray) -> Float32Array:
        return super()._project(np.zeros_like(pixels))


class Immortal(FakeEncoder):
    def close(self) -> None:
        pass


@pytest.mark.parametrize(
    ("broken", "complaint"),
    [
        (Unscaled, "norms"),
        (Shuffled, "other vectors than encode"),
        (Crowded, "shape"),
        (Coupled, "depends on the pictures beside it"),
        (Blind, "same vector"),
        (Immortal, "after close"),
    ],
)
def test_the_contract_notices_a_broken_encoder(broken: type[FakeEncoder], complaint: str) -> None:
    with pytest.raises(AssertionError, match=complaint):
        check_encoder(broken())
