"""A service under load: pictures and questions a second, waits, and what too much of it does.

Clients and the service share the machine; the processor time of both is said. Rates are beside that of
indexing the same files in the same run, and of the same questions asked of a catalogue in this process. A
plain Flask server is measured where ``.bench/flask/bin/python`` has flask, pillow and torch.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import seealike
from benchmarks import synthetic
from benchmarks.large import catalog_of
from benchmarks.photos import repeated, warm
from benchmarks.report import Row
from benchmarks.serving import overload, pictures, questions, rivals, slow, whole

TITLE = "Serving"
UPLOADS = 3_000
SMALL = 30_000


def rows(data: Path, work: Path) -> list[Row]:
    folder = repeated(data, work / f"photos-{UPLOADS}", UPLOADS)
    warm(folder)
    files = [path.read_bytes() for path in sorted(folder.glob("*.jpg"))]
    target = work / "serving.catalog"
    shutil.rmtree(target, ignore_errors=True)
    with seealike.create(target) as catalog:
        report = catalog.index(folder)
    indexing = report.added / report.took_s
    vectors = synthetic.make(data, work)
    few, many = (Path(catalog_of(vectors[:count], work)[0]) for count in (SMALL, len(vectors)))
    found = [Row(f"`index` of the same {UPLOADS:,} photos", f"{indexing:.0f} images/s")]
    return found + _each(
        lambda: pictures.rows(target, files, indexing),
        lambda: overload.rows(target, files),
        lambda: questions.rows(few, SMALL, 2_000),
        lambda: questions.rows(many, len(vectors), 1_500),
        lambda: questions.start(many, len(vectors)),
        lambda: whole.rows(many, len(vectors)),
        lambda: slow.rows(target, files),
        lambda: rivals.rows(target, files, work),
        lambda: pictures.beside_index(target, folder),
    )


def _each(*parts: Callable[[], Sequence[Row]]) -> list[Row]:
    """The rows of all parts, as they come also on standard error; what fails says so, and others go on."""
    found: list[Row] = []
    for part in parts:
        try:
            new = [*part()]
        except Exception as exc:  # noqa: BLE001 - an hour's other figures are not lost for it
            new = [Row("a part", "failed", "", f"{type(exc).__name__}: {exc}")]
        for row in new:
            print(row, file=sys.stderr, flush=True)
        found += new
    return found
