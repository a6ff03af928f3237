"""A headless Chromium that a test can look at a page with, driven by its DevTools protocol over a pipe."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PHONE, DESK = (390, 844), (1280, 860)
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# The protocol's pipe is expected at the descriptors 3 and 4.
_WITH_PIPE = """
import fcntl, os, sys
ours = [fcntl.fcntl(int(number), fcntl.F_DUPFD, 20) for number in sys.argv[1:3]]
for descriptor, wanted in zip(ours, (3, 4)):
    os.dup2(descriptor, wanted, inheritable=True)
os.execv(sys.argv[3], sys.argv[3:])
"""


def chromium() -> str | None:
    """The program, where there is one that can be driven over a pipe."""
    if sys.platform == "win32":
        return None
    return next((found for found in map(shutil.which, NAMES) if found), None)


class Browser:
    """One page in one browser."""

    def __init__(self, process: subprocess.Popen[bytes], read: int, write: int) -> None:
        self._process, self._read, self._write = process, read, write
        self._number, self._buffer, self._session = 0, b"", ""
        self.problems: list[str] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: object) -> dict[str, Any]:
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']['message']}")
                result: dict[str, Any] = answer["result"]
                return result

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            part = os.read(self._read, 1 << 20)
            if not part:
                raise RuntimeError("the browser has ended")
            self._buffer += part
        line, _, self._buffer = self._buffer.partition(b"\0")
        message: dict[str, Any] = json.loads(line)
        self._note(message)
        return message

    def _note(self, message: dict[str, Any]) -> None:
        """Keep what the page complains about, and every address it asks for."""
        parameters = message.get("params", {})
        if message.get("method") == "Runtime.exceptionThrown":
            details = parameters["exceptionDetails"]
            self.problems.append(str(details.get("exception", details).get("description", details)))
        if message.get("method") == "Log.entryAdded" and parameters["entry"]["level"] == "error":
            self.problems.append(parameters["entry"]["text"])
        if message.get("method") == "Network.requestWillBeSent":
            address = parameters["request"]["url"]
            if not address.startswith(("file:", "data:", "blob:", "about:")):
                self.problems.append(f"asked for {address}")

    def open(self, page: Path, part: str = "", *, timeout_s: float = 200.0) -> None:
        """Open the page of a map."""
        self.show(page, part, timeout_s=timeout_s)
        self.wait_for("!!globalThis.seealikeMap", timeout_s=timeout_s)

    def show(self, page: Path, part: str = "", *, timeout_s: float = 200.0) -> None:
        """Open any page, and wait until it is there."""
        self.call("Page.navigate", url="about:blank")
        self.call("Page.navigate", url=page.resolve().as_uri() + part)
        there = "document.readyState === 'complete' && location.protocol === 'file:'"
        self.wait_for(there, timeout_s=timeout_s)

    def show_written(self, page: Path, text: str, size: tuple[int, int]) -> None:
        """Write a page and open it on a screen of this size, with nothing to complain about yet."""
        page.write_bytes(text.encode("utf-8", "backslashreplace"))
        self.problems.clear()
        self.look(width=size[0], height=size[1])
        self.show(page)

    def value(self, script: str) -> Any:  # noqa: ANN401 - whatever the script gives
        """What a script's last expression gives, promises awaited."""
        result = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in result:
            raise RuntimeError(str(result["exceptionDetails"]["exception"].get("description")))
        return result["result"].get("value")

    def wait_for(self, condition: str, *, timeout_s: float = 200.0) -> None:
        until = time.monotonic() + timeout_s
        while not self.value(condition):
            if time.monotonic() > until:
                raise TimeoutError(f"{condition}; {self.problems}")
            time.sleep(0.05)

    def mouse(self, kind: str, x: float, y: float, *, modifiers: int = 0, held: bool = True) -> None:
        """``mousePressed``, ``mouseMoved`` or ``mouseReleased``; modifiers: 2 is Ctrl, 8 is Shift."""
        self.call(
            "Input.dispatchMouseEvent",
            type=kind,
            x=x,
            y=y,
            button="left" if held else "none",
            buttons=1 if held and kind != "mouseReleased" else 0,
            clickCount=1,
            modifiers=modifiers,
        )

    def key(self, name: str) -> None:
        text = {"Enter": "\r"}.get(name, name if len(name) == 1 else "")
        self.call("Input.dispatchKeyEvent", type="keyDown", key=name, text=text)
        self.call("Input.dispatchKeyEvent", type="keyUp", key=name)

    def look(self, *, width: int, height: int, dark: bool = False, ratio: float = 1.0) -> None:
        """Be a screen of another size or scheme."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=ratio,
            mobile=width < 600,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])

    def screenshot(self, path: Path) -> None:
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))


@contextmanager
def browsing(
    program: str, *, width: int = 1280, height: int = 860, flags: Sequence[str] = ()
) -> Iterator[Browser]:
    """A browser with an empty page, ended afterwards."""
    to_browser, our_write = os.pipe()
    our_read, from_browser = os.pipe()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = [
            program,
            "--headless=new",
            "--no-sandbox",
            "--no-first-run",
            "--disable-extensions",
            "--disable-background-networking",
            "--disable-dev-shm-usage",
            "--enable-unsafe-swiftshader",
            "--hide-scrollbars",
            "--remote-debugging-pipe",
            f"--user-data-dir={profile}",
            *flags,
        ]
        process = subprocess.Popen(
            [sys.executable, "-c", _WITH_PIPE, str(to_browser), str(from_browser), *command],
            pass_fds=(to_browser, from_browser),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_browser)
        os.close(from_browser)
        try:
            browser = Browser(process, our_read, our_write)
            browser.look(width=width, height=height)
            yield browser
        finally:
            process.terminate()
            process.wait(20)
            os.close(our_read)
            os.close(our_write)
