"""Networks of torch as ONNX files: written, compared with the network, and kept in the cache.

What is damaged there counts as absent.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import warnings
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from seealike.encoders.cache import default_cache_dir, remembered_sha256
from seealike.encoders.kept import KeptEncoders
from seealike.encoders.onnx.openvino import fastest_precision, reason_of
from seealike.encoders.onnx.record import onnx_record
from seealike.encoders.spec import EncoderSpec
from seealike.errors import EncoderError, StorageError
from seealike.files import TEMPORARY_PREFIX

if TYPE_CHECKING:
    import io
    from collections.abc import Callable

    import numpy.typing as npt
    import openvino
    import torch

    from seealike.encoders.models import EncoderRecord
    from seealike.encoders.onnx.openvino import Precision
    from seealike.types import Float32Array

    Float64Array: TypeAlias = "npt.NDArray[np.float64]"

LEAST_COSINE = 0.999  # in float32: less is another network
# In bfloat16: the bundled one is above 0.9958 for 99 of 100 photos, which costs nothing (docs/benchmarks.md).
LEAST_COSINE_FASTEST = 0.99
EXPORT_ERRORS = (RuntimeError, TypeError, ValueError, AssertionError, AttributeError, ImportError)
MODEL_FILE = "model.onnx"
_OPSET = 17


class ExportCache:
    """Exported models in the cache."""

    def __init__(self, cache_dir: str | None) -> None:
        """``cache_dir`` None is ``SEEALIKE_CACHE``, or the user's cache directory."""
        self.base = cache_dir or default_cache_dir()
        self._kept = KeptEncoders(os.path.join(self.base, "exports"))

    def get_or_make(self, facts: object, spec: EncoderSpec, make: Callable[[str], str]) -> EncoderRecord:
        """The record of an export, made now unless it was before and is whole.

        Args:
            facts: everything it depends on; its ``repr`` names the export.
            spec: how it is asked for.
            make: writes ``MODEL_FILE`` with its card into a folder, and whatever belongs to it, and returns
                the SHA-256 of the weights that it was made of, which names the space: another export of the
                same weights has other bytes.

        Raises:
            EncoderError: the cache cannot be written.
        """
        key = hashlib.sha256(repr(facts).encode()).hexdigest()
        found = self._whole(key)
        if found is not None:
            return found
        try:
            self._kept.make_folder()
            with tempfile.TemporaryDirectory(prefix=TEMPORARY_PREFIX, dir=self._kept.folder) as folder:
                origin = make(folder)
                record = onnx_record(EncoderSpec.of_file(os.path.join(folder, MODEL_FILE)), self.base)
                self._kept.copy(key, replace(record, origin_sha256=origin, cached=True), str(spec))
        except (OSError, StorageError) as exc:
            cause = exc.cause if isinstance(exc, StorageError) else exc.strerror
            raise EncoderError(
                f"cannot keep the exported model in {self._kept.folder}: {cause}; "
                "SEEALIKE_CACHE names another directory"
            ) from exc
        made = self._whole(key)
        if made is None:
            raise EncoderError(f"the export of {spec} was damaged at once; run this again")
        return made

    def without_weights(self, spec: EncoderSpec) -> EncoderRecord | None:
        """The export used last that answers ``spec``, whose file of weights is gone since."""
        if spec.weights is None or os.path.exists(spec.weights):
            return None
        found = (self._whole(key) for key, _ in self._kept.copies_of(str(spec)))
        return next((record for record in found if record is not None), None)

    def _whole(self, key: str) -> EncoderRecord | None:
        """The record of an export whose files are what was written; its note is as new as its last use."""
        kept = self._kept.noted(key)
        if kept is None or self._kept.damage_of(kept, lambda path: remembered_sha256(path, self.base)):
            return None
        with suppress(OSError):
            os.utime(self._kept.note_path(key))
        return kept.record


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
