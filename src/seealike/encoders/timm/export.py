"""A timm model as an ONNX file's bytes, which compute what the model does. Needs torch."""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

from seealike.encoders.export import (
    EXPORT_ERRORS,
    LEAST_COSINE,
    LEAST_COSINE_FASTEST,
    least_cosine,
    traced,
)
from seealike.encoders.onnx.openvino import read_model
from seealike.encoders.speed import trial_pictures
from seealike.errors import EncoderError

if TYPE_CHECKING:
    from seealike.encoders.timm.model import TimmModel
    from seealike.types import Float32Array

_MOST_BYTES = 2_000_000_000  # an ONNX file in one piece is a protocol buffer, which ends at 2 GiB


@dataclass(frozen=True, slots=True)
class Export:
    """An ONNX file's bytes. ``precise``: in bfloat16 it is too far from what torch computes."""

    data: bytes
    precise: bool


def export_timm_model(model: TimmModel) -> Export:
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
    except EXPORT_ERRORS as exc:
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
    pictures = torch.from_numpy(trial_pictures(2, model.identity.preprocessing.crop_px))
    traced(model.network, pictures, ("pixels", "features"), stream)
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
    except EXPORT_ERRORS:
        return None
    return data


def _agrees_in_fastest(model: TimmModel, data: bytes) -> bool:
    """Compare the exported graph with torch, on another number of pictures than it was traced with.

    Whether it also agrees in the precision in which this CPU is quickest.

    Raises:
        EncoderError: it does not agree in float32.
    """
    import torch

    pictures = trial_pictures(3, model.identity.preprocessing.crop_px)
    with torch.inference_mode():
        wanted: Float32Array = model.network(torch.from_numpy(pictures)).numpy()
    try:
        graph = read_model(data)
    except EncoderError as exc:
        raise EncoderError(f"OpenVINO cannot run {model.identity.name}: {exc}") from exc
    cosine = least_cosine(graph, pictures, wanted, "f32")
    if not cosine >= LEAST_COSINE:
        raise EncoderError(
            f"{model.identity.name} computes something else in OpenVINO than in torch (cosine {cosine:.4f}); "
            "choose another layer, or export it yourself and use onnx:FILE"
        )
    return least_cosine(graph, pictures, wanted) >= LEAST_COSINE_FASTEST
