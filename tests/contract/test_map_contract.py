"""What encoders say of each place, against a mean over places and what onnx's evaluator computes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx.reference import ReferenceEvaluator
from tests.made_models import FORMS, SIDE_PX, Form, save_model

from seealike.encoders import EncoderMode, load_encoder, load_map_encoder
from seealike.errors import EncoderError
from seealike.protocols import MapEncoder
from seealike.testing import FakeEncoder, check_map_encoder, sample_pixels

NO_PLACES = ("layer=features", "layer=tokens&pool=avg", "layer=map&pool=flatten")


def checked(spec: str, cache: Path) -> None:
    encoder = load_encoder(spec, cache_dir=str(cache), mode=EncoderMode.LATENCY)
    maps = load_map_encoder(spec, cache_dir=str(cache))
    assert isinstance(maps, MapEncoder)
    assert maps.identity == encoder.identity
    check_map_encoder(maps, encoder.encode)
    encoder.close()


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("pool", ["avg", "gem", "max"])
def test_the_mean_over_places_is_the_vector(form: Form, pool: str, tmp_path: Path) -> None:
    path = save_model(tmp_path / "made.onnx", form)
    checked(f"onnx:{path}?size={SIDE_PX}&layer=map&pool={pool}", tmp_path)


@pytest.mark.parametrize("name", ["efficientnet-lite0", "efficientnet-lite0-v2"])
def test_a_bundled_encoder_says_what_each_place_adds(name: str, tmp_path: Path) -> None:
    checked(name, tmp_path)
    maps = load_map_encoder(name, cache_dir=str(tmp_path))
    assert maps is not None
    assert maps.widest_px == 448
    assert maps.encode_maps(sample_pixels(1, 224)).shape == (1, 7, 7, 1280)
    assert maps.encode_maps(sample_pixels(1, 448)).shape == (1, 14, 14, 1280)


def test_the_fake_says_what_each_place_adds() -> None:
    encoder = FakeEncoder()
    check_map_encoder(encoder, FakeEncoder().encode)


def test_an_average_pools_what_the_model_computes_there(tmp_path: Path) -> None:
    path = save_model(tmp_path / "made.onnx")
    pixels = sample_pixels(3, SIDE_PX)
    spec = f"onnx:{path}?size={SIDE_PX}&layer=map&pool=avg&norm=unit"
    maps = load_map_encoder(spec, cache_dir=str(tmp_path))
    assert maps is not None
    model = onnx.load(path)
    model.graph.output.append(onnx.helper.make_tensor_value_info("map", onnx.TensorProto.FLOAT, None))
    fed = (pixels / np.float32(255)).astype(np.float32).transpose(0, 3, 1, 2)
    expected = ReferenceEvaluator(model).run(["map"], {"pictures": fed})[0].transpose(0, 2, 3, 1)
    assert np.abs(maps.encode_maps(pixels) - expected).max() < 0.02 * np.abs(expected).max()


@pytest.mark.parametrize("options", NO_PLACES)
def test_an_encoder_that_pools_otherwise_says_so_in_one_line(options: str, tmp_path: Path) -> None:
    path = save_model(tmp_path / "made.onnx")
    with pytest.raises(EncoderError, match="no places can be told apart by onnx:") as refused:
        load_map_encoder(f"onnx:{path}?size={SIDE_PX}&{options}", cache_dir=str(tmp_path))
    assert "\n" not in str(refused.value)
