"""Rows of figures, printed as one Markdown table, with the machine they come from."""

from __future__ import annotations

import datetime as dt
import importlib.metadata
import os
import platform
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """One measurement beside what it is compared with."""

    what: str
    value: str
    goal: str = ""
    note: str = ""


def table(title: str, rows: Iterable[Row]) -> str:
    lines = [f"### {title}", "", "| row | measured | goal | note |", "| --- | --- | --- | --- |"]
    lines += [f"| {row.what} | {row.value} | {row.goal} | {row.note} |" for row in rows]
    return "\n".join(lines) + "\n"


def machine() -> str:
    """One line about where the figures come from."""
    names = ("openvino", "faiss-cpu", "numpy", "pillow", "simplejpeg")
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in names)
    today = dt.datetime.now(dt.UTC).date()
    return f"{today}, {_processor()}, {os.cpu_count()} cores, Python {platform.python_version()}, {versions}"


def median_of(times: int, measure: Callable[[], float]) -> tuple[float, str]:
    """The median of several measurements, and their spread in words."""
    values = [measure() for _ in range(times)]
    return statistics.median(values), spread(values)


def spread(values: Sequence[float]) -> str:
    return f"{min(values):.4g} to {max(values):.4g} over {len(values)}"


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            lines = file.read().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    name = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "")
    flags = next((line for line in lines if line.startswith("flags")), "")
    extra = [flag for flag in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if flag in flags]
    return f"{name} ({', '.join(extra)})"
