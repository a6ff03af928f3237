"""Searching: by pictures however they come, by parts of them, from item to item, steered by results."""

from __future__ import annotations

import re
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.page.conftest import Visit, served
from tests.page.visitor import LEAST, PHONE, Visitor, wait_until

import seealike
from seealike import Example, SearchOptions
from seealike.demo import DrawnCatalogue
from seealike.types import Crop

ITEM = "bag-101-front"
MOST = 60  # results that the page asks for first


def test_a_picture_is_searched_with_whether_it_is_chosen_dropped_or_pasted(
    shop: DrawnCatalogue, shop_page: str, catalog: seealike.Catalog, visit: Visit
) -> None:
    expected = catalog.search(shop.outside_query, MOST).ids
    file = ("photo.jpg", "image/jpeg", Path(shop.outside_query).read_bytes())
    visitor = visit(shop_page)
    visitor.see("text=Drop a picture here, or paste one")
    visitor.page.set_input_files("input[type=file] >> nth=0", shop.outside_query)
    visitor.until_shown(expected)
    for kind in ("drop", "paste"):
        visitor.open()
        visitor.see("[role=listitem]")
        visitor.give(kind, "main", [file])
        visitor.until_shown(expected)
    assert visitor.page.locator(".query img").first.evaluate("(img) => img.naturalWidth > 0")


def test_a_picture_that_is_dropped_while_another_is_shown_takes_its_place(
    shop: DrawnCatalogue, shop_page: str, catalog: seealike.Catalog, visit: Visit
) -> None:
    visitor = visit(shop_page, f"/?like=id:{ITEM}")
    visitor.until_shown(catalog.similar(ITEM, MOST).ids)
    visitor.give("drop", "main", [("photo.jpg", "image/jpeg", Path(shop.outside_query).read_bytes())])
    visitor.until_shown(catalog.search(shop.outside_query, MOST).ids)


def test_what_is_no_picture_is_told_so_and_the_next_one_is_taken(
    shop: DrawnCatalogue, shop_page: str, catalog: seealike.Catalog, visit: Visit
) -> None:
    visitor = visit(shop_page)
    visitor.expects("Failed to load resource")
    visitor.see("[role=listitem]")
    visitor.give("drop", "main", [("list.txt", "text/plain", b"no picture")])
    visitor.see(visitor.page.get_by_role("alert").filter(has_text=re.compile("picture")))
    visitor.give("drop", "main", [("photo.jpg", "image/jpeg", Path(shop.outside_query).read_bytes())])
    visitor.until_shown(catalog.search(shop.outside_query, MOST).ids)


def test_words_are_asked_for_only_where_the_encoder_reads_them(
    shop_page: str, painted: Path, opened: ExitStack, visit: Visit
) -> None:
    visitor = visit(shop_page)
    visitor.see("[role=listitem]")
    assert visitor.page.get_by_label("Search by words").count() == 0
    visitor = visit(served(opened, painted))
    words = visitor.see(visitor.page.get_by_label("Search by words"))
    words.fill("blue")
    words.press("Enter")
    with seealike.open(painted) as catalog:
        visitor.until_shown(catalog.search_text(["blue"])[0].ids)


def test_a_result_says_in_words_how_many_more_pictures_its_product_has(
    shop_page: str, catalog: seealike.Catalog, visit: Visit
) -> None:
    hits = catalog.similar(ITEM, MOST)
    visitor = visit(shop_page, f"/?like=id:{ITEM}")
    visitor.until_shown(hits.ids)
    for hit in hits[:LEAST]:
        words = visitor.tile(hit.id).locator(".others").inner_text()
        told = rf"\+{hit.others} more( of this product| pictures?)"
        assert re.fullmatch(told, words) if hit.others else not words
    assert any(hit.others for hit in hits[:LEAST])


def test_results_lead_on_to_others_and_back_along_a_trail(
    shop_page: str, catalog: seealike.Catalog, visit: Visit
) -> None:
    first = catalog.similar(ITEM, MOST).ids
    second = catalog.similar(first[2], MOST).ids
    onward = next(one for one in second[3:] if one != ITEM)
    third = catalog.similar(onward, MOST).ids
    visitor = visit(shop_page, f"/?like=id:{ITEM}")
    visitor.until_shown(first)
    visitor.tile(first[2]).locator("a.picture").click()
    visitor.until_shown(second)
    visitor.tile(onward).locator("a.picture").click()
    visitor.until_shown(third)
    trail = visitor.page.get_by_role("navigation", name="You came by")
    assert trail.get_by_role("link").count() == 2
    visitor.page.go_back()
    visitor.until_shown(second)
    visitor.page.go_forward()
    visitor.until_shown(third)
    trail.get_by_role("link").first.click()
    visitor.until_shown(first)
    trail.wait_for(state="detached")
    visitor.page.go_back()
    visitor.until_shown(third)


def test_a_result_says_how_alike_it_is_in_words_and_the_number_is_at_hand(
    shop_page: str, catalog: seealike.Catalog, visit: Visit
) -> None:
    hits = catalog.similar(ITEM, MOST)
    visitor = visit(shop_page, f"/?like=id:{ITEM}")
    visitor.until_shown(hits.ids)
    for hit in (hits[0], hits[9]):
        said = visitor.tile(hit.id).inner_text()
        assert f"{hit.score:.2f}" in said
        assert "alike" in said


def test_liked_and_disliked_results_steer_and_their_weights_are_seen(
    shop_page: str, catalog: seealike.Catalog, visit: Visit
) -> None:
    found = catalog.similar(ITEM, MOST).ids
    visitor = visit(shop_page, f"/?like=id:{ITEM}")
    visitor.until_shown(found)
    visitor.tile(found[3]).get_by_role("button", name=re.compile("^More like")).click()
    liked = catalog.recommend([ITEM, found[3]], k=MOST).ids
    visitor.until_shown(liked)
    visitor.tile(liked[5]).get_by_role("button", name=re.compile("^Less like")).click()
    steered = catalog.recommend([ITEM, found[3]], [liked[5]], k=MOST).ids
    visitor.until_shown(steered)
    examples = visitor.page.locator(".examples li")
    assert examples.count() == 3
    examples.nth(1).get_by_role("button", name=re.compile("counts more$")).click()
    visitor.see("text=× 1.5")
    heavier = catalog.recommend([ITEM, Example(id=found[3], weight=1.5)], [liked[5]], k=MOST).ids
    visitor.until_shown(heavier)
    examples.nth(1).get_by_role("button", name=re.compile("^Leave")).click()
    visitor.until_shown(catalog.recommend([ITEM], [liked[5]], k=MOST).ids)
    assert ("not", f"id:{liked[5]}") in visitor.said


def test_steering_is_undone_by_the_button_that_is_offered(
    shop_page: str, catalog: seealike.Catalog, visit: Visit
) -> None:
    found = catalog.similar(ITEM, MOST).ids
    visitor = visit(shop_page, f"/?like=id:{ITEM}")
    visitor.until_shown(found)
    visitor.tile(found[1]).get_by_role("button", name=re.compile("^Less like")).click()
    visitor.until_shown(catalog.recommend([ITEM], [found[1]], k=MOST).ids)
    visitor.page.get_by_role("button", name="Undo").click()
    visitor.until_shown(found)


def test_a_part_is_searched_that_a_mouse_has_drawn(
    shop: DrawnCatalogue, shop_page: str, catalog: seealike.Catalog, visit: Visit
) -> None:
    visitor = _asking_with_a_picture(shop, shop_page, catalog, visit)
    stage = visitor.page.locator(".query .stage")
    area = stage.bounding_box()
    assert area is not None
    mouse = visitor.page.mouse
    mouse.move(area["x"] + area["width"] * 0.1, area["y"] + area["height"] * 0.2)
    mouse.down()
    mouse.move(area["x"] + area["width"] * 0.4, area["y"] + area["height"] * 0.4)
    mouse.move(area["x"] + area["width"] * 0.6, area["y"] + area["height"] * 0.9)
    mouse.up()
    visitor.until("() => location.search.includes('%40')")
    box = _box(visitor)
    assert box == pytest.approx([0.1, 0.2, 0.5, 0.7], abs=0.02)
    visitor.until_shown(_part(catalog, shop, box))
    corner = visitor.page.locator(".handle.se").bounding_box()
    assert corner is not None
    mouse.move(corner["x"] + corner["width"] / 2, corner["y"] + corner["height"] / 2)
    mouse.down()
    mouse.move(area["x"] + area["width"] * 0.9, area["y"] + area["height"] * 0.95)
    mouse.up()
    wait_until(lambda: _box(visitor) != box, visitor.page, "another box")
    moved = _box(visitor)
    assert moved == pytest.approx([0.1, 0.2, 0.8, 0.75], abs=0.03)
    visitor.until_shown(_part(catalog, shop, moved))


def test_a_part_is_searched_without_dragging(
    shop: DrawnCatalogue, shop_page: str, catalog: seealike.Catalog, visit: Visit
) -> None:
    """WCAG 2.5.7: whatever is dragged can be had by a click, and by keys."""
    visitor = _asking_with_a_picture(shop, shop_page, catalog, visit)
    visitor.page.get_by_role("button", name="Search a part").click()
    visitor.until_shown(_part(catalog, shop, [0.2, 0.2, 0.6, 0.6]))
    box = visitor.page.get_by_role("group", name=re.compile("The part that is searched"))
    box.focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowDown", "Shift+ArrowRight", "Shift+ArrowUp"):
        box.press(key)
    visitor.until_shown(_part(catalog, shop, [0.24, 0.22, 0.62, 0.58]))
    visitor.until("() => location.search.includes('0.24')")
    assert _box(visitor) == pytest.approx([0.24, 0.22, 0.62, 0.58])
    width = visitor.page.get_by_label("width %")
    width.fill("30")
    width.press("Enter")
    visitor.until_shown(_part(catalog, shop, [0.24, 0.22, 0.3, 0.58]))
    visitor.page.get_by_role("button", name="The whole picture").click()
    visitor.until_shown(catalog.search(shop.outside_query, MOST).ids)


def test_why_is_shown_by_a_button_and_while_a_key_is_held(
    shop_page: str, catalog: seealike.Catalog, visit: Visit
) -> None:
    found = catalog.similar(ITEM, MOST).ids
    visitor = visit(shop_page, f"/?like=id:{ITEM}")
    visitor.until_shown(found)
    lit = visitor.tile(found[0]).locator("canvas")
    assert not lit.is_visible()
    why = visitor.page.get_by_role("button", name="Why?")
    why.click()
    lit.wait_for()
    assert ("why", "1") in visitor.said
    assert why.get_attribute("aria-pressed") == "true"
    why.click()
    lit.wait_for(state="hidden")
    visitor.page.locator("h1").focus()
    visitor.page.keyboard.down("w")
    lit.wait_for()
    visitor.page.keyboard.up("w")
    lit.wait_for(state="hidden")


def test_query_and_result_are_seen_side_by_side_and_enlarged_together(
    shop_page: str, catalog: seealike.Catalog, visit: Visit
) -> None:
    found = catalog.similar(ITEM, MOST).ids
    visitor = visit(shop_page, f"/?like=id:{ITEM}")
    visitor.until_shown(found)
    visitor.tile(found[1]).get_by_role("button", name=re.compile("beside what is searched with$")).click()
    dialog = visitor.see(visitor.page.get_by_role("dialog"))
    pictures = dialog.get_by_role("img")
    assert pictures.count() == 2
    shapes = "(all) => all.map((one) => one.getBoundingClientRect().width)"
    before = pictures.evaluate_all(shapes)
    visitor.page.keyboard.press("+")
    after = pictures.evaluate_all(shapes)
    assert after == [pytest.approx(width * 1.5, rel=0.02) for width in before]
    visitor.page.keyboard.press("ArrowRight")
    visitor.until("(id) => new URLSearchParams(location.search).get('open') === id", found[2])
    name = catalog.item(found[2]).metadata["name"]
    visitor.see(dialog.get_by_role("heading", name=str(name)))
    assert str(catalog.item(found[2]).metadata["price"]) in dialog.inner_text()
    visitor.page.keyboard.press("Escape")
    dialog.wait_for(state="hidden")
    assert visitor.tile(found[2]).evaluate("(tile) => tile.contains(document.activeElement)")


def test_more_results_are_asked_for_at_the_end(
    shop_page: str, catalog: seealike.Catalog, visit: Visit
) -> None:
    visitor = visit(shop_page, f"/?like=id:{ITEM}&pictures=1")
    expected = catalog.similar(ITEM, 2 * MOST, options=SearchOptions(pictures=True)).ids
    visitor.until_shown(expected)
    visitor.page.get_by_role("button", name="More results").click()
    visitor.until(f"() => document.querySelector('[role=listitem]')?.ariaSetSize === '{len(expected)}'")


def test_a_phone_shows_a_question_and_its_answer_without_scrolling_sideways(
    shop_page: str, catalog: seealike.Catalog, visit: Visit
) -> None:
    for part in ("/", f"/?like=id:{ITEM}"):
        visitor = visit(shop_page, part, PHONE)
        visitor.see("[role=listitem]")
        assert visitor.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        pictures = visitor.page.locator("[role=listitem] img")
        visitor.until("() => document.querySelector('[role=listitem] img').naturalWidth > 0")
        assert pictures.first.is_visible()


def _asking_with_a_picture(
    shop: DrawnCatalogue, shop_page: str, catalog: seealike.Catalog, visit: Visit
) -> Visitor:
    visitor = visit(shop_page)
    visitor.page.set_input_files("input[type=file] >> nth=0", shop.outside_query)
    visitor.until_shown(catalog.search(shop.outside_query, MOST).ids)
    return visitor


def _box(visitor: Visitor) -> list[float]:
    """The part that the address says."""
    (example,) = [value for name, value in visitor.said if name == "like"]
    return [float(number) for number in example.partition("@")[2].partition(":")[0].split(",")]


def _part(catalog: seealike.Catalog, shop: DrawnCatalogue, box: list[float]) -> list[str]:
    """What the library finds for a part of the picture."""
    options = SearchOptions(crop=Crop(*box))
    return list(catalog.search(shop.outside_query, MOST, options=options).ids)
