"""``seealike help``: the pages, from a checkout and from an installed package alike."""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path

import pytest
from tests.docs.markdown import REPOSITORY, blocks

import seealike
from seealike.cli import topics
from seealike.cli.main import COMMANDS, run

HOW_TO = {page.stem for page in (REPOSITORY / "docs" / "how-to").glob("*.md")}
_NAMED = re.compile(r"`seealike help ([a-z-]+)`")


@pytest.fixture(scope="module")
def listed() -> dict[str, str]:
    return topics.topics()


def shown(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert run([*arguments]) == 0
    return capsys.readouterr().out


def test_every_how_to_page_is_listed_with_its_heading(
    capsys: pytest.CaptureFixture[str], listed: dict[str, str]
) -> None:
    assert set(listed) == HOW_TO | {"tutorial", "recipes", "how-it-works", "cli", "api"}
    lines = shown(capsys, "help").splitlines()
    assert [line.split()[0] for line in lines] == list(listed)
    assert ["tables", "Index a table"] in [line.split(maxsplit=1) for line in lines]


def test_a_page_is_shown_with_its_blocks_as_they_are_and_no_link_or_comment(
    capsys: pytest.CaptureFixture[str], listed: dict[str, str]
) -> None:
    for topic, file in listed.items():
        page, text = shown(capsys, "help", topic), Path(file).read_text("utf-8")
        assert all(block.text in page for block in blocks(text) if not block.text.startswith(" "))
        outside = re.sub(r"^ *```.*?^ *```$", "", page, flags=re.MULTILINE | re.DOTALL)
        assert not re.search(r"\]\(|<!--", outside), topic
        assert set(_NAMED.findall(page)) <= set(listed)


def test_the_links_of_a_page_say_what_to_type(capsys: pytest.CaptureFixture[str]) -> None:
    page = shown(capsys, "help", "similar-items")
    assert "Parquet tables (`seealike help tables`) work alike" in page


def test_an_installed_package_has_the_pages_that_a_checkout_has(
    listed: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))
    included = project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    for source, place in included.items():
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        os.symlink(REPOSITORY / source, tmp_path / place)
    monkeypatch.setattr(seealike, "__file__", str(tmp_path / "seealike" / "__init__.py"))
    installed = topics.topics()
    assert list(installed) == list(listed)
    assert all(Path(file).is_relative_to(tmp_path / "seealike" / "help") for file in installed.values())
    assert all(Path(file).read_text("utf-8") for file in installed.values())


def test_a_commands_name_shows_its_options_and_a_wrong_one_what_was_meant(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert "ID..." in shown(capsys, "help", "rm")
    assert run(["help", "tabels"]) == 2
    assert capsys.readouterr().err == "seealike: there is no page 'tabels'; did you mean tables?\n"
    assert run(["help", "zzzz"]) == 2
    assert "`seealike help` lists the pages" in capsys.readouterr().err


def test_what_the_options_of_a_command_point_to_exists(
    capsys: pytest.CaptureFixture[str], listed: dict[str, str]
) -> None:
    assert topics.MORE.keys() <= set(COMMANDS)
    assert {topic for named in topics.MORE.values() for topic in named} <= set(listed)
    assert "`seealike help tables`" in shown(capsys, "index", "--help")


def test_every_page_that_a_message_names_exists(listed: dict[str, str]) -> None:
    for path in sorted(Path(seealike.__file__).parent.rglob("*.py")):
        named = set(_NAMED.findall(path.read_text("utf-8")))
        assert named <= set(listed), path.name
