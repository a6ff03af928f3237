"""Any timm model by name: exported once and run like the bundled one on CPUs, run in torch on CUDA.

Only the first use of a model imports torch and timm. An exported file is named after its content and never
changes. The note that says which request it answers is written last, so that processes that export at once do
no harm; a note that is cut, or whose file is gone or another one, counts as absent.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
from dataclasses import replace
from typing import TYPE_CHECKING

from seealike.encoders.cache import default_cache_dir, last_sha256, remembered_sha256
from seealike.encoders.card import EncoderCard, InputForm, read_card, write_card
from seealike.encoders.models import EncoderRecord
from seealike.encoders.timm.export import Export, export_timm_model
from seealike.encoders.timm.model import TimmModel, load_timm_model
from seealike.errors import EncoderError, StorageError
from seealike.files import FileSystem

if TYPE_CHECKING:
    from seealike.encoders.spec import EncoderSpec

EXPORTS = "exports"
_FORMAT = 2  # of what is exported; a new number exports everything anew
_NOTE_FACTS = ("size_bytes", "dimension", "weights_sha256", "origin_sha256", "precise")


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
    model = load_timm_model(spec)
    return cache.put(key, model, export_timm_model(model))


def layer_names(spec: EncoderSpec, cache_dir: str | None = None) -> tuple[str, ...]:
    """Return the names that ``layer`` may have for this model, in the order of the network.

    Raises:
        UsageError, MissingExtraError, EncoderError: see :func:`timm_record`.
    """
    timm_record(spec, cache_dir)
    return _cache(cache_dir).layers(_key(spec, cache_dir))


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


class ExportCache:
    """Exported models in a directory, each found by a key that names the request."""

    def __init__(self, directory: str) -> None:
        """Keep the directory's name; it is made when something is put into it."""
        self.directory = directory

    def get(self, key: str) -> EncoderRecord | None:
        """Return the record of the export called ``key``, None where there is none to be used."""
        try:
            with open(self._note(key), encoding="utf-8") as file:
                note = json.load(file)
            path = os.path.join(self.directory, note["file"])
            card = read_card(path)
            if card is None or os.path.getsize(path) != note["size_bytes"]:
                return None
            if remembered_sha256(path, self.directory) != note["weights_sha256"]:
                return None
            return _record(path, card, {name: note[name] for name in _NOTE_FACTS})
        except (OSError, ValueError, KeyError, TypeError, EncoderError):
            return None

    def layers(self, key: str) -> tuple[str, ...]:
        """Return the names of the modules of the model exported as ``key``; none where there is none."""
        try:
            with open(self._note(key), encoding="utf-8") as file:
                return tuple(map(str, json.load(file)["layers"]))
        except (OSError, ValueError, KeyError, TypeError):
            return ()

    def put(self, key: str, model: TimmModel, export: Export) -> EncoderRecord:
        """Keep an exported model.

        Raises:
            EncoderError: the directory cannot be written.
        """
        data = export.data
        digest = hashlib.sha256(data).hexdigest()
        identity = model.identity
        path = os.path.join(self.directory, f"{key}-{digest[:12]}.onnx")
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
        facts = (len(data), identity.dimension, digest, identity.weights_sha256, export.precise)
        note = dict(zip(_NOTE_FACTS, facts, strict=True))
        files = FileSystem()
        try:
            files.make_directory(self.directory)
            files.write(path, data)
            write_card(path, card)
            said = {"file": os.path.basename(path), **note, "layers": model.layers}
            files.write(self._note(key), json.dumps(said).encode())
        except StorageError as exc:
            raise EncoderError(
                f"cannot keep the exported model in {self.directory}: {exc.cause}; "
                "SEEALIKE_CACHE names another directory"
            ) from exc
        return _record(path, card, note)

    def _note(self, key: str) -> str:
        return os.path.join(self.directory, f"{key}.export")


def _record(path: str, card: EncoderCard, note: dict[str, object]) -> EncoderRecord:
    size_bytes, dimension, digest, origin, precise = (note[name] for name in _NOTE_FACTS)
    if not isinstance(size_bytes, int) or not isinstance(dimension, int):
        raise TypeError("a note without numbers")
    return EncoderRecord(
        name=card.name,
        file=path,
        licence=card.licence,
        source=card.source,
        size_bytes=size_bytes,
        dimension=dimension,
        weights_sha256=str(digest),
        preprocessing=card.preprocessing,
        layer=card.layer,
        pooling=card.pooling,
        origin_sha256=str(origin),
        precise=bool(precise),
        cached=True,
    )
