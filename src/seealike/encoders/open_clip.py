"""CLIP and SigLIP models of open_clip: both towers exported once, then run like any ONNX pair.

    open_clip:ViT-B-32?weights=FILE             weights on this machine
    open_clip:ViT-B-32/laion2b_s34b_b79k        weights that open_clip knows, downloaded at first use

The pair is kept in the cache. With it there, neither torch nor open_clip nor a network is needed.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from seealike.encoders.spec import ONNX, OPEN_CLIP, EncoderSpec
from seealike.encoders.weights import given_weights
from seealike.errors import EncoderError, UsageError

if TYPE_CHECKING:
    from seealike.encoders.models import EncoderRecord
    from seealike.encoders.weights import WeightsFile

PICTURES_FILE, TEXT_FILE, ORIGIN_FILE = "pictures.onnx", "text.onnx", "weights.sha256"
CONFIG_FILE = "open_clip_config.json"
_BESIDE = (CONFIG_FILE, "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json")
_EXPORT = 1  # grows when the exported files change
_PREPARING = ("fit", "interpolation", "resize")
_OPTIONS = ("weights", "norm", *_PREPARING)


@dataclass(frozen=True, slots=True)
class OpenClipModel:
    """A model as somebody asked for it.

    Args:
        name: of the architecture.
        tag: of the weights that open_clip knows; empty where a file was given.
        weights: the file; None where it would have to be downloaded.
        spec: what was asked for.
    """

    name: str
    tag: str
    weights: WeightsFile | None
    spec: EncoderSpec

    def beside(self, file: str) -> str | None:
        """A file in the folder of the weights, None where there is none."""
        path = os.path.join(os.path.dirname(self.weights.path), file) if self.weights else ""
        return path if path and os.path.isfile(path) else None


def open_clip_record(spec: EncoderSpec, cache_dir: str | None) -> EncoderRecord:
    """Return the record of the model's picture tower; its text tower lies beside it.

    Raises:
        UsageError: the spec makes no sense.
        MissingExtraError: it must be exported, and torch or open_clip is not installed.
        EncoderError: the weights cannot be had or do not fit, or the model has no text tower of its own.
    """
    from seealike.encoders.blobs import default_cache_dir
    from seealike.encoders.onnx_file import onnx_record

    model = _asked(spec)
    base = cache_dir or default_cache_dir()
    folder = os.path.join(base, OPEN_CLIP, _key(model))
    if not os.path.isdir(folder):
        _export_into(folder, model)
    pictures = replace(
        EncoderSpec(ONNX, os.path.join(folder, PICTURES_FILE)),
        **{option: getattr(spec, option) for option in _PREPARING},
    )
    return replace(onnx_record(pictures, cache_dir), origin_sha256=_origin(folder))


def _asked(spec: EncoderSpec) -> OpenClipModel:
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
    return OpenClipModel(name, tag, given_weights(spec.weights) if spec.weights else None, spec)


def _key(model: OpenClipModel) -> str:
    """Name the exported pair by everything it depends on."""
    weights = model.weights.sha256 if model.weights else model.tag
    beside = [
        (name, path and given_weights(path).sha256) for name in _BESIDE for path in [model.beside(name)]
    ]
    asked = (model.spec.target, model.spec.norm)
    digest = hashlib.sha256(repr((_EXPORT, asked, weights, beside)).encode()).hexdigest()
    return f"{re.sub('[^A-Za-z0-9.-]', '_', model.name)}-{digest[:20]}"


def _export_into(folder: str, model: OpenClipModel) -> None:
    """Export aside and rename: others see all the files or none."""
    from seealike.encoders.open_clip_export import export_pair

    parent = os.path.dirname(folder)
    try:
        os.makedirs(parent, exist_ok=True)
        aside = tempfile.mkdtemp(prefix="export.", suffix=".tmp", dir=parent)
    except OSError as exc:
        raise EncoderError(
            f"{parent} cannot be written, where {model.name} would be kept: {exc.strerror}; "
            "set SEEALIKE_CACHE to a folder that can"
        ) from exc
    try:
        export_pair(model, aside)
        os.rename(aside, folder)
    except OSError as exc:
        if not os.path.isdir(folder):  # or else somebody was quicker
            raise EncoderError(f"{model.name} cannot be kept in {folder}: {exc.strerror or exc}") from exc
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _origin(folder: str) -> str:
    """The SHA-256 of the weights that a pair was exported from."""
    try:
        with open(os.path.join(folder, ORIGIN_FILE), encoding="ascii") as file:
            return file.read().strip()
    except (OSError, ValueError) as exc:
        raise EncoderError(f"{folder} is damaged: {exc}; delete it, and it is made again") from exc
