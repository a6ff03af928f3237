"""A map to one self-contained HTML text: data in blocks of JSON and base64, one script, one style sheet."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from importlib.resources import files

import numpy as np

from seealike.gallery import PageKind
from seealike.gallery.text import escaped
from seealike.maps.colours import NONE_DARK, NONE_LIGHT, palette
from seealike.maps.kinds import Kinds, kinds_of
from seealike.maps.layout import FEW
from seealike.maps.tiles import Tiles
from seealike.maps.value import Map
from seealike.types import Metric
from seealike.wording import counted

CHUNK = 1024  # items whose pictures are in one block
_SCRIPTS = (
    "data",
    "camera",
    "places",
    "points",
    "pictures",
    "scene",
    "selection",
    "legend",
    "search",
    "input",
)
_LAST_SCRIPTS = ("bench", "main")
_MARK = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">'
    '<circle cx="12" cy="16" r="10" fill="#0e7a70"/>'
    '<circle cx="21" cy="16" r="10" fill="#e59a5b" fill-opacity=".85"/></svg>'
)


def render_map_page(made: Map, tiles: Tiles = Tiles(), *, title: str = "Map") -> str:
    """Return the map as HTML that needs no network and no other file. The text is pure ASCII.

    Args:
        made: the map.
        tiles: small pictures of its items; none for a page of points alone.
        title: what the page is called.
    """
    style = _web("map.css")
    script = "\n".join(_web(f"{name}.js") for name in (*_SCRIPTS, *_LAST_SCRIPTS))
    script = f'(() => {{\n"use strict";\n{script}\n}})();'
    ways = kinds_of(made)
    parts = [
        f'<!doctype html>\n<html lang="en">\n{_head(title, style, script)}\n<body>\n',
        _web("body.html"),
        f'<template id="icon">{_MARK}</template>\n',
        _json_block("meta", _meta(made, tiles, ways, title)),
        _json_block("ids", list(made.ids)),
        _block("xy", made.positions.astype("<f4").tobytes()),
        _block("near", _unsigned(made.near)),
        *(_block(f"kind-{at}", _unsigned(way.numbers)) for at, way in enumerate(ways)),
        *_tile_blocks(made, tiles),
        f"<script>{script}</script>\n</body>\n</html>\n",
    ]
    return "".join(parts).encode("ascii", "xmlcharrefreplace").decode("ascii")


def facts_of(made: Map) -> tuple[str, ...]:
    """What a map shows, in a few words."""
    shown = counted(len(made), "picture")
    if made.sampled:
        shown = f"a random {len(made):,} of {counted(made.total, 'picture')}"
    method = made.options.method.written if len(made) > FEW else "principal components"
    return shown, method, made.encoder


def _note(made: Map, tiles: Tiles) -> str:
    """The small print: what the page leaves out, and what near means."""
    notes = []
    if tiles.pictures:
        without = len(made) - len(tiles.pictures)
        if without:
            notes.append(f"{len(tiles.pictures):,} of {len(made):,} points have a picture on this page.")
    elif len(made):
        notes.append("This page holds no pictures.")
    by = "cosine similarity" if made.options.metric is Metric.COSINE else "Euclidean distance"
    notes.append(f"Close together means alike, by {by}; how far apart groups lie means little.")
    return " ".join(notes)


def _meta(made: Map, tiles: Tiles, ways: tuple[Kinds, ...], title: str) -> dict[str, object]:
    return {
        "title": title,
        "facts": facts_of(made),
        "note": _note(made, tiles),
        "total": made.total,
        "near": made.near.shape[1],
        "ways": [{"title": way.title, "names": way.names, "counts": way.counts} for way in ways],
        "light": palette(dark=False),
        "dark": palette(dark=True),
        "none": (NONE_LIGHT, NONE_DARK),
        "tiles": {"count": len(tiles.pictures), "chunk": CHUNK, "type": "image/webp", "side": tiles.side_px},
    }


def _web(name: str) -> str:
    text = (files("seealike.maps") / "web" / name).read_text(encoding="utf-8")
    return text.replace("\r\n", "\n")


def _hash(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode("ascii")).digest()).decode("ascii")


def _head(title: str, style: str, script: str) -> str:
    policy = (
        f"default-src 'none'; img-src data: blob:; style-src 'sha256-{_hash(style)}'; "
        f"script-src 'sha256-{_hash(script)}'; base-uri 'none'; form-action 'none'"
    )
    icon = base64.b64encode(_MARK.encode()).decode("ascii")
    return (
        '<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n<meta name="referrer" content="no-referrer">\n'
        f'<meta name="generator" content="{PageKind.MAP.generator}">\n<title>{escaped(title)}</title>\n'
        f'<link rel="icon" href="data:image/svg+xml;base64,{icon}">\n<style>{style}</style>\n</head>'
    )


def _json_block(name: str, value: object) -> str:
    """A block that no text in it can end."""
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":")).replace("<", "\\u003c")
    return f'<script type="application/json" id="{name}">{text}</script>\n'


def _block(name: str, content: bytes) -> str:
    text = base64.b64encode(content).decode("ascii")
    return f'<script type="text/plain" id="{name}">{text}</script>\n'


def _unsigned(numbers: np.ndarray) -> bytes:
    """Numbers of kinds; none is the largest there is."""
    return numbers.astype(np.int64).astype("<u4").tobytes()


def _tile_blocks(made: Map, tiles: Tiles) -> Iterator[str]:
    """How long each picture is, and the pictures, ``CHUNK`` items in a block."""
    if not tiles.pictures:
        return
    sizes = np.array([len(tiles.pictures.get(row, b"")) for row in range(len(made))], dtype="<u4")
    yield _block("tile-sizes", sizes.tobytes())
    for number, start in enumerate(range(0, len(made), CHUNK)):
        rows = range(start, min(start + CHUNK, len(made)))
        yield _block(f"tiles-{number}", b"".join(tiles.pictures.get(row, b"") for row in rows))
