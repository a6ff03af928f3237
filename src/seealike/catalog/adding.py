"""Pictures added by hand, one or many: decoded and encoded as by ``index``, so that vectors are equal."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, wait
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from itertools import chain, groupby, islice

import numpy as np

from seealike.catalog.pictures import EncoderAtHand, PictureEncoder
from seealike.catalog.pipeline import BATCHES_HELD, DECODE_BATCH, decode_pool, submitted
from seealike.catalog.sync import COMMIT_ITEMS, COMMIT_S, ProgressCallback
from seealike.encoders import EncoderMode
from seealike.errors import EncoderError, PictureError, UsageError
from seealike.images import DecodedBatch, DecodedPicture, DecodeFailure, DecodePool, DecodeTask
from seealike.protocols import Encoder
from seealike.store import NewItem, SqliteStore, StoreWriter
from seealike.store.records import BY_HAND, checked_text, metadata_to_json
from seealike.types import Float32Array, ImageInput, Metadata, PixelArray, Progress, Skipped, SkipReason

FEW = 8  # pictures for which no more decoding processes are started than a query has


@dataclass(frozen=True, slots=True)
class NewPicture:
    """A picture to add: a path, the bytes of a file, a PIL image, or an (h, w, 3) uint8 array.

    Raises:
        UsageError: id, group or metadata cannot be stored.
    """

    id: str
    image: ImageInput
    group: str | None = None
    metadata: Metadata = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check what can be checked without opening the picture."""
        if not checked_text(self.id, "an id"):
            raise UsageError("an item needs an id that is not empty")
        if self.group is not None:
            checked_text(self.group, "a group")
        metadata_to_json(self.metadata)

    @property
    def path(self) -> str:
        """The absolute path; empty where it is no file."""
        return os.path.abspath(self.image) if isinstance(self.image, str | os.PathLike) else ""

    def skipped(self, reason: SkipReason, detail: str) -> Skipped:
        """The row that says why it could not be added."""
        return Skipped(checked_text(self.id, "an id"), self.path, reason, detail)

    def row(self, picture: DecodedPicture, vector: bytes) -> NewItem:
        """The item that it becomes. ``index`` knows nothing of its file."""
        return NewItem(
            id=checked_text(self.id, "an id"),
            path=os.fsencode(self.path) if self.path else None,
            size_bytes=None,
            mtime_ns=None,
            sha256=None,
            group=None if self.group is None else checked_text(self.group, "a group"),
            metadata_json=metadata_to_json(self.metadata),
            width_px=picture.width_px,
            height_px=picture.height_px,
            source=BY_HAND,
            vector=vector,
        )


@dataclass(frozen=True, slots=True)
class AddReport:
    """What ``add_many`` did: how many ids are new, how many had an item before, and what could not be added.

    ``generation`` is that of the catalogue afterwards.
    """

    added: int
    replaced: int
    skipped: tuple[Skipped, ...]
    generation: int


def add_all(
    store: SqliteStore,
    rows: Iterator[NewItem | Skipped],
    writing: Callable[[], AbstractContextManager[StoreWriter]],
    progress: ProgressCallback,
) -> AddReport:
    """Commit rows as they come, some hundreds at a time. ``writing`` takes the writer's lock for a commit."""
    pending: list[NewItem] = []
    skipped: list[Skipped] = []
    added = replaced = 0
    last_commit = time.monotonic()
    for row in chain(rows, (None,)):
        if isinstance(row, Skipped):
            skipped.append(row)
            continue
        if row is not None:
            pending.append(row)
        due = len(pending) >= COMMIT_ITEMS or row is None or time.monotonic() - last_commit > COMMIT_S
        if due and pending:
            with writing() as writer:
                before = writer.add(pending)
            added, replaced = added + len(pending) - before, replaced + before
            progress(Progress("add", added + replaced, None))
            pending, last_commit = [], time.monotonic()
    return AddReport(added, replaced, tuple(skipped), store.state().generation)


class PictureAdder:
    """Turns new pictures into rows; keeps its encoder until it is closed. For any number of threads."""

    def __init__(self, at_hand: EncoderAtHand, pictures: PictureEncoder) -> None:
        """Nothing heavy is loaded yet. ``pictures`` decodes what is no file, and a few files."""
        self._at_hand, self._pictures = at_hand, pictures
        self._loading = threading.Lock()
        self._open = ExitStack()
        self._encoder: Encoder | None = None

    def close(self) -> None:
        """Free the encoder."""
        with self._loading:
            self._open.close()
            self._encoder = None

    def rows(self, pictures: Iterable[NewPicture]) -> Iterator[NewItem | Skipped]:
        """Yield what becomes of every picture, in no order, in bounded memory.

        Raises:
            UsageError: something is no picture at all.
            EncoderError: the encoder cannot be loaded.
        """
        source = iter(pictures)
        first = list(islice(source, FEW + 1))
        job = _Adding(self._pictures, self._throughput_encoder())
        with ExitStack() as stack:
            pool = (
                stack.enter_context(decode_pool(self._at_hand, None, self._at_hand.limits))
                if len(first) > FEW
                else None
            )
            yield from job.rows(chain(first, source), pool)

    def _throughput_encoder(self) -> Encoder:
        with self._loading:
            if self._encoder is None:
                self._encoder = self._open.enter_context(self._at_hand.loaded(EncoderMode.THROUGHPUT))
            return self._encoder


class _Adding:
    """One call of ``rows``."""

    def __init__(self, pictures: PictureEncoder, encoder: Encoder) -> None:
        self._pictures, self._encoder = pictures, encoder
        self._asked: dict[int, NewPicture] = {}
        self._repeated: list[Skipped] = []

    def rows(self, pictures: Iterator[NewPicture], pool: DecodePool | None) -> Iterator[NewItem | Skipped]:
        """Decode and encode, a few batches at a time."""
        under_way: deque[tuple[DecodedBatch, list[Future[Float32Array]]]] = deque()
        try:
            for batch in self._batches(self._once(pictures), pool):
                under_way.append((batch, submitted(self._encoder, batch)))
                while len(under_way) > BATCHES_HELD:
                    yield from self._finished(*under_way.popleft())
            while under_way:
                yield from self._finished(*under_way.popleft())
        finally:  # their memory is the pool's
            wait(future for _, futures in under_way for future in futures)

    def _once(self, pictures: Iterator[NewPicture]) -> Iterator[tuple[int, NewPicture]]:
        """Number the pictures; a second one under an id is refused."""
        seen: set[str] = set()
        for token, picture in enumerate(pictures):
            if not isinstance(picture, NewPicture):
                raise UsageError(f"add_many takes NewPicture values, not {type(picture).__name__}")
            if picture.id in seen:
                detail = "an earlier picture of this call has the id"
                self._repeated.append(picture.skipped(SkipReason.DUPLICATE_ID, detail))
                continue
            seen.add(picture.id)
            self._asked[token] = picture
            yield token, picture

    def _batches(
        self, numbered: Iterator[tuple[int, NewPicture]], pool: DecodePool | None
    ) -> Iterator[DecodedBatch]:
        for is_file, run in groupby(numbered, key=lambda pair: _is_file(pair[1].image)):
            if is_file and pool is not None:
                yield from pool.decode(_task(token, picture.image) for token, picture in run)
                continue
            while part := list(islice(run, DECODE_BATCH)):
                yield self._decoded_here(part)

    def _decoded_here(self, part: Sequence[tuple[int, NewPicture]]) -> DecodedBatch:
        squares: list[PixelArray] = []
        pictures: list[DecodedPicture] = []
        failures: list[DecodeFailure] = []
        for token, picture in part:
            try:
                decoded = self._pictures.prepared(picture.image)
            except PictureError as exc:
                failures.append(DecodeFailure(token, exc.reason, exc.detail))
                continue
            squares.append(decoded.pixels)
            pictures.append(DecodedPicture(token, b"", decoded.width_px, decoded.height_px, 0, 0))
        side = self._encoder.preprocessing.crop_px
        pixels = np.stack(squares) if squares else np.empty((0, side, side, 3), np.uint8)
        return DecodedBatch(pixels, tuple(pictures), (), tuple(failures), lambda: None)

    def _finished(
        self, batch: DecodedBatch, futures: Sequence[Future[Float32Array]]
    ) -> Iterator[NewItem | Skipped]:
        yield from self._repeated
        self._repeated.clear()
        for failure in batch.failures:
            yield self._asked.pop(failure.token).skipped(failure.reason, failure.detail)
        vectors = self._vectors(batch, futures)
        batch.release()
        for picture, vector in zip(batch.pictures, vectors, strict=True):
            asked = self._asked.pop(picture.token)
            if isinstance(vector, str):
                yield asked.skipped(SkipReason.ENCODER_FAILED, vector)
            elif not np.isfinite(vector).all():
                detail = "the encoder gave a vector with NaN or infinity"
                yield asked.skipped(SkipReason.NON_FINITE_VECTOR, detail)
            else:
                yield asked.row(picture, vector.astype(np.float16).tobytes())

    def _vectors(
        self, batch: DecodedBatch, futures: Sequence[Future[Float32Array]]
    ) -> Sequence[Float32Array | str]:
        """A vector for every picture; where the batch failed, for each alone, or what is wrong with it."""
        try:
            return [vector for future in futures for vector in future.result()]
        except EncoderError:
            return [self._vector(batch.pixels[row : row + 1]) for row in range(len(batch.pictures))]

    def _vector(self, pixels: PixelArray) -> Float32Array | str:
        try:
            vector: Float32Array = self._encoder.encode(pixels)[0]
        except EncoderError as exc:
            return str(exc)
        return vector


def _is_file(image: ImageInput) -> bool:
    return isinstance(image, str | bytes | os.PathLike)


def _task(token: int, image: ImageInput) -> DecodeTask:
    if isinstance(image, bytes):
        return DecodeTask(token, data=image)
    assert isinstance(image, str | os.PathLike)
    return DecodeTask(token, path=os.path.abspath(image))
