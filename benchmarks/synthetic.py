"""A large catalogue's vectors from a few thousand photos.

Real embeddings of the photos at hand, each seen in several crops, are mixed with near neighbours and given
multiplicative noise: 289,222 vectors by default, as many as the largest public fashion set has pictures. Made
once and kept as float16 in the working folder.

python -m benchmarks.synthetic            says how like the real vectors they are
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from seealike.types import Float16Array, Float32Array, Int64Array, PixelArray

COUNT = 289_222
QUERIES = 2_000
FOLDERS = ("clothing", "places", "steakhouse")
VIEWS = 7
SIDE_PX = 224
NEIGHBOURS = 20
NOISE = 0.35
SEED = 1
_ROWS_AT_ONCE = 8192


def make(data: Path, work: Path, count: int = COUNT, seed: int = SEED) -> Float16Array:
    """``count`` vectors, memory-mapped. Shapes: (count, d)."""
    path = work / f"synthetic-{count}-{seed}.npy"
    if not path.exists():
        real = embeddings(data, work)
        unfinished = path.with_suffix(".part.npy")
        target = np.lib.format.open_memmap(
            unfinished, mode="w+", dtype=np.float16, shape=(count, real.shape[1])
        )
        done = 0
        for rows in mixed(real, count, seed):
            target[done : done + len(rows)] = rows
            done += len(rows)
        target.flush()
        unfinished.rename(path)
    vectors: Float16Array = np.load(path, mmap_mode="r")
    return vectors


def queries(data: Path, work: Path, count: int = QUERIES) -> Float32Array:
    """Vectors made in the same way that are not among those of ``make``. Shapes: (count, d), unit norm."""
    return np.concatenate(list(mixed(embeddings(data, work), count, SEED + 1)))


def embeddings(data: Path, work: Path) -> Float32Array:
    """Every photo under ``data`` in ``VIEWS`` crops, embedded by the bundled encoder. Shapes: (n, d)."""
    path = work / "embeddings.npy"
    if not path.exists():
        vectors = _embedded(data)
        np.save(path, vectors)
    found: Float32Array = np.load(path)
    return found


def _embedded(data: Path) -> Float32Array:
    from seealike.encoders import EncoderMode, load_encoder

    photos = sorted(path for name in FOLDERS for path in (data / name).rglob("*.jp*g"))
    if not photos:
        raise SystemExit(f"no photos in {data}: say --data")
    encoder = load_encoder("efficientnet-lite0", mode=EncoderMode.THROUGHPUT)
    parts = []
    try:
        with ThreadPoolExecutor() as pool:
            for start in range(0, len(photos), 64):
                pixels = np.concatenate(list(pool.map(_views, photos[start : start + 64])))
                parts.append(encoder.encode(pixels))
    finally:
        encoder.close()
    return np.concatenate(parts)


def _views(path: Path) -> PixelArray:
    """The centre of the picture, and random squares of it, every other one mirrored."""
    rng = random.Random(path.name)
    with Image.open(path) as image:
        picture = image.convert("RGB")
    width, height = picture.size
    shorter = min(width, height)
    views = []
    for number in range(VIEWS):
        side = round(shorter * (7 / 8 if number == 0 else rng.uniform(0.5, 1.0)))
        left = (width - side) // 2 if number == 0 else rng.randint(0, width - side)
        top = (height - side) // 2 if number == 0 else rng.randint(0, height - side)
        box = (left, top, left + side, top + side)
        view = picture.resize((SIDE_PX, SIDE_PX), Image.Resampling.BICUBIC, box=box)
        views.append(np.asarray(view.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if number % 2 else view))
    return np.stack(views)


def mixed(real: Float32Array, count: int, seed: int = SEED) -> Iterator[Float32Array]:
    """``count`` vectors in blocks, the same for the same seed. Shapes: each is (m, d), unit norm."""
    near = _neighbours(real)
    rng = np.random.default_rng(seed)
    for start in range(0, count, _ROWS_AT_ONCE):
        rows = min(_ROWS_AT_ONCE, count - start)
        one = rng.integers(0, len(real), rows)
        other = near[one, rng.integers(0, near.shape[1], rows)]
        share = rng.uniform(0.5, 1.0, (rows, 1)).astype(np.float32)
        mixed = share * real[one] + (1 - share) * real[other]
        mixed *= 1 + NOISE * rng.standard_normal(mixed.shape, dtype=np.float32)
        mixed /= np.linalg.norm(mixed, axis=1, keepdims=True)
        yield mixed


def _neighbours(real: Float32Array) -> Int64Array:
    near = np.empty((len(real), NEIGHBOURS), dtype=np.int64)
    for start in range(0, len(real), 1024):
        scores = real[start : start + 1024] @ real.T
        scores[np.arange(len(scores)), np.arange(start, start + len(scores))] = -np.inf
        near[start : start + 1024] = np.argpartition(scores, -NEIGHBOURS, axis=1)[:, -NEIGHBOURS:]
    return near


def _likeness(vectors: Float32Array) -> str:
    """Quartiles of the similarity of a vector to its closest and its tenth closest other one."""
    sample = np.random.default_rng(0).choice(len(vectors), 500, replace=False)
    scores = -np.sort(-(vectors[sample] @ vectors.T), axis=1)[:, 1:11]
    words = []
    for name, column in (("closest", 0), ("tenth", 9)):
        low, middle, high = np.percentile(scores[:, column], (25, 50, 75))
        words.append(f"{name} {low:.3f} / {middle:.3f} / {high:.3f}")
    return ", ".join(words)


def main() -> None:
    data, work = Path("../shared/data").resolve(), Path(".bench")
    work.mkdir(exist_ok=True)
    print("quartiles of the similarity to other vectors")
    print("real     ", _likeness(embeddings(data, work)))
    print("synthetic", _likeness(make(data, work).astype(np.float32)))


if __name__ == "__main__":
    main()
