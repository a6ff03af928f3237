"""Any timm model by name: exported once, and run like the bundled one.

Only the first use of a model imports torch and timm.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

from seealike.encoders.cache import remembered_sha256
from seealike.encoders.card import EncoderCard, InputForm, write_card
from seealike.encoders.export import MODEL_FILE, ExportCache
from seealike.encoders.timm.export import export_timm_model
from seealike.encoders.timm.model import load_timm_model

if TYPE_CHECKING:
    from seealike.encoders.models import EncoderRecord
    from seealike.encoders.spec import EncoderSpec

_FORMAT = 3  # of what is exported; a new number exports everything anew


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
    cache = ExportCache(cache_dir)
    found = cache.without_weights(spec)
    if found is not None:
        return found
    weights = f"sha256 {remembered_sha256(spec.weights, cache.base)}" if spec.weights else "pretrained"
    facts = (_FORMAT, str(replace(spec, weights=None)), weights, _timm_version())
    return cache.get_or_make(facts, spec, lambda folder: _export_into(folder, spec))


def _export_into(folder: str, spec: EncoderSpec) -> str:
    model = load_timm_model(spec)
    export, identity = export_timm_model(model), model.identity
    card = EncoderCard(
        name=identity.name,
        preprocessing=identity.preprocessing,
        layer=identity.layer,
        pooling=identity.pooling,
        input=InputForm.PICTURES,
        licence=model.weights.licence,
        source=model.weights.source,
        precise=export.precise,
    )
    path = os.path.join(folder, MODEL_FILE)
    with open(path, "wb") as file:
        file.write(export.data)
    write_card(path, card)
    return identity.weights_sha256


def _timm_version() -> str | None:
    from importlib.metadata import PackageNotFoundError, version  # slow to import

    try:
        return version("timm")
    except PackageNotFoundError:
        return None
