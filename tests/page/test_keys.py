"""A service that asks for a key asks for it in the page, and shows what the key allows."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.page.conftest import Visit
from tests.pictures import write_pictures
from tests.service.processes import ask, serving

import seealike
from seealike import NewPicture

READ, ADMIN = "r" * 32, "a" * 32


@pytest.fixture(scope="module")
def kept(chromium_page: object, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The page of a service with keys."""
    folder = tmp_path_factory.mktemp("kept")
    with seealike.create(folder / "catalog") as made:
        made.add_many(NewPicture(path.name, path) for path in write_pictures(folder / "photos", range(5)))
    keys = folder / "keys.txt"
    keys.write_text(f"read {READ}\nadmin {ADMIN}\n")
    with serving(folder / "catalog", "--key-file", str(keys)) as (_, port):
        while ask(port, "/readyz")[0] != 200:
            pass
        yield f"http://127.0.0.1:{port}"


def test_a_key_is_asked_for_and_pictures_are_shown_with_it(kept: str, visit: Visit) -> None:
    visitor = visit(kept)
    visitor.expects("Failed to load resource")
    dialog = visitor.see(visitor.page.get_by_role("dialog"))
    field = dialog.get_by_label("Key", exact=True)
    field.fill("x" * 32)
    field.press("Enter")
    visitor.see("text=No such key.")
    field.fill(READ)
    field.press("Enter")
    visitor.see("[role=listitem]")
    visitor.until(
        "() => [...document.querySelectorAll('[role=listitem] img')].some((one) => one.naturalWidth)"
    )
    assert visitor.page.evaluate("document.cookie") == ""  # scripts cannot read it
    views = visitor.page.get_by_role("navigation", name="Views")
    assert views.get_by_role("link", name="Add").count() == 0
    visitor.page.reload()
    visitor.see("[role=listitem]")


def test_an_admin_key_shows_where_items_are_added(kept: str, visit: Visit) -> None:
    visitor = visit(kept)
    visitor.expects("Failed to load resource")
    field = visitor.see(visitor.page.get_by_role("dialog")).get_by_label("Key", exact=True)
    field.fill(ADMIN)
    field.press("Enter")
    visitor.see("[role=listitem]")
    assert visitor.page.get_by_role("navigation", name="Views").get_by_role("link", name="Add").count() == 1
