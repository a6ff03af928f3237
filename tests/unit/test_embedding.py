"""Pictures embedded to shards, and catalogues made of them, against catalogues of the pictures themselves."""

from __future__ import annotations

import json
import os
import sqlite3
import sys
import tarfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing
from pathlib import Path

import numpy as np
import pytest
from tests.pictures import picture, write_pictures

import seealike
from seealike import EmbedOptions, EmbedReport, IndexOptions
from seealike.embedding import parts, skipped_in
from seealike.embedding.reading import PictureReader
from seealike.embedding.work import Made, ShardMaker, Task
from seealike.errors import (
    CatalogBusyError,
    DamagedCatalogError,
    EncoderMismatchError,
    MissingExtraError,
    NewerFormatError,
    SourceError,
    UsageError,
)
from seealike.shards import Shards, open_place, row_of
from seealike.shards.places import LocalPlace
from seealike.sources import FolderSource
from seealike.store.records import text_checksum
from seealike.testing import FakeEncoder
from seealike.types import Picture, Refused, Skipped, SkipReason, SourceItem, Unseen

pytest.importorskip("pyarrow", reason="the extra 'parquet' is not installed")
Prepared = Callable[[], Callable[[Task], Made]]


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shards of a few pictures, so that there are several."""
    for name, value in (("LEAST", 2), ("USUAL", 6), ("MOST", 12)):
        monkeypatch.setattr(parts, name, value)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    write_pictures(folder, range(30))
    write_pictures(folder / "more", range(30, 40), extension="png")
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 nothing")
    (folder / "empty.png").touch()
    (folder / "notes.txt").write_text("no picture")
    return folder


def embedded(source: Path | str, output: Path, options: EmbedOptions | None = None) -> EmbedReport:
    return seealike.embed(source, output, encoder=FakeEncoder(), options=options or EmbedOptions())


def indexed(path: Path, *sources: Path | str, options: IndexOptions | None = None) -> Path:
    with seealike.create(path, encoder=FakeEncoder()) as catalog:
        for source in sources:
            catalog.index(source, options=options or IndexOptions())
    return path


def content(catalog: Path) -> dict[str, list[str]]:
    """All that the database says of pictures, but for the keys, which are drawn in the order of decoding."""
    columns = "id, path, size, mtime, sha256, grp, metadata, width, height, source"
    statements = {
        "items": f"SELECT {columns} FROM items",
        "vectors": "SELECT id, v.data FROM items JOIN vectors v USING (key)",
        "signatures": "SELECT id, colour, hash FROM items JOIN signatures USING (key)",
        "skipped": "SELECT * FROM skipped",
    }
    with closing(sqlite3.connect(catalog / "catalog.sqlite")) as connection:
        return {name: sorted(map(repr, connection.execute(one))) for name, one in statements.items()}


def shards_in(place: Path) -> set[str]:
    return {name for name in os.listdir(place) if name.endswith(".parquet")}


def test_a_catalogue_of_shards_is_the_one_of_the_pictures(photos: Path, tmp_path: Path) -> None:
    report = embedded(photos, tmp_path / "shards")
    assert (report.embedded, report.unchanged, report.skipped_count) == (40, 0, 3)
    assert report.shards == report.written == len(shards_in(tmp_path / "shards")) > 3
    direct = content(indexed(tmp_path / "direct", photos))
    assert content(indexed(tmp_path / "from-shards", tmp_path / "shards")) == direct
    assert [len(direct[name]) for name in ("items", "vectors", "signatures", "skipped")] == [40, 40, 40, 3]


@pytest.mark.skipif(os.name == "nt", reason="names there are text")
def test_a_table_with_labels_and_odd_names_comes_out_of_shards_as_it_went_in(
    photos: Path, tmp_path: Path
) -> None:
    os.rename(os.fsencode(photos / "003.jpg"), os.fsencode(photos) + b"/\xff\xfe.jpg")
    os.rename(photos / "004.jpg", photos / "süß, 鞋.jpg")
    table = tmp_path / "table.csv"
    rows = [f"sku{n},photos/{n:03}.jpg,shirt{n % 4},{n}.5,rot" for n in range(5, 25)]
    rows += [
        "odd,photos/süß\\, 鞋.jpg,,,",
        "gone,photos/none.jpg,,,",
        "sku7,photos/026.jpg,,,",
        "out,/etc/passwd,,,",
    ]
    rows += ["twin,photos/005.jpg,other,,blau"]
    table.write_text(
        "id,path,group,price,farbe\n" + "\n".join(rows).replace("süß\\, 鞋", '"süß, 鞋"'), "utf-8"
    )
    embedded(table, tmp_path / "shards", EmbedOptions(root=tmp_path))
    direct = content(indexed(tmp_path / "direct", table, options=IndexOptions(root=tmp_path)))
    assert content(indexed(tmp_path / "from-shards", tmp_path / "shards")) == direct
    embedded(photos, tmp_path / "folder-shards")
    direct = content(indexed(tmp_path / "direct-folder", photos))
    assert content(indexed(tmp_path / "from-folder-shards", tmp_path / "folder-shards")) == direct


def test_vectors_of_the_default_encoder_are_those_of_index_bit_for_bit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "MOST", 7)  # so that no batch ends where it would end in `index`
    photos = write_pictures(tmp_path / "photos", range(45))[0].parent
    seealike.embed(photos, tmp_path / "shards", encoder="efficientnet-lite0")
    with seealike.create(tmp_path / "c", encoder="efficientnet-lite0") as catalog:
        catalog.index(photos)
        ids, vectors = catalog.vectors()
    rows = {row.id: row.vector for row in Shards(str(tmp_path / "shards"))}
    assert sorted(rows) == sorted(ids)
    for item_id, vector in zip(ids, vectors, strict=True):
        np.testing.assert_array_equal(rows[item_id], vector.astype(np.float16))


def test_what_is_embedded_is_not_read_again(photos: Path, tmp_path: Path) -> None:
    embedded(photos, tmp_path / "shards")
    before = {name: (tmp_path / "shards" / name).read_bytes() for name in shards_in(tmp_path / "shards")}
    report = embedded(photos, tmp_path / "shards")
    assert (report.embedded, report.unchanged, report.written, report.skipped_count) == (0, 40, 0, 3)
    assert {
        name: (tmp_path / "shards" / name).read_bytes() for name in shards_in(tmp_path / "shards")
    } == before


@pytest.mark.parametrize("elsewhere", [False, True])
def test_only_what_is_new_or_changed_is_read(photos: Path, tmp_path: Path, *, elsewhere: bool) -> None:
    embedded(photos, tmp_path / "shards")
    made = indexed(tmp_path / "from-shards", tmp_path / "shards")
    mirror = indexed(tmp_path / "direct", photos)
    before = shards_in(tmp_path / "shards")
    picture(70).save(photos / "000a.jpg")  # at the front: every later one has another number now
    picture(71).save(photos / "020.jpg")
    (photos / "011.jpg").unlink()
    os.utime(photos / "005.jpg", (1, 1))  # read again, and the same
    target = tmp_path / ("later" if elsewhere else "shards")
    options = EmbedOptions(since=str(tmp_path / "shards") if elsewhere else None)
    foreseen = seealike.embed(
        photos, target, encoder=FakeEncoder(), options=EmbedOptions(since=options.since, dry_run=True)
    )
    assert (foreseen.embedded, foreseen.unchanged, foreseen.dry_run) == (3, 37, True)
    assert shards_in(tmp_path / "shards") == before
    report = embedded(photos, target, options)
    assert (report.embedded, report.unchanged) == (2, 38)
    assert report.written == (report.shards if elsewhere else len(shards_in(target) - before))
    assert len(shards_in(target)) == report.shards
    with seealike.open(mirror, encoder=FakeEncoder()) as catalog:
        catalog.index(photos)
    with seealike.open(made, encoder=FakeEncoder()) as catalog:
        told = catalog.index(tmp_path / "shards") if not elsewhere else catalog.index(target)
        if not elsewhere:
            assert (told.added, told.updated, told.removed, told.unchanged) == (1, 1, 1, 38)
    if not elsewhere:
        now = [content(catalog) for catalog in (made, mirror)]
        assert now[0]["items"] == now[1]["items"]
        assert now[0]["vectors"] == now[1]["vectors"]


def test_most_shards_stay_where_a_source_changes_in_one_place(photos: Path, tmp_path: Path) -> None:
    write_pictures(photos, range(100, 220))
    embedded(photos, tmp_path / "shards")
    before = shards_in(tmp_path / "shards")
    picture(70).save(photos / "100a.jpg")
    report = embedded(photos, tmp_path / "shards")
    assert report.embedded == 1
    assert report.written <= 2
    assert len(before & shards_in(tmp_path / "shards")) >= len(before) - 2


def test_a_run_that_was_interrupted_goes_on_and_is_not_taken_for_a_whole_one(
    photos: Path, tmp_path: Path
) -> None:
    done = Counter[str]()

    def stop(progress: seealike.Progress) -> None:
        done.update([progress.stage])
        if done["embed"] == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        seealike.embed(photos, tmp_path / "shards", encoder=FakeEncoder(), progress=stop)
    assert len(shards_in(tmp_path / "shards")) == 2
    with pytest.raises(SourceError, match="is not finished; the same `seealike embed` goes on"):
        indexed(tmp_path / "early", tmp_path / "shards")
    kept = sum(
        row.reason is None for name in shards_in(tmp_path / "shards") for row in rows_of(tmp_path, name)
    )
    report = embedded(photos, tmp_path / "shards")
    assert (report.embedded, report.unchanged) == (40 - kept, kept)
    assert content(indexed(tmp_path / "from-shards", tmp_path / "shards")) == content(
        indexed(tmp_path / "direct", photos)
    )


def test_shards_of_an_interrupted_run_are_read_where_the_work_is_done(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shards, done = tmp_path / "shards", Counter[str]()

    def stop(progress: seealike.Progress) -> None:
        done.update([progress.stage])
        if done["embed"] == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        seealike.embed(photos, shards, progress=stop)
    before, read = shards_in(shards), list[str]()
    real = LocalPlace.read

    def noted(place: LocalPlace, name: str) -> bytes | None:
        read.append(name)
        return real(place, name)

    def on_a_node(_: str, prepared: Prepared, tasks: Iterator[Task], **__: int) -> Iterator[Made]:
        given_out = list(tasks)
        assert not before & set(read), "who gives out the work reads none of it"
        return map(prepared(), given_out)

    monkeypatch.setattr(LocalPlace, "read", noted)
    monkeypatch.setattr("seealike.embedding.run.check_cluster", lambda _: None)
    monkeypatch.setattr("seealike.embedding.run.done_on", on_a_node)
    report = seealike.embed(photos, shards, options=EmbedOptions(on="ray"))
    assert before <= set(read)
    assert (report.embedded + report.unchanged, report.written) == (40, report.shards - 2)


def rows_of(tmp_path: Path, name: str) -> list[seealike.shards.ShardRow]:
    from seealike.shards import read_shard

    return read_shard(open_place(str(tmp_path / "shards")), name)


def test_a_flipped_bit_is_found_and_the_shard_made_anew_once_it_is_taken_away(
    photos: Path, tmp_path: Path
) -> None:
    embedded(photos, tmp_path / "shards")
    name = sorted(shards_in(tmp_path / "shards"))[1]
    data = bytearray((tmp_path / "shards" / name).read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / "shards" / name).write_bytes(data)
    with pytest.raises(DamagedCatalogError, match=f"{name} is damaged .checksum.; take it away"):
        indexed(tmp_path / "c", tmp_path / "shards")
    (tmp_path / "shards" / name).unlink()
    assert embedded(photos, tmp_path / "shards").written == 1
    assert name in shards_in(tmp_path / "shards")
    with seealike.open(tmp_path / "c", encoder=FakeEncoder()) as catalog:
        assert catalog.index(tmp_path / "shards").added == 40


def test_a_shard_of_a_killed_run_that_is_damaged_is_made_anew(photos: Path, tmp_path: Path) -> None:
    embedded(photos, tmp_path / "shards")
    name = min(shards_in(tmp_path / "shards"))
    (tmp_path / "shards" / name).write_bytes(b"half")
    manifest = tmp_path / "shards" / "shards.json"
    manifest.unlink()
    for other in shards_in(tmp_path / "shards"):
        (tmp_path / other).write_bytes((tmp_path / "shards" / other).read_bytes())
        (tmp_path / "shards" / other).unlink()
    (tmp_path / "shards" / "writer.lock").unlink()
    with pytest.raises(KeyboardInterrupt):
        seealike.embed(
            photos, tmp_path / "shards", encoder=FakeEncoder(), progress=raising(KeyboardInterrupt)
        )
    for kept in tmp_path.glob("*.parquet"):
        kept.rename(tmp_path / "shards" / kept.name)
    report = embedded(photos, tmp_path / "shards")
    assert report.written == 1
    assert len(list(Shards(str(tmp_path / "shards")))) == 43


def raising(error: type[BaseException]) -> Callable[[seealike.Progress], None]:
    def call(_: seealike.Progress) -> None:
        raise error

    return call


def test_vectors_of_another_encoder_are_refused(photos: Path, tmp_path: Path) -> None:
    embedded(photos, tmp_path / "shards")
    other = FakeEncoder(dimension=8)
    with pytest.raises(UsageError, match="holds vectors of"):
        seealike.embed(photos, tmp_path / "shards", encoder=other)
    options = EmbedOptions(since=str(tmp_path / "shards"))
    with pytest.raises(UsageError, match="holds vectors of"):
        seealike.embed(photos, tmp_path / "new", encoder=other, options=options)
    with seealike.create(tmp_path / "c", encoder=other) as catalog, pytest.raises(EncoderMismatchError):
        catalog.index(tmp_path / "shards")


def test_a_folder_of_other_files_is_refused(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"holds other files, such as .*; name a new or empty folder"):
        embedded(photos, photos)
    assert not {"shards.json", "writer.lock"} & set(os.listdir(photos))


def test_a_folder_keeps_the_vectors_of_its_own_source(photos: Path, tmp_path: Path) -> None:
    embedded(photos, tmp_path / "shards")
    before = shards_in(tmp_path / "shards")
    write_pictures(tmp_path / "others", range(3))
    for dry_run in (True, False):
        with pytest.raises(UsageError, match=r"holds the vectors of .*photos, not of .*others; name another"):
            embedded(tmp_path / "others", tmp_path / "shards", EmbedOptions(dry_run=dry_run))
    assert shards_in(tmp_path / "shards") == before
    assert embedded(os.path.relpath(photos), tmp_path / "shards").unchanged == 40, "another name of the same"


def test_another_source_of_the_same_name_is_another_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, name in enumerate("ab"):
        (tmp_path / name).mkdir()
        (path,) = write_pictures(tmp_path / name / "photos", range(number, number + 1))
        with tarfile.open(tmp_path / name / "photos.tar", "w") as archive:
            archive.add(path, path.name)
        (tmp_path / name / "photos.csv").write_text(f"id,path\n{name},photos/{path.name}\n")
    (tmp_path / "a" / "others.csv").write_text(f"id,path\nother,photos/{path.name}\n")
    for source in ("photos", "photos.tar", "photos.csv"):
        shards = tmp_path / f"{source} shards"
        monkeypatch.chdir(tmp_path / "a")
        embedded(source, shards)
        before = vectors_of(shards)
        with pytest.raises(
            UsageError, match=r"holds the vectors of .*photos.*, not of .*a/others\.csv; name"
        ):
            embedded("others.csv", shards)
        monkeypatch.chdir(tmp_path / "b")
        with pytest.raises(
            UsageError, match=rf"holds the vectors of .*a/{source}, not of .*b/{source}; name"
        ):
            embedded(source, shards)
        assert vectors_of(shards) == before
        assert embedded(f"../a/{source}", shards).unchanged == 1


def test_pictures_of_another_folder_are_not_taken_for_those_of_one_name(tmp_path: Path) -> None:
    for number, name in enumerate("ab"):
        (path,) = write_pictures(tmp_path / name / "photos", range(number, number + 1), extension="bmp")
        os.rename(path, tmp_path / name / "photos" / "x.bmp")
        os.utime(tmp_path / name / "photos" / "x.bmp", (0, 0))
    sizes = {path.stat().st_size for path in tmp_path.rglob("*.bmp")}
    assert len(sizes) == 1, "they differ by their content alone"
    embedded(tmp_path / "a" / "photos", tmp_path / "shards")
    (wanted,) = vectors_of(tmp_path / "shards").values()
    since = EmbedOptions(since=str(tmp_path / "shards"))
    assert embedded(tmp_path / "b" / "photos", tmp_path / "others", since).embedded == 1
    assert vectors_of(tmp_path / "others") != {"x.bmp": wanted}
    os.rename(tmp_path / "a", tmp_path / "moved")  # the same pictures, which are only compared
    report = embedded(tmp_path / "moved" / "photos", tmp_path / "third", since)
    assert (report.embedded, vectors_of(tmp_path / "third")) == (0, {"x.bmp": wanted})


def vectors_of(shards: Path) -> dict[str, bytes]:
    return {row.id: row.vector.tobytes() for row in Shards(str(shards)) if row.vector is not None}


def test_what_another_run_finishes_before_the_turn_is_seen(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = LocalPlace.locked

    def late(place: LocalPlace) -> AbstractContextManager[None]:
        monkeypatch.setattr(LocalPlace, "locked", real)
        embedded(photos, tmp_path / "shards")
        return real(place)

    monkeypatch.setattr(LocalPlace, "locked", late)
    with pytest.raises(UsageError, match="holds vectors of"):
        seealike.embed(photos, tmp_path / "shards", encoder=FakeEncoder(dimension=8))
    assert len(vectors_of(tmp_path / "shards")) == 40


@pytest.mark.parametrize("hidden", ["more", "more/035.png"])
def test_what_cannot_be_looked_at_keeps_its_vectors(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hidden: str
) -> None:
    embedded(photos, tmp_path / "shards")
    before = vectors_of(tmp_path / "shards")
    catalog = content(indexed(tmp_path / "before", tmp_path / "shards"))
    real = FolderSource.scan

    def scan(source: FolderSource) -> Iterator[SourceItem | Skipped]:
        told = False
        for entry in real(source):
            if entry.id != hidden and not entry.id.startswith(f"{hidden}/"):
                yield entry
            elif not told:
                told = True
                path = os.path.join(source.root, hidden)
                yield Unseen(hidden, path, SkipReason.UNREADABLE, "a stale handle", below=True)

    monkeypatch.setattr(FolderSource, "scan", scan)
    report = embedded(photos, tmp_path / "shards")
    assert (report.embedded, report.unchanged) == (0, 40)
    assert report.skipped_count == (4 if hidden == "more" else 3)
    assert vectors_of(tmp_path / "shards") == before
    now = content(indexed(tmp_path / "now", tmp_path / "shards"))
    assert {**now, "skipped": []} == {**catalog, "skipped": []}
    monkeypatch.undo()
    assert embedded(photos, tmp_path / "shards").embedded == 0


def test_a_damaged_shard_of_an_earlier_run_may_be_taken_away(photos: Path, tmp_path: Path) -> None:
    embedded(photos, tmp_path / "shards")
    damaged = tmp_path / "shards" / min(shards_in(tmp_path / "shards"))
    data = bytearray(damaged.read_bytes())
    data[len(data) // 2] ^= 1
    damaged.write_bytes(data)
    since = EmbedOptions(since=str(tmp_path / "shards"))
    with pytest.raises(DamagedCatalogError, match=r"take it away, and the same `seealike embed`"):
        embedded(photos, tmp_path / "others", since)
    damaged.unlink()
    report = embedded(photos, tmp_path / "others", since)
    assert report.embedded + report.unchanged == 40
    assert 0 < report.embedded < 20


def test_shards_among_the_pictures_are_none(photos: Path, tmp_path: Path) -> None:
    embedded(photos, photos / "vectors")
    report = embedded(photos, photos / "vectors")
    assert (report.embedded, report.unchanged, report.skipped_count) == (0, 40, 3)


def test_two_runs_do_not_write_at_once(photos: Path, tmp_path: Path) -> None:
    def second(_: seealike.Progress) -> None:
        with pytest.raises(CatalogBusyError):
            embedded(photos, tmp_path / "shards")

    seealike.embed(photos, tmp_path / "shards", encoder=FakeEncoder(), progress=second)


def test_a_source_without_anything_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    with pytest.raises(SourceError, match=r"there is nothing to embed in .*none/; put pictures there"):
        embedded(tmp_path / "none", tmp_path / "shards")
    (photos,) = {path.parent for path in write_pictures(tmp_path / "photos", range(2))}
    assert embedded(photos, tmp_path / "shards").embedded == 2, "the folder is still nobody's"


def test_a_manifest_of_a_newer_version_says_so(photos: Path, tmp_path: Path) -> None:
    embedded(photos, tmp_path / "shards")
    path = tmp_path / "shards" / "shards.json"
    content = json.loads(path.read_text())
    for changed, error in (
        ({"format_version": 99, "new": 1}, NewerFormatError),
        ({"new": 1}, DamagedCatalogError),
    ):
        newer = {name: value for name, value in {**content, **changed}.items() if name != "crc32"}
        crc32 = text_checksum(json.dumps(newer, sort_keys=True))
        path.write_text(json.dumps({**newer, "crc32": crc32}))
        with pytest.raises(error):
            embedded(photos, tmp_path / "shards")
        with pytest.raises(error):
            Shards(str(tmp_path / "shards"))


@pytest.mark.parametrize("written", ["[]", "[1]", "1", '"crc32"', "{", '{"crc32": 1}'])
def test_a_manifest_of_another_program_is_one_line(photos: Path, tmp_path: Path, written: str) -> None:
    (tmp_path / "shards").mkdir()
    (tmp_path / "shards" / "shards.json").write_text(written)
    with pytest.raises(DamagedCatalogError, match=r"shards\.json is damaged"):
        embedded(photos, tmp_path / "shards")
    with pytest.raises(DamagedCatalogError, match=r"shards\.json is damaged"):
        indexed(tmp_path / "c", tmp_path / "shards")


def test_what_is_skipped_is_told_with_its_reason(photos: Path, tmp_path: Path) -> None:
    embedded(photos, tmp_path / "shards")
    with seealike.create(tmp_path / "c", encoder=FakeEncoder()) as catalog:
        catalog.index(photos)
        assert sorted(skipped_in(tmp_path / "shards"), key=lambda row: row.id) == list(catalog.skipped())


class Stalled(FakeEncoder):
    """No encoder, but the embedder of one that refuses everything once."""

    def __init__(self, reason: SkipReason) -> None:
        super().__init__()
        self.reason = reason

    def embed(self, pictures: Iterator[Picture], *, urgent: bool = False) -> Iterator[Refused]:
        yield from (Refused(one.token, self.reason, "said so") for one in pictures)


@pytest.mark.parametrize(("reason", "tried_again"), [(SkipReason.STALLED, True), (SkipReason.CORRUPT, False)])
def test_what_may_be_read_tomorrow_is_tried_again(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reason: SkipReason, *, tried_again: bool
) -> None:
    from seealike.embedding import run

    class Refusing(Stalled):
        def __init__(self, *_: object, **__: object) -> None:
            super().__init__(reason)

    with monkeypatch.context() as patched:
        patched.setattr(run, "LocalEmbedder", Refusing)
        assert embedded(photos, tmp_path / "shards").skipped_by_reason == {reason: 43}
    report = embedded(photos, tmp_path / "shards")
    assert report.embedded == (40 if tried_again else 0)


def test_limits_that_are_raised_let_what_was_too_large_be_tried_again(photos: Path, tmp_path: Path) -> None:
    small = EmbedOptions(limits=seealike.DecodeLimits(pixels=1000))
    assert embedded(photos, tmp_path / "shards", small).skipped_by_reason[SkipReason.TOO_MANY_PIXELS] == 40
    report = embedded(photos, tmp_path / "shards")
    assert (report.embedded, report.skipped_count) == (40, 3)


def test_pictures_may_lie_elsewhere_where_shards_are_indexed(photos: Path, tmp_path: Path) -> None:
    embedded(photos, tmp_path / "shards")
    photos.rename(tmp_path / "moved")
    with seealike.create(tmp_path / "c", encoder=FakeEncoder()) as catalog:
        catalog.index(tmp_path / "shards", options=IndexOptions(root=tmp_path / "moved"))
        path = catalog.item("000.jpg").path
        assert path == str(tmp_path / "moved" / "000.jpg")
        assert catalog.index(tmp_path / "shards").unchanged == 40  # the root is remembered


def test_nothing_is_decoded_where_shards_are_indexed(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    embedded(photos, tmp_path / "shards")
    from seealike.catalog import changer

    monkeypatch.delattr(changer, "LocalEmbedder")
    for path in photos.rglob("*.*"):
        path.unlink()
    with seealike.create(tmp_path / "c", encoder=FakeEncoder()) as catalog:
        assert catalog.index(tmp_path / "shards").added == 40


def test_a_missing_package_is_named_before_any_work(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'seealike\[parquet\]'"):
        embedded(photos, tmp_path / "shards")
    assert not (tmp_path / "shards").exists()


def test_equal_tasks_make_equal_shards(photos: Path, tmp_path: Path) -> None:
    from seealike.catalog import LocalEmbedder, NamedEncoder

    encoder = FakeEncoder()
    entry = SourceItem("a", str(photos / "000.jpg"), 1, 2)
    part = parts.Part("x" * 32, (row_of(entry, str(photos)),))
    place = open_place(str(tmp_path / "shards"))
    with closing(LocalEmbedder(NamedEncoder(encoder))) as embedder:
        reader = PictureReader(str(photos), seealike.DecodeLimits())
        maker = ShardMaker(embedder, place, place, reader)
        assert maker.make(Task(3, part)) == maker.make(Task(3, part))
    assert len(shards_in(tmp_path / "shards")) == 1
