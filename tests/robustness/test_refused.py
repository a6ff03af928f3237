"""Files that may not be read or written, and disks that fail: said as that, never taken for damage."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from tests.robustness.herd import content

import seealike
from seealike.catalog import verify
from seealike.errors import StorageError
from seealike.store import DATABASE_NAME, MANIFEST_NAME, schema
from seealike.store.lock import LOCK_NAME
from seealike.testing import FakeEncoder

NOBODY = 65534
JOURNAL_NAME = f"{DATABASE_NAME}-journal"
unix_only = pytest.mark.skipif(os.name == "nt", reason="permissions are other ones there")


@pytest.fixture
def catalog() -> Iterator[Path]:
    """A catalogue of three pictures in a place that every user may reach."""
    base = Path(tempfile.mkdtemp(prefix="seealike-test-"))
    base.chmod(0o755)
    try:
        make(base / "catalog")
        yield base / "catalog"
    finally:
        (base / "catalog").chmod(0o755)
        shutil.rmtree(base)


def make(path: Path) -> None:
    with seealike.create(path, encoder=FakeEncoder()) as made:
        for number in range(3):
            made.add(str(number), content(number))
        made.similar("0")
    for file in path.iterdir():
        file.chmod(0o644)


@contextlib.contextmanager
def without_privileges() -> Iterator[None]:
    """As root one may do everything: be nobody for a while."""
    privileged = os.geteuid() == 0
    if privileged:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if privileged:
            os.seteuid(0)


def ask(path: Path) -> list[str]:
    with seealike.open(path, encoder=FakeEncoder()) as catalog:
        assert len(list(catalog.recommend_all(2))) == 3
        assert verify(path).ok
        return [hit.id for hit in catalog.similar("0", 3)]


@unix_only
@pytest.mark.parametrize("name", [MANIFEST_NAME, DATABASE_NAME, JOURNAL_NAME])
@pytest.mark.parametrize("use", [ask, verify, lambda path: verify(path, repair=True)])
def test_a_file_that_may_not_be_read_is_not_called_damaged(
    catalog: Path, name: str, use: Callable[[Path], object]
) -> None:
    if name == JOURNAL_NAME:
        (catalog / name).write_bytes(bytes.fromhex("d9d505f920a163d7").ljust(600, b"\0"))
    (catalog / name).chmod(0)
    before = sorted(os.listdir(catalog))
    with without_privileges(), pytest.raises(StorageError, match=rf"^cannot read .*/{name}: .* try again$"):
        use(catalog)
    assert sorted(os.listdir(catalog)) == before


@pytest.mark.parametrize("use", [ask, verify, lambda path: verify(path, repair=True)])
def test_a_disk_that_fails_to_give_the_manifest_is_not_taken_for_damage(
    catalog: Path, monkeypatch: pytest.MonkeyPatch, use: Callable[[Path], object]
) -> None:
    original = os.open

    def failing(path: str, flags: int, mode: int = 0o777) -> int:
        if str(path).endswith(MANIFEST_NAME) and not flags & os.O_WRONLY:
            raise OSError(errno.EIO, os.strerror(errno.EIO), path)
        return original(path, flags, mode)

    monkeypatch.setattr(os, "open", failing)
    with pytest.raises(StorageError, match=r"^cannot read .*manifest\.json: Input/output error; "):
        use(catalog)


@unix_only
@pytest.mark.parametrize("safe", [True, False], ids=["WAL", "TRUNCATE"])
def test_a_catalogue_on_a_read_only_medium_is_searched(
    catalog: Path, monkeypatch: pytest.MonkeyPatch, safe: bool
) -> None:
    monkeypatch.setattr(schema, "wal_is_safe", lambda version: safe)
    shutil.rmtree(catalog)
    make(catalog)
    wanted = ask(catalog)
    for file in catalog.iterdir():
        file.chmod(0o444)
    catalog.chmod(0o555)
    monkeypatch.setattr(os, "statvfs", lambda path: SimpleNamespace(f_flag=os.ST_RDONLY))
    with without_privileges():
        assert ask(catalog) == wanted
        with (
            seealike.open(catalog, encoder=FakeEncoder()) as opened,
            pytest.raises(StorageError, match=r"^cannot write "),
        ):
            opened.remove(["0"])


@unix_only
def test_a_log_that_must_be_written_to_be_read_is_said_to_be_so(
    catalog: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """WAL mode on a disk that others may write: what they wrote last may be in a log that is made anew."""
    monkeypatch.setattr(schema, "wal_is_safe", lambda version: True)
    shutil.rmtree(catalog)
    make(catalog)
    for file in catalog.iterdir():
        file.chmod(0o444)
    catalog.chmod(0o555)
    with (
        without_privileges(),
        pytest.raises(StorageError, match=r"^cannot read .*; SQLite must write beside it even to read it"),
    ):
        ask(catalog)


@unix_only
def test_the_lock_of_another_user_is_named(catalog: Path) -> None:
    (catalog / LOCK_NAME).chmod(0o444)
    with (
        without_privileges(),
        seealike.open(catalog, encoder=FakeEncoder()) as opened,
        pytest.raises(StorageError, match=rf"^cannot write .*/{LOCK_NAME}: Permission denied; "),
    ):
        opened.remove(["0"])
