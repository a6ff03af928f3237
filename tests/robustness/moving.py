"""Run under the file system double: a catalogue moves to another encoder, and back, and to other numbers.

Marks in the journal the encoder and the numbers that it has whenever a call has returned.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tests.robustness.faultfs.double import Fault

import seealike
from seealike import IndexOptions
from seealike.catalog.spaces.reindexing import reindex

SPECS = ("test-fake:16", "test-fake:24")
MOVES = ((SPECS[0], "float16"), (SPECS[1], "float16"), (SPECS[0], "float16"), (SPECS[0], "int8"))
PLUGIN = """
from seealike.testing import FakeEncoder

def fake(argument):
    return FakeEncoder(dimension=int(argument))
"""


def install(folder: Path) -> None:
    """A package that brings the encoder ``test-fake:DIMENSION``, for whoever has the folder in its path."""
    info = folder / "test_fake-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: test-fake\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[seealike.encoders]\ntest-fake = moving_plugin:fake\n")
    (folder / "moving_plugin.py").write_text(PLUGIN)


def main(directory: str, photos: str) -> None:
    fault = Fault()
    with seealike.create(directory, encoder=SPECS[0]) as catalog:
        catalog.index(photos, options=IndexOptions(workers=1))
    fault.mark(" ".join(MOVES[0]))
    for spec, vectors in MOVES[1:]:
        reindex(directory, spec, vectors=vectors, options=IndexOptions(workers=1))
        fault.mark(f"{spec} {vectors}")


if __name__ == "__main__":
    main(*sys.argv[1:])
