"""Timm models as ONNX files, kept where the next start finds them without torch.

A file is named after its content and never changes. The note that says which request it answers is written
last, so that processes that export at once do no harm; a note that is cut, or whose file is gone or another
one, counts as absent.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from seealike.encoders.card import EncoderCard, InputForm, read_card, write_card
from seealike.encoders.digests import remembered_sha256
from seealike.encoders.models import EncoderRecord
from seealike.encoders.parity import LEAST_COSINE, LEAST_COSINE_FASTEST, cosines
from seealike.encoders.timm_features import trial_pictures
from seealike.errors import EncoderError, StorageError
from seealike.files import FileSystem

if TYPE_CHECKING:
    from seealike.encoders._runtime import Precision
    from seealike.encoders.timm_model import TimmModel
    from seealike.types import Float32Array, PixelArray


_OPSET = 17
_MOST_BYTES = 2_000_000_000  # an ONNX file in one piece is a protocol buffer, which ends at 2 GiB
_FAILURES = (RuntimeError, TypeError, ValueError, AttributeError, ImportError)
_NOTE_FACTS = ("size_bytes", "dimension", "weights_sha256", "origin_sha256", "precise")


@dataclass(frozen=True, slots=True)
class Export:
    """An ONNX file's bytes. ``precise``: in bfloat16 it is too far from what torch computes."""

    data: bytes
    precise: bool


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


def export_onnx(model: TimmModel) -> Export:
    """Export a model to ONNX, and check that the file computes what torch computes.

    Where this CPU is quickest in bfloat16, that is tried as well.

    Raises:
        EncoderError: it is too large, torch cannot export it, or the file computes something else.
    """
    size = sum(weight.numel() * weight.element_size() for weight in model.network.parameters())
    name = model.identity.name
    if size > _MOST_BYTES:
        raise EncoderError(
            f"{name} has {size / 1e9:.1f} GB of weights, more than one ONNX file holds; "
            "export it with its weights in a second file and use onnx:FILE, or choose a smaller model"
        )
    try:
        data = _traced(model)
    except _FAILURES as exc:
        newer = _exported(model)
        if newer is None:
            raise EncoderError(
                f"torch cannot export {name} to ONNX: {' '.join(str(exc).split())[:200]}"
            ) from exc
        data = newer
    return Export(data, precise=not _agrees_in_fastest(model, data))


def _traced(model: TimmModel) -> bytes:
    """Export by tracing: a second or two, for nearly every network and every layer."""
    import torch

    stream = io.BytesIO()
    with torch.inference_mode(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the tracer: the comparison with torch decides
        torch.onnx.export(
            model.network,
            (torch.from_numpy(trial_pictures(2, model.identity.preprocessing.crop_px)),),
            stream,
            input_names=["pixels"],
            output_names=["features"],
            dynamic_axes={"pixels": {0: "n"}, "features": {0: "n"}},
            opset_version=_OPSET,
            dynamo=False,
        )
    return stream.getvalue()


def _exported(model: TimmModel) -> bytes | None:
    """Export by torch's newer, slower way, which knows newer operators; None where that fails too."""
    import torch

    try:
        with torch.inference_mode(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            program = torch.onnx.export(
                model.network,
                (torch.from_numpy(trial_pictures(2, model.identity.preprocessing.crop_px)),),
                input_names=["pixels"],
                output_names=["features"],
                dynamic_shapes=({0: "n"},),
                dynamo=True,
                verbose=False,
            )
            data: bytes = program.model_proto.SerializeToString()
    except _FAILURES:
        return None
    return data


def _agrees_in_fastest(model: TimmModel, data: bytes) -> bool:
    """Compare the exported graph with torch, on another number of pictures than it was traced with.

    Whether it also agrees in the precision in which this CPU is quickest.

    Raises:
        EncoderError: it does not agree in float32.
    """
    import torch

    from seealike.encoders._runtime import fastest_precision, import_openvino

    import_openvino()
    import openvino

    pictures = trial_pictures(3, model.identity.preprocessing.crop_px)
    with torch.inference_mode():
        wanted: Float32Array = model.network(torch.from_numpy(pictures)).numpy()
    cosine = cosines(wanted, _answers(model, data, pictures, "f32")).min()
    if not cosine >= LEAST_COSINE:
        raise EncoderError(
            f"{model.identity.name} computes something else in OpenVINO than in torch (cosine {cosine:.4f}); "
            "choose another layer, or export it yourself and use onnx:FILE"
        )
    fastest = fastest_precision(openvino.Core())
    if fastest == "f32":
        return True
    return bool(cosines(wanted, _answers(model, data, pictures, fastest)).min() >= LEAST_COSINE_FASTEST)


def _answers(model: TimmModel, data: bytes, pictures: PixelArray, precision: Precision) -> Float32Array:
    import openvino

    from seealike.encoders._runtime import reason_of

    try:
        core = openvino.Core()
        compiled = core.compile_model(core.read_model(data), "CPU", {"INFERENCE_PRECISION_HINT": precision})
        return np.array(compiled(pictures)[0], np.float32)
    except RuntimeError as exc:
        raise EncoderError(f"OpenVINO cannot run {model.identity.name}: {reason_of(exc)}") from exc
