"""Catalogues of the bundled encoder's first version: they stay with it, and never complain."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.commands import Call
from tests.pictures import write_pictures

import seealike
from seealike.cli.main import run

FIRST, SECOND = "efficientnet-lite0", "efficientnet-lite0-v2"


@pytest.fixture
def photos(tmp_path: Path) -> str:
    write_pictures(tmp_path / "photos", range(5))
    return str(tmp_path / "photos")


def encoder_of(catalog: Path) -> str:
    with seealike.open(catalog) as opened:
        return opened.encoder.name


def test_a_new_catalogue_gets_the_second_however_it_is_made(photos: str, tmp_path: Path) -> None:
    assert run(["index", photos, "-q"]) == 0
    assert encoder_of(Path(photos, ".seealike")) == SECOND
    assert run(["index", photos, "-q", "-C", str(tmp_path / "focused"), "--focus"]) == 0
    assert encoder_of(tmp_path / "focused") == f"{SECOND}?focus=1"
    with seealike.create(tmp_path / "python") as made:
        assert made.encoder.name == SECOND


@pytest.mark.parametrize("options", [[], ["--focus"]])
def test_one_of_the_first_is_brought_up_to_date_by_the_command_that_made_it(
    options: list[str], photos: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    spec = f"{FIRST}?focus=1" if options else FIRST
    catalog = ["-C", str(tmp_path / "first")]
    assert run(["index", photos, "-q", *catalog, "--encoder", spec]) == 0
    write_pictures(Path(photos), range(7))
    capfd.readouterr()
    assert run(["index", photos, "-q", *catalog, *options]) == 0
    assert run(["search", str(Path(photos, "006.jpg")), *catalog, "-k", "1", "--format", "csv"]) == 0
    said = capfd.readouterr()
    assert said.err == ""
    assert said.out.splitlines()[1].split(",")[2] == "006.jpg"
    assert encoder_of(tmp_path / "first") == spec


def test_one_of_the_first_that_is_to_focus_stays_with_the_first(photos: str, tmp_path: Path) -> None:
    catalog = ["-C", str(tmp_path / "first")]
    assert run(["index", photos, "-q", *catalog, "--encoder", FIRST]) == 0
    assert run(["reindex", "-q", *catalog, "--focus"]) == 0
    assert encoder_of(tmp_path / "first") == f"{FIRST}?focus=1"


def test_one_of_either_are_not_searched_together_until_one_is_moved(
    photos: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    first, second = ["-C", str(tmp_path / "first")], ["-C", str(tmp_path / "second")]
    assert run(["index", photos, "-q", *first, "--encoder", FIRST]) == 0
    assert run(["index", photos, "-q", *second]) == 0
    together = ["search", str(Path(photos, "003.jpg")), *first, *second]
    capfd.readouterr()
    assert run(together) == 1
    said = capfd.readouterr().err
    assert len(said.splitlines()) == 1
    assert f"was made with encoder {FIRST}" in said
    assert SECOND in said
    assert "move this one by `seealike reindex`" in said
    assert run(["reindex", "-q", *first, "--encoder", SECOND]) == 0
    assert run(together) == 0


@pytest.mark.parametrize("options", [[], ["--focus"]])
def test_shards_of_the_first_are_gone_on_with_by_the_command_that_made_them(
    options: list[str], photos: str, tmp_path: Path, typed: Call
) -> None:
    pytest.importorskip("pyarrow", reason="the extra 'parquet' is not installed")
    spec, shards = f"{FIRST}?focus=1" if options else FIRST, tmp_path / "shards"
    assert typed("embed", photos, "-o", shards, "-q", "--encoder", spec).code == 0
    write_pictures(Path(photos), range(7))
    told = typed("embed", photos, "-o", shards, *options)
    assert (told.err, told.out.splitlines()[0]) == ("", "embedded 2  unchanged 5  skipped 0")
    later = typed("embed", photos, "-o", tmp_path / "later", "--since", shards, *options)
    assert (later.err, later.out.splitlines()[0]) == ("", "embedded 0  unchanged 7  skipped 0")
    assert typed("index", shards, "-q", "-C", tmp_path / "c", *options).err == ""
    assert encoder_of(tmp_path / "c") == spec


def test_shards_of_the_first_that_are_to_focus_are_refused_by_their_own_name(
    photos: str, tmp_path: Path, typed: Call
) -> None:
    pytest.importorskip("pyarrow", reason="the extra 'parquet' is not installed")
    shards = tmp_path / "shards"
    assert typed("embed", photos, "-o", shards, "-q", "--encoder", FIRST).code == 0
    for command in (("embed", photos, "-o", shards), ("index", shards, "-C", tmp_path / "c")):
        told = typed(*command, "--focus")
        assert told.code == 2
        assert f"holds vectors of {FIRST}, not of {FIRST}?focus=1 as asked for; use that encoder" in told.err
        assert len(told.err.splitlines()) == 1
    assert not (tmp_path / "c").exists()
    assert typed("index", shards, "-q", "-C", tmp_path / "c").code == 0
