"""Colours at the command line: found by a palette, mixed in, and said where they are not known."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image, ImageDraw
from tests.unit.test_catalog_signatures import make_fourth_format

import seealike
from seealike.cli.main import run
from seealike.testing import FakeEncoder

COLOURS = {"red": (192, 57, 43), "blue": (41, 98, 180), "green": (60, 140, 60)}
KINDS = ("disc", "square")


def draw(kind: str, colour: str) -> Image.Image:
    image = Image.new("RGB", (120, 120), (250, 250, 250))
    shape = ImageDraw.Draw(image)
    (shape.ellipse if kind == "disc" else shape.rectangle)((30, 30, 90, 90), fill=COLOURS[colour])
    return image


@pytest.fixture
def catalog(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for kind in KINDS:
        for colour in COLOURS:
            draw(kind, colour).save(folder / f"{kind}-{colour}.png")
    assert run(["index", str(folder), "--catalog", str(tmp_path / "c"), "--quiet"]) == 0
    return tmp_path / "c"


def found(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[list[str], str]:
    capsys.readouterr()
    assert run(["search", *arguments, "--format", "json", "--exact"]) == 0
    out, err = capsys.readouterr()
    (query,) = json.loads(out)["results"]
    return [hit["id"] for hit in query["hits"]], err


def test_a_palette_alone_finds_things_of_that_colour(
    catalog: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for colour, rgb in COLOURS.items():
        ids, _ = found(capsys, "-C", str(catalog), "--palette", "#" + bytes(rgb).hex(), "-k", "2")
        assert set(ids) == {f"disc-{colour}.png", f"square-{colour}.png"}


def test_a_picture_and_a_palette_find_the_same_thing_in_that_colour(
    catalog: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ("--id", "disc-red.png", "--palette", "#2962b4", "--color", "0.8")
    ids, _ = found(capsys, "-C", str(catalog), *asked, "-k", "1")
    assert ids == ["disc-blue.png"]


def test_at_one_only_colour_counts(catalog: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ids, _ = found(capsys, "-C", str(catalog), "--id", "disc-red.png", "--color", "1", "-k", "1")
    assert ids == ["square-red.png"]


def test_items_without_colours_are_said_once_and_made_by_index(
    catalog: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_fourth_format(catalog)
    _, err = found(capsys, "-C", str(catalog), "--palette", "red")
    assert err == "6 items have no colour signature yet; `seealike index` makes them\n"
    ids, err = found(capsys, "-C", str(catalog), "--id", "disc-red.png", "-k", "1")
    assert (len(ids), err) == (1, "")  # nobody asked for colours
    assert run(["index", "-C", str(catalog)]) == 0
    assert "made 6 signatures" in capsys.readouterr().out
    ids, err = found(capsys, "-C", str(catalog), "--palette", "#c0392b", "-k", "2")
    assert (set(ids), err) == ({"disc-red.png", "square-red.png"}, "")
    with seealike.open(catalog) as opened:
        assert opened.unsigned == 0


def test_words_and_vectors_have_no_colours(tmp_path: Path) -> None:
    with seealike.create(tmp_path / "c", encoder=FakeEncoder()) as catalog:
        catalog.add("a", draw("disc", "red"))
        with pytest.raises(seealike.SeealikeError, match="have no colours; say which with --palette"):
            catalog.search_vectors(catalog.vectors()[1], options=seealike.SearchOptions(color=0.5))
        (hits,) = catalog.search_vectors(catalog.vectors()[1], options=seealike.SearchOptions(palette="red"))
        assert [hit.id for hit in hits] == ["a"]


def test_recommend_takes_colours_alone_as_search_does(
    catalog: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ids, _ = found(capsys, "-C", str(catalog), "--palette", "#2962b4", "-k", "3")
    command = ["recommend", "-C", str(catalog), "--palette", "#2962b4", "-k", "3", "--format", "json"]
    assert run([*command, "--exact"]) == 0
    hits = json.loads(capsys.readouterr().out)["results"][0]["hits"]
    assert [hit["id"] for hit in hits] == ids
    assert [hit["colour"] for hit in hits] == [hit["score"] for hit in hits]
    assert run([*command, "--not", "disc-red.png"]) == 2
    assert "name at least one liked item; only a palette alone needs none" in capsys.readouterr().err
    assert run([*command, "--all"]) == 0  # the list of every item, in these colours
    assert run(["recommend", "-C", str(catalog)]) == 2


def test_a_page_shows_the_colours_that_were_asked_for_and_what_they_have_in_a_score(
    catalog: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    page = tmp_path / "found.html"
    mixed = (
        "search",
        "-C",
        str(catalog),
        "--id",
        "disc-red.png",
        "--palette",
        "navy:3,#fff",
        "--color",
        "0.4",
    )
    assert run([*mixed, "--format", "json", "--gallery", str(page)]) == 0
    html = page.read_text("utf-8")
    assert '<rect x="0.00" width="75.00" height="100" fill="#000080"/>' in html
    assert '<rect x="75.00" width="25.00" height="100" fill="#ffffff"/>' in html
    assert "disc-red.png in navy ×3, #fff" in html
    assert "Scores are 60% cosine similarity and 40% likeness of colours" in html
    for hit in json.loads(capsys.readouterr().out)["results"][0]["hits"]:
        assert f"shape {hit['score'] - hit['colour']:.3f}, colours {hit['colour']:+.3f}" in html
    alone = ("search", "-C", str(catalog), "--palette", "navy", "--gallery", str(page), "--force")
    assert run([*alone]) == 0
    html = page.read_text("utf-8")
    assert "Scores say how alike the colours are" in html
    assert "cosine" not in html.rpartition("<footer>")[2]
    assert ">shape " not in html


def test_a_misspelt_colour_is_answered_with_its_neighbours(
    catalog: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["search", "-C", str(catalog), "--palette", "turquois:2,white"]) == 2
    assert "'turquois:2' is no colour of a palette; did you mean turquoise" in capsys.readouterr().err


@pytest.mark.parametrize("palette", ["reddish", "#12", "red:-1"])
def test_what_is_no_palette_is_wrong_usage(
    catalog: Path, capsys: pytest.CaptureFixture[str], palette: str
) -> None:
    assert run(["search", "-C", str(catalog), "--palette", palette]) == 2
    assert "palette" in capsys.readouterr().err
