"""Vectors of some items are those of all of them, and no others are read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from tests.pictures import write_pictures

import seealike
from seealike.catalog import vectors as sampling
from seealike.errors import CatalogBusyError, CatalogError, UnknownItemError, UsageError
from seealike.store import SqliteStore
from seealike.testing import FakeEncoder
from seealike.types import Float16Array, Int64Array


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[seealike.Catalog]:
    write_pictures(tmp_path / "photos", range(12))
    with seealike.create(tmp_path / "catalog", encoder=FakeEncoder()) as made:
        made.index(tmp_path / "photos")
        yield made


def test_they_are_the_vectors_of_the_whole_in_the_order_asked_for(
    catalog: seealike.Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sampling, "BLOCK", 2)
    ids, vectors = catalog.vectors()
    for rows in ([7, 2, 11, 0, 5], [3], [], list(range(12)), [4, 4, 1, 4, 0, 1]):
        names, found = catalog.vectors([ids[row] for row in rows])
        assert names == [ids[row] for row in rows]
        assert found.dtype == np.float32
        assert np.array_equal(found, vectors[rows])


def test_only_those_are_read(catalog: seealike.Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    ids = [item.id for item in catalog.items()][::4]
    fetch = SqliteStore.vectors_of

    def counted(store: SqliteStore, keys: Sequence[int]) -> tuple[Int64Array, Float16Array]:
        read.append(len(keys))
        return fetch(store, keys)

    monkeypatch.setattr(SqliteStore, "vectors_of", counted)
    monkeypatch.setattr(SqliteStore, "vector_blocks", None)
    catalog.vectors(ids)
    assert read == [3]


def test_an_id_that_is_no_items_is_refused(catalog: seealike.Catalog) -> None:
    ids, _ = catalog.vectors()
    catalog.remove([ids[1]])
    with pytest.raises(UnknownItemError) as caught:
        catalog.vectors(ids[:3])
    assert caught.value.item_id == ids[1]


def test_a_closed_catalogue_has_none_to_give(catalog: seealike.Catalog) -> None:
    ids, _ = catalog.vectors()
    catalog.close()
    for asked in (ids[:1], None):
        with pytest.raises(UsageError, match="closed"):
            catalog.vectors(asked)


def test_they_are_all_of_one_generation_or_it_is_said(
    catalog: seealike.Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [item.id for item in catalog.items()]
    fetch = SqliteStore.vectors_of
    picture = tmp_path / "photos" / ids[0]

    def replaced(store: SqliteStore, keys: Sequence[int]) -> tuple[Int64Array, Float16Array]:
        catalog.add(ids[0], picture)
        return fetch(store, keys)

    monkeypatch.setattr(SqliteStore, "vectors_of", replaced)
    with pytest.raises(CatalogBusyError):
        catalog.vectors(ids)


def test_a_catalogue_that_moved_to_another_encoder_is_refused(tmp_path: Path) -> None:
    write_pictures(tmp_path / "photos", range(3))
    with seealike.create(tmp_path / "catalog") as catalog:
        catalog.index(tmp_path / "photos")
        ids, _ = catalog.vectors()
        seealike.reindex(catalog.path, "efficientnet-lite0?size=96&resize=112")
        with pytest.raises(CatalogError, match="open it again"):
            catalog.vectors(ids)
