"""Services whose page is looked at, and who looks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PIL import Image
from tests.browser import chromium
from tests.page.made import draw_shop, write_many
from tests.page.visitor import DESK, Screen, Visitor, context_of, launched
from tests.pictures import write_pictures
from tests.service.processes import serving, wait_until_ready
from tests.text_towers import write_pair

import seealike
from seealike import NewPicture
from seealike.demo import DrawnCatalogue

if TYPE_CHECKING:
    from playwright.sync_api import Browser

Visit = Callable[..., Visitor]
PAINTED = {"red": (250, 5, 5), "green": (5, 250, 5), "blue": (5, 5, 250), "sky": (90, 120, 255)}
HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test beside this file is one of the page's, and may talk to this machine."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.page)
            item.add_marker(pytest.mark.enable_socket)


@pytest.fixture(scope="session")
def chromium_page() -> Iterator[Browser]:
    """The browser of the run."""
    for package in ("playwright", "axe_playwright_python", "fastapi"):
        pytest.importorskip(package, reason=f"{package} is not installed; `make test-page` installs it")
    if chromium() is None:
        pytest.skip("no Chromium is installed (Debian: apt-get install chromium)")
    with launched() as browser:
        yield browser


@pytest.fixture
def visit(chromium_page: Browser) -> Iterator[Visit]:
    """Visits a service; the test fails at its end for whatever a page did wrong."""
    visitors: list[Visitor] = []

    def visiting(address: str, part: str = "/", screen: Screen = DESK) -> Visitor:
        visitor = Visitor(context_of(chromium_page, screen), address)
        visitors.append(visitor)
        visitor.open(part)
        return visitor

    yield visiting
    for visitor in visitors:
        visitor.context.close()
    assert [problem for visitor in visitors for problem in visitor.unexpected()] == []


@pytest.fixture(scope="session")
def opened() -> Iterator[ExitStack]:
    """Ends every service with the run."""
    with ExitStack() as stack:
        yield stack


def served(stack: ExitStack, catalog: Path, *options: str) -> str:
    """The address of a service of this catalogue that is ready."""
    _, port = stack.enter_context(serving(catalog, *options))
    wait_until_ready(port)
    return f"http://127.0.0.1:{port}"


@pytest.fixture(scope="session")
def shop(chromium_page: Browser, tmp_path_factory: pytest.TempPathFactory) -> DrawnCatalogue:
    """The sample shop, indexed: columns, products of several pictures, near-duplicates, spoilt files."""
    return draw_shop(tmp_path_factory.mktemp("shop") / "shop")


@pytest.fixture(scope="session")
def shop_page(shop: DrawnCatalogue, opened: ExitStack) -> str:
    """The address of its page."""
    return served(opened, Path(shop.folder, ".seealike"))


@pytest.fixture(scope="session")
def catalog(shop: DrawnCatalogue, fork_server: object) -> Iterator[seealike.Catalog]:
    """The same catalogue, asked by Python."""
    with seealike.open(Path(shop.folder, ".seealike")) as found:
        yield found


@pytest.fixture(scope="session")
def many_page(chromium_page: Browser, tmp_path_factory: pytest.TempPathFactory, opened: ExitStack) -> str:
    """The page of 100,000 items without pictures."""
    return served(opened, write_many(tmp_path_factory.mktemp("many")))


@pytest.fixture(scope="session")
def empty_page(chromium_page: Browser, tmp_path_factory: pytest.TempPathFactory, opened: ExitStack) -> str:
    """The page of a catalogue without items."""
    path = tmp_path_factory.mktemp("empty") / "catalog"
    seealike.create(path).close()
    return served(opened, path)


@pytest.fixture(scope="session")
def three_page(chromium_page: Browser, tmp_path_factory: pytest.TempPathFactory, opened: ExitStack) -> str:
    """The page of a catalogue of three items, without columns or products."""
    folder = tmp_path_factory.mktemp("three")
    with seealike.create(folder / "catalog") as made:
        made.add_many(NewPicture(path.name, path) for path in write_pictures(folder / "photos", range(3)))
    return served(opened, folder / "catalog")


@pytest.fixture(scope="session")
def painted(chromium_page: Browser, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalogue of plain pictures whose encoder reads the names of colours."""
    folder = tmp_path_factory.mktemp("painted")
    spec = write_pair(tmp_path_factory.mktemp("pair")).spec
    with seealike.create(folder / "catalog", encoder=spec) as made:
        made.add_many(
            NewPicture(name, Image.new("RGB", (40, 30), colour)) for name, colour in PAINTED.items()
        )
    return folder / "catalog"
