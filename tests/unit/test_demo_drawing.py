"""The sample shop is drawn completely, quickly, and the same every time."""

from __future__ import annotations

import csv
import hashlib
import io
import os
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from seealike.demo import DrawnCatalogue, draw_catalogue
from seealike.demo.drawing.kind import KINDS
from seealike.demo.drawing.marker import Drawn, is_complete, read_marker, write_marker
from seealike.demo.drawing.palette import COLOURS
from seealike.demo.drawing.plan import plan_photos, plan_products
from seealike.demo.drawing.spoil import Change, jpeg, near_duplicate
from seealike.errors import StorageError, UsageError
from seealike.types import Progress


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> DrawnCatalogue:
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
