"""OpenVINO itself: importing it without its telemetry, and compiling a model for this CPU."""

from __future__ import annotations

import hashlib
import io
import os
import sys
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from seealike.encoders.models import EncoderMode
from seealike.errors import EncoderError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import openvino

    from seealike.encoders.blobs import BlobCache
    from seealike.encoders.models import EncoderRecord

Precision: TypeAlias = Literal["bf16", "f32"]

_DEVICE = "CPU"
# Measured on two cores with AMX (images/s in bfloat16): batches of 1, 2, 4, 8, 16, 32 give 626, 679, 694,
# 698, 621, 535. Small ones keep the activations in the CPU's cache and the memory low.
_BATCH_SIZE = 4
# `import openvino` imports its conversion tools, which at once send an event to an analytics service and
# write an id into the user's home. Neither is needed to run a model; openvino copes with their absence.
_UNWANTED = ("openvino.tools.ovc", "openvino_telemetry")
_importing = threading.Lock()


@dataclass(frozen=True, slots=True)
class CompiledEncoder:
    """A compiled model, and how it wants to be fed."""

    model: openvino.CompiledModel
    batch_size: int
    concurrency: int
    precision: Precision


@dataclass(frozen=True, slots=True)
class _Plan:
    """How a model is compiled."""

    batch_size: int
    config: dict[str, str]


def import_openvino() -> None:
    """Import openvino, keeping out the part of it that calls home.

    Raises:
        EncoderError: openvino cannot be loaded on this machine.
    """
    with _importing, _kept_out(_UNWANTED):
        try:
            import openvino  # noqa: F401
        except ImportError as exc:
            raise EncoderError(f"OpenVINO cannot be loaded: {reason_of(exc)}") from exc


@contextmanager
def _kept_out(names: tuple[str, ...]) -> Iterator[None]:
    """Make the import of ``names`` fail for a while, unless somebody has imported them already."""
    blocked = [name for name in names if name not in sys.modules]
    for name in blocked:
        sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        for name in blocked:
            sys.modules.pop(name, None)


def compile_record(
    record: EncoderRecord, *, mode: EncoderMode, cache: BlobCache, precision: Precision | None
) -> CompiledEncoder:
    """Compile a model for this machine, or take it from ``cache``.

    Raises:
        EncoderError: the model's file is missing or damaged, or OpenVINO refuses it.
    """
    import_openvino()
    import openvino

    try:
        core = openvino.Core()
        precision = precision or _fastest_precision(core)
        plan = _plan(mode, precision)
        key = _key(record, core, plan)
        model = _from_cache(core, cache.get(key), plan)
        if model is None:
            model = _compiled(core, record, plan)
            cache.put(key, _exported(model))
        requests = model.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS")
    except RuntimeError as exc:
        raise EncoderError(f"OpenVINO cannot load {record.name}: {reason_of(exc)}") from exc
    # One more than can run at once waits with its input ready.
    concurrency = 1 if mode is EncoderMode.LATENCY else int(requests) + 1
    return CompiledEncoder(model, plan.batch_size, concurrency, precision)


def reason_of(exc: BaseException) -> str:
    """Return what an exception of OpenVINO says, in one line and without its source positions."""
    lines = [line.strip() for line in str(exc).splitlines()]
    said = [line for line in lines if line and not line.startswith(("Exception from", "Check '"))]
    return " ".join(said) or type(exc).__name__


def _fastest_precision(core: openvino.Core) -> Precision:
    return "bf16" if "BF16" in core.get_property(_DEVICE, "OPTIMIZATION_CAPABILITIES") else "f32"


def _plan(mode: EncoderMode, precision: Precision) -> _Plan:
    hint = "LATENCY" if mode is EncoderMode.LATENCY else "THROUGHPUT"
    batch_size = 1 if mode is EncoderMode.LATENCY else _BATCH_SIZE
    return _Plan(batch_size, {"INFERENCE_PRECISION_HINT": precision, "PERFORMANCE_HINT": hint})


def _key(record: EncoderRecord, core: openvino.Core, plan: _Plan) -> str:
    """Name the compiled model by everything it depends on."""
    import openvino

    cpu = [
        str(core.get_property(_DEVICE, name)) for name in ("FULL_DEVICE_NAME", "OPTIMIZATION_CAPABILITIES")
    ]
    facts = (record.identity, openvino.get_version(), cpu, os.cpu_count(), plan)
    return f"{record.name}-{hashlib.sha256(repr(facts).encode()).hexdigest()[:20]}"


def _from_cache(core: openvino.Core, blob: bytes | None, plan: _Plan) -> openvino.CompiledModel | None:
    if blob is None:
        return None
    try:
        return core.import_model(io.BytesIO(blob), _DEVICE, plan.config)
    except RuntimeError:
        return None


def _compiled(core: openvino.Core, record: EncoderRecord, plan: _Plan) -> openvino.CompiledModel:
    try:
        with open(record.file, "rb") as file:
            data = file.read()
    except OSError as exc:
        raise EncoderError(f"the model of encoder {record.name} cannot be read: {exc}") from exc
    if hashlib.sha256(data).hexdigest() != record.weights_sha256:
        raise EncoderError(f"{record.file} is damaged: it is not the model {record.name}; install it again")
    model = core.read_model(data)
    side = record.preprocessing.crop_px
    model.reshape([plan.batch_size, side, side, 3])
    return core.compile_model(model, _DEVICE, plan.config)


def _exported(model: openvino.CompiledModel) -> bytes:
    stream = io.BytesIO()
    model.export_model(stream)
    return stream.getvalue()
