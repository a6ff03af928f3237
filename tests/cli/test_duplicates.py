"""``seealike duplicates``, as a person types it."""

from __future__ import annotations

import csv
import io
import json
import shutil
from pathlib import Path

import pytest
from tests.commands import Call
from tests.pictures import photograph

from seealike.cli.main import run


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("duplicates")
    (folder / "photos" / "best").mkdir(parents=True)
    for number in range(4):
        photograph(number, (240, 320)).save(folder / "photos" / f"{number}.jpg", quality=90)
    shutil.copy(folder / "photos" / "0.jpg", folder / "photos" / "best" / "0 again.jpg")
    photograph(1, (240, 320)).resize((180, 240)).save(folder / "photos" / "best" / "1 small.png")
    assert run(["index", str(folder / "photos"), "--quiet"]) == 0
    return folder


def test_every_format_says_the_same(made: Path, typed: Call) -> None:
    said = typed("duplicates", "-C", made / "photos")
    assert (said.code, said.out.count("keep"), said.out.count("move")) == (0, 2, 2)
    assert "2 groups of duplicates among 6 pictures: 2 pictures of" in said.err
    groups = typed("duplicates", "-C", made / "photos", "--format", "json").json()["groups"]
    kept = {member["id"]: member["keep"] for group in groups for member in group["members"]}
    assert kept == {"0.jpg": True, "best/0 again.jpg": False, "1.jpg": True, "best/1 small.png": False}
    assert {group["weakest"]["id"] for group in groups} <= set(kept)
    rows = csv.DictReader(io.StringIO(typed("duplicates", "-C", made / "photos", "--format", "csv").out))
    listed = list(rows)
    assert {row["id"]: row["keep"] == "keep" for row in listed} == kept
    levels = {row["id"]: row["level"] for row in listed}
    assert levels == {"0.jpg": "", "best/0 again.jpg": "exact", "1.jpg": "", "best/1 small.png": "near"}
    lines = typed("duplicates", "-C", made / "photos", "--format", "jsonl").out.splitlines()
    assert {row["id"]: row["keep"] == "keep" for row in map(json.loads, lines)} == kept
    paths = typed("duplicates", "-C", made / "photos", "--format", "paths", "-0").out
    assert {Path(path).name for path in paths.split("\0") if path} == {"0 again.jpg", "1 small.png"}


def test_the_page_and_the_script_are_written_over_and_nothing_of_others_is(
    made: Path, typed: Call, tmp_path: Path
) -> None:
    page, script = tmp_path / "twice.html", tmp_path / "twice.sh"
    for _ in range(2):
        assert typed("duplicates", "-C", made / "photos", "--page", page, "--script", script, "-q").code == 0
    assert page.read_text("utf-8").count('class="card"') == 4
    assert script.read_bytes().count(b"\nmove '") == 2
    for file in (page, script):
        file.write_text("mine")
    assert typed("duplicates", "-C", made / "photos", "--page", page).code == 2
    assert typed("duplicates", "-C", made / "photos", "--script", script).code == 2


def test_moved_and_moved_back(made: Path, typed: Call, tmp_path: Path) -> None:
    shutil.copytree(made, tmp_path / "own")
    photos, out = tmp_path / "own" / "photos", tmp_path / "own" / "out"
    before = sorted(path.relative_to(photos) for path in photos.rglob("*.*g"))
    options = ("-C", photos, "--keep", "folder", "--folder", photos / "best", "--move-to", out)
    planned = typed("duplicates", *options, "--dry-run")
    assert "2 pictures would be moved" in planned.err
    wanted = {(str(photos / name), str(out / name)) for name in ("0.jpg", "1.jpg")}
    assert {tuple(line.split(" -> ")) for line in planned.out.splitlines()} == wanted
    as_csv = csv.DictReader(io.StringIO(typed("duplicates", *options, "--dry-run", "--format", "csv").out))
    assert {(row["from"], row["to"]) for row in as_csv} == wanted
    assert not out.exists()
    moved = typed("duplicates", *options)
    assert (moved.code, moved.out) == (0, "")
    assert sorted(path.name for path in out.iterdir()) == ["0.jpg", "1.jpg", "seealike-moved-1.jsonl"]
    assert "now run `seealike index`" in moved.err
    again = typed("duplicates", *options)
    assert (again.code, "0 pictures moved, 0 left, 2 gone" in again.err) == (0, True)
    assert typed("duplicates", "--undo", out / "seealike-moved-1.jsonl").code == 0
    twice = typed("duplicates", "--undo", out / "seealike-moved-1.jsonl")
    assert "0 pictures moved, 0 left, 0 gone, 2 already back" in twice.err
    assert sorted(path.relative_to(photos) for path in photos.rglob("*.*g")) == before


def test_only_what_was_decided_is_acted_on(made: Path, typed: Call, tmp_path: Path) -> None:
    shutil.copytree(made, tmp_path / "own")
    photos = tmp_path / "own" / "photos"
    page = tmp_path / "twice.html"
    typed("duplicates", "-C", photos, "--page", page, "-q")
    data = json.loads(page.read_text("utf-8").partition('id="data">')[2].partition("</script>")[0])
    small = next(group for group in data["groups"] if any("small" in one["id"] for one in group["members"]))
    keep = [one for one in small["members"] if "small" in one["id"]]
    drop = [one for one in small["members"] if "small" not in one["id"]]
    file = tmp_path / "decisions.json"
    decided = {
        "format": data["format"],
        "version": data["version"],
        "decisions": [{"keep": keep, "drop": drop}],
    }
    file.write_text(json.dumps(decided))
    assert typed("duplicates", "-C", photos, "--decisions", file, "--move-to", tmp_path / "out").code == 0
    assert [path.name for path in (tmp_path / "out").rglob("*.jpg")] == ["1.jpg"]
    decided["decisions"] = [{"keep": [*keep, *drop], "drop": []}]
    file.write_text(json.dumps(decided))
    groups = typed("duplicates", "-C", made / "photos", "--decisions", file, "--format", "json").json()[
        "groups"
    ]
    assert [group["centre"] for group in groups] == ["0.jpg"]


@pytest.mark.parametrize(
    "options",
    [
        ("--dry-run",),
        ("--folder", "x", "--keep", "size"),
        ("--null",),
        ("--level", "alike"),
        ("--min-likeness", "2"),
        ("--min-likeness", "nan"),
        ("--keep", "best"),
        ("--move-to", "."),
        ("--move-to", ""),
        ("--keep", "folder", "--folder", "nope"),
    ],
)
def test_wrong_usage_is_refused(
    options: tuple[str, ...], made: Path, typed: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(made / "photos")
    said = typed("duplicates", *options)
    assert (said.code, said.out) == (2, "")
    assert "Traceback" not in said.err


def test_files_that_stayed_are_named_and_the_exit_code_says_so(
    made: Path, typed: Call, tmp_path: Path
) -> None:
    shutil.copytree(made, tmp_path / "own")
    photos = tmp_path / "own" / "photos"
    (photos / "best" / "0 again.jpg").write_bytes(b"changed")
    moved = typed("duplicates", "-C", photos, "--move-to", tmp_path / "out")
    assert moved.code == 1
    assert "0 again.jpg: it has changed since it was indexed" in moved.err


def test_a_folder_without_a_name_is_refused_before_anything_is_looked_for(
    made: Path, typed: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    said = typed("duplicates", "-C", made / "photos", "--move-to", "")
    assert said.code == 2
    assert "--move-to needs the name of a folder" in said.err
    assert list(tmp_path.iterdir()) == []
