"""Tables of pictures: CSV, JSON Lines, Parquet."""

from __future__ import annotations

import csv
import json
import os
import sys
import tracemalloc
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.tables import items, reports, scan, write_parquet

from seealike.errors import SourceError
from seealike.sources import TableSource, open_source
from seealike.sources.rows import LONGEST_ROW
from seealike.types import MetadataValue, Skipped, SkipReason, SourceItem, Unseen

if TYPE_CHECKING:
    pass


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    (tmp_path / "img").mkdir()
    for name in ("a.jpg", "b.jpg", "c, d.jpg", "écharpe 围巾.jpg"):
        (tmp_path / "img" / name).write_bytes(name.encode())
    return tmp_path


def column(shop: Path, cells: Sequence[str]) -> list[MetadataValue]:
    """What becomes of a metadata column that has these cells."""
    with open(shop / "column.csv", "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "path", "x"])
        writer.writerows([number, "img/a.jpg", cell] for number, cell in enumerate(cells))
    return [item.metadata["x"] for item in items(list(TableSource(shop / "column.csv").scan()))]


def test_a_row_becomes_an_item_with_group_and_typed_metadata(shop: Path) -> None:
    table = (
        "id,path,group,price,stock,new,title\nS1,img/a.jpg,shirts,9.5,3,true,Ruby\nS2,img/b.jpg,,10,,false,\n"
    )
    first, second = items(scan(shop, table))
    assert (first.id, first.path, first.group) == ("S1", str(shop / "img" / "a.jpg"), "shirts")
    assert first.metadata == {"price": 9.5, "stock": 3, "new": True, "title": "Ruby"}
    assert second.group is None
    assert second.metadata == {"price": 10.0, "stock": None, "new": False, "title": None}
    assert [type(value) for value in second.metadata.values()] == [float, type(None), bool, type(None)]
    status = os.stat(shop / "img" / "a.jpg")
    assert (first.size_bytes, first.mtime_ns) == (status.st_size, status.st_mtime_ns)


def test_without_an_id_column_the_path_as_written_is_the_id(shop: Path) -> None:
    (item,) = items(scan(shop, "path\n./img/a.jpg\n"))
    assert (item.id, item.path) == ("./img/a.jpg", str(shop / "img" / "a.jpg"))


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_the_delimiter_the_line_ends_and_a_byte_order_mark_are_recognised(
    shop: Path, delimiter: str, line_end: str, mark: str
) -> None:
    rows = (("path", "title"), ("img/a.jpg", "x"), ('"img/c, d.jpg"', '"y"'))
    text = mark + "".join(delimiter.join(row) + line_end for row in rows)
    found = items(scan(shop, text))
    assert [(item.id, item.metadata["title"]) for item in found] == [
        ("img/a.jpg", "x"),
        ("img/c, d.jpg", "y"),
    ]


def test_a_tsv_file_is_separated_by_tabs(shop: Path) -> None:
    (item,) = items(scan(shop, "path\tnote\nimg/c, d.jpg\ta;b\n", "t.TSV"))
    assert (item.id, item.metadata) == ("img/c, d.jpg", {"note": "a;b"})


def test_odd_texts_survive_a_csv_file(shop: Path) -> None:
    texts = [
        "with space ",
        "Łódź 写真 🦊",
        'say "hi", then',
        "two\nlines\r\nthree",
        "=1+1",
        "x" * 300_000,
        "a\0b",
    ]
    path = shop / "odd.csv"
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "path", "group", "text"])
        writer.writerows([f"{text[:99]}#", "img/écharpe 围巾.jpg", text[:50], text] for text in texts)
    before = csv.field_size_limit(1000)
    try:
        found = items(list(open_source(path).scan()))
        assert csv.field_size_limit() == 1000
    finally:
        csv.field_size_limit(before)
    assert [item.metadata["text"] for item in found] == texts
    assert [item.id for item in found] == [f"{text[:99]}#" for text in texts]
    assert [item.group for item in found] == [text[:50] for text in texts]


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["1", "-20", ""], [1, -20, None]),
        (["0", "999999999999999999"], [0, 999999999999999999]),
        (["1", "2.5", ""], [1.0, 2.5, None]),
        (["1e-05", ".5", "-3."], [1e-05, 0.5, -3.0]),
        (["1", "nan", "-inf"], [1, None, None]),
        (["0.5", "NaN", "1e+400", ""], [0.5, None, None, None]),
        (["true", "False", "TRUE", ""], [True, False, True, None]),
        ([" 1", "2 ", " "], [1, 2, None]),
        (["", ""], [None, None]),
        (["007", "8"], ["007", "8"]),
        (["+4915", "1"], ["+4915", "1"]),
        (["-0", "1"], ["-0", "1"]),
        (["12E4", "13E4"], ["12E4", "13E4"]),
        (["12345678901234567890", "1"], ["12345678901234567890", "1"]),
        (["12345678901234567", "0.5"], ["12345678901234567", "0.5"]),
        (["1", "true"], ["1", "true"]),
        (["true", "nan"], ["true", "nan"]),
        (["Nan", "Inf"], ["Nan", "Inf"]),
        (["1_000", "2"], ["1_000", "2"]),
        (["١٢", "2"], ["١٢", "2"]),
        (["0x10", "2"], ["0x10", "2"]),
        (["1", "", "two"], ["1", None, "two"]),
    ],
)
def test_a_column_has_one_type_that_loses_nothing(
    shop: Path, cells: list[str], expected: list[MetadataValue]
) -> None:
    found = column(shop, cells)
    assert found == expected
    assert [type(value) for value in found] == [type(value) for value in expected]


def test_the_last_row_of_a_long_column_decides_too(shop: Path) -> None:
    found = column(shop, [*["1"] * 5000, "x"])
    assert found == ["1"] * 5000 + ["x"]


def test_ids_and_groups_are_always_text(shop: Path) -> None:
    (item,) = items(scan(shop, "id,path,group\n7,img/a.jpg,1.0\n"))
    assert (item.id, item.group) == ("7", "1.0")


def test_columns_without_a_name_are_left_out_and_blanks_around_names_do_not_count(shop: Path) -> None:
    (item,) = items(scan(shop, ", path , x\n0,img/a.jpg,1\n"))
    assert (item.id, item.metadata) == ("img/a.jpg", {"x": 1})


def test_blank_lines_and_short_rows_are_no_fault(shop: Path) -> None:
    found = items(scan(shop, "path,x\n\nimg/a.jpg\n\nimg/b.jpg,2\n\n"))
    assert [dict(item.metadata) for item in found] == [{"x": None}, {"x": 2}]


def test_rows_that_name_no_picture_are_reported_with_their_line(shop: Path) -> None:
    table = 'id,path,t\n1,img/a.jpg,"two\nlines"\n2,img/b.jpg,x,y,z\n3,,\n,img/a.jpg,\n'
    table += '5,img/"b.jpg,\n6,"img"/b.jpg,\n'
    unreadable = SkipReason.UNREADABLE
    found = scan(shop, table)
    assert reports(found) == [
        ("t.csv:4", unreadable, "line 4: 5 cells, but the header has 3 columns"),
        ("t.csv:5", unreadable, "line 5: the path is empty"),
        ("t.csv:6", unreadable, "line 6: the id is empty, or neither text nor a whole number"),
        ("5", unreadable, f'line 7: no such file: {shop}/img/"b.jpg'),
        ("t.csv:8", unreadable, "line 8: the quotes are out of order: ',' expected after '\"'"),
    ]
    assert [entry.path for entry in found if entry.id == "t.csv:4"] == [str(shop / "t.csv")]
    assert [entry.id for entry in found if isinstance(entry, SourceItem)] == ["1"]


def test_a_quote_left_open_is_an_error_that_names_its_line(shop: Path) -> None:
    table = 'path,x\nimg/a.jpg,1\n"img/b.jpg,2\nimg/c.jpg,3\n'
    with pytest.raises(SourceError, match="a quote that opens in line 3 is never closed"):
        scan(shop, table)


def test_a_repeated_id_counts_for_its_first_row_only(shop: Path) -> None:
    found = scan(shop, "id,path\nS1,img/a.jpg\nS2,img/b.jpg\nS1,img/b.jpg\nS1,img/none.jpg\n")
    assert [entry.id for entry in found if isinstance(entry, SourceItem)] == ["S1", "S2"]
    detail = "the id has been used by a row before"
    assert reports(found) == [
        ("S1", SkipReason.DUPLICATE_ID, f"line 4: {detail}"),
        ("S1", SkipReason.DUPLICATE_ID, f"line 5: {detail}"),
    ]


def test_one_picture_may_serve_several_ids(shop: Path) -> None:
    found = items(scan(shop, "id,path\n1,img/a.jpg\n2,img/a.jpg\n"))
    assert [item.path for item in found] == [str(shop / "img" / "a.jpg")] * 2


def test_a_path_must_not_lead_out_of_the_root(shop: Path) -> None:
    (shop / "tables").mkdir()
    absolute = shop / "img" / "b.jpg"
    table = f"id,path\n1,../img/a.jpg\n2,{absolute}\n3,../../etc/passwd\n"
    found = scan(shop / "tables", table, "t.csv")
    assert [(entry[0], entry[1]) for entry in reports(found)] == [
        (item_id, SkipReason.OUTSIDE_ROOT) for item_id in "123"
    ]
    assert all("--root" in detail for _, _, detail in reports(found))


def test_paths_are_relative_to_a_root_that_is_named(shop: Path) -> None:
    (shop / "tables").mkdir()
    table = f"id,path\n1,img/a.jpg\n2,{shop / 'img' / 'b.jpg'}\n3,tables/../img/a.jpg\n"
    found = items(scan(shop / "tables", table, "t.csv", root=shop))
    assert [os.path.relpath(item.path, os.path.realpath(shop)) for item in found[2:]] == [
        os.path.join("img", "a.jpg")
    ]
    assert [item.path for item in found[:2]] == [str(shop / "img" / "a.jpg"), str(shop / "img" / "b.jpg")]
    assert open_source(shop / "tables" / "t.csv", root=shop).root == str(shop)


def test_links_in_a_table_follow_the_same_rule(shop: Path) -> None:
    inside = shop / "inside"
    inside.mkdir()
    try:
        (inside / "out.jpg").symlink_to(shop / "img" / "a.jpg")
        (inside / "outdir").symlink_to(shop / "img")
        (inside / "in.jpg").symlink_to("real.jpg")
    except OSError as exc:
        pytest.skip(f"no links here: {exc}")
    (inside / "real.jpg").write_bytes(b"12345")
    found = scan(inside, "path\nout.jpg\noutdir/a.jpg\nin.jpg\n")
    assert [entry[:2] for entry in reports(found)] == [
        ("out.jpg", SkipReason.OUTSIDE_ROOT),
        ("outdir/a.jpg", SkipReason.OUTSIDE_ROOT),
    ]
    assert [(entry.id, entry.size_bytes) for entry in found if isinstance(entry, SourceItem)] == [
        ("in.jpg", 5)
    ]


def test_rows_whose_file_cannot_be_one_are_reported(shop: Path) -> None:
    long_name = "n" * 300 + ".jpg"
    paths = ("img", "none.jpg", "img/a.jpg/x.jpg", "https://x.org/a.jpg", "img\\a.jpg", "a\0b", long_name)
    found = scan(shop, "path\n" + "".join(f"{path}\n" for path in paths))
    reasons = [reason for _, reason, _ in reports(found)]
    assert reasons == [SkipReason.NOT_AN_IMAGE, *[SkipReason.UNREADABLE] * 6]
    details = [detail.split(": ", 1)[1] for _, _, detail in reports(found)]
    assert details[0] == "a folder, not a file"
    assert details[1] == f"no such file: {shop / 'none.jpg'}"
    assert details[2] == f"no such file: {shop / 'img' / 'a.jpg' / 'x.jpg'}"
    assert details[3] == "a web address, not a file"
    if os.name != "nt":  # where it is a path like any other
        assert details[4] == rf"no such file: {shop}/img\a.jpg (folders are separated by / here)"
    assert details[5] == rf"no file can be named so: {shop}{os.sep}a\x00b"
    assert details[6].endswith(long_name)
    assert not any(isinstance(entry, SourceItem | Unseen) for entry in found)


@pytest.mark.parametrize("name", ["t.csv", "t.jsonl"])
def test_a_table_that_is_not_utf8_is_refused_by_line_and_byte(shop: Path, name: str) -> None:
    good = b"path,x\nimg/a.jpg,1\n" if name == "t.csv" else b'{"path": "img/a.jpg"}\n'
    with pytest.raises(
        SourceError, match=rf"line \d+, byte {len(good) * 1000 + 3} of the file is 0xe9"
    ) as refused:
        scan(shop, good * 1000 + b"caf\xe9.jpg\n", name)
    assert "--encoding NAME says what it is, such as cp1252" in str(refused.value)
    with pytest.raises(SourceError, match="UTF-16"):
        scan(shop, "path\nimg/a.jpg\n".encode("utf-16"), name)


def test_a_table_without_the_column_path_is_refused(shop: Path) -> None:
    pytest.importorskip("pyarrow", reason="the extra 'parquet' is not installed")
    write_parquet(shop / "t.parquet", [{"file": "a", "label": 1}])
    (shop / "t.csv").write_text("file;label\na;1\n", encoding="utf-8")
    (shop / "t.jsonl").write_text('{"file": "a"}\n', encoding="utf-8")
    for name, text in (("t.csv", "file, label"), ("t.parquet", "file, label"), ("t.jsonl", "'path'")):
        with pytest.raises(SourceError, match=text):
            list(open_source(shop / name).scan())


@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.parquet"])
def test_two_columns_of_one_name_are_refused_by_name(shop: Path, name: str) -> None:
    if name == "t.parquet":
        pa = pytest.importorskip("pyarrow", reason="the extra 'parquet' is not installed")
        pq = pytest.importorskip("pyarrow.parquet")
        columns = [pa.array(["img/a.jpg"]), pa.array([1]), pa.array(["2"])]
        pq.write_table(pa.Table.from_arrays(columns, ["path", "price", "price"]), shop / name)
    else:
        (shop / name).write_text("path\tprice\tprice\nimg/a.jpg\t1\t2\n", encoding="utf-8")
    with pytest.raises(SourceError) as refused:
        open_source(shop / name)
    assert str(refused.value) == f"{shop / name} has more than one column 'price'; rename all but one"


def test_a_json_object_that_says_a_key_twice_is_no_row(shop: Path) -> None:
    lines = [
        '{"path": "img/a.jpg", "x": 1, "x": 1}',
        '{"path": "img/a.jpg", "x": {"y": 1, "y": 2}}',
        '{"path": "img/a.jpg", "path": "img/b.jpg"}',
        '{"path": "img/b.jpg", "": 1, "": 2}',
        '{"path": "img/a.jpg", "x": {"path": 1}}',
    ]
    found = scan(shop, "\n".join(lines), "t.jsonl")
    assert [detail for _, _, detail in reports(found)] == [
        f"line {number}: the key {name!r} occurs more than once"
        for number, name in enumerate(("x", "y", "path", ""), 1)
    ]
    assert [entry.id for entry in found if isinstance(entry, SourceItem)] == ["img/a.jpg"]


@pytest.mark.parametrize(
    ("content", "text"), [("", "is empty"), ("path,x,x\n", "more than one column 'x'"), ("\n\n", "is empty")]
)
def test_a_csv_file_with_a_useless_header_is_refused(shop: Path, content: str, text: str) -> None:
    with pytest.raises(SourceError, match=text):
        scan(shop, content)


def test_a_header_alone_is_an_empty_source(shop: Path) -> None:
    assert scan(shop, "id,path\n") == []
    assert scan(shop, "", "t.jsonl") == []


def test_json_lines_keep_their_types(shop: Path) -> None:
    row = {
        "id": 7,
        "path": "img/a.jpg",
        "group": 12,
        "text": "007",
        "whole": 5,
        "real": 0.5,
        "truth": True,
        "none": None,
        "list": [1, "ä"],
        "object": {"b": [None]},
        "huge": 2**70,
        "least": -(2**63),
    }
    (item,) = items(scan(shop, json.dumps(row) + "\n", "t.ndjson"))
    assert (item.id, item.group) == ("7", "12")
    expected: dict[str, MetadataValue] = {
        "text": "007",
        "whole": 5,
        "real": 0.5,
        "truth": True,
        "none": None,
        "list": '[1, "ä"]',
        "object": '{"b": [null]}',
        "huge": str(2**70),
        "least": -(2**63),
    }
    assert item.metadata == expected
    assert [type(value) for value in item.metadata.values()] == [type(value) for value in expected.values()]


def test_json_numbers_that_are_none_become_nothing(shop: Path) -> None:
    line = '{"path": "img/a.jpg", "a": NaN, "b": -Infinity, "c": 1e999, "d": [NaN]}'
    (item,) = items(scan(shop, line, "t.jsonl"))
    assert item.metadata == {"a": None, "b": None, "c": None, "d": "[null]"}


def test_json_lines_that_are_no_rows_are_reported(shop: Path) -> None:
    lines = [
        "\ufeff" + '{"path": "img/a.jpg"}',
        "",
        '{"path": ',
        "[1]",
        '{"x": 1}',
        '{"path": 5}',
        '{"path": "img/b.jpg", "id": null}',
        '{"path": "img/b.jpg", "id": 1.5}',
        '{"path": "img/b.jpg", "id": true}',
        "[" * 100_000,
        '{"path": "img/a.jpg"}',
        '{"path": "img/b.jpg", "id": "ok"}',
    ]
    found = scan(shop, "\n".join(lines), "t.jsonl")
    assert [entry.id for entry in found if isinstance(entry, SourceItem)] == ["img/a.jpg", "ok"]
    numbers = [3, 4, 5, 6, 7, 8, 9, 10]
    assert [entry[0] for entry in reports(found)] == [
        *(f"t.jsonl:{number}" for number in numbers),
        "img/a.jpg",
    ]
    details = [detail.split(": ", 1)[1] for _, _, detail in reports(found)]
    assert details[0].startswith("not JSON: ")
    assert details[1:4] == ["not a JSON object", "the path is empty", "the path is no text"]
    assert len(set(details[4:7])) == 1
    assert reports(found)[-1][1] is SkipReason.DUPLICATE_ID


@pytest.mark.skipif(os.name == "nt" or sys.platform == "darwin", reason="names are Unicode here")
def test_json_can_name_files_that_are_not_utf8_as_python_writes_them(shop: Path) -> None:
    name = os.fsdecode(b"img/caf\xe9.jpg")
    with open(shop / name, "wb"):
        pass
    half = {"path": "img/a.jpg", "x": "\ud83d"}
    first, second = items(scan(shop, f"{json.dumps({'path': name})}\n{json.dumps(half)}\n", "t.jsonl"))
    assert (first.id, first.path) == ("img/caf\\xe9.jpg", os.path.join(shop, name))
    assert second.metadata == {"x": "\\ud83d"}


def test_all_three_formats_say_the_same(shop: Path) -> None:
    pytest.importorskip("pyarrow", reason="the extra 'parquet' is not installed")
    rows: list[dict[str, object]] = [
        {"id": "S1", "path": "img/a.jpg", "group": "g", "price": 1.5, "n": 1, "new": True, "t": "é"},
        {"id": "S2", "path": "img/b.jpg", "group": None, "price": 2.0, "n": 2, "new": False, "t": None},
        {"id": "S1", "path": "img/b.jpg", "group": None, "price": 2.0, "n": 2, "new": False, "t": None},
        {"id": "S3", "path": "none.jpg", "group": None, "price": None, "n": None, "new": None, "t": None},
    ]
    write_parquet(shop / "t.parquet", rows)
    (shop / "t.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    with open(shop / "t.csv", "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    tables = [list(open_source(shop / name).scan()) for name in ("t.csv", "t.jsonl", "t.parquet")]
    kept = [[entry for entry in found if isinstance(entry, SourceItem)] for found in tables]
    assert [item.id for item in kept[0]] == ["S1", "S2"]
    assert kept[0] == kept[1] == kept[2]
    reasons = [[(entry_id, reason) for entry_id, reason, _ in reports(found)] for found in tables]
    assert reasons[0] == reasons[1] == reasons[2]


LONG = "x" * LONGEST_ROW


@pytest.mark.parametrize("name", ["t.csv", "t.jsonl", "t.parquet"])
def test_a_row_longer_than_any_can_be_costs_only_itself(shop: Path, name: str) -> None:
    rows: list[dict[str, object]] = [
        {"path": "img/a.jpg", "x": "1"},
        {"path": "img/b.jpg", "x": LONG},
        {"path": "img/c, d.jpg", "x": "3"},
    ]
    if name == "t.csv":
        with open(shop / name, "w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows(rows)
    elif name == "t.jsonl":
        (shop / name).write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    else:
        pytest.importorskip("pyarrow", reason="the extra 'parquet' is not installed")
        write_parquet(shop / name, rows)
    found = list(open_source(shop / name).scan())
    assert [entry.id for entry in found if isinstance(entry, SourceItem)] == ["img/a.jpg", "img/c, d.jpg"]
    ((where, _, detail),) = reports(found)
    assert where == {"t.csv": "t.csv:3", "t.jsonl": "t.jsonl:2", "t.parquet": "t.parquet:2"}[name]
    assert detail.split(": ")[1] == "longer than 16 MiB"


def test_a_quote_left_open_before_very_much_text_is_an_error_that_names_its_line(shop: Path) -> None:
    table = 'path,x\nimg/a.jpg,1\n"img/b.jpg,2\n' + f"img/c.jpg,{'x' * 100_000}\n" * 200
    with pytest.raises(SourceError, match="a quote that opens in line 3 is never closed"):
        scan(shop, table)


@pytest.mark.parametrize("name", ["t.csv", "t.jsonl"])
def test_paths_and_ids_that_no_file_can_have_are_skipped(shop: Path, name: str) -> None:
    odd = ["a\0b", "../a\0b", "\0"] + ["\ud800.jpg", "../\udfff", "\udc80\ud800"] * (name == "t.jsonl")
    rows = [{"id": f"{number}{path}", "path": path} for number, path in enumerate(odd)]
    rows += [{"id": rows[0]["id"], "path": "\0 again"}, {"id": "good", "path": "img/a.jpg"}]
    if name == "t.csv":
        text = "id,path\n" + "".join(f"{row['id']},{row['path']}\n" for row in rows)
    else:
        text = "".join(json.dumps(row) + "\n" for row in rows)
    found = scan(shop, text, name)
    assert [entry.id for entry in found if isinstance(entry, SourceItem)] == ["good"]
    assert [reason for _, reason, _ in reports(found)] == [
        *[SkipReason.UNREADABLE] * len(odd),
        SkipReason.DUPLICATE_ID,
    ]
    for entry in found:
        entry.id.encode("utf-8")
        assert b"\0" not in os.fsencode(entry.path)


def test_two_spellings_of_one_name_are_two_ids(shop: Path) -> None:
    composed, decomposed = "img/\u00e9.jpg", "img/e\u0301.jpg"
    (shop / composed).write_bytes(b"x")
    found = scan(shop, f"path\n{composed}\n{decomposed}\n")
    assert [entry.id for entry in found] == [composed, decomposed]
    assert isinstance(found[0], SourceItem)
    assert isinstance(found[1], SourceItem) is os.path.exists(shop / decomposed)


@pytest.mark.parametrize("name", ["t.csv", "t.jsonl", "t.parquet"])
def test_a_table_that_is_written_to_while_it_is_read_is_refused(shop: Path, name: str) -> None:
    rows: list[dict[str, object]] = [{"path": "img/a.jpg", "n": "1"}, {"path": "img/b.jpg", "n": "2"}]
    if name == "t.parquet":
        pytest.importorskip("pyarrow", reason="the extra 'parquet' is not installed")
        write_parquet(shop / name, rows)
    elif name == "t.csv":
        (shop / name).write_text("path,n\nimg/a.jpg,1\nimg/b.jpg,2\n", encoding="utf-8")
    else:
        (shop / name).write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    scanning = open_source(shop / name).scan()
    next(scanning)
    (shop / "new").write_bytes((shop / name).read_bytes() + b"\n")
    (shop / "new").replace(shop / name)
    with pytest.raises(SourceError, match=r"changed while it was read; run again"):
        list(scanning)


def test_a_table_is_read_as_it_is_when_it_is_scanned(shop: Path) -> None:
    (shop / "t.csv").write_text("path,price\nimg/a.jpg,1\n", encoding="utf-8")
    source = open_source(shop / "t.csv")
    (shop / "t.csv").write_text("price,path\n2,img/a.jpg\n", encoding="utf-8")
    assert [dict(item.metadata) for item in items(list(source.scan()))] == [{"price": 2}]


def test_pictures_whose_disk_goes_away_meanwhile_are_not_called_missing(
    shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (shop / "disk").mkdir()
    (shop / "t.csv").write_text("path\nnone.jpg\n", encoding="utf-8")
    source = TableSource(shop / "t.csv", root=shop / "disk")
    scanning = source.scan()
    assert isinstance(next(scanning), Skipped)
    (shop / "disk").rmdir()
    with pytest.raises(SourceError, match=r"cannot read .* or the folder"):
        list(scanning)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
@pytest.mark.parametrize("name", ["t.csv", "t.jsonl", "t.parquet"])
def test_a_table_that_is_a_pipe_is_refused_and_nobody_waits_for_it(shop: Path, name: str) -> None:
    os.mkfifo(shop / name)
    for made in (open_source, TableSource):
        with pytest.raises(SourceError, match="is a named pipe, not a file"):
            made(shop / name)
    read, write = os.pipe()  # what <(command) gives
    try:
        with pytest.raises(SourceError, match="is a named pipe, not a file"):
            open_source(f"/dev/fd/{read}")
    finally:
        os.close(read)
        os.close(write)


def test_a_scan_can_be_repeated_and_stopped_early(shop: Path) -> None:
    (shop / "t.csv").write_text("path\nimg/a.jpg\nimg/a.jpg\n", encoding="utf-8")
    source = open_source(shop / "t.csv")
    assert isinstance(next(source.scan()), SourceItem)
    assert list(source.scan()) == list(source.scan())


def test_a_long_table_of_missing_files_needs_little_memory(shop: Path) -> None:
    with open(shop / "long.csv", "w", encoding="utf-8") as file:
        file.write("id,path,title\n")
        file.writelines(
            f"SKU-{number:08d},img/{number:08d}.jpg,some words about it\n" for number in range(30_000)
        )
    source = open_source(shop / "long.csv", root=shop / "img")
    tracemalloc.start()
    try:
        assert sum(1 for _ in source.scan()) == 30_000
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 2_500_000


def test_a_long_table_needs_little_memory(shop: Path) -> None:
    with open(shop / "long.csv", "w", encoding="utf-8") as file:
        file.write("id,path,title\n")
        file.writelines(f"SKU-{number:08d},img/a.jpg,some words about it\n" for number in range(30_000))
    source = open_source(shop / "long.csv")
    tracemalloc.start()
    try:
        assert sum(1 for _ in source.scan()) == 30_000
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 2_500_000  # the ids alone would be 2.2 MB more
