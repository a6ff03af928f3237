"""The shape of the code: short functions, few parameters, a docstring in every module."""

from __future__ import annotations

import ast
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
