"""The page as a person waits for it: its weight, a file chosen to pictures seen, another part, a long scroll.

Chromium and the service share the machine. Times are taken by the page itself, from what a person does to the
frame after the last picture has been decoded.
"""

from __future__ import annotations

import gzip
import statistics
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from tests.browser import chromium
from tests.page.made import MANY, write_many
from tests.page.visitor import DESK, Visitor, context_of, launched
from tests.service.processes import serving, wait_until_ready

import seealike
from benchmarks.photos import repeated
from benchmarks.report import Row

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Response

TITLE = "The page"
PHOTOS = 3_000
RUNS = 30
THUMBNAILS = 20
WIDTHS, HEIGHT, RATIOS = (360, 1200), 800, (1, 2, 3)
TALL = replace(DESK, height=1200)  # shows at least so many thumbnails whatever their shapes
_FILE = "input[type=file] >> nth=0"
# From an event to the frame in which so many pictures of a newer answer are drawn.
_WATCH = """
([event, wanted]) => {
  globalThis.tookMs = null;
  addEventListener(event, () => {
    const began = performance.now();
    const isAnswered = () => performance.getEntriesByType("resource")
      .some((one) => one.name.endsWith("/recommend") && one.startTime >= began && one.responseEnd > 0);
    const isDrawn = () => [...document.querySelectorAll("[role=listitem] img")]
      .filter((one) => one.complete && one.naturalWidth).length >= wanted;
    const look = () => {
      if (isAnswered() && isDrawn()) requestAnimationFrame(end);
      else requestAnimationFrame(look);
    };
    const end = () => { globalThis.tookMs = performance.now() - began; };
    requestAnimationFrame(look);
  }, { capture: true, once: true });
}
"""
_SCROLL = """
async () => {
  let longest = 0, most = 0;
  const watch = new PerformanceObserver((list) => {
    for (const one of list.getEntries()) longest = Math.max(longest, one.duration);
  });
  watch.observe({ type: "longtask" });
  const frame = () => new Promise((done) => requestAnimationFrame(done));
  const note = () => { most = Math.max(most, document.querySelectorAll("[role=listitem]").length); };
  const far = () => document.documentElement.scrollHeight - innerHeight;
  for (let step = 0; step < 240; step++) { scrollBy(0, 180); await frame(); note(); }
  for (let step = 1; step <= 120; step++) { scrollTo(0, far() * step / 120); await frame(); note(); }
  for (let step = 0; step < 60; step++) { scrollBy(0, -240); await frame(); note(); }
  scrollTo(0, far());
  for (let step = 0; step < 60; step++) { await frame(); note(); }
  const last = Math.max(...[...document.querySelectorAll("[role=listitem]")]
    .filter((one) => one.getBoundingClientRect().top < innerHeight).map((one) => Number(one.ariaPosInSet)));
  for (const one of watch.takeRecords()) longest = Math.max(longest, one.duration);
  return { longest, most, last, nodes: document.querySelectorAll("*").length };
}
"""


def rows(data: Path, work: Path) -> list[Row]:
    """Measure; nothing where there is no browser."""
    if chromium() is None:
        return [Row("the page", "not measured", note="no Chromium is installed")]
    folder = repeated(data, work / f"photos-{PHOTOS}", PHOTOS)
    target = work / "page.catalog"
    with _opened(target) as catalog:
        catalog.index(folder)
    asked = sorted((data / "places").glob("*.jpg")) or sorted(folder.glob("*.jpg"))
    with launched() as browser, _serving(target) as address:
        found = [*_weight(browser, address), *_asking(browser, address, asked[:RUNS])]
    return [*found, *_scrolling(work)]


def _weight(browser: Browser, address: str) -> list[Row]:
    """What comes before the first picture can be seen, replies of the service included, pictures left out."""
    visitor = Visitor(context_of(browser, DESK), address)
    replies: list[Response] = []

    def note(reply: Response) -> None:
        replies.append(reply)

    visitor.page.on("response", note)
    visitor.open("/")
    visitor.see("[role=listitem]")
    visitor.page.wait_for_load_state("networkidle")
    kept = [one for one in replies if not one.url.startswith(f"{address}/images/")]
    raw = sum(len(one.body()) for one in kept)
    sent = sum(one.request.sizes()["responseBodySize"] for one in kept)
    files = [one for one in kept if "/page/" in one.url or one.url == f"{address}/"]
    packed = sum(len(gzip.compress(one.body())) for one in files)
    visitor.context.close()
    return [
        Row("requests before the first picture", str(len(kept)), "12", f"{len(files)} of them files"),
        Row("the same, compressed", f"{sent / 1e3:.1f} KB", "60 KB", f"{packed / 1e3:.1f} KB of files"),
        Row("the same, raw", f"{raw / 1e3:.1f} KB", "150 KB"),
    ]


def _asking(browser: Browser, address: str, pictures: Sequence[Path]) -> list[Row]:
    """Each picture is new to the service; of each another part is asked for once it is answered."""
    visitor = Visitor(context_of(browser, TALL), address)
    chosen, cropped = [], []
    for path in pictures:
        visitor.open("/")
        visitor.see("[role=listitem]")
        chosen.append(_took(visitor, "change", lambda path=path: visitor.page.set_input_files(_FILE, path)))
        button = visitor.see(visitor.page.get_by_role("button", name="Search a part"))
        cropped.append(_took(visitor, "click", button.click))
    visitor.context.close()
    return [
        Row(f"a file chosen to {THUMBNAILS} thumbnails drawn", *_spread(chosen, "300 ms, p95 600 ms")),
        Row("another crop of it", *_spread(cropped, "150 ms")),
    ]


def _took(visitor: Visitor, event: str, make: object) -> float:
    """Milliseconds from an event that ``make`` brings about."""
    assert callable(make)
    visitor.page.evaluate(_WATCH, [event, THUMBNAILS])
    make()
    visitor.until("() => globalThis.tookMs !== null")
    return float(visitor.page.evaluate("globalThis.tookMs"))


def _spread(values: Sequence[float], goal: str) -> tuple[str, str, str]:
    ordered = sorted(values)
    p95 = ordered[min(len(ordered) - 1, round(0.95 * len(ordered)) - 1)]
    note = f"p95 {p95:.0f} ms; {ordered[0]:.0f} to {ordered[-1]:.0f} over {len(ordered)}"
    return f"{statistics.median(ordered):.0f} ms", goal, note


def _scrolling(work: Path) -> Iterator[Row]:
    with tempfile.TemporaryDirectory(dir=work) as folder, _serving(write_many(Path(folder))) as address:
        for ratio in RATIOS:
            # How high a page can be shows only where the whole browser has the ratio.
            with launched(f"--force-device-scale-factor={ratio}") as browser:
                for width in WIDTHS:
                    yield _scrolled(browser, address, width, ratio)


def _scrolled(browser: Browser, address: str, width: int, ratio: int) -> Row:
    visitor = Visitor(browser.new_context(no_viewport=True, reduced_motion="reduce"), address)
    size = {"width": width, "height": HEIGHT, "deviceScaleFactor": 0, "mobile": False}  # 0: the browser's own
    visitor.context.new_cdp_session(visitor.page).send("Emulation.setDeviceMetricsOverride", size)
    visitor.open("/?view=all")
    visitor.see("[role=listitem]")
    assert visitor.page.evaluate("[innerWidth, devicePixelRatio]") == [width, ratio]
    found = visitor.page.evaluate(_SCROLL)
    visitor.context.close()
    longest = f"{found['longest']:.0f} ms" if found["longest"] else "below 50 ms"
    note = f"at most {found['most']} items and {found['nodes']} nodes; the last seen is {found['last']:,}"
    return Row(f"longest task, {MANY:,} items, {width} px, ratio {ratio}", longest, "100 ms", note)


@contextmanager
def _opened(target: Path) -> Iterator[seealike.Catalog]:
    with seealike.open(target) if target.exists() else seealike.create(target) as catalog:
        yield catalog


@contextmanager
def _serving(target: Path) -> Iterator[str]:
    with serving(target) as (_, port):
        wait_until_ready(port)
        yield f"http://127.0.0.1:{port}"
