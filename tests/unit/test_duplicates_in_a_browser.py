"""The page of duplicates, as a browser shows it, by keyboard and on a phone."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from PIL import Image
from tests.browser import DESK, PHONE, Browser

from seealike.duplicates import (
    Decision,
    Decisions,
    DuplicateGroup,
    DuplicateReport,
    Level,
    Link,
    Member,
    render_duplicates_page,
)
from seealike.duplicates.decisions import parsed_decisions
from seealike.gallery import Thumbnails
from seealike.types import Item

pytestmark = pytest.mark.heavy
HOSTILE = '</script><img src=x onerror="document.title=1">\u202e\n\ud800'


def member(number: int, place: int, folder: Path, name: str = "") -> Member:
    item_id = name or f"{number}/{place}.png"
    return Member(
        Item(item_id, str(folder / f"{number}-{place}.png"), None, {}, 400 + place, 300),
        Link(Level.EXACT if not place else Level.NEAR, 1.0 - place / 20),
        bytes([number % 256, place] * 16),
        10_000 * (place + 1),
        "PNG",
        not place,
        "the most pixels" if not place else "fewer pixels",
    )


def groups_of(sizes: Sequence[int], folder: Path) -> tuple[DuplicateGroup, ...]:
    return tuple(
        DuplicateGroup(tuple(member(number, place, folder) for place in range(size)), f"{number}/0.png")
        for number, size in enumerate(sizes)
    )


def thumbnail(path: str, side_px: int) -> bytes:
    out = io.BytesIO()
    number = sum(map(ord, Path(path).name))
    Image.new("RGB", (side_px, side_px * 3 // 4), (number * 37 % 256, number * 91 % 256, 120)).save(
        out, "JPEG"
    )
    return out.getvalue()


def show(
    browser: Browser,
    folder: Path,
    groups: Sequence[DuplicateGroup],
    *,
    decisions: Decisions = Decisions(),
    size: tuple[int, int] = DESK,
    keep_memory: bool = False,
) -> None:
    page = folder / "page.html"
    report = DuplicateReport(tuple(groups), 1000, 0, 0, 1.0)
    text = render_duplicates_page(
        report, groups, Thumbnails(thumbnail, 96), page=str(page), of=str(folder), decisions=decisions
    )
    browser.show_written(page, text, size)
    if not keep_memory:
        browser.value("localStorage.clear()")
        browser.show(page)


def focused(browser: Browser) -> str:
    return str(browser.value("document.activeElement.id"))


def saved(browser: Browser) -> list[Decision]:
    return list(parsed_decisions(browser.value("seealikeDuplicates.decisions()"), "the page"))


def kept(browser: Browser, number: int) -> list[int]:
    script = f"[...seealikeDuplicates.groups[{number}].kept].sort((a, b) => a - b)"
    return list(browser.value(script))


def keys(browser: Browser, *names: str) -> None:
    for name in names:
        browser.key(name)


def test_arrows_move_between_pictures_and_groups_and_stop_at_the_ends(
    browser: Browser, tmp_path: Path
) -> None:
    show(browser, tmp_path, groups_of([3, 2, 4], tmp_path))
    keys(browser, "ArrowDown")
    assert focused(browser) == "c0-0"
    keys(browser, "ArrowRight", "ArrowRight", "ArrowRight")
    assert focused(browser) == "c0-2"
    keys(browser, "ArrowDown")
    assert focused(browser) == "c1-1"
    keys(browser, "ArrowDown", "ArrowDown", "ArrowLeft")
    assert focused(browser) == "c2-0"
    keys(browser, "ArrowUp", "ArrowUp", "ArrowUp")
    assert focused(browser) == "c0-0"
    assert browser.problems == []


def test_enter_and_space_toggle_and_one_is_always_kept(browser: Browser, tmp_path: Path) -> None:
    show(browser, tmp_path, groups_of([3, 2], tmp_path))
    keys(browser, "ArrowDown", "ArrowRight", "Enter")
    assert kept(browser, 0) == [0, 1]
    assert browser.value("document.getElementById('c0-1').getAttribute('aria-pressed')") == "true"
    keys(browser, " ", "ArrowLeft", "Enter")
    assert kept(browser, 0) == [0]
    assert "One picture of each group is kept" in browser.value("document.getElementById('said').textContent")
    assert kept(browser, 1) == [0]


def test_keep_all_done_rule_and_undo(browser: Browser, tmp_path: Path) -> None:
    show(browser, tmp_path, groups_of([3, 2, 2], tmp_path))
    keys(browser, "ArrowDown", "a", "d", "d")
    assert (kept(browser, 0), focused(browser)) == ([0, 1, 2], "c2-0")
    assert [len(one.kept) for one in saved(browser)] == [3, 1]
    keys(browser, "u", "u")
    assert [len(one.kept) for one in saved(browser)] == [3]
    browser.call("Input.dispatchKeyEvent", type="keyDown", key="z", modifiers=2)
    assert (kept(browser, 0), saved(browser)) == ([0], [])
    browser.value("document.getElementById('rest').click()")
    assert len(saved(browser)) == 3
    keys(browser, "u")
    assert saved(browser) == []
    keys(browser, "ArrowDown", "a", "r")
    assert (kept(browser, 1), saved(browser)) == ([0], [])


def test_while_a_picture_is_open_large_its_keys_are_the_browsers(browser: Browser, tmp_path: Path) -> None:
    for place in range(3):
        Image.new("RGB", (60, 40), (place * 80, 90, 120)).save(tmp_path / f"0-{place}.png")
    show(browser, tmp_path, groups_of([3, 2], tmp_path))
    keys(browser, "ArrowDown", "o")
    assert browser.value("document.getElementById('large').open")
    browser.wait_for("!document.querySelector('#large img').hidden")
    before = focused(browser)
    browser.value("globalThis.taken = []")
    browser.value(
        "addEventListener('keydown', (event) => taken.push(event.defaultPrevented)), document.title"
    )
    keys(browser, "ArrowRight", "ArrowDown", "ArrowLeft", "ArrowUp", "a", "d", "u")
    assert browser.value("taken.some((one) => one)") is False
    assert (kept(browser, 0), kept(browser, 1), saved(browser), focused(browser)) == ([0], [0], [], before)
    browser.value("document.querySelector('#large form button').click()")
    assert not browser.value("document.getElementById('large').open")
    assert browser.problems == []


def test_keys_with_control_or_alt_are_left_to_the_browser(browser: Browser, tmp_path: Path) -> None:
    show(browser, tmp_path, groups_of([2, 2], tmp_path))
    keys(browser, "ArrowDown")
    for modifiers in (1, 2, 4):
        browser.call("Input.dispatchKeyEvent", type="keyDown", key="a", modifiers=modifiers)
        browser.call("Input.dispatchKeyEvent", type="keyDown", key="ArrowDown", modifiers=modifiers)
    assert (focused(browser), saved(browser)) == ("c0-0", [])


def test_choices_are_remembered_by_a_page_that_is_made_anew(browser: Browser, tmp_path: Path) -> None:
    first = groups_of([3, 2, 2], tmp_path)
    show(browser, tmp_path, first)
    keys(browser, "ArrowDown", "a", "ArrowDown", "d")
    show(browser, tmp_path, tuple(reversed(first)), keep_memory=True)
    assert (kept(browser, 2), kept(browser, 1)) == ([0, 1, 2], [0])
    assert browser.value("document.getElementById('said').textContent").startswith("2 of 3 decided")


def test_what_is_saved_says_what_earlier_files_said_and_the_command_reads_it(
    browser: Browser, tmp_path: Path
) -> None:
    before = Decision(frozenset({("old a", b"\1" * 32), ("old b", None)}))
    show(browser, tmp_path, groups_of([2, 3], tmp_path), decisions=Decisions([before]))
    keys(browser, "ArrowDown", "ArrowDown", "ArrowRight", "Enter")
    old, new = saved(browser)
    assert old == before
    assert new.kept == {("1/0.png", bytes([1, 0] * 16)), ("1/1.png", bytes([1, 1] * 16))}
    assert new.dropped == {("1/2.png", bytes([1, 2] * 16))}


def test_names_are_text_and_nothing_is_loaded(browser: Browser, tmp_path: Path) -> None:
    odd = DuplicateGroup((member(0, 0, tmp_path, HOSTILE), member(0, 1, tmp_path)), HOSTILE)
    show(browser, tmp_path, [odd])
    assert browser.value("document.title") != "1"
    assert browser.value("document.querySelectorAll('main img').length") == 0
    keys(browser, "ArrowDown", "d")
    assert json.loads(browser.value("seealikeDuplicates.decisions()"))["decisions"]
    assert browser.problems == []


@pytest.mark.parametrize("size", [PHONE, DESK])
@pytest.mark.parametrize("count", [0, 3, 1000])
def test_any_number_of_groups_fits_the_screen(
    count: int, size: tuple[int, int], browser: Browser, tmp_path: Path
) -> None:
    show(browser, tmp_path, groups_of([2 + number % 4 for number in range(count)], tmp_path), size=size)
    assert browser.value("document.documentElement.scrollWidth") <= size[0]
    assert browser.value("document.querySelectorAll('.group').length") == count
    assert browser.value("document.getElementById('bar').hidden") is (count == 0)
    if count:
        keys(browser, "ArrowDown", *["ArrowDown"] * 5)
        top = browser.value("document.activeElement.closest('.card').getBoundingClientRect().top")
        assert 0 <= top < size[1]
    else:
        assert "Nothing is there twice" in browser.value("document.body.textContent")
    assert browser.problems == []
