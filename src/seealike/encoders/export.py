"""Networks of torch as ONNX files, and how far a file may be from its network."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from seealike.encoders.onnx.openvino import fastest_precision, reason_of
from seealike.errors import EncoderError

if TYPE_CHECKING:
    import io

    import numpy.typing as npt
    import openvino
    import torch

    from seealike.encoders.onnx.openvino import Precision
    from seealike.types import Float32Array, PixelArray

    Float64Array: TypeAlias = "npt.NDArray[np.float64]"

LEAST_COSINE = 0.999  # in float32: less is another network
# In bfloat16: the bundled one is above 0.9958 for 99 of 100 photos, which costs nothing (docs/benchmarks.md).
LEAST_COSINE_FASTEST = 0.99
EXPORT_ERRORS = (RuntimeError, TypeError, ValueError, AssertionError, AttributeError, ImportError)
_OPSET = 17


def traced(
    network: torch.nn.Module, example: torch.Tensor, names: tuple[str, str], to: str | io.BytesIO
) -> None:
    """Write a network as ONNX by tracing it; the first axis of its input and its output stays open.

    Raises:
        one of ``EXPORT_ERRORS``: torch cannot.
    """
    import torch

    taken, given = names
    with torch.inference_mode(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the tracer: the comparison with torch decides
        torch.onnx.export(
            network,
            (example,),
            to,
            input_names=[taken],
            output_names=[given],
            dynamic_axes={taken: {0: "n"}, given: {0: "n"}},
            opset_version=_OPSET,
            dynamo=False,
        )


def least_cosine(
    model: openvino.Model,
    example: npt.NDArray[np.generic],
    wanted: Float32Array,
    precision: Precision | None = None,
) -> float:
    """The least cosine of what a file's graph computes with what its network does.

    ``precision`` None is the one that this CPU is quickest with; 1 where that is float32.

    Raises:
        EncoderError: OpenVINO cannot run it.
    """
    import openvino

    core = openvino.Core()
    chosen = precision or fastest_precision(core)
    if precision is None and chosen == "f32":
        return 1.0
    return float(cosines(_answers(core, model, example, chosen), wanted).min())


def _answers(
    core: openvino.Core, model: openvino.Model, example: npt.NDArray[np.generic], precision: Precision
) -> Float32Array:
    try:
        compiled = core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": precision})
        return np.array(compiled(example)[0], np.float32)
    except RuntimeError as exc:
        raise EncoderError(f"OpenVINO cannot run the export: {reason_of(exc)}") from exc


def cosines(a: Float32Array, b: Float32Array) -> Float64Array:
    """The cosine of every row of ``a`` (n, d) with the same row of ``b``; nan where one has no direction."""
    if a.shape != b.shape:
        return np.array([np.nan])
    wide, other = a.astype(np.float64), b.astype(np.float64)
    norms = np.linalg.norm(wide, axis=1) * np.linalg.norm(other, axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        found: Float64Array = np.einsum("nd,nd->n", wide, other) / norms
    return found


def trial_pictures(n: int, side_px: int) -> PixelArray:
    """Draw ``n`` different pictures of coarse squares, to try a network on."""
    coarse = np.random.default_rng(0).integers(0, 256, (n, 5, 5, 3), np.uint8)
    places = np.arange(side_px) * 5 // side_px
    return coarse[:, places][:, :, places]
