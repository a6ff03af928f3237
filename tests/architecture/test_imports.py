"""What is loaded when, and that the stages of the pipeline stay apart."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from tests.architecture.fresh import said

REPOSITORY = Path(__file__).resolve().parents[2]
HEAVY = ["torch", "timm", "openvino", "faiss", "click", "pyarrow", "pillow_heif", "simplejpeg", "tqdm", "PIL"]
LOADED = "import json, sys; print(json.dumps([name for name in sys.argv[1:] if name in sys.modules]))"


def test_importing_seealike_loads_no_heavy_library() -> None:
    assert said(f"import seealike; {LOADED}", *HEAVY) == []


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["index", "--help"], ["search", "--help"]])
def test_asking_for_help_loads_neither_runtime_nor_index(arguments: list[str]) -> None:
    heavy = ["torch", "timm", "openvino", "faiss", "pyarrow", "simplejpeg"]
    code = f"from seealike.cli.main import run; assert run({arguments!r}) == 0; {LOADED}"
    assert said(code, *heavy) == []


def test_the_environment_is_not_read_on_import() -> None:
    code = (
        "import os, json\n"
        "read = []\n"
        "class Watched(dict):\n"
        "    def __getitem__(self, name): read.append(name); return super().__getitem__(name)\n"
        "    def get(self, name, default=None): read.append(name); return super().get(name, default)\n"
        "os.environ = Watched(os.environ)\n"
        "import seealike, seealike.cli.main, seealike.cli.commands.search\n"
        "print(json.dumps([name for name in read if name.startswith('SEEALIKE')]))"
    )
    assert said(code) == []


def test_the_import_contracts_hold() -> None:
    program = Path(sysconfig.get_path("scripts")) / (
        "lint-imports.exe" if os.name == "nt" else "lint-imports"
    )
    if not program.exists():
        pytest.skip("import-linter is not installed")
    done = subprocess.run(
        [program, "--no-cache"], cwd=REPOSITORY, capture_output=True, text=True, timeout=500, check=False
    )
    assert done.returncode == 0, done.stdout


def test_no_module_imports_multiprocessing_or_pickle_even_late() -> None:
    for path in sorted((REPOSITORY / "src").rglob("*.py")):
        lines = [line.strip() for line in path.read_text("utf-8").splitlines()]
        assert not [line for line in lines if line.startswith(("import multiprocessing", "import pickle"))], (
            path
        )


def test_this_interpreter_is_one_that_is_supported() -> None:
    assert sys.version_info >= (3, 11)
