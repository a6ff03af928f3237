"""Tables whose columns have other names, or whose text is in another encoding, give what usual ones give."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.pictures import write_pictures
from tests.tables import items, write_parquet

import seealike
from seealike import IndexOptions
from seealike.cli.main import run
from seealike.errors import SourceError, UnknownNameError, UsageError
from seealike.sources import TableLayout, open_source
from seealike.testing import FakeEncoder
from seealike.types import SourceItem

COLUMNS = {"path": "image", "id": "sku", "group": "model"}
ROWS = [
    {"sku": "R-1", "image": "000.jpg", "model": "A", "id": 7, "colour": "café"},
    {"sku": "R-2", "image": "001.jpg", "model": "A", "id": 8, "colour": "naïve £"},
    {"sku": "R-3", "image": "002.jpg", "model": "B", "id": 9, "colour": "blå"},
]
USUAL = [
    {"id": row["sku"], "path": row["image"], "group": row["model"], "colour": row["colour"]} for row in ROWS
]
FORMATS = ["t.csv", "t.tsv", "t.jsonl", "t.parquet"]


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    write_pictures(tmp_path, range(3))
    return tmp_path


def write(path: Path, rows: list[dict[str, object]], encoding: str = "utf-8") -> Path:
    if path.suffix == ".parquet":
        pytest.importorskip("pyarrow", reason="the extra 'parquet' is not installed")
        write_parquet(path, rows)
    elif path.suffix == ".jsonl":
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        path.write_bytes(text.encode(encoding))
    else:
        with path.open("w", encoding=encoding, newline="") as stream:
            writer = csv.DictWriter(stream, rows[0], delimiter="\t" if path.suffix == ".tsv" else ",")
            writer.writeheader()
            writer.writerows(rows)
    return path


def scanned(path: Path, layout: TableLayout) -> list[SourceItem]:
    return items(list(open_source(path, layout=layout).scan()))


@pytest.mark.parametrize("name", FORMATS)
def test_columns_of_other_names_mean_what_those_of_the_usual_names_do(shop: Path, name: str) -> None:
    usual = scanned(write(shop / f"usual{name}", [*USUAL]), TableLayout())
    assert [item.group for item in usual] == ["A", "A", "B"]
    assert scanned(write(shop / name, [*ROWS]), TableLayout(COLUMNS)) == usual


@pytest.mark.parametrize("name", FORMATS)
def test_a_column_that_is_named_and_not_there_is_refused_with_those_that_are(shop: Path, name: str) -> None:
    table = write(shop / name, [*ROWS])
    for columns, missing in (({"path": "picture"}, "picture"), ({**COLUMNS, "id": "ean"}, "ean")):
        with pytest.raises(SourceError, match=rf"no column '{missing}'.*: sku, image, model, id, colour$"):
            scanned(table, TableLayout(columns))
    with pytest.raises(SourceError, match=r"no column 'path'.*: sku, image, .*; --column path=NAME"):
        scanned(table, TableLayout())


@pytest.mark.parametrize(
    "encoding", ["cp1252", "utf-16", "utf-16-le", "utf-32", "latin-1", "UTF8", "utf-8-sig"]
)
@pytest.mark.parametrize("name", ["t.csv", "t.jsonl"])
def test_a_table_in_another_encoding_says_the_same(shop: Path, name: str, encoding: str) -> None:
    usual = scanned(write(shop / f"usual{name}", [*USUAL]), TableLayout())
    assert [item.metadata["colour"] for item in usual] == [row["colour"] for row in ROWS]
    assert scanned(write(shop / name, [*USUAL], encoding), TableLayout(encoding=encoding)) == usual


@pytest.mark.parametrize(
    ("encoding", "text", "bad", "line"),
    [
        ("cp1252", "path,x\n000.jpg,caf\xe9\n", b"001.jpg,\x81\n", 3),
        ("shift_jis", "path,x\n000.jpg,\u9752\n", b"001.jpg,\x85\xff\n", 3),
        ("utf-16-le", "path,x\n000.jpg,\u010a\n", b"\x00\xdc\n\x00", 3),
        ("utf-8", "path,x\n000.jpg,\xe9\n000.jpg,", b"\xe9\n", 3),
    ],
)
def test_what_an_encoding_does_not_know_is_named_by_line_and_byte(
    shop: Path, encoding: str, text: str, bad: bytes, line: int
) -> None:
    start = text.encode(encoding)
    byte = next(place for place, value in enumerate(bad) if value > 127 or encoding == "utf-16-le")
    (shop / "t.csv").write_bytes(start + bad)
    where = f"line {line}, byte {len(start) + byte} of the file is 0x{bad[byte]:02x}"
    with pytest.raises(SourceError, match=where):
        scanned(shop / "t.csv", TableLayout(encoding=encoding))


@pytest.mark.parametrize("name", ["cp1225", "hex", "rot13", "utf-9", "x\0y", "undefined"])
def test_an_encoding_that_there_is_not_is_refused_in_one_line(name: str) -> None:
    with pytest.raises(UsageError, match="there is no encoding") as refused:
        TableLayout(encoding=name)
    assert "\n" not in str(refused.value)
    if name == "cp1225":
        assert "did you mean cp12" in str(refused.value)


def test_a_layout_that_means_nothing_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="did you mean"):
        TableLayout({"pth": "image"})
    with pytest.raises(UsageError, match="'image' cannot have two meanings"):
        TableLayout({"path": "image", "id": "image"})
    with pytest.raises(UsageError, match="needs a name"):
        TableLayout({"path": ""})


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[seealike.Catalog]:
    with seealike.create(tmp_path / "c", encoder=FakeEncoder()) as catalog:
        yield catalog


def ids(catalog: seealike.Catalog) -> list[str]:
    return sorted(item.id for item in catalog.items())


def test_a_layout_is_remembered_added_to_and_taken_back(shop: Path, catalog: seealike.Catalog) -> None:
    table = write(shop / "t.csv", [*ROWS], "cp1252")
    catalog.index(table, options=IndexOptions(columns={"path": "image"}, encoding="cp1252"))
    assert ids(catalog) == ["7", "8", "9"]  # it has a column `id`
    assert catalog.index().unchanged == 3
    report = catalog.index(table, options=IndexOptions(columns={"id": "sku"}))
    assert (report.moved, report.removed, ids(catalog)) == (3, 0, ["R-1", "R-2", "R-3"])
    assert catalog.index(table).unchanged == 3
    (source,) = catalog.sources()
    assert (dict(source.columns), source.encoding) == ({"path": "image", "id": "sku"}, "cp1252")
    write(table, [*USUAL])
    catalog.index(table, options=IndexOptions(columns={"path": "path", "id": "id"}, encoding="utf-8"))
    (source,) = catalog.sources()
    assert (dict(source.columns), source.encoding, catalog.index().unchanged) == ({}, "", 3)


def test_a_layout_is_for_one_table(shop: Path, catalog: seealike.Catalog) -> None:
    catalog.index(write(shop / "t.csv", [*USUAL]))
    for options in (IndexOptions(columns={"id": "sku"}), IndexOptions(encoding="cp1252")):
        with pytest.raises(UsageError, match="for one source"):
            catalog.index(options=options)
        with pytest.raises(UsageError, match="for tables"):
            catalog.index(shop, options=options)
        with pytest.raises(UsageError, match="for tables"):
            catalog.index(open_source(shop), options=options)
    pytest.importorskip("pyarrow", reason="the extra 'parquet' is not installed")
    with pytest.raises(UsageError, match="leave --encoding away"):
        catalog.index(write(shop / "t.parquet", [*USUAL]), options=IndexOptions(encoding="cp1252"))


@pytest.mark.parametrize("said", [["--column", "id"], ["--column", "sku=id"], ["--encoding", "cp1225"]])
def test_a_wrong_layout_is_wrong_usage_before_anything_is_made(
    shop: Path, capsys: pytest.CaptureFixture[str], said: list[str]
) -> None:
    table = write(shop / "t.csv", [*USUAL])
    assert run(["index", str(table), *said]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert not (shop / ".seealike").exists()
