"""Columns and values that are called as nobody should: shown as they are, filtered by, and never run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import pytest
from tests.page.conftest import Visit, served
from tests.pictures import write_pictures

import seealike
from seealike import NewPicture, SearchOptions

if TYPE_CHECKING:
    from playwright.sync_api import Browser

FIRST = "000.jpg"
NAMES = (
    "__proto__",
    "constructor",
    "<img src=x onerror=alert(1)>",
    "a.b",
    "quo\"te's",
    "long " * 60,
    "\u202eleft from right",
    "two\nlines",
    "שלום",
)


def value_of(number: int, name: str) -> str:
    """What an item says in a column: every other one its very name."""
    return name if number % 2 else f"not {name}"


def condition(name: str, value: str) -> str:
    """As the documentation has it: names in double quotes, values in single ones, each doubled within."""
    column, said = name.replace('"', '""'), value.replace("'", "''")
    return f"\"{column}\" = '{said}'"


@pytest.fixture(scope="module")
def hostile(chromium_page: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The page of a catalogue with such columns, and the catalogue."""
    folder = tmp_path_factory.mktemp("hostile")
    paths = write_pictures(folder / "photos", range(8))
    with seealike.create(folder / "catalog") as made:
        made.add_many(
            NewPicture(path.name, path, None, {name: value_of(number, name) for name in NAMES})
            for number, path in enumerate(paths)
        )
    with ExitStack() as stack:
        yield served(stack, folder / "catalog"), folder / "catalog"


def test_filters_by_any_column_are_chosen_shared_and_taken_away(
    hostile: tuple[str, Path], visit: Visit
) -> None:
    address, path = hostile
    visitor = visit(address, f"/?like=id:{FIRST}")
    with seealike.open(path) as catalog:
        every = catalog.similar(FIRST, 60).ids
        visitor.until_shown(every)
        for name in NAMES:
            column = visitor.page.locator(".columns details").filter(
                has=visitor.page.locator("summary", has_text=name.strip().split("\n")[-1])
            )
            if column.get_attribute("open") is None:
                column.locator("summary").click()
            box = column.locator("li").filter(
                has=visitor.page.locator(".name").and_(visitor.page.get_by_title(name, exact=True))
            )
            box.get_by_role("checkbox").check()
            kept = catalog.similar(FIRST, 60, options=SearchOptions(where=condition(name, name))).ids
            assert len(kept) == 4
            visitor.until_shown(kept)
            literal = "'" + name.replace("'", "''") + "'"
            assert (f"pick.{name}", literal) in visitor.said
            visitor.page.locator(".heading .chip").click()
            visitor.until_shown(every)
        assert visitor.page.locator("main img[src='x']").count() == 0
        assert visitor.page.evaluate("document.documentElement.scrollWidth") <= 1280


@pytest.mark.parametrize("name", NAMES)
def test_an_address_filters_by_any_column(name: str, hostile: tuple[str, Path], visit: Visit) -> None:
    address, path = hostile
    literal = "'" + name.replace("'", "''") + "'"
    visitor = visit(address, "/?" + urlencode({"like": f"id:{FIRST}", f"pick.{name}": literal}))
    with seealike.open(path) as catalog:
        visitor.until_shown(
            catalog.similar(FIRST, 60, options=SearchOptions(where=condition(name, name))).ids
        )


def test_names_and_values_are_shown_as_they_are(hostile: tuple[str, Path], visit: Visit) -> None:
    visitor = visit(hostile[0], "/?view=numbers")
    visitor.see(".column h3")
    shown = visitor.page.eval_on_selector_all(".column h3", "all => all.map(one => one.firstChild.data)")
    assert set(NAMES) <= set(shown)
    texts = visitor.page.eval_on_selector_all(".column a", "all => all.map(one => one.textContent)")
    assert {value_of(number, name) for number in (0, 1) for name in NAMES} <= set(texts)
    assert visitor.page.locator("main img[src='x']").count() == 0
    assert visitor.page.evaluate("document.documentElement.scrollWidth") <= 1280
    assert visitor.violations() == []
    visitor.open(f"/?like=id:{FIRST}&open=001.jpg")
    visitor.see(".beside .facts dd")
    facts = visitor.page.eval_on_selector_all(
        ".beside dl div", "all => all.map(one => [...one.children].map(part => part.textContent))"
    )
    assert all([name, name] in facts for name in NAMES)
