"""Pictures to embed that are no files: members of archives, cells of tables, addresses of the web."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from tests.pictures import picture, write_pictures

import seealike
from seealike import EmbedOptions, EmbedReport
from seealike.embedding import parts, run, skipped_in
from seealike.embedding.reading import PictureReader, PoliteFetcher, Unread
from seealike.embedding.sources.archives import ArchiveSource
from seealike.embedding.sources.tables import ParquetBytes, ParquetSource
from seealike.errors import ServiceError, SourceError, UsageError
from seealike.shards import ShardRow, Shards, row_of
from seealike.sources import TableLayout
from seealike.testing import FakeEncoder
from seealike.types import Picture, Refused, SkipReason, SourceItem

pa = pytest.importorskip("pyarrow", reason="the extra 'parquet' is not installed")
pq = pytest.importorskip("pyarrow.parquet")


def embedded(source: Path | str, output: Path, **options: object) -> EmbedReport:
    made = EmbedOptions(**options)  # type: ignore[arg-type]
    return seealike.embed(source, output, encoder=FakeEncoder(), options=made)


def jpeg(number: int) -> bytes:
    buffer = io.BytesIO()
    picture(number).save(buffer, "JPEG")
    return buffer.getvalue()


def truth(tmp_path: Path, count: int) -> dict[bytes, bytes]:
    """The vectors of pictures as `index` makes them of files, by the SHA-256 of the files."""
    folder = tmp_path / "truth"
    folder.mkdir(exist_ok=True)
    for number in range(count):
        (folder / f"{number:03}.jpg").write_bytes(jpeg(number))
    with seealike.create(tmp_path / "truth.catalog", encoder=FakeEncoder()) as catalog:
        catalog.index(folder)
        ids, vectors = catalog.vectors()
        digests = {one: digest or b"" for one, digest in catalog.digests()}
    return {
        digests[one]: vector.astype(np.float16).tobytes() for one, vector in zip(ids, vectors, strict=True)
    }


def vectors_in(shards: Path) -> dict[str, tuple[bytes | None, bytes | None]]:
    return {
        row.id: (row.sha256, None if row.vector is None else row.vector.tobytes())
        for row in Shards(str(shards))
    }


def write_tar(path: Path, members: dict[str, bytes]) -> None:
    with tarfile.open(path, "w") as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))


def test_members_of_archives_are_pictures_and_what_lies_beside_them_is_metadata(tmp_path: Path) -> None:
    wanted = truth(tmp_path, 6)
    for archive in range(2):
        members: dict[str, bytes] = {"notes/readme.md": b"hello"}
        for number in range(archive * 3, archive * 3 + 3):
            members[f"{number:04}.jpg"] = jpeg(number)
            members[f"{number:04}.json"] = json.dumps({"price": number / 2, "tags": ["a", "b"]}).encode()
            members[f"{number:04}.txt"] = "a süße shoe\n".encode()
            members[f"{number:04}.cls"] = b"7"
        write_tar(tmp_path / f"train-{archive}.tar", members)
    report = embedded(str(tmp_path / "train-*.tar"), tmp_path / "shards")
    assert (report.embedded, report.skipped_by_reason) == (6, {SkipReason.NOT_AN_IMAGE: 2})
    found = vectors_in(tmp_path / "shards")
    assert {found[f"train-1.tar/{number:04}.jpg"][0] for number in range(3, 6)} <= wanted.keys()
    assert {pair for pair in found.values() if pair[1]} == set(wanted.items())
    with seealike.create(tmp_path / "c", encoder=FakeEncoder()) as catalog:
        catalog.index(tmp_path / "shards")
        item = catalog.item("train-1.tar/0004.jpg")
        assert item.metadata == {"price": 2.0, "tags": '["a", "b"]', "text": "a süße shoe", "class": 7}
        assert item.path is not None
        assert item.path.startswith(f"tar://{tmp_path}/train-1.tar#")
        assert catalog.index(tmp_path / "shards").unchanged == 6
        assert len(catalog.search(tmp_path / "truth" / "004.jpg", k=1)) == 1
    os.utime(tmp_path / "train-0.tar", (5, 5))  # read again: nothing in it has changed
    assert embedded(str(tmp_path / "train-*.tar"), tmp_path / "shards").embedded == 0


def test_an_archive_that_is_compressed_is_refused_with_its_name(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w:gz") as archive:
        archive.add(write_pictures(tmp_path / "p", range(1))[0], "a.jpg")
    with pytest.raises(SourceError, match=r"a\.tar is no tar file that is not compressed"):
        embedded(tmp_path / "a.tar", tmp_path / "shards")


@pytest.mark.parametrize("structure", [False, True])
def test_cells_of_tables_are_pictures(tmp_path: Path, *, structure: bool) -> None:
    wanted = truth(tmp_path, 9)
    cells: list[object] = [jpeg(number) for number in range(9)]
    cells[4] = None
    if structure:
        cells = [cell and {"bytes": cell, "path": "x.jpg"} for cell in cells]
    table = pa.table({"image": cells, "label": list("abcabcabc"), "group": ["g"] * 9})
    pq.write_table(table, tmp_path / "t.parquet", row_group_size=4)
    report = embedded(tmp_path / "t.parquet", tmp_path / "shards")
    assert (report.embedded, report.skipped_by_reason) == (8, {SkipReason.UNREADABLE: 1})
    found = vectors_in(tmp_path / "shards")
    assert found["t.parquet/4"] == (None, None)
    del found["t.parquet/4"]
    assert set(found.values()) < set(wanted.items())
    with seealike.create(tmp_path / "c", encoder=FakeEncoder()) as catalog:
        catalog.index(tmp_path / "shards")
        item = catalog.item("t.parquet/7")
        assert (item.group, item.metadata) == ("g", {"label": "b"})
    pq.write_table(table.append_column("id", [[f"i{n}" for n in range(9)]]), tmp_path / "t.parquet")
    report = embedded(tmp_path / "t.parquet", tmp_path / "with-ids", columns={"picture": "image"})
    assert {f"i{n}" for n in range(9)} == set(vectors_in(tmp_path / "with-ids"))


def test_tables_of_one_name_in_several_folders_are_told_apart(tmp_path: Path) -> None:
    for number, folder in enumerate("ab"):
        (tmp_path / folder).mkdir()
        pq.write_table(pa.table({"image": [jpeg(number)]}), tmp_path / folder / "0000.parquet")
    assert embedded(str(tmp_path / "*" / "0000.parquet"), tmp_path / "shards").embedded == 2
    assert set(vectors_in(tmp_path / "shards")) == {"a/0000.parquet/0", "b/0000.parquet/0"}


def test_a_table_without_the_column_of_the_first_is_refused_with_its_name(tmp_path: Path) -> None:
    pq.write_table(pa.table({"image": [jpeg(1)]}), tmp_path / "0.parquet")
    pq.write_table(pa.table({"picture": [jpeg(2)]}), tmp_path / "1.parquet")
    with pytest.raises(
        SourceError, match=r"1\.parquet has no column 'image' of bytes; those of bytes: picture"
    ):
        embedded(str(tmp_path / "*.parquet"), tmp_path / "shards")


def test_how_far_it_is_is_told_of_what_says_beforehand_how_many_there_are(tmp_path: Path) -> None:
    for number, count in enumerate((3, 4)):
        cells = [jpeg(place) for place in range(count - 1)]
        pq.write_table(pa.table({"image": [*cells, b"none"]}), tmp_path / f"{number}.parquet")
    told: list[tuple[int, int | None]] = []
    for source in (str(tmp_path / "*.parquet"), str(tmp_path)):
        seealike.embed(
            source,
            tmp_path / f"shards{len(told)}",
            encoder=FakeEncoder(),
            progress=lambda at: told.append((at.done, at.total)),
        )
    assert told == [(7, 7), (2, None)]


def test_a_table_that_is_replaced_while_it_is_read_costs_rows_and_no_traceback(tmp_path: Path) -> None:
    table = tmp_path / "t.parquet"
    pq.write_table(pa.table({"image": [b"%d" % n for n in range(100)]}), table, row_group_size=10)
    rows = rows_of(table)
    for changed in ({"image": [b"0"]}, {"other": [b"0"] * 100}):
        pq.write_table(pa.table(changed), table)
        (_, found), *_ = PictureReader("", seealike.DecodeLimits()).read([(90, rows[90])])
        assert found == Unread("the table changed while it was read, and has no such cell any more")


def test_what_follows_the_end_of_a_table_is_no_other_row(tmp_path: Path) -> None:
    table = tmp_path / "t.parquet"
    pq.write_table(pa.table({"image": [b"%d" % n for n in range(40)]}), table)
    reader = ParquetBytes()
    assert reader.read(str(table), 39, "image") == b"39"
    for number in (40, 41, 60):
        with pytest.raises(ValueError, match="no such cell any more"):
            reader.read(str(table), number, "image")
    assert reader.read(str(table), 38, "image") == b"38"


def test_no_picture_of_a_file_that_changed_is_taken_for_the_one_that_was_there(tmp_path: Path) -> None:
    table, archive = tmp_path / "t.parquet", tmp_path / "a.tar"
    for order in ((0, 1), (1, 0)):
        pq.write_table(pa.table({"image": [b"%d" % n for n in order]}), table)
        write_tar(archive, {"x.jpg": b"%d" % order[0], "y.jpg": b"%d" % order[1]})
        for number, path in enumerate((table, archive)):
            os.utime(path, ns=(number, order[0]))
        if order == (0, 1):
            rows = [*rows_of(table), *(row_of(one, "") for one in ArchiveSource("a", [str(archive)]).scan())]
            read = PictureReader("", seealike.DecodeLimits()).read(enumerate(rows))
            assert [one for _, one in read] == [b"0", b"1"] * 2
    found = PictureReader("", seealike.DecodeLimits()).read(enumerate(rows))
    assert [one for _, one in found] == [Unread("the file changed while it was read")] * 4


def test_parts_of_a_table_are_read_one_after_the_other_and_not_from_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("LEAST", "USUAL", "MOST"):
        monkeypatch.setattr(parts, name, 8 if name != "LEAST" else 4)
    table = tmp_path / "t.parquet"
    pq.write_table(pa.table({"image": [jpeg(n) for n in range(80)]}), table, row_group_size=1000)
    decoded: list[int] = []
    real = pq.ParquetFile.iter_batches

    def counted(file: object, *_: object, **options: object) -> Iterator[object]:
        for batch in real(file, **options):
            if options["columns"] == ["image"]:
                decoded.append(len(batch))
            yield batch

    monkeypatch.setattr(pq.ParquetFile, "iter_batches", counted)
    report = embedded(table, tmp_path / "shards")
    assert (report.embedded, report.shards >= 10) == (80, True)
    assert sum(decoded) == 80


def rows_of(table: Path) -> list[ShardRow]:
    source = ParquetSource("t", [str(table)], "image", TableLayout({}, ""))
    return [row_of(entry, "") for entry in source.scan()]


def test_two_parts_of_a_table_may_be_read_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = tmp_path / "t.parquet"
    pq.write_table(pa.table({"image": [b"%d" % n for n in range(200)]}), table, row_group_size=25)
    rows = rows_of(table)
    opened: list[str] = []
    real = pq.ParquetFile

    def counted(path: str, *, buffer_size: int, pre_buffer: bool) -> object:
        opened.append(path)
        return real(path, buffer_size=buffer_size, pre_buffer=pre_buffer)

    monkeypatch.setattr(pq, "ParquetFile", counted)
    reader = PictureReader("", seealike.DecodeLimits())
    halves = [reader.read(enumerate(rows[start : start + 100], start)) for start in (0, 100)]
    found = [pair for both in zip(*halves, strict=True) for pair in both]  # one picture of each in turn
    assert sorted(found) == [(n, b"%d" % n) for n in range(200)]
    assert len(opened) == 2, "neither loses its place to the other"


def test_a_row_group_is_read_in_pieces(tmp_path: Path) -> None:
    table = tmp_path / "t.parquet"
    cells = [os.urandom(1 << 20) for _ in range(64)]
    pq.write_table(
        pa.table({"image": cells}), table, compression="none", use_dictionary=False, write_batch_size=1
    )
    before = pa.total_allocated_bytes()
    reader = ParquetBytes()
    for number in (0, 40):
        assert reader.read(str(table), number, "image") == cells[number]
        assert pa.total_allocated_bytes() - before < 48 << 20, "32 cells and no more"


def test_a_table_with_two_columns_of_bytes_must_say_which_holds_the_pictures(tmp_path: Path) -> None:
    pq.write_table(pa.table({"front": [jpeg(1)], "back": [jpeg(2)]}), tmp_path / "t.parquet")
    with pytest.raises(SourceError, match=r"several columns of bytes .front, back.; --column picture=NAME"):
        embedded(tmp_path / "t.parquet", tmp_path / "shards")
    assert embedded(tmp_path / "t.parquet", tmp_path / "shards", columns={"picture": "back"}).embedded == 1
    with pytest.raises(SourceError, match=r"no column 'side' of bytes; those of bytes: front, back"):
        embedded(tmp_path / "t.parquet", tmp_path / "others", columns={"picture": "side"})
    with pytest.raises(UsageError, match="for Parquet tables that hold pictures"):
        embedded(tmp_path, tmp_path / "others", columns={"picture": "side"})


def web(monkeypatch: pytest.MonkeyPatch, answer: Callable[[str], bytes]) -> Counter[str]:
    """A web that gives what ``answer`` says; how often each address was asked."""
    asked = Counter[str]()

    class Web:
        def __init__(self, most_bytes: int) -> None:
            assert most_bytes == seealike.DecodeLimits().file_bytes

        def fetch(self, url: str) -> bytes:
            asked[url] += 1
            return answer(url)

    from seealike.embedding import reading

    monkeypatch.setattr(reading, "Fetcher", Web)
    monkeypatch.setattr(reading, "PAUSE_S", 0.0)
    return asked


def test_addresses_of_a_table_are_fetched_once_and_beside_them_files_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = truth(tmp_path, 6)

    def answer(url: str) -> bytes:
        if "none" in url:
            raise ServiceError(
                "url_failed", "the picture cannot be fetched: the server answers with the status 404"
            )
        return jpeg(int(url.partition("/p/")[2].partition(".")[0]))

    asked = web(monkeypatch, answer)
    rows = [f"u{n},https://shop.example/p/{n}.jpg?X-Amz-Signature=verysecret&w=9,g,{n}" for n in range(5)]
    rows += ["file,truth/005.jpg,g,5", "none,https://shop.example/none.jpg,g,6"]
    (tmp_path / "t.csv").write_text("id,path,group,price\n" + "\n".join(rows))
    report = embedded(tmp_path / "t.csv", tmp_path / "shards")
    assert (report.embedded, report.skipped_by_reason) == (6, {SkipReason.UNREADABLE: 1})
    assert "X-Amz-Signature=verysecret" in next(iter(asked))
    found = vectors_in(tmp_path / "shards")
    assert found.pop("none") == (None, None)
    assert [one.path for one in skipped_in(tmp_path / "shards")] == ["https://shop.example/none.jpg"]
    assert set(found.values()) == set(wanted.items())
    (tmp_path / "t.csv").write_text(
        "id,path,group,price\n" + "\n".join(rows).replace("verysecret", "anothersecret")
    )
    report = embedded(tmp_path / "t.csv", tmp_path / "shards")
    assert (report.embedded, report.unchanged) == (0, 6)
    assert sorted(asked.values()) == [1, 1, 1, 1, 1, 2], "only what failed is asked again"
    for path in (tmp_path / "shards").iterdir():
        assert b"secret" not in path.read_bytes()
    with seealike.create(tmp_path / "c", encoder=FakeEncoder()) as catalog:
        catalog.index(tmp_path / "shards")
        assert catalog.item("u3").path == "https://shop.example/p/3.jpg?w=9"
        assert catalog.item("file").path == str(tmp_path / "truth" / "005.jpg")
        (skipped,) = catalog.skipped()
        assert skipped.detail == "the picture cannot be fetched: the server answers with the status 404"
        assert catalog.index(tmp_path / "shards").unchanged == 6


@pytest.mark.parametrize("name", ["key", "token", "policy", "st"])
def test_addresses_that_differ_in_any_parameter_are_different_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    web(monkeypatch, lambda url: jpeg(int(url.rpartition("=")[2])))
    wanted = truth(tmp_path, 4)

    def index_of(*numbers: int) -> dict[str, bytes]:
        rows = [f"{place},https://shop.example/get?{name}={n}" for place, n in enumerate(numbers)]
        (tmp_path / "t.csv").write_text("id,path\n" + "\n".join(rows))
        embedded(tmp_path / "t.csv", tmp_path / "shards")
        catalog.index(tmp_path / "shards")
        ids, vectors = catalog.vectors()
        return {one: v.astype(np.float16).tobytes() for one, v in zip(ids, vectors, strict=True)}

    with seealike.create(tmp_path / "c", encoder=FakeEncoder()) as catalog:
        for numbers in ((1,), (1, 2), (3, 2)):
            found = index_of(*numbers)
            truths = [wanted[hashlib.sha256(jpeg(n)).digest()] for n in numbers]
            assert found == {str(place): vector for place, vector in enumerate(truths)}


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_addresses_that_are_ids_and_those_of_repeated_rows_let_nobody_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    web(monkeypatch, lambda _: jpeg(1))
    address = "https://shop.example/{}.jpg?{}={}&w=1"
    paths = [
        address.format("a", "X-Amz-Signature", "verysecret"),
        address.format("a", "X-Amz-Signature", "alsosecret"),
        address.format("b", "token", "verysecret"),
        address.format("b", "token", "alsosecret"),
    ]
    source = tmp_path / f"t.{suffix}"
    if suffix == "parquet":
        pq.write_table(pa.table({"path": paths}), source)
    else:
        lines = ["path", *paths] if suffix == "csv" else [json.dumps({"path": path}) for path in paths]
        source.write_text("\n".join(lines))
    report = embedded(source, tmp_path / "shards")
    assert (report.embedded, report.skipped_by_reason) == (3, {SkipReason.DUPLICATE_ID: 1})
    rows = list(Shards(str(tmp_path / "shards")))
    assert {rows[0].id, rows[0].path, rows[1].path} == {"https://shop.example/a.jpg?w=1"}
    assert "secret" not in str(rows)


def test_addresses_that_are_not_public_are_not_asked(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("id,path\na,http://127.0.0.1/a.jpg\nb,http://169.254.169.254/latest\n")
    assert embedded(tmp_path / "t.csv", tmp_path / "shards").skipped_by_reason == {SkipReason.UNREADABLE: 2}
    assert all("not fetched" in str(row.detail) for row in Shards(str(tmp_path / "shards")))


def test_one_server_is_asked_little_at_a_time_and_another_does_not_wait_for_it() -> None:
    now, most = Counter[str](), Counter[str]()
    guard, together = threading.Lock(), threading.Event()

    def fetch(url: str) -> bytes:
        host = url.split("/")[2]
        with guard:
            now[host] += 1
            most[host] = max(most[host], now[host])
            if now["a"] and now["b"]:
                together.set()
        together.wait(30)
        time.sleep(0.01)
        with guard:
            now[host] -= 1
        return b"x"

    polite = PoliteFetcher(fetch, at_once=2, pause_s=0.0)
    threads = [threading.Thread(target=polite.fetch, args=(f"http://{'ab'[n % 2]}/{n}",)) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert together.is_set()
    assert max(most.values()) <= 2


def test_what_is_read_ahead_comes_in_order_and_a_failure_is_a_row_of_its_own() -> None:
    def fetch(url: str) -> bytes:
        number = int(url.rpartition("/")[2])
        time.sleep(0.001 * (7 - number % 7))
        if number % 5 == 0:
            raise ServiceError("url_failed", f"no {number}")
        return str(number).encode()

    rows = [
        (n, row_of(SourceItem(str(n), f"https://a/{n}" if n % 3 else f"/r/{n}.jpg", 0, 0), "/r"))
        for n in range(100)
    ]
    found = list(PictureReader("/r", seealike.DecodeLimits(), fetch).read(rows))
    assert found == [
        (n, f"/r/{n}.jpg" if n % 3 == 0 else Unread(f"no {n}") if n % 5 == 0 else str(n).encode())
        for n in range(100)
    ]


def test_the_reader_of_a_run_is_closed_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    web(monkeypatch, lambda _: jpeg(1))
    (tmp_path / "t.csv").write_text("id,path\n" + "".join(f"{n},https://a/{n}.jpg\n" for n in range(40)))

    class Failing(FakeEncoder):
        def __init__(self, *_: object, **__: object) -> None:
            super().__init__()

        def embed(self, pictures: Iterator[Picture], *, urgent: bool = False) -> Iterator[Refused]:
            for one in pictures:
                yield Refused(one.token, SkipReason.CORRUPT, "said so")
                raise KeyboardInterrupt

    monkeypatch.setattr(run, "LocalEmbedder", Failing)
    with pytest.raises(KeyboardInterrupt):
        embedded(tmp_path / "t.csv", tmp_path / "shards")
    deadline = time.monotonic() + 30
    while any(thread.name.startswith("seealike-fetch") for thread in threading.enumerate()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
