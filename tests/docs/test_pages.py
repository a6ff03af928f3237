"""What the pages say is what happens: every example is typed, every link is followed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.docs.console import Reader, alike, commands, reader_environment
from tests.docs.markdown import REPOSITORY, anchors, blocks, links, pages
from tests.docs.shop import lay_out

from seealike.cli.main import run
from seealike.demo.drawing import catalogue
from seealike.demo.drawing.plan import Photo

RUN = ("console", "python")
DEMO = "seealike-demo"
PAGES = [page for page in pages() if any(block.language in RUN for block in blocks(page.read_text("utf-8")))]
NAMES = [page.relative_to(REPOSITORY).as_posix() for page in PAGES]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory, kept_drawings: Callable[[Photo], bytes]) -> Path:
    """What ``seealike demo`` makes, made once."""
    folder = tmp_path_factory.mktemp("demo") / DEMO
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(catalogue, "_encoded", kept_drawings)
        assert run(["demo", str(folder), "--quiet"]) == 0
    return folder


@pytest.mark.skipif(sys.platform == "win32", reason="the pages show commands of a POSIX shell")
@pytest.mark.usefixtures("drawn_once")
@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_a_page_can_be_followed_word_for_word(
    page: Path,
    cache: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    lay_out(tmp_path)
    text = page.read_text("utf-8")
    if DEMO in text and "$ seealike demo\n" not in text:
        shutil.copytree(request.getfixturevalue("demo"), tmp_path / DEMO)
    monkeypatch.chdir(tmp_path)
    environment = reader_environment(cache)
    for name in ("PATH", "SEEALIKE_CACHE"):
        monkeypatch.setenv(name, environment[name])
    monkeypatch.delenv("SEEALIKE_CATALOG", raising=False)
    reader = Reader(tmp_path, environment)
    for block in blocks(text):
        if block.language in RUN and block.not_run is None:
            try:
                reader.follow(block)
            except Exception as exc:
                raise AssertionError(f"{page.name}, line {block.line}: {exc}") from exc


OWN = re.compile(r"(?<![\w/-])(photos/|photo\.jpg|products\.csv)")
WITHOUT_ANY = re.compile(r"^\*`photos/`, .* None at hand\? .*\n`(seealike demo .*?)`\.", re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_a_page_that_types_pictures_of_ones_own_says_first_where_some_come_from(page: Path) -> None:
    text = page.read_text("utf-8")
    if page.parent.name == "how-to":
        typed = any(OWN.search(block.text) for block in blocks(text) if block.language in RUN)
        assert (WITHOUT_ANY.match(text.split("\n\n")[1]) is not None) == typed


@pytest.mark.skipif(sys.platform == "win32", reason="the pages show commands of a POSIX shell")
@pytest.mark.usefixtures("drawn_once")
def test_pictures_for_those_who_have_none_are_drawn_by_what_the_pages_say(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, demo: Path
) -> None:
    said = {found[1] for page in PAGES for found in WITHOUT_ANY.finditer(page.read_text("utf-8"))}
    assert len(said) == 1
    drawn, *rest = said.pop().split(" && ")
    assert drawn == "seealike demo photos"
    shutil.copytree(demo, tmp_path / "photos")  # what that draws
    for command in rest:
        subprocess.run(command, shell=True, cwd=tmp_path, check=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SEEALIKE_CACHE", str(cache))
    assert run(["index", "photos/", "--quiet"]) == 0
    assert run(["search", "photo.jpg", "-C", "photos"]) == 0
    assert run(["index", "photos/products.csv", "-C", "shop.catalog", "--quiet"]) == 0


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.relative_to(REPOSITORY).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    missing = []
    for target in links(page.read_text("utf-8")):
        if "://" in target or target.startswith("mailto:"):
            continue
        name, _, anchor = target.partition("#")
        led_to = page.parent / name if name else page
        if not led_to.exists() or (anchor and anchor not in anchors(led_to.read_text("utf-8"))):
            missing.append(target)
    assert not missing


def test_every_page_of_docs_can_be_reached_from_the_readme() -> None:
    reached, waiting = set(), [REPOSITORY / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in reached:
            continue
        reached.add(page)
        targets = (
            target.partition("#")[0] for target in links(page.read_text("utf-8")) if "://" not in target
        )
        waiting += [Path(os.path.normpath(page.parent / name)) for name in targets if name.endswith(".md")]
    assert set(pages()) <= reached


def test_every_block_says_what_it_is_and_every_one_that_is_not_run_says_why() -> None:
    for page in pages():
        for block in blocks(page.read_text("utf-8")):
            assert block.language, f"{page.name}, line {block.line}"
            assert block.not_run is None or len(block.not_run.split()) > 2, f"{page.name}, line {block.line}"


def test_output_is_compared_but_for_numbers_and_what_dots_stand_for() -> None:
    printed = "added 12  skipped 2\nscore 0.91  a b.jpg\nlast\n"
    assert alike("added 7 skipped 0\n…\nlast", printed)
    assert alike("added 12  skipped 2\nscore 1.0 a…\nlast", printed)
    assert not alike("added 12  skipped 2\nlast", printed)
    assert not alike("added 12\n…", printed)
    assert not alike("", printed)
    assert not alike("cannot read 'price < 100'", "cannot read 'price < 70'")
    assert alike(
        "'price < 70' is 3 of the shop's items, not 'all 4'",
        "'price < 70' is 5 of the shop's items, not 'all 4'",
    )


def test_a_console_block_is_read_as_commands_and_their_output() -> None:
    text = "$ one \\\n    --more\nshown\n\nby one\n$ two"
    assert [(typed.command, typed.shown) for typed in commands(text)] == [
        ("one \\\n    --more", "shown\n\nby one"),
        ("two", ""),
    ]


def test_a_command_that_ends_otherwise_than_the_page_says_is_noticed(tmp_path: Path) -> None:
    reader = Reader(tmp_path, reader_environment(tmp_path))
    block = next(blocks("```console\n$ exit 3\n```"))
    with pytest.raises(AssertionError, match="exit code 3, not 0"):
        reader.follow(block)
    reader.follow(next(blocks("<!-- exit code 3 -->\n```console\n$ exit 3\n```")))
