"""What is drawn over pictures: where heat is clear and where dark, and that pages and commands show it."""

from __future__ import annotations

import base64
import io
import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.pictures import picture, write_pictures

import seealike
from seealike.cli.main import run
from seealike.gallery.overlay import overlay
from seealike.testing import FakeEncoder
from seealike.types import Heat


def painted(svg: str) -> np.ndarray:
    data = re.search(r"base64,([^\"]+)", svg)
    assert data is not None
    with Image.open(io.BytesIO(base64.b64decode(data[1]))) as image:
        return np.asarray(image.convert("RGBA"))


def test_the_place_that_adds_most_is_clear_and_one_that_adds_nothing_is_dark() -> None:
    shares = np.zeros((7, 7))
    shares[1, 5] = 0.4
    shares[5, 1] = -0.2
    heat = Heat((0.1, -0.2, 0.8, 1.4), tuple(map(tuple, shares.tolist())))
    svg = overlay(heat, None, [(0.2, 0.3, 0.1, 0.1)])
    root = ET.fromstring(svg.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1))
    image = root.find("{http://www.w3.org/2000/svg}image")
    assert image is not None
    assert [float(image.get(side, "")) for side in ("x", "y", "width", "height")] == [10, -20, 80, 140]
    pixels = painted(svg).astype(int)
    side = pixels.shape[0] // 7
    hot, cold, far = (
        pixels[row * side + side // 2, column * side + side // 2] for row, column in ((1, 5), (5, 1), (6, 6))
    )
    assert hot[3] < 100 < cold[3] == far[3]
    assert hot[:3].sum() > 300 > far[:3].sum()
    assert svg.count('class="region"') == 1


def test_nothing_is_drawn_where_there_is_nothing_to_say() -> None:
    assert overlay(None, None) == ""
    veiled = overlay(None, (0.25, 0.5, 0.5, 0.25))
    assert "M25.00 50.00h50.00v25.00h-50.00z" in veiled
    assert "<image" not in veiled
    flat = painted(overlay(Heat((0.0, 0.0, 1.0, 1.0), ((0.0, 0.0), (0.0, 0.0))), None))
    assert len(np.unique(flat.reshape(-1, 4), axis=0)) == 1


def test_a_page_shows_why_or_says_that_it_cannot(tmp_path: Path) -> None:
    write_pictures(tmp_path / "p", range(8), extension="png")
    with seealike.create(tmp_path / "c", encoder=FakeEncoder()) as catalog:
        catalog.index(tmp_path / "p")
        plain = catalog.similar("003.png", 4)
        (tmp_path / "p" / plain.ids[1]).unlink()
        why = catalog.similar("003.png", 4, options=seealike.SearchOptions(explain=True))
        catalog.results_page(tmp_path / "why.html", why)
        catalog.results_page(tmp_path / "plain.html", plain)
    shown, usual = (tmp_path / "why.html").read_text(), (tmp_path / "plain.html").read_text()
    assert shown.count("<image ") == 2 * 3  # each result that is there, and the query beside it
    assert shown.count("not explained: unreadable") == 1
    assert "Bright is what makes two pictures alike" in shown
    assert '<svg class="overlay"' not in usual


def test_commands_say_what_they_looked_at_and_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_pictures(tmp_path / "p", range(8))
    scene = np.full((480, 640, 3), 90, np.uint8)
    scene[60:180, 420:580] = np.asarray(picture(7, (160, 120)))
    path = str(tmp_path / "scene.png")
    Image.fromarray(scene).save(path)
    catalog = ["-C", str(tmp_path / "c")]
    assert run(["index", str(tmp_path / "p"), "-q", *catalog]) == 0

    def answer(*options: str) -> tuple[dict, str]:  # type: ignore[type-arg]
        capsys.readouterr()
        assert run(["search", path, "-k", "3", "--format", "json", *catalog, *options]) == 0
        said = capsys.readouterr()
        return json.loads(said.out)["results"][0], said.err

    cropped, said = answer("--crop", "420,60,160,120", "--explain")
    assert said == ""
    assert cropped["seen"] == pytest.approx([420 / 640, 60 / 480, 160 / 640, 120 / 480], abs=1e-6)
    assert cropped["hits"][0]["id"] == "007.jpg"
    for hit in cropped["hits"]:
        total = sum(map(sum, hit["explanation"]["hit"]["shares"])) + hit["explanation"]["rest"]
        assert abs(total - hit["score"]) < 1e-3
    focused, said = answer("--focus")
    crop = re.search(r"looked at --crop ([\d.,]+)\n", said)
    assert crop is not None
    assert "explanation" not in focused["hits"][0]
    again, _ = answer("--crop", crop[1])
    assert again["hits"][0]["id"] == focused["hits"][0]["id"]
    whole, _ = answer()
    assert "seen" not in whole
    capsys.readouterr()
    for wrong in (["--crop", "0,0,0.5,0.5"], ["--crop", "0,0,1"], ["--crop", "0.5,0.5,0.6,0.5"]):
        assert run(["search", path, *catalog, *wrong]) == 2
        assert "crop" in capsys.readouterr().err
    assert run(["search", path, *catalog, "--crop", "600,0,100,10"]) == 1
    assert capsys.readouterr().err.count("\n") == 1
    assert run(["recommend", "--all", *catalog, "--focus"]) != 0
    assert "not with the lists of all items" in capsys.readouterr().err
