"""What every real folder of pictures has too: copies of copies, and files that are no pictures."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image


class Change(Enum):
    """How a near-duplicate differs from its original."""

    SAME_BYTES = "the same bytes"
    RECOMPRESSED = "compressed again, much harder"
    CROPPED = "its edges cut off"
    SMALLER = "a smaller copy"
    WARMER = "slightly recoloured"
    BRIGHTER = "slightly brighter"


@dataclass(frozen=True, slots=True)
class BrokenFile:
    """A file that cannot be indexed. ``content`` is ``None`` where a table names a file that is not there."""

    path: str
    name: str
    content: bytes | None


def near_duplicate(original: bytes, change: Change) -> bytes:
    """Return a copy of a JPEG that people would call the same picture."""
    if change is Change.SAME_BYTES:
        return original
    from PIL import Image

    with Image.open(io.BytesIO(original), formats=["JPEG"]) as opened:
        picture = opened.convert("RGB")
    edits: dict[Change, Callable[[Image.Image], Image.Image]] = {
        Change.RECOMPRESSED: lambda p: p,
        Change.CROPPED: _cropped,
        Change.SMALLER: lambda p: p.resize((p.width * 5 // 8, p.height * 5 // 8), Image.Resampling.LANCZOS),
        Change.WARMER: _warmer,
        Change.BRIGHTER: lambda p: p.point([min(255, round(level * 1.08 + 4)) for level in range(256)] * 3),
    }
    return jpeg(edits[change](picture), quality=38 if change is Change.RECOMPRESSED else 84)


def _cropped(picture: Image.Image) -> Image.Image:
    across, down = picture.width // 20, picture.height // 20
    return picture.crop((across, down, picture.width - across, picture.height - down))


def _warmer(picture: Image.Image) -> Image.Image:
    red = [min(255, round(level * 1.05)) for level in range(256)]
    blue = [round(level * 0.90) for level in range(256)]
    return picture.point([*red, *range(256), *blue])


def jpeg(picture: Image.Image, *, quality: int) -> bytes:
    """Compress a picture as JPEG."""
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=quality)
    return stream.getvalue()


def broken_files(good_jpeg: bytes, good_png: bytes) -> list[BrokenFile]:
    """Make one file for each way in which uploads usually go wrong."""
    middle = len(good_png) // 2
    flipped = (
        good_png[:middle]
        + bytes(byte ^ 0xFF for byte in good_png[middle : middle + 64])
        + good_png[middle + 64 :]
    )
    logo = (
        '<svg xmlns="http://www.w3.org/2000/svg" width="64" height="64">'
        '<circle cx="24" cy="32" r="20" fill="#2b59c3"/></svg>\n'
    )
    return [
        BrokenFile(
            "incoming/tote-upload-interrupted.jpg",
            "Tote, upload interrupted",
            good_jpeg[: len(good_jpeg) // 2],
        ),
        BrokenFile(
            "incoming/price-list.jpg",
            "Price list",
            b"Spring prices\n\ntote        54.00\nrunner      69.00\n",
        ),
        BrokenFile("incoming/placeholder.jpg", "Placeholder", b""),
        BrokenFile("incoming/scan-0007.png", "Scan 7", flipped),
        BrokenFile("incoming/logo.svg", "Logo", logo.encode()),
        BrokenFile("incoming/moved-elsewhere.jpg", "Mug, file moved elsewhere", None),
    ]
