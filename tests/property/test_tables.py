"""Tables of any content: every row ends as an item or is skipped, and no cell stops a run."""

from __future__ import annotations

import csv
import io
import json
import math
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import seealike
from seealike.errors import SourceError
from seealike.sources import TableSource
from seealike.testing import FakeEncoder
from seealike.types import Skipped, SourceItem

Cells = dict[str, object]

UNICODE = st.text(st.characters(exclude_categories=()), max_size=12)  # halves of surrogate pairs too
PATHS = st.one_of(
    st.sampled_from(
        (
            "a.jpg",
            "folder",
            ".",
            "..",
            "/",
            "\0",
            "a\0b",
            "\ud800.jpg",
            "\udcff",
            "../\ud800",
            "x" * 300,
            "d/" * 3000 + "a.jpg",
            "C:\\pictures\\a.jpg",
            "\\\\server\\share\\a.jpg",
            "CON",
            "https://example.org/a.jpg",
            "~",
            " ",
        )
    ),
    UNICODE,
)
NUMBERS = st.one_of(st.integers(), st.floats(), st.sampled_from((2**63, -(2**63) - 1, 10**400, 1e308)))
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, UNICODE, st.just("y" * 200_000)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(UNICODE, inner, max_size=3)),
    max_leaves=5,
)
ROWS = st.lists(
    st.fixed_dictionaries(
        {"path": st.one_of(PATHS, VALUES)},
        optional={"id": st.one_of(PATHS, VALUES), "group": st.one_of(UNICODE, VALUES), "x": VALUES},
    ).flatmap(lambda row: st.dictionaries(UNICODE, VALUES, max_size=2).map(lambda more: {**more, **row})),
    max_size=6,
)
QUICK = settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Callable[[str, bytes], list[SourceItem | Skipped] | None]]:
    """Indexes a table that has this name and content, and returns what the scan gave, if it is a table."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "a.jpg").write_bytes(b"no picture")
    with seealike.create(tmp_path / "catalog", encoder=FakeEncoder()) as catalog:

        def indexed(name: str, content: bytes) -> list[SourceItem | Skipped] | None:
            (tmp_path / name).write_bytes(content)
            try:
                source = TableSource(tmp_path / name)
                found = list(source.scan())
            except SourceError as refused:
                check_message(str(refused))
                return None
            options = seealike.IndexOptions(dry_run=any(isinstance(entry, SourceItem) for entry in found))
            report = catalog.index(source, options=options)
            assert {entry.id for entry in found if isinstance(entry, Skipped)} == {
                row.id for row in report.skipped
            }
            return found

        yield indexed


def check_message(text: str) -> None:
    assert "\n" not in text


def check(found: list[SourceItem | Skipped], rows: int) -> None:
    assert len(found) == rows
    items = [entry for entry in found if isinstance(entry, SourceItem)]
    assert len({entry.id for entry in items}) == len(items)
    for entry in found:
        os.fsencode(entry.path)
        assert os.path.isabs(entry.path)
        entry.id.encode()
    for item in items:
        assert os.path.basename(item.path) == "a.jpg"
        for name, value in item.metadata.items():
            assert name
            assert is_storable(value)


def is_storable(value: object) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, str):
        return bool(value.encode() or True)
    return value is None or (isinstance(value, int) and -(2**63) <= value < 2**63)


@given(rows=ROWS)
@QUICK
@example(rows=[{"path": "a.jpg", "id": "\ud800"}, {"path": "\ud800.jpg", "id": "\ud800"}])
@example(rows=[{"path": "a\0b"}, {"path": "a\0b", "id": "a"}, {"path": "a\0b", "id": "a"}])
@example(rows=[{"path": "a.jpg", "x": [[1e999, float("nan")], {"\ud800": float("-inf")}]}])
def test_every_line_of_json_ends_as_an_item_or_is_skipped(
    shop: Callable[[str, bytes], list[SourceItem | Skipped] | None], rows: list[Cells]
) -> None:
    content = "".join(json.dumps(row) + "\n" for row in [{"path": "none"}, *rows])
    found = shop("t.jsonl", content.encode())
    assert found is not None
    check(found, len(rows) + 1)
    for item in (entry for entry in found if isinstance(entry, SourceItem)):
        for value in rows[0].values() if len(rows) == 1 else ():
            if isinstance(value, list | dict):
                texts = [held for held in item.metadata.values() if isinstance(held, str) and held[0] in "[{"]
                assert all(json.loads(held, parse_constant=no_constant) is not None for held in texts)


def no_constant(text: str) -> None:
    raise AssertionError(f"{text} is no JSON")


@pytest.mark.parametrize("depth", [*range(100, 1100, 50), 5_000, 100_000])
def test_json_nested_to_any_depth_costs_at_most_its_own_row(
    shop: Callable[[str, bytes], list[SourceItem | Skipped] | None], depth: int
) -> None:
    line = b'{"path": "a.jpg", "x": ' + b"[" * depth + b"]" * depth + b"}\n"
    found = shop("t.jsonl", line + b'{"path": "a.jpg", "id": "next"}\n')
    assert found is not None
    check(found, 2)
    assert isinstance(found[1], SourceItem)


CSV_CELLS = st.text(st.characters(codec="utf-8"), max_size=12)


@given(
    rows=st.lists(
        st.lists(
            st.one_of(CSV_CELLS, CSV_CELLS, CSV_CELLS, st.just("a.jpg"), st.just("y" * 200_000)),
            min_size=4,
            max_size=4,
        ),
        max_size=6,
    )
)
@QUICK
@example(rows=[["a\0b", "a\0b", "", ""], ["a", "a\0b", "", ""], ["a.jpg", "i", "g\r\n\0", "=1\n"]])
def test_every_row_of_csv_ends_as_an_item_or_is_skipped(
    shop: Callable[[str, bytes], list[SourceItem | Skipped] | None], rows: list[list[str]]
) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerows([["path", "id", "group", "x"], *rows])
    found = shop("t.csv", text.getvalue().encode())
    assert found is not None
    check(found, len(rows))


@given(content=st.one_of(st.binary(max_size=60), CSV_CELLS.map(str.encode)), name=st.sampled_from("abc"))
@QUICK
def test_any_bytes_are_a_table_or_refused_in_one_line(
    shop: Callable[[str, bytes], list[SourceItem | Skipped] | None], content: bytes, name: str
) -> None:
    ending = {"a": ".csv", "b": ".jsonl", "c": ".parquet"}[name]
    if ending == ".parquet":
        pytest.importorskip("pyarrow", reason="the extra 'parquet' is not installed")
    for start in (b"", b"path,x\n", b'{"path": "a.jpg"}\n', b"PAR1"):
        found = shop(f"t{ending}", start + content)
        assert found is None or all(isinstance(entry, SourceItem | Skipped) for entry in found)


def arrow_columns(count: int) -> st.SearchStrategy[Mapping[str, tuple[str, list[object]]]]:
    """Columns of ``count`` cells: by name, the name of a type and values for it."""

    def of(kind: str, values: st.SearchStrategy[object]) -> st.SearchStrategy[tuple[str, list[object]]]:
        cells = st.lists(st.one_of(st.none(), values), min_size=count, max_size=count)
        return cells.map(lambda held: (kind, held))

    whole = st.integers(-(2**63), 2**63 - 1)
    column = st.one_of(
        of("string", CSV_CELLS),
        of("uint64", st.integers(0, 2**64 - 1)),
        of("float32", st.floats(width=32)),
        of("halffloat", st.floats(width=16)),
        of("double", st.floats()),
        of("bool", st.booleans()),
        of("timestamp_s", st.integers(-(2**50), 2**50)),
        of("timestamp_ns", whole),
        of("date32", st.integers(-(2**31), 2**31 - 1)),
        of("time64_ns", st.integers(0, 86_399_999_999_999)),
        of("duration_s", whole),
        of("duration_ns", whole),
        of("decimal", st.decimals(-(10**20), 10**20, places=4)),
        of("uuid", st.binary(min_size=16, max_size=16)),
        of("binary", st.binary(max_size=3)),
        of("list_double", st.lists(st.floats(), max_size=3)),
        of("list_timestamp", st.lists(whole, max_size=3)),
        of("map_double", st.lists(st.tuples(CSV_CELLS, st.floats()), max_size=3)),
    )
    return st.dictionaries(CSV_CELLS.filter(lambda name: "\0" not in name), column, max_size=4)


@given(data=st.data(), count=st.integers(1, 4))
@QUICK
def test_every_row_of_parquet_ends_as_an_item_or_is_skipped(
    shop: Callable[[str, bytes], list[SourceItem | Skipped] | None], data: st.DataObject, count: int
) -> None:
    pa = pytest.importorskip("pyarrow", reason="the extra 'parquet' is not installed")
    pq = pytest.importorskip("pyarrow.parquet")
    types = {
        "timestamp_s": pa.timestamp("s"),
        "timestamp_ns": pa.timestamp("ns", "UTC"),
        "time64_ns": pa.time64("ns"),
        "duration_s": pa.duration("s"),
        "duration_ns": pa.duration("ns"),
        "decimal": pa.decimal128(38, 4),
        "uuid": pa.uuid(),
        "list_double": pa.list_(pa.float64()),
        "list_timestamp": pa.list_(pa.timestamp("ns")),
        "map_double": pa.map_(pa.string(), pa.float64()),
    }
    drawn = {"path": ("string", ["a.jpg"] * count), **data.draw(arrow_columns(count))}
    columns = {name: pa.array(cells, types.get(kind) or kind) for name, (kind, cells) in drawn.items()}
    stream = io.BytesIO()
    pq.write_table(pa.table(columns), stream)
    found = shop("t.parquet", stream.getvalue())
    if drawn["path"][0] == "string":
        assert found is not None
    if found is not None:
        check(found, count)
