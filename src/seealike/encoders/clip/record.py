"""CLIP and SigLIP models of open_clip: both towers exported once, then run like any ONNX pair.

    open_clip:ViT-B-32?weights=FILE             weights on this machine
    open_clip:ViT-B-32/laion2b_s34b_b79k        weights that open_clip knows, downloaded at first use

The pair is kept in the cache. With it there, neither torch nor open_clip nor a network is needed.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

from seealike.encoders.cache import remembered_sha256
from seealike.encoders.clip.export import export_pair
from seealike.encoders.clip.model import CONFIG_FILE, OpenClipModel
from seealike.encoders.export import ExportCache
from seealike.encoders.onnx.record import onnx_record
from seealike.encoders.spec import OPEN_CLIP, EncoderSpec
from seealike.encoders.weights import WeightsFile
from seealike.errors import UsageError

if TYPE_CHECKING:
    from seealike.encoders.models import EncoderRecord

_BESIDE = (CONFIG_FILE, "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json")
_EXPORT = 3  # grows when the exported files change
_PREPARING = ("fit", "interpolation", "resize")
_OPTIONS = ("weights", "norm", *_PREPARING)


def open_clip_record(spec: EncoderSpec, cache_dir: str | None) -> EncoderRecord:
    """Return the record of the model's picture tower; its text tower lies beside it.

    Raises:
        UsageError: the spec makes no sense.
        MissingExtraError: it must be exported, and torch or open_clip is not installed.
        EncoderError: the weights cannot be had or do not fit, or the model has no text tower of its own.
    """
    _check(spec)
    plain = replace(spec, **dict.fromkeys(_PREPARING))  # type: ignore[arg-type]
    cache = ExportCache(cache_dir)
    pair = cache.without_weights(plain) or _exported(plain, cache)
    if spec == plain:
        return pair
    options = {option: getattr(spec, option) for option in _PREPARING}
    pictures = onnx_record(replace(EncoderSpec.of_file(pair.file), **options), cache_dir)
    return replace(pair, preprocessing=pictures.preprocessing)


def _check(spec: EncoderSpec) -> None:
    name, _, tag = spec.target.partition("/")
    unusable = [option for option in ("layer", "pool", "size", "text") if getattr(spec, option) is not None]
    if unusable:
        raise UsageError(
            f"{OPEN_CLIP}: takes no {unusable[0]}=, for both towers belong together; "
            f"it takes {', '.join(_OPTIONS)}"
        )
    if spec.weights is None and not tag:
        raise UsageError(
            f"{OPEN_CLIP}:{name} needs weights: {OPEN_CLIP}:{name}?weights=FILE, or with a network "
            f"{OPEN_CLIP}:{name}/TAG, where TAG is a name that open_clip knows, such as openai"
        )
    if spec.weights is not None and tag:
        raise UsageError(f"{OPEN_CLIP}:{spec.target} names weights and weights= too; give one of them")


def _exported(spec: EncoderSpec, cache: ExportCache) -> EncoderRecord:
    """The pair, exported now unless it was before; it is named by everything it depends on."""
    name, _, tag = spec.target.partition("/")
    weights = None
    if spec.weights is not None:
        digest = remembered_sha256(spec.weights, cache.base)
        weights = WeightsFile(spec.weights, digest, source=os.path.basename(spec.weights))
    model = OpenClipModel(name, tag, weights, spec)
    paths = {file: model.beside(file) for file in _BESIDE}
    beside = [(file, path and remembered_sha256(path, cache.base)) for file, path in paths.items()]
    facts = (_EXPORT, spec.target, spec.norm, weights.sha256 if weights else tag, beside)
    return cache.get_or_make(facts, spec, lambda folder: export_pair(model, folder))
