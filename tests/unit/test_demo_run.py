"""The demonstration draws, indexes, searches, and shows what it found."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import pytest

from seealike.demo import DemoCatalog, DemoResult, run_demo
from seealike.errors import PictureError, UnknownItemError
from seealike.gallery import render_gallery
from seealike.types import (
    EncoderIdentity,
    Hit,
    IndexReport,
    Item,
    Preprocessing,
    Progress,
    Skipped,
    SkipReason,
)

_IDENTITY = EncoderIdentity(
    "stub-encoder", "0" * 64, Preprocessing(8, 8, (0, 0, 0), (1, 1, 1)), "last", "mean", 2
)
_TINY_JPEG = b"\xff\xd8\xff\xd9"


class _StubCatalog:
    """Answers every search with the first items in id order, scores falling from 1."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.rows: dict[str, Item] = {}
        self.left_out: list[Skipped] = []
        self.searched: list[str] = []

    @property
    def encoder(self) -> EncoderIdentity:
        return _IDENTITY

    def __len__(self) -> int:
        return len(self.rows)

    def __contains__(self, item_id: object) -> bool:
        return item_id in self.rows

    def index(self, source: str, *, progress: Callable[[Progress], None] | None = None) -> IndexReport:
        with open(source, encoding="utf-8", newline="") as stream:
            for row in csv.DictReader(stream):
                path = os.path.join(os.path.dirname(source), row["path"])
                if row["id"].startswith("incoming"):
                    self.left_out.append(Skipped(row["id"], path, SkipReason.CORRUPT, "cannot be read"))
                else:
                    self.rows[row["id"]] = Item(
                        row["id"], path, row["group"] or None, {"name": row["name"]}, 400, 480
                    )
        return IndexReport(len(self.rows), 0, 0, 0, 0, 0, tuple(self.left_out), 1, 2.0)

    def item(self, item_id: str) -> Item:
        if item_id not in self.rows:
            raise UnknownItemError(item_id)
        return self.rows[item_id]

    def similar(self, item_id: str, k: int = 10) -> Sequence[Hit]:
        self.searched.append(item_id)
        group = self.rows[item_id].group
        others = sorted(
            (item for item in self.rows.values() if item.id != item_id),
            key=lambda item: (item.group != group, item.id),
        )
        return [
            Hit(item.id, 1.0 - rank / 100, item.path, item.group, item.metadata)
            for rank, item in enumerate(others[:k])
        ]

    def search(self, image: str, k: int = 10) -> Sequence[Hit]:
        assert os.path.isfile(image)
        return self.similar(next(iter(self.rows)), k)

    def skipped(self) -> Sequence[Skipped]:
        return self.left_out

    def thumbnail(self, image: str, side_px: int = 240) -> bytes:
        if "dress" in image:
            raise PictureError(image, SkipReason.UNREADABLE, "gone")
        return _TINY_JPEG


@pytest.fixture(scope="module")
def opened() -> list[_StubCatalog]:
    return []


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory, opened: list[_StubCatalog]) -> DemoResult:
    def open_stub(path: str) -> AbstractContextManager[DemoCatalog]:
        opened.append(_StubCatalog(path))
        return nullcontext(opened[-1])

    return run_demo(str(tmp_path_factory.mktemp("demo") / "shop"), open_catalog=open_stub)


def test_the_result_counts_what_was_indexed_and_what_was_left_out(result: DemoResult) -> None:
    assert (result.items, len(result.skipped), result.report.added) == (404, 6, 404)
    assert result.catalog_path == os.path.join(result.drawn.folder, ".seealike")
    assert result.search_ms > 0


def test_the_page_asks_once_from_outside_once_for_each_kind_and_once_with_a_copy(
    result: DemoResult, opened: list[_StubCatalog]
) -> None:
    assert len(result.page.sections) == result.searches == 16
    assert result.page.sections[0].title == "A photo from outside the catalogue"
    asked = {opened[0].rows[section.query[0].id].path for section in result.page.sections[1:]}
    folders = {os.path.basename(os.path.dirname(path or "")) for path in asked}
    assert len(folders) == 15
    assert all(len(section.hits) == 6 for section in result.page.sections)


def test_every_query_that_the_demonstration_names_exists(
    result: DemoResult, opened: list[_StubCatalog]
) -> None:
    from seealike.demo.searches import _TELLING

    assert set(_TELLING) <= set(opened[0].searched)


def test_another_view_of_the_same_product_is_marked_so(result: DemoResult) -> None:
    labels = [hit.label for section in result.page.sections[1:] for hit in section.hits if hit.label]
    assert labels.count("same product") == 14


def test_a_picture_that_cannot_be_shown_is_shown_as_gone(result: DemoResult) -> None:
    pictures = [p for section in result.page.sections for p in (*section.query, *section.hits)]
    assert any(p.thumbnail is None for p in pictures)
    assert all((p.thumbnail is None) == ("dress" in p.id) for p in pictures if "-front" in p.id)


def test_the_page_says_what_it_is_how_fast_and_how_to_do_it_oneself(result: DemoResult) -> None:
    rendered = render_gallery(result.page)

    for text in ("What else looks like this?", "404", "202 a second", "seealike index photos/", "6 corrupt"):
        assert text in rendered
    assert str(Path(result.drawn.folder)) not in rendered
