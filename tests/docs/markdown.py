"""Reading the Markdown of the repository: its pages, fenced blocks, headings and links.

A block may have one HTML comment right above it, which is an order to the tests and invisible to readers:

    <!-- not run: it needs a disk that is not there -->
    <!-- exit code 1 -->
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
_FENCE = re.compile(r"^(?P<indent> *)```(?P<language>[a-z]*)\s*$")
_MARK = re.compile(r"^\s*<!-- (?P<order>not run: .+|exit code \d+) -->\s*$")
_HEADING = re.compile(r"^#{1,6} (?P<title>.+?)\s*#*$")
_LINK = re.compile(r"!?\[(?:[^\]\[]|\[[^\]]*\])*\]\((?P<target>[^)\s]+)\)")


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block: where it begins, its language, its text, and what the comment above it orders."""

    line: int
    language: str
    text: str
    not_run: str | None = None
    exit_code: int = 0


def pages() -> list[Path]:
    """Every page that people read."""
    tops = [REPOSITORY / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")]
    return [*tops, *sorted((REPOSITORY / "docs").rglob("*.md"))]


def blocks(text: str) -> Iterator[Block]:
    """Yield the fenced blocks of a page, in order."""
    lines = text.splitlines()
    number = 0
    while number < len(lines):
        opened = _FENCE.match(lines[number])
        if opened is None:
            number += 1
            continue
        indent = len(opened["indent"])
        end = next(place for place in range(number + 1, len(lines)) if lines[place].strip() == "```")
        content = "\n".join(line[indent:] for line in lines[number + 1 : end])
        yield _block(number + 1, opened["language"], content, lines[number - 1] if number else "")
        number = end + 1


def _block(line: int, language: str, text: str, above: str) -> Block:
    order = _MARK.match(above)
    if order is None:
        return Block(line, language, text)
    if order["order"].startswith("exit code"):
        return Block(line, language, text, exit_code=int(order["order"].split()[-1]))
    return Block(line, language, text, not_run=order["order"].removeprefix("not run: "))


def prose(text: str) -> str:
    """The page without its fenced blocks and without code spans."""
    kept: list[str] = []
    inside = False
    for line in text.splitlines():
        if line.strip().startswith("```"):
            inside = not inside
        elif not inside:
            kept.append(re.sub(r"`[^`]*`", "", line))
    return "\n".join(kept)


def links(text: str) -> list[str]:
    """The targets of the page's links and pictures."""
    return [found["target"] for found in _LINK.finditer(prose(text))]


def anchors(text: str) -> set[str]:
    """The names its headings can be linked by, as the usual renderers make them."""
    inside = False
    names: set[str] = set()
    for line in text.splitlines():
        if line.strip().startswith("```"):
            inside = not inside
        heading = None if inside else _HEADING.match(line)
        if heading is not None:
            title = re.sub(r"[`*]", "", heading["title"]).lower()
            name = re.sub(r"[^\w\- ]", "", title).replace(" ", "-")
            while name in names:
                name += "-1"
            names.add(name)
    return names
