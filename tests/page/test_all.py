"""The whole catalogue to scroll."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from tests.page.conftest import Visit, served
from tests.page.made import MANY, write_many
from tests.page.visitor import DESK, PHONE, Screen, Visitor

import seealike

FIRST_SEEN = """(() => {
  const header = parseFloat(getComputedStyle(document.documentElement).getPropertyValue("--header-px"));
  const tiles = [...document.querySelectorAll(".tile:not(.away)")];
  const first = tiles.find((tile) => tile.getBoundingClientRect().bottom > header + 30);
  return first.querySelector(".name").textContent;
})()"""


def name_of(number: int) -> str:
    return f"{number:06}"


def reads(visitor: Visitor, number: int) -> None:
    """Wait until an item is on the screen."""
    visitor.until(
        """(name) => [...document.querySelectorAll(".tile:not(.away)")].some((tile) => {
          const { top, bottom } = tile.getBoundingClientRect();
          return tile.querySelector(".name").textContent === name && bottom > 0 && top < innerHeight;
        })""",
        name_of(number),
    )


def is_focused(visitor: Visitor, number: int) -> None:
    """Wait until an item has the focus."""
    visitor.until(
        """(name) => document.activeElement.closest(".tile")?.querySelector(".name").textContent === name""",
        name_of(number),
    )


def says(visitor: Visitor, text: str) -> None:
    """Wait until the page says so."""
    visitor.until("(text) => document.getElementById('said').textContent.includes(text)", text)


@pytest.mark.parametrize("screen", [DESK, PHONE])
def test_any_of_a_hundred_thousand_pictures_is_gone_to(many_page: str, visit: Visit, screen: Screen) -> None:
    visitor = visit(many_page, "/?view=all", screen)
    reads(visitor, 0)
    visitor.see(visitor.page.get_by_text("100,000 pictures, in the order of their ids"))
    field = visitor.page.get_by_label("Go to number")
    field.fill("61235")
    field.press("Enter")
    reads(visitor, 61_234)
    is_focused(visitor, 61_234)
    rail = visitor.page.get_by_label("Place in the catalogue")
    assert abs(int(rail.input_value()) - 61_235) < 20
    rail.press("End")
    reads(visitor, MANY - 1)
    rail.press("Home")
    reads(visitor, 0)
    assert visitor.page.locator(".tile").count() <= 300


def test_a_shared_address_shows_the_same_place(many_page: str, visit: Visit) -> None:
    visitor = visit(many_page, "/?view=all&at=5000")
    reads(visitor, 5_000)
    visitor.page.mouse.move(600, 400)
    visitor.page.mouse.wheel(0, 1500)
    visitor.until("() => Number(new URLSearchParams(location.search).get('at')) > 5005")
    first = visitor.page.evaluate(FIRST_SEEN)
    assert dict(visitor.said)["at"] == str(int(first))
    other = visit(many_page, visitor.page.url.removeprefix(many_page))
    other.see(other.page.get_by_role("link", name=first, exact=True))
    other.until(f"() => {FIRST_SEEN} === {first!r}")


def test_one_goes_on_from_a_picture_and_comes_back_to_it(many_page: str, visit: Visit) -> None:
    visitor = visit(many_page, "/?view=all&at=70000")
    reads(visitor, 70_003)
    link = visitor.page.get_by_role("link", name=name_of(70_003), exact=True)
    visitor.expects("Failed to load resource")  # these items have no pictures
    link.click()
    visitor.until("() => location.search.startsWith('?like=')")
    assert visitor.said == [("like", "id:070003")]
    visitor.page.go_back()
    is_focused(visitor, 70_003)
    reads(visitor, 70_003)
    link.press("ArrowRight")
    is_focused(visitor, 70_004)


def test_a_catalogue_that_changes_keeps_the_place(tmp_path: Path, visit: Visit) -> None:
    with ExitStack() as stack:
        address = served(stack, write_many(tmp_path, 3_000))
        visitor = visit(address, "/?view=all&at=2000")
        reads(visitor, 2_000)
        first = visitor.page.evaluate(FIRST_SEEN)
        with seealike.Client(address) as client:
            assert client.remove(name_of(number) for number in range(40)) == 40
        visitor.page.mouse.move(600, 400)
        visitor.page.mouse.wheel(0, 200)
        visitor.page.mouse.wheel(0, -200)
        visitor.page.get_by_label("Place in the catalogue").press("ArrowDown")
        visitor.page.mouse.wheel(0, 6000)
        says(visitor, "The catalogue has changed: 2,960 pictures now.")
        visitor.see(visitor.page.get_by_text("2,960 pictures, in the order"))
        now = visitor.page.evaluate(FIRST_SEEN)
        assert int(now) > int(first)
        visitor.page.get_by_label("Place in the catalogue").press("End")
        reads(visitor, 2_999)


def test_ids_are_in_the_order_of_the_service_whatever_their_letters(three_page: str, visit: Visit) -> None:
    letters = [
        "",
        "a",
        "Z",
        "~",
        "é",
        "\u0301",
        "ﬁ",
        "\ufffd",
        "\ud7ff",
        "\ue000",
        "\U00010000",
        "👟",
        "\U0010ffff",
    ]
    ids = [one + other for one in letters for other in letters]
    visitor = visit(three_page)
    before = visitor.page.evaluate(
        """async (ids) => {
          const { comesBefore } = await import("/page/tools.js");
          return ids.map((one) => ids.map((other) => comesBefore(one, other)));
        }""",
        ids,
    )
    assert before == [[one.encode() < other.encode() for other in ids] for one in ids]


def test_the_place_is_kept_where_utf_16_has_another_order(
    tmp_path: Path, visit: Visit, opened: ExitStack
) -> None:
    ids = [f"{letter}{number:03}" for letter in "ﬁ👟" for number in range(300)]  # U+FB01, U+1F45F
    address = served(opened, write_many(tmp_path, len(ids), ids.__getitem__))
    visitor = visit(address, "/?view=all&at=270")
    visitor.see(visitor.page.get_by_role("link", name=ids[275], exact=True))
    with seealike.Client(address) as client:
        client.remove(ids[:40])
    visitor.page.mouse.move(600, 400)
    while "has changed: 560" not in visitor.page.locator("#said").inner_text():
        visitor.page.mouse.wheel(0, 300)
        visitor.page.wait_for_timeout(300)
    first = visitor.page.evaluate(FIRST_SEEN)
    assert abs(ids.index(first) - 270) < 100


def test_pictures_that_cannot_be_loaded_are_asked_for_again(many_page: str, visit: Visit) -> None:
    visitor = visit(many_page, "/?view=all")
    reads(visitor, 0)
    visitor.expects("Failed to load resource", "ERR_")
    visitor.page.route("**/items?*", lambda route: route.abort())
    visitor.page.get_by_label("Place in the catalogue").press("End")
    says(visitor, "The service does not answer")
    assert visitor.page.locator(".tile.coming").count() > 0
    visitor.page.unroute("**/items?*")
    reads(visitor, MANY - 1)


def test_a_catalogue_that_cannot_be_shown_says_so_and_can_be_tried_again(
    many_page: str, visit: Visit
) -> None:
    visitor = visit(many_page, "/?view=numbers-that-are-none")
    visitor.expects("Failed to load resource", "ERR_")
    visitor.page.route("**/shapes", lambda route: route.abort())
    visitor.open("/?view=all")
    visitor.see(visitor.page.get_by_role("alert"))
    visitor.page.unroute("**/shapes")
    visitor.page.get_by_role("button", name="Try again").click()
    reads(visitor, 0)


def test_an_empty_catalogue_says_what_to_type(empty_page: str, visit: Visit) -> None:
    visitor = visit(empty_page, "/?view=all")
    visitor.see(visitor.page.get_by_text("seealike index FOLDER -C CATALOGUE"))
    assert visitor.page.get_by_label("Go to number").is_hidden()


def test_a_small_catalogue_is_shown_without_ways_to_go_far(
    shop_page: str, three_page: str, catalog: seealike.Catalog, visit: Visit
) -> None:
    visitor = visit(three_page, "/?view=all")
    visitor.see(".tile img")
    assert visitor.page.locator(".tile").count() == 3
    assert visitor.page.get_by_label("Place in the catalogue").is_hidden()
    shop = visit(shop_page, "/?view=all")
    shop.see(".tile img")
    items = catalog.items_from("", 8)
    shown = shop.page.locator(".tile .name").all_text_contents()[:8]
    assert shown == [item.metadata["name"] for item in items]
    hrefs = [one.get_attribute("href") for one in shop.page.locator(".tile a").all()[:8]]
    assert all(item.id.replace("/", "%2F") in (href or "") for item, href in zip(items, hrefs, strict=True))


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("screen", ["desk", "phone"])
def test_axe_finds_nothing_in_the_whole_catalogue(
    shop_page: str, visit: Visit, dark: bool, screen: str
) -> None:
    seen = replace(PHONE if screen == "phone" else DESK, dark=dark)
    visitor = visit(shop_page, "/?view=all", seen)
    visitor.see(".tile img")
    assert visitor.violations() == []


def test_small_steps_on_the_rail_lead_on(many_page: str, visit: Visit) -> None:
    visitor = visit(many_page, "/?view=all")
    reads(visitor, 0)
    rail = visitor.page.get_by_label("Place in the catalogue")
    for _ in range(60):
        rail.press("ArrowDown")
    assert rail.input_value() == "61"
    reads(visitor, 60)
    visitor.page.mouse.move(600, 400)
    visitor.page.mouse.wheel(0, 6000)
    visitor.until("() => Number(document.querySelector('.rail').value) > 100")
