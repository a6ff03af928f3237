"""The catalogue's numbers on the page, and an indexing run while it goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.page.conftest import Visit
from tests.page.visitor import DESK, PHONE, Screen

import seealike

if TYPE_CHECKING:
    from playwright.sync_api import Route

DARK_PHONE = Screen(390, 844, dark=True, touch=True)


def test_the_numbers_are_those_of_the_catalogue(
    visit: Visit, shop_page: str, catalog: seealike.Catalog
) -> None:
    visitor = visit(shop_page, "/?view=numbers")
    visitor.see(".column")
    info = catalog.info()
    shown = visitor.page.locator(".figures-row dd").all_inner_texts()
    assert shown[:2] == [f"{info.items:,}", f"{info.skipped:,}"]
    kinds = [item.metadata.get("kind") for item in catalog.items()]
    for row in visitor.page.locator(".column", has_text="kind").first.locator("li").all():
        value, count = row.locator("a").inner_text(), row.locator(".n").inner_text()
        assert kinds.count(value) == int(count)


def test_a_value_leads_to_a_search_among_its_items(visit: Visit, shop_page: str) -> None:
    visitor = visit(shop_page, "/?view=numbers")
    visitor.see(".column")
    visitor.page.locator(".column", has_text="kind").first.get_by_role("link", name="bags").click()
    assert visitor.said == [("pick.kind", "'bags'")]


def test_a_run_is_followed_to_its_end_and_what_came_is_said(visit: Visit, three_page: str) -> None:
    visitor = visit(three_page)
    run = {"stage": "index", "done": 30, "total": 90, "rate": 12.0, "left_s": 5.0}
    runs: list[dict[str, object] | None] = [None, {**run}, {**run, "done": 60, "left_s": 2.5}, None]

    def stats(route: Route) -> None:
        said = route.fetch().json()
        indexing = runs.pop(0) if len(runs) > 1 else runs[0]
        came = 0 if len(runs) > 2 else 42
        changed = {"items": said["items"] + came, "skipped": 2 if came else 0, "indexing": indexing}
        route.fulfill(json={**said, **changed, "generation": said["generation"] + came})

    visitor.page.route("**/stats", stats)
    visitor.open("/?view=numbers")
    visitor.see(visitor.page.get_by_text("30 of 90 · 12 a second · about 5 s left"))
    visitor.see(visitor.page.get_by_text("60 of 90"))
    told = "Indexing is over: 42 pictures came, 2 files left out."
    visitor.see(visitor.page.get_by_role("heading", name=told))
    assert visitor.page.locator(".figures-row dd").first.inner_text() == "45"
    assert visitor.violations() == []


def test_a_service_that_does_not_answer_is_said_and_that_it_answers_again(
    visit: Visit, three_page: str
) -> None:
    visitor = visit(three_page, "/?view=numbers")
    visitor.expects("ERR_FAILED")
    visitor.see(visitor.page.get_by_text("The service is well"))
    visitor.page.route("**/stats", lambda route: route.abort())
    visitor.see(visitor.page.get_by_text("The service does not answer", exact=True))
    visitor.page.unroute("**/stats")
    visitor.see(visitor.page.get_by_text("The service is well"))


def test_nothing_is_asked_any_more_once_the_view_is_left(visit: Visit, three_page: str) -> None:
    visitor = visit(three_page, "/?view=numbers")
    visitor.see(visitor.page.get_by_text("The service is well"))
    visitor.page.get_by_role("link", name="Skipped").click()
    visitor.see(visitor.page.get_by_text("Nothing was left out."))
    asked = sum(one.endswith("/stats") for one in visitor.requests)
    visitor.page.wait_for_timeout(5000)
    assert sum(one.endswith("/stats") for one in visitor.requests) == asked


@pytest.mark.parametrize("screen", [DESK, PHONE, DARK_PHONE])
@pytest.mark.parametrize("which", ["shop_page", "empty_page"])
def test_everybody_can_read_it(
    which: str, screen: Screen, visit: Visit, request: pytest.FixtureRequest
) -> None:
    visitor = visit(request.getfixturevalue(which), "/?view=numbers", screen)
    visitor.see(".columns-part h2")
    assert visitor.violations() == []
    assert visitor.page.evaluate("document.documentElement.scrollWidth") <= screen.width
