"""Any timm model by name: exported once and run like the bundled one on CPUs, run in torch on CUDA.

Only the first use of a model imports torch and timm. Knows nothing of pictures and catalogues.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
from dataclasses import replace
from typing import TYPE_CHECKING

from seealike.encoders.blobs import default_cache_dir
from seealike.encoders.digests import last_sha256, remembered_sha256
from seealike.encoders.timm_export import ExportCache, export_onnx

if TYPE_CHECKING:
    from seealike.encoders.models import EncoderMode, EncoderRecord
    from seealike.encoders.spec import EncoderSpec
    from seealike.protocols import Encoder

EXPORTS = "exports"
_FORMAT = 2  # of what is exported; a new number exports everything anew


def timm_record(spec: EncoderSpec, cache_dir: str | None = None) -> EncoderRecord:
    """Return the record of a timm model as an ONNX file, exported now unless it was before.

    Args:
        spec: what somebody asked for; its scheme is ``timm``.
        cache_dir: where exported models are kept; by default ``SEEALIKE_CACHE``, or the user's cache
            directory.

    Raises:
        UsageError: timm has no such model, or it no such layer, or the sizes make no sense.
        MissingExtraError: torch or timm is not installed, and this model was not exported before.
        EncoderError: the weights are missing or do not fit, or the model cannot be exported.
    """
    cache, key = _cache(cache_dir), _key(spec, cache_dir)
    found = cache.get(key)
    if found is not None:
        return found
    from seealike.encoders.timm_model import load_model

    model = load_model(spec)
    return cache.put(key, model, export_onnx(model))


def layer_names(spec: EncoderSpec, cache_dir: str | None = None) -> tuple[str, ...]:
    """Return the names that ``layer`` may have for this model, in the order of the network.

    Raises:
        UsageError, MissingExtraError, EncoderError: see :func:`timm_record`.
    """
    timm_record(spec, cache_dir)
    return _cache(cache_dir).layers(_key(spec, cache_dir))


def load(spec: EncoderSpec, cache_dir: str | None, mode: EncoderMode) -> Encoder | None:  # noqa: ARG001
    """Load a timm model into torch where there is a CUDA device; None where there is none.

    ``cache_dir`` is not needed: nothing is exported.

    Raises:
        UsageError, MissingExtraError, EncoderError: see :func:`timm_record`.
    """
    from seealike.encoders.torch_encoder import torch_encoder

    return torch_encoder(spec, mode=mode)


def _cache(cache_dir: str | None) -> ExportCache:
    return ExportCache(os.path.join(cache_dir or default_cache_dir(), EXPORTS))


def _key(spec: EncoderSpec, cache_dir: str | None) -> str:
    """Name an export by everything it depends on; the file of weights by its content."""
    weights = f"sha256 {_digest(spec.weights, cache_dir)}" if spec.weights else "pretrained"
    facts = (_FORMAT, str(replace(spec, weights=None)), weights, _version("timm"))
    return f"{_plain(spec.target)}-{hashlib.sha256(repr(facts).encode()).hexdigest()[:20]}"


def _digest(weights: str, cache_dir: str | None) -> str:
    """Of a file of weights; of one that is gone, what it was: its export still runs."""
    folder = cache_dir or default_cache_dir()
    known = None if os.path.exists(weights) else last_sha256(weights, folder)
    return known or remembered_sha256(weights, folder)


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _plain(name: str) -> str:
    return "".join(letter if letter.isascii() and letter.isalnum() else "_" for letter in name)[:60]
