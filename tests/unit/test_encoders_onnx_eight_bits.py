"""The bundled network in whole numbers of 8 bits: exact enough, and used where it is quicker and right."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.pictures import picture

from seealike.encoders import EncoderMode, known_encoders, trial_pictures
from seealike.encoders.cache import BlobCache
from seealike.encoders.models import EFFICIENTNET_LITE0, EncoderRecord
from seealike.encoders.onnx import eight_bits, graph
from seealike.encoders.onnx import openvino as module
from seealike.encoders.onnx.eight_bits import counted_in_eight_bits, rounded_weights
from seealike.encoders.onnx.file import read_model_file
from seealike.encoders.onnx.openvino import OpenVinoEncoder, Precision, read_model
from seealike.types import Float32Array


def loaded(cache: BlobCache, precision: Precision | None, record: EncoderRecord = EFFICIENTNET_LITE0) -> str:
    encoder = OpenVinoEncoder(record, mode=EncoderMode.LATENCY, cache=cache, precision=precision)
    encoder.close()
    return encoder.precision


@pytest.fixture
def without_bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "fastest_precision", lambda _: "f32")


def rates(monkeypatch: pytest.MonkeyPatch, gain: float) -> Counter[str]:
    """Say how quick encoders are, and count how often that was asked."""
    asked: Counter[str] = Counter()

    def said(encoder: OpenVinoEncoder, _: float) -> float:
        asked[encoder.precision] += 1
        return 100.0 * (gain if encoder.precision == "i8" else 1.0)

    monkeypatch.setattr(module, "throughput", said)
    return asked


def test_weights_are_rounded_by_less_than_a_step_and_the_errors_of_a_channel_cancel() -> None:
    weights = np.random.default_rng(0).standard_normal((20, 96, 1, 1)).astype(np.float32)
    weights[3] = 0
    rounded, reach = rounded_weights(weights)
    steps = weights.astype(np.float64) * 127 / reach
    found = rounded.astype(np.float64) * 127 / reach
    np.testing.assert_allclose(found, np.rint(found), atol=1e-4)
    assert np.abs(found).max() <= 127 + 1e-4
    assert np.abs(found - steps).max() < 1
    assert np.abs((found - steps).sum(axis=(1, 2, 3))).max() <= 0.5 + 1e-3
    nearest = np.rint(steps)
    assert np.abs((nearest - steps).sum(axis=(1, 2, 3))).max() > 1  # each by itself they would not
    np.testing.assert_allclose(reach[:, 0, 0, 0], np.maximum(np.abs(weights).max(axis=(1, 2, 3)), 1e-8))


def test_convolutions_of_1_x_1_count_in_8_bits_but_for_the_first_two_blocks() -> None:
    read = read_model(read_model_file(EFFICIENTNET_LITE0.file))
    model = graph.prepared(read, EFFICIENTNET_LITE0, 1)
    nodes = counted_in_eight_bits(model, EFFICIENTNET_LITE0.weights_sha256).get_ordered_ops()
    exact = {
        node.get_friendly_name().partition("/")[0]: node.input_value(0).get_node().get_type_name()
        != "FakeQuantize"
        for node in nodes
        if node.get_type_name() in ("Convolution", "GroupConvolution")
    }
    assert len(exact) == 49
    assert {name for name, stays in exact.items() if stays} == {
        "_conv_stem",
        "_blocks.0._project_conv",
        "_blocks.1._expand_conv",
        "_blocks.1._project_conv",
        *(f"_blocks.{block}._depthwise_conv" for block in range(16)),
    }


@pytest.mark.parametrize("record", known_encoders(), ids=lambda record: record.name)
@pytest.mark.parametrize("mode", EncoderMode)
def test_vectors_in_8_bits_agree_with_those_in_float32(
    mode: EncoderMode, record: EncoderRecord, tmp_path: Path
) -> None:
    cache = BlobCache(str(tmp_path))
    pixels = np.stack([np.asarray(picture(number, (224, 224))) for number in range(24)])

    def vectors(precision: Precision) -> Float32Array:
        encoder = OpenVinoEncoder(record, mode=mode, cache=cache, precision=precision)
        made = encoder.encode(pixels)
        encoder.close()
        return made

    agreement = (vectors("f32") * vectors("i8")).sum(axis=1)
    assert np.median(agreement) > 0.9975  # of photos 0.9986
    assert agreement.max() < 0.99999  # it is another arithmetic


@pytest.mark.usefixtures("without_bfloat16")
@pytest.mark.parametrize(("gain", "wanted"), [(1.9, "i8"), (1.1, "f32")])
def test_a_trial_decides_once_whether_8_bits_pay(
    gain: float, wanted: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, cache = rates(monkeypatch, gain), BlobCache(str(tmp_path))
    assert loaded(cache, None) == wanted
    assert asked == {"i8": 3, "f32": 3}
    assert loaded(cache, None) == wanted
    assert asked.total() == 6


@pytest.mark.usefixtures("without_bfloat16")
def test_a_cpu_that_computes_something_else_in_8_bits_keeps_off_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = rates(monkeypatch, 9.0)
    monkeypatch.setattr(eight_bits, "LEAST_COSINE", 0.9999)
    assert loaded(BlobCache(str(tmp_path)), None) == "f32"
    assert not asked


@pytest.mark.usefixtures("without_bfloat16")
def test_where_nothing_can_be_remembered_or_is_known_nothing_is_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, cache = rates(monkeypatch, 9.0), BlobCache(str(tmp_path))
    encoder = OpenVinoEncoder(EFFICIENTNET_LITE0, mode=EncoderMode.LATENCY)
    assert encoder.precision == "f32"
    encoder.close()
    assert loaded(cache, None, replace(EFFICIENTNET_LITE0, precise=True)) == "f32"
    monkeypatch.setattr(eight_bits, "_REACHES", {})
    assert loaded(cache, None) == "f32"
    assert not asked


def test_a_cpu_with_bfloat16_keeps_to_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = rates(monkeypatch, 9.0)
    monkeypatch.setattr(module, "fastest_precision", lambda _: "bf16")
    module.import_openvino()
    import openvino

    cache = BlobCache(str(tmp_path))
    assert module._usual_precision(openvino.Core(), EFFICIENTNET_LITE0, cache) == "bf16"
    assert not asked


@pytest.mark.parametrize("record", known_encoders(), ids=lambda record: record.name)
def test_the_drawn_squares_of_the_trial_agree_and_not_by_chance(
    record: EncoderRecord, tmp_path: Path
) -> None:
    cache, squares = BlobCache(str(tmp_path)), trial_pictures(32, 224)
    exact, quick = (
        OpenVinoEncoder(record, mode=EncoderMode.THROUGHPUT, cache=cache, precision=one)
        for one in ("f32", "i8")
    )
    agreement = float(np.median((exact.encode(squares) * quick.encode(squares)).sum(axis=1)))
    assert eight_bits.LEAST_COSINE < agreement < 0.9998
    exact.close()
    quick.close()
