"""Small maps for tests, made without any layout library."""

from __future__ import annotations

import base64
import io
import json
import re
from typing import Any

import numpy as np
from PIL import Image

from seealike.maps import Map, MapOptions, Tiles

HOSTILE = (
    "</script><script>alert(1)</script>.jpg",
    "<!-- <script> .jpg",
    "\"><img src=x onerror='alert(1)'>.jpg",
    "line\nbreak\tand\rreturn.jpg",
    "\u202egpj.exe",
    '=1+1,"quoted".jpg',
    "Ünïcode/写真 🧥.jpg",
    "x" * 300 + ".jpg",
)


def drawn_map(n: int, *, labels: int = 3, total: int | None = None, hostile: bool = False) -> Map:
    """``n`` items on a spiral, ``labels`` labels in turn (every seventh item has none; 0: no labels)."""
    number = np.arange(n)
    angle = number * 2.4
    places = np.stack([np.sqrt(number) * np.cos(angle), np.sqrt(number) * np.sin(angle)], axis=1)
    names = [f"item-{row:05}.jpg" for row in range(n)]
    if hostile:
        names[: len(HOSTILE)] = HOSTILE
    kinds = ["shirt </script>", "Schuh & Co", "plain", *(f"kind {kind}" for kind in range(3, labels))][
        :labels
    ]
    return Map(
        ids=tuple(names),
        positions=places.astype(np.float32),
        clusters=(number % 4).astype(np.int64),
        labels=tuple(None if row % 7 == 6 else kinds[row % labels] for row in range(n)) if labels else (),
        paths=(None,) * n,
        near=(number[:, None] + np.arange(1, min(n, 5))) % max(n, 1),
        total=n if total is None else total,
        encoder="fake",
        options=MapOptions(label="kind" if labels else None),
    )


def tile(colour: tuple[int, int, int], size: tuple[int, int] = (30, 40)) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, colour).save(out, "WEBP")
    return out.getvalue()


def drawn_tiles(rows: range) -> Tiles:
    """A picture of its own colour for each row."""
    return Tiles(40, {row: tile((row * 7 % 256, row * 13 % 256, row * 29 % 256)) for row in rows})


class Page:
    """What a page holds, read from its text by other means than the page's own."""

    def __init__(self, html: str) -> None:
        pattern = r'<script type="(application/json|text/plain)" id="([\w-]+)">(.*?)</script>'
        blocks = {name: (kind, text) for kind, name, text in re.findall(pattern, html, re.DOTALL)}
        self.text = {name: text for name, (kind, text) in blocks.items() if kind == "application/json"}
        self.bytes = {
            name: base64.b64decode(text) for name, (kind, text) in blocks.items() if kind == "text/plain"
        }

    def json(self, name: str) -> Any:  # noqa: ANN401 - whatever is there
        return json.loads(self.text[name])

    def array(self, name: str, kind: str) -> np.ndarray:
        return np.frombuffer(self.bytes[name], kind)
