"""The embedder of this machine: decoding processes, and the encoder that they feed."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, wait
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from itertools import chain, groupby, islice

import numpy as np

from seealike.catalog.encoder.at_hand import EncoderAtHand, NamedEncoder, encoded_unit
from seealike.encoders import EncoderMode
from seealike.errors import EncoderError, PictureError, SeealikeError, UsageError
from seealike.images import (
    DecodedBatch,
    DecodedPicture,
    DecodeLimits,
    DecodePool,
    DecodeTask,
    prepare,
)
from seealike.protocols import Embedder, Encoder
from seealike.types import (
    Crop,
    Cropped,
    Embedded,
    EncoderIdentity,
    Float32Array,
    ImageInput,
    Picture,
    PixelArray,
    Preprocessing,
    Refused,
    SameFile,
    SkipReason,
    WholeImage,
)

DECODE_BATCH = 16  # pictures a process decodes in one go: the more, the less the hand-over costs
BATCHES_HELD = 2  # decoded batches that wait for the encoder, the one it works on included
CALLERS = 3  # who share the processes at a time, without waiting for each other's buffers
FEW = 8  # pictures that are decoded one by one, so that one process will do
MOST_WORKERS = 12  # by default; each takes 30 to 80 MB

Outcome = Embedded | SameFile | Refused


class LocalEmbedder:
    """Decodes in processes of its own, encodes here. Safe to use from several threads.

    The encoder is loaded, and processes are started, when there is work for them; both are kept.
    """

    def __init__(
        self,
        at_hand: EncoderAtHand | NamedEncoder,
        *,
        decoder: DecodePool | None = None,
        workers: int | None = None,
        limits: DecodeLimits | None = None,
    ) -> None:
        """Nothing heavy is loaded yet.

        Args:
            at_hand: loads the encoder.
            decoder: decodes a few pictures, one by one (default: one of its own). Who gives it closes it.
            workers: decoding processes for many pictures (default: one a core).
            limits: what one picture may cost (default: as the catalogue was opened with).
        """
        self._at_hand = at_hand
        self._workers = workers or default_workers()
        self._limits = limits or at_hand.limits
        self._guard = threading.RLock()
        self._encoding = threading.Lock()
        self._sharing = threading.BoundedSemaphore(CALLERS)
        self._open = ExitStack()
        self._encoders: dict[EncoderMode, Encoder] = {}
        self._decoder = decoder or self._open.enter_context(
            decoder_of_few(at_hand.identity.preprocessing, self._limits)
        )
        self._kept: DecodePool | None = None  # for many pictures
        self._users: dict[DecodePool, int] = {}  # how many callers each pool has
        self._closed = False

    @property
    def identity(self) -> EncoderIdentity:
        """The embedding space's name."""
        return self._at_hand.identity

    def embed(self, pictures: Iterable[Picture], *, urgent: bool = False) -> Generator[Outcome, None, None]:
        """See ``Embedder``."""
        source = iter(pictures)
        first = list(islice(source, FEW + 1)) if urgent else []
        if urgent and len(first) <= FEW:
            yield from map(self._one, first)
        else:
            yield from self._in_batches(chain(first, source))

    def close(self) -> None:
        """End the decoding processes and free the encoder."""
        with self._guard:
            self._closed = True
            for pool in self._users:
                pool.close()
            self._open.close()
            self._encoders.clear()

    def _encoder(self, mode: EncoderMode) -> Encoder:
        with self._guard:
            self._check_open()
            if mode not in self._encoders:
                self._encoders[mode] = self._open.enter_context(self._at_hand.loaded(mode))
            return self._encoders[mode]

    def _check_open(self) -> None:
        if self._closed:
            raise UsageError("the catalogue is closed")

    # -- a few -------------------------------------------------------------------------------------

    def _one(self, picture: Picture) -> Outcome:
        """Decode and encode one picture while its caller waits."""
        self._check_open()
        if _is_file(picture):
            self._decoder.start()  # gets ready while the model is loaded
            self._encoder(EncoderMode.LATENCY)
            batch = self._decoder.decode_one(_task(picture))
        else:
            batch = self._prepared([picture])
        if not batch.pictures:
            return batch.same[0] if batch.same else batch.refused[0]
        encoder = self._encoder(EncoderMode.LATENCY)
        with self._encoding:
            return next(_outcomes(batch, _one_by_one(encoder, batch)))

    def _prepared(self, pictures: Sequence[Picture]) -> DecodedBatch:
        """Images and arrays, made ready in this process: they are decoded already."""
        squares: list[PixelArray] = []
        prepared: list[DecodedPicture] = []
        refused: list[Refused] = []
        for picture in pictures:
            image, crop = parted(picture.image)
            assert not isinstance(image, str | bytes | os.PathLike)
            try:
                square = prepare(image, self.identity.preprocessing, crop)
            except PictureError as exc:
                refused.append(Refused(picture.token, exc.reason, exc.detail))
                continue
            squares.append(square.pixels)
            size = square.width_px, square.height_px
            prepared.append(DecodedPicture(picture.token, b"", *size, 0, 0, square.signature))
        side = self.identity.preprocessing.crop_px
        pixels = np.stack(squares) if squares else np.empty((0, side, side, 3), np.uint8)
        return DecodedBatch(pixels, tuple(prepared), (), tuple(refused), lambda: None)

    # -- many --------------------------------------------------------------------------------------

    def _in_batches(self, pictures: Iterator[Picture]) -> Iterator[Outcome]:
        """Decode and encode at the same time, a few batches under way.

        Raises:
            UsageError: the embedder was closed meanwhile.
        """
        under_way: deque[_EncodedBatch] = deque()
        process_id = os.getpid()
        with self._pool_for_many() as pool:
            pool.start()  # gets ready while the model is loaded
            encoder = self._encoder(EncoderMode.THROUGHPUT)
            try:
                for batch in self._decoded(pictures, pool):
                    under_way.append(_EncodedBatch(batch))
                    yield from batch.same
                    yield from batch.refused
                    while len(under_way) > 1 and under_way[0].done:  # before a wait for the encoder
                        yield from self._finished(encoder, under_way)
                    under_way[-1].submit(encoder)
                    while len(under_way) > BATCHES_HELD:
                        yield from self._finished(encoder, under_way)
                while under_way:
                    yield from self._finished(encoder, under_way)
            except SeealikeError:
                self._check_open()  # closed under its hands: that is what is wrong
                raise
            finally:
                if os.getpid() == process_id:  # in a forked child nobody computes them
                    for one in under_way:
                        one.abandon()

    def _finished(self, encoder: Encoder, under_way: deque[_EncodedBatch]) -> Iterator[Outcome]:
        """What became of the oldest batch; its memory is given back first."""
        oldest = under_way[0]
        vectors = oldest.vectors(encoder)
        if any(isinstance(vector, str) for vector in vectors):
            self._check_open()
        under_way.popleft().batch.release()
        return _outcomes(oldest.batch, vectors)

    @contextmanager
    def _pool_for_many(self) -> Iterator[DecodePool]:
        """The processes that are kept; a small pool while enough callers have them: they may wait for it.

        A pool that was left in the midst of its work is not used again, batches may be lost in it: it ends
        with the last of those who have it.
        """
        shares = self._sharing.acquire(blocking=False)
        try:
            with self._guard:
                self._check_open()
                pool = (self._kept if shares else None) or self._new_pool(CALLERS if shares else 1)
                if shares:
                    self._kept = pool
                self._users[pool] = self._users.get(pool, 0) + 1
            sound = False
            try:
                yield pool
                sound = True
            finally:
                self._leave(pool, sound=sound)
        finally:
            if shares:
                self._sharing.release()

    def _leave(self, pool: DecodePool, *, sound: bool) -> None:
        with self._guard:
            self._users[pool] -= 1
            if self._kept is pool and not sound:
                self._kept = None
            over = self._kept is not pool and not self._users[pool]
            if over:
                del self._users[pool]
        if over:
            pool.close()

    def _new_pool(self, callers: int) -> DecodePool:
        workers = self._workers if callers > 1 else 1
        return DecodePool(
            self.identity.preprocessing,
            workers=workers,
            batch_size=DECODE_BATCH,
            buffers=callers * (2 * workers + BATCHES_HELD + 1),
            limits=self._limits,
        )

    def _decoded(self, pictures: Iterator[Picture], pool: DecodePool) -> Iterator[DecodedBatch]:
        for is_file, run in groupby(pictures, key=_is_file):
            self._check_open()  # a closed pool would start anew
            if is_file:
                yield from pool.decode(map(_task, run))
                continue
            while part := list(islice(run, DECODE_BATCH)):
                yield self._prepared(part)


class _EncodedBatch:
    """A decoded batch and what the encoder makes of it."""

    def __init__(self, batch: DecodedBatch) -> None:
        self.batch = batch
        self._futures: list[Future[Float32Array]] = []

    @property
    def done(self) -> bool:
        """Whether nobody need wait for it."""
        return all(future.done() for future in self._futures)

    def submit(self, encoder: Encoder) -> None:
        """Hand it to the encoder, in parts of the size it likes best."""
        step, pixels = encoder.batch_size, self.batch.pixels
        for start in range(0, len(pixels), step):
            try:
                self._futures.append(encoder.submit(pixels[start : start + step]))
            except EncoderError as exc:
                refused: Future[Float32Array] = Future()
                refused.set_exception(exc)
                self._futures.append(refused)

    def vectors(self, encoder: Encoder) -> Sequence[Float32Array | str]:
        """Each picture's vector; where the batch failed, alone, or what is wrong with it."""
        try:
            return [vector for future in self._futures for vector in future.result()]
        except EncoderError:
            wait(self._futures)
            return _one_by_one(encoder, self.batch)

    def abandon(self) -> None:
        """Give its memory back, once the encoder reads it no more."""
        wait(self._futures)
        self.batch.release()


def decoder_of_few(preprocessing: Preprocessing, limits: DecodeLimits) -> DecodePool:
    """One decoding process, which no batch keeps waiting."""
    return DecodePool(preprocessing, workers=1, batch_size=1, buffers=2, limits=limits)


def default_workers() -> int:
    """One decoding process for each core this process may use, up to a number that memory allows."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(usable, MOST_WORKERS)


def encoded_images(embedder: Embedder, images: Sequence[ImageInput]) -> Float32Array:
    """The vectors of ``embedded_images``. Result is (n, d), unit norm."""
    vectors = [picture.vector for picture in embedded_images(embedder, images)]
    return encoded_unit(np.array(vectors, np.float32).reshape(len(vectors), embedder.identity.dimension))


def embedded_images(embedder: Embedder, images: Sequence[ImageInput]) -> list[Embedded]:
    """Embed pictures that somebody waits for, all of which are needed; in their order.

    Raises:
        PictureError: one of them cannot be used.
        UsageError: one of them is no picture at all, or the embedder is closed.
    """
    found: dict[int, Embedded] = {}
    pictures = (Picture(row, image) for row, image in enumerate(images))
    with closing(embedder.embed(pictures, urgent=True)) as outcomes:
        for outcome in outcomes:
            if isinstance(outcome, Refused):
                raise PictureError(name_of(images[outcome.token]), outcome.reason, outcome.detail)
            assert isinstance(outcome, Embedded)
            found[outcome.token] = outcome
    return [found[row] for row in range(len(images))]


def parted(image: ImageInput) -> tuple[WholeImage, Crop | None]:
    """A picture, and the part of it that is meant; None is all of it."""
    return (image.image, image.crop) if isinstance(image, Cropped) else (image, None)


def name_of(image: ImageInput) -> str:
    """How messages call a picture."""
    image, _ = parted(image)
    if isinstance(image, str | os.PathLike):
        return os.fspath(image)
    return "the given bytes" if isinstance(image, bytes) else "the given image"


def _is_file(picture: Picture) -> bool:
    return isinstance(parted(picture.image)[0], str | bytes | os.PathLike)


def _task(picture: Picture) -> DecodeTask:
    image, crop = parted(picture.image)
    task = DecodeTask(picture.token, known_sha256=picture.known_sha256, crop=crop)
    if isinstance(image, bytes):
        return replace(task, data=image)
    assert isinstance(image, str | os.PathLike)
    return replace(task, path=os.path.abspath(image))


def _one_by_one(encoder: Encoder, batch: DecodedBatch) -> list[Float32Array | str]:
    """The vector of each picture alone, or what is wrong with it."""
    found: list[Float32Array | str] = []
    for row in range(len(batch.pictures)):
        try:
            found.append(encoder.encode(batch.pixels[row : row + 1])[0])
        except EncoderError as exc:
            found.append(str(exc))
    return found


def _outcomes(batch: DecodedBatch, vectors: Sequence[Float32Array | str]) -> Iterator[Outcome]:
    for seen, vector in zip(batch.pictures, vectors, strict=True):
        if isinstance(vector, str):
            yield Refused(seen.token, SkipReason.ENCODER_FAILED, vector, seen.size_bytes, seen.mtime_ns)
        elif not np.isfinite(vector).all():
            detail = "the encoder gave a vector with NaN or infinity"
            yield Refused(seen.token, SkipReason.NON_FINITE_VECTOR, detail, seen.size_bytes, seen.mtime_ns)
        else:
            yield Embedded(
                token=seen.token,
                vector=vector,
                sha256=seen.sha256,
                width_px=seen.width_px,
                height_px=seen.height_px,
                size_bytes=seen.size_bytes,
                mtime_ns=seen.mtime_ns,
                signature=seen.signature,
            )
