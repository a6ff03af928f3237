"""The pages that ``seealike help`` shows: how-to pages and overviews, as text for a terminal.

An installed package has them beside its modules; a checkout has them where they are written.
"""

from __future__ import annotations

import os
import re

import seealike

_FIRST, _LAST = ("tutorial",), ("recipes", "how-it-works", "cli", "api")
# What the options of a command point to.
MORE = {
    "demo": ("tutorial",),
    "index": ("tables", "keep-up-to-date", "skipped-files"),
    "embed": ("many-machines", "tables", "skipped-files"),
    "search": ("scores", "filters", "other-programs", "text-search"),
    "recommend": ("similar-items", "filters", "several-examples", "other-programs"),
    "duplicates": ("duplicates", "scores"),
    "ls": ("skipped-files", "other-programs"),
    "verify": ("recover",),
    "encoders": ("stronger-encoder", "own-encoder", "timm-models"),
    "reindex": ("change-encoder",),
    "eval": ("evaluate", "thing-or-cloth"),
    "compare": ("compare-encoders", "thing-or-cloth"),
    "calibrate": ("scores",),
    "map": ("map",),
    "publish": ("scale",),
    "train": ("train",),
}
_BLOCK = re.compile(r"^ *```.*?^ *```$", re.MULTILINE | re.DOTALL)
_COMMENT = re.compile(r"<!--.*?-->\n?", re.DOTALL)
_LINK = re.compile(r"!?\[(?P<text>(?:[^\]\[]|\[[^\]]*\])*)\]\((?P<target>[^)\s]+)\)")


def topics() -> dict[str, str]:
    """The file of every page by its topic, in the order in which to read them."""
    package = os.path.dirname(seealike.__file__)
    installed = os.path.join(package, "help")
    root = installed if os.path.isdir(installed) else os.path.join(package, os.pardir, os.pardir, "docs")
    overviews, how_to = _files(root), _files(os.path.join(root, "how-to"))
    first = {name: overviews[name] for name in _FIRST}
    return {**first, **how_to, **{name: overviews[name] for name in _LAST}}


def _files(folder: str) -> dict[str, str]:
    """The files of a folder by their names without what these end in."""
    return {os.path.splitext(name)[0]: os.path.join(folder, name) for name in sorted(os.listdir(folder))}


def title_of(file: str) -> str:
    """The heading of a page."""
    with open(file, encoding="utf-8") as stream:
        return stream.readline().lstrip("# ").strip()


def read_page(file: str) -> str:
    """A page without comments, whose links say what to type instead."""
    with open(file, encoding="utf-8") as stream:
        text = stream.read()
    known = topics()
    parts: list[str] = []
    end = 0
    for block in _BLOCK.finditer(text):
        parts += [_plain(text[end : block.start()], known), block[0]]
        end = block.end()
    return "".join([*parts, _plain(text[end:], known)])


def _plain(text: str, known: dict[str, str]) -> str:
    def spelt_out(link: re.Match[str]) -> str:
        page = os.path.splitext(os.path.basename(link["target"].partition("#")[0]))[0]
        if "://" in link["target"]:
            return f"{link['text']} ({link['target']})"
        return f"{link['text']} (`seealike help {page}`)" if page in known else link["text"]

    return _LINK.sub(spelt_out, _COMMENT.sub("", text))
