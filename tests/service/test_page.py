"""The files of the page: what is sent, to whom, and that nothing but them is."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.service.asgi import Client
from tests.service.conftest import wait_until_ready

import seealike
from seealike.service import Keys, ServiceOptions
from seealike.service.app import create_app

WEB = Path(seealike.__file__).parent / "service" / "web"
KEY = "a-key-of-letters-enough"


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A service with keys, asked without any."""
    place = tmp_path_factory.mktemp("page") / "catalog"
    seealike.create(place).close()
    with Client(create_app(place, ServiceOptions(keys=Keys.parse(f"read {KEY}")))) as client:
        wait_until_ready(client)
        yield client


def test_every_file_of_the_page_is_sent_without_a_key_and_as_it_is(asked: Client) -> None:
    assert asked("GET", "/").body == (WEB / "index.html").read_bytes()
    for file in sorted(WEB.iterdir()):
        reply = asked("GET", f"/page/{file.name}")
        assert reply.status == 200, file.name
        assert reply.body.endswith(file.read_bytes())
        packed = asked("GET", f"/page/{file.name}", headers={"accept-encoding": "gzip"})
        assert gzip.decompress(packed.body) == reply.body
        known = asked("GET", f"/page/{file.name}", headers={"if-none-match": reply.headers["etag"]})
        assert (known.status, known.body) == (304, b"")
    assert asked("GET", "/stats").status == 401


def test_no_other_file_is(asked: Client) -> None:
    for name in ("app.py", "..%2Fapp.py", "%2e%2e%2fapp.py", "web", "", ".", "..", "page.css%00", "PAGE.CSS"):
        assert asked("GET", f"/page/{name}").status in {401, 404}, name


def test_the_page_names_only_files_that_there_are_and_nothing_elsewhere(asked: Client) -> None:
    for file in WEB.iterdir():
        text = file.read_text(encoding="utf-8")
        named = text.replace("http://www.w3.org/2000/svg", "")
        assert "://" not in named.replace("/^https?:/", ""), file.name
        for start in ('"./', '"/page/'):
            for name in (rest.split('"')[0] for rest in text.split(start)[1:]):
                assert asked("GET", f"/page/{name}").status == 200, f"{file.name}: {name}"
