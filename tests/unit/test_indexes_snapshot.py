"""The snapshot's record and file: everything that is not what was written is refused."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from seealike.indexes import SnapshotDamagedError, SnapshotRecord
from seealike.indexes.effort import Effort
from seealike.indexes.snapshot import read_parts, write_parts

if TYPE_CHECKING:
    from seealike.indexes.snapshot import Part

RECORD = SnapshotRecord(
    count=3,
    distinct=2,
    rows=3,
    dimension=4,
    first_key=1,
    last_key=9,
    library="faiss 1",
    reduced=4,
    lists=2,
    efforts=(Effort(10, 20, 2, 0.1, 40, 4), Effort(100, 200, 2, 0.0, 200, 2)),
    recall_at_10=0.999,
    queries=2,
    size_bytes=100,
    sha256="ab" * 32,
    took_s=0.5,
)


def test_a_record_survives_json() -> None:
    assert SnapshotRecord.from_json(RECORD.to_json()) == RECORD


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("count", "3"),
        ("count", None),
        ("count", True),
        ("count", 3.0),
        ("sha256", 5),
        ("took_s", "1"),
        ("took_s", float("nan")),
        ("efforts", None),
        ("efforts", [1]),
        ("efforts", [{"k": 10}]),
        ("efforts", [{"k": 10, "fetched": 1, "probed": 1, "more": 1}]),
        ("format", 1),
        ("surprise", 1),
    ],
)
def test_a_record_with_another_field_or_type_is_refused(field: str, value: object) -> None:
    text = json.dumps({**json.loads(RECORD.to_json()), field: value})
    with pytest.raises(SnapshotDamagedError):
        SnapshotRecord.from_json(text)


@pytest.mark.parametrize("text", ["", "null", "[]", "{}", "[" * 100_000, '"x"', "{" + '"count":1' + "}"])
def test_a_text_that_is_no_record_is_refused(text: str) -> None:
    with pytest.raises(SnapshotDamagedError):
        SnapshotRecord.from_json(text)


def test_a_record_without_one_of_its_fields_is_refused() -> None:
    for field in dataclasses.fields(SnapshotRecord):
        raw = json.loads(RECORD.to_json())
        del raw[field.name]
        if field.name == "vectors":  # earlier versions did not say it, for there were only halves
            assert SnapshotRecord.from_json(json.dumps(raw)).vectors == "float16"
            continue
        with pytest.raises(SnapshotDamagedError):
            SnapshotRecord.from_json(json.dumps(raw))


@pytest.mark.parametrize("vectors", ["int4", "", 8, None])
def test_a_record_of_unknown_numbers_is_refused(vectors: object) -> None:
    with pytest.raises(SnapshotDamagedError):
        SnapshotRecord.from_json(json.dumps({**json.loads(RECORD.to_json()), "vectors": vectors}))


def test_parts_come_back_as_they_were(tmp_path: Path) -> None:
    path = str(tmp_path / "parts")
    parts: dict[str, Part] = {
        "floats": np.arange(12, dtype=np.float32).reshape(3, 4).T,
        "empty": np.empty((0, 5), dtype=np.float32),
        "keys": np.array([1 << 60, -1], dtype=np.int64),
        "bytes": np.arange(77, dtype=np.uint8),
    }
    with open(path, "wb") as file:
        size, sha256 = write_parts(file, parts)
    assert size == (tmp_path / "parts").stat().st_size
    found = read_parts(path, size, sha256)
    assert list(found) == list(parts)
    for name, part in parts.items():
        assert found[name].dtype == part.dtype
        assert np.array_equal(found[name], part)


def test_a_file_of_another_layout_is_refused_even_with_the_right_hash(tmp_path: Path) -> None:
    path = tmp_path / "parts"
    for data in (b"", b"x" * 200, b"seealike ANN\x00\x00\x00\x02" + b"\xff" * 50):
        path.write_bytes(data)
        with pytest.raises(SnapshotDamagedError):
            read_parts(str(path), len(data), hashlib.sha256(data).hexdigest())
