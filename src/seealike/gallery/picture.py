"""One picture with its caption, as HTML."""

from __future__ import annotations

import base64
import io
import math
from functools import partial

from seealike.gallery.page import GalleryPicture, Mark
from seealike.gallery.text import escaped, shortened, visible
from seealike.types import Metric

_NAME_LENGTH = 40
_WORDS_LENGTH = 60
_MARKS = {Mark.RIGHT: "✓", Mark.WRONG: "✕"}
_SIGNATURES = ((b"\xff\xd8\xff", "image/jpeg"), (b"\x89PNG\r\n\x1a\n", "image/png"), (b"RIFF", "image/webp"))
_GONE = (
    '<span class="gone"><svg viewBox="0 0 48 48" aria-hidden="true">'
    '<rect x="7" y="10" width="34" height="28" rx="4"/>'
    '<path d="M7 32l10-9 8 7 5-4 11 9M10 42 38 6"/></svg>the file is gone</span>'
)


def figure(picture: GalleryPicture, metric: Metric, *, rank: int | None = None, heading: str = "") -> str:
    """Return a picture with caption and score.

    Args:
        picture: the picture.
        metric: what its score means.
        rank: counts hits from 1; queries have none.
        heading: what is written above already, and so need not be in the caption.
    """
    label = f'<span class="label">{escaped(picture.label)}</span>' if picture.label else ""
    mark = f'<span class="mark" title="{picture.mark}">{_MARKS[picture.mark]}</span>' if picture.mark else ""
    kind = f"frame {picture.mark}" if picture.mark else "frame"
    lines = [line for line in (picture.caption or picture.id, picture.detail) if line and line != heading]
    caption = name(lines[0], hint=picture.id) if lines else ""
    detail = f'<span class="detail">{name(lines[1])}</span>' if len(lines) > 1 else ""
    score = score_bar(picture.score, metric) if picture.score is not None else ""
    return (
        f'<figure><div class="{kind}">{_image(picture, rank)}{label}{mark}</div>'
        f"<figcaption>{caption}{detail}{score}</figcaption></figure>"
    )


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
        return '<span class="score"><b>no score</b></span>'
    share = score if metric is Metric.COSINE else 1.0 + score / 2.0
    filled = round(100 * min(1.0, max(0.0, share)))
    return (
        '<span class="score"><svg viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true">'
        f'<rect width="100" height="4" rx="2"/><rect class="on" width="{filled}" height="4" rx="2"/></svg>'
        f"<b>{score_text(score)}</b></span>"
    )


def score_text(score: float | None) -> str:
    """Return a score as a number: three digits, and never ``-0.000``."""
    return "no score" if score is None or not math.isfinite(score) else f"{round(score, 3) + 0.0:.3f}"


def _image(picture: GalleryPicture, rank: int | None) -> str:
    if picture.words:
        return f'<q class="words" dir="auto">{escaped(shortened(visible(picture.words), _WORDS_LENGTH))}</q>'
    kind = _media_type(picture.thumbnail or b"")
    if picture.thumbnail is None or kind is None:
        return _GONE
    size = thumbnail_size(picture.thumbnail)
    known = f' width="{size[0]}" height="{size[1]}"' if size else ""
    spoken = picture.caption or picture.id
    alt = f"Query: {spoken}" if rank is None else f"Result {rank}: {spoken}"
    data = base64.b64encode(picture.thumbnail).decode("ascii")
    return (
        f'<img src="data:{kind};base64,{data}" alt="{escaped(alt)}"{known} loading="lazy" decoding="async">'
    )


def _media_type(content: bytes) -> str | None:
    return next((kind for signature, kind in _SIGNATURES if content.startswith(signature)), None)


def thumbnail_size(content: bytes) -> tuple[int, int] | None:
    """Read a picture's width and height from its header."""
    from PIL import Image, UnidentifiedImageError

    opening = partial(Image.open, formats=["JPEG", "PNG", "WEBP"])
    try:
        with opening(io.BytesIO(content)) as picture:
            return picture.size
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError):
        return None
