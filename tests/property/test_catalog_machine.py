"""A catalogue under any sequence of changes answers like a dictionary and an exhaustive search."""

from __future__ import annotations

import io
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from tests.pictures import picture

import seealike
from seealike import IndexOptions, SearchOptions
from seealike.catalog import ann
from seealike.catalog.sync import MISSING_SHARE
from seealike.errors import UnknownItemError
from seealike.images import prepare
from seealike.testing import FakeEncoder
from seealike.types import Float32Array, Hit, PixelArray

ANN_THRESHOLD = 4
TOLERANCE = 2e-6  # scores are rounded to six decimals
BROKEN = -1
FILES = ("a.png", "b.png", "c d.png", "sub/a.png", "sub/é.png", "sub/deep/" + "z" * 100 + ".png")
HAND_IDS = ("a.png", "by hand", 'it\'s "odd"', "two\nlines", "nul\0inside", "ünï", "sub/a.png")
NUMBERS = st.integers(0, 6)  # few different pictures, so that there are ties
DAYS = 86_400 * 10**9


def pixels(number: int) -> PixelArray:
    return np.asarray(picture(number, (40, 40)))


def vector_of(number: int) -> Float32Array:
    encoder = FakeEncoder()
    vectors: Float32Array = encoder.encode(prepare(pixels(number), encoder.preprocessing)[None])
    encoder.close()
    return np.ravel(vectors)


def file_content(number: int) -> bytes:
    """A PNG file; all are of the same size, which therefore tells nothing about a change."""
    file = io.BytesIO()
    picture(number, (40, 40)).save(file, "PNG")
    return file.getvalue().ljust(4000, b"\0")


FILE_CONTENTS = {number: file_content(number) for number in range(7)}
VECTORS = {number: vector_of(number) for number in range(7)}


@dataclass(frozen=True, slots=True)
class File:
    """A file of the folder: which picture, and since when."""

    number: int
    written: int


@dataclass(frozen=True, slots=True)
class Known:
    """An item of the model: which picture; and the file it is kept equal to, unless it was added by hand."""

    number: int
    file: File | None


class CatalogMachine(RuleBasedStateMachine):
    """The catalogue and its folder on one side, two dictionaries on the other."""

    def __init__(self) -> None:
        super().__init__()
        self.base = Path(tempfile.mkdtemp(prefix="machine-"))
        self.folder = self.base / "photos"
        self.files: dict[str, File] = {}
        self.items: dict[str, Known] = {}
        self.skipped: dict[str, File | None] = {}  # None: its id is that of an item added by hand
        self.clock = 0
        self.threshold, ann.THRESHOLD = ann.THRESHOLD, ANN_THRESHOLD
        self.encoder = FakeEncoder()
        self.catalog = seealike.create(self.base / "catalog", encoder=self.encoder)

    def teardown(self) -> None:
        self.catalog.close()
        self.encoder.close()
        ann.THRESHOLD = self.threshold
        shutil.rmtree(self.base)

    # -- the folder ----------------------------------------------------------------------------------

    @initialize(names=st.lists(st.sampled_from(FILES), min_size=1, unique=True), number=NUMBERS)
    def some_files(self, names: list[str], number: int) -> None:
        for name in names:
            self.write(name, number)

    @rule(name=st.sampled_from(FILES), number=st.one_of(NUMBERS, NUMBERS, st.just(BROKEN)))
    def write(self, name: str, number: int) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if number == BROKEN:
            path.write_bytes(b"no picture")
        else:
            path.write_bytes(FILE_CONTENTS[number])
        self.clock += 1
        os.utime(path, ns=(self.clock * DAYS, self.clock * DAYS))
        self.files[name] = File(number, self.clock)

    @precondition(lambda self: len(self.files) > 1)
    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.files)))
        (self.folder / name).unlink()
        del self.files[name]

    @rule(data=st.data(), name=st.sampled_from(FILES))
    def rename(self, data: st.DataObject, name: str) -> None:
        old = data.draw(st.sampled_from(sorted(self.files)))
        (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / old).replace(self.folder / name)
        self.files[name] = self.files.pop(old)

    @rule(prune=st.booleans(), before=st.booleans())
    def index(self, prune: bool, before: bool) -> None:
        if before:
            self.catalog.index(self.folder, options=IndexOptions(dry_run=True))
            self.everything_is_as_in_the_model()
        report = self.catalog.index(self.folder, options=IndexOptions(workers=1, prune_missing=prune))
        expected = self.index_the_model(prune=prune)
        assert (report.added, report.moved, report.removed, report.missing) == expected

    def index_the_model(self, *, prune: bool) -> tuple[int, int, int, int]:
        """Counts of added, moved, removed and missing items."""
        taken = {name for name in self.files if name in self.items and self.items[name].file is None}
        offered = {
            name: file
            for name, file in self.files.items()
            if name not in taken and self.skipped.get(name) != file
        }
        new = {name for name in offered if name not in self.items}
        managed = [name for name, known in self.items.items() if known.file is not None]
        gone = sorted(name for name in managed if name not in self.files)
        moved = 0
        for name in sorted(new):
            source = next((old for old in gone if self.items[old].number == offered[name].number), None)
            if source is not None:
                gone.remove(source)
                del self.items[source]
                moved += 1
        kept = len(gone) > MISSING_SHARE * len(managed) and not prune
        for name in [] if kept else gone:
            del self.items[name]
        removed = 0 if kept else len(gone)
        self.skipped = {
            name: file
            for name, file in self.skipped.items()
            if file is not None and self.files.get(name) == file
        }
        self.skipped.update(dict.fromkeys(taken))
        for name, file in offered.items():
            if file.number == BROKEN:
                removed += self.items.pop(name, None) is not None
                self.skipped[name] = file
            else:
                self.items[name] = Known(file.number, file)
        good = sum(1 for name in new if offered[name].number != BROKEN)
        return good - moved, moved, removed, len(gone) if kept else 0

    # -- by hand -------------------------------------------------------------------------------------

    @rule(item_id=st.sampled_from(HAND_IDS), number=NUMBERS)
    def add(self, item_id: str, number: int) -> None:
        self.catalog.add(item_id, pixels(number), group=f"group {number}")
        self.items[item_id] = Known(number, None)

    @precondition(lambda self: self.items)
    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        ids = data.draw(st.lists(st.sampled_from(sorted(self.items)), min_size=1, max_size=4))
        assert self.catalog.remove(ids) == len(set(ids))
        for item_id in set(ids):
            del self.items[item_id]

    @precondition(lambda self: self.items)
    @rule(data=st.data())
    def remove_with_one_unknown_id(self, data: st.DataObject) -> None:
        known = data.draw(st.sampled_from(sorted(self.items)))
        with pytest.raises(UnknownItemError):
            self.catalog.remove([known, "never heard of"])

    # -- what must change nothing --------------------------------------------------------------------

    @rule()
    def restart(self) -> None:
        self.catalog.close()
        self.catalog = seealike.open(self.base / "catalog", encoder=self.encoder)

    @rule()
    def lose_the_approximate_index(self) -> None:
        for path in (self.base / "catalog").glob("ann-*"):
            path.unlink()
        self.restart()

    @rule()
    def repair(self) -> None:
        assert self.catalog.verify(repair=True).ok
        assert (self.catalog.info().ann.state == "ready") == (len(self.items) > ANN_THRESHOLD)

    # -- what must always hold -----------------------------------------------------------------------

    @invariant()
    def everything_is_as_in_the_model(self) -> None:
        ids = sorted(self.items)
        assert len(self.catalog) == len(ids)
        assert [item.id for item in self.catalog.items()] == ids
        assert sorted(row.id for row in self.catalog.skipped()) == sorted(self.skipped)
        found, vectors = self.catalog.vectors()
        assert found == ids
        if ids:
            expected = np.stack([VECTORS[self.items[item_id].number] for item_id in ids])
            np.testing.assert_allclose(vectors, expected, atol=1e-3)
            self.check_answers(ids, vectors)

    def check_answers(self, ids: list[str], vectors: Float32Array) -> None:
        k = 1 + len(ids) // 2
        for exact in (False, True):
            options = SearchOptions(exact=exact)
            for row, hits in enumerate(self.catalog.similar_batch(ids, k, options=options)):
                others = [place for place in range(len(ids)) if place != row]
                self.check_hits(hits, vectors[row], [ids[place] for place in others], vectors[others], k)
            query = VECTORS[0] + 0.1
            (hits,) = self.catalog.search_vectors(query[None], k, options=options)
            self.check_hits(hits, query / np.linalg.norm(query), ids, vectors, k)

    def check_hits(
        self, hits: list[Hit], query: Float32Array, ids: list[str], vectors: Float32Array, k: int
    ) -> None:
        """The ``k`` best by exhaustive search in float64, ties in id order."""
        scores = dict(zip(ids, vectors.astype(np.float64) @ query.astype(np.float64), strict=True))
        assert len(hits) == min(k, len(ids))
        for hit in hits:
            assert abs(hit.score - scores[hit.id]) < TOLERANCE
        assert [(-hit.score, hit.id) for hit in hits] == sorted((-hit.score, hit.id) for hit in hits)
        left_out = scores.keys() - {hit.id for hit in hits}
        if hits and left_out:
            last = hits[-1]
            assert max(scores[item_id] for item_id in left_out) < last.score + TOLERANCE
            twins = {
                item_id for item_id in left_out if self.items[item_id].number == self.items[last.id].number
            }
            assert all(item_id > last.id for item_id in twins)


def run_machine(examples: int, steps: int, phases: tuple[Phase, ...]) -> None:
    run_state_machine_as_test(
        CatalogMachine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            phases=phases,
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_a_catalogue_answers_like_a_dictionary_and_an_exhaustive_search() -> None:
    run_machine(examples=12, steps=20, phases=(Phase.reuse, Phase.generate))  # shrinking takes minutes


@pytest.mark.heavy
def test_a_catalogue_answers_like_a_dictionary_and_an_exhaustive_search_for_long() -> None:
    run_machine(examples=150, steps=50, phases=tuple(Phase))
