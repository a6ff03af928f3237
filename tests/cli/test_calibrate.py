"""``calibrate`` as a person types it, and its page in a browser."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.browser import Browser
from tests.pictures import write_kinds, write_pictures

import seealike
from seealike.cli.main import run

LONELIEST = "round/09.png"  # of these pictures, the one whose nearest is the least like it


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    write_kinds(folder, ("round", "square", "corner"), 16)
    assert run(["index", str(folder), "--quiet"]) == 0
    return folder


def test_the_table_the_json_and_info_agree_with_python(
    photos: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    command = ["calibrate", "-C", str(photos), "--sample", "12"]
    assert run(command) == 0
    table = capfd.readouterr().out
    with seealike.open(photos / ".seealike") as catalog:
        kept = catalog.calibration
    assert kept is not None
    [curve] = kept.curves
    assert f"duplicate  copies made for it       {curve.least_score:.3f}" in table
    assert "not learnt: similar: nothing says what is similar; --label COLUMN does" in table
    assert run([*command, "--format", "json"]) == 0
    found = json.loads(capfd.readouterr().out)["calibration"]["curves"][0]
    assert found["least_score"] == curve.least_score
    assert found["error"] == pytest.approx(curve.error, abs=1e-6)
    assert run(["info", "-C", str(photos)]) == 0
    told = f"scores      duplicate: learnt on {kept.learnt_on} from 16 items\n"
    assert told in capfd.readouterr().out
    assert run(["info", "-C", str(photos), "--format", "json"]) == 0
    assert json.loads(capfd.readouterr().out)["calibration"]["learnt_on"] == kept.learnt_on


def test_results_say_what_they_are_and_at_least_leaves_out_what_is_less(
    photos: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    command = ["search", str(photos / LONELIEST), "-C", str(photos), "-k", "3"]
    assert run(["calibrate", "-C", str(photos), "--forget", "--quiet"]) == 0
    assert run([*command, "--at-least", "duplicate"]) == 2
    assert "`seealike calibrate` learns it" in capfd.readouterr().err
    assert run([*command, "--format", "csv"]) == 0
    assert capfd.readouterr().out.startswith("query,rank,id,score,path\n")
    assert run(["calibrate", "-C", str(photos), "--sample", "12", "--quiet"]) == 0
    capfd.readouterr()
    page = tmp_path / "found.html"
    assert run([*command, "--at-least", "duplicate", "--gallery", str(page), "--quiet"]) == 0
    heading, only = capfd.readouterr().out.splitlines()
    assert heading.split() == ["rank", "score", "means", "id"]
    assert only.split()[:4] == ["1", "1.000", "duplicate", "100%"]
    assert '<span class="label">duplicate 100%</span>' in page.read_text("utf-8")
    assert run([*command, "--format", "json"]) == 0
    hits = json.loads(capfd.readouterr().out)["results"][0]["hits"]
    assert (hits[0]["relation"], round(hits[0]["probability"], 2)) == ("duplicate", 1.0)
    assert (hits[1]["relation"], hits[1]["probability"]) == (None, None)
    assert run([*command, "--format", "csv"]) == 0
    lines = capfd.readouterr().out.splitlines()
    assert lines[0] == "query,rank,id,score,path,relation,probability"
    assert lines[2].endswith(",,")
    assert run(["search", "--id", LONELIEST, "-C", str(photos), "--at-least", "duplicate"]) == 0
    why = "no other item counts as duplicate; without --at-least you see what is nearest"
    assert capfd.readouterr().out == f"nothing similar to {LONELIEST}: {why}\n"
    empty = tmp_path / "empty.html"
    command = ["search", "--id", LONELIEST, "-C", str(photos), "--at-least", "duplicate"]
    assert run([*command, "--gallery", str(empty), "--quiet"]) == 0
    assert f"Nothing similar: {why}." in empty.read_text("utf-8")


def test_what_was_learnt_is_forgotten_when_told_so(photos: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["calibrate", "-C", str(photos), "--sample", "8", "--quiet"]) == 0
    assert run(["calibrate", "-C", str(photos), "--forget"]) == 0
    assert capfd.readouterr().err == "forgotten\n"
    with seealike.open(photos / ".seealike") as catalog:
        assert catalog.calibration is None
    assert run(["calibrate", "-C", str(photos), "--forget", "--label", "folder"]) == 2


def test_where_nothing_is_learnt_the_lines_say_why_and_the_command_fails(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    write_pictures(tmp_path / "photos", range(3))
    assert run(["index", str(tmp_path / "photos"), "--quiet"]) == 0
    page = tmp_path / "worth.html"
    assert run(["calibrate", "-C", str(tmp_path / "photos"), "--page", str(page)]) == 1
    shown = capfd.readouterr()
    assert "not learnt: duplicate: too little to learn from: 3 items found" in shown.out
    assert shown.err.endswith("nothing was learnt, and nothing is changed: the lines above say why\n")
    assert not page.exists()


def test_a_reindex_forgets_what_scores_of_the_old_encoder_were_worth(
    photos: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(["calibrate", "-C", str(photos), "--sample", "8", "--quiet"]) == 0
    assert run(["reindex", "-C", str(photos), "--encoder", "efficientnet-lite0?size=96&resize=112"]) == 0
    with seealike.open(photos / ".seealike") as catalog:
        assert catalog.calibration is None
    assert run(["info", "-C", str(photos)]) == 0
    assert "scores  " not in capfd.readouterr().out


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (390, True)])
def test_the_page_fits_the_screen_and_shows_curves_and_pictures(
    photos: Path, tmp_path: Path, browser: Browser, width: int, dark: bool
) -> None:
    page = tmp_path / "worth.html"
    assert run(["calibrate", "-C", str(photos), "--sample", "8", "--quiet", "--page", str(page)]) == 0
    browser.look(width=width, height=900, dark=dark)
    browser.show(page)
    assert browser.value("document.querySelectorAll('svg.chart').length") == 2
    assert browser.value("document.querySelectorAll('section.result').length") == 6
    assert browser.value("document.documentElement.scrollWidth") <= width
    inside = (
        "[...document.querySelectorAll('svg.chart text')].every(text => { const box = "
        "text.getBoundingClientRect(), chart = text.closest('svg').getBoundingClientRect(); return "
        "box.left >= chart.left - 1 && box.right <= chart.right + 1 && box.bottom <= chart.bottom + 1 })"
    )
    assert browser.value(inside)
    assert browser.problems == []
