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
from hypothesis import Phase
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)
from tests.kept import as_kept
from tests.machines import run_machine
from tests.pictures import picture

import seealike
from seealike import IndexOptions, SearchOptions
from seealike.catalog import ann
from seealike.errors import SourceError, UnknownItemError
from seealike.images import prepare
from seealike.testing import FakeEncoder
from seealike.types import Float16Array, Float32Array, Hit, PixelArray
from seealike.vectors import VectorType

ANN_THRESHOLD = 4
TOLERANCE = 2e-6  # scores are rounded to six decimals
BROKEN = -1
FILES = ("a.png", "b.png", "c d.png", "sub/a.png", "sub/é.png", "sub/deep/" + "z" * 100 + ".png")
FOLDERS = ("photos", "more")
HAND_IDS = ("a.png", "by hand", 'it\'s "odd"', "two\nlines", "nul\0inside", "ünï", "sub/a.png")
NUMBERS = st.integers(0, 6)  # few different pictures, so that there are ties
DAYS = 86_400 * 10**9


def pixels(number: int) -> PixelArray:
    return np.asarray(picture(number, (40, 40)))


def vector_of(number: int) -> Float32Array:
    encoder = FakeEncoder()
    vectors: Float32Array = encoder.encode(prepare(pixels(number), encoder.preprocessing).pixels[None])
    encoder.close()
    return np.ravel(vectors)


def unit(vector: Float16Array) -> Float32Array:
    wide = vector.astype(np.float64)
    return (wide / np.linalg.norm(wide)).astype(np.float32)


def file_content(number: int) -> bytes:
    """A PNG file; all are of the same size, which therefore tells nothing about a change."""
    file = io.BytesIO()
    picture(number, (40, 40)).save(file, "PNG")
    return file.getvalue().ljust(4000, b"\0")


FILE_CONTENTS = {number: file_content(number) for number in range(7)}
VECTORS = {number: vector_of(number) for number in range(7)}
KEPT = {
    kept: {number: unit(as_kept(vector[None], kept)[0]) for number, vector in VECTORS.items()}
    for kept in ("float16", "int8")
}


@dataclass(frozen=True, slots=True)
class File:
    """A file of the folder: which picture, and since when."""

    number: int
    written: int


@dataclass(frozen=True, slots=True)
class Known:
    """An item of the model: which picture, and the folder it belongs to, unless it was added by hand."""

    number: int
    folder: str | None


class Folder:
    """A source as its owner sees it, and what the documentation says the catalogue remembers of it.

    ``missing``: items that it does not have any more were kept, and it has not been whole since.
    """

    def __init__(self) -> None:
        self.files: dict[str, File] = {}
        self.skipped: dict[str, File | None] = {}  # None: another has its id
        self.missing = False
        self.known = False


class CatalogMachine(RuleBasedStateMachine):
    """The catalogue and its folders on one side, dictionaries on the other."""

    def __init__(self) -> None:
        super().__init__()
        self.base = Path(tempfile.mkdtemp(prefix="machine-"))
        self.folders = {name: Folder() for name in FOLDERS}
        self.items: dict[str, Known] = {}
        self.clock = 0
        self.threshold, ann.THRESHOLD = ann.THRESHOLD, ANN_THRESHOLD
        self.encoder = FakeEncoder()
        self.kept = VectorType.FLOAT16
        self.catalog = seealike.create(self.base / "catalog", encoder=self.encoder)

    def teardown(self) -> None:
        self.catalog.close()
        self.encoder.close()
        ann.THRESHOLD = self.threshold
        shutil.rmtree(self.base)

    # -- the folders ---------------------------------------------------------------------------------

    @initialize(names=st.lists(st.sampled_from(FILES), min_size=1, unique=True), number=NUMBERS)
    def some_files(self, names: list[str], number: int) -> None:
        for folder in FOLDERS:
            for name in names:
                self.write(folder, name, number)

    @rule(
        folder=st.sampled_from(FOLDERS),
        name=st.sampled_from(FILES),
        number=st.one_of(NUMBERS, NUMBERS, st.just(BROKEN)),
    )
    def write(self, folder: str, name: str, number: int) -> None:
        path = self.base / folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if number == BROKEN:
            path.write_bytes(b"no picture")
        else:
            path.write_bytes(FILE_CONTENTS[number])
        self.clock += 1
        os.utime(path, ns=(self.clock * DAYS, self.clock * DAYS))
        self.folders[folder].files[name] = File(number, self.clock)

    @rule(folder=st.sampled_from(FOLDERS), data=st.data())
    def delete(self, folder: str, data: st.DataObject) -> None:
        files = self.folders[folder].files
        names = data.draw(st.lists(st.sampled_from(sorted(files)), unique=True)) if files else []
        for name in names:
            (self.base / folder / name).unlink()
            del files[name]

    @rule(folder=st.sampled_from(FOLDERS), data=st.data(), name=st.sampled_from(FILES))
    def a_disk_is_away_for_a_while(self, folder: str, data: st.DataObject, name: str) -> None:
        """Everything but one file is gone, seen by a run, and comes back but for some."""
        self.write(folder, name, 0)
        before = dict(self.folders[folder].files)
        for one in sorted(before.keys() - {name}):
            (self.base / folder / one).unlink()
            del self.folders[folder].files[one]
        self.index(folder, prune=False, before=False)
        for one in data.draw(
            st.lists(st.sampled_from(sorted(before)), unique=True, min_size=len(before) // 2)
        ):
            self.write(folder, one, before[one].number)
        self.index(folder, prune=False, before=False)

    @rule(folder=st.sampled_from(FOLDERS), data=st.data(), name=st.sampled_from(FILES))
    def rename(self, folder: str, data: st.DataObject, name: str) -> None:
        files = self.folders[folder].files
        if not files:
            return
        old = data.draw(st.sampled_from(sorted(files)))
        (self.base / folder / name).parent.mkdir(parents=True, exist_ok=True)
        (self.base / folder / old).replace(self.base / folder / name)
        files[name] = files.pop(old)

    @rule(folder=st.sampled_from(FOLDERS), prune=st.booleans(), before=st.booleans())
    def index(self, folder: str, prune: bool, before: bool) -> None:
        if before:
            self.catalog.index(self.base / folder, options=IndexOptions(dry_run=True))
            self.everything_is_as_in_the_model()
        options = IndexOptions(workers=1, prune_missing=prune)
        report = self.catalog.index(self.base / folder, options=options)
        expected = self.index_the_model(folder, prune=prune)
        assert (report.added, report.moved, report.removed, report.missing) == expected

    @precondition(lambda self: any(folder.known for folder in self.folders.values()))
    @rule()
    def index_all(self) -> None:
        report = self.catalog.index(options=IndexOptions(workers=1))
        order = [source.place for source in self.catalog.sources()]
        expected = [self.index_the_model(os.path.basename(place), prune=False) for place in order]
        counts = (report.added, report.moved, report.removed, report.missing)
        assert counts == tuple(map(sum, zip(*expected, strict=True)))

    @rule(name=st.sampled_from(FOLDERS))
    def forget(self, name: str) -> None:
        folder = self.folders[name]
        if not folder.known:
            with pytest.raises(SourceError):
                self.catalog.forget(self.base / name)
            return
        ours = [item_id for item_id, known in self.items.items() if known.folder == name]
        assert self.catalog.forget(self.base / name) == len(ours)
        for item_id in ours:
            del self.items[item_id]
        folder.known, folder.missing, folder.skipped = False, False, {}

    def index_the_model(self, name: str, *, prune: bool) -> tuple[int, int, int, int]:
        """Counts of added, moved, removed and missing items.

        From the documentation: items belong to their source, an id to who had it first. What the source does
        not have any more goes, unless more than half of its items would go at once, or some are missing since
        a run before: then nothing of it goes until all are back, or somebody says so.
        """
        folder, files = self.folders[name], self.folders[name].files
        folder.known = True
        taken = {one for one in files if one in self.items and self.items[one].folder != name}
        usable = {
            one: file for one, file in files.items() if one not in taken and folder.skipped.get(one) != file
        }
        new = {one for one in usable if one not in self.items}
        ours = [one for one, known in self.items.items() if known.folder == name]
        gone = sorted(one for one in ours if one not in files)
        moved = 0
        for one in sorted(new):
            before = next((old for old in gone if self.items[old].number == usable[one].number), None)
            if before is not None:
                gone.remove(before)
                del self.items[before]
                moved += 1
        stays = not prune and bool(gone) and (folder.missing or 2 * len(gone) > len(ours))
        folder.missing = stays
        for one in [] if stays else gone:
            del self.items[one]
        removed = 0 if stays else len(gone)
        folder.skipped = {
            one: file
            for one, file in folder.skipped.items()
            if file is not None and files.get(one) == file and one not in taken
        }
        folder.skipped.update(dict.fromkeys(taken))
        for one, file in usable.items():
            if file.number == BROKEN:
                removed += self.items.pop(one, None) is not None
                folder.skipped[one] = file
            else:
                self.items[one] = Known(file.number, name)
        good = sum(1 for one in new if usable[one].number != BROKEN)
        return good - moved, moved, removed, len(gone) if stays else 0

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

    @precondition(lambda self: self.kept is VectorType.FLOAT16)
    @rule()
    def keep_bytes(self) -> None:
        seealike.reindex(self.base / "catalog", vectors="int8")
        self.kept = VectorType.INT8

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
        skipped = sorted(row.path for row in self.catalog.skipped())
        assert skipped == sorted(
            str(self.base / name / one) for name, folder in self.folders.items() for one in folder.skipped
        )
        for name, folder in self.folders.items():
            listed = [source for source in self.catalog.sources() if source.place == str(self.base / name)]
            ours = sum(1 for known in self.items.values() if known.folder == name)
            assert [(source.items, bool(source.missing)) for source in listed] == (
                [(ours, folder.missing)] if folder.known else []
            )
        found, vectors = self.catalog.vectors()
        assert found == ids
        if ids:
            expected = np.stack([KEPT[self.kept][self.items[item_id].number] for item_id in ids])
            np.testing.assert_allclose(vectors, expected, atol=1e-6)
            self.check_answers(ids, vectors)

    def check_answers(self, ids: list[str], vectors: Float32Array) -> None:
        k = 1 + len(ids) // 2
        for exact in (False, True):
            options = SearchOptions(exact=exact, pictures=True)
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


def test_a_catalogue_answers_like_a_dictionary_and_an_exhaustive_search() -> None:
    run_machine(
        CatalogMachine, examples=12, steps=20, phases=(Phase.reuse, Phase.generate)
    )  # shrinking takes minutes


@pytest.mark.heavy
def test_a_catalogue_answers_like_a_dictionary_and_an_exhaustive_search_for_long() -> None:
    run_machine(CatalogMachine, examples=150, steps=50, phases=tuple(Phase))
