"""Nothing phones home: neither seealike nor what it loads."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from seealike.encoders import cache

GUARD = """
import sys

def guard(event, arguments):
    if event.startswith(("socket.", "urllib.", "subprocess.", "os.fork", "os.system", "os.exec")):
        sys.stderr.write(f"FORBIDDEN {event} {arguments!r}\\n")
        sys.stderr.flush()
        raise RuntimeError(event)

sys.addaudithook(guard)
"""
ENCODE = """
from seealike.encoders import EncoderMode, load_encoder
from seealike.testing import sample_pixels
for mode in EncoderMode:
    encoder = load_encoder("efficientnet-lite0", mode=mode)
    assert encoder.encode(sample_pixels(5, 224)).shape == (5, 1280)
    encoder.close()
loaded = [name for name, module in sys.modules.items() if module is not None]
unwanted = [name for name in loaded if name.startswith(("openvino_telemetry", "openvino.tools.ovc"))]
assert not unwanted, unwanted
assert not [name for name, module in sys.modules.items() if module is None and "openvino" in name]
"""


def run(code: str, home: Path) -> subprocess.CompletedProcess[str]:
    """Run code in a fresh process whose home is empty, as on a machine that never saw openvino."""
    ours = {"HOME": str(home), "USERPROFILE": str(home), "LOCALAPPDATA": str(home)}
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in {"CI", "SEEALIKE_CACHE", "XDG_CACHE_HOME"}
    }
    return subprocess.run(
        [sys.executable, "-c", code],
        env=kept | ours,
        capture_output=True,
        text=True,
        check=False,
        timeout=500,
    )


def test_loading_and_encoding_opens_no_socket_starts_no_process_and_loads_no_telemetry(
    tmp_path: Path,
) -> None:
    result = run(GUARD + ENCODE, tmp_path)
    assert "FORBIDDEN" not in result.stderr
    assert result.returncode == 0, result.stderr


def test_nothing_but_the_cache_is_written_into_the_home(tmp_path: Path) -> None:
    assert run("import sys\n" + ENCODE, tmp_path).returncode == 0
    written = {path.name for path in tmp_path.rglob("*") if path.is_file()}
    assert len(written) == 2
    assert all(cache.is_ours(name) for name in written)


@pytest.mark.parametrize(
    "call", ["socket.create_connection(('127.0.0.1', 9))", "socket.getaddrinfo('x.invalid', 80)"]
)
def test_the_guard_of_these_tests_notices_a_connection(call: str, tmp_path: Path) -> None:
    assert "FORBIDDEN socket." in run(f"{GUARD}\nimport socket\n{call}", tmp_path).stderr


def test_openvino_that_was_imported_by_somebody_else_is_left_alone(tmp_path: Path) -> None:
    code = """
import sys, types
theirs = types.ModuleType("openvino_telemetry")
sys.modules["openvino_telemetry"] = theirs
from seealike.encoders.onnx.openvino import import_openvino
import_openvino()
assert sys.modules["openvino_telemetry"] is theirs
assert "openvino.tools.ovc" not in sys.modules
"""
    result = run(code, tmp_path)
    assert result.returncode == 0, result.stderr
