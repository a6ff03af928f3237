"""The page of the five recipes, followed word for word with networks whose weights are drawn at random."""

from __future__ import annotations

import csv
import os
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from tests.docs.console import Reader, reader_environment
from tests.docs.markdown import REPOSITORY, Block, blocks
from tests.pictures import picture, write_pictures

import seealike

pytestmark = [pytest.mark.torch, pytest.mark.timeout(1200)]

PAGE = REPOSITORY / "docs" / "recipes.md"
NETWORKS = ("resnet18", "resnet50", "vgg16", "mobilenetv1_100", "mobilenetv2_100", "inception_resnet_v2")
# Made and taught in seconds where the page's own would take minutes; its arithmetic is tested elsewhere.
STAND_INS = (("resnet152", "resnet18"), ("--loss softmax", "--loss softmax --epochs 2 --keep-anyway"))
CLASSES, PER_CLASS = 4, 12


def lay_out(folder: Path) -> None:
    """What the page's reader has: three sets of pictures, two queries."""
    write_pictures(folder / "places", range(12))
    for number in range(6):
        (folder / "places" / f"{number:03}.jpg").rename(folder / "places" / f"buildings{number}.jpg")
    write_pictures(folder / "steakhouse", range(20, 32))
    picture(3).save(folder / "query.jpg")
    picture(25).save(folder / "burger_test.jpg")
    (folder / "images").mkdir()
    with open(folder / "clothing.csv", "w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["id", "path", "label", "split"])
        for number in range(CLASSES * PER_CLASS):
            path = f"images/{number}.jpg"
            picture(number % CLASSES, (96 + number, 80)).save(folder / path)
            table.writerow(
                [number, path, f"class {number % CLASSES}", "test" if number % 3 == 0 else "train"]
            )


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    timm = pytest.importorskip("timm")
    torch = pytest.importorskip("torch")
    safetensors = pytest.importorskip("safetensors.torch")
    folder = tmp_path_factory.mktemp("weights")
    for name in NETWORKS:
        torch.manual_seed(0)
        model = timm.create_model(name, pretrained=False)
        safetensors.save_file(model.state_dict(), folder / f"{name}.safetensors")
    return folder


def recipes() -> list[tuple[str, Block]]:
    """Every block of commands under the heading of its recipe."""
    found = []
    for part in re.split(r"^## ", PAGE.read_text("utf-8"), flags=re.MULTILINE)[1:]:
        found += [(part[:2], block) for block in blocks(part) if block.language == "console"]
    return found


def test_there_is_a_block_for_each_of_the_five() -> None:
    assert sorted({name for name, _ in recipes()}) == ["R0", "R1", "R2", "R3", "R4"]


@pytest.mark.parametrize("name", ["R0", "R1", "R2", "R3", "R4"])
def test_a_recipe_can_be_followed_word_for_word(
    name: str, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lay_out(tmp_path)
    shutil.copytree(weights, tmp_path / "weights", copy_function=os.link)
    monkeypatch.chdir(tmp_path)
    environment = {**reader_environment(tmp_path / "cache"), "PYTHONWARNINGS": "default"}
    monkeypatch.setenv("PATH", environment["PATH"])
    monkeypatch.setenv("SEEALIKE_CACHE", environment["SEEALIKE_CACHE"])
    monkeypatch.delenv("SEEALIKE_CATALOG", raising=False)
    reader = Reader(tmp_path, environment, timeout_s=600)
    for found, block in recipes():
        if found == name:
            text = block.text
            for own, stand_in in STAND_INS:
                text = text.replace(own, stand_in)
            reader.follow(replace(block, text=text))
    CHECKS[name](tmp_path)


def after_r0(folder: Path) -> None:
    rows = (folder / "places-similar.csv").read_text("utf-8").splitlines()[1:]
    assert len(rows) == 12 * 5
    assert (folder / "buildings.html").stat().st_size > 10_000
    assert dimension(folder / "places.catalog") == 512


def after_r1(folder: Path) -> None:
    assert dimension(folder / "fashion.catalog") == 512
    assert (folder / "fashion.html").stat().st_size > 10_000


def after_r2(folder: Path) -> None:
    page = (folder / "models.html").read_text("utf-8")
    for name in ("vgg16", "mobilenetv1_100", "mobilenetv2_100", "inception_resnet_v2"):
        assert name in page
    assert dimension(folder / "models.catalog") == 4096


def after_r3(folder: Path) -> None:
    assert dimension(folder / "resnet50.catalog") == 2048
    assert (folder / "query.html").exists()


def after_r4(folder: Path) -> None:
    assert dimension(folder / "steakhouse.catalog") == 512 * 7 * 7
    assert (folder / "steakhouse-map.png").stat().st_size > 10_000
    assert (folder / "steakhouse-map.html").stat().st_size > 10_000


CHECKS = {"R0": after_r0, "R1": after_r1, "R2": after_r2, "R3": after_r3, "R4": after_r4}


def dimension(path: Path) -> int:
    with seealike.open(path) as catalog:
        return catalog.encoder.dimension
