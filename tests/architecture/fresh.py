"""Python code in a fresh interpreter, and what it prints as JSON."""

from __future__ import annotations

import json
import os
import subprocess
import sys


def said(code: str, *arguments: str, environment: dict[str, str] | None = None) -> object:
    """Run code; returns the JSON of the last line it prints."""
    done = run(code, *arguments, environment=environment)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def run(
    code: str, *arguments: str, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run code in an interpreter of its own."""
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=500,
        check=False,
    )
