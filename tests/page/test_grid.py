"""The justified grid in a real browser: more pictures than a page can be high, on several screens."""

from __future__ import annotations

import math
import random
import threading
from array import array
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from itertools import accumulate
from pathlib import Path
from typing import Any

import pytest
from tests.browser import Browser, browsing, chromium

from seealike.service.guard.door import _HEADERS

HEADER, ROW, GAP, CAPTION, MOST = 56, 160, 8, 24, 300
WEB, PAGE = Path(str(files("seealike.service"))) / "web", Path(__file__).parent / "grid_page"
_KINDS = {"js": "text/javascript", "css": "text/css", "html": "text/html"}


@lru_cache(maxsize=4)
def shapes(n: int) -> tuple[int, ...]:
    """What ``/shapes`` says of n pictures: thousandths of width by height, some of them extreme."""
    drawn = random.Random(n)
    found = [max(1, min(65535, round(1000 * math.exp(drawn.gauss(0.1, 0.35))))) for _ in range(n)]
    for at, extreme in enumerate((50, 20_000, 1, 65_535, 50, 20_000)):
        if n > 10 * (at + 1):
            found[10 * (at + 1)] = extreme
    return tuple(found)


class _Answers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path, _, rest = self.path.partition("?")
        name = path.rsplit("/", 1)[-1] or "page.html"
        kind = _KINDS.get(name.rsplit(".", 1)[-1], "application/octet-stream")
        if path == "/shapes":
            body = array("H", shapes(int(rest))).tobytes()
        else:
            found = (WEB if path.startswith("/page/") else PAGE) / name
            body = found.read_bytes() if found.is_file() else b""  # the browser asks for an icon too
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        for name_, value in _HEADERS:
            self.send_header(name_.decode(), value.decode())
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *said: object) -> None:  # noqa: A002 - the library's name
        """Nothing."""


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Where the test page is, under the service's own policy."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Answers)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


@contextmanager
def screen(address: str, width: int, height: int, ratio: int = 1) -> Iterator[Browser]:
    """The test page on a screen of its own; it has complained of nothing at the end."""
    program = chromium()
    if program is None:
        pytest.skip("no Chromium that can be driven over a pipe is installed")
    with browsing(program, flags=[f"--force-device-scale-factor={ratio}"]) as browser:
        resize(browser, width, height)
        browser.call("Page.navigate", url=address)
        browser.wait_for("!!globalThis.page")
        assert browser.value("devicePixelRatio") == ratio
        yield browser
        assert [one for one in browser.problems if not one.startswith(f"asked for {address}")] == []


def resize(browser: Browser, width: int, height: int) -> None:
    """A window of another size; the ratio stays the machine's own: an emulated one has other limits."""
    browser.call(
        "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=0, mobile=False
    )


@dataclass(frozen=True)
class Box:
    """Where an item is, from the top of the page.grid."""

    left: int
    top: int
    width: int
    height: int


def rounded(value: float) -> int:
    """As browsers round: halves go up."""
    return math.floor(value + 0.5)


def justified(ratios: Sequence[int], width: int) -> list[list[Box]]:
    """The rows, derived slowly from what is wished.

    A row takes as many of the next pictures as bring its height nearest to the wished one, in proportion.
    Shapes are kept within 2:5 and 3:1. What does not fill the last row is not stretched.
    """
    shown = [min(max(ratio / 1000, 0.4), 3.0) for ratio in ratios]
    rows: list[list[Box]] = []
    at = top = 0
    while at < len(shown):
        height, total, best = 0.0, 0.0, (math.inf, 0)
        for count in range(1, len(shown) - at + 1):
            total += shown[at + count - 1]
            candidate = (width - GAP * (count - 1)) / total
            off = max(candidate / ROW, ROW / candidate)
            if off <= best[0]:
                best, height = (off, count), candidate
            if candidate <= ROW:
                break
        else:
            best, height = (0, len(shown) - at), float(ROW)
        row, before = [], 0.0
        for place in range(best[1]):
            after = before + shown[at + place]
            left = rounded(before * height) + GAP * place
            row.append(Box(left, top, rounded(after * height) + GAP * place - left, rounded(height)))
            before = after
        rows.append(row)
        at += best[1]
        top += rounded(height) + CAPTION + GAP
    return rows


def begin(browser: Browser, n: int) -> None:
    browser.value(f"page.load({n})")
    settle(browser)


def settle(browser: Browser) -> None:
    """Let the grid draw what it is to draw."""
    browser.value("page.settle()")


def tiles(browser: Browser) -> dict[int, dict[str, Any]]:
    """What is in the page, by number; never more than is allowed, and each filled for its item."""
    found, nodes = browser.value("[page.tiles(), document.getElementById('place').children.length]")
    assert len(found) <= MOST
    assert nodes == len(found)
    assert [one["index"] for one in found] == sorted(one["index"] for one in found)
    assert all(one["text"] == str(one["index"]) for one in found)
    return {one["index"]: one for one in found}


def in_window(found: dict[int, dict[str, Any]], height: int) -> list[int]:
    return [
        at
        for at, one in found.items()
        if one["top"] < height and one["top"] + one["height"] > 0 and not one["away"]
    ]


def assert_placed(browser: Browser, rows: list[list[Box]]) -> None:
    """Tiles lie as the boxes do, but for a pixel of the screen: browsers count in single precision."""
    boxes = [box for row in rows for box in row]
    found = {at: one for at, one in tiles(browser).items() if not one["away"]}
    least = min(found)
    for at, one in found.items():
        assert one["left"] - 16 == boxes[at].left
        assert (one["width"], one["height"]) == (boxes[at].width, boxes[at].height)
        assert one["top"] - found[least]["top"] == pytest.approx(boxes[at].top - boxes[least].top, abs=0.35)
    assert sorted(found) == list(range(least, max(found) + 1))


def focused(browser: Browser) -> int:
    """The item that has the focus, which is to be seen, whole and below the header."""
    index, told, top, bottom, height = browser.value("page.focused()")
    assert index == told
    assert top >= HEADER - 0.5
    assert bottom + CAPTION <= height + 0.5
    return int(index)


def press(browser: Browser, key: str) -> int:
    browser.key(key)
    return focused(browser)


SCREENS = [(360, 740, 1), (360, 740, 2), (360, 740, 3), (1200, 800, 1), (1200, 800, 2), (1200, 800, 3)]


@pytest.mark.parametrize("n", [100_000, 289_222])
@pytest.mark.parametrize(("width", "height", "ratio"), SCREENS)
def test_every_picture_of_a_large_catalogue_can_be_reached(
    address: str, width: int, height: int, ratio: int, n: int
) -> None:
    with screen(address, width, height, ratio) as browser:
        begin(browser, n)
        rows = justified(shapes(n), width - 32)
        boxes = [box for row in rows for box in row]
        assert_placed(browser, rows)
        middle = n // 2
        browser.value(f"page.grid.scrollTo({middle})")
        settle(browser)
        assert_placed(browser, rows)
        assert middle in in_window(tiles(browser), height)
        assert boxes[browser.value("page.grid.first")].top == boxes[middle].top
        # The window's own end, as the scroll bar and the End key reach it.
        browser.value("page.leap(1)")
        settle(browser)
        settle(browser)
        last = tiles(browser)[n - 1]
        assert HEADER < last["top"] < last["top"] + last["height"] < height
        assert_placed(browser, rows)
        browser.value("page.leap(0)")
        settle(browser)
        assert 0 in in_window(tiles(browser), height)
        browser.value("document.querySelector('.tile button').focus()")
        assert press(browser, "End") == n - 1
        assert_placed(browser, rows)
        assert press(browser, "Home") == 0
        assert browser.value("page.high()") < 16.1e6


@pytest.mark.parametrize(("width", "height", "ratio"), [(360, 740, 3), (1200, 800, 2)])
def test_small_moves_are_exact_beyond_what_a_page_can_be_high(
    address: str, width: int, height: int, ratio: int
) -> None:
    n = 289_222
    with screen(address, width, height, ratio) as browser:
        begin(browser, n)
        for start in (1_000, n // 3, n - 3_000):
            browser.value(f"page.grid.scrollTo({start})")
            settle(browser)
            for step in (37, -61, 300, -300, 500):
                before = tiles(browser)
                browser.value(f"page.move({step})")
                settle(browser)
                after = tiles(browser)
                both = [at for at in before if at in after]
                assert both
                for at in both:
                    assert before[at]["top"] - after[at]["top"] == pytest.approx(step, abs=0.75)


def test_both_ends_are_reached_by_small_moves_alone(address: str) -> None:
    n, width, height = 289_222, 360, 740
    with screen(address, width, height, 3) as browser:
        begin(browser, n)
        for start, step, end in ((400, -300, 0), (n - 400, 300, n - 1)):
            browser.value(f"page.grid.scrollTo({start})")
            settle(browser)
            firsts = []
            for _ in range(400):
                browser.value(f"page.move({step}); page.frame()")
                firsts.append(browser.value("page.grid.first"))
                if end in in_window(tiles(browser), height):
                    break
            assert end in in_window(tiles(browser), height)
            assert firsts == sorted(firsts, reverse=step < 0)
            assert len(firsts) > 100


def test_there_are_few_nodes_on_any_screen_whatever_the_shapes(address: str) -> None:
    with screen(address, 360, 740) as browser:
        for script in (
            "new Uint16Array(5000).fill(300)",
            "new Uint16Array(5000).fill(1000)",
            "new Float32Array(5000).fill(20)",
        ):
            browser.value(f"page.begin({script})")
            for width, height in ((360, 740), (800, 1300), (1920, 1080), (2560, 1440), (3840, 2160)):
                resize(browser, width, height)
                for at in (0, 2500, 4999):
                    browser.value(f"page.grid.scrollTo({at})")
                    settle(browser)
                    found = tiles(browser)
                    assert at in in_window(found, height)
                    lowest = max(one["top"] + one["height"] for one in found.values() if not one["away"])
                    assert lowest >= height - CAPTION - GAP or 4999 in found
                    assert max(one["left"] + one["width"] for one in found.values()) <= width - 16


def test_pictures_of_extreme_shapes_are_shown_whole_within_a_box(address: str) -> None:
    with screen(address, 360, 740) as browser:
        browser.value("page.begin(Uint16Array.of(20000, 50, 1000, 1000, 0))")
        settle(browser)
        found = tiles(browser)
        assert found[0]["width"] == 328
        assert found[0]["height"] == 109
        assert found[1]["width"] / found[1]["height"] == pytest.approx(0.4, abs=0.01)
        assert [one["fit"] for one in found.values()] == ["contain", "contain", "cover", "cover", "cover"]
        browser.value("page.begin(new Uint16Array(0))")
        settle(browser)
        assert tiles(browser) == {}
        assert browser.value("document.getElementById('place').offsetHeight") == 0
        browser.value("page.begin(Float32Array.of(0.7))")
        settle(browser)
        assert (tiles(browser)[0]["width"], tiles(browser)[0]["height"]) == (112, 160)


def test_arrow_keys_go_where_the_pictures_lie(address: str) -> None:
    n, width = 3_000, 1200
    with screen(address, width, 800) as browser:
        begin(browser, n)
        rows = justified(shapes(n), width - 32)
        starts = list(accumulate((len(row) for row in rows), initial=0))
        browser.value("document.querySelectorAll('.tile button')[0].focus()")
        at, column = 0, None
        drawn = random.Random(5)
        for _ in range(160):
            key = drawn.choice(
                ["ArrowDown"] * 5
                + ["ArrowUp"] * 2
                + ["ArrowLeft", "ArrowRight", "ArrowRight", "PageDown", "PageUp"]
            )
            row = bisect_right(starts, at) - 1
            found = press(browser, key)
            now = bisect_right(starts, found) - 1
            if key in {"ArrowLeft", "ArrowRight"}:
                column = None
                assert found == max(0, at + (1 if key == "ArrowRight" else -1))
            else:
                box = rows[row][at - starts[row]]
                column = box.left + box.width / 2 if column is None else column
                if "Arrow" in key:
                    assert now == min(max(row + (1 if key == "ArrowDown" else -1), 0), len(rows) - 1)
                else:
                    jump = rows[now][0].top - rows[row][0].top
                    assert abs(jump) <= 800 - HEADER
                    assert abs(jump) > 800 - HEADER - 2 * (2 * ROW) or now in {0, len(rows) - 1}
                    assert jump > 0 if key == "PageDown" else jump < 0 or row == 0
                if now != row:
                    gone = rows[now][found - starts[now]]
                    assert (
                        gone.left - GAP / 2 <= column <= gone.left + gone.width + GAP / 2
                        or found == starts[now + 1] - 1
                    )
            at = found


def test_keys_typed_into_a_field_of_a_tile_stay_there(address: str) -> None:
    with screen(address, 1200, 800) as browser:
        begin(browser, 500)
        browser.value("document.querySelectorAll('.tile input')[3].focus()")
        browser.key("ArrowRight")
        browser.key("End")
        assert browser.value("document.activeElement.tagName") == "INPUT"
        assert browser.value("page.grid.focused") == 3
        assert browser.value("scrollY") == 0


def test_one_tile_is_in_the_order_of_the_tabulator(address: str) -> None:
    with screen(address, 1200, 800) as browser:
        begin(browser, 100_000)
        for script, current in (
            ("", 0),
            ("page.grid.scrollTo(50000)", None),
            ("page.grid.scrollTo(50003, { focus: true })", 50003),
        ):
            browser.value(script)
            settle(browser)
            found = tiles(browser)
            reachable = [at for at, one in found.items() if one["reachable"]]
            assert reachable == [browser.value("page.grid.first") if current is None else current]
            assert found[reachable[0]]["reachable"] == 3
            assert {(one["role"], one["setsize"]) for one in found.values()} == {("listitem", 100_000)}
        assert browser.value(
            "[document.getElementById('place').role, document.getElementById('place').ariaLabel]"
        ) == ["list", "pictures"]


@pytest.mark.parametrize("ratio", [1, 3])
def test_the_focus_survives_that_its_tile_is_scrolled_away(address: str, ratio: int) -> None:
    n = 289_222
    with screen(address, 360, 740, ratio) as browser:
        begin(browser, n)
        browser.value("page.grid.scrollTo(70, { focus: true })")
        for share in (0.5, 1, 0.1):
            browser.value(f"page.leap({share})")
            settle(browser)
            assert browser.value("page.focused()")[:2] == [70, 70]
            assert tiles(browser)[70]["away"]
            assert browser.value("page.high()") < 16.1e6
        assert press(browser, "ArrowRight") == 71
        assert not tiles(browser)[71]["away"]
        browser.value(f"page.grid.refill(0, {n})")
        assert focused(browser) == 71


def test_a_window_of_another_size_keeps_the_first_item_seen(address: str) -> None:
    n = 100_000
    with screen(address, 1200, 800) as browser:
        begin(browser, n)
        browser.value("page.grid.scrollTo(61234)")
        settle(browser)
        for width, height in ((360, 740), (800, 600), (360, 500), (2560, 1440), (1200, 800)):
            first = browser.value("page.grid.first")
            resize(browser, width, height)
            settle(browser)
            settle(browser)
            rows = justified(shapes(n), width - 32)
            assert_placed(browser, rows)
            boxes = [box for row in rows for box in row]
            assert boxes[browser.value("page.grid.first")].top == boxes[first].top


def test_a_screen_of_another_ratio_keeps_the_first_item_seen(address: str) -> None:
    n = 289_222
    with screen(address, 360, 740, 1) as browser:
        begin(browser, n)
        browser.value(f"page.grid.scrollTo({2 * n // 3})")
        settle(browser)
        first = browser.value("page.grid.first")
        for ratio in (3, 2, 1):
            browser.call(
                "Emulation.setDeviceMetricsOverride",
                width=360,
                height=740,
                deviceScaleFactor=ratio,
                mobile=False,
            )
            browser.value("page.move(1)")  # emulation alone tells a page nothing
            settle(browser)
            settle(browser)
            assert browser.value("devicePixelRatio") == ratio
            assert browser.value("page.grid.first") == first
            assert browser.value("page.high()") < 16.1e6


def test_what_is_on_the_screen_is_told_and_filled_again_when_it_is_there(address: str) -> None:
    with screen(address, 1200, 800) as browser:
        begin(browser, 10_000)
        browser.value("page.grid.scrollTo(5000)")
        settle(browser)
        first, last = browser.value("page.seen.at(-1)")
        assert set(range(first, last + 1)) == set(in_window(tiles(browser), 800))
        browser.value("page.fills = 0; page.grid.refill(5000, 5004)")
        assert browser.value("page.fills") == 5
        browser.value("page.grid.close()")
        assert browser.value("document.getElementById('place').childElementCount") == 0


def test_pictures_are_asked_for_in_the_size_that_they_are_shown_in(address: str) -> None:
    with screen(address, 1200, 800) as browser:
        begin(browser, 500)
        for width in (600, 1200):
            resize(browser, width, 800)
            settle(browser)
            settle(browser)
            found = tiles(browser)
            assert all(one["filled"] == f"{one['width']:.0f}px" for one in found.values())
