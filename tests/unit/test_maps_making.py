"""From a catalogue to its map and the map's small pictures."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.maps import drawn_map
from tests.pictures import picture, write_pictures

import seealike
from seealike.errors import UsageError
from seealike.maps import MapOptions, TilesOptions, make_map, make_tiles, making
from seealike.maps.tiles import spread_order
from seealike.store import SqliteStore
from seealike.testing import FakeEncoder
from seealike.types import Float32Array, Progress


@pytest.fixture
def catalog(tmp_path: Path) -> seealike.Catalog:
    pytest.importorskip("openTSNE")
    write_pictures(tmp_path / "photos" / "one", range(10))
    write_pictures(tmp_path / "photos" / "two", range(10, 24))
    made = seealike.create(tmp_path / "catalog", encoder=FakeEncoder())
    made.index(tmp_path / "photos")
    return made


def test_a_map_has_every_item_in_id_order_with_its_label_and_path(catalog: seealike.Catalog) -> None:
    with catalog:
        made = make_map(catalog, MapOptions(label="folder"))
        items = list(catalog.items())
    assert made.ids == tuple(item.id for item in items)
    assert made.labels == ("one",) * 10 + ("two",) * 14
    assert made.paths == tuple(item.path for item in items)
    assert (made.total, made.sampled, made.encoder) == (24, False, "fake")
    assert made.positions.shape == (24, 2)
    assert made.positions.dtype == np.float32
    assert np.allclose(made.positions.min(axis=0), -made.positions.max(axis=0), atol=1e-3)


def test_every_item_knows_those_most_like_it(catalog: seealike.Catalog) -> None:
    with catalog:
        made = make_map(catalog)
        found = [[hit.id for hit in catalog.similar(item_id, 8)] for item_id in made.ids]
    shared = [
        len(set(hits) & {made.ids[row] for row in rows}) for hits, rows in zip(found, made.near, strict=True)
    ]
    assert made.near.shape == (24, 8)
    assert np.mean(shared) > 7.5


def test_a_sample_is_drawn_by_seed(catalog: seealike.Catalog) -> None:
    with catalog:
        one, two, three = (make_map(catalog, MapOptions(sample=9, seed=seed)) for seed in (1, 1, 2))
    assert len(one) == 9
    assert one.sampled
    assert one.total == 24
    assert one.ids == two.ids != three.ids
    assert list(one.ids) == sorted(one.ids)
    assert np.array_equal(one.positions, two.positions)


def test_of_a_sample_only_its_own_vectors_are_read_and_its_labels_are_right(
    catalog: seealike.Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    with catalog:
        ids, vectors = catalog.vectors()
        folders = {item.id: Path(item.path or "").parent.name for item in catalog.items()}
        seen: list[Float32Array] = []

        def noted(points: Float32Array) -> Float32Array:
            seen.append(points)
            return points

        monkeypatch.setattr(making, "reduced", noted)
        monkeypatch.setattr(SqliteStore, "vector_blocks", None)  # which reads all of them
        made = make_map(catalog, MapOptions(sample=9, label="folder"))
    assert made.labels == tuple(folders[item_id] for item_id in made.ids)
    assert np.array_equal(seen[0], vectors[[ids.index(item_id) for item_id in made.ids]])


def test_items_that_go_away_while_a_map_is_drawn_are_not_on_it(
    catalog: seealike.Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    with catalog:
        ids = [item.id for item in catalog.items()]
        read = making._drawn

        def disturbed(*asked: object) -> object:
            drawn = read(*asked)  # type: ignore[arg-type]
            catalog.forget(catalog.sources()[0].label)
            for item_id in ids[1:]:
                catalog.add(item_id, picture(ids.index(item_id)))
            return drawn

        monkeypatch.setattr(making, "_drawn", disturbed)
        made = make_map(catalog)
    assert made.ids == tuple(ids[1:])
    assert made.positions.shape == (23, 2)


@pytest.mark.parametrize("options", [MapOptions(sample=0), MapOptions(clusters=0), MapOptions(seed=-1)])
def test_options_without_sense_are_refused(options: MapOptions, catalog: seealike.Catalog) -> None:
    with catalog, pytest.raises(UsageError):
        make_map(catalog, options)


def test_an_empty_catalogue_has_an_empty_map(tmp_path: Path) -> None:
    pytest.importorskip("openTSNE")
    with seealike.create(tmp_path / "catalog", encoder=FakeEncoder()) as catalog:
        made = make_map(catalog, MapOptions(label="folder"))
        tiles = make_tiles(catalog, made)
    assert (len(made), made.total, dict(tiles.pictures)) == (0, 0, {})


def test_pictures_are_small_and_look_like_their_files(catalog: seealike.Catalog) -> None:
    told: list[Progress] = []
    with catalog:
        made = make_map(catalog)
        tiles = make_tiles(catalog, made, progress=told.append)
        assert sorted(tiles.pictures) == list(range(24))
        for row in (0, 13):
            path = made.paths[row]
            assert path is not None
            with Image.open(io.BytesIO(tiles.pictures[row])) as small, Image.open(path) as whole:
                assert (small.format, max(small.size)) == ("WEBP", 96)  # no larger than the picture itself
                wanted = np.asarray(whole.convert("RGB").resize(small.size), dtype=float)
                assert np.abs(np.asarray(small.convert("RGB"), dtype=float) - wanted).mean() < 12
    assert [told[0].done, told[-1].done, told[-1].total] == [0, 24, 24]


def test_a_file_that_is_gone_is_a_point_without_a_picture(catalog: seealike.Catalog) -> None:
    with catalog:
        made = make_map(catalog)
        assert made.paths[3] is not None
        Path(made.paths[3]).unlink()
        tiles = make_tiles(catalog, made)
    assert tiles.unreadable == 1
    assert sorted(tiles.pictures) == [row for row in range(24) if row != 3]


def test_the_budget_is_kept_by_smaller_pictures_and_then_by_fewer(catalog: seealike.Catalog) -> None:
    with catalog:
        made = make_map(catalog)
        whole = make_tiles(catalog, made)
        size = sum(map(len, whole.pictures.values())) * 4 / 3
        smaller = make_tiles(catalog, made, TilesOptions(round(size * 0.6)))
        fewer = make_tiles(catalog, made, TilesOptions(3000, (32,)))
        none = make_tiles(catalog, made, TilesOptions(0))
    assert smaller.side_px < whole.side_px
    assert len(smaller.pictures) == 24
    assert 0 < len(fewer.pictures) < 24
    assert sum(map(len, fewer.pictures.values())) * 4 / 3 <= 3000
    assert not none.pictures


def test_every_beginning_of_the_order_is_spread_over_the_map() -> None:
    rng = np.random.default_rng(0)
    made = drawn_map(2000)
    made.positions[:] = 0.01 * rng.standard_normal((2000, 2))  # a crowd
    made.positions[:9] = [[x, y] for x in (-5, 1.5, 5) for y in (-5, 1.5, 5)]  # and nine far away
    order = spread_order(made, 0)
    assert sorted(order.tolist()) == list(range(2000))
    assert set(range(9)) <= set(order[:60].tolist())
    assert np.array_equal(order, spread_order(made, 0))
