"""Ctrl-C: exit code 130, one line, what was committed stays, the next run goes on."""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

import pytest
from tests.robustness.commands import Command, seen, wait_for
from tests.robustness.herd import Herd

pytestmark = pytest.mark.skipif(os.name == "nt", reason="process groups and SIGINT")

MESSAGE = "seealike: interrupted; what was committed is safe, and the same command goes on from there"


@pytest.fixture
def herd(tmp_path: Path) -> Herd:
    return Herd(tmp_path / "photos", random.Random(3), 150)


def test_ctrl_c_keeps_what_was_committed_and_the_next_run_goes_on(herd: Herd, tmp_path: Path) -> None:
    catalog = tmp_path / "catalog"
    arguments = ("index", str(herd.folder), "--catalog", str(catalog), "--workers", "2")
    first = Command(*arguments, slow_s=1.0)
    wait_for(lambda: len(seen(catalog)) >= 10)
    before = seen(catalog)
    first.interrupt()
    code, out, err = first.finish()
    assert code == 130
    assert out == ""
    assert err.strip() == MESSAGE  # click ends the line of ^C first
    after = seen(catalog)
    assert before.items() <= after.items() <= herd.tags().items()
    assert len(after) < len(herd.files)

    code, out, err = Command(*arguments).finish()
    assert (code, err) == (0, "")
    assert f"added {len(herd.files) - len(after)}  updated 0" in out
    assert seen(catalog) == herd.tags()


@pytest.mark.parametrize("delay_s", [0.05, 0.6])
def test_ctrl_c_at_other_moments_says_one_line_too(herd: Herd, tmp_path: Path, delay_s: float) -> None:
    catalog = tmp_path / "catalog"
    arguments = ("index", str(herd.folder), "--catalog", str(catalog), "--workers", "2")
    command = Command(*arguments, slow_s=1.0)
    wait_for((catalog / "manifest.json").exists)
    time.sleep(delay_s)
    command.interrupt()
    code, _, err = command.finish()
    assert code == 130
    assert err.strip() == MESSAGE
    assert seen(catalog).items() <= herd.tags().items()
