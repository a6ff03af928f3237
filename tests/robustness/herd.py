"""A folder of small pictures that keeps changing, and what the catalogue must know of each."""

from __future__ import annotations

import functools
import hashlib
import io
import random
from pathlib import Path

import numpy as np
from PIL import Image
from tests.kept import as_kept

from seealike.images import DecodeLimits, decode
from seealike.store import SqliteStore
from seealike.testing import FakeEncoder

Tags = dict[str, str]  # item id: fingerprint of its vector
SIDE_PX = 24


@functools.cache
def content(number: int) -> bytes:
    """Picture file ``number``: the same for ever, unlike any other."""
    pixels = np.random.default_rng(number).integers(0, 256, (4, 4, 3)).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).resize((SIDE_PX, SIDE_PX), Image.Resampling.NEAREST).save(file, "PNG")
    return file.getvalue()


@functools.cache
def tag(number: int, kept: str = "float16") -> str:
    """The fingerprint of the vector that ``content(number)`` must have, from the encoder itself."""
    encoder = FakeEncoder()
    pixels = decode(content(number), encoder.preprocessing, DecodeLimits()).pixels
    vectors = encoder.encode(pixels[None])
    encoder.close()
    return fingerprint(as_kept(vectors, kept).tobytes())


def fingerprint(vector: bytes) -> str:
    """A short name for a vector's bytes."""
    return hashlib.sha256(vector).hexdigest()[:16]


def committed(directory: str) -> Tags:
    """What a reader sees now: ids with fingerprints.

    Raises:
        DamagedCatalogError: something is not as it was written.
        AssertionError: an id occurs twice, or rows and vectors do not fit.
    """
    store = SqliteStore(directory)
    try:
        while True:
            state, keys = store.state_and_keys()
            items = list(store.items())
            vectors = {
                int(key): row.tobytes()
                for block, rows in store.vector_blocks()
                for key, row in zip(block, rows, strict=True)
            }
            if store.state().generation == state.generation:
                break
        if vectors.keys() != set(keys.tolist()):
            raise store.damaged("items without a vector")
        found = {item.id: fingerprint(vectors[item.key]) for item in items}
        assert len(found) == len(items) == len(keys) == len(vectors) == state.count
        return found
    finally:
        store.close()


class Herd:
    """The folder, and which content every file in it has now."""

    def __init__(self, folder: Path, rng: random.Random, size: int) -> None:
        self.folder, self.files = folder, dict[str, int]()
        self._rng, self._numbers, self._size = rng, 0, size
        folder.mkdir()
        for _ in range(size):
            self.add()

    def tags(self, kept: str = "float16") -> Tags:
        """What the catalogue must hold when it equals the folder."""
        return {name: tag(number, kept) for name, number in self.files.items()}

    def add(self) -> None:
        """A new file."""
        number = self.next_number()
        self._write(f"{self._rng.choice('abc')}/{number:05}.png", number)

    def mutate(self) -> None:
        """Add, change, rename and delete some files."""
        for name in self._some(0.1):
            self._write(name, self.next_number())
        for name in self._some(0.1):
            (self.folder / name).unlink()
            del self.files[name]
        for name in self._some(0.1):
            new = f"moved/{self.next_number():05}.png"
            (self.folder / "moved").mkdir(exist_ok=True)
            (self.folder / name).rename(self.folder / new)
            self.files[new] = self.files.pop(name)
        while len(self.files) < self._size:
            self.add()

    def next_number(self) -> int:
        """A number that no picture has had."""
        self._numbers += 1
        return self._numbers

    def _some(self, share: float) -> list[str]:
        names = sorted(self.files)
        return self._rng.sample(names, self._rng.randint(0, max(1, round(share * len(names)))))

    def _write(self, name: str, number: int) -> None:
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content(number))
        self.files[name] = number
