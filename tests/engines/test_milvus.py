"""What is Milvus' own: heads and claims, writers that die or stall anywhere, a server that goes or hangs."""

from __future__ import annotations

import io
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.engines.conftest import Opened, image
from tests.engines.places import Place, lite_rows, milvus_lite
from tests.engines.test_publishing import everything

import seealike
from seealike.catalog import NewPicture, publish
from seealike.catalog.engine import EngineCatalog
from seealike.engines.store import PublishedRow
from seealike.errors import (
    CatalogBusyError,
    MissingExtraError,
    SeealikeError,
    UnknownNameError,
    UnreachableError,
    UsageError,
)
from seealike.testing import FakeEncoder
from seealike.types import Progress

pytest.importorskip("pymilvus", reason="no pymilvus: make test-engines installs it")
from seealike.engines.milvus import database, fields, records, writer
from seealike.engines.milvus.address import Address
from seealike.engines.milvus.database import Database, Row
from seealike.engines.milvus.fields import Slot
from seealike.engines.milvus.filters import Filter, compared, one_of
from seealike.engines.milvus.records import Claim

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A milvus-lite behind a port, of the engines."""
    with milvus_lite(str(tmp_path_factory.mktemp("lite"))) as (place, _):
        yield place


# -- writers that are killed ---------------------------------------------------------------------------


class KilledError(SeealikeError):
    """The process is no more: nothing that it would still do reaches the server."""


@contextmanager
def killed(monkeypatch: pytest.MonkeyPatch, step: int) -> Iterator[list[int]]:
    """Let this process be dead for the server from some call on, which arrives if ``step`` is odd."""
    run, calls = Database._run, [0]

    def dying(self: Database, ask: Callable[[Any], object], collection: str = "") -> object:
        calls[0] += 1
        if calls[0] > step // 2 + step % 2:
            raise KilledError
        found = run(self, ask, collection)
        if calls[0] == step // 2 + step % 2 and step % 2:
            raise KilledError
        return found

    with monkeypatch.context() as patched:
        patched.setattr(Database, "_run", dying)
        yield calls


def png(number: int) -> bytes:
    """A picture as a file, of more bytes than a field holds."""
    file = io.BytesIO()
    noise = np.random.default_rng(number).integers(0, 255, (150, 150, 3)).astype(np.uint8)
    Image.fromarray(noise).save(file, "PNG")
    return file.getvalue()


def put(copy: seealike.Catalog, item_id: str, number: int) -> None:
    """As a service does, with the picture itself."""
    assert isinstance(copy, EngineCatalog)
    copy.put(item_id, png(number), group="g", metadata={"price": number})


def known(copy: seealike.Catalog) -> tuple[list[object], list[tuple[str, bytes | None]]]:
    """Everything of a copy, and the pictures it keeps."""
    assert isinstance(copy, EngineCatalog)
    kept = [(item.id, copy.kept_picture(item.id)) for item in copy.items()]
    return everything(copy), kept


CHANGES: dict[str, Callable[[seealike.Catalog, seealike.Catalog, str], object]] = {
    "put": lambda copy, catalog, address: put(copy, "new", 50),
    "replace": lambda copy, catalog, address: put(copy, "own", 51),
    "remove": lambda copy, catalog, address: copy.remove(["own", "i001"]),
    "publish": lambda copy, catalog, address: publish(catalog, address),
    "rebuild": lambda copy, catalog, address: publish(catalog, address, rebuild=True),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_writer_that_is_killed_at_any_step_leaves_nothing_half(
    change: str,
    server: Place,
    encoder: FakeEncoder,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(records, "DEAD_S", 0.0)  # whoever claims is believed to be dead at once
    step, seen = 0, set()
    with seealike.create(tmp_path / "catalog", encoder=encoder) as catalog:
        catalog.add_many([NewPicture(f"i{n:03}", image(n), None, {"n": n}) for n in range(6)])
        while True:
            address = server.address(f"killed_{change}_{step}")
            catalog.add("i003", image(3))
            publish(catalog, address)
            with (
                seealike.open(address, encoder=encoder) as copy,
                seealike.open(address, encoder=encoder) as other,
            ):
                put(copy, "own", 40)
                catalog.remove(["i003"])
                before = known(other)
                with killed(monkeypatch, step) as calls:
                    try:
                        CHANGES[change](copy, catalog, address)
                        is_done = calls[0] <= step // 2
                    except KilledError:
                        is_done = False
                after = known(other)
                seen.add(str(after) != str(before))
                put(other, "witness", 60)
                if change in ("publish", "rebuild"):
                    publish(catalog, address, rebuild=change == "rebuild")
                    assert [item.id for item in catalog.items()] == [
                        item.id for item in other.items() if item.id not in ("own", "witness")
                    ]
                else:
                    rest = [row for row in after[1] if row[0] != "witness"]
                    assert rest in (before[1], known_after(change, before[1]))
                nothing_else_is_there(server, address, other)
            if is_done:
                break
            step += 1
    assert step > 20
    assert seen == {True, False} or change == "rebuild"


def known_after(change: str, before: list[tuple[str, bytes | None]]) -> list[tuple[str, bytes | None]]:
    """The pictures that are kept after a change that was made."""
    rows = dict(before)
    if change == "put":
        rows["new"] = png(50)
    elif change == "replace":
        rows["own"] = png(51)
    else:
        del rows["own"], rows["i001"]
    return sorted(rows.items())


def nothing_else_is_there(server: Place, address: str, copy: seealike.Catalog) -> None:
    """Rows of the live copy are those of its items, and so are pictures."""
    prefix = address.rpartition("=")[2]
    store: Any = copy._session.store
    keys = sorted(item.key for item in store.items())
    url = address.partition("/default")[0]
    assert sorted(lite_rows(url, f"{prefix}_items_{store.number}", "key")) == keys
    kept = {item.key for item in store.items() if item.id in ("own", "new", "witness")}
    assert set(lite_rows(url, f"{prefix}_pictures_{store.number}", "key")) == kept
    assert server.copies(address).count(True) == 1


def test_a_writer_that_stalls_and_wakes_when_another_has_taken_over_changes_nothing(
    catalog: seealike.Catalog, address: str, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(catalog, address)
    stalled, other = opened(), opened()
    waits, goes_on = threading.Event(), threading.Event()
    commit, told = records.Records.commit, list[object]()

    def slow(self: records.Records, claim: Claim, head: records.Head, *, epoch: bool = False) -> records.Head:
        if threading.current_thread().name == "stalled":
            waits.set()
            goes_on.wait(30)
        return commit(self, claim, head, epoch=epoch)

    def change() -> None:
        try:
            stalled.add("late", image(70))
        except SeealikeError as refused:
            told.append(refused)

    monkeypatch.setattr(records.Records, "commit", slow)
    thread = threading.Thread(target=change, name="stalled")
    thread.start()
    assert waits.wait(30)
    monkeypatch.setattr(records, "DEAD_S", 0.0)
    other.add("first", image(71))
    goes_on.set()
    thread.join()
    assert [type(one) for one in told] == [CatalogBusyError]
    for copy in (stalled, other):
        assert "first" in copy
        assert "late" not in copy
        assert len(copy) == 41
        assert copy.search(image(71), k=1).ids == ["first"]
    monkeypatch.setattr(records, "DEAD_S", 20.0)
    stalled.add("late", image(70))
    assert len(other) == 42


def test_what_a_stalled_writer_takes_back_is_its_own_and_not_that_of_who_took_over(
    catalog: seealike.Catalog, address: str, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(catalog, address)
    stalled, other = opened(), opened()
    waits, goes_on = threading.Event(), threading.Event()
    row_of, told = fields.row_of, list[str]()

    def slow(row: PublishedRow, key: int, *, is_lite: bool) -> tuple[Row, list[tuple[str, Slot]]]:
        if row.item.id == "too long":
            waits.set()
            goes_on.wait(30)
        return row_of(row, key, is_lite=is_lite)

    def change() -> None:
        too_long = NewPicture("too long", image(72), None, {"text": 70_000 * "x"})
        with pytest.raises(UsageError, match="a field holds 60,000") as refused:
            stalled.add_many([NewPicture("late", image(70)), too_long])
        told.append(str(refused.value))

    monkeypatch.setattr(writer, "_ROWS_AT_ONCE", 1)
    monkeypatch.setattr(writer, "row_of", slow)
    thread = threading.Thread(target=change)
    thread.start()
    assert waits.wait(30)
    monkeypatch.setattr(records, "DEAD_S", 0.0)
    other.add("first", image(71))
    goes_on.set()
    thread.join()
    assert told
    assert "first" in other
    assert other.search(image(71), k=1).ids == ["first"]
    assert len(other) == 41


def test_writers_at_once_are_made_to_wait_for_each_other_and_nothing_is_lost(
    catalog: seealike.Catalog, address: str, encoder: FakeEncoder
) -> None:
    publish(catalog, address)
    wrong: list[object] = []

    def write(name: str) -> None:
        with seealike.open(address, encoder=encoder) as copy:
            for number in range(6):
                try:
                    copy.add(f"{name}{number}", image(100 + number))
                    copy.add("shared", image(200 + number), metadata={"by": name})
                except SeealikeError as refused:
                    wrong.append(refused)

    threads = [threading.Thread(target=write, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    with seealike.open(address, encoder=encoder) as copy:
        ids = [item.id for item in copy.items()]
        assert ids == sorted(
            [f"i{n:03}" for n in range(40)] + [f"{a}{n}" for a in "abc" for n in range(6)] + ["shared"]
        )
        assert len(copy) == len(ids)


def test_deaths_are_forgotten_when_there_are_too_many_and_readers_then_read_all(
    catalog: seealike.Catalog, address: str, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "MOST_TOMBSTONES", 3)
    publish(catalog, address)
    reading, changing = opened(), opened()
    for number in range(6):
        changing.remove([f"i{number:03}"])
        changing.add(f"new{number}", image(100 + number))
        expected = [item.id for item in changing.items()]
        assert [item.id for item in reading.items()] == expected
        assert len(reading.similar("i010", k=100, options=seealike.SearchOptions(pictures=True))) == 39
    store: Any = reading._session.store
    state = store.state()
    assert state.recorded_from > 0
    assert len(store._records.dead(store.number, after=0, to=state.generation)) <= 3


def test_a_second_publisher_is_refused_while_one_lives(
    catalog: seealike.Catalog, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "BEAT_S", 0.05)
    refused: list[object] = []

    def second(progress: Progress) -> None:
        if progress.stage == "publish" and not refused:
            with pytest.raises(CatalogBusyError, match="another `seealike publish`") as told:
                publish(catalog, address)
            refused.append(told.value)

    publish(catalog, address, progress=second)
    assert refused


def test_a_publisher_that_stalls_changes_nothing_once_another_has_published(
    catalog: seealike.Catalog, address: str, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seealike.engines.publishing.ROWS_AT_ONCE", 10)
    others: list[bool] = []

    def stall(progress: Progress) -> None:
        if progress.done == 20 and not others:
            others.append(True)
            with monkeypatch.context() as patched:
                patched.setattr(records, "DEAD_S", 0.0)
                publish(catalog, address)

    with pytest.raises(CatalogBusyError, match="which began meanwhile"):
        publish(catalog, address, progress=stall)
    assert others
    assert everything(opened()) == everything(catalog)
    assert not publish(catalog, address).changed


def test_a_claim_that_showed_no_life_for_too_long_never_does_again(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[int] = []
    claim = Claim(lambda _, beat: shown.append(beat))
    claim.beat()
    now = time.monotonic()
    monkeypatch.setattr("seealike.engines.milvus.records.time.monotonic", lambda: now + 11)
    for _ in range(2):
        with pytest.raises(CatalogBusyError, match="may have taken this one for dead"):
            claim.beat()
    assert shown == [1]


# -- a server that does not answer -----------------------------------------------------------------------


def test_a_server_that_goes_away_is_one_line_and_answers_again_when_it_is_back(
    catalog: seealike.Catalog, encoder: FakeEncoder, tmp_path: Path
) -> None:
    folder = str(tmp_path / "lite")
    with milvus_lite(folder) as (place, running):
        address = place.address("shop")
        publish(catalog, address)
        copy = seealike.open(address, encoder=encoder)
        before = copy.similar("i003").ids
        running.send_signal(signal.SIGKILL)
        running.wait()
        begun = time.monotonic()
        for ask in (lambda: copy.similar("i003"), lambda: len(copy), lambda: copy.remove(["i003"])):
            with pytest.raises(UnreachableError, match=r"cannot be reached: .*; see that it") as told:
                ask()
            assert "\n" not in str(told.value)
        with pytest.raises(UnreachableError):
            seealike.open(address)
        assert time.monotonic() - begun < 60
    port = int(address.split(":")[2].partition("/")[0])
    with milvus_lite(folder, port):
        assert copy.similar("i003").ids == before
        copy.remove(["i003"])
        assert "i003" not in copy
        copy.close()


def test_a_server_that_hangs_is_not_waited_for_longer_than_a_call_may_take(
    catalog: seealike.Catalog, encoder: FakeEncoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {
        **database._OPTIONS,
        "grpc.service_config": str(database._OPTIONS["grpc.service_config"]).replace("60s", "4s"),
    }
    monkeypatch.setattr(database, "_OPTIONS", options)
    with milvus_lite(str(tmp_path / "lite")) as (place, running):
        address = place.address("shop")
        publish(catalog, address)
        with seealike.open(address, encoder=encoder) as copy:
            running.send_signal(signal.SIGSTOP)
            with pytest.raises((CatalogBusyError, UnreachableError)) as told:
                len(copy)
            running.send_signal(signal.SIGCONT)
            assert "\n" not in str(told.value)
            assert len(copy) == 40


# -- addresses and what is asked --------------------------------------------------------------------------


def test_a_file_of_milvus_lite_holds_a_catalogue_and_answers_as_it(
    catalog: seealike.Catalog, encoder: FakeEncoder, tmp_path: Path
) -> None:
    address = f"milvus://{tmp_path}/shop.db"
    publish(catalog, address)
    for _ in range(2):  # it is closed in between
        with seealike.open(address, encoder=encoder) as copy:
            assert everything(copy) == everything(catalog)
            assert copy.similar("i003").ids == catalog.similar("i003").ids
    with pytest.raises(UnreachableError, match="no such folder"):
        seealike.open(f"milvus://{tmp_path}/nowhere/shop.db")


def test_credentials_come_from_the_environment_and_are_in_no_message(monkeypatch: pytest.MonkeyPatch) -> None:
    secret = "hunter22"
    plain = Address("milvus://db:19531/shop?prefix=autumn")
    assert plain.name == "milvus://db:19531/shop?prefix=autumn"
    assert plain.connecting() == {"uri": "http://db:19531", "db_name": "shop", "token": ""}
    monkeypatch.setenv("MILVUS_USER", "me")
    monkeypatch.setenv("MILVUS_PASSWORD", secret)
    assert plain.connecting()["token"] == f"me:{secret}"
    monkeypatch.setenv("MILVUS_TOKEN", "token")
    assert plain.connecting()["token"] == "token"
    with_user = Address(f"milvus://you:{secret}@db?tls=true")
    assert with_user.name == "milvus://db:19530/default"
    assert with_user.connecting() == {
        "uri": "https://db:19530",
        "db_name": "default",
        "token": f"you:{secret}",
    }
    assert secret not in with_user.without_secrets(f"refused you:{secret} and {secret}")
    for url in (f"milvus://me:{secret}@127.0.0.1:1/shop", "milvus://127.0.0.1:1/shop"):
        with pytest.raises(UnreachableError, match="cannot be reached") as told:
            seealike.open(url)
        assert secret not in str(told.value)


@pytest.mark.parametrize(
    ("url", "wrong"),
    [
        ("milvus:///shop", "that is no address"),
        ("milvus://", "that is no address"),
        ("milvus://host:port/shop", "that is no address"),
        ("milvus://host/shop?prefix=A-b", "no prefix"),
        ("milvus://host/shop?index=flat", "unknown index 'flat'; known: hnsw, diskann"),
        ("milvus://host/shop?schema=x", "unknown option of the address 'schema'"),
    ],
)
def test_what_is_no_address_is_refused_with_what_is_one(url: str, wrong: str) -> None:
    with pytest.raises((UsageError, UnknownNameError), match=wrong):
        Address(url)


def test_without_milvus_lite_a_file_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match=r"pip install 'seealike\[milvus-lite\]'"):
        seealike.open(f"milvus://{tmp_path}/shop.db")


def test_values_are_parameters_and_only_milvus_lite_reads_them_in_the_text() -> None:
    told = Filter("(a < {} and b in {} and c == {})", (1.5, ["x", 'y"\\\n'], True))
    assert told.asked(is_lite=False) == {
        "filter": "(a < {p0} and b in {p1} and c == {p2})",
        "filter_params": {"p0": 1.5, "p1": ["x", 'y"\\\n'], "p2": True},
    }
    assert told.asked(is_lite=True) == {"filter": '(a < 1.5 and b in ["x", "y\\"\\\\\\n"] and c == true)'}
    assert compared("a", "<=", -3).asked(is_lite=True) == {"filter": "(a <= -3)"}
    assert one_of("a", (1, 2)).asked(is_lite=False)["filter_params"] == {"p0": [1, 2]}


def test_a_picture_larger_than_a_field_comes_back_as_it_was(
    catalog: seealike.Catalog, address: str, opened: Opened
) -> None:
    publish(catalog, address)
    store: Any = opened()._session.store
    from seealike.engines.milvus import pictures

    data = os.urandom(45_000 * 201 + 7)
    for key, some in ((7, data), (8, b"x"), (9, data[: 45_000 * 200])):
        pictures.keep(store.database, store.number, key, some)
        assert store.picture_of(key) == some
    assert store.picture_of(10) is None


def test_the_alias_means_the_live_copy(catalog: seealike.Catalog, address: str) -> None:
    from pymilvus import MilvusClient

    publish(catalog, address)
    publish(catalog, address, rebuild=True)
    prefix = address.rpartition("=")[2]
    client = MilvusClient(address.partition("/default")[0].replace("milvus", "http"))
    assert client.describe_alias(prefix)["collection_name"] == f"{prefix}_items_2"
    client.close()
