"""What is shown while nothing is there, while one waits, and where nothing comes."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from tests.page.conftest import Visit, served
from tests.page.visitor import Visitor, wait_until
from tests.pictures import write_pictures

import seealike
from seealike import NewPicture
from seealike.demo import DrawnCatalogue

if TYPE_CHECKING:
    from playwright.sync_api import Route

ITEM = "bag-101-front"
MOST = 60


def test_an_empty_catalogue_says_how_it_is_filled(empty_page: str, visit: Visit) -> None:
    visitor = visit(empty_page)
    visitor.see("text=This catalogue has no pictures yet.")
    visitor.see("text=seealike index")


def test_three_items_are_shown_all(three_page: str, visit: Visit) -> None:
    visitor = visit(three_page)
    visitor.see("[role=listitem]")
    assert visitor.shown() == ["000.jpg", "001.jpg", "002.jpg"]
    visitor.tile("001.jpg").locator("a.picture").click()
    visitor.until("() => document.querySelectorAll('[role=listitem] a.picture').length === 2")
    assert sorted(visitor.shown()) == ["000.jpg", "002.jpg"]


def test_a_wait_is_a_skeleton_then_words_and_ends_with_the_answer(
    shop_page: str, catalog: seealike.Catalog, visit: Visit
) -> None:
    visitor = visit(shop_page)
    visitor.see("[role=listitem]")
    held = _held(visitor, "**/recommend")
    visitor.page.locator("[role=listitem] a.picture").first.click()
    visitor.see(".skeleton")
    visitor.see("text=This takes longer than usual")
    held[0].continue_()
    visitor.until_shown(catalog.similar(_asked(visitor.said), MOST).ids)
    assert visitor.page.locator(".skeleton, .slow").count() == 0


def test_an_answer_that_comes_too_late_changes_nothing(
    shop_page: str, catalog: seealike.Catalog, visit: Visit
) -> None:
    first = catalog.similar(ITEM, MOST).ids
    visitor = visit(shop_page, f"/?like=id:{ITEM}")
    visitor.until_shown(first)
    held = _held(visitor, "**/recommend")
    visitor.tile(first[0]).locator("a.picture").click()
    wait_until(lambda: bool(held), visitor.page, "the request")
    late = list(held)
    visitor.page.go_back()
    wait_until(lambda: len(held) > 1, visitor.page, "the request for what was seen before")
    held[-1].continue_()
    visitor.until_shown(first)
    for route in late:
        route.fulfill(json={"took_ms": 1.0, "generation": 1, "hits": []})
    visitor.page.wait_for_timeout(300)
    visitor.until_shown(first)


def test_of_two_pictures_that_are_on_their_way_the_last_one_wins(
    shop: DrawnCatalogue, shop_page: str, catalog: seealike.Catalog, visit: Visit
) -> None:
    visitor = visit(shop_page)
    visitor.see("[role=listitem]")
    held = _held(visitor, "**/images")
    last = Path(shop.outside_query).read_bytes()
    visitor.give("drop", "main", [("first.jpg", "image/jpeg", b"not yet looked at")])
    wait_until(lambda: len(held) == 1, visitor.page, "the first one is on its way")
    visitor.give("drop", "main", [("last.jpg", "image/jpeg", last)])
    wait_until(lambda: len(held) == 2, visitor.page, "and the last one")
    held[1].continue_()
    held[0].fulfill(status=201, json={"image": "of-the-first", "expires_s": 900})
    visitor.until_shown(catalog.search(shop.outside_query, MOST).ids)
    visitor.page.wait_for_timeout(300)
    assert [name for name, value in visitor.said if "of-the-first" in value] == []
    assert visitor.page.get_by_role("alert").count() == 0


def test_what_fails_says_so_and_can_be_tried_again(
    shop_page: str, catalog: seealike.Catalog, visit: Visit
) -> None:
    visitor = visit(shop_page)
    visitor.expects("Failed to load resource")
    visitor.see("[role=listitem]")
    visitor.page.route("**/recommend", lambda route: route.abort())
    visitor.page.locator("[role=listitem] a.picture").first.click()
    alert = visitor.see(visitor.page.get_by_role("alert"))
    assert "does not answer" in alert.inner_text()
    visitor.page.unroute("**/recommend")
    alert.get_by_role("button", name="Try again").click()
    visitor.until_shown(catalog.similar(_asked(visitor.said), MOST).ids)


def test_what_the_service_says_of_a_failure_is_shown(shop_page: str, visit: Visit) -> None:
    visitor = visit(shop_page)
    visitor.expects("Failed to load resource")
    visitor.see("[role=listitem]")
    problem = {"code": "overloaded", "detail": "128 pictures are under way", "status": 503}
    visitor.page.route("**/recommend", lambda route: route.fulfill(status=503, json=problem))
    visitor.page.locator("[role=listitem] a.picture").first.click()
    alert = visitor.see(visitor.page.get_by_role("alert"))
    assert "128 pictures are under way" in alert.inner_text()


def test_a_picture_that_cannot_be_sent_can_be_sent_again(
    shop: DrawnCatalogue, shop_page: str, catalog: seealike.Catalog, visit: Visit
) -> None:
    visitor = visit(shop_page)
    visitor.expects("Failed to load resource")
    visitor.see("[role=listitem]")
    visitor.page.route("**/images", lambda route: route.abort())
    visitor.give("drop", "main", [("photo.jpg", "image/jpeg", Path(shop.outside_query).read_bytes())])
    alert = visitor.see(visitor.page.get_by_role("alert"))
    visitor.page.unroute("**/images")
    alert.get_by_role("button", name="Try again").click()
    visitor.until_shown(catalog.search(shop.outside_query, MOST).ids)


def test_being_offline_is_said_what_is_shown_stays_and_it_goes_on_afterwards(
    shop_page: str, catalog: seealike.Catalog, visit: Visit
) -> None:
    first = catalog.similar(ITEM, MOST).ids
    visitor = visit(shop_page, f"/?like=id:{ITEM}")
    visitor.expects("Failed to load resource", "ERR_INTERNET_DISCONNECTED")
    visitor.until_shown(first)
    visitor.context.set_offline(True)
    visitor.see("#net")
    assert visitor.shown()[:5] == list(first[:5])
    visitor.tile(first[0]).locator("a.picture").click()
    alert = visitor.see(visitor.page.get_by_role("alert"))
    assert "offline" in alert.inner_text()
    visitor.context.set_offline(False)
    visitor.page.locator("#net").wait_for(state="hidden")
    alert.get_by_role("button", name="Try again").click()
    visitor.until_shown(catalog.similar(first[0], MOST).ids)


def test_a_service_that_is_away_when_the_page_comes_is_said(shop_page: str, visit: Visit) -> None:
    visitor = visit(shop_page, "/healthz")
    visitor.expects("Failed to load resource", "favicon")
    visitor.page.route("**/stats", lambda route: route.abort())
    visitor.open("/")
    alert = visitor.see(visitor.page.get_by_role("alert"))
    visitor.page.unroute("**/stats")
    alert.get_by_role("button", name="Try again").click()
    visitor.see("[role=listitem]")


def _held(visitor: Visitor, pattern: str) -> list[Route]:
    """Requests that wait until they are let go."""
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    visitor.page.route(pattern, hold)
    return held


def _asked(said: list[tuple[str, str]]) -> str:
    return dict(said)["like"].removeprefix("id:")


def test_a_second_click_counts_once(shop_page: str, visit: Visit) -> None:
    visitor = visit(shop_page, f"/?like=id:{ITEM}")
    visitor.see("[role=listitem] .score b")
    tile = visitor.page.locator("[role=listitem]").first
    tile.hover()
    tile.locator(".acts button").first.dblclick()
    visitor.see(".examples")
    assert visitor.page.locator(".examples li").count() == 2


def test_what_an_item_is_called_follows_the_catalogue(
    tmp_path: Path, visit: Visit, opened: ExitStack
) -> None:
    paths = write_pictures(tmp_path / "photos", range(3))
    with seealike.create(tmp_path / "catalog") as made:
        made.add_many(NewPicture(path.name, path, None, {"name": "Old name"}) for path in paths)
    address = served(opened, tmp_path / "catalog")
    visitor = visit(address, "/?like=id:000.jpg")
    visitor.see(visitor.page.get_by_role("heading", name="Like Old name"))
    with seealike.Client(address) as client:
        client.add("000.jpg", paths[0], metadata={"name": "New name"})
    visitor.page.get_by_role("link", name="Catalogue").click()
    visitor.page.get_by_role("link", name="New name").click()
    visitor.see(visitor.page.get_by_role("heading", name="Like New name"))
