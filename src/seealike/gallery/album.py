"""The pictures of a page, each once: however often one is shown, its bytes stand in the style sheet alone."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from functools import partial
from statistics import median

_SIGNATURES = ((b"\xff\xd8\xff", "image/jpeg"), (b"\x89PNG\r\n\x1a\n", "image/png"), (b"RIFF", "image/webp"))
_NARROWEST, _WIDEST = 0.6, 1.6  # of a frame, width by height


class Album:
    """Names pictures by their bytes, and says in CSS what each name looks like."""

    def __init__(self, shape: float) -> None:
        """``shape`` is the frames' width by their height: a picture fills one of the two and is never cut."""
        self.shape = shape
        self._names: dict[bytes, str] = {}
        self._rules = [f"#results{{--shape:{shape:.3f}}}"]

    def name_of(self, picture: bytes | None) -> str | None:
        """The class of a JPEG, PNG or WebP; ``None`` for whatever is no picture."""
        if picture is None or (kind := media_type(picture)) is None:
            return None
        if picture not in self._names:
            self._names[picture] = f"p{len(self._names)}"
            width, height = picture_size(picture) or (1, 1)
            filled = "width" if width > self.shape * height else "height"
            data = base64.b64encode(picture).decode("ascii")
            self._rules.append(
                f".{self._names[picture]}{{aspect-ratio:{width}/{height};{filled}:100%;"
                f"background-image:url(data:{kind};base64,{data})}}"
            )
        return self._names[picture]

    def css(self) -> str:
        """A rule a picture, and the frames' shape."""
        return "\n".join(self._rules)


def frame_shape(pictures: Sequence[bytes]) -> float:
    """The shape, width by height, that suits most of the pictures."""
    sizes = [size for size in map(picture_size, pictures) if size]
    ratio = median(width / height for width, height in sizes) if sizes else 1.0
    return min(_WIDEST, max(_NARROWEST, ratio))


def picture_size(content: bytes) -> tuple[int, int] | None:
    """Read a picture's width and height from its header."""
    from PIL import Image, UnidentifiedImageError

    opening = partial(Image.open, formats=["JPEG", "PNG", "WEBP"])
    try:
        with opening(io.BytesIO(content)) as picture:
            return picture.size
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError):
        return None


def media_type(content: bytes) -> str | None:
    """The media type of a JPEG, PNG or WebP; ``None`` for whatever is none."""
    return next((kind for signature, kind in _SIGNATURES if content.startswith(signature)), None)
