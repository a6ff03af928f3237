"""Repairing a database that cannot be read at all."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from tests.made_models import save_model
from tests.pictures import picture

import seealike
from seealike.errors import DamagedCatalogError, NewerFormatError
from seealike.store import schema


def test_a_schema_that_cannot_even_be_complained_of_is_repaired(tmp_path: Path) -> None:
    model = save_model(tmp_path / "model.onnx")
    with seealike.create(tmp_path / "catalog", encoder=f"onnx:{model}") as catalog:
        catalog.add("a", picture(1))
    (database,) = (tmp_path / "catalog").glob("*.sqlite")
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("PRAGMA writable_schema = ON")
        broken = "UPDATE sqlite_master SET name = CAST(x'cc' || name AS TEXT), sql = 'no sql' WHERE name = ?"
        assert connection.execute(broken, ("skipped",)).rowcount == 1
    with closing(sqlite3.connect(database)) as connection, pytest.raises(UnicodeDecodeError):
        connection.execute("SELECT * FROM items")
    assert not seealike.catalog.verify(tmp_path / "catalog").ok
    seealike.catalog.verify(tmp_path / "catalog", repair=True)
    with seealike.open(tmp_path / "catalog") as catalog:
        assert catalog.verify().ok


@pytest.fixture
def of_bytes(tmp_path: Path) -> Path:
    """A catalogue of one item, whose vectors are kept in bytes."""
    model = save_model(tmp_path / "model.onnx")
    with seealike.create(tmp_path / "catalog", encoder=f"onnx:{model}", vectors="int8") as catalog:
        catalog.add("a", picture(1))
    return tmp_path / "catalog"


def test_a_build_that_knows_no_bytes_does_not_repair_them_away(
    of_bytes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (of_bytes / "manifest.json").unlink()
    with monkeypatch.context() as patch:
        patch.setattr(schema, "MIGRATIONS", schema.MIGRATIONS[:5])
        patch.setattr(schema, "FORMAT_VERSION", 5)
        with pytest.raises(NewerFormatError, match="format 6, this seealike reads up to 5; upgrade"):
            seealike.catalog.verify(of_bytes, repair=True)
    assert seealike.catalog.verify(of_bytes, repair=True).ok
    with seealike.open(of_bytes) as catalog:
        assert (catalog.vector_type, catalog.vectors()[0]) == ("int8", ["a"])


def test_numbers_that_only_a_later_build_knows_are_not_repaired_away(of_bytes: Path) -> None:
    with closing(sqlite3.connect(of_bytes / "catalog.sqlite")) as connection, connection:
        (birth,) = connection.execute("SELECT value FROM state WHERE name='birth'").fetchone()
        schema.put_state(connection, "birth", birth.replace('"int8"', '"int4"'))
    before = (of_bytes / "catalog.sqlite").read_bytes()
    unknown = r"catalog\.sqlite is damaged \(unknown type of vectors 'int4'; known: float16, int8.*\); "
    with pytest.raises(DamagedCatalogError, match=unknown):
        seealike.open(of_bytes)
    with pytest.raises(DamagedCatalogError, match=unknown + "upgrade seealike"):
        seealike.catalog.verify(of_bytes, repair=True)
    assert (of_bytes / "catalog.sqlite").read_bytes() == before
