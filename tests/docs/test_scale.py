"""The tables of docs/scale.md are what the tool prints, and its constants stand in docs/benchmarks.md."""

from __future__ import annotations

from pathlib import Path

import pytest
from tools import scale_costs as tool

ROOT = Path(__file__).parents[2]


def test_the_tables_of_the_page_are_those_of_the_tool() -> None:
    page = (ROOT / "docs" / "scale.md").read_text(encoding="utf-8")
    text = tool.tables(tool.ITEMS, tool.Prices())
    assert text in page
    assert tool.placed(page, text) == page
    dearer = tool.tables(tool.ITEMS, tool.Prices(core_hour=1.0))
    assert dearer in tool.placed(page, dearer)
    assert dearer not in page


def test_every_constant_of_ours_stands_in_the_benchmarks() -> None:
    benchmarks = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    missing = [one.source for one in tool.KNOWN if one.ours and one.source not in benchmarks]
    assert not missing


def test_costs_are_what_a_calculator_says() -> None:
    rows = tool.tables([1_000_000], tool.Prices(core_hour=1.0, gpu_hour=10.0)).splitlines()
    embedding = next(row for row in rows if row.startswith("| 1,000,000 |")).split(" | ")
    core_hours = 1e6 / (tool.IMAGES.value * tool.RAY.value) / 3600
    gpu_hours = 1e6 / 875 / 3600
    assert float(embedding[1]) == pytest.approx(core_hours, rel=0.05)
    assert float(embedding[3].lstrip("$")) == pytest.approx(core_hours, rel=0.05)
    assert float(embedding[4]) == pytest.approx(gpu_hours, rel=0.05)
    assert float(embedding[5].lstrip("$").rstrip(" |")) == pytest.approx(10 * gpu_hours, rel=0.05)
