"""Whether what training needs is installed; asked before any work is done."""

from __future__ import annotations

import importlib.util

from seealike.errors import MissingExtraError

_NEEDED = ("torch", "pytorch_metric_learning", "onnx", "safetensors")


def require(*more: str) -> None:
    """Make sure that the optional packages are there, without importing them.

    Raises:
        MissingExtraError: one of them is not.
    """
    if any(importlib.util.find_spec(name) is None for name in (*_NEEDED, *more)):
        raise MissingExtraError("training", "torch")
