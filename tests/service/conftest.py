"""A catalogue that is served, and who asks it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.made_models import save_model
from tests.pictures import write_pictures
from tests.service.asgi import Client

import seealike
from seealike import NewPicture

pytest.importorskip("fastapi", reason="the extra `serve` is not installed")

from seealike.service import ServiceOptions, create_app

COUNT = 40


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalogue of 40 pictures, two of each product, with prices."""
    folder = tmp_path_factory.mktemp("shop")
    paths = write_pictures(folder / "photos", range(COUNT))
    model = save_model(folder / "model.onnx")
    with seealike.create(folder / "catalog", encoder=f"onnx:{model}") as catalog:
        catalog.add_many(
            NewPicture(f"bags/{number:02}.jpg", path, f"product-{number // 2}", {"price": number})
            for number, path in enumerate(paths)
        )
    return folder


@pytest.fixture(scope="module")
def client(shop: Path) -> Iterator[Client]:
    """Somebody who asks it over HTTP."""
    with Client(create_app(shop / "catalog", ServiceOptions())) as asked:
        wait_until_ready(asked)
        yield asked


@pytest.fixture(scope="module")
def catalog(shop: Path) -> Iterator[seealike.Catalog]:
    """The same catalogue, asked by Python."""
    with seealike.open(shop / "catalog") as opened:
        yield opened


def wait_until_ready(client: Client) -> None:
    """Until the catalogue is open."""
    while client("GET", "/readyz").status != 200:
        os.sched_yield() if hasattr(os, "sched_yield") else None
