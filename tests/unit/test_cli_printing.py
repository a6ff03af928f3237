"""What results look like on stdout, and progress on stderr."""

from __future__ import annotations

import csv
import io
import json
import os
import sys

import pytest

from seealike.cli.printing.progress import progress_printer
from seealike.cli.printing.results import OutputFormat, QueryResult, write_results
from seealike.cli.printing.text import one_line, padded, shortened, width
from seealike.types import Hit, Progress

PHOTOS = os.path.abspath("photos")
ODD = os.path.join(PHOTOS, 'Łódź, 写真 "1"\nnew.jpg')
HITS = (
    Hit("a.jpg", 0.98765432, os.path.join(PHOTOS, "a.jpg"), "g1", {"price": 1.5, "new": True, "note": None}),
    Hit('Łódź, 写真 "1"\nnew.jpg', -0.25, ODD),
)
TWO = (QueryResult("q1.jpg", HITS), QueryResult("q2.jpg", ()))


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def written(
    results: tuple[QueryResult, ...],
    output_format: OutputFormat,
    stream: io.StringIO | None = None,
    *,
    null: bool = False,
) -> str:
    target = stream or io.StringIO()
    write_results(results, output_format, target, null=null)
    return target.getvalue()


def written_bytes(
    results: tuple[QueryResult, ...], output_format: OutputFormat, encoding: str = "utf-8"
) -> bytes:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding, newline="\n")
    write_results(results, output_format, stream)
    stream.flush()
    return raw.getvalue()


def hits_named(*names: str) -> tuple[QueryResult, ...]:
    return (QueryResult("q", tuple(Hit(name, 0.5, os.path.join(PHOTOS, name)) for name in names)),)


def test_json_is_one_document_with_every_field() -> None:
    assert json.loads(written(TWO, OutputFormat.JSON)) == {
        "results": [
            {
                "query": "q1.jpg",
                "hits": [
                    {
                        "rank": 1,
                        "id": "a.jpg",
                        "score": 0.987654,
                        "path": os.path.join(PHOTOS, "a.jpg"),
                        "group": "g1",
                        "metadata": {"price": 1.5, "new": True, "note": None},
                        "others": 0,
                        "near": 0,
                        "relation": None,
                        "probability": None,
                    },
                    {
                        "rank": 2,
                        "id": 'Łódź, 写真 "1"\nnew.jpg',
                        "score": -0.25,
                        "path": ODD,
                        "group": None,
                        "metadata": {},
                        "others": 0,
                        "near": 0,
                        "relation": None,
                        "probability": None,
                    },
                ],
            },
            {"query": "q2.jpg", "hits": []},
        ]
    }


def test_json_lines_are_one_hit_each_with_its_query() -> None:
    lines = written(TWO, OutputFormat.JSONL).splitlines()
    document = json.loads(written(TWO, OutputFormat.JSON))
    assert [json.loads(line) for line in lines] == [
        {"query": "q1.jpg", **hit} for hit in document["results"][0]["hits"]
    ]
    assert written((), OutputFormat.JSONL) == ""


@pytest.mark.parametrize("output_format", [OutputFormat.JSON, OutputFormat.JSONL])
def test_json_shows_letters_where_the_stream_can_and_no_control_characters(
    output_format: OutputFormat,
) -> None:
    results = hits_named("写真\x1b[31m\x9b0m\x7f.jpg")
    for encoding, plain in (("utf-8", True), ("ascii", False), ("cp1252", False)):
        raw = written_bytes(results, output_format, encoding)
        text = raw.decode(encoding)
        assert ("写真" in text) is plain
        assert not {"\x1b", "\x9b", "\x7f"} & set(text)
        document = json.loads(text)
        hit = document["results"][0]["hits"][0] if output_format is OutputFormat.JSON else document
        assert hit["id"] == "写真\x1b[31m\x9b0m\x7f.jpg"


def test_csv_reads_back_as_it_was_found() -> None:
    rows = list(csv.reader(io.StringIO(written(TWO, OutputFormat.CSV), newline="")))
    assert rows == [
        ["query", "rank", "id", "score", "path"],
        ["q1.jpg", "1", "a.jpg", "0.987654", os.path.join(PHOTOS, "a.jpg")],
        ["q1.jpg", "2", 'Łódź, 写真 "1"\nnew.jpg', "-0.25", ODD],
    ]


@pytest.mark.parametrize("name", ["a\nb", "a\rb", "a\r\nb", "\n", "a,b", 'a"b', " a "])
def test_a_csv_cell_with_a_line_end_is_one_cell(name: str) -> None:
    results = (QueryResult("q", (Hit(name, 0.5, None),)),)
    _, row = csv.reader(io.StringIO(written(results, OutputFormat.CSV), newline=""))
    assert row == ["q", "1", name, "0.5", ""]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_a_csv_cell_is_never_a_formula(start: str) -> None:
    name = f"{start}cmd|' /C calc'!A0"
    results = (QueryResult(name, (Hit(name, -0.5, None),)),)
    _, row = csv.reader(io.StringIO(written(results, OutputFormat.CSV), newline=""))
    assert row == [f"'{name}", "1", f"'{name}", "-0.5", ""]


def test_scores_are_rounded_and_never_minus_zero() -> None:
    results = (QueryResult("q", (Hit("a", 0.12345678, None), Hit("b", -1e-9, None))),)
    scores = [hit["score"] for hit in json.loads(written(results, OutputFormat.JSON))["results"][0]["hits"]]
    assert scores == [0.123457, 0.0]
    assert "-0" not in written(results, OutputFormat.JSON) + written(results, OutputFormat.TABLE)
    assert "0.123 " in written(results, OutputFormat.TABLE)


def test_paths_are_absolute_and_nothing_else() -> None:
    results = (
        QueryResult("q", (HITS[0], Hit("gone", 0.5, None), Hit("r", 0.4, os.path.join("x", "r.jpg")))),
    )
    expected = [os.path.join(PHOTOS, "a.jpg"), os.path.abspath(os.path.join("x", "r.jpg"))]
    assert written(results, OutputFormat.PATHS).splitlines() == expected
    assert written(results, OutputFormat.PATHS, null=True) == "".join(path + "\0" for path in expected)
    assert written((QueryResult("q", ()),), OutputFormat.PATHS) == ""


@pytest.mark.skipif(os.name == "nt", reason="names are Unicode on Windows")
def test_a_path_that_is_not_utf8_keeps_its_bytes_in_paths_and_is_escaped_elsewhere() -> None:
    name = b"/photos/caf\xe9 \xf0\x9f\xa6\x8a.jpg"
    results = (QueryResult(os.fsdecode(name), (Hit("caf\\xe9 🦊.jpg", 0.5, os.fsdecode(name)),)),)
    assert written_bytes(results, OutputFormat.PATHS) == name + b"\n"
    assert written_bytes(results, OutputFormat.PATHS, "ascii") == name + b"\n"
    shown = "/photos/caf\\xe9 🦊.jpg"
    document = json.loads(written_bytes(results, OutputFormat.JSON))
    assert document["results"][0]["query"] == document["results"][0]["hits"][0]["path"] == shown
    assert shown in written_bytes(results, OutputFormat.CSV).decode()
    assert "caf\\xe9 🦊.jpg" in written_bytes(results, OutputFormat.TABLE).decode()


def test_what_was_written_before_paths_stays_before_them() -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="utf-8")
    stream.write("first\n")
    write_results(hits_named("a.jpg"), OutputFormat.PATHS, stream)
    assert raw.getvalue().startswith(b"first\n")


def test_the_table_is_aligned_for_wide_letters_too() -> None:
    results = hits_named("写真.jpg", "cafe\u0301.jpg", "plain-and-long.jpg")
    grouped = tuple(Hit(hit.id, hit.score, hit.path, "G") for hit in results[0].hits)
    lines = written((QueryResult("q", grouped),), OutputFormat.TABLE).splitlines()
    assert lines[0].split() == ["rank", "score", "id", "group"]
    assert [line.split()[:2] for line in lines[1:]] == [["1", "0.500"], ["2", "0.500"], ["3", "0.500"]]
    assert {width(line[: line.rindex("G")]) for line in lines[1:]} == {len(lines[0]) - len("group")}


def test_the_table_names_queries_only_where_there_are_several() -> None:
    one = written(hits_named("a.jpg"), OutputFormat.TABLE)
    assert one.splitlines() == ["rank  score  id", "   1  0.500  a.jpg"]
    two = written((*hits_named("a.jpg"), *hits_named("b.jpg")), OutputFormat.TABLE).splitlines()
    assert [line for line in two if "similar to" in line] == ["similar to q:"] * 2
    assert two.count("") == 1


def test_the_table_says_so_when_nothing_is_similar() -> None:
    assert written((QueryResult("q\n.jpg", ()),), OutputFormat.TABLE) == "nothing similar to q\\n.jpg\n"


def test_the_table_shows_paths_only_where_the_id_does_not_tell() -> None:
    results = (QueryResult("q", (Hit("SKU-1", 0.5, os.path.join(PHOTOS, "a.jpg")),)),)
    heading, line = written(results, OutputFormat.TABLE).splitlines()
    assert heading.split() == ["rank", "score", "id", "path"]
    assert line.endswith(os.path.join(PHOTOS, "a.jpg"))
    assert "path" not in written(hits_named("a.jpg", "b.jpg"), OutputFormat.TABLE)


def test_a_name_cannot_give_orders_to_the_terminal() -> None:
    name = "a\x1b]0;title\x07\x9b31m\r\n\u2028\u202egpj.jpg"
    text = written((QueryResult(name, ()), *hits_named(name)), OutputFormat.TABLE)
    assert all(letter.isprintable() or letter == "\n" for letter in text)
    assert r"a\x1b]0;title\x07\x9b31m\r\n\u2028\u202egpj.jpg" in text


@pytest.mark.parametrize("columns", [40, 60, 200])
def test_long_names_are_shortened_to_a_terminal_but_never_in_a_pipe(
    columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    name = "a-very-long-folder-name/" * 3 + "写真" * 20 + "/the-end.jpg"
    results = (QueryResult("q", (Hit(name, 0.5, os.path.join(PHOTOS, "x.jpg"), "group" * 9),)),)
    shown = written(results, OutputFormat.TABLE, Terminal()).splitlines()
    assert max(map(width, shown)) <= columns
    assert ("…" in shown[1]) is (width(written(results, OutputFormat.TABLE).splitlines()[1]) > columns)
    assert name in written(results, OutputFormat.TABLE)


def test_a_stream_that_cannot_say_a_letter_gets_it_escaped() -> None:
    raw = written_bytes(hits_named("写.jpg"), OutputFormat.TABLE, "ascii")
    assert b"\\u5199.jpg" in raw


@pytest.mark.parametrize("columns", range(12))
def test_a_shortened_text_fits_and_keeps_both_ends(columns: int) -> None:
    for text in ("abcdefghijklm", "写真写真写真写真", "e\u0301" * 14):
        short = shortened(text, columns)
        assert width(short) <= columns
        if columns >= 7:
            assert (short[0], short[-1]) == (text[0], text[-1])
    assert shortened("abcdefghijk", 7) == "abc…ijk"
    assert shortened("abc", 3) == "abc"


def test_widths_are_those_of_a_terminal() -> None:
    assert [width(text) for text in ("abc", "写真", "e\u0301", "🦊", "ｆ", "é", "")] == [3, 4, 1, 2, 2, 1, 0]
    assert padded("写", 4) == "写  "
    assert one_line("tab\there") == "tab\\there"


def test_progress_is_silent_in_a_pipe_and_when_quiet(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with progress_printer(quiet=False) as show:
        show(Progress("index", 1, 2))
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with progress_printer(quiet=True) as show:
        show(Progress("index", 1, 2))
    assert capsys.readouterr() == ("", "")


def test_progress_on_a_terminal_tells_rate_and_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    stderr = Terminal()
    monkeypatch.setattr(sys, "stderr", stderr)
    with progress_printer(quiet=False, instant_s=0) as show:
        show(Progress("scan", 5, None))
        show(Progress("scan", 70, None))
        show(Progress("index", 0, 200))
        show(Progress("index", 50, 200))
        show(Progress("index", 200, 200))
    text = stderr.getvalue()
    assert "scan: 70" in text
    assert "images/s" in text
    assert "100%" in text
    assert "200/200" in text
    assert " left]" in text
    assert text.endswith("\n")


def test_work_that_is_done_in_an_instant_leaves_no_line(monkeypatch: pytest.MonkeyPatch) -> None:
    stderr = Terminal()
    monkeypatch.setattr(sys, "stderr", stderr)
    with progress_printer(quiet=False, instant_s=3600) as show:
        show(Progress("scan", 1, None))
        show(Progress("index", 0, 2))
        show(Progress("index", 2, 2))
    assert stderr.getvalue() == ""


def test_progress_leaves_the_terminal_usable_after_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    stderr = Terminal()
    monkeypatch.setattr(sys, "stderr", stderr)

    def fail() -> None:
        with progress_printer(quiet=False, instant_s=0) as show:
            show(Progress("index", 1, 2))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert stderr.getvalue().endswith("\n")


def test_no_format_gives_orders_to_a_terminal() -> None:
    evil = "a\x1b[31m\u202e\x9b\r.jpg"
    found = (QueryResult(evil, (Hit(evil, 0.5, f"/photos/{evil}", evil, {evil: evil}),)),)
    for form in OutputFormat:
        text = written(found, form, Terminal())
        assert not set(text) & set("\x1b\u202e\x9b\r"), form
        assert "31m" in text
    assert "\x1b" in written(found, OutputFormat.CSV)  # a program gets what there is
