"""What an encoder costs: pictures a second, milliseconds a query, megabytes."""

from __future__ import annotations

import secrets
import statistics
import time
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from enum import StrEnum
from itertools import islice

from seealike.catalog import Catalog
from seealike.encoders import EncoderMode, load_encoder, machine, parse_spec, record_for, throughput
from seealike.errors import PictureError, SeealikeError
from seealike.evaluation.comparison.memo import Memo
from seealike.types import Progress, ProgressCallback, unwatched

TIMED_S = 1.5
QUERYING_S = 2.0
PICTURES, ROUNDS = 25, 3
_FEWEST = 9
_MEMO = "speed in one run"  # a way of measuring has a name of its own: other figures are not taken for these


class Timing(StrEnum):
    """Whether to measure times: once and remember them, again (the machine may have been busy), or not."""

    ONCE = "once"
    AGAIN = "again"
    OFF = "off"


@dataclass(frozen=True, slots=True)
class Cost:
    """What using an encoder costs on this machine. ``None`` where it cannot be said.

    Args:
        images_per_s: how many prepared pictures the encoder alone takes a second, in batches.
        query_ms: a whole query with a picture file, decoded, encoded and searched; the median of up
            to 75, the files being in memory.
        model_bytes: the size of the model's file.
        vectors_bytes: what the vectors of all items take.
    """

    images_per_s: float | None
    query_ms: float | None
    model_bytes: int | None
    vectors_bytes: int


def costs_of(
    spaces: Sequence[Catalog],
    specs: Sequence[str],
    timing: Timing = Timing.ONCE,
    progress: ProgressCallback = unwatched,
) -> list[Cost]:
    """Measure what encoders cost, one after the other in one run, or remember the run that measured them.

    Figures of different days are not set side by side: the machine may have been busy on one of them.

    Args:
        spaces: a catalogue of each encoder's vectors.
        specs: how each is asked for.
        timing: whether to measure times.
        progress: told how many are done.
    """
    kept: Sequence[_Times | None] = [None] * len(specs)
    if timing is not Timing.OFF:
        asked = [f"{spec} {space.encoder.weights_sha256}" for space, spec in zip(spaces, specs, strict=True)]
        together = " ".join([machine(), *sorted(asked)])
        keys = [f"{one} {len(space)} {together}" for one, space in zip(asked, spaces, strict=True)]
        kept = [_remembered(space, key) for space, key in zip(spaces, keys, strict=True)]
        if timing is Timing.AGAIN or None in kept or len({times.run for times in kept if times}) > 1:
            kept = _measured(spaces, specs, keys, progress)
    return [
        Cost(
            times.images_per_s if times else None,
            times.query_ms if times else None,
            _model_bytes(spec),
            len(space) * space.vector_type.bytes_of(space.encoder.dimension),
        )
        for space, spec, times in zip(spaces, specs, kept, strict=True)
    ]


@dataclass(frozen=True, slots=True)
class _Times:
    """What was measured of one encoder, and in which run."""

    images_per_s: float | None
    query_ms: float | None
    run: str


def _remembered(space: Catalog, key: str) -> _Times | None:
    kept = Memo(space.path).get(_MEMO, key)
    return _Times(*kept) if isinstance(kept, list) and len(kept) == 3 else None


def _measured(
    spaces: Sequence[Catalog], specs: Sequence[str], keys: Sequence[str], progress: ProgressCallback
) -> list[_Times]:
    run, found = secrets.token_hex(8), list[_Times]()
    for space, spec, key in zip(spaces, specs, keys, strict=True):
        found.append(_Times(_images_per_s(spec), _query_ms(space), run))
        Memo(space.path).put(_MEMO, key, list(astuple(found[-1])))
        progress(Progress("time", len(found), len(specs)))
    return found


def _images_per_s(spec: str) -> float | None:
    try:
        encoder = load_encoder(spec, mode=EncoderMode.THROUGHPUT)
    except SeealikeError:
        return None
    try:
        return throughput(encoder, TIMED_S)
    finally:
        encoder.close()


def _query_ms(space: Catalog) -> float | None:
    """The median over some of its own pictures, each of which was asked before.

    The first time a picture is read from the disk; the very first starts a process, compiles the model and
    loads the vectors.
    """
    paths = [item.path for item in islice(space.items(), 4 * PICTURES) if item.path is not None]
    warm: list[str] = []
    started = time.perf_counter()
    for path in paths:
        try:
            space.search(path)
        except PictureError:  # gone since it was indexed
            continue
        except SeealikeError:
            return None
        warm.append(path)
        if len(warm) == PICTURES or (len(warm) >= _FEWEST and time.perf_counter() - started > QUERYING_S):
            break
    return _median_ms(space, warm) if warm else None


def _median_ms(space: Catalog, paths: Sequence[str]) -> float | None:
    took: list[float] = []
    started = time.perf_counter()
    for path in (path for _ in range(ROUNDS) for path in paths):
        asked = time.perf_counter()
        try:
            space.search(path)
        except SeealikeError:
            continue
        now = time.perf_counter()
        took.append(1000 * (now - asked))
        if len(took) >= _FEWEST and now - started > QUERYING_S:
            break
    return statistics.median(took) if took else None


def _model_bytes(spec: str) -> int | None:
    try:
        record = record_for(parse_spec(spec))
    except SeealikeError:
        return None
    return None if record is None else record.size_bytes
