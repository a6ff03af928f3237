"""Tables written for a test, and what their scan gives."""

from __future__ import annotations

from pathlib import Path

from seealike.sources import open_source
from seealike.types import Skipped, SkipReason, SourceItem

Found = list[SourceItem | Skipped]


def scan(folder: Path, content: str | bytes, name: str = "t.csv", root: Path | None = None) -> Found:
    raw = content.encode("utf-8") if isinstance(content, str) else content
    (folder / name).write_bytes(raw)
    return list(open_source(folder / name, root=root).scan())


def items(found: Found) -> list[SourceItem]:
    assert all(isinstance(entry, SourceItem) for entry in found), found
    return [entry for entry in found if isinstance(entry, SourceItem)]


def reports(found: Found) -> list[tuple[str, SkipReason, str]]:
    return [(entry.id, entry.reason, entry.detail) for entry in found if isinstance(entry, Skipped)]


def write_parquet(path: Path, rows: list[dict[str, object]]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.Table.from_pylist(rows), path)
