"""A database that goes away is one clear error, and is found again when it is back."""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path

import pytest
from tests.engines.conftest import Opened, new_picture
from tests.engines.places import Place
from tests.made_models import save_model
from tests.pictures import write_pictures

import seealike
from seealike import NewPicture
from seealike.calibration import calibrate
from seealike.catalog import publish
from seealike.cli.main import run
from seealike.errors import CatalogBusyError, MissingExtraError, UsageError

pytestmark = pytest.mark.engine
PASSWORD = "hunter2secret"


def test_many_threads_share_connections_and_see_whole_generations(
    catalog: seealike.Catalog, address: str, opened: Opened
) -> None:
    publish(catalog, address)
    copy, writer = opened(), opened()
    wrong: list[object] = []
    answered: set[int] = set()
    ended = threading.Event()

    def look() -> None:
        while not ended.is_set():
            try:
                found = copy.similar("i000", k=60, options=seealike.SearchOptions(pictures=True))
            except CatalogBusyError:
                continue
            answered.add(threading.get_ident())
            names = {one for one in found.ids if one.startswith("x")}
            if len(found) - len(names) != 39 or names not in ({"xa", "xb"}, set()):
                wrong.append(found.ids)

    threads = [threading.Thread(target=look) for _ in range(6)]
    for thread in threads:
        thread.start()
    pair = [seealike.NewPicture(name, new_picture(70).image) for name in ("xa", "xb")]
    for _ in range(12):
        writer.add_many(pair)
        writer.remove(["xa", "xb"])
    while len(answered) < len(threads) and not wrong:
        time.sleep(0.01)
    ended.set()
    for thread in threads:
        thread.join()
    assert not wrong


def test_what_belongs_to_the_catalogue_itself_is_refused_in_one_line(
    catalog: seealike.Catalog, address: str, opened: Opened, tmp_path: Path
) -> None:
    publish(catalog, address)
    copy = opened()
    for refused in (
        lambda: copy.index(tmp_path),
        lambda: copy.forget("photos"),
        copy.verify,
        copy.updated_lists,
        lambda: copy.keep_calibration(None),
        lambda: publish(copy, address),
        lambda: seealike.open_several([catalog.path, address]),
    ):
        with pytest.raises(UsageError, match=r"engine|copy"):
            refused()
    assert copy.sources() == ()
    assert [*copy.skipped()] == []
    assert copy.indexing() is None
    assert copy.info().items == 40
    everyone = {one.id: one.similar_ids for one in copy.recommend_all(5)}
    assert everyone == {one.id: one.similar_ids for one in catalog.recommend_all(5)}


def test_scores_are_not_learnt_from_a_copy_that_could_not_keep_what_they_are_worth(
    catalog: seealike.Catalog, address: str, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(catalog, address)
    copy = opened()
    monkeypatch.setattr(type(copy), "vector_rows", None)  # it is refused before anything is read
    with pytest.raises(UsageError, match="is in an engine: calibrate the catalogue in its directory, then"):
        calibrate(copy)


def test_an_address_of_no_engine_and_a_missing_package_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="unknown engine 'mysql'; known: postgresql, milvus"):
        seealike.open("mysql://host/shop")
    for scheme, extra, module in (("postgresql", "postgres", "writer"), ("milvus", "milvus", "publisher")):
        monkeypatch.setitem(sys.modules, f"seealike.engines.{extra}.{module}", None)
        with pytest.raises(MissingExtraError, match=rf"pip install 'seealike\[{extra}\]'"):
            seealike.open(f"{scheme}://host/shop")


@pytest.fixture
def shop(address: str, server: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address, with a password in it, of a copy of pictures; commands run in an empty folder."""
    photos = write_pictures(tmp_path / "photos", range(6))
    with seealike.create(tmp_path / "c", encoder=f"onnx:{save_model(tmp_path / 'model.onnx')}") as made:
        made.add_many(
            NewPicture(f"{n}", path, f"p{n // 2}", {"kind": "ab"[n % 2]}) for n, path in enumerate(photos)
        )
        publish(made, address)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return server.secret(address, PASSWORD)


@pytest.mark.parametrize(
    ("command", "makes"),
    [
        ("index ../photos -C URL", ""),
        ("index ../photos -C URL --dry-run", ""),
        ("index -C URL", ""),
        ("index --forget ../photos -C URL", ""),
        ("serve --create -C URL", ""),
        ("verify -C URL", ""),
        ("verify -C URL --repair --format json", ""),
        ("rm 0 -C URL", ""),
        ("reindex -C URL --encoder efficientnet-lite0", ""),
        ("reindex -C URL --focus", ""),
        ("reindex -C URL --vectors int8", ""),
        ("train -C URL --label kind -o new.onnx", ""),
        ("map -C URL -o map.html", "map.html"),
        ("duplicates -C URL", ""),
        ("duplicates -C URL --page same.html", "same.html"),
        ("calibrate -C URL", ""),
        ("eval -C URL", ""),
        ("eval -C URL --label kind --format json", ""),
        ("compare -C URL efficientnet-lite0", ""),
        ("info -C URL", ""),
        ("info -C URL --format json", ""),
        ("ls -C URL", ""),
        ("search ../photos/001.jpg -C URL --format json", ""),
        ("search ../photos/001.jpg -C URL -C ../c", ""),
        ("recommend --like 0 -C URL", ""),
        ("recommend --all -C URL -o all.csv", "all.csv"),
        ("recommend --all -C URL --hub-correction -o all.csv", "all.csv"),
        ("recommend --all -C URL --update all.csv", ""),
        ("publish -C URL --to URL", ""),
        ("publish -C ../c --to URL", ""),
        ("embed ../photos -o URL", ""),
        ("embed ../photos -o shards --since URL", ""),
    ],
)
def test_no_command_makes_a_folder_of_an_address_or_shows_its_password(
    command: str, makes: str, shop: str, capfd: pytest.CaptureFixture[str]
) -> None:
    run(command.replace("URL", shop).split())
    said = "".join(capfd.readouterr())
    assert PASSWORD not in said
    assert "Traceback" not in said
    assert os.listdir() == makes.split()
