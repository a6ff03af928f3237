"""Somebody who visits the page with a browser, and everything that the page does wrong meanwhile."""

from __future__ import annotations

import base64
import importlib.resources
import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote, urlsplit

from tests.browser import chromium

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Locator, Page, Request

LEAST, MOST = 4, 12  # results that are compared: a telephone has not many in the page at a time
WAIT_MS = 60_000  # machines are slow, loaded, or both
_FLAGS = ("--no-sandbox", "--disable-dev-shm-usage", "--enable-unsafe-swiftshader")
_TAGS = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22a", "wcag22aa")
_TELL_VIOLATIONS = """
document.addEventListener("securitypolicyviolation", (event) =>
  console.error(`policy violated: ${event.violatedDirective} by ${event.blockedURI || event.sourceFile}`));
"""
_SHOWN = """
() => [...document.querySelectorAll("[role=listitem] a.picture")]
  .map((link) => [Number(link.closest("[role=listitem]").ariaPosInSet), new URL(link.href)])
  .sort(([one], [other]) => one - other)
  .map(([, address]) => address.searchParams.get("like").replace(/^id:/, ""))
"""


@dataclass(frozen=True)
class Screen:
    """What somebody looks at."""

    width: int = 1280
    height: int = 860
    dark: bool = False
    touch: bool = False
    still: bool = True  # prefers reduced motion: nothing is looked at while it moves


DESK, PHONE = Screen(), Screen(390, 844, touch=True)


class Visitor:
    """One tab. ``problems`` are what it complains of, errors, violations of its policy, foreign requests."""

    def __init__(self, context: BrowserContext, address: str) -> None:
        self.address, self.context, self.page = address, context, context.new_page()
        self.problems: list[str] = []
        self.requests: list[str] = []
        self._expected: list[str] = []
        self.page.set_default_timeout(WAIT_MS)
        self.page.add_init_script(_TELL_VIOLATIONS)
        self.page.on("console", self._note_console)
        self.page.on("pageerror", lambda error: self.problems.append(f"error: {error}"))
        self.page.on("request", self._note_request)

    def _note_console(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.problems.append(f"{message.text} ({message.location.get('url', '')})")

    def _note_request(self, request: Request) -> None:
        self.requests.append(request.url)
        if not request.url.startswith((f"{self.address}/", f"blob:{self.address}/", "data:", "about:")):
            self.problems.append(f"asked for {request.url}")

    def expects(self, *complaints: str) -> None:
        """Complaints (as regular expressions) that belong to what is tried."""
        self._expected.extend(complaints)

    def unexpected(self) -> list[str]:
        """What nobody expected."""
        return [one for one in self.problems if not any(re.search(said, one) for said in self._expected)]

    def until_noticed(self, said: str) -> None:
        """Wait for a complaint."""
        wait_until(lambda: any(re.search(said, one) for one in self.problems), self.page, said)

    def open(self, part: str = "/") -> None:
        self.page.goto(self.address + part)

    def see(self, found: str | Locator) -> Locator:
        """Wait until it is on the page, and visible."""
        locator = self.page.locator(found) if isinstance(found, str) else found
        locator.first.wait_for()
        return locator

    def until(self, condition: str, given: object = None) -> None:
        """Wait for a JavaScript expression or function to be true.

        It is asked from here: the page's policy lets no page evaluate strings.
        """
        wait_until(lambda: bool(self.page.evaluate(condition, given)), self.page, condition)

    @property
    def said(self) -> list[tuple[str, str]]:
        """What the address says."""
        return parse_qsl(urlsplit(self.page.url).query)

    def shown(self) -> list[str]:
        """The ids of the pictures in the grid, in order, as far as they are near the screen."""
        found: list[str] = self.page.evaluate(_SHOWN)
        return found

    def until_shown(self, expected: Sequence[str]) -> None:
        """Wait until the grid begins with these."""
        assert expected, "an answer without results proves nothing"
        for _ in range(WAIT_MS // 50):
            shown = self.shown()[:MOST]
            if len(shown) >= min(LEAST, len(expected)) and shown == list(expected[: len(shown)]):
                return
            self.page.wait_for_timeout(50)
        assert self.shown() == list(expected)

    def tile(self, item_id: str) -> Locator:
        """One picture of the grid."""
        found: Locator = self.page.locator(f'[role=listitem]:has(a.picture[href*="{quote(item_id)}"])')
        return found

    def violations(self) -> list[str]:
        """What axe finds against WCAG 2.0 to 2.2, A and AA, each with the elements."""
        before = len(self.problems)
        if not self.page.evaluate("!!globalThis.axe"):
            self.page.evaluate(_axe())
        found = self.page.evaluate(
            "(options) => axe.run(document, options)",
            {
                "runOnly": {"type": "tag", "values": list(_TAGS)},
                "rules": {"target-size": {"enabled": True}},
                "resultTypes": ["violations"],
            },
        )
        del self.problems[before:]  # axe's own attempts
        return [
            f"{rule['id']}: {node['target']} {node['failureSummary']}"
            for rule in found["violations"]
            for node in rule["nodes"]
        ]

    def give(self, kind: str, target: str, files: Sequence[tuple[str, str, bytes]], text: str = "") -> None:
        """Dispatch ``drop`` or ``paste`` on an element, with files (name, type, content) or text."""
        self.page.evaluate(
            """([kind, target, files, text]) => {
              const data = new DataTransfer();
              for (const [name, type, content] of files) {
                const bytes = Uint8Array.from(atob(content), (one) => one.charCodeAt(0));
                data.items.add(new File([bytes], name, { type }));
              }
              if (text) data.setData("text/plain", text);
              const place = document.querySelector(target);
              const made = (name) => name === "paste"
                ? new ClipboardEvent(name, { clipboardData: data, bubbles: true, cancelable: true })
                : new DragEvent(name, { dataTransfer: data, bubbles: true, cancelable: true });
              const kinds = kind === "drop" ? ["dragenter", "dragover", "drop"] : [kind];
              for (const name of kinds) place.dispatchEvent(made(name));
            }""",
            [kind, target, [(name, type_, _encoded(content)) for name, type_, content in files], text],
        )


def wait_until(condition: Callable[[], bool], page: Page, what: str) -> None:
    """Ask again and again, letting the page go on, until it is so."""
    for _ in range(WAIT_MS // 50):
        if condition():
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"never came true: {what}")


@contextmanager
def launched(*flags: str) -> Iterator[Browser]:
    """Debian's Chromium, driven by Playwright.

    Raises:
        LookupError: there is none.
    """
    from playwright.sync_api import sync_playwright

    program = chromium()
    if program is None:
        raise LookupError("no Chromium is installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=[*_FLAGS, *flags])
        yield browser
        browser.close()


def context_of(browser: Browser, screen: Screen) -> BrowserContext:
    """A profile of its own, on such a screen."""
    return browser.new_context(
        viewport={"width": screen.width, "height": screen.height},
        color_scheme="dark" if screen.dark else "light",
        has_touch=screen.touch,
        is_mobile=screen.touch,
        reduced_motion="reduce" if screen.still else "no-preference",
        locale="en-GB",
    )


def _axe() -> str:
    source = importlib.resources.files("axe_playwright_python") / "axe.min.js"
    return source.read_text("utf-8")


def _encoded(content: bytes) -> str:
    return base64.b64encode(content).decode()


def as_json(page: Page, address: str) -> Any:  # noqa: ANN401
    """What the service says to the page's own browser."""
    return json.loads(page.request.get(address).text())
