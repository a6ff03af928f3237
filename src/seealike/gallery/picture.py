"""One picture with its caption, as HTML: on a page, and in a strip for pages of others, such as notebooks."""

from __future__ import annotations

import base64
import math
from collections.abc import Sequence

from seealike.gallery.album import Album, media_type
from seealike.gallery.overlay import overlay
from seealike.gallery.page import GalleryPicture, Mark
from seealike.gallery.text import escaped, shortened, visible
from seealike.types import Metric

_NAME_LENGTH = 40
_WORDS_LENGTH = 60
_MARKS = {Mark.RIGHT: "✓", Mark.WRONG: "✕"}
GONE = (
    '<span class="gone"><svg viewBox="0 0 48 48" aria-hidden="true">'
    '<rect x="7" y="10" width="34" height="28" rx="4"/>'
    '<path d="M7 32l10-9 8 7 5-4 11 9M10 42 38 6"/></svg>the file is gone</span>'
)
_STRIP_NAME_LENGTH = 44
_FIGURE = "margin:0;width:160px;font:12px/1.4 system-ui,sans-serif;overflow-wrap:anywhere"
_FRAME = "display:flex;align-items:center;justify-content:center;height:160px"
_QUIET = "opacity:.65"


def figure(picture: GalleryPicture, metric: Metric, album: Album, *, rank: int | None = None) -> str:
    """Return a picture with caption and score.

    Args:
        picture: the picture.
        metric: what its score means.
        album: takes the picture itself.
        rank: counts hits from 1; queries have none.
    """
    lines = [name(picture.caption or picture.id, hint=picture.id)]
    if picture.detail:
        lines.append(f'<span class="detail">{name(picture.detail)}</span>')
    if picture.stands_for:
        lines.append(f'<span class="detail"><bdi class="name">{escaped(picture.stands_for)}</bdi></span>')
    if picture.columns:
        columns = escaped(picture.columns)
        lines.append(f'<span class="detail columns" title="{columns}">{columns}</span>')
    if picture.made_of:
        lines.append(f'<span class="detail">{escaped(picture.made_of)}</span>')
    if picture.score is not None:
        lines.append(score_bar(picture.score, metric))
    if picture.problem:
        lines.insert(-1, f'<span class="detail">not explained: {escaped(picture.problem)}</span>')
    if picture.because is not None:
        inset = _frame(
            picture.because, album, None, spoken=f"why: what {picture.because.caption} has in common"
        )
        lines.insert(0, f'<div class="because"><div class="frame">{inset}</div></div>')
    frame = _frame(picture, album, rank)
    return f'<figure><div class="frame">{frame}</div><figcaption>{"".join(lines)}</figcaption></figure>'


def name(text: str, *, hint: str = "") -> str:
    """Return a name; a long one is shortened, and shown whole to a pointer, to the keyboard and on paper."""
    whole = visible(text)
    short = shortened(whole, _NAME_LENGTH)
    tooltip = f' title="{escaped(hint)}"' if hint and hint != text else ""
    if short == whole:
        return f'<bdi class="name"{tooltip}>{escaped(whole)}</bdi>'
    return (
        f'<bdi class="name long" tabindex="0" title="{escaped(whole)}">'
        f'<span class="short" aria-hidden="true">{escaped(short)}</span>'
        f'<span class="whole">{escaped(whole)}</span></bdi>'
    )


def score_bar(score: float, metric: Metric) -> str:
    """Return a score as a quiet bar and a number."""
    if not math.isfinite(score):
        return '<b class="score">no score</b>'
    share = score if metric is Metric.COSINE else 1.0 + score / 2.0
    filled = round(100 * min(1.0, max(0.0, share)))
    return f'<b class="score s{filled}">{score_text(score)}</b>'


def score_rules() -> str:
    """How far the bar of every class of ``score_bar`` is filled, as CSS."""
    return "\n".join(f".s{filled}{{--filled:{filled}%}}" for filled in range(101))


def score_text(score: float | None) -> str:
    """Return a score as a number: three digits, and never ``-0.000``."""
    return "no score" if score is None or not math.isfinite(score) else f"{round(score, 3) + 0.0:.3f}"


def _frame(picture: GalleryPicture, album: Album, rank: int | None, *, spoken: str = "") -> str:
    """The picture, or what stands for it, with what is written on it."""
    kind = album.name_of(picture.thumbnail)
    who = "Query" if rank is None else f"Result {rank}"
    spoken = escaped(spoken or f"{who}: {picture.caption or picture.id}")
    if picture.words:
        shown = f'<q class="words" dir="auto">{escaped(shortened(visible(picture.words), _WORDS_LENGTH))}</q>'
    elif picture.palette:
        shown = _swatches(picture.palette, spoken)
    elif kind is None:
        shown = GONE
    elif picture.link:
        shown = f'<a class="view" href="{escaped(picture.link)}" aria-label="{spoken}"></a>'
    else:
        shown = f'<span class="view" role="img" aria-label="{spoken}"></span>'
    label = f'<span class="label">{escaped(picture.label)}</span>' if picture.label else ""
    mark = f'<span class="mark" title="{picture.mark}">{_MARKS[picture.mark]}</span>' if picture.mark else ""
    classes = " ".join(filter(None, ("picture", kind, picture.mark, "disliked" * picture.disliked)))
    drawn = overlay(picture.heat, picture.seen, picture.regions) if kind is not None else ""
    return f'<div class="{classes}">{drawn}{shown}{label}{mark}</div>'


def _swatches(palette: Sequence[tuple[str, float]], spoken: str) -> str:
    """Stripes of colours, each as wide as its share."""
    drawn, left = [], 0.0
    for colour, share in palette:
        drawn.append(
            f'<rect x="{left:.2f}" width="{100 * share:.2f}" height="100" fill="{escaped(colour)}"/>'
        )
        left += 100 * share
    return (
        f'<svg class="view swatches" viewBox="0 0 100 100" preserveAspectRatio="none" role="img" '
        f'aria-label="{spoken}">{"".join(drawn)}</svg>'
    )


def picture_strip(pictures: Sequence[GalleryPicture], metric: Metric, *, left_out: int = 0) -> str:
    """Return pictures with names and scores, side by side as far as there is room.

    Args:
        pictures: in their order.
        metric: what scores mean.
        left_out: how many more there are.
    """
    if not pictures:
        return "<p>nothing similar</p>"
    figures = "".join(_strip_figure(picture, metric) for picture in pictures)
    more = f"<p>and {left_out:,} more</p>" if left_out else ""
    return f'<div style="display:flex;flex-wrap:wrap;gap:12px">{figures}</div>{more}'


def _strip_figure(picture: GalleryPicture, metric: Metric) -> str:
    kind = None if picture.thumbnail is None else media_type(picture.thumbnail)
    caption = shortened(visible(picture.caption or picture.id), _STRIP_NAME_LENGTH)
    shown = f'<span style="{_QUIET}">no picture</span>'
    if picture.thumbnail is not None and kind is not None:
        data = base64.b64encode(picture.thumbnail).decode("ascii")
        shown = f'<img alt="" style="max-width:100%;max-height:100%" src="data:{kind};base64,{data}">'
    score = "" if picture.score is None else f'<br><b title="{metric.value}">{score_text(picture.score)}</b>'
    columns = f'<br><span style="{_QUIET}">{escaped(picture.columns)}</span>' if picture.columns else ""
    return (
        f'<figure style="{_FIGURE}"><div style="{_FRAME}">{shown}</div>'
        f'<figcaption title="{escaped(picture.id)}"><bdi>{escaped(caption)}</bdi>'
        f"{score}{columns}</figcaption></figure>"
    )
