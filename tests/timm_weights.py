# ruff: noqa: ANN401 - torch is not there for the type checker
"""Made weights for timm's own architectures, and what torch computes with them. Needs torch and timm."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from seealike.testing import sample_pixels

if TYPE_CHECKING:
    from pathlib import Path

    from seealike.types import Float32Array, PixelArray, Preprocessing


def made_state(name: str, seed: int = 0) -> dict[str, Any]:
    """Weights in which everything matters, and different pictures have different vectors.

    timm starts many norms at 1 or 0, which would hide a mistake, and what a batch norm expects of its input
    must be near what it gets, or all pictures come out alike.
    """
    torch, timm = pytest.importorskip("torch"), pytest.importorskip("timm")
    torch.manual_seed(seed)
    network = timm.create_model(name, pretrained=False)
    with torch.no_grad():
        for key, weight in network.named_parameters():
            if weight.ndim == 1:
                weight.copy_(
                    torch.rand_like(weight) * 0.5 + (0.4 if key.endswith(("weight", "gamma")) else -0.25)
                )
        norms = [module for module in network.modules() if hasattr(module, "running_mean")]
        for norm in norms:
            norm.momentum = 1.0
        if norms:
            side = network.pretrained_cfg["input_size"][1]
            pixels = torch.from_numpy(sample_pixels(6, side).transpose(0, 3, 1, 2).astype(np.float32))
            network.train()(pixels / 58 - 2)
    state: dict[str, Any] = network.state_dict()
    return state


def save_made(name: str, folder: Path, seed: int = 0) -> Path:
    """The same in a safetensors file."""
    safetensors = pytest.importorskip("safetensors.torch")
    path = folder / f"{name}-{seed}.safetensors"
    safetensors.save_file(made_state(name, seed), str(path))
    return path


def torch_network(name: str, state: dict[str, Any]) -> Any:
    timm = pytest.importorskip("timm")
    network = timm.create_model(name, pretrained=False)
    network.load_state_dict(state, strict=False)
    return network.eval()


def planes(pixels: PixelArray, how: Preprocessing) -> Any:
    """Pictures as torch takes them: float32 (n, 3, h, w), normalised here."""
    torch = pytest.importorskip("torch")
    scaled = (pixels.astype(np.float64) - np.array(how.mean)) / np.array(how.std)
    return torch.from_numpy(scaled.transpose(0, 3, 1, 2).astype(np.float32))


def cosines(a: Float32Array, b: Float32Array) -> Float32Array:
    """Row by row, in float64."""
    a64, b64 = a.astype(np.float64), b.astype(np.float64)
    assert a64.shape == b64.shape
    norms = np.linalg.norm(a64, axis=1) * np.linalg.norm(b64, axis=1)
    rows: Float32Array = np.einsum("nd,nd->n", a64, b64) / norms
    return rows
