"""``seealike map``, as a person types it."""

from __future__ import annotations

import csv
import io
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.maps import Page
from tests.pictures import write_pictures

from seealike.cli.main import run


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shop") / "photos"
    write_pictures(folder / "one", range(6))
    write_pictures(folder / "two", range(6, 14))
    (folder / "two" / "=cmd.jpg").write_bytes((folder / "two" / "006.jpg").read_bytes())
    assert run(["index", str(folder), "--quiet"]) == 0
    return folder


def test_page_table_and_drawing_are_written_and_agree(
    photos: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("openTSNE")
    pytest.importorskip("matplotlib")
    page, table, drawing = tmp_path / "m.html", tmp_path / "m.csv", tmp_path / "m.png"
    arguments = ["map", "-C", str(photos), "--label", "folder", "-o", str(page), "--csv", str(table)]
    assert run([*arguments, "--png", str(drawing), "--png-pictures", "--format", "json"]) == 0
    report = json.loads(capfd.readouterr().out)
    assert (report["items"], report["of"], report["pictures"], report["labels"]) == (15, 15, 15, 2)
    assert report["files"] == [str(page), str(table), str(drawing)]
    read = Page(page.read_text("ascii"))
    rows = list(csv.DictReader(io.StringIO(table.read_text("utf-8"), newline="")))
    assert [row["id"].removeprefix("'") for row in rows] == [i.removeprefix("'") for i in read.json("ids")]
    places = np.array([[row["x"], row["y"]] for row in rows], dtype=np.float32)
    assert np.array_equal(places, read.array("xy", "<f4").reshape(-1, 2))
    assert [row["label"] for row in rows] == ["one"] * 6 + ["two"] * 9
    assert read.json("meta")["title"] == "Map of photos"
    with Image.open(drawing) as drawn:
        assert drawn.format == "PNG"


def test_without_a_name_the_page_is_map_html_and_points_may_go_alone(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("openTSNE")
    monkeypatch.chdir(tmp_path)
    assert run(["map", "-C", str(photos), "--no-pictures", "--sample", "4"]) == 0
    assert capfd.readouterr().out.startswith("4 items of 15, drawn at random with seed 0, 2 clusters, in ")
    page = Page((tmp_path / "map.html").read_text("ascii"))
    assert len(page.json("ids")) == 4
    assert "tile-sizes" not in page.bytes
    assert run(["map", "-C", str(photos), "--csv", "only.csv", "--quiet"]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["map.html", "only.csv"]
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("--label", "colour"), 2, "unknown label 'colour'; known: folder, prefix"),
        (("--label", "group"), 2, "unknown label 'group'; known: folder, prefix"),
        (("--png-pictures",), 2, "--png-pictures goes with --png"),
        (("-o", "no/such/map.html"), 2, "there is no folder"),
        (("--sample", "0"), 2, "0 is not in the range"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    arguments: tuple[str, ...], code: int, says: str, photos: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("openTSNE")
    assert run(["map", "-C", str(photos), *arguments]) == code
    shown = capfd.readouterr().err
    assert says in " ".join(shown.split())
    assert "Traceback" not in shown


def test_without_the_optional_packages_the_remedy_is_named_before_any_work(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "openTSNE", None)
    target = tmp_path / "map.html"
    assert run(["map", "-C", str(photos), "-o", str(target)]) == 1
    assert "pip install 'seealike[map]'" in capfd.readouterr().err
    assert not target.exists()


def test_an_interrupted_run_leaves_the_page_from_before(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("openTSNE")
    target = tmp_path / "map.html"
    assert run(["map", "-C", str(photos), "-o", str(target), "--no-pictures", "--sample", "4"]) == 0
    before = target.read_bytes()
    capfd.readouterr()

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("openTSNE.TSNE.fit", interrupted)
    assert run(["map", "-C", str(photos), "-o", str(target)]) == 130
    assert target.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["map.html"]
    assert "interrupted" in capfd.readouterr().err
