"""Copying a catalogue to an engine: all of it, what changed, what was cut off, what was there before."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from tests.counting import commit, made_store, new_item
from tests.engines.conftest import D, Opened, image, new_picture
from tests.engines.places import Place

import seealike
from seealike.catalog import NewPicture, publish
from seealike.catalog.engine import engine_at
from seealike.engines.publishing import Publication
from seealike.engines.publishing import publish as publish_rows
from seealike.engines.store import Engine, EngineWriter
from seealike.errors import (
    EncoderMismatchError,
    NewerFormatError,
    NoCatalogError,
    UnknownNameError,
    UsageError,
)
from seealike.store import StoreWriter
from seealike.store.manifest import Manifest
from seealike.store.writer import Change
from seealike.testing import FakeEncoder
from seealike.types import EncoderIdentity, MetadataValue, Progress, unwatched

pytestmark = pytest.mark.engine


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


def test_keys_that_a_restored_catalogue_uses_again_do_not_give_an_item_the_vector_of_another(
    catalog: seealike.Catalog, address: str, opened: Opened, encoder: FakeEncoder, tmp_path: Path
) -> None:
    shutil.copytree(catalog.path, tmp_path / "backup")
    catalog.add_many([new_picture(50), NewPicture("same", image(51))])
    publish(catalog, address)
    with seealike.open(tmp_path / "backup", encoder=encoder) as restored:
        restored.add_many([new_picture(60), NewPicture("same", image(61))])  # under the keys of those two
        report = publish(restored, address)
        copy = opened()
        assert everything(copy) == everything(restored)
        assert (report.updated, report.unchanged) == (2, 40)
        assert copy.search(image(61), k=1).ids == ["same"]
        assert not publish(restored, address).changed


def test_ids_change_places_across_the_blocks_in_which_rows_are_written(
    tmp_path: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seealike.engines.publishing.ROWS_AT_ONCE", 2)
    store = made_store(tmp_path / "catalog")
    commit(store, [new_item(f"n{number}", number + 1) for number in range(7)])
    items = [*store.items()]
    publication = Publication(store, Manifest(store.identity, catalog_id=store.catalog_id), lambda _: None)
    engine = engine_at(address)
    publish_rows(publication, engine, unwatched, rebuild=True)
    with engine.changing() as changes:
        changes.add([new_item("put", 99)])
    names = ["n3", "n4", "n5", "n6", "n0", "put", "n1"]  # and nothing is n2 any more
    writer = StoreWriter(store.database_path)

    def change_places(change: Change) -> None:
        for item in items:
            change.update(replace(item, id=f"aside {item.id}"))
        for item, name in zip(items, names, strict=True):
            change.update(replace(item, id=name))

    writer.rewrite(change_places)
    writer.close()
    assert publish_rows(publication, engine, unwatched, rebuild=False).updated == 7
    copy: Any = engine.opened()
    assert [item.id for item in copy.items()] == sorted(names)
    for (ours, vectors), (theirs, others) in zip(
        store.items_and_vectors(), copy.items_and_vectors(), strict=True
    ):
        assert [item.id for item in ours] == [item.id for item in theirs]
        assert vectors.tolist() == others.tolist()
    assert copy.state().count == 7
    engine.close()
    store.close()


def test_a_change_that_is_made_just_after_a_swap_is_seen_by_who_made_it(
    catalog: seealike.Catalog, address: str, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(catalog, address)
    copy = opened()
    kind = type(engine_at(address))
    changing = kind.changing

    def late(engine: Engine, identity: EncoderIdentity) -> AbstractContextManager[EngineWriter]:
        monkeypatch.setattr(kind, "changing", changing)
        publish(catalog, address, rebuild=True)
        return engine.changing(identity)

    monkeypatch.setattr(kind, "changing", late)
    copy.add("new", image(50))
    assert "new" in copy
    assert copy.search(image(50), k=1).ids == ["new"]


def test_what_was_put_goes_over_into_a_new_copy_in_pieces_and_each_once(
    catalog: seealike.Catalog, address: str, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seealike.engines.postgres.writer._CARRIED_AT_ONCE", 2)
    publish(catalog, address)
    with opened() as copy:
        for number in range(7):
            copy.add(f"put{number}", image(100 + number))
    catalog.add("put3", image(200))
    publish(catalog, address, rebuild=True)
    copy, whole = opened(), [f"put{number}" for number in range(7)]
    assert [item.id for item in copy.items() if item.id.startswith("put")] == whole
    for number, item_id in enumerate(whole):
        wanted = image(200 if number == 3 else 100 + number)
        assert copy.search(wanted, k=1).ids == [item_id]


def test_what_was_put_into_the_copy_of_another_catalogue_goes_with_it_and_that_is_told(
    catalog: seealike.Catalog, address: str, opened: Opened, encoder: FakeEncoder, tmp_path: Path
) -> None:
    publish(catalog, address)
    opened().add("own", image(900))
    assert publish(catalog, address, rebuild=True).lost == 0
    with seealike.create(tmp_path / "other", encoder=encoder) as other:
        other.add_many([NewPicture("only", image(1))])
        assert publish(other, address, rebuild=True).lost == 1
    assert [item.id for item in opened().items()] == ["only"]


def test_counts_are_of_what_was_done_where_items_go_meanwhile(
    catalog: seealike.Catalog, address: str
) -> None:
    def remove(progress: Progress) -> None:
        if progress.stage == "publish" and "i000" in catalog:
            catalog.remove(["i000", "i001"])

    report = publish(catalog, address, progress=remove)
    assert (report.added, report.removed, report.unchanged) == (40, 2, 0)


def test_a_rebuild_that_was_cut_off_leaves_nothing_once_all_is_published_without_one(
    catalog: seealike.Catalog, address: str, server: Place
) -> None:
    publish(catalog, address)

    def stop(progress: Progress) -> None:
        if progress.stage == "index":
            raise StopError

    with pytest.raises(StopError):
        publish(catalog, address, rebuild=True, progress=stop)
    assert server.copies(address) == [True, False]
    publish(catalog, address)
    assert server.copies(address) == [True]


def test_metadata_of_any_width_and_any_text_are_published_and_found(
    address: str, opened: Opened, encoder: FakeEncoder, tmp_path: Path
) -> None:
    wide: dict[str, MetadataValue] = {
        f"k{number}": f"some text of some words {number}" for number in range(700)
    }
    nested = json.dumps({f"k{number}": number for number in range(1700)})
    with seealike.create(tmp_path / "wide", encoder=encoder) as catalog:
        catalog.add_many(
            [
                NewPicture("wide", image(1), None, wide),
                NewPicture("nested", image(2), None, {"o": nested}),
                NewPicture("half", image(3), None, {"o": '{"x": "\\ud800", "k\\u0000": true}'}),
                NewPicture("sign", image(4), None, {"o": '{"100%": "5%"}', "n": 10**30, "50%": True}),
                NewPicture("literal", image(5), None, {"text": "a \\u0000 b", "nul": "a\0b"}),
            ]
        )
        publish(catalog, address)
        copy = opened()
        assert everything(copy) == everything(catalog)
        for condition in ("k699 = 'some text of some words 699'", "o.k1699 > 1698", "o.x is not null"):
            options = seealike.SearchOptions(where=condition)
            hits = copy.search(image(9), options=options).ids
            assert len(hits) == 1
            assert hits == catalog.search(image(9), options=options).ids
        copy.add("more", image(6), metadata=wide)
        assert len(copy.search(image(9), options=seealike.SearchOptions(where="k5 like '%words 5'"))) == 2


def test_a_text_that_no_database_stores_is_found_nowhere_and_a_column_that_is_gone_is_unknown(
    catalog: seealike.Catalog, address: str, opened: Opened
) -> None:
    catalog.add("early", image(70), metadata={"once": 1})
    publish(catalog, address)
    catalog.remove(["early"])
    publish(catalog, address)
    for condition in ("id = 'a\0'", "id like 'a\0%'", "kind = '\ud800'"):
        assert opened().similar("i003", options=seealike.SearchOptions(where=condition)).ids == []
    with pytest.raises(UnknownNameError, match="once"):
        opened().similar("i003", options=seealike.SearchOptions(where="once = 1"))


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
    assert len(copy) == 39


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
    catalog: seealike.Catalog, address: str, opened: Opened, server: Place
) -> None:
    publish(catalog, address)
    server.make_newer(address)
    with pytest.raises(NewerFormatError, match="upgrade"):
        opened()
    with pytest.raises(NewerFormatError):
        publish(catalog, address)


PUBLISHES = textwrap.dedent("""
    import sys, seealike
    from seealike.catalog import publish
    from seealike.testing import FakeEncoder
    import seealike.engines.publishing as publishing
    publishing.ROWS_AT_ONCE = 5
    if sys.argv[2].startswith("milvus"):
        from seealike.engines.milvus import records
        records.BEAT_S, records.DEAD_S = 0.1, 2.0
    def told(progress):
        print(progress.stage, progress.done, flush=True)
        if sys.argv[3] == progress.stage + str(progress.done):
            sys.stdin.read()
    with seealike.open(sys.argv[1], encoder=FakeEncoder(dimension=16)) as catalog:
        publish(catalog, sys.argv[2], progress=told)
""")


@pytest.mark.usefixtures("quickly_dead")
@pytest.mark.parametrize("moment", ["publish5", "publish25", "publish20", "index20"])
def test_a_publisher_that_is_killed_leaves_nothing_half_and_the_next_goes_on(
    moment: str,
    catalog: seealike.Catalog,
    address: str,
    opened: Opened,
    server: Place,
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
        server.forget_killed()
    publish(catalog, address)
    assert everything(opened()) == everything(catalog)
    assert server.copies(address) == [True]


def test_what_came_and_went_is_published_from_the_record_and_anything_else_by_comparing(
    catalog: seealike.Catalog, address: str, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    report, copy, compared = publish(catalog, address), opened(), list[bool]()
    contents = Publication.contents

    def noted(publication: Publication) -> Iterator[tuple[int, int]]:
        compared.append(True)
        return contents(publication)

    monkeypatch.setattr(Publication, "contents", noted)

    def followed() -> tuple[int, int, int, int, bool]:
        nonlocal report
        report = publish(catalog, address, since=report)
        looked_at_all = bool(compared)
        compared.clear()
        assert everything(copy) == everything(catalog)
        return report.added, report.updated, report.removed, report.unchanged, looked_at_all

    catalog.remove(["i005", "i009"])
    catalog.add_many([new_picture(6, price=1), new_picture(100, colour="red")])
    assert followed() == (2, 0, 3, 37, False)
    assert followed() == (0, 0, 0, 39, False)
    copy.remove(["i010"])  # it comes back, as by comparing
    assert followed() == (1, 0, 0, 38, True)
    catalog.add_many([new_picture(101)])
    publish(catalog, address)  # another process was quicker
    assert followed() == (0, 0, 0, 40, True)
    catalog.remove(["i101"])
    assert followed() == (0, 0, 1, 39, False)


def test_rows_that_were_rewritten_are_found_by_comparing(tmp_path: Path, address: str) -> None:
    encoder, table = FakeEncoder(dimension=D), tmp_path / "table.csv"
    for name in "ab":
        Image.fromarray(image(ord(name))).save(tmp_path / f"{name}.png")
    table.write_text("id,path,price\na,a.png,1\n")
    with seealike.create(tmp_path / "catalog", encoder=encoder) as catalog:
        catalog.index(table)
        report = publish(catalog, address)
        table.write_text("id,path,price\na,a.png,2\nb,b.png,3\n")
        catalog.index(table)
        report = publish(catalog, address, since=report)
        assert (report.added, report.updated, report.unchanged) == (1, 1, 0)
        with seealike.open(address, encoder=encoder) as copy:
            assert everything(copy) == everything(catalog)
