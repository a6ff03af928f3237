"""Docstring examples run, and the public API is documented."""

from __future__ import annotations

import doctest
import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import seealike

NOT_INSTALLED = ("grpc", "pymilvus")  # by `make test`


def modules() -> Iterator[ModuleType]:
    for name in (
        "seealike",
        *(found.name for found in pkgutil.walk_packages(seealike.__path__, "seealike.")),
    ):
        if not name.endswith("__main__"):
            try:
                yield importlib.import_module(name)
            except ModuleNotFoundError as exc:
                assert exc.name in NOT_INSTALLED  # noqa: PT017


EXAMPLES = [test for module in modules() for test in doctest.DocTestFinder().find(module) if test.examples]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_a_docstring_example_does_what_it_shows(
    example: doctest.DocTest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    said: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    runner.run(example, out=said.append)
    assert not runner.failures, "".join(said)


def test_there_is_at_least_one_docstring_example() -> None:
    assert EXAMPLES


@pytest.mark.parametrize("name", [name for name in seealike.__all__ if not name.startswith("_")])
def test_every_public_name_and_method_has_a_docstring(name: str) -> None:
    thing = getattr(seealike, name)
    assert inspect.getdoc(thing)
    if inspect.isclass(thing):
        for method, member in vars(thing).items():
            if not method.startswith("_") and (inspect.isfunction(member) or isinstance(member, property)):
                assert inspect.getdoc(member), f"{name}.{method}"
