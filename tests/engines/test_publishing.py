"""Copying a catalogue to PostgreSQL: all of it, what changed, what was cut off, what was there before."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import psycopg
import pytest
from tests.engines.conftest import D, Opened, image, new_picture

import seealike
from seealike.catalog import NewPicture, publish
from seealike.engines.postgres.database import Address
from seealike.errors import (
    EncoderMismatchError,
    NewerFormatError,
    NoCatalogError,
    UnreachableError,
    UsageError,
)
from seealike.testing import FakeEncoder
from seealike.types import Progress

pytestmark = pytest.mark.engine


def asked(address: str, statement: str) -> list[tuple[object, ...]]:
    """What SQL says in the schema of an address."""
    server, schema = address.rsplit("&schema=", 1)
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'SET search_path = "{schema}", public')
        return connection.execute(statement).fetchall()


def everything(catalog: seealike.Catalog) -> list[object]:
    """All that is known of a catalogue's items, in the order of their ids."""
    ids, vectors = catalog.vectors()
    return [[*catalog.items()], ids, vectors.tolist(), [*catalog.signatures()]]


def test_a_copy_has_every_item_vector_and_signature_of_the_catalogue(
    catalog: seealike.Catalog, address: str, opened: Opened
) -> None:
    report = publish(catalog, address)
    assert (report.added, report.updated, report.removed, report.rebuilt) == (40, 0, 0, True)
    copy = opened()
    assert everything(copy) == everything(catalog)
    assert len(copy) == 40
    assert copy.encoder == catalog.encoder
    assert "i003" in copy
    assert "none" not in copy


def test_metadata_are_typed_columns_that_sql_can_ask(catalog: seealike.Catalog, address: str) -> None:
    publish(catalog, address)
    cheap = asked(address, "SELECT id FROM items WHERE m_price < 40 AND m_kind = 'bag' ORDER BY id")
    assert cheap == [("i001",), ("i003",)]
    assert asked(address, "SELECT DISTINCT m_size FROM items ORDER BY 1") == [(40.0,), (41.5,), (None,)]


def test_only_what_changed_is_written_again(catalog: seealike.Catalog, address: str, opened: Opened) -> None:
    publish(catalog, address)
    copy = opened()
    before = copy.generation
    assert not publish(catalog, address).changed
    assert copy.generation == before
    catalog.remove(["i005"])
    catalog.add_many([new_picture(6, price=1), new_picture(100, colour="red")])
    report = publish(catalog, address)
    assert (report.added, report.updated, report.removed, report.unchanged) == (2, 0, 2, 38)
    assert everything(copy) == everything(catalog)


def test_what_is_said_of_a_picture_changes_without_its_vector(tmp_path: Path, address: str) -> None:
    encoder = FakeEncoder(dimension=D)
    from PIL import Image

    for name in "abc":
        Image.fromarray(image(ord(name))).save(tmp_path / f"{name}.png")
    table = tmp_path / "table.csv"
    table.write_text("id,path,group,price\na,a.png,x,1\nb,b.png,y,2\nc,c.png,,3\n")
    with seealike.create(tmp_path / "catalog", encoder=encoder) as catalog:
        catalog.index(table)
        publish(catalog, address)
        table.write_text("id,path,group,price\nb,a.png,x,1\na,b.png,y,2\nc,c.png,z,30\n")
        catalog.index(table)
        publish(catalog, address)
        with seealike.open(address, encoder=encoder) as copy:
            assert everything(copy) == everything(catalog)
            hits = copy.similar("a", options=seealike.SearchOptions(where="price = 30"))
            assert hits.ids == ["c"]


class StopError(Exception):
    """Somebody pulls the plug."""


def test_a_copy_that_was_cut_off_goes_on_where_it_was(
    catalog: seealike.Catalog, address: str, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seealike.engines.publishing.ROWS_AT_ONCE", 7)

    def stop(progress: Progress) -> None:
        if progress.done >= 21:
            raise StopError

    with pytest.raises(StopError):
        publish(catalog, address, progress=stop)
    with pytest.raises(NoCatalogError, match="publish"):
        opened()
    told: list[Progress] = []
    publish(catalog, address, progress=told.append)
    assert [one.done for one in told if one.stage == "publish"] == [7, 14, 19]
    assert everything(opened()) == everything(catalog)


def test_a_rebuild_that_is_cut_off_leaves_the_live_copy_and_readers_go_on_over_a_swap(
    catalog: seealike.Catalog, address: str, opened: Opened
) -> None:
    publish(catalog, address)
    copy = opened()
    before = copy.similar("i003").ids

    def stop(progress: Progress) -> None:
        if progress.stage == "index":
            raise StopError

    catalog.remove([before[0]])
    with pytest.raises(StopError):
        publish(catalog, address, rebuild=True, progress=stop)
    assert copy.similar("i003").ids == before
    publish(catalog, address, rebuild=True)
    assert copy.similar("i003").ids == catalog.similar("i003").ids
    assert asked(address, "SELECT count(*) FROM items") == [(39,)]


def test_what_was_only_put_into_the_copy_stays(
    catalog: seealike.Catalog, address: str, opened: Opened
) -> None:
    publish(catalog, address)
    copy = opened()
    copy.add("own", image(900), metadata={"price": 5})
    for rebuild in (False, True):
        publish(catalog, address, rebuild=rebuild)
        assert len(copy) == 41
        assert copy.item("own").metadata == {"price": 5}
    copy.add("i100", image(901))
    catalog.add_many([new_picture(100)])  # now the catalogue has it too
    publish(catalog, address)
    assert copy.item("i100") == catalog.item("i100")
    assert len(copy) == 42
    copy.remove(["i001"])
    publish(catalog, address)
    assert "i001" in copy


def test_another_catalogue_takes_the_place_only_where_that_is_asked(
    catalog: seealike.Catalog, address: str, opened: Opened, tmp_path: Path
) -> None:
    publish(catalog, address)
    with seealike.create(tmp_path / "other", encoder=FakeEncoder(dimension=8)) as other:
        other.add_many([NewPicture("only", image(1))])
        with pytest.raises(UsageError, match="--rebuild"):
            publish(other, address)
        assert len(opened()) == 40
        publish(other, address, rebuild=True)
        with pytest.raises(EncoderMismatchError):
            opened()
        with seealike.open(address, encoder=FakeEncoder(dimension=8)) as copy:
            assert [item.id for item in copy.items()] == ["only"]


def test_a_copy_of_a_newer_seealike_is_refused(
    catalog: seealike.Catalog, address: str, opened: Opened
) -> None:
    publish(catalog, address)
    asked(address, "UPDATE catalogues SET format = 99 RETURNING 1")
    with pytest.raises(NewerFormatError, match="upgrade"):
        opened()
    with pytest.raises(NewerFormatError):
        publish(catalog, address)


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


PUBLISHES = textwrap.dedent("""
    import sys, seealike
    from seealike.catalog import publish
    from seealike.testing import FakeEncoder
    import seealike.engines.publishing as publishing
    publishing.ROWS_AT_ONCE = 5
    def told(progress):
        print(progress.stage, progress.done, flush=True)
        if sys.argv[3] == progress.stage + str(progress.done):
            sys.stdin.read()
    with seealike.open(sys.argv[1], encoder=FakeEncoder(dimension=16)) as catalog:
        publish(catalog, sys.argv[2], progress=told)
""")


@pytest.mark.parametrize("moment", ["publish5", "publish25", "publish20", "index20"])
def test_a_publisher_that_is_killed_leaves_nothing_half_and_the_next_goes_on(
    moment: str, catalog: seealike.Catalog, address: str, opened: Opened
) -> None:
    for at in ("publish20", moment):
        command = [sys.executable, "-c", PUBLISHES, catalog.path, address, at]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            for line in process.stdout:
                if line.replace(" ", "").strip() == at:
                    process.send_signal(signal.SIGKILL)
                    break
            process.wait()
    publish(catalog, address)
    assert everything(opened()) == everything(catalog)
    assert asked(address, "SELECT count(*) FROM catalogues WHERE NOT live") == [(0,)]
