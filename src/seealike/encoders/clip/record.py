"""CLIP and SigLIP models of open_clip: both towers exported once, then run like any ONNX pair.

    open_clip:ViT-B-32?weights=FILE             weights on this machine
    open_clip:ViT-B-32/laion2b_s34b_b79k        weights that open_clip knows, downloaded at first use

The pair is kept in the cache. With it there, neither torch nor open_clip nor a network is needed.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import tempfile
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

from seealike.encoders.cache import default_cache_dir, file_sha256, remembered_sha256
from seealike.encoders.clip.export import PICTURES_FILE, export_pair
from seealike.encoders.clip.model import CONFIG_FILE, OpenClipModel
from seealike.encoders.onnx.record import onnx_record
from seealike.encoders.spec import ONNX, OPEN_CLIP, EncoderSpec
from seealike.encoders.weights import WeightsFile
from seealike.errors import EncoderError, UsageError

if TYPE_CHECKING:
    from seealike.encoders.models import EncoderRecord

_NOTE_FILE = "export.note"
_BESIDE = (CONFIG_FILE, "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json")
_EXPORT = 2  # grows when the exported files change
_PREPARING = ("fit", "interpolation", "resize")
_OPTIONS = ("weights", "norm", *_PREPARING)


@dataclass(frozen=True, slots=True)
class _Note:
    """What is kept with an exported pair.

    ``origin_sha256`` is the digest of the weights, ``request`` what was asked for, in words that are only
    compared, and ``files`` holds the digest of every other file in the folder.
    """

    origin_sha256: str
    request: str
    files: dict[str, str]


def open_clip_record(spec: EncoderSpec, cache_dir: str | None) -> EncoderRecord:
    """Return the record of the model's picture tower; its text tower lies beside it.

    Raises:
        UsageError: the spec makes no sense.
        MissingExtraError: it must be exported, and torch or open_clip is not installed.
        EncoderError: the weights cannot be had or do not fit, or the model has no text tower of its own.
    """
    base = cache_dir or default_cache_dir()
    _check(spec)
    folder = _folder_without_weights(spec, base) or _folder(spec, base)
    note = _note(folder)
    if note is None:
        raise EncoderError(f"{folder} is damaged; delete it, and it is made again")
    pictures = replace(
        EncoderSpec(ONNX, os.path.join(folder, PICTURES_FILE)),
        **{option: getattr(spec, option) for option in _PREPARING},
    )
    record = onnx_record(pictures, cache_dir)
    return replace(
        record, origin_sha256=note.origin_sha256, weights_sha256=note.files[PICTURES_FILE], cached=True
    )


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


def _folder(spec: EncoderSpec, base: str) -> str:
    """Where the pair lies; it is exported now unless it was before and is still whole."""
    name, _, tag = spec.target.partition("/")
    weights = None
    if spec.weights is not None:
        digest = remembered_sha256(spec.weights, base)
        weights = WeightsFile(spec.weights, digest, source=os.path.basename(spec.weights))
    model = OpenClipModel(name, tag, weights, spec)
    folder = os.path.join(base, OPEN_CLIP, _key(model, base))
    if not _whole(folder, base):
        _export_into(folder, model, base)
    return folder


def _folder_without_weights(spec: EncoderSpec, base: str) -> str | None:
    """Where the pair lies that was exported of weights that are gone since; the newest of several."""
    if spec.weights is None or os.path.exists(spec.weights):
        return None
    parent = os.path.join(base, OPEN_CLIP)
    with contextlib.suppress(OSError):
        folders = [os.path.join(parent, name) for name in os.listdir(parent) if not name.endswith(".tmp")]
        for folder in sorted(folders, key=os.path.getmtime, reverse=True):
            note = _note(folder)
            if note is not None and note.request == _request(spec) and _whole(folder, base):
                return folder
    return None


def _request(spec: EncoderSpec) -> str:
    return str(replace(spec, **dict.fromkeys(_PREPARING)))  # type: ignore[arg-type]


def _key(model: OpenClipModel, base: str) -> str:
    """Name the exported pair by everything it depends on."""
    weights = model.weights.sha256 if model.weights else model.tag
    beside = [
        (name, path and remembered_sha256(path, base)) for name in _BESIDE for path in [model.beside(name)]
    ]
    asked = (model.spec.target, model.spec.norm)
    digest = hashlib.sha256(repr((_EXPORT, asked, weights, beside)).encode()).hexdigest()
    return f"{re.sub('[^A-Za-z0-9.-]', '_', model.name)}-{digest[:20]}"


def _export_into(folder: str, model: OpenClipModel, base: str) -> None:
    """Export aside and rename: others see all the files or none."""
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
        _write_note(aside, export_pair(model, aside), model)
        if not _whole(folder, base):
            shutil.rmtree(folder, ignore_errors=True)
        os.rename(aside, folder)
    except OSError as exc:
        if not _whole(folder, base):  # or else somebody was quicker
            raise EncoderError(f"{model.name} cannot be kept in {folder}: {exc.strerror or exc}") from exc
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _write_note(folder: str, origin_sha256: str, model: OpenClipModel) -> None:
    files = {name: file_sha256(os.path.join(folder, name)) for name in sorted(os.listdir(folder))}
    with open(os.path.join(folder, _NOTE_FILE), "w", encoding="ascii") as file:
        json.dump(asdict(_Note(origin_sha256, _request(model.spec), files)), file)


def _note(folder: str) -> _Note | None:
    """The note of a pair; None where there is none to be read."""
    try:
        with open(os.path.join(folder, _NOTE_FILE), encoding="ascii") as file:
            found = json.load(file)
        files = {str(name): str(digest) for name, digest in found["files"].items()}
        note = _Note(str(found["origin_sha256"]), str(found["request"]), files)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    return note if PICTURES_FILE in note.files else None


def _whole(folder: str, base: str) -> bool:
    """Whether all files of a pair are there, and are what they were when it was exported."""
    note = _note(folder)
    if note is None:
        return False
    try:
        return all(
            remembered_sha256(os.path.join(folder, name), base) == digest
            for name, digest in note.files.items()
        )
    except EncoderError:
        return False
