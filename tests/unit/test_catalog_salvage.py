"""Repairing a database that cannot be read at all."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from tests.made_models import save_model
from tests.pictures import picture

import seealike


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
