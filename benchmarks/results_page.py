"""A page of many results: its size, how long it takes to write, and how quickly a browser opens it.

1,000 queries with their ten nearest of 1,200 clothing photos, once with queries that are among them, once
with 1,000 others. A headless Chromium, 1280 x 860 px, opens the page from disk; open means that the load
event is over and two more frames are drawn.
"""

from __future__ import annotations

import contextlib
import csv
import io
import shutil
import time
from pathlib import Path

from tests.browser import browsing, chromium

from benchmarks.report import Row, median_of
from seealike.cli.main import run

TITLE = "A page of results"
ITEMS, QUERIES, TOP = 1200, 1000, 10
_FRAMES = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(1))))"
_PAINT = "performance.getEntriesByName('first-contentful-paint')[0].startTime"


def rows(data: Path, work: Path) -> list[Row]:
    catalog, table = work / "page.catalog", work / "page.csv"
    with (data / "clothing" / "catalogue.csv").open(encoding="utf-8", newline="") as file:
        photos = [row["path"] for row in csv.DictReader(file)][: ITEMS + QUERIES]
    table.write_text("\n".join(["path", *photos[:ITEMS]]), encoding="utf-8")
    others = [str(data / "clothing" / path) for path in photos[ITEMS:]]
    shutil.rmtree(catalog, ignore_errors=True)
    _typed("index", str(table), "--root", str(data / "clothing"), "-C", str(catalog))
    found = []
    for what, queries in (("queries among them", ["--id", *photos[:QUERIES]]), ("other queries", others)):
        page = work / "page.html"
        started = time.perf_counter()
        _typed("search", *queries, "-k", str(TOP), "-C", str(catalog), "--gallery", str(page))
        took = time.perf_counter() - started
        pictures = page.read_text("utf-8").count(";background-image:")
        note = f"{pictures:,} pictures, each once; found and written in {took:.1f} s"
        name = f"{QUERIES:,} x {TOP} of {ITEMS:,} photos, {what}"
        found.append(Row(f"{name}: size", f"{page.stat().st_size / 1e6:.1f} MB", "< 15", note))
        found.append(_opened(page, f"{name}: opens in"))
    return found


def _typed(*arguments: str) -> None:
    with contextlib.redirect_stdout(io.StringIO()):
        assert run([*arguments, "--quiet"]) == 0


def _opened(page: Path, what: str) -> Row:
    program = chromium()
    if program is None:
        return Row(what, "not measured", "< 2 s", "no Chromium is installed")
    with browsing(program) as browser:

        def once() -> float:
            started = time.perf_counter()
            browser.show(page)
            browser.value(_FRAMES)
            return time.perf_counter() - started

        median, spread = median_of(5, once)
        painted = browser.value(_PAINT) / 1000
    return Row(what, f"{median:.2f} s", "< 2 s", f"{spread}; something is seen after {painted:.2f} s")
