"""A catalogue on disk that holds the synthetic vectors, and one-off measurements of it in a fresh process.

python -m benchmarks.large open CATALOG          seconds to open it and to answer the first query, and memory
python -m benchmarks.large open-cold CATALOG     the same, the system having dropped its files from memory
python -m benchmarks.large lists CATALOG OUT     the lists of all items: seconds, peak memory
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import psutil

import seealike
from seealike.catalog import ann
from seealike.store import FileSystem, NewItem, SqliteStore, StoreWriter
from seealike.store.records import BY_HAND
from seealike.types import Float16Array

_ROWS_AT_ONCE = 4096


def catalog_of(vectors: Float16Array, work: Path) -> tuple[Path, float]:
    """The catalogue whose item ``000123`` has the vector of row 123, and how long its index took to build."""
    path = work / f"large-{len(vectors)}-described.catalog"
    note = path.with_suffix(".json")
    if not note.exists():
        seealike.create(path).close()
        store, writer = SqliteStore(str(path)), StoreWriter(str(path / "catalog.sqlite"))
        for start in range(0, len(vectors), _ROWS_AT_ONCE):
            part = np.array(vectors[start : start + _ROWS_AT_ONCE])
            writer.add([item_of(start + row, vector.tobytes()) for row, vector in enumerate(part)])
        started = time.perf_counter()
        ann.refresh(store, FileSystem(), lambda: nullcontext(writer), lambda _: None)
        note.write_text(json.dumps(time.perf_counter() - started))
        writer.close()
        store.close()
    return path, float(json.loads(note.read_text()))


def measured(*arguments: str) -> dict[str, float]:
    """What this module, run as a program, prints."""
    command = [sys.executable, "-m", "benchmarks.large", *arguments]
    result = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(result.stdout)
    return found


def share_of(row: int) -> float:
    """A number of 0 to 1 in every item's metadata: ``share < 0.1`` holds for a tenth of them."""
    return round(row * 0.6180339887498949 % 1.0, 6)


def item_of(row: int, vector: bytes) -> NewItem:
    return NewItem(
        id=f"{row:06}",
        path=None,
        size_bytes=None,
        mtime_ns=None,
        sha256=None,
        group=None,
        metadata_json=json.dumps({"share": share_of(row)}),
        width_px=400,
        height_px=400,
        source=BY_HAND,
        vector=vector,
    )


def _open(path: str) -> dict[str, float]:
    process = psutil.Process()
    before = process.memory_info().rss
    started = time.perf_counter()
    catalog = seealike.open(path)
    opened = time.perf_counter()
    query = np.ones((1, catalog.encoder.dimension), dtype=np.float32)
    catalog.search_vectors(query / np.linalg.norm(query))
    answered = time.perf_counter()
    memory = process.memory_info().rss - before
    read = process.io_counters().read_chars if hasattr(process, "io_counters") else 0
    return {
        "open_s": opened - started,
        "answer_s": answered - started,
        "read_bytes": read,
        "memory_bytes": memory,
    }


def _lists(path: str, out: str) -> dict[str, float]:
    peak, done = 0, threading.Event()

    def watch() -> None:
        nonlocal peak
        process = psutil.Process()
        while not done.wait(0.1):
            peak = max(peak, process.memory_info().rss)

    threading.Thread(target=watch, daemon=True).start()
    started = time.perf_counter()
    with seealike.open(path) as catalog:
        rows = [[int(item) for item in entry.similar_ids] for entry in catalog.recommend_all(10)]
    took = time.perf_counter() - started
    done.set()
    np.save(out, np.array(rows, dtype=np.int32))
    return {"took_s": took, "peak_bytes": float(peak)}


def _open_cold(path: str) -> dict[str, float]:
    for file in Path(path).iterdir():
        with file.open("rb") as stream:
            os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    return _open(path)


def main() -> None:
    what, *arguments = sys.argv[1:]
    if what == "lists":
        print(json.dumps(_lists(*arguments)))
    else:
        print(json.dumps(_open(*arguments) if what == "open" else _open_cold(*arguments)))


if __name__ == "__main__":
    main()
