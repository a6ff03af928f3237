"""Opening the database: which SQLite may use a log, whose file it is, how errors are told apart."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import pytest

from seealike.errors import (
    CatalogBusyError,
    DamagedCatalogError,
    NewerFormatError,
    SeealikeError,
    StorageError,
    UsageError,
)
from seealike.sources import TableLayout
from seealike.store import SourceRecord, State, schema


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "a 100% odd?#name.sqlite")


@pytest.mark.parametrize(
    ("version", "safe"),
    [
        ((3, 40, 1), False),
        ((3, 44, 5), False),
        ((3, 44, 6), True),
        ((3, 45, 0), False),
        ((3, 50, 6), False),
        ((3, 50, 7), True),
        ((3, 51, 0), False),
        ((3, 51, 2), False),
        ((3, 51, 3), True),
        ((3, 52, 0), True),
        ((4, 0, 0), True),
    ],
)
def test_the_log_is_used_only_by_versions_without_the_reset_bug(
    version: tuple[int, int, int], safe: bool
) -> None:
    assert schema.wal_is_safe(version) is safe


@pytest.mark.parametrize(("safe", "mode"), [(True, "wal"), (False, "truncate")])
def test_every_safety_is_on(path: str, safe: bool, mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema, "wal_is_safe", lambda version: safe)
    connection = schema.connect(path, create=True)
    found = {
        name: connection.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("journal_mode", "synchronous", "foreign_keys", "trusted_schema", "cell_size_check")
    }
    connection.close()
    assert found == {
        "journal_mode": mode,
        "synchronous": 2,
        "foreign_keys": 1,
        "trusted_schema": 0,
        "cell_size_check": 1,
    }


def test_a_catalogue_made_with_a_log_is_taken_off_it_by_a_version_with_the_bug(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema, "wal_is_safe", lambda version: True)
    schema.connect(path, create=True).close()
    monkeypatch.setattr(schema, "wal_is_safe", lambda version: False)
    connection = schema.connect(path)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("truncate",)
    connection.close()


def test_a_database_carries_its_application_and_format(path: str) -> None:
    connection = schema.connect(path, create=True)
    assert connection.execute("PRAGMA application_id").fetchone() == (schema.APPLICATION_ID,)
    assert connection.execute("PRAGMA user_version").fetchone() == (schema.FORMAT_VERSION,)
    connection.close()


def edit(path: str, *statements: str) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    for statement in statements:
        connection.execute(statement)
    connection.close()


def test_an_older_format_is_brought_up_to_date_step_by_step(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    schema.connect(path, create=True).close()
    more = (*schema.MIGRATIONS, "CREATE TABLE later (x INTEGER) STRICT; INSERT INTO later VALUES (7);")
    monkeypatch.setattr(schema, "MIGRATIONS", more)
    monkeypatch.setattr(schema, "FORMAT_VERSION", len(more))
    for _ in range(2):
        connection = schema.connect(path)
        assert connection.execute("SELECT x FROM later").fetchall() == [(7,)]
        connection.close()


def test_a_step_that_fails_leaves_the_older_format(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    schema.connect(path, create=True).close()
    with monkeypatch.context() as patch:
        patch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, "CREATE TABLE later (x); SELECT nonsense;"))
        patch.setattr(schema, "FORMAT_VERSION", len(schema.MIGRATIONS))
        with pytest.raises(DamagedCatalogError):
            schema.connect(path)
    connection = schema.connect(path)
    assert connection.execute("SELECT count(*) FROM sqlite_master WHERE name='later'").fetchone() == (0,)
    connection.close()


def test_a_newer_format_is_refused_with_both_numbers(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, "CREATE TABLE later (x);"))
        patch.setattr(schema, "FORMAT_VERSION", len(schema.MIGRATIONS))
        schema.connect(path, create=True).close()
    ours = schema.FORMAT_VERSION
    with pytest.raises(
        NewerFormatError, match=f"has catalogue format {ours + 1}, this seealike reads up to {ours}"
    ):
        schema.connect(path)


def test_a_build_that_knows_no_layouts_of_sources_refuses_the_catalogue(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(schema, "MIGRATIONS", schema.MIGRATIONS[:3])
        patch.setattr(schema, "FORMAT_VERSION", 3)
        schema.connect(path, create=True).close()
        schema.connect(path).close()
    schema.connect(path).close()
    monkeypatch.setattr(schema, "MIGRATIONS", schema.MIGRATIONS[:3])
    monkeypatch.setattr(schema, "FORMAT_VERSION", 3)
    with pytest.raises(NewerFormatError):
        schema.connect(path)


def test_another_field_of_the_stored_state_is_another_format() -> None:
    """Who changes these lists adds an entry to ``MIGRATIONS``: a build of before cannot read the field."""
    assert schema.FORMAT_VERSION == 6
    assert [field.name for field in fields(SourceRecord)] == [
        *("number", "label", "root", "relative_root", "inside", "spec", "relative_spec"),
        *("prefix", "missing", "limits", "layout"),
    ]
    assert [field.name for field in fields(State)] == [
        *("generation", "count", "last_key", "key_sum", "item_sum", "skipped", "skip_sum", "sources"),
        *("counts", "ann", "tombstones", "recorded_from", "rewritten", "renamed", "signed"),
    ]
    assert [field.name for field in fields(TableLayout)] == ["columns", "encoding"]


def test_a_flipped_bit_in_the_format_number_is_not_taken_for_a_newer_format(path: str) -> None:
    schema.connect(path, create=True).close()
    edit(path, "PRAGMA user_version=65")
    with pytest.raises(DamagedCatalogError, match="format number 65"):
        schema.connect(path)


def test_somebody_elses_database_is_neither_opened_nor_changed(path: str) -> None:
    edit(path, "CREATE TABLE precious (x)")
    before = Path(path).read_bytes()
    for create in (False, True):
        with pytest.raises(DamagedCatalogError, match="not a database of seealike"):
            schema.connect(path, create=create)
    assert not schema.is_blank(path)
    assert sorted(Path(path).read_bytes()[100:]) == sorted(before[100:])


def test_a_database_is_blank_until_it_holds_an_item(path: str) -> None:
    Path(path).touch()
    assert schema.is_blank(path)
    schema.connect(path, create=True).close()
    assert schema.is_blank(path)
    edit(path, "INSERT INTO items VALUES (1, 'a', NULL, NULL, NULL, NULL, NULL, '{}', 1, 1, 1, 1)")
    assert not schema.is_blank(path)
    Path(path).write_bytes(b"rubbish" * 1000)
    assert not schema.is_blank(path)


def test_a_missing_database_is_not_made_by_opening_it(path: str) -> None:
    with pytest.raises(StorageError):
        schema.connect(path)
    assert not Path(path).exists()


def raise_no_utf8(connection: sqlite3.Connection) -> None:
    connection.execute("SELECT CAST(x'ff0a00' AS TEXT)").fetchone()


@pytest.mark.parametrize(
    ("cause", "kind"),
    [
        (lambda c: c.execute("SELECT nothing FROM nowhere"), DamagedCatalogError),
        (raise_no_utf8, DamagedCatalogError),
        (lambda c: c.execute("INSERT INTO state VALUES ('catalog', 1, 'text')"), DamagedCatalogError),
        (lambda c: (c.close(), c.execute("SELECT 1")), UsageError),
    ],
)
def test_errors_are_translated_into_one_line(
    path: str, cause: Callable[[sqlite3.Connection], object], kind: type[SeealikeError]
) -> None:
    connection = schema.connect(path, create=True)
    with pytest.raises(kind) as caught, schema.translated(path):
        cause(connection)
    connection.close()
    assert str(caught.value).isprintable()


def test_a_locked_database_is_busy_and_not_damaged(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    schema.connect(path, create=True).close()
    monkeypatch.setattr(schema, "BUSY_TIMEOUT_S", 0.05)
    one, other = schema.connect(path), schema.connect(path)
    with schema.transaction(one, path), pytest.raises(CatalogBusyError), schema.transaction(other, path):
        pass
    with schema.transaction(other, path):
        pass
    one.close()
    other.close()


def test_an_interrupted_transaction_leaves_nothing(path: str) -> None:
    connection = schema.connect(path, create=True)

    def interrupted() -> None:
        with schema.transaction(connection, path):
            schema.put_state(connection, "catalog", "half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert not connection.in_transaction
    assert connection.execute("SELECT count(*) FROM state WHERE name='catalog'").fetchone() == (0,)
    connection.close()
