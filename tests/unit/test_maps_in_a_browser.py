"""The page of a map, used by a browser with real pointers and keys."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from tests.browser import Browser
from tests.maps import HOSTILE, drawn_map, drawn_tiles

from seealike.maps import Map, Tiles, render_map_page

pytestmark = pytest.mark.heavy


def show(browser: Browser, folder: Path, made: Map, tiles: Tiles | None = None, part: str = "") -> None:
    """Open the page of a map; the view rests when this returns."""
    page = folder / "map.html"
    page.write_text(render_map_page(made, tiles or Tiles()), encoding="ascii")
    browser.problems.clear()
    browser.look(width=1280, height=860)
    browser.call("Page.navigate", url="about:blank")
    browser.open(page, part)


def on_screen(browser: Browser, n: int) -> np.ndarray:
    """Where the items are. (n, 2)"""
    script = f"Array.from({{length: {n}}}, (_, row) => [seealikeMap.screenX(row), seealikeMap.screenY(row)])"
    return np.array(browser.value(script))


def inside(places: np.ndarray, polygon: np.ndarray) -> np.ndarray:
    """Which places lie in a polygon: those around which its corners turn once. Angles, not rays."""
    to = polygon[None] - places[:, None]
    angles = np.arctan2(to[..., 1], to[..., 0])
    turns = np.diff(np.concatenate([angles, angles[:, :1]], axis=1), axis=1)
    turned = ((turns + np.pi) % (2 * np.pi) - np.pi).sum(axis=1)
    found: np.ndarray = np.abs(turned) > np.pi
    return found


def draw(browser: Browser, polygon: np.ndarray, modifiers: int) -> None:
    corners = [*polygon.tolist(), polygon[0].tolist()]
    browser.mouse("mousePressed", *corners[0], modifiers=modifiers)
    for (ax, ay), (bx, by) in pairwise(corners):
        for part in (0.25, 0.5, 0.75, 1.0):
            browser.mouse("mouseMoved", ax + part * (bx - ax), ay + part * (by - ay), modifiers=modifiers)
    browser.mouse("mouseReleased", *corners[0], modifiers=modifiers)


SHAPES = {
    "a box": [[500, 300], [900, 300], [900, 560], [500, 560]],
    "a crescent": [
        [480, 250],
        [920, 250],
        [920, 620],
        [800, 620],
        [800, 380],
        [600, 380],
        [600, 620],
        [480, 620],
    ],
}


@pytest.mark.parametrize("shape", list(SHAPES))
def test_a_lasso_selects_what_lies_within_it(shape: str, browser: Browser, tmp_path: Path) -> None:
    made = drawn_map(1500)
    show(browser, tmp_path, made)
    polygon = np.array(SHAPES[shape], dtype=float)
    wanted = inside(on_screen(browser, 1500), polygon)
    assert 50 < wanted.sum() < 1400
    draw(browser, polygon, modifiers=8)
    assert browser.value("seealikeMap.chosenText()") == "".join(
        f"{item_id}\n" for item_id, within in zip(made.ids, wanted, strict=True) if within
    )
    assert browser.value("document.getElementById('count').textContent") == f"{wanted.sum():,} selected"
    assert browser.problems == []


def test_a_second_lasso_with_control_adds_and_escape_clears(browser: Browser, tmp_path: Path) -> None:
    show(browser, tmp_path, drawn_map(1500))
    places = on_screen(browser, 1500)
    left, right = (np.array([[x, 300], [x + 90, 300], [x + 90, 500], [x, 500]], float) for x in (560, 760))
    browser.value("document.getElementById('lasso').click()")
    draw(browser, left, modifiers=0)
    assert browser.value("document.getElementById('lasso').getAttribute('aria-pressed')") == "false"
    draw(browser, right, modifiers=8 | 2)
    wanted = inside(places, left) | inside(places, right)
    assert (
        browser.value("[...seealikeMap.state.chosen].sort((a, b) => a - b)")
        == np.flatnonzero(wanted).tolist()
    )
    browser.value("document.getElementById('over').focus()")
    browser.key("Escape")
    assert browser.value("seealikeMap.state.chosen.size") == 0


def test_hidden_kinds_are_neither_selected_nor_picked(browser: Browser, tmp_path: Path) -> None:
    made = drawn_map(300)
    show(browser, tmp_path, made)
    browser.value("document.querySelector('#kinds .kind').click()")
    kept = [
        row
        for row, label in enumerate(made.labels)
        if label != min(set(made.labels) - {None}, key=lambda name: (-made.labels.count(name), str(name)))
    ]
    draw(browser, np.array([[330, 70], [1270, 70], [1270, 850], [330, 850]], float), modifiers=8)
    assert browser.value("seealikeMap.state.chosen.size") == len(kept)
    assert browser.value(f"[...seealikeMap.state.chosen].every((row) => {kept}.includes(row))")


def test_dragging_moves_the_wheel_zooms_at_the_pointer(browser: Browser, tmp_path: Path) -> None:
    show(browser, tmp_path, drawn_map(300))
    before = on_screen(browser, 300)
    browser.mouse("mousePressed", 700, 400)
    browser.mouse("mouseMoved", 720, 410)
    browser.mouse("mouseMoved", 760, 430)
    browser.mouse("mouseReleased", 760, 430)
    moved = on_screen(browser, 300)
    assert np.allclose(moved - before, [60, 30], atol=0.5)
    browser.call("Input.dispatchMouseEvent", type="mouseWheel", x=640, y=300, deltaX=0, deltaY=-200)
    browser.wait_for(f"Math.abs(seealikeMap.screenX(0) - {moved[0][0]}) > 1")
    zoomed = on_screen(browser, 300)
    factor = (zoomed[5] - zoomed[9]) / (moved[5] - moved[9])
    assert factor[0] == pytest.approx(factor[1])
    assert factor[0] > 1.2
    assert np.allclose(zoomed - [640, 300], factor * (moved - [640, 300]), atol=0.5)


def test_what_is_under_the_pointer_is_the_nearest_item_and_its_picture_is_shown(
    browser: Browser, tmp_path: Path
) -> None:
    made = drawn_map(400)
    show(browser, tmp_path, made, drawn_tiles(range(400)), "")
    browser.value("seealikeMap.state.pictures = false")
    places = on_screen(browser, 400)
    for row in (40, 41, 250):
        x, y = places[row] + [2, -2]
        browser.mouse("mouseMoved", x, y, held=False)
        nearest = int(np.argmin(np.linalg.norm(places - [x, y], axis=1)))
        browser.wait_for(f"document.getElementById('tip-id').textContent === {made.ids[nearest]!r}")
    browser.wait_for("document.getElementById('tip-picture').naturalHeight === 40")


def test_everything_can_be_reached_by_keys(browser: Browser, tmp_path: Path) -> None:
    made = drawn_map(200)
    show(browser, tmp_path, made)
    browser.value("document.getElementById('search').focus()")
    browser.call("Input.insertText", text="ITEM-00123")
    browser.key("Enter")
    browser.wait_for("document.getElementById('tip-id').textContent === 'item-00123.jpg'")
    browser.wait_for("Math.abs(seealikeMap.screenX(123) - innerWidth / 2) < 1")
    browser.key("Enter")
    assert browser.value("seealikeMap.chosenText()") == "item-00123.jpg\n"
    scale = browser.value("seealikeMap.camera.scale")
    browser.key("+")
    assert browser.value("seealikeMap.camera.scale") > scale
    at = browser.value("seealikeMap.screenX(123)")
    browser.key("ArrowRight")
    assert browser.value("seealikeMap.screenX(123)") == pytest.approx(at - 60, abs=1)
    browser.key("0")
    browser.wait_for("seealikeMap.camera.scale < 1.01 * seealikeMap.camera.fit")
    assert browser.problems == []


def test_a_click_lists_what_is_most_alike_and_a_click_beside_ends_it(
    browser: Browser, tmp_path: Path
) -> None:
    made = drawn_map(300)
    show(browser, tmp_path, made, drawn_tiles(range(300)))
    x, y = on_screen(browser, 300)[120]
    browser.mouse("mousePressed", x, y)
    browser.mouse("mouseReleased", x, y)
    around = browser.value("seealikeMap.state.around")
    wanted = [made.ids[around], *(made.ids[row] for row in made.near[around])]
    assert browser.value("seealikeMap.chosenText()").splitlines() == wanted
    assert browser.value("document.getElementById('count').textContent") == f"Nearest to {made.ids[around]}"
    browser.mouse("mousePressed", 420, 840)
    browser.mouse("mouseReleased", 420, 840)
    assert browser.value("seealikeMap.state.chosen.size") == 0
    browser.value("document.getElementById('over').focus()")
    browser.key("+")
    browser.wait_for("seealikeMap.state.hover >= 0")
    middle = browser.value("seealikeMap.state.hover")
    browser.key("s")
    assert browser.value("seealikeMap.state.around") == middle
    assert browser.problems == []


@pytest.mark.parametrize("n", [40, 3000])
def test_the_map_opens_with_pictures_where_they_fit(n: int, browser: Browser, tmp_path: Path) -> None:
    show(browser, tmp_path, drawn_map(n), drawn_tiles(range(n)))
    browser.wait_for("seealikeMap.drawn().length > 20")
    boxes = browser.value(
        "seealikeMap.drawn().map(({x, y, w, h}) => [x - w / 2, y - h / 2, x + w / 2, y + h / 2])"
    )
    for place, (left, top, right, bottom) in enumerate(boxes[:60]):
        others = boxes[place + 1 :]
        assert all(
            o[0] >= right - 4 or o[2] <= left + 4 or o[1] >= bottom - 4 or o[3] <= top + 4 for o in others
        )


def test_names_of_any_kind_are_text_and_nothing_else(browser: Browser, tmp_path: Path) -> None:
    made = drawn_map(12, hostile=True)
    show(browser, tmp_path, made, drawn_tiles(range(12)))
    browser.value("seealikeMap.choose([...seealikeMap.ids.keys()])")
    assert browser.value("seealikeMap.chosenText()") == "".join(
        f"{item_id}\n" for item_id in HOSTILE
    ) + "".join(f"{item_id}\n" for item_id in made.ids[len(HOSTILE) :])
    assert browser.value("document.querySelectorAll('#grid img').length") == 12
    browser.wait_for("[...document.querySelectorAll('#grid img')].every((one) => one.naturalWidth === 30)")
    assert browser.value("document.querySelectorAll('#grid script, #kinds script').length") == 0
    assert browser.problems == []


@pytest.mark.parametrize("n", [0, 1, 3])
def test_hardly_any_items_are_no_trouble(n: int, browser: Browser, tmp_path: Path) -> None:
    show(browser, tmp_path, drawn_map(n), drawn_tiles(range(n)))
    places = on_screen(browser, n)
    assert all(0 < x < 1280 and 0 < y < 860 for x, y in places)
    assert browser.value("!document.getElementById('empty').hidden") == (n == 0)
    browser.key("n")
    browser.key("+")
    assert browser.problems == []


def test_the_map_shows_the_same_with_and_without_webgl(browser: Browser, tmp_path: Path) -> None:
    made = drawn_map(500)
    seen = {}
    for part in ("", "#canvas"):
        show(browser, tmp_path, made, part=part)
        browser.wait_for(
            "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))"
        )
        browser.screenshot(tmp_path / "shot.png")
        from PIL import Image

        with Image.open(tmp_path / "shot.png") as shot:
            seen[browser.value("seealikeMap.renderer")] = np.asarray(shot.convert("RGB"), dtype=float)
    if len(seen) < 2:
        pytest.skip("this Chromium has no WebGL")
    assert np.abs(seen["webgl"] - seen["canvas"]).mean() < 1.5
    assert seen["webgl"][:, 320:].std() > 5
