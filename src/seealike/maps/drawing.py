"""A map as a picture for print."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from seealike.catalog.outputs.kinds import DRAWING_SOFTWARE
from seealike.errors import MissingExtraError
from seealike.maps.colours import NONE_LIGHT, palette
from seealike.maps.kinds import NONE, Kinds, kinds_of
from seealike.maps.tiles import Tiles, spread_order
from seealike.maps.value import Map
from seealike.wording import counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LEGEND_LINES = 24
_NAME_LENGTH = 28
_PICTURE_SHARE = 1 / 22  # of the map's width


@dataclass(frozen=True, slots=True)
class DrawingOptions:
    """How to draw.

    Args:
        side_in: the side of the square map, in inches.
        resolution_dpi: pixels an inch.
        legend: whether to list what the colours mean.
    """

    side_in: float = 6.5
    resolution_dpi: int = 300
    legend: bool = True


def draw_map(made: Map, tiles: Tiles = Tiles(), *, options: DrawingOptions = DrawingOptions()) -> bytes:
    """Return a PNG: points coloured by label, or by cluster where there are no labels, with a legend.

    Args:
        made: the map.
        tiles: pictures to lay over the points, as many as there is room for without one hiding another.
        options: size and resolution.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingExtraError("a drawing", "map") from None
    kinds = kinds_of(made)[0]
    figure = Figure(figsize=(options.side_in, options.side_in), dpi=options.resolution_dpi)
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.set_axis_off()
    axes.set_aspect("equal")
    if len(made):
        _points(axes, made, kinds)
        span = _frame(axes, made)
        _pictures(axes, made, tiles, kinds, span)
    if options.legend and len(made):
        _legend(axes, kinds)
    out = io.BytesIO()
    figure.savefig(
        out,
        format="png",
        bbox_inches="tight",
        pad_inches=0.08,
        facecolor="white",
        metadata={"Software": DRAWING_SOFTWARE},
    )
    return out.getvalue()


def _colours(kinds: Kinds) -> list[str]:
    """The colour of every item."""
    known = palette(dark=False)
    return [NONE_LIGHT if number == NONE else known[number % len(known)] for number in kinds.numbers]


def _points(axes: Axes, made: Map, kinds: Kinds) -> None:
    order = np.random.default_rng(made.options.seed).permutation(len(made))  # no kind on top of all others
    area = min(40.0, max(0.5, 16_000 / len(made)))  # square points
    colours = np.array(_colours(kinds))[order]
    x, y = made.positions[order].T
    axes.scatter(
        x, y, s=area, c=colours, linewidths=0, alpha=0.9 if len(made) < 20_000 else 0.6, rasterized=True
    )


def _frame(axes: Axes, made: Map) -> float:
    """A square around the points; its side."""
    half = float(np.abs(made.positions).max()) * 1.03 or 1.0
    axes.set_xlim(-half, half)
    axes.set_ylim(-half, half)
    return 2 * half


def _pictures(axes: Axes, made: Map, tiles: Tiles, kinds: Kinds, span: float) -> None:
    """Pictures where there is room: each in a cell of its own, so that none hides another."""
    from matplotlib.patches import Rectangle
    from PIL import Image

    side = span * _PICTURE_SHARE
    colours = _colours(kinds)
    taken: set[tuple[int, int]] = set()
    for row in map(int, spread_order(made, made.options.seed)):
        x, y = (float(value) for value in made.positions[row])
        cell = (math.floor(x / side), math.floor(y / side))
        if row not in tiles.pictures or cell in taken:
            continue
        taken.add(cell)
        with Image.open(io.BytesIO(tiles.pictures[row])) as picture:
            pixels = np.asarray(picture.convert("RGB"))
        scale = 0.86 * side / max(pixels.shape[:2])
        width, height = pixels.shape[1] * scale, pixels.shape[0] * scale
        left, bottom = (cell[0] + 0.5) * side - width / 2, (cell[1] + 0.5) * side - height / 2
        axes.imshow(pixels, extent=(left, left + width, bottom, bottom + height), zorder=3, aspect="equal")
        frame = Rectangle(
            (left, bottom), width, height, fill=False, edgecolor=colours[row], linewidth=1.1, zorder=4
        )
        axes.add_patch(frame)
    _frame(axes, made)


def _legend(axes: Axes, kinds: Kinds) -> None:
    from matplotlib.lines import Line2D

    known = palette(dark=False)
    shown = list(zip(kinds.names, kinds.counts, strict=True))[:_LEGEND_LINES]
    lines = [
        (f"{_short(name)} ({count:,})" if name else counted(count, "picture"), known[number % len(known)])
        for number, (name, count) in enumerate(shown)
    ]
    none = int((kinds.numbers == NONE).sum())
    if none:
        lines.append((f"no {kinds.title} ({none:,})", NONE_LIGHT))
    if len(kinds.names) > len(shown):
        lines.append((f"and {len(kinds.names) - len(shown):,} more", "#ffffff"))
    marks = [Line2D([], [], marker="o", linestyle="", color=colour, markersize=5) for _, colour in lines]
    legend = axes.legend(
        marks,
        [text for text, _ in lines],
        loc="center left",
        bbox_to_anchor=(1.01, 0.5),
        frameon=False,
        fontsize=8,
        handletextpad=0.3,
        title=_short(kinds.title),
        title_fontsize=8.5,
    )
    legend.set_gid("legend")
    for text in legend.get_texts():
        text.set_parse_math(False)
    legend.get_title().set_parse_math(False)


def _short(text: str) -> str:
    printable = "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)
    return printable if len(printable) <= _NAME_LENGTH else f"{printable[: _NAME_LENGTH - 1]}…"
