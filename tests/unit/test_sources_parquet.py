"""What becomes of every type that a Parquet column can have."""

from __future__ import annotations

import json
import sys
import tracemalloc
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

import pytest
from tests.tables import items, reports, scan, write_parquet

from seealike.errors import MissingExtraError, SourceError
from seealike.sources import open_source
from seealike.types import MetadataValue, SkipReason, SourceItem

if TYPE_CHECKING:
    import pyarrow as pa


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    (tmp_path / "img").mkdir()
    for name in ("a.jpg", "b.jpg", "c, d.jpg", "écharpe 围巾.jpg"):
        (tmp_path / "img" / name).write_bytes(name.encode())
    return tmp_path


def test_parquet_keeps_its_types(shop: Path) -> None:
    pa = pytest.importorskip("pyarrow", reason="the extra 'parquet' is not installed")
    pq = pytest.importorskip("pyarrow.parquet")
    columns = {
        "path": pa.array(["img/a.jpg", "img/b.jpg", None]),
        "id": pa.array([1, 2, 3]),
        "group": pa.array(["g", None, "g"]).dictionary_encode(),
        "small": pa.array([1, 2, None], pa.int8()),
        "unsigned": pa.array([2**64 - 1, 1, 1], pa.uint64()),
        "half": pa.array([0.5, float("nan"), 1.0], pa.float16()),
        "truth": pa.array([True, False, None]),
        "tags": pa.array([["x", "y"], [], None]),
        "day": pa.array([0, 1, 2], pa.date32()),
        "moment": pa.array([1, 2, 3], pa.timestamp("ns")),
        "bytes": pa.array([b"\xff", b"", b""]),
        "picture": pa.array([{"bytes": b"\xff", "n": 1}] * 3),
    }
    pq.write_table(pa.table(columns), shop / "t.parquet")
    found = list(open_source(shop / "t.parquet").scan())
    first, second = (entry for entry in found if isinstance(entry, SourceItem))
    assert (first.id, first.group, second.id, second.group) == ("1", "g", "2", None)
    assert first.metadata == {
        "small": 1,
        "unsigned": str(2**64 - 1),
        "half": 0.5,
        "truth": True,
        "tags": '["x", "y"]',
        "day": "1970-01-01",
        "moment": "1970-01-01 00:00:00.000000001",
    }
    assert [type(first.metadata[name]) for name in ("small", "half", "truth")] == [int, float, bool]
    assert second.metadata["half"] is None
    assert reports(found) == [("t.parquet:3", SkipReason.UNREADABLE, "row 3: the path is empty")]


def parquet_column(shop: Path, column: pa.Array) -> list[MetadataValue]:
    """What becomes of a metadata column."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(
        pa.table({"path": ["img/a.jpg"] * len(column), "id": range(len(column)), "x": column}),
        shop / "x.parquet",
    )
    return [item.metadata["x"] for item in items(list(open_source(shop / "x.parquet").scan()))]


def test_parquet_numbers_and_names_are_what_their_digits_say(shop: Path) -> None:
    pa = pytest.importorskip("pyarrow", reason="the extra 'parquet' is not installed")
    decimals = [Decimal("9.99"), Decimal("-0.10"), Decimal("1234567890123456789.01"), Decimal("5.00"), None]
    expected: list[MetadataValue] = [9.99, -0.1, "1234567890123456789.01", 5.0, None]
    for column in (pa.array(decimals, pa.decimal128(38, 2)), pa.array(decimals, pa.decimal256(40, 2))):
        assert parquet_column(shop, column) == expected
        assert parquet_column(shop, column.dictionary_encode()) == expected
    whole = parquet_column(shop, pa.array([Decimal(7), Decimal(10**30)], pa.decimal128(38, 0)))
    assert (whole, type(whole[0])) == ([7, str(10**30)], int)

    name = UUID("12345678-1234-5678-1234-567812345678")
    assert parquet_column(shop, pa.array([name.bytes, None], pa.uuid())) == [str(name), None]
    table = pa.table({"path": ["img/a.jpg"], "id": pa.array([name.bytes], pa.uuid())})
    pytest.importorskip("pyarrow.parquet").write_table(table, shop / "ids.parquet")
    assert [item.id for item in items(list(open_source(shop / "ids.parquet").scan()))] == [str(name)]


def test_parquet_times_are_text_and_lengths_of_time_are_seconds(shop: Path) -> None:
    pa = pytest.importorskip("pyarrow", reason="the extra 'parquet' is not installed")
    cases: list[tuple[object, MetadataValue]] = [
        (pa.array([1], pa.timestamp("us", "UTC")), "1970-01-01 00:00:00.000001Z"),
        (pa.array([1], pa.timestamp("ns")).dictionary_encode(), "1970-01-01 00:00:00.000000001"),
        (pa.array([86_400_000], pa.date64()), "1970-01-02"),
        (pa.array([1], pa.time32("s")), "00:00:01.000"),
        (pa.array([1], pa.time64("ns")), "00:00:00.000000001"),
        (pa.array([90_500], pa.duration("ms")), 90.5),
        (pa.array([1_500_000_001], pa.duration("ns")), 1.5),
        (pa.array([[1]], pa.list_(pa.timestamp("ns"))), '["1970-01-01 00:00:00.000000001"]'),
        (pa.array([{"t": 1}], pa.struct([("t", pa.duration("s"))])), '{"t": 1.0}'),
    ]
    for column, expected in cases:
        assert parquet_column(shop, column) == [expected], column


def test_parquet_lists_maps_and_structs_are_json(shop: Path) -> None:
    pa = pytest.importorskip("pyarrow", reason="the extra 'parquet' is not installed")
    nan, inf = float("nan"), float("inf")
    name = UUID(int=5)
    cases: list[tuple[object, object]] = [
        (pa.array([[nan, 1.5, inf, None]]), [None, 1.5, None, None]),
        (pa.array([[[-inf], []]]), [[None], []]),
        (pa.array([[1.5, nan]], pa.list_(pa.float32(), 2)), [1.5, None]),
        (pa.array([[2**64 - 1]], pa.large_list(pa.uint64())), [2**64 - 1]),
        (pa.array([[("a", nan), ("b", 1.0)]], pa.map_(pa.string(), pa.float64())), {"a": None, "b": 1.0}),
        (
            pa.array([[(1, [Decimal("2.5")])]], pa.map_(pa.int8(), pa.list_(pa.decimal128(5, 1)))),
            {"1": [2.5]},
        ),
        (pa.array([{"a": {"b": nan}, "c": True}]), {"a": {"b": None}, "c": True}),
        (pa.ListArray.from_arrays([0, 1], pa.array([name.bytes], pa.uuid())), [str(name)]),
    ]
    for column, expected in cases:
        (text,) = parquet_column(shop, column)
        assert isinstance(text, str)
        assert json.loads(text, parse_constant=pytest.fail) == expected


def test_a_parquet_cell_that_cannot_be_read_costs_its_own_row(shop: Path) -> None:
    pa = pytest.importorskip("pyarrow", reason="the extra 'parquet' is not installed")
    pq = pytest.importorskip("pyarrow.parquet")
    broken = pa.array([b"good", b"\xff", b"also good"]).cast(pa.binary()).view(pa.string())
    pq.write_table(pa.table({"path": ["img/a.jpg"] * 3, "id": [1, 2, 3], "x": broken}), shop / "t.parquet")
    found = list(open_source(shop / "t.parquet").scan())
    assert [item.metadata["x"] for item in found if isinstance(item, SourceItem)] == ["good", "also good"]
    ((name, reason, detail),) = reports(found)
    assert (name, reason) == ("t.parquet:2", SkipReason.UNREADABLE)
    assert detail.startswith("row 2: a cell cannot be read: ")


def test_a_text_that_parquet_stores_once_for_many_rows_is_not_held_for_each(shop: Path) -> None:
    pa = pytest.importorskip("pyarrow", reason="the extra 'parquet' is not installed")
    pq = pytest.importorskip("pyarrow.parquet")
    rows, size = 500, 2**21
    x = pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), ["x" * size])
    pq.write_table(pa.table({"path": ["img/a.jpg"] * rows, "id": range(rows), "x": x}), shop / "t.parquet")
    tracemalloc.start()
    try:
        assert sum(1 for _ in open_source(shop / "t.parquet").scan()) == rows
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < rows * size / 2


def test_two_fields_of_one_name_inside_a_parquet_column_are_refused_by_name(shop: Path) -> None:
    pa = pytest.importorskip("pyarrow", reason="the extra 'parquet' is not installed")
    pq = pytest.importorskip("pyarrow.parquet")
    point = pa.StructArray.from_arrays([pa.array([1]), pa.array([2])], ["x", "x"])
    pq.write_table(pa.table({"path": ["img/a.jpg"], "point": point}), shop / "t.parquet")
    with pytest.raises(SourceError, match=r"more than one column 'point\.x'"):
        open_source(shop / "t.parquet")


def test_a_damaged_parquet_file_is_refused(shop: Path) -> None:
    pytest.importorskip("pyarrow", reason="the extra 'parquet' is not installed")
    write_parquet(shop / "good.parquet", [{"path": f"img/{n}.jpg"} for n in range(5000)])
    whole = (shop / "good.parquet").read_bytes()
    for content in (b"", b"PAR1", whole[:-20], b"not parquet at all"):
        with pytest.raises(SourceError, match="as Parquet"):
            scan(shop, content, "bad.parquet")


def test_parquet_without_its_extra_says_how_to_install_it(
    shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (shop / "t.parquet").write_bytes(b"")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'seealike\[parquet\]'"):
        open_source(shop / "t.parquet")
