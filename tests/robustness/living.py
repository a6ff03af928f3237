"""Run under the file system double: a catalogue is made, filled, changed, damaged and repaired.

Marks in the journal what a reader sees after every commit, as JSON.
"""

from __future__ import annotations

import json
import os
import random
import sys
from pathlib import Path

from tests.robustness.faultfs.double import Fault
from tests.robustness.herd import Herd, committed
from tests.robustness.victim import fake_default_encoder, hurry

import seealike
from seealike import Catalog, IndexOptions
from seealike.catalog import verify
from seealike.store import DATABASE_NAME
from seealike.testing import FakeEncoder
from seealike.types import Progress

DAMAGED = "damaged"
PAGE = 8192


def main(directory: str, photos: str) -> None:
    hurry()
    fake_default_encoder()
    fault = Fault()

    def mark() -> None:
        fault.mark(json.dumps(committed(directory)))

    with seealike.create(directory, encoder=FakeEncoder()) as catalog:
        mark()
        herd = Herd(Path(photos), random.Random(11), 24)
        for _ in range(3):
            index(catalog, herd)
            mark()
            herd.mutate()
        index(catalog, herd)
        mark()
        catalog.remove(sorted(herd.files)[:3])
        mark()
        index(catalog, herd)
        mark()
    damage(directory)
    fault.mark(DAMAGED)
    if not verify(directory, repair=True).ok:
        raise SystemExit("not repaired")
    mark()


def index(catalog: Catalog, herd: Herd) -> None:
    fault = Fault()

    def progress(step: Progress) -> None:
        if step.stage in ("index", "ann"):
            fault.mark(json.dumps(committed(catalog.path)))

    catalog.index(herd.folder, options=IndexOptions(workers=1, prune_missing=True), progress=progress)


def damage(directory: str) -> None:
    """Overwrite the whole index of ids: every item can still be read by its key."""
    path = os.path.join(directory, DATABASE_NAME)
    with open(path, "r+b") as file:
        for page in range(os.path.getsize(path) // PAGE):
            file.seek(page * PAGE)
            if file.read(1) == b"\x0a":  # a leaf of an index
                file.seek(page * PAGE)
                file.write(b"\xff" * 100)
        file.flush()
        os.fsync(file.fileno())


if __name__ == "__main__":
    main(*sys.argv[1:])
