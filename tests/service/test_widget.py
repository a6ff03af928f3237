"""The thirty lines for a shop's own page, as the page about serving shows them, in a browser."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from tests.browser import Browser
from tests.docs.markdown import REPOSITORY, blocks
from tests.made_models import save_model
from tests.pictures import write_pictures
from tests.service.processes import serving, wait_until_ready

import seealike
from seealike import NewPicture

pytestmark = pytest.mark.enable_socket
SERVICE, ITEM, SHOWN = (
    "http://127.0.0.1:8765",
    "bag-101-front",
    6,
)  # that the page names, and how many it shows


@pytest.fixture(scope="module")
def bags(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalogue with the item that the page names, and one without a name."""
    folder = tmp_path_factory.mktemp("bags")
    paths = write_pictures(folder / "photos", range(12))
    with seealike.create(folder / "catalog", encoder=f"onnx:{save_model(folder / 'model.onnx')}") as made:
        made.add_many(
            NewPicture(
                ITEM if n == 0 else f"a/b {n}?", path, metadata={} if n == 1 else {"name": f"Bag <{n}>"}
            )
            for n, path in enumerate(paths)
        )
    return folder / "catalog"


def _widget() -> str:
    (found,) = (
        one.text
        for one in blocks((REPOSITORY / "docs/how-to/serve.md").read_text("utf-8"))
        if one.language == "html"
    )
    assert SERVICE in found
    assert f'"{ITEM}"' in found
    return found


@contextmanager
def _shop() -> Iterator[tuple[str, list[str]]]:
    """A shop elsewhere on this machine: its origin, and its only page, which may still be written."""
    written: list[str] = []

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = (
                f"<!doctype html><title>Shop</title>{written[-1] if self.path == '/product' else ''}".encode()
            )
            self.send_response(200)
            self.send_header("content-type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}", written
        finally:
            server.shutdown()


def test_the_widget_shows_similar_items_on_a_page_of_another_origin(bags: Path, browser: Browser) -> None:
    with _shop() as (origin, page), serving(bags, "--allow-origin", origin) as (_, port):
        wait_until_ready(port)
        service = f"http://127.0.0.1:{port}"
        page.append(_widget().replace(SERVICE, service))
        browser.problems.clear()
        browser.call("Page.navigate", url=f"{origin}/product")
        loaded = "[...document.images].filter(one => one.complete && one.naturalWidth).length"
        browser.wait_for(f"document.images.length === {SHOWN} && {loaded} === {SHOWN}")
        shown = browser.value(
            "[...document.querySelectorAll('#similar a > img')].map(one => [one.alt, "
            "new URL(one.src).origin, decodeURIComponent(new URL(one.parentElement.href).pathname)])"
        )
        with seealike.open(bags) as catalog:
            hits = catalog.similar(ITEM, k=SHOWN)
        assert shown == [
            [str(hit.metadata.get("name", hit.id)), service, f"/products/{hit.id}"] for hit in hits
        ]
        foreign = [one for one in browser.problems if not re.match(f"asked for ({origin}|{service})/", one)]
        assert foreign == []
        # What is no picture goes to other pages by CORS alone.
        asked = "['/stats', '/page/main.js', '/images/gone']"
        browser.value(
            f"Promise.allSettled({asked}.map(one => fetch('{service}' + one, {{ mode: 'no-cors' }})))"
            ".then(all => { document.title = all.map(one => one.status).join(); })"
        )
        browser.wait_for("document.title === 'rejected,rejected,fulfilled'")


def test_a_page_that_was_not_named_gets_nothing(bags: Path, browser: Browser) -> None:
    with _shop() as (origin, page), serving(bags) as (_, port):
        wait_until_ready(port)
        page.append(_widget().replace(SERVICE, f"http://127.0.0.1:{port}"))
        browser.problems.clear()
        browser.call("Page.navigate", url=f"{origin}/product")
        browser.wait_for("document.readyState === 'complete' && location.protocol === 'http:'")
        while not any("Failed to fetch" in one for one in browser.problems):
            browser.value("0")  # what has happened meanwhile comes with each answer
        assert browser.value("document.images.length") == 0
