"""Files that were left out, on the page: with their reasons, in words, by reason, as a table."""

from __future__ import annotations

import csv
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest
from tests.page.conftest import Visit
from tests.page.visitor import DESK, PHONE, Screen, Visitor

import seealike
from seealike.types import SkipReason

if TYPE_CHECKING:
    from playwright.sync_api import Route

MOST_ELEMENTS = 2500  # of 10,000 rows
DARK_PHONE = Screen(390, 844, dark=True, touch=True)


def many(visit: Visit, address: str, count: int, screen: Screen = DESK) -> Visitor:
    """The view, of a catalogue that is said to have left so many files out."""
    visitor = visit(address, screen=screen)

    def stats(route: Route) -> None:
        said = route.fetch().json()
        route.fulfill(json={**said, "skipped": count, "skipped_by_reason": {"truncated": count}})

    def skipped(route: Route) -> None:
        said = {name: values[0] for name, values in parse_qs(urlsplit(route.request.url).query).items()}
        start, limit = int(said.get("start", 0)), int(said["limit"])
        rows = [
            {"id": f"{number:05d} {'long ' * 30}.jpg", "reason": "truncated", "detail": "ends too early"}
            for number in range(start, min(count, start + limit))
        ]
        after = str(start + limit) if start + limit < count else None
        route.fulfill(json={"total": count, "skipped": rows, "next": after, "generation": 1, "took_ms": 1})

    visitor.page.route("**/stats", stats)
    visitor.page.route("**/skipped?*", skipped)
    visitor.open("/?view=skipped")
    visitor.see("h1")
    return visitor


def test_every_file_is_there_with_its_reason_and_what_can_be_done(
    visit: Visit, shop_page: str, catalog: seealike.Catalog
) -> None:
    visitor = visit(shop_page, "/?view=skipped")
    visitor.see(".file")
    assert visitor.page.locator(".file .name").all_inner_texts() == [one.id for one in catalog.skipped()]
    visitor.page.get_by_role("link", name="Empty file").click()
    visitor.see(visitor.page.get_by_text("Fetch it again."))
    empty = [one.id for one in catalog.skipped() if one.reason is SkipReason.EMPTY_FILE]
    visitor.until("(n) => document.querySelectorAll('.file').length === n", len(empty))
    assert visitor.page.locator(".file .name").all_inner_texts() == empty
    assert dict(visitor.said)["own.reason"] == "empty_file"
    visitor.page.go_back()
    visitor.until("(n) => document.querySelectorAll('.file').length === n", len(list(catalog.skipped())))


def test_every_reason_has_words() -> None:
    script = (files("seealike.service") / "web" / "skipped.js").read_text("utf-8")
    assert [reason for reason in SkipReason if f"\n  {reason.value}: [" not in script] == []


def test_the_table_and_the_names_are_those_of_the_catalogue(
    visit: Visit, shop_page: str, catalog: seealike.Catalog, tmp_path: Path
) -> None:
    visitor = visit(shop_page, "/?view=skipped")
    visitor.see(".file")
    with visitor.page.expect_download() as download:
        visitor.page.get_by_role("button", name="Save as a table").click()
    download.value.save_as(tmp_path / "skipped.csv")
    with open(tmp_path / "skipped.csv", encoding="utf-8-sig", newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["id", "reason", "detail"]
    assert [row[:2] for row in rows[1:]] == [[one.id, one.reason.value] for one in catalog.skipped()]
    visitor.context.grant_permissions(["clipboard-read", "clipboard-write"])
    visitor.page.get_by_role("button", name="Copy the names").click()
    visitor.see(visitor.page.get_by_text("names copied"))
    copied = visitor.page.evaluate("navigator.clipboard.readText()")
    assert copied.split("\n") == [one.id for one in catalog.skipped()]


def test_10000_rows_take_few_elements_and_the_last_one_is_reached(visit: Visit, three_page: str) -> None:
    visitor = many(visit, three_page, 10_000)
    for _ in range(200):
        visitor.page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
        visitor.page.wait_for_timeout(50)
        if visitor.page.get_by_text("09999 long").count():
            break
    visitor.see(visitor.page.get_by_text("09999 long"))
    assert visitor.page.evaluate("document.querySelectorAll('main *').length") < MOST_ELEMENTS


def test_what_a_decoder_wrote_is_behind_the_words(visit: Visit, three_page: str) -> None:
    details = {
        "a.png": ("corrupt", "SyntaxError: broken PNG file (chunk b'\\x00')"),
        "b.jpg": ("truncated", "ends too early"),
        "c.tif": ("truncated", "error: unpack requires a buffer of 4 bytes"),
        "d.jpg": ("corrupt", "Errors: none of its parts"),
    }
    visitor = many(visit, three_page, 4)
    rows = [{"id": name, "reason": reason, "detail": detail} for name, (reason, detail) in details.items()]
    visitor.page.route(
        "**/skipped?*",
        lambda route: route.fulfill(
            json={"total": 4, "skipped": rows, "next": None, "generation": 1, "took_ms": 1}
        ),
    )
    visitor.open("/?view=skipped")
    visitor.see(".file")
    shown = [one.split("\n") for one in visitor.page.locator(".file").all_inner_texts()]
    assert shown == [
        ["a.png", "Broken", "Technical detail"],
        ["b.jpg", "Cut off · ends too early"],
        ["c.tif", "Cut off", "Technical detail"],
        ["d.jpg", "Broken · Errors: none of its parts"],
    ]
    visitor.page.get_by_text("Technical detail").first.click()
    visitor.see(visitor.page.get_by_text(details["a.png"][1]))
    assert visitor.violations() == []


def test_nothing_left_out_is_good_news(visit: Visit, three_page: str) -> None:
    visitor = visit(three_page, "/?view=skipped")
    visitor.see(visitor.page.get_by_text("Nothing was left out."))
    assert visitor.violations() == []


@pytest.mark.parametrize("screen", [DESK, PHONE, DARK_PHONE])
def test_everybody_can_read_it(screen: Screen, visit: Visit, three_page: str) -> None:
    visitor = many(visit, three_page, 120, screen)
    visitor.see(".file")
    assert visitor.violations() == []
    assert visitor.page.evaluate("document.documentElement.scrollWidth") <= screen.width
