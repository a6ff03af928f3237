"""Pictures added, replaced and removed on the page."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.page.conftest import Visit, served
from tests.page.visitor import DESK, PHONE, Screen, Visitor, as_json
from tests.pictures import write_pictures

import seealike
from seealike import NewPicture

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Route

DARK_PHONE = Screen(390, 844, dark=True, touch=True)


@pytest.fixture
def own(chromium_page: Browser, tmp_path: Path) -> Iterator[str]:
    """The page of a catalogue of ``000.jpg`` and ``001.jpg`` that may be changed."""
    with seealike.create(tmp_path / "catalog") as made:
        made.add_many(NewPicture(path.name, path) for path in write_pictures(tmp_path / "photos", range(2)))
    with ExitStack() as stack:
        yield served(stack, tmp_path / "catalog")


def choose(visitor: Visitor, *paths: Path) -> None:
    visitor.page.locator(".drop input[type=file]").first.set_input_files([str(path) for path in paths])


def looked_up(visitor: Visitor) -> None:
    visitor.until(
        "![...document.querySelectorAll('.entry .state')].some((one) => one.textContent === 'Looking …')"
    )


def items(visitor: Visitor) -> dict[str, Any]:
    found = as_json(visitor.page, f"{visitor.address}/items")["items"]
    return {item["id"]: item for item in found}


def add(visitor: Visitor, text: str) -> None:
    visitor.page.get_by_role("button", name=text).click()
    visitor.until(
        "!document.querySelector('[data-name=stop]') && !!document.querySelector('[data-name=clear]')"
    )


def test_files_become_items_with_group_and_columns_and_a_link_to_what_looks_like_them(
    own: str, visit: Visit, tmp_path: Path
) -> None:
    visitor = visit(own, "/?view=adding")
    notes = tmp_path / "notes.txt"
    notes.write_text("no picture")
    choose(visitor, *write_pictures(tmp_path / "new", range(5, 7), extension="png"), notes)
    visitor.see(visitor.page.get_by_text("2 pictures listed, 1 other file left out."))
    assert visitor.page.locator(".left-out li .name").all_inner_texts() == ["notes.txt"]
    assert visitor.violations() == []
    visitor.page.get_by_role("button", name="Forget them").click()
    assert visitor.page.locator(".left-out").is_hidden()
    visitor.page.locator(".for-all summary").click()
    visitor.page.get_by_label("What names begin with").fill("summer/")
    visitor.page.get_by_label("Product they show").fill("boots")
    visitor.page.get_by_role("button", name="Add a column").click()
    visitor.page.get_by_role("combobox", name="Column").fill("price")
    visitor.page.get_by_label("Value", exact=True).fill("12.5")
    visitor.page.get_by_role("button", name="Add a column").click()
    visitor.page.get_by_role("combobox", name="Column").nth(1).fill("__proto__")
    visitor.page.get_by_label("Value", exact=True).nth(1).fill("low")
    visitor.until("document.querySelector('.entry input').value === 'summer/005.png'")
    looked_up(visitor)
    add(visitor, "Add 2 pictures")
    found = items(visitor)
    assert {name: (one["group"], one["metadata"]) for name, one in found.items()} == {
        "000.jpg": (None, {}),
        "001.jpg": (None, {}),
        "summer/005.png": ("boots", {"price": 12.5, "__proto__": "low"}),
        "summer/006.png": ("boots", {"price": 12.5, "__proto__": "low"}),
    }
    visitor.page.get_by_role("link", name="What looks like it?").first.click()
    assert ("like", "id:summer/005.png") in visitor.said


def test_nothing_that_is_there_is_replaced_without_a_yes(own: str, visit: Visit, tmp_path: Path) -> None:
    visitor = visit(own, "/?view=adding")
    (other,) = write_pictures(tmp_path / "new", range(9, 10))
    again = other.rename(tmp_path / "new" / "000.jpg")
    (new,) = write_pictures(tmp_path / "new", range(8, 9))
    choose(visitor, again, new)
    looked_up(visitor)
    assert visitor.page.locator(".entry .state").all_inner_texts() == ["Is there already: left alone", "New"]
    with seealike.open(tmp_path / "catalog") as catalog:
        before = catalog.search(str(again), k=1)[0].score
        add(visitor, "Add 1 picture")
        assert catalog.search(str(again), k=1)[0].score == before
        assert set(items(visitor)) == {"000.jpg", "001.jpg", "008.jpg"}
        visitor.page.get_by_label("Replace what is there already").check()
        assert visitor.page.locator(".entry .state").first.inner_text() == "Replaces what is there"
        add(visitor, "Add 1 picture")
        hit = catalog.search(str(again), k=1)[0]
    assert (hit.id, round(hit.score, 2)) == ("000.jpg", 1.0)
    assert visitor.page.locator(".entry .state").first.inner_text() == "Replaced"


def test_a_name_can_be_changed_and_is_given_once(own: str, visit: Visit, tmp_path: Path) -> None:
    visitor = visit(own, "/?view=adding")
    choose(visitor, *write_pictures(tmp_path / "new", range(4, 6)))
    name = visitor.page.get_by_label("Name of 005.jpg")
    for given, told in (("004.jpg", "Another one has this name"), ("", "It needs a name"), ("x y", "New")):
        name.fill(given)
        name.press("Tab")
        visitor.until("(told) => document.querySelectorAll('.entry .state')[1].textContent === told", told)
    looked_up(visitor)
    add(visitor, "Add 2 pictures")
    assert {"004.jpg", "x y"} <= set(items(visitor))


def test_a_busy_service_is_asked_again_and_what_is_no_picture_is_said(
    own: str, visit: Visit, tmp_path: Path
) -> None:
    visitor = visit(own, "/?view=adding")
    visitor.expects("503", "422")
    busy = [True, False, False, False]

    def put(route: Route) -> None:
        if route.request.method == "PUT" and busy.pop(0):
            problem = {"code": "catalog_busy", "detail": "the catalogue is being changed"}
            route.fulfill(status=503, headers={"retry-after": "1"}, json=problem)
        else:
            route.continue_()

    visitor.page.route("**/items/*", put)
    (picture,) = write_pictures(tmp_path / "new", range(7, 8))
    broken = tmp_path / "new" / "broken.jpg"
    broken.write_text("no picture")
    choose(visitor, picture, broken)
    looked_up(visitor)
    add(visitor, "Add 2 pictures")
    added, failed = visitor.page.locator(".entry .state").all_inner_texts()
    assert (added, failed) == ("Added", "Not a picture")
    left_out = visitor.page.locator(".left-out")
    assert left_out.locator("summary").inner_text() == "1 file left out"
    assert left_out.locator("li").inner_text().startswith("broken.jpg\nNot a picture: The content")
    assert "007.jpg" in items(visitor)
    assert visitor.page.get_by_role("button", name="Try again: broken.jpg").is_visible()


def test_at_most_two_are_sent_at_once_and_what_waits_can_be_stopped(
    own: str, visit: Visit, tmp_path: Path
) -> None:
    visitor = visit(own, "/?view=adding")
    held: list[Route] = []
    visitor.page.route("**/items/*", lambda route: held.append(route))  # noqa: PLW0108  Playwright marks it
    choose(visitor, *write_pictures(tmp_path / "new", range(10, 16)))
    looked_up(visitor)
    visitor.page.get_by_role("button", name="Add 6 pictures").click()
    visitor.page.wait_for_timeout(300)
    states = visitor.page.locator(".entry .state").all_inner_texts()
    assert (len(held), states) == (2, ["On its way …"] * 2 + ["Waits"] * 4)
    assert visitor.page.evaluate("!dispatchEvent(new Event('beforeunload', { cancelable: true }))")
    visitor.page.get_by_role("button", name="Stop", exact=True).click()
    visitor.until("!!document.querySelector('[data-name=clear]')")
    assert visitor.page.locator(".entry[data-state=stopped]").count() == 6
    assert visitor.page.evaluate("dispatchEvent(new Event('beforeunload', { cancelable: true }))")


def test_what_is_dropped_and_what_lies_in_a_folder_is_taken(own: str, visit: Visit, tmp_path: Path) -> None:
    visitor = visit(own, "/?view=adding")
    visitor.see(".drop")
    (picture,) = write_pictures(tmp_path / "new", range(3, 4), extension="png")
    visitor.give("drop", ".drop", [("003.png", "image/png", picture.read_bytes())])
    visitor.see(".entry")
    write_pictures(tmp_path / "new" / "deep", range(4, 5))
    visitor.page.locator(".drop input[type=file]").nth(1).set_input_files(str(tmp_path / "new"))
    visitor.until("document.querySelectorAll('.entry').length === 3")
    looked_up(visitor)
    add(visitor, "Add 3 pictures")
    assert {"003.png", "new/003.png", "new/deep/004.jpg"} <= set(items(visitor))


def test_items_are_removed_once_they_have_been_named(own: str, visit: Visit) -> None:
    visitor = visit(own, "/?view=adding&own.remove=000.jpg")
    visitor.page.get_by_role("button", name="Remove 1 item").click()
    visitor.see("dialog.sheet")
    assert visitor.page.locator(".going li").all_inner_texts() == ["000.jpg"]
    assert "cannot be undone" in visitor.page.locator("dialog.sheet").inner_text()
    assert visitor.violations() == []
    visitor.page.get_by_role("button", name="Keep them").click()
    assert set(items(visitor)) == {"000.jpg", "001.jpg"}
    visitor.page.get_by_role("button", name="Remove 1 item").click()
    visitor.page.get_by_role("button", name="Remove for good").click()
    visitor.see(visitor.page.get_by_text("1 item removed."))
    assert set(items(visitor)) == {"001.jpg"}


def test_an_item_that_is_looked_at_leads_to_its_removal(visit: Visit, three_page: str) -> None:
    visitor = visit(three_page, "/?like=id:000.jpg&open=001.jpg")
    visitor.page.get_by_role("link", name="Remove …").click()
    visitor.see(visitor.page.get_by_role("button", name="Remove 1 item"))
    assert visitor.page.locator(".found-items input:checked + img + .name").inner_text() == "001.jpg"


def test_a_key_that_only_reads_is_told_which_key_it_takes(visit: Visit, three_page: str) -> None:
    visitor = visit(three_page)
    visitor.page.route(
        "**/stats", lambda route: route.fulfill(json={**route.fetch().json(), "access": "read"})
    )
    visitor.open("/?view=adding")
    visitor.see(visitor.page.get_by_text("Your key allows looking, not changing."))
    assert visitor.page.locator("input[type=file]").count() == 0
    assert visitor.violations() == []


@pytest.mark.parametrize("screen", [DESK, PHONE, DARK_PHONE])
def test_everybody_can_add(screen: Screen, visit: Visit, three_page: str, tmp_path: Path) -> None:
    visitor = visit(three_page, "/?view=adding", screen)
    choose(visitor, *write_pictures(tmp_path, range(2, 5)))
    visitor.page.locator(".for-all summary").click()
    visitor.page.get_by_role("button", name="Add a column").click()
    looked_up(visitor)
    visitor.page.get_by_label("Items whose id begins with").fill("0")
    visitor.see(".found-items li")
    assert visitor.violations() == []
    assert visitor.page.evaluate("document.documentElement.scrollWidth") <= screen.width
