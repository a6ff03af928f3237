"""docs/cli.md against the commands themselves: nothing undocumented, nothing documented that is not there."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from seealike.cli.main import COMMANDS, EXIT_CODES, EXIT_FAILED, EXIT_INTERRUPTED, EXIT_USAGE, cli

REPOSITORY = Path(__file__).resolve().parents[2]
PAGE = (REPOSITORY / "docs" / "cli.md").read_text("utf-8")
_OPTION = re.compile(r"(?<![\w-])--?[A-Za-z0-9][a-z0-9-]*")
_ROW = re.compile(r"^\| (?P<option>`-.*?) \| (?P<text>.*) \|$", re.MULTILINE)


def section(title: str) -> str:
    """What stands under a heading of the second level, or of the third for a command of a command."""
    found = re.search(rf"^##+ {re.escape(title)}\n(.*?)(?=^##+ |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert found is not None, f"docs/cli.md has no heading '## {title}'"
    return found[1]


def command(name: str) -> click.Command:
    found: click.Command | None = cli
    for part in name.split():
        assert isinstance(found, click.Group)
        found = found.get_command(click.Context(found), part)
    assert isinstance(found, click.Command)
    return found


def below(name: str) -> list[str]:
    """The commands of a command, as they are typed."""
    found = command(name)
    inner = found.commands if isinstance(found, click.Group) else {}
    return [f"{name} {part}" for part in inner if not inner[part].hidden]


EVERY = [name for outer in COMMANDS for name in (outer, *below(outer))]


def options(name: str) -> dict[str, click.Option]:
    """The command's options by their long names."""
    found = (option for option in command(name).params if isinstance(option, click.Option))
    return {max(option.opts, key=len): option for option in found}


SHARED = "Which results"
WITH_RESULTS = ("search", "recommend")


def documented(name: str) -> dict[str, tuple[str, str]]:
    """The rows of the table, and of what is shared, by long name: the option's cell, and the text."""
    rows = {}
    shared = section(SHARED) if name in WITH_RESULTS else ""
    for row in _ROW.finditer(section(f"seealike {name}") + shared):
        rows[max(_OPTION.findall(row["option"]), key=len)] = (row["option"], row["text"])
    return rows


def test_the_page_has_exactly_the_commands() -> None:
    headings = re.findall(r"^##+ seealike (.+)$", PAGE, re.MULTILINE)
    assert headings == EVERY


@pytest.mark.parametrize("name", EVERY)
def test_the_page_has_exactly_the_options(name: str) -> None:
    assert sorted(documented(name)) == sorted(options(name))


@pytest.mark.parametrize("name", EVERY)
def test_every_row_has_all_spellings_choices_and_the_default(name: str) -> None:
    rows = documented(name)
    for long, option in options(name).items():
        cell, text = rows[long]
        assert sorted(_OPTION.findall(cell)) == sorted(option.opts + option.secondary_opts), long
        if isinstance(option.type, click.Choice):
            assert [choice for choice in option.type.choices if f"`{choice}`" not in text] == [], long
        if option.show_default and not option.is_flag:
            assert f"default `{option.default}`" in text, long
        if option.metavar:
            assert option.metavar in cell, long


@pytest.mark.parametrize("name", EVERY)
def test_the_options_that_the_text_mentions_exist(name: str) -> None:
    known = {spelling for option in options(name).values() for spelling in option.opts} | {"--help"}
    own = [line for line in section(f"seealike {name}").splitlines() if line.startswith("$ seealike " + name)]
    for line in own:
        spellings = [
            part.split("=")[0] for part in re.split(r"[|>]", line)[0].split() if part.startswith("-")
        ]
        assert set(spellings) - {"-"} <= known, line


@pytest.mark.parametrize("name", EVERY)
def test_every_command_has_a_help_of_whole_sentences_with_an_example(name: str) -> None:
    described = command(name).help or ""
    assert described[0].isupper()
    assert re.search(rf"^\s*seealike {name}", described, re.MULTILINE), "no example"
    assert all(option.help and option.help[0] for option in options(name).values())
    assert f"$ seealike {name}" in section(f"seealike {name}")


def test_the_list_of_commands_cuts_no_sentence_off() -> None:
    listed = CliRunner().invoke(cli, ["--help"], terminal_width=80).output.partition("Commands:")[2]
    assert [line.split()[0] for line in listed.splitlines() if line] == [*COMMANDS]
    assert "..." not in listed


def test_the_exit_codes_are_these() -> None:
    codes = [int(code) for code in re.findall(r"^\| (\d+) \|", section("Exit codes"), re.MULTILINE)]
    assert codes == sorted({0, EXIT_FAILED, EXIT_USAGE, EXIT_INTERRUPTED, *(code for _, code in EXIT_CODES)})


def test_the_environment_variables_are_those_that_are_read() -> None:
    read = {
        name
        for path in (REPOSITORY / "src").rglob("*.py")
        for name in re.findall(r"environ[^\n]*[\"'](SEEALIKE_\w+)[\"']", path.read_text("utf-8"))
    }
    assert set(re.findall(r"^\| `(SEEALIKE_\w+)` \|", section("Environment variables"), re.MULTILINE)) == read
