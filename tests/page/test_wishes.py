"""Wishes and filters: each changes the answer as the library's own option does, and says what it did."""

from __future__ import annotations

from collections import Counter

import pytest
from tests.page.conftest import Visit
from tests.page.visitor import Visitor

import seealike
from seealike import SearchOptions

ITEM = "lamp-101-front"
MOST = 60


def _asking(visit: Visit, shop_page: str, catalog: seealike.Catalog) -> Visitor:
    visitor = visit(shop_page, f"/?like=id:{ITEM}")
    visitor.see("[role=listitem] a.picture")
    return visitor


def _found(catalog: seealike.Catalog, **wishes: object) -> list[str]:
    return list(catalog.similar(ITEM, MOST, options=SearchOptions(**wishes)).ids)  # type: ignore[arg-type]


@pytest.mark.parametrize(("label", "name"), [("Variety", "diversity"), ("Colour against shape", "color")])
def test_a_slider_does_what_the_library_does(
    label: str, name: str, shop_page: str, catalog: seealike.Catalog, visit: Visit
) -> None:
    visitor = _asking(visit, shop_page, catalog)
    slider = visitor.page.get_by_label(label)
    slider.focus()
    for _ in range(4):
        slider.press("ArrowRight")
    visitor.until_shown(_found(catalog, **{name: 0.4}))
    assert _found(catalog, **{name: 0.4})[:12] != _found(catalog)[:12]
    assert (name, "0.4") in visitor.said
    assert visitor.page.get_by_label(label).evaluate("(one) => one === document.activeElement")


def test_one_result_a_product_is_usual_and_all_pictures_are_a_switch_away(
    shop_page: str, catalog: seealike.Catalog, visit: Visit
) -> None:
    visitor = _asking(visit, shop_page, catalog)
    visitor.until_shown(_found(catalog))
    groups = [catalog.item(one).group for one in visitor.shown() if catalog.item(one).group]
    assert len(groups) == len(set(groups))
    visitor.page.get_by_label("One result per product").click()
    visitor.until_shown(_found(catalog, pictures=True))
    assert _found(catalog, pictures=True)[:12] != _found(catalog)[:12]


def test_it_can_look_at_the_thing_and_not_at_its_background(
    shop_page: str, catalog: seealike.Catalog, visit: Visit
) -> None:
    visitor = _asking(visit, shop_page, catalog)
    visitor.page.get_by_label("Look at the thing, not its background").click()
    visitor.until_shown(_found(catalog, focus=True))
    assert ("focus", "1") in visitor.said


def test_colours_alone_find_pictures(shop_page: str, catalog: seealike.Catalog, visit: Visit) -> None:
    visitor = _asking(visit, shop_page, catalog)
    colour = visitor.page.get_by_label("A colour to find")
    colour.fill("#1f3a93")
    visitor.page.locator(".palette").get_by_role("button", name="Add").click()
    visitor.until_shown(_found(catalog, palette="#1f3a93"))
    visitor.page.get_by_role("button", name="Without the colour #1f3a93").click()
    visitor.until_shown(_found(catalog))


def test_filters_count_what_the_catalogue_says(
    shop_page: str, catalog: seealike.Catalog, visit: Visit
) -> None:
    kinds = Counter(item.metadata["kind"] for item in catalog.items() if item.metadata.get("kind"))
    visitor = _asking(visit, shop_page, catalog)
    column = visitor.see('details[data-column="kind"]')
    if column.get_attribute("open") is None:
        column.locator("summary").click()
    more = column.get_by_role("button", name="more")
    if more.count():
        more.click()
    for kind, count in kinds.items():
        said = column.locator("label").filter(has_text=str(kind)).inner_text().split()
        assert said[-1] == str(count), kind


def test_filters_leave_what_keeps_them_and_each_can_be_taken_away(
    shop_page: str, catalog: seealike.Catalog, visit: Visit
) -> None:
    visitor = _asking(visit, shop_page, catalog)
    _tick(visitor, "kind", "lamps")
    visitor.until_shown(_found(catalog, where="kind = 'lamps'"))
    _tick(visitor, "kind", "mugs")
    both = "kind in ('lamps', 'mugs')"
    visitor.until_shown(_found(catalog, where=both))
    _open(visitor, "price")
    field = visitor.page.locator('details[data-column="price"]').get_by_label("to")
    field.fill("90")
    field.press("Enter")
    narrowed = _found(catalog, where=f"{both} and price <= 90")
    visitor.until_shown(narrowed)
    assert narrowed != _found(catalog, where=both)
    rows = [item.metadata for item in catalog.items()]
    kept = sum(
        row.get("kind") in {"lamps", "mugs"} and isinstance(row["price"], float) and row["price"] <= 90
        for row in rows
    )
    visitor.see(f"text=Filters: {kept} of {len(catalog)} items")
    visitor.page.locator(".chip").filter(has_text="kind: mugs").click()
    visitor.until_shown(_found(catalog, where="kind = 'lamps' and price <= 90"))
    visitor.page.get_by_role("button", name="Without filters").click()
    visitor.until_shown(_found(catalog))


def test_filters_that_hide_everything_say_so_and_can_be_lifted(
    shop_page: str, catalog: seealike.Catalog, visit: Visit
) -> None:
    visitor = visit(shop_page, f"/?like=id:{ITEM}&range.price=100000..")
    visitor.see("text=The filters hide everything.")
    visitor.page.get_by_role("button", name="Without filters").click()
    visitor.until_shown(_found(catalog))


def test_a_condition_can_be_typed_and_what_is_wrong_with_it_is_said(
    shop_page: str, catalog: seealike.Catalog, visit: Visit
) -> None:
    visitor = _asking(visit, shop_page, catalog)
    visitor.expects("Failed to load resource")
    visitor.page.locator("details.typed summary").click()
    field = visitor.page.get_by_label("A condition", exact=True)
    field.fill("price < 40 and kind != 'lamps'")
    field.press("Enter")
    visitor.until_shown(_found(catalog, where="price < 40 and kind != 'lamps'"))
    field = visitor.page.get_by_label("A condition", exact=True)
    field.fill("price <")
    field.press("Enter")
    visitor.see(visitor.page.get_by_role("alert").filter(has_text="price <"))


def _open(visitor: Visitor, column: str) -> None:
    details = visitor.see(f'details[data-column="{column}"]')
    if details.get_attribute("open") is None:
        details.locator("summary").click()


def _tick(visitor: Visitor, column: str, value: str) -> None:
    _open(visitor, column)
    details = visitor.page.locator(f'details[data-column="{column}"]')
    box = details.get_by_label(value)
    if not box.count():
        details.get_by_role("button", name="more").click()
    box.first.click()
