"""What messages may name: commands and options, which every installed package has."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import click

import seealike
from seealike.cli.main import COMMANDS, cli

SOURCES = sorted(Path(seealike.__file__).parent.rglob("*.py"))
_COMMAND = re.compile(r"`seealike ([a-z]+)([^`]*)`")


def texts(path: Path) -> Iterator[str]:
    """Every text in a module but its docstrings."""
    tree = ast.parse(path.read_text("utf-8"))
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    described = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, documented) and node.body and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in described:
            yield node.value


def test_no_message_names_a_page_that_an_installed_package_lacks() -> None:
    named = [
        (path.name, text)
        for path in SOURCES
        for text in texts(path)
        if re.search(r"docs/|\.md\b", text)
        and text not in ("README.md", "LICENSE.md")  # alone: a file of a repository of a hub
    ]
    assert named == []


def test_every_command_and_option_that_a_message_names_exists() -> None:
    found = 0
    for path in SOURCES:
        for text in texts(path):
            for name, rest in _COMMAND.findall(text):
                assert name in COMMANDS, (path.name, text)
                command = cli.get_command(click.Context(cli), name)
                if isinstance(command, click.Group):
                    command = command.commands.get(rest.split()[0] if rest.split() else "", command)
                assert command is not None
                known = {spelling for option in command.params for spelling in option.opts}
                assert set(re.findall(r"(?<!\S)--?[a-z][a-z-]*", rest)) <= known, (path.name, text)
                found += 1
    assert found > 10
