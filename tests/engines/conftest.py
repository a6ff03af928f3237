"""Both engines for the tests, each begun once; each test has a catalogue of its own in it."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from tests.engines.places import Place, milvus_lite, postgres
from tests.made_models import save_model
from tests.pictures import write_pictures
from tests.service.processes import ask, serving, wait_until_ready

import seealike
from seealike.catalog import NewPicture, publish
from seealike.testing import FakeEncoder
from seealike.types import MetadataValue

D = 16
COUNT = 12
_NUMBERS = itertools.count()


@pytest.fixture(scope="session", params=["postgres", "milvus"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """An engine that runs."""
    if request.param == "postgres":
        with postgres() as place:
            yield place
    else:
        with milvus_lite(str(tmp_path_factory.mktemp("milvus"))) as (other, _):
            yield other


@pytest.fixture
def address(server: Place) -> str:
    """An address that nobody has used."""
    return server.address(f"test_{os.getpid()}_{next(_NUMBERS)}")


@pytest.fixture
def by_index(server: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Has the engine follow its index where comparing everything would be quicker."""
    monkeypatch.setattr(f"seealike.engines.{server.kind}.proposer.FEW", 0)
    monkeypatch.setattr(f"seealike.engines.{server.kind}.proposer.WORTH", 0.0, raising=False)


@pytest.fixture
def kept_s(server: Place) -> str:
    """Where it says for how long a copy is kept that was replaced."""
    return f"seealike.engines.{server.kind}.{'writer' if server.kind == 'postgres' else 'publisher'}._KEPT_S"


@pytest.fixture
def quickly_dead(server: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Has writers that show no life for two seconds be taken for dead."""
    if server.kind == "milvus":
        monkeypatch.setattr("seealike.engines.milvus.records.BEAT_S", 0.1)
        monkeypatch.setattr("seealike.engines.milvus.records.DEAD_S", 2.0)


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


@pytest.fixture
def copied_shop(address: str, tmp_path: Path) -> str:
    """The address of a copy of 12 pictures, two a product."""
    paths = write_pictures(tmp_path / "photos", range(COUNT))
    with seealike.create(tmp_path / "catalog", encoder=f"onnx:{save_model(tmp_path / 'model.onnx')}") as made:
        made.add_many(NewPicture(f"{n:02}", path, f"p{n // 2}", {"price": n}) for n, path in enumerate(paths))
        publish(made, address)
    return address


@pytest.fixture
def two(copied_shop: str) -> Iterator[tuple[int, int]]:
    """The ports of two services of the same copy."""
    with serving(copied_shop) as (_, one), serving(copied_shop) as (_, other):  # type: ignore[arg-type]
        for port in (one, other):
            wait_until_ready(port)
        yield one, other


def told(port: int, address: str, method: str = "GET", body: bytes = b"") -> tuple[int, dict[str, object]]:
    """What a service answers."""
    status, data = ask(port, address, method, body)
    return status, json.loads(data)
