"""The shape of the code: short functions, few parameters, a docstring in every module, a map that is true."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
PACKAGE = REPOSITORY / "src" / "seealike"
MODULES = sorted(PACKAGE.rglob("*.py"))
NAMES = [path.relative_to(PACKAGE).as_posix() for path in MODULES]
STATEMENTS, PARAMETERS = 40, 7
FORBIDDEN_NAMES = {"utils.py", "util.py", "helpers.py", "misc.py", "common.py"}


def functions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def parameters(function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    arguments = function.args
    return [
        argument.arg
        for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)
        if argument.arg not in {"self", "cls"}
    ]


def statements(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return sum(isinstance(node, ast.stmt) for node in ast.walk(function)) - 1


@pytest.mark.parametrize("path", MODULES, ids=NAMES)
def test_a_module_says_what_it_is_for(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text("utf-8")))
    assert path.name not in FORBIDDEN_NAMES


@pytest.mark.parametrize("path", MODULES, ids=NAMES)
def test_functions_are_short_and_take_few_parameters(path: Path) -> None:
    is_command = path.parent.name == "commands"  # there every option is a parameter
    for function in functions(ast.parse(path.read_text("utf-8"))):
        assert statements(function) <= STATEMENTS, function.name
        assert is_command or len(parameters(function)) <= PARAMETERS, function.name


@pytest.mark.parametrize("path", MODULES, ids=NAMES)
def test_no_function_takes_keyword_arguments_that_nobody_named(path: Path) -> None:
    for function in functions(ast.parse(path.read_text("utf-8"))):
        assert function.args.kwarg is None, function.name


@pytest.mark.parametrize("path", MODULES, ids=NAMES)
def test_no_public_signature_says_any(path: Path) -> None:
    for function in functions(ast.parse(path.read_text("utf-8"))):
        if function.name.startswith("_"):
            continue
        named = {node.id for node in ast.walk(function.args) if isinstance(node, ast.Name)}
        returned = {
            node.id for node in ast.walk(function.returns or function.args) if isinstance(node, ast.Name)
        }
        assert "Any" not in named | returned, function.name


def map_of_the_code() -> dict[str, str]:
    """What CONTRIBUTING says of every module and package at the top, by its name."""
    text = (REPOSITORY / "CONTRIBUTING.md").read_text("utf-8")
    drawn = text.partition("```text\nsrc/seealike/\n")[2].partition("\ntests/")[0]
    said: dict[str, str] = {}
    names: list[str] = []
    for line in drawn.splitlines():
        if heading := re.match(r"  ((?:[\w.]+/? )*[\w.]+/?)  ", line):
            names = heading[1].split()
        for name in names:
            said[name] = said.get(name, "") + line
    return said


def test_the_map_of_the_code_shows_every_package_and_what_it_is_made_of() -> None:
    said = map_of_the_code()
    packages = {path.parent.relative_to(PACKAGE) for path in MODULES if path.name == "__init__.py"}
    modules = {path.name for path in PACKAGE.glob("*.py") if not path.name.startswith("_")}
    assert set(said) == modules | {f"{path}/" for path in packages if len(path.parts) == 1}
    for path in packages:
        if len(path.parts) == 2:
            assert f"{path.name}/" in said[f"{path.parts[0]}/"], path


def test_tests_of_units_are_named_after_what_they_test() -> None:
    units = {path.stem.strip("_") for path in PACKAGE.iterdir()}
    for path in (REPOSITORY / "tests" / "unit").glob("test_*.py"):
        assert path.stem.split("_")[1] in units, path.name


def test_no_two_files_of_tests_have_one_name() -> None:
    """They are collected by their names alone: the second would end the run."""
    names = Counter(path.name for path in (REPOSITORY / "tests").rglob("test_*.py"))
    assert [name for name, count in names.items() if count > 1] == []
