"""Every option of every command that names a file to write: nothing of the user's is ever written over."""

from __future__ import annotations

import csv
import importlib.util
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest
from tests.pictures import write_pictures

import seealike
from seealike.catalog.outputs.kinds import KINDS, MAP_PAGE
from seealike.cli.main import COMMANDS, cli, run
from seealike.cli.options.outputs import OutputParameter
from seealike.service import ServiceOptions

# Options that name files to read.
READ = {"--like-file", "--not-file", "--weights", "--decisions", "--undo", "--key-file"}
# What makes a command write, beside the option; {shop} is a folder that has been indexed.
ARGUMENTS = {
    ("index", "--report"): ["{shop}"],
    ("embed", "--report"): ["{shop}", "-o", "{shop}/../shards"],
    ("search", "--gallery"): ["--id", "one/000.jpg"],
    ("recommend", "--output"): ["--all", "-k", "2"],
    ("duplicates", "--page"): [],
    ("duplicates", "--script"): [],
    ("recommend", "--update"): ["--all", "-k", "2"],
    ("recommend", "--report"): ["--all", "-k", "2"],
    ("recommend", "--gallery"): ["--like", "one/000.jpg"],
    ("eval", "--page"): ["--label", "folder"],
    ("compare", "--page"): ["efficientnet-lite0?size=64&resize=64", "--label", "folder", "--time", "off"],
    ("calibrate", "--page"): ["--sample", "12"],
    ("map", "--output"): ["--no-pictures"],
    ("map", "--csv"): [],
    ("map", "--png"): [],
    ("train", "--output"): ["--label", "folder"],
    ("train", "--page"): ["--label", "folder"],
    ("train", "--log"): ["--label", "folder"],
}
Call = Callable[..., tuple[int, str]]


def outputs() -> Iterator[tuple[str, click.Option, OutputParameter]]:
    for name in COMMANDS:
        command = cli.get_command(click.Context(cli), name)
        assert command is not None
        for option in command.params:
            if isinstance(option.type, OutputParameter):
                assert isinstance(option, click.Option)
                yield name, option, option.type


EVERY = [
    pytest.param(name, max(option.opts, key=len), ending, id=f"{name} {max(option.opts, key=len)} {ending}")
    for name, option, kind in outputs()
    for ending in kind.kind.endings
]
EVERY_THAT_RUNS = [case for case in EVERY if case.values[0] != "train"]  # it takes torch
every_output = pytest.mark.parametrize(("command", "option", "ending"), EVERY)


@pytest.fixture(scope="module")
def indexed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shop whose pictures bear the endings of all outputs, with its catalogue, and one made of a table."""
    folder = tmp_path_factory.mktemp("place")
    shop = folder / "shop"
    write_pictures(shop / "one", range(8))
    write_pictures(shop / "two", range(8, 16))
    for number, ending in enumerate(sorted({ending for kind in KINDS for ending in kind.endings})):
        shutil.copy(shop / "one" / f"{number % 8:03}.jpg", shop / f"item{ending}")
        (shop / f"notes{ending}").write_text("the owner's notes")
        (folder / f"own{ending}").write_text("the owner's own")
    assert run(["index", str(shop), "--quiet"]) == 0
    rows = [
        path.relative_to(folder).as_posix()
        for path in sorted(shop.rglob("*.jpg")) + sorted(shop.glob("item*"))
    ]
    (folder / "products.csv").write_text("\n".join(["path", *rows, ""]))
    assert run(["index", str(folder / "products.csv"), "-C", str(folder / "table.catalog"), "--quiet"]) == 0
    return folder


@pytest.fixture
def place(indexed: Path, tmp_path: Path) -> Path:
    """A copy of its own for a test; hard links and times as they were."""
    return shutil.copytree(indexed, tmp_path / "place")


@pytest.fixture
def call(place: Path, capfd: pytest.CaptureFixture[str]) -> Call:
    def called(command: str, option: str, output: Path, *more: str, catalog: str = "shop") -> tuple[int, str]:
        given = [word.format(shop=place / "shop") for word in ARGUMENTS[command, option]]
        if command == "index" and catalog != "shop":
            given = [str(place / "products.csv")]
        known = ["-C", str(place / (f"{catalog}/.seealike" if catalog == "shop" else catalog))]
        if command == "embed":  # it has none
            known = []
        code = run([command, *given, *known, option, str(output), "-q", *more])
        return code, capfd.readouterr().err

    return called


def everything(place: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in place.rglob("*") if path.is_file()}


def test_there_is_no_output_that_this_page_does_not_know() -> None:
    assert {case.values[:2] for case in EVERY} == set(ARGUMENTS)


def test_every_option_that_names_a_file_is_read_or_under_the_rule() -> None:
    for name in COMMANDS:
        command = cli.get_command(click.Context(cli), name)
        assert command is not None
        ruled = [option for option in command.params if isinstance(option.type, OutputParameter)]
        for option in command.params:
            if isinstance(option, click.Option) and "FILE" in (option.metavar or ""):
                assert option in ruled or set(option.opts) & READ, (name, option.opts)
        assert bool(ruled) <= any("--force" in option.opts for option in command.params), name


def test_no_other_part_of_the_command_line_writes_a_file() -> None:
    for path in (Path(seealike.__file__).parent / "cli").rglob("*.py"):
        text = path.read_text("utf-8")
        assert "FileSystem" not in text, path
        opened = re.findall(r"open\((\w+), [^()]*\"[wax]b?\"", text)
        assert set(opened) <= {"place"}, path  # what the rule yielded


@every_output
def test_a_photo_whose_name_slipped_in_is_refused(
    command: str, option: str, ending: str, call: Call, place: Path
) -> None:
    before = everything(place)
    for more in ((), ("--force",)):
        code, err = call(command, option, place / "shop" / "one" / "000.jpg", *more)
        assert code == 2
        assert f"{option}: " in err
        assert "must end in" in err
        assert err.count("\n") == 1
    assert everything(place) == before


@every_output
def test_the_picture_of_an_item_is_never_written_over_whatever_it_is_called(
    command: str, option: str, ending: str, call: Call, place: Path, tmp_path: Path
) -> None:
    item = place / "shop" / f"item{ending}"
    link = tmp_path / f"link{ending}"
    link.symlink_to(item)
    said = f"is a file of the source {place / 'shop'}"
    before = everything(place)
    for catalog, item_id in (("shop", f"item{ending}"), ("table.catalog", f"shop/item{ending}")):
        for output in (item, link):
            for more in ((), ("--force",)):
                code, err = call(command, option, output, *more, catalog=catalog)
                assert code == 2, err
                assert (said if command == "embed" else f"is the picture of the item '{item_id}'") in err
    assert everything(place) == before


@every_output
def test_a_file_of_the_source_that_is_no_picture_is_never_written_over(
    command: str, option: str, ending: str, call: Call, place: Path
) -> None:
    before = everything(place)
    new = place / "shop" / f"new{ending}"
    for more in ((), ("--force",)):
        assert call(command, option, place / "shop" / f"notes{ending}", *more)[0] == 2
    new.write_text("not yet indexed")
    for more in ((), ("--force",)):
        assert call(command, option, new, *more)[0] == 2
    assert everything(place) == before | {str(new): b"not yet indexed"}


@every_output
def test_nothing_is_written_into_a_catalogue(
    command: str, option: str, ending: str, call: Call, place: Path
) -> None:
    before = everything(place)
    for output in (
        place / "shop" / ".seealike" / f"new{ending}",
        place / "shop" / ".seealike" / "catalog.sqlite",
        place / "table.catalog" / f"new{ending}",
    ):
        for more in ((), ("--force",)):
            code, err = call(command, option, output, *more)
            assert code == 2
            assert "lies in the catalogue" in err
    assert everything(place) == before


@every_output
def test_a_source_table_is_never_written_over(
    command: str, option: str, ending: str, call: Call, place: Path, tmp_path: Path
) -> None:
    named = tmp_path / f"link{ending}"
    named.symlink_to(place / "products.csv")
    before = everything(place)
    for output in (place / "products.csv", named):
        for more in ((), ("--force",)):
            code, err = call(command, option, output, *more, catalog="table.catalog")
            assert code == 2
            assert "is the table" in err or "must end in" in err
    assert everything(place) == before


@every_output
def test_somebody_elses_file_is_refused_before_any_work(
    command: str, option: str, ending: str, call: Call, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = everything(place)
    monkeypatch.setattr(seealike.Catalog, "__init__", None)  # nothing may be opened
    code, err = call(command, option, place / f"own{ending}")
    assert code == 2
    assert "is there already" in err
    assert "--force" in err
    assert everything(place) == before


@pytest.mark.parametrize(("command", "option", "ending"), EVERY_THAT_RUNS)
def test_what_an_earlier_run_wrote_is_replaced_and_what_it_did_not_only_by_force(
    command: str, option: str, ending: str, call: Call, place: Path
) -> None:
    if command == "map":
        pytest.importorskip("openTSNE")
        pytest.importorskip("matplotlib")
    output = place / f"own{ending}"
    code, err = call(command, option, output, "--force")
    assert code == 0, err
    first = output.stat()
    assert output.read_bytes() != b"the owner's own"
    code, err = call(command, option, output)
    assert code == 0, err
    assert output.stat().st_ino != first.st_ino  # another file, whole, in its place
    output.write_bytes(b"")
    assert call(command, option, output)[0] == 0  # an empty file is nobody's


def test_an_output_of_another_kind_is_not_replaced(call: Call, place: Path) -> None:
    page = place / "page.html"
    assert call("search", "--gallery", page)[0] == 0
    before = page.read_bytes()
    code, err = call("eval", "--page", page)
    assert code == 2
    assert "is no page of figures of seealike's" in err
    assert page.read_bytes() == before


def test_a_page_among_the_pictures_is_replaced_though_it_is_listed_as_no_image(
    call: Call, place: Path
) -> None:
    page = place / "shop" / "found.html"
    assert call("search", "--gallery", page)[0] == 0
    assert run(["index", str(place / "shop"), "-q"]) == 0
    with seealike.open(place / "shop" / ".seealike") as catalog:
        assert "found.html" in {row.id for row in catalog.skipped()}
    assert call("search", "--gallery", page)[0] == 0


def test_a_pipe_a_device_and_a_link_to_one_take_anything(
    place: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    catalog = ["-C", str(place / "shop"), "-q"]
    link = tmp_path / "nowhere"
    link.symlink_to(os.devnull)
    for device in (os.devnull, str(link)):
        assert run(["recommend", "--all", "-o", device, *catalog]) == 0
        assert run(["search", "--id", "one/000.jpg", "--gallery", device, "--format", "json", *catalog]) == 0
    capfd.readouterr()
    assert run(["recommend", "--all", "-o", "/dev/stdout", *catalog]) == 0
    assert capfd.readouterr().out.startswith("id,rank,similar_id,score\n")


def test_a_file_that_appears_during_the_work_is_left_alone(
    call: Call, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = place / "late.html"
    similar = seealike.Catalog.similar_batch

    def slow(self: seealike.Catalog, *arguments: object, **options: object) -> object:
        page.write_text("somebody was quicker")
        return similar(self, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(seealike.Catalog, "similar_batch", slow)
    code, err = call("search", "--gallery", page)
    assert code == 2
    assert "is there already" in err
    assert page.read_text() == "somebody was quicker"
    assert not list(place.glob(".writing-*"))


def test_a_web_page_beside_a_manifest_of_another_program_is_no_catalogue(call: Call, place: Path) -> None:
    site = place / "site"
    site.mkdir()
    (site / "manifest.json").write_text('{"name": "a web application"}')
    assert call("search", "--gallery", site / "found.html")[0] == 0


@pytest.mark.usefixtures("drawn_once")
def test_the_page_of_the_demonstration_is_under_the_rule(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "demo"
    monkeypatch.setitem(sys.modules, "openTSNE", None)
    assert run(["demo", str(folder)]) == 0
    drawn, indexed, wrote, _, browse = capfd.readouterr().err.splitlines()
    assert drawn.startswith("drew a shop of 404 pictures")
    assert indexed.startswith("indexed 404 pictures in ")
    how = f"{sys.executable} -m pip install 'seealike[map]'"
    assert wrote == f"wrote similar.csv, but no map: a map needs an optional package: {how}"
    assert browse.endswith(
        f" serve -C {folder}, then open http://{ServiceOptions().host}:{ServiceOptions().port}"
    )
    page, lists = folder / "results.html", folder / "similar.csv"
    assert 'href="similar.csv"' in page.read_text("utf-8")
    assert 'href="map.html"' not in page.read_text("utf-8")
    with lists.open(encoding="utf-8", newline="") as file:
        assert len({row["id"] for row in csv.DictReader(file)}) == 404
    written = lists.stat().st_mtime_ns
    monkeypatch.undo()
    assert run(["demo", str(folder)]) == 0
    assert capfd.readouterr().err.startswith(
        f"nothing changed: the shop in {folder} and its 404 pictures are"
    )
    assert lists.stat().st_mtime_ns == written
    if importlib.util.find_spec("openTSNE"):
        assert MAP_PAGE.wrote(str(folder / "map.html"))
        assert 'href="map.html"' in page.read_text("utf-8")
    page.write_text("notes about it")
    assert run(["demo", str(folder), "-q"]) == 2
    assert page.read_text() == "notes about it"
    (folder / "products.csv").write_text("path\n")
    page.unlink()
    assert run(["demo", str(folder), "-q"]) == 2
    assert (folder / "products.csv").read_text() == "path\n"
    assert run(["demo", str(folder / ".seealike" / "inside"), "-q"]) == 2
    assert not (folder / ".seealike" / "inside").exists()
