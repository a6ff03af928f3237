"""What happens to pictures on their way through the world: cut, mirrored, squeezed, turned, bleached."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image

QUALITY = 95  # of copies that are not about compression
POOR_QUALITY = 30
TURN_DEGREES = 7


@dataclass(frozen=True, slots=True)
class Disturbance:
    """One way to make a copy that is not the same.

    Args:
        name: in a word, also of files.
        description: for people.
        apply: makes the copy; the picture is RGB.
        quality: of the JPEG it is kept as.
    """

    name: str
    description: str
    apply: Callable[[Image.Image], Image.Image]
    quality: int = QUALITY

    def copy_of(self, jpeg: bytes) -> bytes:
        """The JPEG of a copy of a picture, from its JPEG."""
        from PIL import Image

        with Image.open(io.BytesIO(jpeg), formats=["JPEG"]) as opened:
            copy = self.apply(opened.convert("RGB"))
        out = io.BytesIO()
        copy.save(out, "JPEG", quality=self.quality, subsampling=0 if self.quality == QUALITY else -1)
        return out.getvalue()


def disturbances() -> tuple[Disturbance, ...]:
    """All of them, the gentlest first."""
    from PIL import ImageOps

    return (
        Disturbance("small", "a quarter of the size", partial(_scaled, share=0.25)),
        Disturbance("jpeg30", f"saved as JPEG of quality {POOR_QUALITY}", _same, POOR_QUALITY),
        Disturbance("mirrored", "mirrored left to right", ImageOps.mirror),
        Disturbance("crop80", "the middle 80 % of each side", partial(_cut, share=0.8)),
        Disturbance("turned", f"turned by {TURN_DEGREES} degrees", _turned),
        Disturbance("grey", "without colour", lambda picture: ImageOps.grayscale(picture).convert("RGB")),
        Disturbance("crop60", "the middle 60 % of each side", partial(_cut, share=0.6)),
        Disturbance("corner", "the top left 60 % of each side", partial(_cut, share=0.6, place=0.0)),
    )


def _same(picture: Image.Image) -> Image.Image:
    return picture


def _scaled(picture: Image.Image, share: float) -> Image.Image:
    width, height = (max(1, round(side * share)) for side in picture.size)
    return picture.resize((width, height))


def _cut(picture: Image.Image, share: float, place: float = 0.5) -> Image.Image:
    """``share`` of each side; ``place`` 0 is the left and top, 0.5 the middle."""
    width, height = (max(1, round(side * share)) for side in picture.size)
    left, top = round((picture.width - width) * place), round((picture.height - height) * place)
    return picture.crop((left, top, left + width, top + height))


def _turned(picture: Image.Image) -> Image.Image:
    """Turned, and cut so that no empty corner shows."""
    from PIL import Image

    turned = picture.rotate(TURN_DEGREES, Image.Resampling.BICUBIC)
    return _cut(turned, 0.84)
