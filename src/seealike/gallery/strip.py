"""A row of captioned pictures as a piece of HTML for the pages of others, such as notebooks."""

from __future__ import annotations

import base64
from collections.abc import Sequence

from seealike.gallery.album import media_type
from seealike.gallery.page import GalleryPicture
from seealike.gallery.picture import score_text
from seealike.gallery.text import escaped, shortened, visible
from seealike.types import Metric

_NAME_LENGTH = 24
_FIGURE = "margin:0;width:160px;font:12px/1.4 system-ui,sans-serif;overflow-wrap:anywhere"
_FRAME = "display:flex;align-items:center;justify-content:center;height:160px"
_QUIET = "opacity:.65"


def picture_strip(pictures: Sequence[GalleryPicture], metric: Metric, *, left_out: int = 0) -> str:
    """Return pictures with names and scores, side by side as far as there is room.

    Args:
        pictures: in their order.
        metric: what scores mean.
        left_out: how many more there are.
    """
    if not pictures:
        return "<p>nothing similar</p>"
    figures = "".join(_figure(picture, metric) for picture in pictures)
    more = f"<p>and {left_out:,} more</p>" if left_out else ""
    return f'<div style="display:flex;flex-wrap:wrap;gap:12px">{figures}</div>{more}'


def _figure(picture: GalleryPicture, metric: Metric) -> str:
    kind = None if picture.thumbnail is None else media_type(picture.thumbnail)
    name = visible(picture.caption or picture.id)
    shown = f'<span style="{_QUIET}">no picture</span>'
    if picture.thumbnail is not None and kind is not None:
        data = base64.b64encode(picture.thumbnail).decode("ascii")
        shown = f'<img alt="" style="max-width:100%;max-height:100%" src="data:{kind};base64,{data}">'
    score = "" if picture.score is None else f' <b title="{metric.value}">{score_text(picture.score)}</b>'
    columns = f'<br><span style="{_QUIET}">{escaped(picture.columns)}</span>' if picture.columns else ""
    return (
        f'<figure style="{_FIGURE}"><div style="{_FRAME}">{shown}</div>'
        f'<figcaption title="{escaped(picture.id)}"><bdi>{escaped(shortened(name, _NAME_LENGTH))}</bdi>'
        f"{score}{columns}</figcaption></figure>"
    )
