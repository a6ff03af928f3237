"""The page about serving: every request on it is made, and answered."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.docs.markdown import REPOSITORY, blocks
from tests.service.processes import serving, wait_until_ready

from seealike.cli.main import run
from seealike.demo.drawing import catalogue
from seealike.demo.drawing.plan import Photo

pytestmark = [
    pytest.mark.heavy,  # it draws and indexes the sample shop
    pytest.mark.enable_socket,
    pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not here"),
    pytest.mark.skipif(sys.platform == "win32", reason="the page shows commands of a POSIX shell"),
]
ADDRESS = "http://127.0.0.1:8765"


def test_the_page_about_serving_can_be_followed(
    tmp_path: Path, kept_drawings: Callable[[Photo], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(catalogue, "_encoded", kept_drawings)
    assert run(["demo", "--quiet"]) == 0
    shutil.copy(next(Path("seealike-demo").rglob("bag-104*.jpg")), "photo.jpg")
    page = [*blocks((REPOSITORY / "docs/how-to/serve.md").read_text("utf-8"))]
    typed = [line[2:] for one in page if one.language == "console" for line in one.text.splitlines()]
    requests = [line for line in typed if line.startswith("curl ")]
    assert len(requests) >= 7
    with serving(tmp_path / "seealike-demo") as (_, port):
        wait_until_ready(port)
        here = f"http://127.0.0.1:{port}"
        for request in requests:
            done = subprocess.run(
                [
                    "bash",
                    "-c",
                    request.replace("curl ", "curl -sS --fail-with-body ", 1).replace(ADDRESS, here),
                ],
                capture_output=True,
                check=False,
                text=True,
            )
            assert done.returncode == 0, (request, done.stdout, done.stderr)
            answer = json.loads(done.stdout)
            assert "hits" not in answer or answer["hits"]
        (code,) = (one.text for one in page if one.language == "python")
        done = subprocess.run(
            [sys.executable, "-c", code.replace(ADDRESS, here)], capture_output=True, check=True, text=True
        )
        assert len(done.stdout.splitlines()) == 4
