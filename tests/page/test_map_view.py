"""The catalogue as a map of pictures."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from tests.page.conftest import Visit
from tests.page.visitor import DESK, PHONE, Screen, Visitor, wait_until

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Route

COLUMNS, ROWS = 20, 15
MAP = re.compile(r"/map(\?|$)")
PICTURE = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="80" height="80"><rect width="80" height="80"/></svg>'
)


def lattice(columns: int = COLUMNS, rows: int = ROWS, **said: object) -> dict[str, Any]:
    """A map on which item ``column-row`` lies there."""
    places = [(column, row) for column in range(columns) for row in range(rows)]
    return {
        "status": "ready",
        "generation": 1,
        "method": "tsne",
        "total": len(places),
        "ids": [f"{column}-{row}" for column, row in places],
        "x": [float(column) for column, _ in places],
        "y": [float(row) for _, row in places],
        "clusters": [column // 5 for column, _ in places],
        "ratios": [1.0] * len(places),
        **said,
    }


def over(column: int, row: int, zoom: float = 8) -> str:
    """The address of the map with an item in the middle; the longer side is one unit."""
    x, y = ((place - (size - 1) / 2) / (COLUMNS - 1) for place, size in ((column, COLUMNS), (row, ROWS)))
    return f"/?view=map&own.x={x:.4f}&own.y={y:.4f}&own.z={zoom}"


def visit_lattice(
    address: str,
    visit: Visit,
    part: str = "/?view=map",
    screen: Screen = DESK,
    answer: object = None,
    gone: Callable[[int], bool] = lambda _: False,
) -> Visitor:
    """Visit a service whose map is the lattice; the pictures of some columns are ``gone``."""
    visitor = visit(address, "/page/icon.svg", screen)
    visitor.expects("favicon")

    def items(route: Route) -> None:
        item_id = route.request.url.rsplit("/", 1)[-1]
        route.fulfill(json={"id": item_id, "metadata": {"name": f"Item {item_id}"}, "image": None})

    def images(route: Route) -> None:
        if gone(column_of(route.request.url)):
            route.fulfill(status=404, json={"code": "no_picture", "detail": "it is gone"})
        else:
            route.fulfill(body=PICTURE, content_type="image/svg+xml")

    visitor.page.route(MAP, lambda route: route.fulfill(json=answer or lattice()))
    visitor.page.route("**/images/*", images)
    visitor.page.route("**/items/*", items)
    visitor.open(part)
    visitor.see(canvas(visitor))
    visitor.until("() => document.querySelector('.listed summary').textContent !== ''")
    return visitor


def column_of(url: str) -> int:
    """The column of the picture that an address is of."""
    return int(url.rsplit("/", 1)[-1].split("-", maxsplit=1)[0])


def pixel(visitor: Visitor, dx: int = 0, dy: int = 0) -> list[int]:
    """The colour of the map that far from its middle."""
    found: list[int] = visitor.page.evaluate(
        """([dx, dy]) => {
          const canvas = document.querySelector(".mapped canvas");
          const [x, y] = [canvas.width / 2 + dx, canvas.height / 2 + dy].map(Math.round);
          return [...canvas.getContext("2d").getImageData(x, y, 1, 1).data].slice(0, 3);
        }""",
        [dx, dy],
    )
    return found


def canvas(visitor: Visitor) -> Locator:
    return visitor.page.get_by_role("application", name="Map of the catalogue")


def middle(visitor: Visitor) -> tuple[float, float]:
    box = canvas(visitor).bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def zoom_of(visitor: Visitor) -> float:
    return float(dict(visitor.said).get("own.z", 1))


def is_chosen(visitor: Visitor, item_id: str) -> None:
    visitor.until("(id) => document.querySelector('.chosen .name')?.textContent === `Item ${id}`", item_id)


@pytest.mark.parametrize("screen", [DESK, PHONE])
@pytest.mark.parametrize("place", [(0, 0), (19, 14), (3, 11)])
def test_a_click_chooses_the_picture_that_lies_there(
    three_page: str, visit: Visit, screen: Screen, place: tuple[int, int]
) -> None:
    visitor = visit_lattice(three_page, visit, over(*place), screen)
    x, y = middle(visitor)
    if screen.touch:
        visitor.page.touchscreen.tap(x, y)
    else:
        visitor.page.mouse.click(x, y)
    name = f"{place[0]}-{place[1]}"
    is_chosen(visitor, name)
    link = visitor.page.get_by_role("link", name="What looks like this?")
    assert link.get_attribute("href") == f"/?like=id%3A{name}"
    visitor.until("(id) => new URLSearchParams(location.search).get('on') === id", name)
    visitor.page.reload()
    is_chosen(visitor, name)


def test_keys_move_zoom_and_choose(three_page: str, visit: Visit) -> None:
    visitor = visit_lattice(three_page, visit, over(10, 7, 4))
    map_ = canvas(visitor)
    map_.focus()
    map_.press("+")
    visitor.until("() => Number(new URLSearchParams(location.search).get('own.z')) > 5")
    assert zoom_of(visitor) == pytest.approx(4 * 1.35, abs=0.01)
    map_.press("Enter")
    is_chosen(visitor, "10-7")
    link = visitor.page.get_by_role("link", name="What looks like this?")
    visitor.until("() => document.activeElement.textContent === 'What looks like this?'")
    link.press("Escape")
    assert visitor.page.locator(".chosen").is_hidden()
    visitor.until("() => document.activeElement.matches('canvas')")
    before = dict(visitor.said)["own.x"]
    for _ in range(6):
        map_.press("ArrowRight")
    visitor.until("(x) => Number(new URLSearchParams(location.search).get('own.x')) > Number(x)", before)
    map_.press("Enter")
    visitor.until("() => /^Item 1[1-9]-7$/.test(document.querySelector('.chosen .name').textContent)")
    map_.press("0")
    visitor.until("() => !new URLSearchParams(location.search).has('own.z')")


def camera(visitor: Visitor) -> tuple[float, float, float]:
    said = dict(visitor.said)
    return float(said["own.x"]), float(said["own.y"]), float(said["own.z"])


def test_the_map_follows_the_pointer_and_the_wheel_zooms_to_it(three_page: str, visit: Visit) -> None:
    visitor = visit_lattice(three_page, visit, over(10, 7, 4))
    before = camera(visitor)
    x, y = middle(visitor)
    visitor.page.mouse.move(x, y)
    visitor.page.mouse.down()
    visitor.page.mouse.move(x - 120, y + 60, steps=4)
    visitor.page.mouse.up()
    visitor.until("(x) => Number(new URLSearchParams(location.search).get('own.x')) > x", before[0])
    moved = camera(visitor)
    unit = 120 / (moved[0] - before[0]) / before[2]  # pixels that the whole map is wide
    assert (moved[1] - before[1]) * unit * before[2] == pytest.approx(60, abs=1)
    visitor.page.mouse.move(x + 200, y - 90)
    for _ in range(5):
        visitor.page.mouse.wheel(0, -200)
    visitor.until("() => Number(new URLSearchParams(location.search).get('own.z')) > 10")
    zoomed = camera(visitor)
    assert zoomed[2] == pytest.approx(4 * math.exp(5 * 200 * 0.0016), rel=0.01)
    for px, here, there in ((200, moved[0], zoomed[0]), (90, moved[1], zoomed[1])):
        assert here + px / unit / moved[2] == pytest.approx(there + px / unit / zoomed[2], abs=3e-4)
    assert visitor.page.evaluate("scrollY") == 0


def test_two_fingers_zoom(three_page: str, visit: Visit) -> None:
    visitor = visit_lattice(three_page, visit, over(10, 7, 4), PHONE)
    x, y = middle(visitor)
    fingers = visitor.context.new_cdp_session(visitor.page)

    def touch(kind: str, apart: float) -> None:
        points = [{"x": x - apart, "y": y, "id": 1}, {"x": x + apart, "y": y, "id": 2}]
        fingers.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points if apart else []})

    touch("touchStart", 40)
    for apart in (50, 60, 70, 80):
        touch("touchMove", apart)
    touch("touchEnd", 0)
    visitor.until("() => Number(new URLSearchParams(location.search).get('own.z')) > 7")
    assert zoom_of(visitor) == pytest.approx(8, rel=0.03)
    assert visitor.page.locator(".chosen").is_hidden()


def test_buttons_zoom_without_dragging(three_page: str, visit: Visit) -> None:
    visitor = visit_lattice(three_page, visit)
    for _ in range(3):
        visitor.page.get_by_role("button", name="Closer").click()
    visitor.until("() => Number(new URLSearchParams(location.search).get('own.z')) > 4")
    assert zoom_of(visitor) == pytest.approx(1.6**3, abs=0.01)
    visitor.page.get_by_role("button", name="The whole map").click()
    visitor.until("() => !new URLSearchParams(location.search).has('own.z')")


def test_what_is_in_view_is_a_list_of_links_too(three_page: str, visit: Visit) -> None:
    visitor = visit_lattice(three_page, visit, over(4, 4, 6))
    summary = visitor.page.locator(".listed summary")
    summary.click()
    links = visitor.see(".listed a")
    assert links.first.text_content() == "4-4"
    assert links.first.get_attribute("href") == "/?like=id%3A4-4"
    assert summary.text_content() == f"{links.count()} pictures in view"
    assert 4 <= links.count() < 40


def test_few_pictures_stand_for_ten_thousand_and_more_come_closer(three_page: str, visit: Visit) -> None:
    visitor = visit_lattice(three_page, visit, answer=lattice(100, 100, total=289_222))
    visitor.see(visitor.page.get_by_text("10,000 of 289,222 pictures"))

    def asked() -> set[str]:
        return {one for one in visitor.requests if "/images/" in one}

    wait_until(lambda: len(asked()) > 20, visitor.page, "pictures")
    visitor.page.wait_for_load_state("networkidle")
    whole = asked()
    assert 20 < len(whole) <= 200
    for _ in range(5):
        visitor.page.get_by_role("button", name="Closer").click()
    visitor.until("() => Number(new URLSearchParams(location.search).get('own.z')) > 10")
    visitor.page.wait_for_load_state("networkidle")
    assert asked() > whole
    assert all("size=160" in one or "size=320" in one for one in asked())


def test_a_map_that_is_still_laid_out_shows_how_far_it_is(three_page: str, visit: Visit) -> None:
    visitor = visit(three_page, "/page/icon.svg")
    visitor.expects("favicon")
    about = {"status": "laying out", "stage": "layout", "done": 250, "total": 1000}
    queued = {"status": "laying out", "stage": "", "done": 0, "total": None}
    answers = [about | {"left_s": 90.4}, about, queued]

    def answer(route: Route) -> None:
        said = answers.pop() if answers else None
        route.fulfill(
            status=202 if said else 200, body=json.dumps(said or lattice()), content_type="application/json"
        )

    visitor.page.route(MAP, answer)
    visitor.page.route("**/images/*", lambda route: route.fulfill(body=PICTURE, content_type="image/svg+xml"))
    visitor.open("/?view=map")
    visitor.see(visitor.page.get_by_text("Other work is done first."))
    visitor.see(visitor.page.get_by_text("250 of 1,000", exact=True))
    visitor.see(visitor.page.get_by_text("250 of 1,000 · about 2 min left"))
    assert visitor.page.get_by_role("progressbar").get_attribute("value") == "250"
    visitor.see(canvas(visitor))
    assert answers == []


def test_a_map_of_an_earlier_state_says_so_and_the_newer_one_is_shown_on_a_wish(
    three_page: str, visit: Visit
) -> None:
    visitor = visit(three_page, "/page/icon.svg")
    visitor.expects("favicon")
    working = {"name": "duplicates-near", "stage": "compare", "done": 1, "total": 9, "left_s": None}
    said: dict[str, Any] = {"working": working, "map": lattice(stale=True)}

    def stats(route: Route) -> None:
        route.fulfill(json={**route.fetch().json(), "working": said["working"]})

    visitor.page.route("**/stats", stats)
    visitor.page.route(MAP, lambda route: route.fulfill(json=said["map"]))
    visitor.page.route("**/images/*", lambda route: route.fulfill(body=PICTURE, content_type="image/svg+xml"))
    visitor.open(over(10, 7, 4))
    visitor.see(canvas(visitor))
    note = visitor.page.locator(".changed")
    visitor.see(note.get_by_text("this is of its earlier state. A newer one is made after other work …"))
    said["working"] = {**working, "name": "map", "left_s": 200}
    visitor.see(note.get_by_text("A newer one is being made: about 3 min left."))
    assert visitor.violations() == []
    said.update(working=None, map=lattice(21, 15, generation=2, stale=False))
    visitor.see(note.get_by_text("A newer one is there."))
    visitor.see(visitor.page.get_by_text("300 pictures; those"))
    visitor.page.get_by_role("button", name="Show it").click()
    visitor.see(visitor.page.get_by_text("315 pictures; those"))
    assert note.inner_text() == ""
    assert zoom_of(visitor) == 4


def test_however_many_pictures_are_gone_the_others_come(three_page: str, visit: Visit) -> None:
    visitor = visit_lattice(three_page, visit, answer=lattice(200, 100), gone=lambda column: column < 160)
    visitor.expects("Failed to load resource")

    def asked(*, is_gone: bool) -> int:
        images = {one for one in visitor.requests if "/images/" in one}
        return sum((column_of(one) < 160) is is_gone for one in images)

    wait_until(lambda: asked(is_gone=True) > 60, visitor.page, "those that are gone")
    wait_until(lambda: asked(is_gone=False) > 10, visitor.page, "those that are not")


def test_a_picture_that_is_gone_is_an_empty_frame(three_page: str, visit: Visit) -> None:
    visitor = visit_lattice(three_page, visit, over(15, 7), gone=lambda column: column < COLUMNS // 2)
    visitor.expects("Failed to load resource", "Canvas2D")
    wait_until(lambda: pixel(visitor, 0, 20) == [0, 0, 0], visitor.page, "a picture")
    visitor.open(over(4, 7))
    visitor.see(canvas(visitor))
    well = [239, 237, 232]
    wait_until(lambda: pixel(visitor, 0, 20) == well, visitor.page, "an empty frame")
    assert pixel(visitor, 0, -20) == well


def test_where_no_picture_is_to_be_had_the_map_is_one_of_points(three_page: str, visit: Visit) -> None:
    visitor = visit_lattice(three_page, visit, answer=lattice(100, 100), gone=lambda _: True)
    visitor.expects("Failed to load resource")
    asked = "/images/"
    wait_until(lambda: sum(asked in one for one in visitor.requests) > 40, visitor.page, "pictures")
    visitor.page.wait_for_load_state("networkidle")
    assert sum(asked in one for one in visitor.requests) < 60


def test_the_service_s_own_map_is_shown(three_page: str, visit: Visit) -> None:
    visitor = visit(three_page, "/?view=map")
    visitor.see(canvas(visitor))
    visitor.until("() => document.querySelector('.listed summary').textContent === '3 pictures in view'")


def test_a_map_that_cannot_be_had_and_one_without_pictures_say_so(
    three_page: str, empty_page: str, visit: Visit
) -> None:
    visitor = visit(three_page, "/page/icon.svg")
    visitor.expects("favicon")
    visitor.expects("Failed to load resource", "ERR_")
    visitor.page.route(MAP, lambda route: route.abort())
    visitor.open("/?view=map")
    visitor.see(visitor.page.get_by_role("alert"))
    visitor.page.unroute(MAP)
    visitor.page.get_by_role("button", name="Try again").click()
    visitor.see(canvas(visitor))
    empty = visit(empty_page, "/?view=map")
    empty.see(empty.page.get_by_text("seealike index FOLDER -C CATALOGUE"))


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("screen", [DESK, PHONE])
def test_axe_finds_nothing_on_the_map(three_page: str, visit: Visit, screen: Screen, dark: bool) -> None:
    visitor = visit_lattice(three_page, visit, over(4, 4, 12), replace(screen, dark=dark))
    visitor.page.locator(".listed summary").click()
    visitor.see(".listed a")
    canvas(visitor).press("Enter")
    is_chosen(visitor, "4-4")
    assert visitor.violations() == []
