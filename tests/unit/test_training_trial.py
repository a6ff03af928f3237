"""Whether a file computes what was learnt: measured, not believed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.pictures import picture

from seealike.encoders import EncoderMode, load_encoder, record_of, trial_pictures, vectors_of
from seealike.encoders.onnx.openvino import OpenVinoEncoder, Precision
from seealike.errors import EncoderError
from seealike.testing import sample_pixels
from seealike.training import trial as module
from seealike.training.data.pixels import readable
from seealike.training.trial import FEWEST, MOST, Parity, Trial, compared, filled_up
from seealike.types import Float32Array, Preprocessing

RECORD = record_of("efficientnet-lite0")
PIXELS = sample_pixels(4, 224)


@pytest.fixture(scope="module")
def vectors() -> Float32Array:
    return vectors_of(RECORD, PIXELS, "f32")[0]


def test_the_same_model_agrees_with_itself(vectors: Float32Array) -> None:
    parity = compared(RECORD, Trial(PIXELS, vectors, vectors))
    assert parity.float32 > 0.99999
    assert not parity.precise
    assert (parity.fastest is None) == (vectors_of(RECORD, PIXELS)[1] == "f32")


def test_what_keeps_off_bfloat16_is_compared_in_float32_alone(vectors: Float32Array) -> None:
    assert compared(replace(RECORD, precise=True), Trial(PIXELS, vectors, vectors)).fastest is None


def test_one_picture_of_another_direction_is_enough_to_refuse(vectors: Float32Array) -> None:
    wrong = vectors.copy()
    wrong[2] = wrong[1]
    with pytest.raises(EncoderError, match="does not compute what was learnt") as caught:
        compared(RECORD, Trial(PIXELS, wrong, vectors))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("wrong", [np.full((4, 1280), np.nan, np.float32), np.ones((4, 7), np.float32)])
def test_no_numbers_and_another_length_are_refused(wrong: Float32Array) -> None:
    with pytest.raises(EncoderError, match="does not compute what was learnt"):
        compared(RECORD, Trial(PIXELS, wrong, wrong))


def test_bfloat16_that_turns_a_vector_too_far_is_kept_off(
    vectors: Float32Array, monkeypatch: pytest.MonkeyPatch
) -> None:
    turned = vectors + 0.01 * np.random.default_rng(0).normal(size=vectors.shape).astype(np.float32)
    turned /= np.linalg.norm(turned, axis=1, keepdims=True)
    answers = {"f32": (vectors, "f32"), None: (turned, "bf16")}
    monkeypatch.setattr(module, "vectors_of", lambda _record, _pictures, precision=None: answers[precision])
    parity = compared(RECORD, Trial(PIXELS, vectors, vectors))
    assert parity.fastest == pytest.approx(float((turned * vectors).sum(1).min()))
    assert parity.precise
    assert not Parity(1.0, 0.99).precise
    # What was judged so already is what the file must compute.
    assert compared(RECORD, Trial(PIXELS, vectors, turned)).fastest == pytest.approx(1.0)


def test_drawn_pictures_stand_in_where_there_are_too_few() -> None:
    assert filled_up(PIXELS[:0], 224).tolist() == trial_pictures(FEWEST, 224).tolist()
    assert len(filled_up(PIXELS, 224)) == FEWEST
    assert filled_up(PIXELS, 224)[: len(PIXELS)].tolist() == PIXELS.tolist()
    many = np.zeros((MOST + 5, 8, 8, 3), np.uint8)
    assert filled_up(many, 8).shape == many[:MOST].shape


def test_pictures_that_cannot_be_read_are_left_out_and_the_others_keep_their_order(tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}.png" for number in range(4)]
    for number in (0, 2):
        picture(number).save(paths[number])
    paths[1].write_bytes(b"no picture")
    how = Preprocessing(32, 32, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    found = readable([str(path) for path in paths], how)
    alone = [readable([str(paths[number])], how)[0] for number in (0, 2)]
    assert found.tolist() == np.array(alone).tolist()
    assert found.shape == (2, 32, 32, 3)
    assert readable([], how).shape == (0, 32, 32, 3)


def test_a_file_runs_as_the_catalogue_will_run_it(vectors: Float32Array) -> None:
    encoder = load_encoder("efficientnet-lite0", mode=EncoderMode.THROUGHPUT)
    assert isinstance(encoder, OpenVinoEncoder)
    try:
        wanted = encoder.encode(PIXELS)
    finally:
        encoder.close()
    tried: Precision | None = (
        "i8" if encoder.precision == "i8" else None
    )  # a taught network is not tried in 8 bits
    np.testing.assert_allclose(vectors_of(RECORD, PIXELS, tried)[0], wanted, atol=1e-5)
