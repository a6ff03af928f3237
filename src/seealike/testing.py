"""Fakes, and contracts that any adapter can be checked against, for authors of encoders and proposers.

Needs nothing but numpy: no runtime, no model, no pictures on disk.
"""

from __future__ import annotations

import hashlib
import io
from typing import TYPE_CHECKING

import numpy as np

from seealike.encoders.slots import SlotEncoder
from seealike.errors import EncoderError, UsageError
from seealike.types import (
    Crop,
    Cropped,
    Embedded,
    EncoderIdentity,
    Picture,
    Preprocessing,
    Refused,
    SameFile,
    SkipReason,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from seealike.protocols import Embedder, Encoder, MapEncoder, Proposer
    from seealike.types import Float16Array, Float32Array, ImageInput, Int64Array, PixelArray, Proposal

    MakeProposer = Callable[[Int64Array, Float16Array], Proposer]


def sample_pixels(n: int, side_px: int) -> PixelArray:
    """Draw ``n`` different pictures by integer arithmetic: the same on every machine, for ever.

    Shapes: the result is (n, side_px, side_px, 3).
    """
    y, x = np.mgrid[0:side_px, 0:side_px].astype(np.int64) * 224 // side_px
    pictures = np.empty((n, side_px, side_px, 3), np.uint8)
    for i in range(n):
        cell, slope, radius = 7 + 11 * (i % 5), 1 + i % 4, 30 + 17 * (i % 4)
        checks = ((x // cell + y // cell) % 2) * (90 + 13 * (i % 7))
        stripes = (x * slope + y * (5 - slope)) * (1 + i % 3) % 256
        disc = (x - 60 - 23 * (i % 5)) ** 2 + (y - 112) ** 2 < radius**2
        channels = np.stack([checks + 20 * (i % 6), stripes, 255 - (checks + stripes) // 2], axis=-1)
        channels[disc] = (40 * i % 256, 200 - 25 * i % 200, 97 * i % 256)
        pictures[i] = np.roll(channels, i, axis=-1) % 256
    return pictures


class FakeEncoder(SlotEncoder[int]):
    """An encoder that sees the average colours of a coarse grid, so similar pictures have close vectors.

    Each batch is computed on another thread, as real encoders do.
    """

    def __init__(
        self,
        *,
        dimension: int = 32,
        crop_px: int = 32,
        batch_size: int = 4,
        concurrency: int = 2,
        refuses: tuple[int, int, int] | None = None,
    ) -> None:
        """Make a fake; a batch with a picture wholly of the colour ``refuses`` raises ``EncoderError``."""
        self._grid = 4
        cells = 3 * self._grid**2 + 1
        self._matrix = np.sin(np.arange(1, cells * dimension + 1) ** 2 % 6151.0).reshape(cells, dimension)
        identity = EncoderIdentity(
            name="fake",
            weights_sha256=hashlib.sha256(f"fake {dimension}".encode()).hexdigest(),
            preprocessing=Preprocessing(
                resize_px=crop_px, crop_px=crop_px, mean=(127.5, 127.5, 127.5), std=(127.5, 127.5, 127.5)
            ),
            layer="grid",
            pooling="avg",
            dimension=dimension,
        )
        self._refuses = refuses
        super().__init__(identity, batch_size, range(concurrency), lambda _, pixels: self._project(pixels))

    @property
    def widest_px(self) -> int:
        """Its own side: see ``MapEncoder``."""
        return self.preprocessing.crop_px

    def encode_maps(self, pixels: PixelArray) -> Float32Array:
        """What each cell of the grid adds: see ``MapEncoder``."""
        self._check(pixels)
        g, cells = self._grid, self._cells(pixels)
        parts = cells[:, 1:, None] * self._matrix[1:]
        places = parts.reshape(len(pixels), g, g, 3, -1).sum(axis=3) * g * g
        maps: Float32Array = (places + cells[0, 0] * self._matrix[0]).astype(np.float32)
        return maps

    def _cells(self, pixels: PixelArray) -> npt.NDArray[np.float64]:
        n, side, g = len(pixels), pixels.shape[1], self._grid
        edges = np.arange(g) * side // g
        sums = np.add.reduceat(np.add.reduceat(pixels.astype(np.int64), edges, axis=1), edges, axis=2)
        cells = np.full((n, 3 * g * g + 1), 0.1)
        cells[:, 1:] = sums.reshape(n, 3 * g * g) / (side / g) ** 2 / 127.5 - 1
        return cells

    def _project(self, pixels: PixelArray) -> Float32Array:
        if self._refuses is not None and np.any(np.all(pixels == self._refuses, axis=(1, 2, 3))):
            raise EncoderError(f"a picture has the colour {self._refuses}")
        cells = self._cells(pixels)
        # Summed in a fixed order, not by a matrix product, whose rounding depends on the number of rows.
        vectors = np.add.reduce(cells[:, :, None] * self._matrix, axis=1)
        norms = np.sqrt(np.add.reduce(vectors * vectors, axis=1, keepdims=True))
        unit: Float32Array = (vectors / norms).astype(np.float32)
        return unit


def check_encoder(encoder: Encoder, *, tolerance: float = 0.0) -> None:
    """Check that ``encoder`` keeps the contract of :class:`~seealike.protocols.Encoder`, and close it.

    Args:
        encoder: the encoder to check.
        tolerance: the largest difference allowed between a picture's vector in a batch and alone.

    Raises:
        AssertionError: it does not; the message says what is wrong.
    """
    side, d = encoder.preprocessing.crop_px, encoder.identity.dimension
    pixels = sample_pixels(2 * encoder.batch_size + 1, side)
    vectors = encoder.encode(pixels)
    _check_vectors(encoder, pixels, vectors)
    alone = np.concatenate([encoder.encode(pixels[i : i + 1]) for i in range(len(pixels))])
    _require(_close(alone, vectors, tolerance), "a picture's vector depends on the pictures beside it")
    _check_memory_layouts(encoder, pixels, vectors, tolerance)
    _check_submit(encoder, pixels, vectors, tolerance)
    for wrong in (pixels.astype(np.float32), pixels[:, :-1], pixels[0], pixels[..., :1]):
        _refused(lambda wrong=wrong: encoder.encode(wrong), "pixels of another type or shape")  # type: ignore[misc]
    _require(encoder.encode(pixels[:0]).shape == (0, d), "no pictures must give an array of shape (0, d)")
    encoder.close()
    encoder.close()
    _refused(lambda: encoder.encode(pixels[:1]), "pictures after close()")


def check_map_encoder(encoder: MapEncoder, vectors_of: Callable[[PixelArray], Float32Array]) -> None:
    """Check that ``encoder`` keeps the contract of :class:`~seealike.protocols.MapEncoder`, and close it.

    Args:
        encoder: the encoder to check.
        vectors_of: what gives the vectors of the same encoder.

    Raises:
        AssertionError: it does not; the message says what is wrong.
    """
    side, d = encoder.identity.preprocessing.crop_px, encoder.identity.dimension
    pixels = sample_pixels(5, side)
    maps, vectors = encoder.encode_maps(pixels), vectors_of(pixels)
    shaped = maps.ndim == 4 and maps.dtype == np.float32 and maps.shape[:: maps.ndim - 1] == (len(pixels), d)
    _require(shaped, f"maps are {maps.dtype} of shape {maps.shape}")
    means = maps.mean(axis=(1, 2), dtype=np.float64)
    cosines = np.sum(means * vectors, axis=1) / np.linalg.norm(means, axis=1)
    _require(float(cosines.min()) > 0.999, f"the mean of the places is not the vector: {cosines.min()}")
    alone = np.concatenate([encoder.encode_maps(pixels[i : i + 1]) for i in range(len(pixels))])
    _require(_close(alone, maps, 1e-3 * float(np.abs(maps).max())), "maps depend on the pictures beside")
    _require(encoder.widest_px >= side, "widest_px is smaller than the encoder's own side")
    widest = encoder.encode_maps(sample_pixels(1, encoder.widest_px))
    _require(widest.shape[0] == 1 and widest.shape[3] == d, f"maps at widest_px are {widest.shape}")
    encoder.close()


def check_embedder(embedder: Embedder) -> None:
    """Check that ``embedder`` keeps the contract of :class:`~seealike.protocols.Embedder`, and close it.

    Raises:
        AssertionError: it does not; the message says what is wrong.
    """
    arrays = [*sample_pixels(24, 96)]
    images: list[ImageInput] = [*arrays, *map(_png, arrays), b"no picture"]
    for urgent in (False, True):
        for count in (1, len(images)):  # the last ones: a few and many
            asked = [Picture(1000 + number, image) for number, image in enumerate(images[-count:])]
            outcomes = {outcome.token: outcome for outcome in embedder.embed(asked, urgent=urgent)}
            _require(sorted(outcomes) == [one.token for one in asked], "not every picture comes back once")
            last = outcomes[asked[-1].token]
            _require(isinstance(last, Refused), "what is no picture must be refused with its reason")
        vectors = np.array([one.vector for one in outcomes.values() if isinstance(one, Embedded)])
        _require(vectors.shape == (2 * len(arrays), embedder.identity.dimension), "vectors of another shape")
        norms = np.linalg.norm(vectors.astype(np.float64), axis=1)
        _require(bool(np.all(np.abs(norms - 1) < 1e-5)), f"vectors have norms {norms.min()} to {norms.max()}")
        by_token = {one.token: one for one in outcomes.values() if isinstance(one, Embedded)}
        for number in range(len(arrays)):
            array, file = by_token[1000 + number], by_token[1000 + len(arrays) + number]
            _require(_close(array.vector, file.vector, 1e-6), "a picture's vector depends on its form")
            digest = hashlib.sha256(_png(arrays[number])).digest()
            _require(file.sha256 == digest and array.sha256 == b"", "a file's SHA-256 is not told")
    _check_crops(embedder, arrays[0])
    known = Picture(7, images[-2], known_sha256=hashlib.sha256(_png(arrays[-1])).digest())
    _require(next(embedder.embed([known])) == SameFile(7, len(_png(arrays[-1])), 0), "what is known is read")
    embedder.close()
    embedder.close()
    try:
        next(embedder.embed([Picture(0, arrays[0])]))
    except UsageError:
        return
    raise AssertionError("a closed embedder must raise UsageError")


def _check_crops(embedder: Embedder, pixels: PixelArray) -> None:
    cut = np.ascontiguousarray(pixels[10:50, 20:90])
    crops = (Crop(20, 10, 70, 40), Crop(20 / 96, 10 / 96, 70 / 96, 40 / 96))
    parts: list[ImageInput] = [Cropped(image, crop) for image in (pixels, _png(pixels)) for crop in crops]
    outcomes = embedder.embed(Picture(token, image) for token, image in enumerate([*parts, cut]))
    vectors = {one.token: one.vector for one in outcomes if isinstance(one, Embedded)}
    for token in range(len(parts)):
        _require(
            _close(vectors[token], vectors[len(parts)], 1e-6), "a crop's vector is not that of the part alone"
        )
    beyond = next(embedder.embed([Picture(0, Cropped(pixels, Crop(20, 10, 70, 90)))]))
    refused = isinstance(beyond, Refused) and beyond.reason is SkipReason.OUTSIDE_PICTURE
    _require(refused, "a crop that reaches beyond the picture must be refused with its reason")


def _png(pixels: PixelArray) -> bytes:
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def _check_vectors(encoder: Encoder, pixels: PixelArray, vectors: Float32Array) -> None:
    identity = encoder.identity
    _require(identity.preprocessing == encoder.preprocessing, "identity and encoder differ in preprocessing")
    _require(encoder.batch_size >= 1 and encoder.concurrency >= 1, "batch_size and concurrency start at 1")
    _require(vectors.dtype == np.float32, f"vectors are {vectors.dtype}, not float32")
    _require(vectors.shape == (len(pixels), identity.dimension), f"vectors have shape {vectors.shape}")
    norms = np.linalg.norm(vectors.astype(np.float64), axis=1)
    _require(bool(np.all(np.abs(norms - 1) < 1e-5)), f"vectors have norms {norms.min()} to {norms.max()}")
    scores = vectors @ vectors.T - 2 * np.eye(len(vectors), dtype=np.float32)
    _require(float(scores.max()) < 0.99999, "different pictures have the same vector")


def _check_memory_layouts(
    encoder: Encoder, pixels: PixelArray, vectors: Float32Array, tolerance: float
) -> None:
    frozen = pixels.copy()
    frozen.flags.writeable = False
    _require(_close(encoder.encode(frozen), vectors, tolerance), "read-only pixels give other vectors")
    scattered = np.repeat(pixels, 2, axis=2)[:, :, ::2]
    _require(_close(encoder.encode(scattered), vectors, tolerance), "strided pixels give other vectors")
    backwards = encoder.encode(pixels[::-1])
    _require(_close(backwards, vectors[::-1], tolerance), "vectors are not in the order of the pictures")
    _require(bool(np.array_equal(frozen, pixels)), "the encoder wrote into the pixels")


def _check_submit(encoder: Encoder, pixels: PixelArray, vectors: Float32Array, tolerance: float) -> None:
    step = encoder.batch_size
    starts = [i % len(pixels) for i in range(0, 3 * step * encoder.concurrency, step)]
    futures = [(start, encoder.submit(pixels[start : start + step])) for start in starts]
    for start, future in futures:
        answer = future.result(timeout=60)
        _require(
            _close(answer, vectors[start : start + step], tolerance),
            "submit() gives other vectors than encode()",
        )
    _refused(lambda: encoder.submit(pixels[: step + 1]).result(timeout=60), "more than batch_size at once")


def check_proposer(make_proposer: MakeProposer, *, recall: float = 1.0) -> None:
    """Check that what ``make_proposer`` makes keeps the contract of :class:`~seealike.protocols.Proposer`.

    They are compared with exhaustive search in float64, over a few hundred vectors.

    Args:
        make_proposer: makes one from ascending keys (n,) and vectors (n, d) that are nearly of unit norm.
        recall: the share of the closest that must be among the candidates, over all queries of a call.

    Raises:
        AssertionError: they do not; the message says what is wrong.
    """
    rng = np.random.default_rng(7)
    for n, d in ((0, 8), (1, 8), (5, 3), (300, 48)):
        vectors = rng.standard_normal((n, d))
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        vectors[n // 3 : n // 2] = vectors[:1]  # many equal ones
        keys = np.cumsum(rng.integers(1, 1000, n)).astype(np.int64)
        stored = vectors.astype(np.float16)
        proposer = make_proposer(keys, stored)
        _require(len(proposer) == n, f"it says it holds {len(proposer)} vectors, not {n}")
        _require(n == 0 or proposer.last_key == keys[-1], f"its last key is not {proposer.last_key}")
        queries = rng.standard_normal((7, d))
        queries[: min(n, 3)] = vectors[: min(n, 3)]
        queries /= np.linalg.norm(queries, axis=1, keepdims=True)
        some = np.union1d(keys[rng.random(n) < 0.7], [10**9])  # a key that it does not have among them
        for k in (1, 4, n + 3):
            for allowed in (None, some, keys[:0]):
                check_candidates(
                    proposer, keys, stored, queries.astype(np.float32), k, allowed, recall=recall
                )


def check_candidates(
    proposer: Proposer,
    keys: Int64Array,
    stored: Float16Array,
    queries: Float32Array,
    k: int,
    allowed: Int64Array | None = None,
    *,
    recall: float = 1.0,
) -> None:
    """Check one call of a proposer that holds ``stored`` under ``keys``; see ``check_proposer``."""
    proposals = proposer.candidates(queries, k, allowed)
    _require(len(proposals) == len(queries), f"{len(proposals)} proposals for {len(queries)} queries")
    mine = np.ones(len(keys), dtype=bool) if allowed is None else np.isin(keys, allowed)
    wide = stored[mine].astype(np.float64)
    cosines = queries.astype(np.float64) @ (wide / np.linalg.norm(wide, axis=1, keepdims=True)).T
    full = min(k, len(wide))
    shares: list[float] = []
    for query, cosine, found in zip(queries, cosines, proposals, strict=True):
        _require(len(set(found.keys.tolist())) == len(found.keys), "a key is proposed twice")
        _require(bool(np.isin(found.keys, keys[mine]).all()), "a key is proposed that it was not to propose")
        _require(allowed is not None or len(found.keys) >= full, f"{len(found.keys)} of {full} are proposed")
        _require_equal_in_groups(found, stored[np.searchsorted(keys, found.keys)])
        alone = proposer.candidates(query[np.newaxis], k, allowed)[0]
        _require(np.array_equal(alone.keys, found.keys), "candidates depend on the queries beside it")
        if full and len(found.keys) >= full:
            worst = np.sort(cosine)[-full]
            shares.append(
                min(full, int((cosine[np.searchsorted(keys[mine], found.keys)] >= worst).sum())) / full
            )
    _require(
        not shares or float(np.mean(shares)) >= recall, f"closer vectors are missing: {np.mean(shares or 1)}"
    )


def _require_equal_in_groups(found: Proposal, vectors: Float16Array) -> None:
    _require(found.groups.shape == found.keys.shape, "keys and groups are of different lengths")
    steps = np.diff(found.groups)
    _require(bool((steps >= 0).all()), "groups do not ascend")
    same = (vectors[1:] == vectors[:-1]).all(axis=1)
    _require(bool(same[steps == 0].all()), "vectors of one group are not equal")


def _close(a: Float32Array, b: Float32Array, tolerance: float) -> bool:
    return a.shape == b.shape and bool(np.all(np.abs(a - b) <= tolerance))


def _refused(call: Callable[[], object], what: str) -> None:
    try:
        call()
    except EncoderError:
        return
    raise AssertionError(f"{what} must raise EncoderError")


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise AssertionError(message)
