"""The demonstration: its shop is drawn completely and the same every time, indexed, searched and shown."""

from __future__ import annotations

import csv
import hashlib
import io
import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from seealike.demo import DemoCatalog, DemoResult, DrawnCatalogue, draw_catalogue, run_demo
from seealike.demo.drawing import catalogue
from seealike.demo.drawing.kind import KINDS
from seealike.demo.drawing.marker import Drawn, is_complete, read_marker, write_marker
from seealike.demo.drawing.palette import COLOURS
from seealike.demo.drawing.plan import Photo, plan_photos, plan_products
from seealike.demo.drawing.spoil import Change, jpeg, near_duplicate
from seealike.demo.searches import _TELLING
from seealike.errors import PictureError, StorageError, UnknownItemError, UsageError
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
        return IndexReport(
            added=len(self.rows),
            updated=0,
            moved=0,
            removed=0,
            unchanged=0,
            missing=0,
            offered=len(self.rows) + len(self.left_out),
            skipped=tuple(self.left_out),
            skipped_by_reason={SkipReason.CORRUPT: len(self.left_out)},
            generation=1,
            took_s=2.0,
        )

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

    def thumbnail(self, image: str | bytes, side_px: int = 240) -> bytes:
        if "dress" in str(image):
            raise PictureError(str(image), SkipReason.UNREADABLE, "gone")
        return _TINY_JPEG


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, kept_drawings: Callable[[Photo], bytes]) -> DrawnCatalogue:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(catalogue, "_encoded", kept_drawings)
        return draw_catalogue(str(tmp_path_factory.mktemp("shop") / "demo"))


def _rows(shop: DrawnCatalogue) -> list[dict[str, str]]:
    with open(shop.table, encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def _hashes(folder: str) -> dict[str, str]:
    return {
        os.path.relpath(os.path.join(parent, name), folder): hashlib.sha256(
            Path(parent, name).read_bytes()
        ).hexdigest()
        for parent, _, names in os.walk(folder)
        for name in names
    }


def test_every_row_of_the_table_has_a_picture_that_opens_or_is_broken_on_purpose(
    shop: DrawnCatalogue,
) -> None:
    opened, refused = 0, []
    for row in _rows(shop):
        try:
            with Image.open(os.path.join(shop.folder, row["path"])) as picture:
                picture.load()
            opened += 1
        except (OSError, SyntaxError, ValueError):
            refused.append(row["id"])

    assert opened == shop.pictures == 404
    assert refused == [f"incoming-{number}" for number in range(1, shop.broken + 1)]


def test_ids_are_unique_and_products_have_all_their_views(shop: DrawnCatalogue) -> None:
    rows = [row for row in _rows(shop) if row["group"]]

    assert len({row["id"] for row in _rows(shop)}) == len(_rows(shop))
    assert len(rows) == 2 * len({row["group"] for row in rows})
    assert {row["kind"] for row in rows} == {kind.folder for kind in KINDS}
    assert {row["colour"] for row in rows} == set(COLOURS)
    assert {row["pattern"] for row in rows} == {"plain", "stripes", "pinstripes", "dots", "checks", "fade"}
    assert all(float(row["price"]) > 0 for row in rows)


def test_some_products_are_cut_out_of_their_background(shop: DrawnCatalogue) -> None:
    modes = set()
    for row in _rows(shop):
        if row["group"] and not row["path"].endswith(".jpg"):
            with Image.open(os.path.join(shop.folder, row["path"])) as picture:
                modes.add((picture.format, picture.mode))
                assert np.asarray(picture.getchannel("A")).min() == 0
    assert modes == {("PNG", "RGBA"), ("WEBP", "RGBA")}


def test_what_is_complete_is_not_drawn_again(shop: DrawnCatalogue) -> None:
    before = os.stat(shop.table).st_mtime_ns

    again = draw_catalogue(shop.folder)

    assert (shop.drawn, again.drawn) == (True, False)
    assert os.stat(shop.table).st_mtime_ns == before
    assert (again.pictures, again.broken, again.duplicates) == (shop.pictures, shop.broken, shop.duplicates)


def test_a_drawing_that_was_cut_off_is_finished_by_the_next_run_with_the_same_bytes(
    shop: DrawnCatalogue, tmp_path: Path
) -> None:
    class StopError(Exception):
        pass

    def stop(progress: Progress) -> None:
        if progress.done == 3:
            raise StopError

    folder = str(tmp_path / "cut")
    with pytest.raises(StopError):
        draw_catalogue(folder, progress=stop)
    assert not os.path.exists(os.path.join(folder, "products.csv"))

    assert draw_catalogue(folder).drawn
    assert _hashes(folder) == _hashes(shop.folder)


@pytest.mark.parametrize("harm", ["missing", "cut"])
def test_a_lost_or_cut_file_means_that_the_drawing_is_not_complete(tmp_path: Path, harm: str) -> None:
    (tmp_path / "mugs").mkdir()
    picture = tmp_path / "mugs" / "one.jpg"
    picture.write_bytes(b"12345")
    write_marker(str(tmp_path), Drawn("key", {"mugs/one.jpg": 5}, 1, 0, (("copy", "one"),)))
    found = read_marker(str(tmp_path))
    assert found == Drawn("key", {"mugs/one.jpg": 5}, 1, 0, (("copy", "one"),))
    assert is_complete(str(tmp_path), found)

    if harm == "missing":
        picture.unlink()
    else:
        picture.write_bytes(b"123")

    assert not is_complete(str(tmp_path), found)


def test_somebody_elses_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "holiday.txt").write_text("mine", encoding="utf-8")

    with pytest.raises(UsageError, match="other files"):
        draw_catalogue(str(tmp_path))

    assert os.listdir(tmp_path) == ["holiday.txt"]


def test_a_folder_that_cannot_be_made_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError):
        draw_catalogue(str(tmp_path / "file" / "demo"))


def test_a_broken_note_does_not_stop_the_next_run(tmp_path: Path) -> None:
    (tmp_path / "drawn-by-seealike.json").write_text("[1]", encoding="utf-8")
    (tmp_path / "old.jpg").write_bytes(b"")

    def first(progress: Progress) -> None:
        assert progress.stage == "draw"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        draw_catalogue(str(tmp_path), progress=first)


def test_the_picture_from_outside_is_not_in_the_table(shop: DrawnCatalogue) -> None:
    name = os.path.basename(shop.outside_query)

    assert os.path.isfile(shop.outside_query)
    assert name not in {row["path"] for row in _rows(shop)}


def test_every_near_duplicate_looks_like_its_original(shop: DrawnCatalogue) -> None:
    paths = {row["id"]: os.path.join(shop.folder, row["path"]) for row in _rows(shop)}
    assert len(shop.duplicates) == 12

    def small(item_id: str) -> npt.NDArray[np.float64]:
        with Image.open(paths[item_id]) as picture:
            grey = np.asarray(picture.convert("L").resize((16, 16)), dtype=np.float64)
        normal: npt.NDArray[np.float64] = (grey - grey.mean()) / grey.std()
        return normal

    for copy, original in shop.duplicates:
        assert float((small(copy) * small(original)).mean()) > 0.8


@pytest.mark.parametrize("change", list(Change))
def test_every_change_makes_another_file_except_the_copy(change: Change) -> None:
    photo = next(plan_photos(next(plan_products(1)), 1))
    original = jpeg(photo.draw().convert("RGB"), quality=90)

    changed = near_duplicate(original, change)

    assert (changed == original) is (change is Change.SAME_BYTES)
    with Image.open(io.BytesIO(changed)) as picture:
        assert picture.format == "JPEG"


@pytest.fixture(scope="module")
def opened() -> list[_StubCatalog]:
    return []


@pytest.fixture(scope="module")
def result(shop: DrawnCatalogue, opened: list[_StubCatalog]) -> DemoResult:
    def open_stub(path: str) -> AbstractContextManager[DemoCatalog]:
        opened.append(_StubCatalog(path))
        return nullcontext(opened[-1])

    return run_demo(shop.folder, open_catalog=open_stub)


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

    for text in (
        "What else looks like this?",
        "404",
        "202 a second",
        "<span>index</span> <span>photos/</span>",
        "6 corrupt",
    ):
        assert text in rendered
    assert str(Path(result.drawn.folder)) not in rendered
