"""What is missing, mistaken or closed: one line that helps, and an honest exit code."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from tests.pictures import write_pictures

import seealike
from seealike.catalog import verify
from seealike.cli.main import run
from seealike.errors import UnknownItemError, UsageError
from seealike.store import SqliteStore, sqlite

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def indexed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shop") / "photos"
    write_pictures(folder / "shirts", range(4))
    write_pictures(folder / "shoes", range(4, 8))
    assert run(["index", str(folder), "--quiet"]) == 0
    return folder


@pytest.fixture
def typed(indexed: Path, capfd: pytest.CaptureFixture[str]) -> Call:
    def call(command: str, *arguments: str | Path, catalog: str | Path | None = None) -> tuple[int, str, str]:
        code = run([command, *map(str, arguments), "-C", str(catalog or indexed)])
        out, err = capfd.readouterr()
        return code, out, err

    return call


def test_people_are_told_which_catalogue_was_found_unless_it_is_right_here(
    indexed: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def said(*more: str) -> str:
        assert run(["search", "--id", "shirts/000.jpg", *more]) == 0
        return capfd.readouterr().err

    monkeypatch.chdir(indexed / "shirts")
    assert said() == ""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert said() == f"in {os.path.join('..', '.seealike')}:\n"
    assert said("--quiet") == said("-C", str(indexed)) == ""
    monkeypatch.chdir(indexed)
    assert said() == ""


def test_the_name_of_a_file_leads_to_the_id_that_a_table_gives_it(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    write_pictures(tmp_path / "images", range(3))
    (tmp_path / "t.csv").write_text("id,path\nsku-a,images/000.jpg\nsku-b,images/001.jpg\n")
    assert run(["index", str(tmp_path / "t.csv"), "-q"]) == 0
    for name in ("001.jpg", "images/001.jpg"):
        assert run(["search", "--id", name, "-C", str(tmp_path)]) == 1
        assert "it is the file of the item 'sku-b'" in capfd.readouterr().err
    assert run(["search", "--id", "002.jpg", "-C", str(tmp_path)]) == 1
    assert "item '" not in capfd.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        (("search", "--id", "shrts/001.jpg"), "shirts/001.jpg"),
        (("search", "--id", "000.jpg"), "shirts/000.jpg"),
        (("search", "--id", "photos/shoes/005.jpg"), "shoes/005.jpg"),
        (("recommend", "--like", "SHOES/005.jpg"), "shoes/005.jpg"),
        (("rm", "shoos/006.jpg"), "shoes/006.jpg"),
    ],
)
def test_an_unknown_id_is_told_from_one_that_was_meant(
    arguments: tuple[str, ...], meant: str, typed: Call
) -> None:
    code, out, err = typed(*arguments)
    assert (code, out) == (1, "")
    assert f"no item has the id {arguments[-1]!r}; did you mean {meant}" in err
    assert err.count("\n") == 1


def test_an_id_like_no_other_is_told_where_the_ids_are(typed: Call) -> None:
    code, _, err = typed("search", "--id", "%_q\x1b")
    assert code == 1
    assert "`seealike ls` lists the ids" in err
    assert "\x1b" not in err


def test_looking_for_what_was_meant_reads_a_few_ids_however_many_there_are(
    indexed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "_NEAR", 2)
    fetch, read = SqliteStore._fetch, []

    def counting(self: SqliteStore, statement: str, parameters: Sequence[object]) -> list[tuple[object, ...]]:
        rows = fetch(self, statement, parameters)
        read.extend(rows)
        return rows

    monkeypatch.setattr(SqliteStore, "_fetch", counting)
    with seealike.open(indexed / ".seealike") as catalog:
        for item_id in ("s", "shirts/002.jp", ".jpg", "x" * 100_000):
            read.clear()
            with pytest.raises(UnknownItemError):
                catalog.item(item_id)
            assert len(read) <= 3 * 2


@pytest.mark.parametrize(("name", "meant"), [("serch", "search"), ("lst", "ls"), ("Index", "index")])
def test_an_unknown_command_is_told_from_one_that_was_meant(
    name: str, meant: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run([name, "x"]) == 2
    assert f"there is no command {name!r}; did you mean {meant}" in capfd.readouterr().err


def test_an_unknown_option_is_told_from_one_that_was_meant(typed: Call) -> None:
    code, _, err = typed("search", "x.jpg", "--min-scor", "1")
    assert code == 2
    assert "--min-score" in err


def test_a_file_where_an_id_is_needed_and_an_id_where_a_file_is(
    typed: Call, indexed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    photo = indexed / "shirts" / "000.jpg"
    for arguments, said in (
        (("search", "--id", str(photo)), "it is a file: leave out --id"),
        (("recommend", "--like", str(photo)), "it is a file: say --like-file"),
        (("search", "--id", str(photo)), "or name its item: 'shirts/000.jpg'"),
        (("search", "shirts/000.jpg"), "no such file, but it is the id of an item: say --id"),
        (
            ("recommend", "--like-file", "shirts/000.jpg"),
            "no such file, but it is the id of an item: say --like",
        ),
    ):
        code, out, err = typed(*arguments)
        assert (code, out) == (1, "")
        assert said in err
        assert err.count("\n") == 1
    assert typed("search", photo, "--format", "paths")[0] == 0
    assert typed("search", "--id", "shirts/000.jpg", "--format", "paths")[0] == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("search", "x.jpg", "--min-score", "nan"), "nan is no finite number"),
        (("search", "x.jpg", "--min-score", "inf"), "inf is no finite number"),
        (("index", "x", "--wait", "nan"), "nan is no finite number"),
        (("reindex", "--encoder", "x", "--wait", "nan"), "nan is no finite number"),
        (("map", "--budget", "nan"), "nan is no finite number"),
        (("search", "x.jpg", "--null"), "--null goes with --format paths"),
        (("ls", "--null", "--format", "csv"), "--null goes with --format paths"),
        (("search", "--id", "--text", "red"), "--id goes with the ids"),
        (("search", "-", "-"), "can be read once"),
        (("recommend", "--all", "-o", "x.csv", "--format", "jsonl"), "goes into a file that ends in .jsonl"),
        (("recommend", "--all", "-o", "x.csv", "--format", "table"), "is for standard output"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments: tuple[str, ...], said: str, typed: Call) -> None:
    code, out, err = typed(*arguments)
    assert (code, out) == (2, "")
    assert said in " ".join(err.split())


def test_an_empty_catalogue_says_so_and_the_lists_from_before_stay(typed: Call, tmp_path: Path) -> None:
    empty = tmp_path / "empty.catalog"
    seealike.create(empty).close()
    query = tmp_path / "q" / "000.jpg"
    write_pictures(query.parent, range(1))
    lists = tmp_path / "lists.csv"
    lists.write_text("id,rank,similar_id,score\na,1,b,0.5\n")
    for arguments in (
        ("search", query),
        ("recommend", "--like-file", query),
        ("recommend", "--all", "-o", lists),
    ):
        code, out, err = typed(*arguments, catalog=empty)
        assert (code, out) == (1, "")
        assert f"{empty} is empty; `seealike index SOURCE` adds pictures" in err
        assert err.count("\n") == 1
    assert "a,1,b" in lists.read_text()
    with seealike.open(empty) as catalog:
        assert catalog.search(query) == []


def test_an_empty_catalogue_says_where_its_skipped_files_are_listed(typed: Call, tmp_path: Path) -> None:
    (tmp_path / "spoilt").mkdir()
    (tmp_path / "spoilt" / "a.jpg").write_bytes(b"")
    with seealike.create(tmp_path / "c") as catalog:
        catalog.index(tmp_path / "spoilt")
    code, _, err = typed("recommend", "--all", catalog=tmp_path / "c")
    assert code == 1
    assert "1 file skipped; `seealike ls --skipped` lists them" in err


class Endless(io.RawIOBase):
    """A stream without end that counts what is taken from it."""

    taken = 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        assert 0 < size < 10_000, "everything there is"
        self.taken += size
        return b"\xff" * size


def test_standard_input_is_read_up_to_the_size_a_file_may_have(
    typed: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = Endless()

    class Input:
        buffer = stream

    monkeypatch.setattr(sys, "stdin", Input())
    code, out, err = typed("search", "-", "--limit", "file-mb=0.005")
    assert (code, out) == (1, "")
    assert err.startswith("seealike: -: file_too_large: ")
    assert stream.taken <= 5001


def shell(line: str, folder: Path) -> subprocess.CompletedProcess[str]:
    command = line.replace("seealike", f"{sys.executable} -m seealike", 1)
    environment = os.environ | {"PYTHONPATH": str(Path(seealike.__file__).parents[1])}
    return subprocess.run(
        ["sh", "-c", command],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such shell")
@pytest.mark.parametrize("closed", ["2>&-", ">&-", "<&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_a_closed_stream_stops_no_work_and_the_exit_code_is_that_of_the_work(
    closed: str, tmp_path: Path
) -> None:
    write_pictures(tmp_path / "photos", range(3))
    (tmp_path / "photos" / "spoilt.jpg").write_bytes(b"")
    done = shell(f"seealike index photos {closed}", tmp_path)
    assert done.returncode == 0, done.stderr
    assert "error" not in done.stderr
    with seealike.open(tmp_path / "photos" / ".seealike") as catalog:
        assert len(catalog) == 3
        assert catalog.verify().ok
    assert shell(f"seealike info {closed}", tmp_path).returncode == 0
    assert shell(f"seealike search --id nothing {closed}", tmp_path).returncode == 1


@pytest.mark.skipif(os.name == "nt", reason="Windows keeps a folder that is used")
def test_a_working_directory_that_is_gone_is_said(tmp_path: Path) -> None:
    (tmp_path / "gone").mkdir()
    done = shell("cd gone && rmdir ../gone && seealike info", tmp_path)
    assert done.returncode == 1
    assert "the working directory is gone" in done.stderr
    assert done.stderr.count("\n") == 1


# -- ls ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalogue of a table with groups and metadata, and two rows that are skipped."""
    folder = tmp_path_factory.mktemp("table")
    write_pictures(folder, range(3))
    (folder / "products.csv").write_text(
        "id,path,group,colour,price\n"
        "a,000.jpg,g1,red,12.5\nb,001.jpg,g1,,3.25\nc\x1b[31m,002.jpg,,=blue,\nd,nowhere.jpg,,,\n"
    )
    assert run(["index", str(folder / "products.csv"), "-C", str(folder / "c"), "-q"]) == 0
    return folder


def test_ls_lists_every_item_in_every_format(typed: Call, table: Path) -> None:
    paths = [str(table / f"{number:03}.jpg") for number in range(3)]
    listed = json.loads(typed("ls", "--format", "json", catalog=table / "c")[1])
    assert [(row["id"], row["path"], row["group"]) for row in listed] == list(
        zip(["a", "b", "c\x1b[31m"], paths, ["g1", "g1", None], strict=True)
    )
    assert listed[0]["metadata"] == {"colour": "red", "price": 12.5}
    assert (listed[0]["width_px"], listed[0]["height_px"]) == (96, 72)
    lines = typed("ls", "--format", "jsonl", catalog=table / "c")[1].splitlines()
    assert [json.loads(line) for line in lines] == listed
    assert typed("ls", "--format", "csv", catalog=table / "c")[1].splitlines() == [
        "id,path,group,colour,price",
        f"a,{paths[0]},g1,red,12.5",
        f"b,{paths[1]},g1,,3.25",
        f"c\x1b[31m,{paths[2]},,'=blue,",
    ]
    assert typed("ls", "--format", "paths", catalog=table / "c")[1].splitlines() == paths
    assert typed("ls", "--format", "paths", "-0", catalog=table / "c")[1] == "".join(f"{p}\0" for p in paths)
    shown = typed("ls", catalog=table / "c")[1].splitlines()
    assert shown[0].split() == ["id", "group", "path", "metadata"]
    assert shown[1].split() == ["a", "g1", paths[0], "colour=red,", "price=12.5"]
    assert "\x1b" not in "".join(shown)


def test_ls_lists_every_skipped_file_in_every_format(typed: Call, table: Path) -> None:
    row = {"id": "d", "path": str(table / "nowhere.jpg"), "reason": "unreadable"}
    (listed,) = json.loads(typed("ls", "--skipped", "--format", "json", catalog=table / "c")[1])
    assert listed | row == listed
    assert listed.keys() == row.keys() | {"detail"}
    assert json.loads(typed("ls", "--skipped", "--format", "jsonl", catalog=table / "c")[1]) == listed
    heading, cells = typed("ls", "--skipped", "--format", "csv", catalog=table / "c")[1].splitlines()
    assert heading == "id,path,reason,detail"
    assert cells.startswith(f"d,{row['path']},unreadable,")
    assert typed("ls", "--skipped", "--format", "paths", catalog=table / "c")[1] == f"{row['path']}\n"
    heading, cells = typed("ls", "--skipped", catalog=table / "c")[1].splitlines()
    assert (heading.split(), cells.split()[:2]) == (["reason", "id", "detail"], ["unreadable", "d"])


def test_what_ls_writes_as_csv_can_be_indexed_again(typed: Call, indexed: Path, tmp_path: Path) -> None:
    again = tmp_path / "items.csv"
    again.write_text(typed("ls", "--format", "csv")[1], "utf-8")
    with seealike.create(tmp_path / "c") as catalog, seealike.open(indexed / ".seealike") as first:
        report = catalog.index(again, options=seealike.IndexOptions(root=indexed))
        assert (report.added, len(report.skipped)) == (8, 0)
        assert [item.id for item in catalog.items()] == [item.id for item in first.items()]


@pytest.mark.parametrize("form", ["json", "table", "paths", "jsonl"])
def test_the_lists_of_all_can_be_printed_in_every_format(form: str, typed: Call, indexed: Path) -> None:
    rows = [line.split(",") for line in typed("recommend", "--all", "-k", "2")[1].splitlines()[1:]]
    assert len(rows) == 16
    code, out, err = typed("recommend", "--all", "-k", "2", "--format", form)
    assert (code, err) == (0, "")
    if form == "json":
        assert [list(map(str, row.values())) for row in json.loads(out)] == rows
    elif form == "jsonl":
        assert [list(map(str, json.loads(line).values())) for line in out.splitlines()] == rows
    elif form == "paths":
        assert out.splitlines() == [str(indexed / row[2]) for row in rows]
    else:
        assert out.startswith("similar to shirts/000.jpg:\nrank  score  id\n")
        found = [line.split()[2] for line in out.splitlines() if line.lstrip().startswith(("1 ", "2 "))]
        assert found == [row[2] for row in rows]


@pytest.mark.parametrize("dry", [[], ["--dry-run"]])
def test_no_catalogue_is_made_or_verified_at_the_address_of_an_engine(
    dry: list[str], indexed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, typed: Call
) -> None:
    """Nothing answers at the address: it is refused before anybody is asked."""
    pytest.importorskip("psycopg", reason="the extra 'postgres' is not installed")
    pytest.importorskip("fastapi", reason="the extra 'serve' is not installed")
    monkeypatch.chdir(tmp_path)
    address = "postgresql://me:hunter2@127.0.0.1:1/shop"
    asked: dict[str, tuple[str | Path, ...]] = {
        "index": (indexed, *dry), "serve": ("--create",), "verify": (), "reindex": ("--vectors", "int8")
    }  # fmt: skip
    for command, arguments in asked.items():
        code, out, err = typed(command, *arguments, catalog=address)
        assert (code, out, len(err.splitlines())) == (2, "", 1)
        assert "postgresql://me@127.0.0.1:1/shop is in an engine" in err
        assert "`seealike publish`" in err
        assert "hunter2" not in err
    for call in (seealike.create, verify, seealike.reindex):
        with pytest.raises(UsageError, match="is in an engine"):
            call(address)
    assert os.listdir() == []


@pytest.mark.parametrize(
    "password",
    ["hun@ter2", "hun/ter2", "hun?ter2", "hun%zzter2", "[hunter2", "hun ter2", "hun:ter2", "hun#ter2"],
)
def test_a_password_that_no_address_can_hold_is_not_shown_either(password: str, typed: Call) -> None:
    pytest.importorskip("psycopg", reason="the extra 'postgres' is not installed")
    code, out, err = typed("verify", catalog=f"postgresql://me:{password}@127.0.0.1:1/shop")
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert not any(part in err for part in ("hun", "ter2"))
