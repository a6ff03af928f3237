"""Groups of duplicates on the page: chosen by keys and pointers, remembered, saved. They are made up."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest
from tests.page.conftest import Visit
from tests.page.visitor import DESK, PHONE, Screen, Visitor, wait_until

import seealike
from seealike.duplicates import find_duplicates
from seealike.duplicates.decisions import Decision, read_decisions

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Route

LEVELS = ("exact", "near", "product")
MOST_ELEMENTS = 3000  # of 500 groups, each a title, and some with all their pictures
DARK = Screen(dark=True)
DARK_PHONE = Screen(390, 844, dark=True, touch=True)


def group(number: int, size: int = 2, level: str = "near", *, image: str | None = None) -> dict[str, object]:
    return {
        "centre": f"{number}/0.jpg",
        "decided": False,
        "members": [
            {
                "id": f"{number}/{place}.jpg",
                "image": image,
                "width_px": 400 - place,
                "height_px": 300,
                "size_bytes": 20_000,
                "format": "JPEG",
                "sha256": bytes([number % 256, number // 256, place, 0] * 8).hex(),
                "level": level if place else "exact",
                "likeness": 0.95 if place and level != "exact" else 1.0,
                "kept": not place,
                "why": "fewer pixels" if place else "the most pixels",
            }
            for place in range(size)
        ],
    }


class Groups:
    """What the service says of duplicates; ``asked`` are the questions."""

    def __init__(self, groups: Sequence[dict[str, object]], *, finding: int = 0) -> None:
        self.groups, self.finding, self.generation, self.stale = list(groups), finding, 7, False
        self.asked: list[dict[str, str]] = []

    def answer(self, route: Route) -> None:
        said = {name: values[0] for name, values in parse_qs(urlsplit(route.request.url).query).items()}
        self.asked.append(said)
        if self.finding:
            self.finding -= 1
            at = {"status": "finding", "stage": "compare", "done": 30, "total": 90, "left_s": 12.2}
            route.fulfill(status=202, json=at)
            return
        start, limit = int(said.get("start", 0)), int(said["limit"])
        left = len(self.groups) > start + limit
        route.fulfill(
            json={
                "status": "ready",
                "generation": self.generation,
                "stale": self.stale,
                "total": len(self.groups),
                "items": 1000,
                "next": str(start + limit) if left else None,
                "groups": self.groups[start : start + limit],
            }
        )


def look(visit: Visit, address: str, groups: Groups, screen: Screen = DESK, part: str = "") -> Visitor:
    visitor = visit(address, screen=screen)
    visitor.page.route("**/duplicates?*", groups.answer)
    visitor.open(f"/?view=duplicates{part}")
    visitor.see("h1")
    return visitor


def focus(visitor: Visitor, number: int, place: int = 0) -> Locator:
    choice = visitor.page.locator(".group").nth(number).locator(".choice").nth(place)
    choice.focus()
    return choice


def focused(visitor: Visitor) -> str:
    return str(visitor.page.evaluate("document.activeElement.getAttribute('aria-label')"))


def kept(visitor: Visitor, number: int) -> list[bool]:
    pressed = ".choice[aria-pressed]"
    found = visitor.page.locator(".group").nth(number).locator(pressed)
    return [one.get_attribute("aria-pressed") == "true" for one in found.all()]


def press(visitor: Visitor, *keys: str) -> None:
    for key in keys:
        visitor.page.keyboard.press(key)


def said(visitor: Visitor) -> str:
    return str(visitor.page.locator(".toolbar .said").inner_text())


def test_keys_choose_within_the_list_and_the_focus_goes_along(visit: Visit, three_page: str) -> None:
    visitor = look(visit, three_page, Groups([group(0, 3), group(1), group(2, 4)]))
    focus(visitor, 0)
    press(visitor, "ArrowRight", "ArrowRight", "ArrowRight")
    assert focused(visitor) == "Keep 0/2.jpg"
    press(visitor, "ArrowDown", "ArrowDown", "ArrowRight")
    assert focused(visitor) == "Keep 2/2.jpg"
    press(visitor, "3")
    assert kept(visitor, 2) == [False, False, True, False]
    press(visitor, "Shift+Digit1", "ArrowRight", "Enter")
    assert (kept(visitor, 2), focused(visitor)) == ([True, True, True, False], "Keep 2/1.jpg")
    press(visitor, "ArrowUp", "a", "d", "r")
    assert (kept(visitor, 1), kept(visitor, 2)) == ([True, True], [True, False, False, False])
    press(visitor, "ArrowUp", "d")
    assert said(visitor) == "1 of 3 decided · 5 to move away"


def test_arrows_and_letters_are_nobodys_outside_the_list(visit: Visit, three_page: str) -> None:
    visitor = look(visit, three_page, Groups([group(0), group(1)]))
    visitor.page.evaluate(
        "() => { globalThis.taken = 0; addEventListener('keydown', (e) => taken += e.defaultPrevented); }"
    )
    visitor.page.get_by_role("button", name="Save").focus()
    press(visitor, "ArrowDown", "ArrowRight", "a", "1", "u")
    assert (visitor.page.evaluate("taken"), said(visitor)) == (0, "0 of 2 decided · 2 to move away")


def test_one_picture_of_a_group_is_always_kept(visit: Visit, three_page: str) -> None:
    visitor = look(visit, three_page, Groups([group(0)]))
    focus(visitor, 0).click()
    assert kept(visitor, 0) == [True, False]
    visitor.see(visitor.page.get_by_text("One picture of each group is kept"))


def test_what_was_decided_does_not_come_back_and_can_be_looked_up(visit: Visit, three_page: str) -> None:
    groups = Groups([group(0), group(1), group(2)])
    visitor = look(visit, three_page, groups)
    focus(visitor, 1)
    press(visitor, "a")
    visitor.open("/?view=duplicates")
    visitor.see(".group")
    seen = [one.is_visible() for one in visitor.page.locator(".group").all()]
    assert (seen, said(visitor)) == ([True, False, True], "1 of 3 decided · 2 to move away")
    visitor.page.get_by_role("link", name="Decided").click()
    visitor.see(".group.decided")
    seen = [one.is_visible() for one in visitor.page.locator(".group").all()]
    assert (seen, kept(visitor, 1)) == ([False, True, False], [True, True])


def test_other_content_under_the_same_name_is_another_question(visit: Visit, three_page: str) -> None:
    groups = Groups([group(0)])
    visitor = look(visit, three_page, groups)
    focus(visitor, 0)
    press(visitor, "a")
    groups.groups[0]["members"][1]["sha256"] = "ff" * 32  # type: ignore[index]
    visitor.open("/?view=duplicates")
    visitor.see(".group")
    assert (kept(visitor, 0), said(visitor)) == ([True, False], "0 of 1 decided · 1 to move away")


def test_the_rest_is_accepted_at_once_also_what_was_not_loaded_and_undone_at_once(
    visit: Visit, three_page: str
) -> None:
    groups = Groups([group(number, level=LEVELS[number % 2]) for number in range(250)])
    visitor = look(visit, three_page, groups)
    visitor.page.get_by_role("button", name="Accept exact copies").click()
    visitor.until("document.querySelector('.toolbar .said').textContent.startsWith('125 of 250 decided')")
    visitor.page.get_by_role("button", name="Accept the rest").click()
    visitor.until("document.querySelector('.toolbar .said').textContent.startsWith('250 of 250 decided')")
    visitor.page.get_by_role("button", name="Undo").first.click()
    assert said(visitor) == "125 of 250 decided · 250 to move away"
    assert [one.get("start", "") for one in groups.asked] == ["", "100", "200"]


def test_the_command_reads_what_is_saved_of_all_levels(visit: Visit, three_page: str, tmp_path: Path) -> None:
    groups = Groups([group(0, 3)])
    visitor = look(visit, three_page, groups)
    focus(visitor, 0)
    press(visitor, "a")
    groups.groups = [group(5)]
    visitor.page.get_by_role("link", name="Same product").click()
    visitor.see(visitor.page.get_by_label("Keep 5/0.jpg"))
    focus(visitor, 0)
    press(visitor, "2")
    visitor.page.get_by_role("button", name="Save").click()
    visitor.see(visitor.page.get_by_text("1 group decided here: 1 picture to move away."))
    assert (
        visitor.page.locator(".command code")
        .first.inner_text()
        .endswith("--level product --decisions decisions.json --move-to twice --dry-run")
    )
    with visitor.page.expect_download() as download:
        visitor.page.get_by_role("button", name="Save decisions.json").click()
    download.value.save_as(tmp_path / "decisions.json")
    assert list(read_decisions(str(tmp_path / "decisions.json"))) == [
        Decision(frozenset((f"0/{place}.jpg", bytes([0, 0, place, 0] * 8)) for place in range(3))),
        Decision(
            frozenset({("5/1.jpg", bytes([5, 0, 1, 0] * 8))}),
            frozenset({("5/0.jpg", bytes([5, 0, 0, 0] * 8))}),
        ),
    ]


def test_groups_and_what_is_kept_are_the_librarys_and_its_command_takes_what_was_decided(
    visit: Visit, shop_page: str, catalog: seealike.Catalog, tmp_path: Path
) -> None:
    visitor = visit(shop_page, "/?view=duplicates")
    visitor.see(".card")
    truth = find_duplicates(catalog).groups
    visitor.until("(n) => document.querySelectorAll('.group').length === n", len(truth))
    for number, group in enumerate(truth[:3]):
        ids = [f"Keep {member.item.id}" for member in group.members]
        choices = visitor.page.locator(".group").nth(number).locator(".choice")
        assert [one.get_attribute("aria-label") for one in choices.all()] == ids
        assert kept(visitor, number) == [member.kept for member in group.members]
    focus(visitor, 0)
    press(visitor, "2", "d")
    visitor.page.get_by_role("button", name="Save").click()
    with visitor.page.expect_download() as download:
        visitor.page.get_by_role("button", name="Save decisions.json").click()
    download.value.save_as(tmp_path / "decisions.json")
    found = find_duplicates(catalog, decisions=read_decisions(str(tmp_path / "decisions.json"))).groups
    (decided,) = [group for group in found if group.decided]
    assert {member.item.id for member in decided.members} == {member.item.id for member in truth[0].members}
    assert [member.item.id for member in decided.kept] == [truth[0].members[1].item.id]


def test_500_groups_take_few_elements_and_the_last_one_is_reached(visit: Visit, three_page: str) -> None:
    groups = Groups([group(number, 2 + number % 5) for number in range(500)])
    visitor = look(visit, three_page, groups)
    visitor.see(".card")
    for _ in range(40):
        visitor.page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
        visitor.page.wait_for_timeout(50)
        if (
            visitor.page.locator(".group").count() == 500
            and visitor.page.get_by_label("Keep 499/0.jpg").count()
        ):
            break
    visitor.see(visitor.page.get_by_label("Keep 499/0.jpg"))
    assert visitor.page.evaluate("document.querySelectorAll('main *').length") < MOST_ELEMENTS
    assert len(groups.asked) == 5


def test_the_focus_stays_on_what_was_chosen(visit: Visit, three_page: str) -> None:
    visitor = look(visit, three_page, Groups([group(0), group(1)]))
    for name in ("Decided", "All", "Same product"):
        visitor.page.get_by_role("link", name=name, exact=True).focus()
        press(visitor, "Enter")
        visitor.until("(name) => document.activeElement.textContent === name", name)
        assert visitor.page.evaluate("document.activeElement.getAttribute('aria-current')") == "true"


@pytest.mark.parametrize("screen", [DESK, PHONE])
def test_what_has_the_focus_is_never_below_the_bars(screen: Screen, visit: Visit, three_page: str) -> None:
    visitor = look(visit, three_page, Groups([group(number, 4) for number in range(12)]), screen)
    focus(visitor, 0)
    press(visitor, *["ArrowDown"] * 5)
    for key in ["Shift+Tab"] * 20 + ["ArrowUp"] * 2 + ["Tab"] * 20:
        press(visitor, key)
        bar, top, bottom = visitor.page.evaluate(
            """() => {
              const { activeElement: at } = document;
              const box = at.getBoundingClientRect();
              const bar = document.querySelector(".toolbar").getBoundingClientRect();
              return [at.closest(".group") ? bar.bottom : 0, box.top, box.bottom];
            }"""
        )
        assert bar - 1 <= top < bottom <= screen.height + 1, visitor.page.evaluate(
            "document.activeElement.outerHTML"
        )


def test_an_address_leads_back_to_the_group(visit: Visit, three_page: str) -> None:
    groups = Groups([group(number) for number in range(150)])
    visitor = look(visit, three_page, groups, part="&at=120")
    visitor.until("document.activeElement.getAttribute('aria-label') === 'Keep 120/0.jpg'")
    press(visitor, "ArrowDown")
    assert dict(visitor.said)["at"] == "121"


def test_it_says_that_it_looks_and_that_nothing_is_there_twice(visit: Visit, three_page: str) -> None:
    groups = Groups([], finding=1)
    visitor = look(visit, three_page, groups)
    visitor.see(visitor.page.get_by_text("30 of 90 compared, about 12 s left."))
    visitor.see(visitor.page.get_by_text("Nothing is there twice among 1,000 pictures."))
    assert visitor.violations() == []


def test_a_catalogue_that_changes_meanwhile_is_said_and_nothing_is_lost(
    visit: Visit, three_page: str
) -> None:
    groups = Groups([group(number) for number in range(150)])
    visitor = look(visit, three_page, groups)
    focus(visitor, 0)
    press(visitor, "a")
    groups.generation += 1
    visitor.page.get_by_role("button", name="Accept the rest").click()
    visitor.see(visitor.page.get_by_text("The catalogue has changed meanwhile"))
    visitor.page.get_by_role("button", name="Look anew").click()
    visitor.until("document.querySelector('.toolbar .said')?.textContent.startsWith('1 of 150 decided')")


def test_groups_of_an_earlier_state_say_so_until_the_newer_ones_are_there(
    visit: Visit, three_page: str
) -> None:
    groups = Groups([group(0)])
    groups.stale = True
    visitor = look(visit, three_page, groups)
    visitor.see(visitor.page.get_by_text("this is of its earlier state. A newer one is being made …"))
    groups.groups.append(group(1))
    groups.stale, groups.generation = False, 8
    visitor.see(visitor.page.get_by_text("A newer one is there."))
    assert visitor.page.locator(".group").count() == 1
    assert visitor.violations() == []
    visitor.page.get_by_role("button", name="Show it").click()
    visitor.until("document.querySelectorAll('.group').length === 2")
    assert visitor.page.locator(".changed", has_text="state").count() == 0


def test_who_leaves_while_the_rest_is_accepted_has_decided_nothing(visit: Visit, three_page: str) -> None:
    groups = Groups([group(number) for number in range(150)])
    visitor = look(visit, three_page, groups)
    focus(visitor, 0)
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    visitor.page.route("**/duplicates?*start=100*", hold)
    visitor.page.get_by_role("button", name="Accept the rest").click()
    wait_until(lambda: bool(held), visitor.page, "the other groups are asked for")
    visitor.page.get_by_role("link", name="Catalogue").click()
    visitor.see(visitor.page.get_by_role("link", name="000.jpg"))
    for route in held:
        groups.answer(route)
    visitor.page.unroute("**/duplicates?*start=100*")
    visitor.page.go_back()
    visitor.see(".group")
    assert said(visitor).startswith("0 of 150 decided")
    visitor.page.get_by_role("button", name="Accept the rest").click()
    visitor.until("document.querySelector('.toolbar .said').textContent.startsWith('150 of 150 decided')")


def test_what_fails_is_said_and_tried_again(visit: Visit, three_page: str) -> None:
    visitor = visit(three_page)
    visitor.expects("500")
    failing = [True, False]
    groups = Groups([group(0)])

    def answer(route: Route) -> None:
        if failing.pop(0):
            problem = {"code": "catalog_unusable", "detail": "the catalogue cannot be used as it is"}
            route.fulfill(status=500, json=problem)
        else:
            groups.answer(route)

    visitor.page.route("**/duplicates?*", answer)
    visitor.open("/?view=duplicates")
    visitor.see(visitor.page.get_by_text("the catalogue cannot be used as it is"))
    visitor.page.get_by_role("button", name="Try again").click()
    visitor.see(".card")


def test_two_pictures_are_compared_large_and_the_focus_comes_back(visit: Visit, three_page: str) -> None:
    visitor = look(visit, three_page, Groups([group(0, 3)]))
    focus(visitor, 0, 1)
    press(visitor, "c")
    visitor.see("dialog.compare")
    assert visitor.violations() == []
    assert visitor.page.locator("dialog .name").all_inner_texts() == ["0/0.jpg", "0/1.jpg"]
    press(visitor, "n")
    assert visitor.page.locator("dialog .name").all_inner_texts() == ["0/0.jpg", "0/2.jpg"]
    press(visitor, "+", "+")
    assert visitor.page.locator("dialog output").inner_text() == "200 %"
    press(visitor, "2", "f")
    assert kept(visitor, 0) == [True, False, True]
    assert visitor.page.locator("figure.behind").count() == 1
    visitor.page.locator("figure:not(.behind) .pane").click()
    assert visitor.page.locator("figure:not(.behind) .name").inner_text() == "0/2.jpg"
    press(visitor, "Escape")
    visitor.until("document.querySelectorAll('dialog.compare').length === 0")
    assert focused(visitor) == "Keep 0/1.jpg"


@pytest.mark.parametrize("screen", [DESK, PHONE, DARK, DARK_PHONE])
@pytest.mark.parametrize("count", [1, 3, 500])
def test_any_number_of_groups_can_be_read_by_everybody(
    count: int, screen: Screen, visit: Visit, three_page: str
) -> None:
    image = f"/images/{json.loads(_items(visit, three_page))['items'][0]['id']}"
    groups = Groups(
        [group(number, 2 + number % 5, LEVELS[number % 3], image=image) for number in range(count)]
    )
    visitor = look(visit, three_page, groups, screen)
    visitor.see(".card")
    assert visitor.violations() == []
    assert visitor.page.evaluate("document.documentElement.scrollWidth") <= screen.width


def _items(visit: Visit, address: str) -> str:
    return str(visit(address).page.request.get(f"{address}/items").text())
