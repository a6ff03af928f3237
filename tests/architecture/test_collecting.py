"""Every test file is read with only what `make test` installs, whatever else an environment has."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.metadata import entry_points, packages_distributions
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OWN = {"seealike", "pip", "setuptools"}  # every environment has them
COLLECT = """
import sys

import pytest

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in missing:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

missing, plugins = (one.split() for one in sys.argv[1:])
sys.meta_path.insert(0, Missing())
left_out = [one for plugin in ("cacheprovider", *plugins) for one in ("-p", f"no:{plugin}")]
sys.exit(pytest.main(["--collect-only", "-qq", "-m", "", *left_out]))
"""


def test_every_test_is_collected_with_only_what_make_test_installs() -> None:
    missing = _beyond_make_test()
    plugins = [one.name for one in entry_points(group="pytest11") if one.module.partition(".")[0] in missing]
    done = subprocess.run(
        [sys.executable, "-c", COLLECT, " ".join(missing), " ".join(plugins)],
        cwd=ROOT,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


def _beyond_make_test() -> list[str]:
    """The names that can be imported here and that requirements/dev.txt does not bring."""
    locked = (ROOT / "requirements" / "dev.txt").read_text(encoding="utf-8")
    brought = {*re.findall(r"^([\w.-]+)==", locked, re.MULTILINE), *OWN}
    return [
        name
        for name, distributions in packages_distributions().items()
        if not brought & {re.sub(r"[-_.]+", "-", each).lower() for each in distributions}
    ]
