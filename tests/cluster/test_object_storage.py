"""Pictures and shards on object storage, which a server on this machine gives."""

from __future__ import annotations

import hashlib
import io
import os
import signal
import socket
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.conftest import typed as typed  # noqa: PLC0414  a fixture
from tests.cluster.conftest import SECRET
from tests.commands import Call
from tests.pictures import write_pictures
from tests.unit.test_embedding import content, indexed

import seealike
from seealike import EmbedOptions, EmbedReport, objects
from seealike.embedding import parts
from seealike.errors import DamagedCatalogError, SourceError, StorageError, UsageError
from seealike.objects import ObjectStore, without_secrets
from seealike.shards import MANIFEST_NAME, Shards, made_of
from seealike.testing import FakeEncoder
from seealike.types import SkipReason


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("LEAST", 2), ("USUAL", 6), ("MOST", 12)):
        monkeypatch.setattr(parts, name, value)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    write_pictures(folder, range(20))
    write_pictures(folder / "more süß", range(20, 25), extension="png")
    (folder / "empty.jpg").touch()
    return folder


def embedded(source: object, output: object, options: EmbedOptions | None = None) -> EmbedReport:
    return seealike.embed(str(source), str(output), encoder=FakeEncoder(), options=options or EmbedOptions())


def uploaded(folder: Path, address: str) -> ObjectStore:
    store = ObjectStore(address)
    for path in sorted(folder.rglob("*.*")):
        store.write(path.relative_to(folder).as_posix(), path.read_bytes())
    return store


def vectors_of(catalog: Path) -> dict[str, bytes]:
    with seealike.open(catalog, encoder=FakeEncoder()) as opened:
        ids, vectors = opened.vectors()
        return {one: vector.tobytes() for one, vector in zip(ids, vectors, strict=True)}


def test_shards_on_object_storage_give_the_catalogue_that_the_pictures_give(
    bucket: str, photos: Path, tmp_path: Path
) -> None:
    output = f"{bucket}/a b/shards"
    report = embedded(photos, output)
    assert (report.embedded, report.skipped_by_reason) == (25, {SkipReason.EMPTY_FILE: 1})
    assert embedded(photos, output).written == 0
    made = indexed(tmp_path / "c", output)
    assert content(made) == content(indexed(tmp_path / "direct", photos))
    (photos / "003.jpg").unlink()
    report = embedded(photos, output)
    assert (report.embedded, report.unchanged) == (0, 24)
    assert len([name for name in ObjectStore(output).names() if made_of(name)]) == report.shards
    with seealike.open(made, encoder=FakeEncoder()) as catalog:
        assert catalog.index(output).removed == 1
        assert catalog.index().unchanged == 24
        assert catalog.sources()[0].place == output


def test_objects_are_pictures_with_their_keys_as_ids(bucket: str, photos: Path, tmp_path: Path) -> None:
    store = uploaded(photos, f"{bucket}/photos")
    store.write(".hidden/x.jpg", b"no")
    report = embedded(f"{bucket}/photos/", tmp_path / "shards")
    assert (report.embedded, report.skipped_by_reason) == (25, {SkipReason.EMPTY_FILE: 1})
    assert embedded(f"{bucket}/photos", tmp_path / "shards").embedded == 0
    assert vectors_of(indexed(tmp_path / "c", tmp_path / "shards")) == vectors_of(
        indexed(tmp_path / "direct", photos)
    )
    with seealike.open(tmp_path / "c", encoder=FakeEncoder()) as catalog:
        assert catalog.item("more süß/021.png").path == f"{bucket}/photos/more süß/021.png"
        assert catalog.index(tmp_path / "shards").unchanged == 25
    store.write("001.jpg", (photos / "002.jpg").read_bytes())
    assert embedded(f"{bucket}/photos", tmp_path / "shards").embedded == 1


@pytest.mark.parametrize("prefix", ["a b", "a%20b", "a#b", "süß", "a+b"])
def test_a_prefix_is_taken_as_it_is_written(bucket: str, photos: Path, tmp_path: Path, prefix: str) -> None:
    whole = ObjectStore(bucket)
    for number, folder in enumerate(("a b", "a%20b", "a#b", "süß", "a+b", "a")):
        whole.write(f"{folder}/x.jpg", (photos / f"{number:03}.jpg").read_bytes())
    (found,) = ObjectStore(f"{bucket}/{prefix}").names()
    assert found == "x.jpg"
    embedded(f"{bucket}/{prefix}", f"{bucket}/shards of {prefix}")
    (row,) = Shards(f"{bucket}/shards of {prefix}")
    assert row.sha256 == hashlib.sha256(whole.read(f"{prefix}/x.jpg") or b"").digest()
    assert [name.split("/")[0] for name in whole.names() if name.endswith(MANIFEST_NAME)] == [
        f"shards of {prefix}"
    ]


def test_archives_on_object_storage_are_read_in_parts(bucket: str, photos: Path, tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path in sorted(photos.glob("*.jpg")):
            archive.add(path, path.name)
    ObjectStore(f"{bucket}/sets").write("train.tar", buffer.getvalue())
    for number, source in enumerate((f"{bucket}/sets", f"{bucket}/sets/train.tar")):
        report = embedded(source, tmp_path / f"shards{number}")
        assert (report.embedded, report.skipped_by_reason) == (20, {SkipReason.EMPTY_FILE: 1})
    direct = vectors_of(indexed(tmp_path / "direct", photos))
    found = vectors_of(indexed(tmp_path / "c", tmp_path / "shards1"))
    assert found == {f"train.tar/{name}": vector for name, vector in direct.items() if "/" not in name}


def test_no_credential_is_in_what_is_written_or_said(
    bucket: str, photos: Path, tmp_path: Path, typed: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = typed("embed", photos, "-o", f"{bucket}/v", "--report", tmp_path / "r.jsonl")
    assert told.code == 0, told.err
    assert told.out.endswith(f"`seealike index {bucket}/v --catalog DIR` makes a catalogue of them\n")
    assert typed("index", f"{bucket}/v").code == 2
    indexed_told = typed("index", f"{bucket}/v", "-C", tmp_path / "c")
    assert (indexed_told.code, indexed_told.out.split("  ")[0]) == (0, "added 25")
    missing = typed("index", f"{bucket}/none", "-C", tmp_path / "d")
    assert (missing.code, missing.err) == (1, f"seealike: there is no {bucket}/none\n")
    said = [told, indexed_told, missing, typed("info", "-C", tmp_path / "c")]
    monkeypatch.setenv("AWS_ENDPOINT_URL", os.environ["AWS_ENDPOINT_URL"].replace("http://", "http://u:pw@"))
    said.append(typed("embed", photos, "-o", "s3://nobody-has-this-one/v"))
    assert said[-1].code == 1
    assert said[-1].err.startswith("seealike: cannot read s3://nobody-has-this-one/v: ")
    for one in said:
        assert SECRET not in one.out + one.err
        assert "pw@" not in one.out + one.err
    monkeypatch.undo()
    for path in (tmp_path / "c").rglob("*"):
        assert not path.is_file() or SECRET.encode() not in path.read_bytes()


def test_shards_on_object_storage_are_checked(bucket: str, photos: Path, tmp_path: Path) -> None:
    embedded(photos, f"{bucket}/v")
    store = ObjectStore(f"{bucket}/v")
    name = next(filter(made_of, store.names()))
    data = bytearray(store.read(name) or b"")
    data[-1] ^= 1
    store.write(name, bytes(data))
    with pytest.raises(DamagedCatalogError, match=r"checksum"):
        list(Shards(f"{bucket}/v"))
    store.remove(name)
    store.remove(name)
    with pytest.raises(SourceError, match="any more; if it was embedded anew, run again"):
        list(Shards(f"{bucket}/v"))
    store.write(MANIFEST_NAME, b"{}")
    with pytest.raises(DamagedCatalogError):
        Shards(f"{bucket}/v")


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("ftp://a/b", "unknown kind of address"),
        ("s3://", "BUCKET/PREFIX is an address; credentials come from the environment"),
        ("s3://key:secret@bucket/x", "credentials come from the environment"),
        ("s3://bucket/x?token=1", "credentials come from the environment"),
    ],
)
def test_what_is_no_address_is_refused(address: str, message: str, tmp_path: Path, photos: Path) -> None:
    pytest.importorskip("obstore")
    with pytest.raises(UsageError, match=message) as caught:
        embedded(photos, address)
    assert "secret" not in str(caught.value)


def test_a_storage_that_does_not_answer_is_one_line(
    bucket: str, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(
        StorageError, match=r"^cannot read s3://none-such/x: the storage answers 404 Not Found; .* a bucket$"
    ):
        embedded(photos, "s3://none-such/x")
    for name, value, message in (
        ("AWS_ALLOW_HTTP", "false", "its server is refused; .* without TLS needs AWS_ALLOW_HTTP=true$"),
        (
            "AWS_ENDPOINT_URL",
            "https://127.0.0.1:9",
            "its server does not answer; .* AWS_ENDPOINT_URL are right$",
        ),
        (
            "AWS_ACCESS_KEY_ID",
            None,
            "there are no credentials; .*; credentials come from the environment, see",
        ),
    ):
        with monkeypatch.context() as changed:
            if value is None:
                changed.delenv(name)
            else:
                changed.setenv(name, value)
            with pytest.raises(StorageError, match=message) as caught:
                embedded(photos, f"{bucket}/v")
            assert "http:" not in str(caught.value)


@pytest.fixture
def silent(credentials: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """What takes connections in the place of the storage, and never says a word."""
    pytest.importorskip("obstore", reason="the extra 'cloud' is not installed")
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", "http://{}:{}".format(*server.getsockname()))
        yield server


def test_a_storage_that_hangs_is_given_up(silent: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_TIMEOUT", "1 second")
    monkeypatch.setattr(objects, "TRIED_S", 0.4)
    for ask in (lambda store: store.read("x"), lambda store: [*store.names()], lambda s: s.write("x", b"")):
        with pytest.raises(StorageError, match=r"^cannot (read|write) s3://b/v: "):
            ask(ObjectStore("s3://b/v"))


@pytest.mark.skipif(os.name == "nt", reason="there are no signals there")
@pytest.mark.timeout(120)
def test_ctrl_c_ends_what_waits_for_a_storage_that_hangs(silent: socket.socket, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "seealike", "index", "s3://b/v", "-C", str(tmp_path / "c")]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as child, silent.accept()[0]:
        child.send_signal(signal.SIGINT)  # while it waits
        told = child.communicate()[1]
    assert (child.returncode, told.split(";")[0].strip()) == (130, "seealike: interrupted")


def test_what_signs_an_address_is_left_out_and_nothing_else() -> None:
    assert (
        without_secrets("https://u:p@a.b/c.jpg?x=1&X-Amz-Signature=s&y=2&Expires=9")
        == "https://a.b/c.jpg?x=1&y=2"
    )
    assert without_secrets("https://a.b/c?id=5&sig=s&sv=2&SE=9&st=1") == "https://a.b/c?id=5"
    for public in ("c?id=5&size=9", "c?key=5&keyword=shoe&state=1&st=3", "c?policy=a&expires=never&tokens=2"):
        assert without_secrets(f"https://a.b/{public}") == f"https://a.b/{public}"
    hashed = {without_secrets(f"https://a.b/c?token={token}&w=1") for token in ("one", "two")}
    digests = (hashlib.sha256(token).hexdigest()[:16] for token in (b"one", b"two"))
    assert hashed == {f"https://a.b/c?token=sha256-{digest}&w=1" for digest in digests}
    assert without_secrets("/photos/a?token=1.jpg") == "/photos/a?token=1.jpg"
