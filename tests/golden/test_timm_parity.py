# ruff: noqa: ANN401 - torch is not there for the type checker
"""timm models exported by seealike against timm itself, whose own `num_classes=0` and hooks are the truth.

The weights are made here: the arithmetic is tested, not the training.
"""

from __future__ import annotations

import gc
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tests.golden.test_encoder_parity import checkpoint
from tests.timm_weights import cosines, made_state, planes, save_made, torch_network

from seealike.encoders.cache import BlobCache
from seealike.encoders.models import EFFICIENTNET_LITE0, EncoderMode
from seealike.encoders.onnx.openvino import OpenVinoEncoder
from seealike.encoders.spec import parse_spec
from seealike.encoders.timm.record import timm_record
from seealike.testing import sample_pixels

if TYPE_CHECKING:
    from collections.abc import Callable

    from seealike.encoders.models import EncoderRecord
    from seealike.types import Float32Array, PixelArray

pytestmark = pytest.mark.torch
PENULTIMATE = {
    "resnet18": 512,
    "mobilenetv1_100": 1024,
    "mobilenetv2_100": 1280,
    "vit_tiny_patch16_224": 192,
}
LARGE = {
    "resnet50": 2048,
    "resnet152": 2048,
    "vgg16": 4096,
    "vgg19": 4096,
    "inception_resnet_v2": 1536,
    "vit_base_patch16_224": 768,
    "vit_base_patch32_clip_224.openai": 768,
}
MODELS = [
    *(pytest.param(name, d, id=name) for name, d in PENULTIMATE.items()),
    *(pytest.param(name, d, id=name, marks=pytest.mark.heavy) for name, d in LARGE.items()),
]


def encoded(record: EncoderRecord, pixels: PixelArray, cache: Path) -> Float32Array:
    encoder = OpenVinoEncoder(record, mode=EncoderMode.LATENCY, cache=BlobCache(str(cache)), precision="f32")
    try:
        return encoder.encode(pixels)
    finally:
        encoder.close()


def truth(network: Any, record: EncoderRecord, pixels: PixelArray) -> Float32Array:
    torch = pytest.importorskip("torch")
    with torch.no_grad():
        answer: Float32Array = network(planes(pixels, record.preprocessing)).flatten(1).numpy()
    return answer


@pytest.mark.parametrize(("name", "dimension"), MODELS)
def test_the_default_is_the_penultimate_feature_as_timm_computes_it(
    name: str, dimension: int, tmp_path: Path
) -> None:
    timm = pytest.importorskip("timm")
    weights = save_made(name, tmp_path)
    record = timm_record(parse_spec(f"timm:{name}?weights={weights}"), str(tmp_path / "cache"))
    pixels = sample_pixels(3, record.preprocessing.crop_px)
    network = timm.create_model(name, pretrained=False, num_classes=0)
    network.load_state_dict(made_state(name), strict=False)
    wanted = truth(network.eval(), record, pixels)
    found = encoded(record, pixels, tmp_path)
    weights.unlink()
    gc.collect()
    assert (record.dimension, record.layer) == (dimension, "penultimate")
    assert wanted.shape == (3, dimension)
    assert cosines(found[:1], wanted[1:2]).max() < 0.999, "the pictures are all alike: nothing is tested"
    assert cosines(found, wanted).min() >= 0.9999


def hooked(network: Any, layer: str, record: EncoderRecord, pixels: PixelArray) -> Float32Array:
    """What a module says, by torch's own hook."""
    said: list[Any] = []
    handle = network.get_submodule(layer).register_forward_hook(lambda *given: said.append(given[2]))
    truth(network, record, pixels)
    handle.remove()
    maps: Float32Array = said[0].detach().numpy()
    return maps


def gem(maps: Float32Array) -> Float32Array:
    cubes = np.maximum(maps.astype(np.float64), 1e-6) ** 3
    pooled: Float32Array = np.cbrt(cubes.mean(axis=(2, 3))).astype(np.float32)
    return pooled


POOLED: list[tuple[str, str, str, Callable[[Float32Array], Float32Array]]] = [
    ("resnet18", "global_pool", "", lambda x: x),  # the average pool by hook
    ("test_resnet", "layer3", "", lambda x: x.mean(axis=(2, 3))),
    ("test_resnet", "layer3", "max", lambda x: x.max(axis=(2, 3))),
    ("test_resnet", "layer3", "gem", gem),
    ("test_resnet", "layer4.0", "flatten", lambda x: x.reshape(len(x), -1)),
    ("test_resnet", "fc", "none", lambda x: x),
    ("test_vit", "blocks.2", "", lambda x: x.mean(axis=1)),
    ("test_vit", "blocks.2", "max", lambda x: x.max(axis=1)),
    ("test_vit", "blocks.2", "cls", lambda x: x[:, 0]),
    ("test_vit", "head", "", lambda x: x),
    ("test_mambaout", "stages.1", "avg", lambda x: x.mean(axis=(1, 2))),
]


@pytest.mark.parametrize(("name", "layer", "pool", "by_hand"), POOLED)
def test_any_module_by_its_name_and_any_pooling(
    name: str, layer: str, pool: str, by_hand: Callable[[Float32Array], Float32Array], tmp_path: Path
) -> None:
    weights = save_made(name, tmp_path)
    option = f"&pool={pool}" if pool else ""
    spec = parse_spec(f"timm:{name}?weights={weights}&layer={layer}{option}")
    record = timm_record(spec, str(tmp_path / "cache"))
    pixels = sample_pixels(3, record.preprocessing.crop_px)
    wanted = by_hand(hooked(torch_network(name, made_state(name)), layer, record, pixels))
    assert record.dimension == wanted.shape[1]
    assert cosines(encoded(record, pixels, tmp_path), wanted).min() >= 0.9999


def test_reversed_channels_another_size_and_another_scale_reach_the_network(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    weights = save_made("test_resnet", tmp_path)
    spec = parse_spec(f"timm:test_resnet?weights={weights}&norm=caffe&size=128")
    record = timm_record(spec, str(tmp_path / "cache"))
    pixels = sample_pixels(3, 128)
    network = torch_network("test_resnet", made_state("test_resnet"))
    network.reset_classifier(0)
    blue_first = pixels[..., ::-1].astype(np.float32) - np.array([103.939, 116.779, 123.68], np.float32)
    with torch.no_grad():
        wanted = network(torch.from_numpy(np.ascontiguousarray(blue_first.transpose(0, 3, 1, 2)))).numpy()
    assert record.preprocessing.bgr
    assert cosines(encoded(record, pixels, tmp_path), wanted).min() >= 0.9999


@pytest.mark.heavy
def test_the_last_maps_of_vgg_are_flattened_without_their_layer_s_name(tmp_path: Path) -> None:
    weights = save_made("vgg11", tmp_path)
    specs = ("pool=flatten", "layer=features&pool=flatten")
    records = [
        timm_record(parse_spec(f"timm:vgg11?weights={weights}&{options}"), str(tmp_path / "cache"))
        for options in specs
    ]
    pixels = sample_pixels(2, 224)
    maps = hooked(torch_network("vgg11", made_state("vgg11")), "features", records[0], pixels)
    for record in records:
        assert record.dimension == 512 * 7 * 7
        assert cosines(encoded(record, pixels, tmp_path), maps.reshape(2, -1)).min() >= 0.9999


# Tiny networks of many of timm's families, made for tests by timm itself.
FAMILIES = (
    "test_byobnet",
    "test_coatnet",
    "test_convnext",
    "test_convnext2",
    "test_efficientnet",
    "test_efficientnet_evos",
    "test_efficientnet_gn",
    "test_mambaout",
    "test_maxvit",
    "test_nfnet",
    "test_vit",
    "test_vit2",
    "test_vit3",
    "test_vit4",
    "test_vit_relpos",
)


@pytest.mark.heavy
@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_of_networks_is_exported(name: str, tmp_path: Path) -> None:
    timm = pytest.importorskip("timm")
    weights = save_made(name, tmp_path)
    record = timm_record(parse_spec(f"timm:{name}?weights={weights}"), str(tmp_path / "cache"))
    pixels = sample_pixels(3, record.preprocessing.crop_px)
    network = timm.create_model(name, pretrained=False, num_classes=0)
    network.load_state_dict(made_state(name), strict=False)
    assert cosines(encoded(record, pixels, tmp_path), truth(network.eval(), record, pixels)).min() >= 0.999


def lite0_for_timm(folder: Path) -> Path:
    """The original checkpoint of the bundled encoder under the names that timm gives the same layers.

    Both list the same layers in the same order; only the classifier is left out.
    """
    torch, timm = pytest.importorskip("torch"), pytest.importorskip("timm")
    original = torch.load(checkpoint(), weights_only=True, map_location="cpu")
    theirs = [t for key, t in original.items() if not key.endswith("num_batches_tracked")]
    own = timm.create_model("tf_efficientnet_lite0", pretrained=False).state_dict()
    names = [key for key in own if not key.endswith("num_batches_tracked")]
    assert [tuple(t.shape) for t in theirs] == [tuple(own[key].shape) for key in names]
    path = folder / "lite0.pth"
    torch.save({"state_dict": {f"module.{key}": t for key, t in zip(names, theirs, strict=True)}}, path)
    return path


def test_real_weights_give_the_neighbours_of_the_bundled_encoder(tmp_path: Path) -> None:
    weights = lite0_for_timm(tmp_path)
    norm = ",".join(["0.4980392156862745"] * 3) + "/" + ",".join(["0.5019607843137255"] * 3)  # 127, 128
    spec = parse_spec(f"timm:tf_efficientnet_lite0?weights={weights}&norm={norm}&resize=256")
    record = timm_record(spec, str(tmp_path / "cache"))
    assert record.preprocessing == EFFICIENTNET_LITE0.preprocessing
    pixels = sample_pixels(12, 224)
    mine, bundled = (encoded(r, pixels, tmp_path) for r in (record, EFFICIENTNET_LITE0))
    assert cosines(mine, bundled).min() >= 0.9999
    scores, known = mine @ mine.T, bundled @ bundled.T
    np.testing.assert_allclose(scores, known, atol=2e-3)
    for found in (scores, known):
        np.fill_diagonal(found, -1)
    assert scores.argmax(axis=1).tolist() == known.argmax(axis=1).tolist()
