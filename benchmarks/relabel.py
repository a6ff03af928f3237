"""One new column in a large table: what the run takes, and how long readers wait beside it."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
from PIL import Image

import seealike
from benchmarks.report import Row
from seealike.encoders import identity_of
from seealike.files import FileSystem
from seealike.store import NewItem, SourceRecord, SqliteStore, StoreWriter
from seealike.types import storable_ns

TITLE = "A table with one new column"
SIZES = (100_000, 1_000_000)
BATCH = 20_000
SAMPLE_S = 0.005


def rows(data: Path, work: Path) -> list[Row]:
    del data
    return [row for size in SIZES for row in _measured(work / "relabel", size)]


def _measured(folder: Path, size: int) -> list[Row]:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    catalog = folder / "catalog"
    _fill(folder, catalog, size)
    _write_table(folder, size, "id,path,price\n", ",2")
    started = time.perf_counter()
    process = psutil.Popen(
        [sys.executable, "-m", "seealike", "index", str(folder / "t.csv"), "-C", str(catalog), "--quiet"]
    )
    waits, peak = [], 0
    with seealike.open(catalog) as reader:
        while process.poll() is None:
            before = time.perf_counter()
            reader.item("0000000")
            waits.append(time.perf_counter() - before)
            peak = max(peak, _resident(process))
            time.sleep(SAMPLE_S)
        changed = reader.item(f"{size - 1:07}").metadata
    took_s = time.perf_counter() - started
    if process.returncode or changed != {"price": 2}:
        raise subprocess.CalledProcessError(process.returncode, "seealike index")
    longest, usual = max(waits) * 1000, float(np.percentile(waits, 99)) * 1000
    shutil.rmtree(folder)
    note = f"SQLite {sqlite3.sqlite_version}; p99 {usual:.1f} ms of {len(waits):,} reads"
    return [
        Row(f"{size:,} items relabelled", f"{took_s:.1f} s, {peak / 1e6:.0f} MB", "", "whole process"),
        Row("the longest that a reader waited meanwhile", f"{longest:.0f} ms", "<= 100 ms", note),
    ]


def _fill(folder: Path, catalog: Path, size: int) -> None:
    """Items as ``index`` leaves them, all of one picture, without decoding it a million times."""
    picture = folder / "a.png"
    Image.new("RGB", (16, 16), (90, 120, 40)).save(picture)
    status = picture.stat()
    _write_table(folder, size, "id,path\n", "")
    identity = identity_of("efficientnet-lite0")
    store = SqliteStore.create(str(catalog), identity, FileSystem(), encoder_spec="efficientnet-lite0")
    vector = np.full(identity.dimension, identity.dimension**-0.5, np.float16).tobytes()
    writer = StoreWriter(store.database_path)
    writer.set_sources([SourceRecord(1, "t.csv", str(folder), spec=str(folder / "t.csv"))])
    for start in range(0, size, BATCH):
        writer.add(
            [
                NewItem(
                    f"{number:07}",
                    os.fsencode("a.png"),
                    status.st_size,
                    storable_ns(status.st_mtime_ns),
                    b"\0" * 32,
                    None,
                    "{}",
                    16,
                    16,
                    1,
                    vector,
                )
                for number in range(start, min(start + BATCH, size))
            ]
        )
    writer.close()
    store.close()


def _write_table(folder: Path, size: int, heading: str, end: str) -> None:
    with open(folder / "t.csv", "w", encoding="utf-8") as table:
        table.write(heading)
        table.writelines(f"{number:07},a.png{end}\n" for number in range(size))


def _resident(process: psutil.Popen) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0
