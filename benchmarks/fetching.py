"""What fetching an encoder costs beside copying its bytes: a file of 372 MB from a server on this machine.

    python -m benchmarks.fetching

The server is a process of its own. A plain copy reads the same address by the standard library and writes
what comes, unchecked; ours hashes, syncs and renames besides.
"""

from __future__ import annotations

import functools
import hashlib
import http.server
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from benchmarks.report import Row
from seealike.encoders.hub.download import fetch
from seealike.encoders.hub.files import Hub, RemoteFile

TITLE = "Fetching an encoder"
SIZE_BYTES, RUNS = 372_000_000, 3
REPOSITORY, REVISION, PATH = "made/model", "0123456789" * 4, "model.onnx"


class _Handler(http.server.SimpleHTTPRequestHandler):
    """Serves a folder, and parts of its files."""

    def do_GET(self) -> None:
        asked = self.headers.get("Range")
        if asked is None:
            super().do_GET()
            return
        start = int(asked.removeprefix("bytes=").rstrip("-"))
        with open(self.translate_path(self.path), "rb") as file:
            size = os.fstat(file.fileno()).st_size
            self.send_response(206)
            self.send_header("Content-Length", str(size - start))
            self.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
            self.end_headers()
            file.seek(start)
            shutil.copyfileobj(file, self.wfile)

    def log_message(self, *_: object) -> None:
        pass


def rows(_: Path, work: Path) -> list[Row]:
    with tempfile.TemporaryDirectory(dir=work) as folder:
        return _measured(Path(folder))


def _measured(folder: Path) -> list[Row]:
    served = folder / "served" / REPOSITORY / "resolve" / REVISION / PATH
    served.parent.mkdir(parents=True)
    block = os.urandom(1 << 20)
    with open(served, "wb") as file:
        file.writelines(block for _ in range(SIZE_BYTES >> 20))
    digest = hashlib.sha256(served.read_bytes()).hexdigest()
    remote = RemoteFile(REPOSITORY, REVISION, PATH, served.stat().st_size, digest)
    command = [sys.executable, "-m", "benchmarks.fetching", "serve", str(folder / "served")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        hub = Hub(f"http://127.0.0.1:{int(server.stdout.readline())}")
        try:
            runs = [_run(hub, remote, folder) for _ in range(RUNS)]
            plain, ours, rest = (statistics.median(taken) for taken in zip(*runs, strict=True))
        finally:
            server.kill()
    rate = remote.bytes / 1e6 / ours if remote.bytes else 0.0
    return [
        Row("a plain copy, nothing checked", f"{plain:.2f} s"),
        Row(
            f"fetched, hashed, synced: {rate:.0f} MB/s",
            f"{ours:.2f} s",
            note=f"{ours / plain:.1f} of the copy",
        ),
        Row("the second half, after a run that was cut in the middle", f"{rest:.2f} s"),
    ]


def _run(hub: Hub, remote: RemoteFile, folder: Path) -> tuple[float, float, float]:
    into = folder / "into"
    shutil.rmtree(into, ignore_errors=True)
    into.mkdir()
    started = time.perf_counter()
    with urllib.request.urlopen(hub.url(remote)) as answer, open(into / "plain", "wb") as file:
        shutil.copyfileobj(answer, file)
    plain = time.perf_counter() - started
    (into / "plain").unlink()
    started = time.perf_counter()
    fetch([remote], str(into), hub=hub)
    ours = time.perf_counter() - started
    whole = into / PATH
    os.truncate(whole, whole.stat().st_size // 2)
    whole.rename(into / f"{remote.sha256}.part")
    started = time.perf_counter()
    fetch([remote], str(into), hub=hub)
    return plain, ours, time.perf_counter() - started


def serve(folder: str) -> None:
    """Serve a folder until the process is killed; the port is printed."""
    handler = functools.partial(_Handler, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        print(server.server_address[1], flush=True)
        server.serve_forever()


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        serve(sys.argv[2])
    else:
        for row in rows(Path(), Path()):
            print(row)
