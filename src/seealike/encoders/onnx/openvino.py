"""OpenVINO on the CPU: imported without its telemetry, and the encoders that run in it."""

from __future__ import annotations

import io
import os
import sys
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from seealike.encoders.cache import key_of, model_key_of
from seealike.encoders.models import EncoderMode
from seealike.encoders.onnx import eight_bits, graph
from seealike.encoders.onnx.file import read_model_file
from seealike.encoders.slots import SlotEncoder, checked_unit_rows
from seealike.encoders.spec import GEM_EXPONENT, GEM_LEAST, Pooling
from seealike.encoders.speed import throughput, trial_pictures
from seealike.errors import EncoderError, NoPlacesError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import openvino
    from openvino import InferRequest

    from seealike.encoders.cache import BlobCache
    from seealike.encoders.models import EncoderRecord
    from seealike.encoders.onnx.file import ModelFile
    from seealike.types import EncoderIdentity, Float32Array, PixelArray, Preprocessing

Precision: TypeAlias = Literal["bf16", "f32", "i8"]

_DEVICE = "CPU"
# Measured on two cores with AMX (images/s in bfloat16): batches of 1, 2, 4, 8, 16, 32 give 626, 679, 694,
# 698, 621, 535. Small ones keep the activations in the CPU's cache and the memory low. At 320 px batches of
# 1 to 8 of EfficientNet-B4 differ by less than 5 %, and each step doubles the memory of the activations.
_BATCH_SIZE, _BATCH_SIDE_PX = 4, 224
_TRIAL_PICTURES, _TRIAL_TURNS, _TRIAL_S = 32, 3, 0.2
# `import openvino` imports its conversion tools, which at once send an event to an analytics service and
# write an id into the user's home. Neither is needed to run a model; openvino copes with their absence.
_UNWANTED = ("openvino.tools.ovc", "openvino_telemetry")
_importing = threading.Lock()


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


def reason_of(exc: BaseException) -> str:
    """Return what an exception of OpenVINO says, in one line and without its source positions."""
    lines = [line.strip() for line in str(exc).splitlines()]
    said = [line for line in lines if line and not line.startswith(("Exception from", "Check '"))]
    return " ".join(said) or type(exc).__name__


def fastest_precision(core: openvino.Core) -> Precision:
    """Return the precision in which this CPU is quickest."""
    return "bf16" if "BF16" in core.get_property(_DEVICE, "OPTIMIZATION_CAPABILITIES") else "f32"


def read_model(file: ModelFile | bytes) -> openvino.Model:
    """Read a model's graph from its file, or from the bytes of one that needs no other.

    Raises:
        EncoderError: it is no model that OpenVINO can read.
    """
    import_openvino()
    import openvino

    try:
        data = file if isinstance(file, bytes) else file.path if file.beside else file.data
        return openvino.Core().read_model(data)
    except (RuntimeError, UnicodeError) as exc:  # a path that is not UTF-8 is refused by the second
        raise EncoderError(f"no ONNX model that OpenVINO can read: {reason_of(exc)}") from exc


class OpenVinoEncoder(SlotEncoder["InferRequest"]):
    """A model compiled for this machine's CPU.

    In throughput mode it works on ``concurrency`` batches at a time, in latency mode on one picture. Fewer
    pictures than ``batch_size`` cost as much. Memory that is writable and contiguous is read where it lies.
    """

    def __init__(
        self,
        record: EncoderRecord,
        *,
        mode: EncoderMode,
        cache: BlobCache | None = None,
        precision: Precision | None = None,
    ) -> None:
        """Compile ``record``, or take it from ``cache``, where there is one.

        ``precision`` None is the fastest that the CPU offers and the record allows; where a network is known
        in 8 bits, and the CPU has no bfloat16, a short trial decides, once.
        """
        compiled = _compiled_or_kept(record, mode=mode, cache=cache, precision=precision)
        self.precision = compiled.precision
        requests = [compiled.model.create_infer_request() for _ in range(compiled.concurrency)]
        super().__init__(record.identity, compiled.batch_size, requests, self._encoded)

    def _encoded(self, request: InferRequest, pixels: PixelArray) -> Float32Array:
        return checked_unit_rows(computed(request, pixels, self.batch_size))


class OpenVinoMapEncoder:
    """The same model up to its last map: what every place adds to the vector.

    Safe to use from several threads. The model is compiled a second time, for one picture at
    once; and once more for pictures of another side.
    """

    def __init__(
        self,
        record: EncoderRecord,
        *,
        identity: EncoderIdentity | None = None,
        cache: BlobCache | None = None,
    ) -> None:
        """Compile ``record`` at its own side, or take it from ``cache``.

        ``identity`` is that of an encoder that looks at parts of pictures with this model.

        Raises:
            EncoderError: it does not pool a map of places, or cannot be loaded.
        """
        self.identity = identity or record.identity
        self._record, self._cache = record, cache
        self._guard = threading.Lock()
        self._requests: dict[int, InferRequest] = {}
        self._batch_size = 1
        self._compile(record.preprocessing.crop_px)

    @property
    def preprocessing(self) -> Preprocessing:
        """How pictures of the model's own side are prepared."""
        return self._record.preprocessing

    @property
    def widest_px(self) -> int:
        """See ``places_px``."""
        return places_px(self._record, self._cache)

    def encode_maps(self, pixels: PixelArray) -> Float32Array:
        """See ``MapEncoder``."""
        side = pixels.shape[1]
        with self._guard:
            if side not in self._requests:
                self._compile(side)
            request, step = self._requests[side], self._batch_size
            parts = [computed(request, pixels[at : at + step], step) for at in range(0, len(pixels), step)]
        return contributions(np.concatenate(parts), self._record.pool)

    def close(self) -> None:
        """Release the compiled models."""
        self._requests.clear()

    def _compile(self, side_px: int) -> None:
        compiled = _compiled_or_kept(
            self._record, mode=EncoderMode.LATENCY, cache=self._cache, precision=None, places_px=side_px
        )
        self._requests[side_px] = compiled.model.create_infer_request()
        self._batch_size = compiled.batch_size


@dataclass(frozen=True, slots=True)
class CompiledMaps:
    """One batch under way: what computes the maps of pictures of two sides."""

    requests: dict[int, InferRequest]
    batch_size: int
    pool: Pooling

    @classmethod
    def compiled(
        cls, record: EncoderRecord, side_px: int, *, mode: EncoderMode, cache: BlobCache | None
    ) -> list[CompiledMaps]:
        """As many as can be under way, for pictures of ``side_px`` and of the model's own side.

        Raises:
            EncoderError: the model's file is missing or damaged, or OpenVINO refuses it.
        """
        models = {
            side: _compiled_or_kept(record, mode=mode, cache=cache, precision=None, places_px=side)
            for side in (side_px, record.preprocessing.crop_px)
        }
        own = models[record.preprocessing.crop_px]
        return [
            cls(
                {side: one.model.create_infer_request() for side, one in models.items()},
                own.batch_size,
                record.pool,
            )
            for _ in range(own.concurrency)
        ]

    def maps(self, pixels: PixelArray) -> Float32Array:
        """What every place adds to the vectors of at most ``batch_size`` pictures; see ``MapEncoder``.

        Raises:
            EncoderError: the runtime failed.
        """
        return contributions(computed(self.requests[pixels.shape[1]], pixels, self.batch_size), self.pool)


def places_px(record: EncoderRecord, cache: BlobCache | None) -> int:
    """The largest side of which a model gives maps: twice its own, or its own where it takes no other.

    Raises:
        NoPlacesError: it does not pool a map of places.
    """
    facts = (record.weights_sha256, record.output, record.pool, record.preprocessing.crop_px)
    key = key_of("places", facts)
    if cache is not None and (kept := cache.get(key)) is not None:
        return int(kept)
    side, batch_size = record.preprocessing.crop_px, record.batch_size or 1
    for px in (2 * side, side):
        try:
            graph.prepared_for_places(read_model(read_model_file(record.file)), record, batch_size, px)
        except EncoderError as exc:
            problem = exc
            continue
        if cache is not None:
            cache.put(key, str(px).encode())
        return px
    raise NoPlacesError(record.name, str(problem))


def contributions(maps: Float32Array, pool: Pooling) -> Float32Array:
    """What every place adds to the pooled features, which are their mean; (n, h, w, d) both.

    Of a generalised mean ``g`` of exponent p, place x adds x^p / g^(p-1), exactly. Of a maximum, all
    comes from the place (or in equal parts the places) that has it.
    """
    if pool is Pooling.GEM:
        least = np.maximum(maps, GEM_LEAST)
        mean = np.mean(least**GEM_EXPONENT, axis=(1, 2), keepdims=True) ** (1 / GEM_EXPONENT)
        added: Float32Array = (least**GEM_EXPONENT / mean ** (GEM_EXPONENT - 1)).astype(np.float32)
        return added
    if pool is Pooling.MAX:
        highest = maps.max(axis=(1, 2), keepdims=True)
        share: Float32Array = (maps == highest).astype(np.float32)
        share *= highest / share.mean(axis=(1, 2), keepdims=True)
        return share
    return maps


def computed(request: InferRequest, pixels: PixelArray, batch_size: int) -> Float32Array:
    """What a compiled model gives of at most ``batch_size`` pictures.

    Raises:
        EncoderError: the runtime failed.
    """
    import openvino

    n = len(pixels)
    batch = pixels
    if n < batch_size or not (pixels.flags.c_contiguous and pixels.flags.writeable):
        batch = np.zeros((batch_size, *pixels.shape[1:]), np.uint8)
        batch[:n] = pixels
    try:
        request.set_input_tensor(openvino.Tensor(batch, shared_memory=True))
        request.start_async()
        request.wait()
        return np.array(request.get_output_tensor().data[:n], np.float32)
    except (RuntimeError, ValueError, MemoryError) as exc:
        raise EncoderError(f"OpenVINO could not run the encoder: {reason_of(exc)}") from exc


@dataclass(frozen=True, slots=True)
class _Compiled:
    """A compiled model, and how it wants to be fed."""

    model: openvino.CompiledModel
    batch_size: int
    concurrency: int
    precision: Precision


@dataclass(frozen=True, slots=True)
class _Plan:
    """How a model is compiled; with ``places_px`` up to its last map, for pictures of that side."""

    batch_size: int
    config: dict[str, str]
    places_px: int | None
    eight_bits: bool


def _compiled_or_kept(
    record: EncoderRecord,
    *,
    mode: EncoderMode,
    cache: BlobCache | None,
    precision: Precision | None,
    places_px: int | None = None,
) -> _Compiled:
    """Compile a model for this machine, or take it from ``cache``.

    Raises:
        EncoderError: the model's file is missing or damaged, or OpenVINO refuses it.
    """
    import_openvino()
    import openvino

    try:
        core = openvino.Core()
        if precision is None:
            precision = _usual_precision(core, record, cache if places_px is None else None)
        plan = _plan(record, mode, precision, places_px)
        key = _key(record, core, plan)
        model = _from_cache(core, cache.get(key) if cache else None, plan)
        if model is None:
            model = _compiled(core, record, plan)
            if cache is not None:
                cache.put(key, _exported(model))
        requests = model.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS")
    except RuntimeError as exc:
        raise EncoderError(f"OpenVINO cannot load {record.name}: {reason_of(exc)}") from exc
    # One more than can run at once waits with its input ready.
    concurrency = 1 if mode is EncoderMode.LATENCY else int(requests) + 1
    return _Compiled(model, plan.batch_size, concurrency, precision)


def _usual_precision(core: openvino.Core, record: EncoderRecord, cache: BlobCache | None) -> Precision:
    """The precision to use: a space is always computed in the same one on the same machine.

    Without a cache nothing could be remembered, so nothing is tried.
    """
    if record.precise:
        return "f32"
    fastest = fastest_precision(core)
    if fastest != "f32" or cache is None or not eight_bits.is_calibrated(record.weights_sha256):
        return fastest
    facts = (record.weights_sha256, record.preprocessing.crop_px, *_machine(core))
    key = key_of("precision", facts)
    kept = cache.get(key)
    if kept is None:
        kept = b"i8" if _pays_in_eight_bits(record, cache) else b"f32"
        cache.put(key, kept)
    return "i8" if kept == b"i8" else "f32"


def _pays_in_eight_bits(record: EncoderRecord, cache: BlobCache) -> bool:
    """Whether this CPU is quicker in 8 bits, and computes the same: on some, sums of products overflow."""
    exact, quick = (
        OpenVinoEncoder(record, mode=EncoderMode.THROUGHPUT, cache=cache, precision=one)
        for one in ("f32", "i8")
    )
    try:
        pictures = trial_pictures(_TRIAL_PICTURES, record.preprocessing.crop_px)
        agreement = (exact.encode(pictures) * quick.encode(pictures)).sum(axis=1)
        if not np.median(agreement) >= eight_bits.LEAST_COSINE:
            return False
        rates = [(throughput(exact, _TRIAL_S), throughput(quick, _TRIAL_S)) for _ in range(_TRIAL_TURNS)]
        return float(np.median([second / first for first, second in rates])) >= eight_bits.LEAST_GAIN
    finally:
        exact.close()
        quick.close()


def _plan(record: EncoderRecord, mode: EncoderMode, precision: Precision, places_px: int | None) -> _Plan:
    hint = "LATENCY" if mode is EncoderMode.LATENCY else "THROUGHPUT"
    batch_size = 1 if mode is EncoderMode.LATENCY else _usual_batch_size(record.preprocessing.crop_px)
    config = {"INFERENCE_PRECISION_HINT": "f32" if precision == "i8" else precision, "PERFORMANCE_HINT": hint}
    return _Plan(record.batch_size or batch_size, config, places_px, precision == "i8")


def _usual_batch_size(side_px: int) -> int:
    """Return how many pictures have about as many pixels together as the usual batch."""
    return min(_BATCH_SIZE, max(1, round(_BATCH_SIZE * (_BATCH_SIDE_PX / side_px) ** 2)))


def _key(record: EncoderRecord, core: openvino.Core, plan: _Plan) -> str:
    """Name the compiled model by everything it depends on."""
    used = (record.identity, record.weights_sha256, record.input, record.output, record.pool)
    return model_key_of(record.name, (used, *_machine(core), plan))


def _machine(core: openvino.Core) -> tuple[str | list[str] | int | None, ...]:
    """What a compiled model and its speed depend on beside itself."""
    import openvino

    cpu = [
        str(core.get_property(_DEVICE, name)) for name in ("FULL_DEVICE_NAME", "OPTIMIZATION_CAPABILITIES")
    ]
    return openvino.get_version(), cpu, os.cpu_count()


def _from_cache(core: openvino.Core, blob: bytes | None, plan: _Plan) -> openvino.CompiledModel | None:
    if blob is None:
        return None
    try:
        return core.import_model(io.BytesIO(blob), _DEVICE, plan.config)
    except RuntimeError:
        return None


def _compiled(core: openvino.Core, record: EncoderRecord, plan: _Plan) -> openvino.CompiledModel:
    file = read_model_file(record.file)
    if file.sha256 != record.weights_sha256 and record.cached:
        with suppress(OSError):
            os.unlink(record.file)
        raise EncoderError(
            f"the export of {record.name} was damaged and is deleted now; run this again, and it is made anew"
        )
    if file.sha256 != record.weights_sha256:
        raise EncoderError(f"{record.file} is damaged: it is not the model {record.name}; install it again")
    try:
        read = read_model(file)
        if plan.places_px is None:
            model = graph.prepared(read, record, plan.batch_size)
            if plan.eight_bits:
                model = eight_bits.counted_in_eight_bits(model, record.weights_sha256)
        else:
            model = graph.prepared_for_places(read, record, plan.batch_size, plan.places_px)
    except EncoderError as exc:
        if plan.places_px is not None:
            raise NoPlacesError(record.name, str(exc)) from exc
        raise EncoderError(f"OpenVINO cannot load {record.name}: {exc}") from exc
    return core.compile_model(model, _DEVICE, plan.config)


def _exported(model: openvino.CompiledModel) -> bytes:
    stream = io.BytesIO()
    model.export_model(stream)
    return stream.getvalue()
