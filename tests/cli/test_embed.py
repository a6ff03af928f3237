"""``seealike embed`` as it is typed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.commands import Call
from tests.pictures import write_pictures

pytest.importorskip("pyarrow", reason="the extra 'parquet' is not installed")


def test_embed_then_index_is_index(typed: Call, tmp_path: Path) -> None:
    photos, shards, catalog = tmp_path / "photos", tmp_path / "shards", tmp_path / "c"
    write_pictures(photos, range(6))
    (photos / "empty.jpg").touch()
    told = typed("embed", photos, "-o", shards, "--report", tmp_path / "r.jsonl")
    assert (told.code, told.err) == (0, "")
    assert told.out.splitlines()[:2] == [
        "embedded 6  unchanged 0  skipped 1",
        "skipped: empty_file 1; --report FILE.jsonl lists them",
    ]
    (row,) = map(json.loads, (tmp_path / "r.jsonl").read_text().splitlines())
    assert row["id"] == "empty.jpg"
    assert row["path"] == str(photos / "empty.jpg")
    assert typed("index", shards, "-C", catalog).out.startswith("added 6  updated 0")
    assert typed("index", photos, "-C", tmp_path / "direct", "--quiet").code == 0
    answers = [
        typed("search", photos / "003.jpg", "-C", one, "--format", "json").out
        for one in (catalog, tmp_path / "direct")
    ]
    assert answers[0].replace(str(catalog), "") == answers[1].replace(str(tmp_path / "direct"), "")
    again = json.loads(typed("embed", photos, "-o", shards, "--format", "json").out)
    counts = [again[name] for name in ("embedded", "unchanged", "written", "skipped_by_reason")]
    assert counts == [0, 6, 0, {"empty_file": 1}]
    assert typed("embed", photos, "-o", shards, "--quiet").out == ""


def test_what_cannot_be_done_ends_with_one_line_and_a_code(typed: Call, tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    (photos / "a.txt").write_text("no picture")
    assert typed("embed", photos).code == 2
    told = typed("embed", photos, "-o", tmp_path / "shards")
    assert told.code == 1
    assert told.err.splitlines()[-1].endswith("could be used, out of 1 file; --report FILE.jsonl says why")
    told = typed("embed", tmp_path / "none", "-o", tmp_path / "other")
    assert (told.code, told.err) == (1, f"seealike: there is no {tmp_path / 'none'}\n")
    told = typed("embed", photos, "-o", photos)
    assert told.code == 2
    assert "holds other files, such as a.txt; name a new or empty folder" in told.err
    told = typed("embed", photos, "-o", tmp_path / "shards", "--encoder", "efficientnet-lite0?fit=squash")
    assert told.code == 2
    assert "use that encoder, or name another folder" in told.err


def test_lists_of_shards_are_those_of_a_catalogue(typed: Call, tmp_path: Path) -> None:
    photos, shards = tmp_path / "photos", tmp_path / "shards"
    write_pictures(photos, range(12))
    assert typed("embed", photos, "-o", shards, "--quiet").code == 0
    files = {file.name for file in shards.iterdir()}
    told = typed("recommend", "--all", "--shards", shards, "-k", "3", "-o", tmp_path / "s.csv")
    assert (told.code, told.out) == (0, "")
    assert told.err.startswith(f"{tmp_path / 's.csv'}: lists of 12 items in ")
    typed("index", shards, "-C", tmp_path / "c", "--quiet")
    whole = typed("recommend", "--all", "-C", tmp_path / "c", "-k", "3")
    assert (tmp_path / "s.csv").read_text() == whole.out
    assert {file.name for file in shards.iterdir()} == files
    told = typed("recommend", "--all", "--shards", shards, "-C", tmp_path / "c")
    assert (told.code, told.out) == (2, "")
    told = typed("recommend", "--all", "--shards", shards, "--diversity", "0.2")
    assert told.code == 2
    assert "diversity takes a catalogue" in told.err
    told = typed("recommend", "--all", "--shards", photos)
    assert told.code == 1
    assert "holds no shards; `seealike embed` makes some" in told.err
