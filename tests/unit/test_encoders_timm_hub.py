"""Weights by name, from a hub on this machine: the real client, in a process of its own."""

from __future__ import annotations

import hashlib
import http.server
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.timm_weights import made_state, save_made

NAME = "test_resnet"
REPOSITORY = "timm/test_resnet.r160_in1k"
ASK = """
import json, sys
from seealike.encoders.spec import parse_spec
from seealike.encoders.timm.record import timm_record
from seealike.errors import EncoderError
try:
    record = timm_record(parse_spec(sys.argv[1]), sys.argv[2])
    sha256 = record.identity.weights_sha256
    print(json.dumps({"sha256": sha256, "source": record.source, "licence": record.licence}))
except EncoderError as error:
    print(json.dumps({"error": str(error)}))
"""
pytestmark = [pytest.mark.torch, pytest.mark.enable_socket]


@dataclass
class Hub:
    """What the hub holds, and what was asked of it. ``spoilt``: how many answers to spoil."""

    files: dict[str, bytes]
    spoilt: int = 0
    asked: list[str] = field(default_factory=list)
    url: str = ""


@contextmanager
def serving(hub: Hub) -> Iterator[Hub]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *arguments: object) -> None:
            pass

        def do_HEAD(self) -> None:
            self._answer(body=False)

        def do_GET(self) -> None:
            self._answer(body=True)

        def _answer(self, *, body: bool) -> None:
            hub.asked.append(f"{self.command} {self.path}")
            name = self.path.partition("?")[0].rpartition("/")[2]
            content = hub.files.get(name) if self.path.startswith(f"/{REPOSITORY}/resolve/") else None
            if content is None:
                self.send_response(404)
                self.send_header("X-Error-Code", "EntryNotFound")
                self.send_header("X-Repo-Commit", "c" * 40)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_response(200)
            self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
            self.send_header("X-Repo-Commit", "c" * 40)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if body:
                if hub.spoilt > 0:
                    hub.spoilt -= 1
                    content = content[:-9] + bytes(9)
                self.wfile.write(content)

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def ask(folder: Path, endpoint: str, text: str = f"timm:{NAME}", **extra: str) -> dict[str, str]:
    environment = {
        **{name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")},
        "HF_ENDPOINT": endpoint,
        "HF_HOME": str(folder / "hub"),
        "HF_HUB_DISABLE_XET": "1",
        **extra,
    }
    command = [sys.executable, "-W", "error::ResourceWarning", "-c", ASK, text, str(folder / "cache")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=500, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == "", "libraries talk to the user"
    found: dict[str, str] = json.loads(done.stdout)
    assert "\n" not in found.get("error", "")
    return found


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return save_made(NAME, tmp_path_factory.mktemp("weights")).read_bytes()


def test_weights_are_downloaded_once_and_named_by_their_digest(content: bytes, tmp_path: Path) -> None:
    with serving(Hub({"model.safetensors": content})) as hub:
        found = ask(tmp_path, hub.url)
        assert found["sha256"] == hashlib.sha256(content).hexdigest()
        assert REPOSITORY in found["source"]
        assert found["licence"] == "apache-2.0"
        asked = len(hub.asked)
        assert ask(tmp_path, hub.url) == found
        assert ask(tmp_path, hub.url, f"timm:{NAME}?layer=layer2")["sha256"] == found["sha256"]
        assert len(hub.asked) == asked, "what is on this machine is asked for again"
    gone = "http://127.0.0.1:9"
    assert ask(tmp_path, gone)["sha256"] == found["sha256"]
    assert ask(tmp_path, gone, f"timm:{NAME}?layer=layer1", HF_HUB_OFFLINE="1")["sha256"] == found["sha256"]


def test_a_repository_with_a_checkpoint_alone_will_do(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    file = tmp_path / "w.bin"
    torch.save(made_state(NAME), file)
    with serving(Hub({"pytorch_model.bin": file.read_bytes()})) as hub:
        assert ask(tmp_path, hub.url)["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()


def test_a_spoilt_download_is_fetched_again(content: bytes, tmp_path: Path) -> None:
    with serving(Hub({"model.safetensors": content}, spoilt=1)) as hub:
        assert ask(tmp_path, hub.url)["sha256"] == hashlib.sha256(content).hexdigest()
        assert sum(line.startswith(f"GET /{REPOSITORY}/resolve/") for line in hub.asked) == 2


def test_a_download_that_stays_spoilt_is_refused(content: bytes, tmp_path: Path) -> None:
    with serving(Hub({"model.safetensors": content}, spoilt=9)) as hub:
        assert "are damaged" in ask(tmp_path, hub.url)["error"]
    assert not list((tmp_path / "cache").rglob("*.onnx"))


def test_a_hub_without_the_model_is_one_line(tmp_path: Path) -> None:
    with serving(Hub({})) as hub:
        assert "no model.safetensors and no pytorch_model.bin" in ask(tmp_path, hub.url)["error"]


@pytest.mark.parametrize("offline", ["", "1"])
def test_without_network_and_without_a_file_one_line_says_both_ways(offline: str, tmp_path: Path) -> None:
    error = ask(tmp_path, "http://127.0.0.1:9", HF_HUB_OFFLINE=offline)["error"]
    assert "connect to the network once, or give them with weights=FILE" in error
    assert f"no weights for {NAME} on this machine" in error
