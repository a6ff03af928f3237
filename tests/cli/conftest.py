"""Commands are typed into this process, without a shell."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.commands import Call, Typed

from seealike.cli.main import run


@pytest.fixture
def typed(capfd: pytest.CaptureFixture[str]) -> Call:
    """What a command line prints, and how it ends."""

    def call(*arguments: str | Path) -> Typed:
        code = run([str(argument) for argument in arguments])
        captured = capfd.readouterr()
        return Typed(code, captured.out, captured.err)

    return call
