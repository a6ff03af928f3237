"""Runs the blocks of a page as a reader would: commands in a shell, Python in one interpreter, in order."""

from __future__ import annotations

import contextlib
import doctest
import io
import os
import re
import shlex
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.docs.markdown import Block

from seealike.cli.main import run

TIMEOUT_S = 500
_FOR_THE_SHELL = re.compile(r"[|&;<>$*?\[\]{}()'\"\\\n]")
_QUOTED_OR_NUMBER = re.compile(r"""(?P<quoted>(?<!\w)(['"]).*?\2(?!\w))|\d+(,\d{3})*(\.\d+)?""")
_DOCTEST_OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


@dataclass(frozen=True, slots=True)
class Typed:
    """A command of a ``console`` block, and the output the page shows (empty: none is promised)."""

    command: str
    shown: str


def commands(text: str) -> Iterator[Typed]:
    """Yield the commands of a ``console`` block: lines after ``$ ``, continued after a backslash."""
    command: list[str] = []
    shown: list[str] = []
    for line in text.splitlines():
        if command and command[-1].endswith("\\") and not shown:
            command.append(line.removeprefix("> "))
        elif line.startswith("$ "):
            if command:
                yield Typed("\n".join(command), "\n".join(shown).strip())
            command, shown = [line[2:]], []
        else:
            shown.append(line)
    if command:
        yield Typed("\n".join(command), "\n".join(shown).strip())


class Reader:
    """Somebody who follows a page inside a folder and types everything it says."""

    def __init__(self, folder: Path, environment: dict[str, str], timeout_s: float = TIMEOUT_S) -> None:
        self._folder = folder
        self._timeout_s = timeout_s
        self._environment = environment
        self._names: dict[str, object] = {"__name__": "__main__"}

    def follow(self, block: Block) -> None:
        """Do what one block says.

        Raises:
            AssertionError: it ended otherwise, or printed something else, than the page says.
        """
        if block.language == "console":
            for typed in commands(block.text):
                self._type(typed, block.exit_code)
        elif block.text.lstrip().startswith(">>>"):
            self._session(block)
        else:
            code = compile(block.text, f"line {block.line}", "exec")
            exec(code, self._names)

    def _type(self, typed: Typed, exit_code: int) -> None:
        plain = typed.command.startswith("seealike ") and not _FOR_THE_SHELL.search(typed.command)
        code, printed = (_called if plain else self._in_a_shell)(typed.command)
        said = f"$ {typed.command}\n{printed}"
        assert code == exit_code, f"exit code {code}, not {exit_code}\n{said}"
        if typed.shown:
            assert alike(typed.shown, printed), f"the page shows\n{typed.shown}\nbut it is\n{said}"

    def _in_a_shell(self, command: str) -> tuple[int, str]:
        done = subprocess.run(
            command,
            shell=True,
            cwd=self._folder,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            encoding="utf-8",
            timeout=self._timeout_s,
            check=False,
        )
        return done.returncode, done.stdout

    def _session(self, block: Block) -> None:
        parser = doctest.DocTestParser()
        test = parser.get_doctest(textwrap.dedent(block.text), self._names, "page", None, block.line)
        said: list[str] = []
        runner = doctest.DocTestRunner(optionflags=_DOCTEST_OPTIONS, verbose=False)
        runner.run(test, out=said.append, clear_globs=False)
        self._names.update(test.globs)
        assert not runner.failures, "".join(said)


def _called(command: str) -> tuple[int, str]:
    """A ``seealike`` command without the start of another interpreter, which would take most of the time."""
    printed = io.BytesIO()
    terminal = io.TextIOWrapper(printed, encoding="utf-8", write_through=True)
    with contextlib.redirect_stdout(terminal), contextlib.redirect_stderr(terminal):
        code = run(shlex.split(command)[1:])
    terminal.flush()
    return code, printed.getvalue().decode("utf-8")


def alike(shown: str, printed: str) -> bool:
    """Whether a page's output is what was printed, but for numbers, spacing, and what ``…`` stands for.

    Numbers in quotes are compared: they repeat what was typed. A line of ``…`` alone stands for any lines,
    and ``…`` inside a line for any text.
    """
    pattern = ""
    for line in _normalised(shown):
        if line == "…":
            pattern += "(?:.*\n)*?"
        else:
            pattern += ".*?".join(re.escape(part) for part in line.split("…")) + "\n"
    return re.fullmatch(pattern, "".join(line + "\n" for line in _normalised(printed))) is not None


def _normalised(text: str) -> list[str]:
    def without_numbers(line: str) -> str:
        return _QUOTED_OR_NUMBER.sub(lambda found: found["quoted"] or "#", line)

    lines = (" ".join(without_numbers(line).split()) for line in text.strip().splitlines())
    return [line for line in lines if line]


def reader_environment(cache: Path) -> dict[str, str]:
    """The environment of somebody who has just installed seealike."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SEEALIKE_")}
    programs = os.path.dirname(sys.executable)
    return {
        **kept,
        "PATH": programs + os.pathsep + os.environ.get("PATH", ""),
        "SEEALIKE_CACHE": str(cache),
        "PYTHONWARNINGS": "error",
        "PYTHONUTF8": "1",
        "COLUMNS": "100",
    }
