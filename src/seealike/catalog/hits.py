"""The answer to one question: a list of hits that notebooks show, and that becomes arrays or columns."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from seealike.errors import PictureError, UsageError
from seealike.gallery import Describer, Thumbnails, picture_strip
from seealike.recommend import SearchOptions
from seealike.types import Hit, ImageInput, PixelArray, SkipReason

if TYPE_CHECKING:
    from PIL import Image

SHOWN = 50  # pictures in a notebook's cell
THUMBNAIL_PX = 160
Thumbnail = Callable[[str | bytes, int], bytes]


def _no_thumbnail(file: str | bytes, _: int) -> bytes:
    raise PictureError(str(file), SkipReason.UNREADABLE, "there is no catalogue to read it")


@dataclass(frozen=True, slots=True)
class Asked:
    """What hits are the answer to: items by their ids, pictures, words, and items they are to be unlike."""

    like: tuple[str, ...] = ()
    dislike: tuple[str, ...] = ()
    images: tuple[ImageInput, ...] = ()
    words: str = ""
    options: SearchOptions = SearchOptions()


class Hits(list[Hit]):
    """Hits, closest first. An ordinary list; equal to any list of the same hits.

    Args:
        hits: in their order.
        asked: what they are the answer to.
        thumbnail: makes small pictures of files, for notebooks.
    """

    def __init__(
        self, hits: Iterable[Hit] = (), asked: Asked = Asked(), thumbnail: Thumbnail = _no_thumbnail
    ) -> None:
        super().__init__(hits)
        self.asked = asked
        self._thumbnail = thumbnail

    def __reduce__(self) -> tuple[type[list[Hit]], tuple[list[Hit]]]:
        """Copied and pickled as a plain list: what makes thumbnails belongs to an open catalogue."""
        return list, (list(self),)

    def __repr__(self) -> str:
        """A line a hit, as people read them."""
        if not self:
            return "nothing similar"
        width = len(str(len(self)))
        return "\n".join(
            f"{rank:{width}}  {hit.score:6.3f}  {hit.id!r}" for rank, hit in enumerate(self, start=1)
        )

    @property
    def ids(self) -> list[str]:
        """The ids."""
        return [hit.id for hit in self]

    @property
    def scores(self) -> list[float]:
        """The scores."""
        return [hit.score for hit in self]

    def columns(self) -> dict[str, list[object]]:
        """The hits by columns, such as ``pandas.DataFrame`` or ``pyarrow.table`` take.

        ``rank``, ``id``, ``score``, ``path``, ``group``, and every column of the metadata; one of those that
        has such a name comes as ``metadata.NAME``.
        """
        table: dict[str, list[object]] = {
            "rank": [*range(1, len(self) + 1)],
            "id": [*self.ids],
            "score": [*self.scores],
            "path": [hit.path for hit in self],
            "group": [hit.group for hit in self],
        }
        names = dict.fromkeys(name for hit in self for name in hit.metadata)
        own = {f"metadata.{name}" if name in table else name: name for name in names}
        return table | {shown: [hit.metadata.get(name) for hit in self] for shown, name in own.items()}

    def _repr_html_(self) -> str:
        """The pictures, for notebooks; those that cannot be shown any more are named."""
        describe = Describer(Thumbnails(self._thumbnail, THUMBNAIL_PX))
        try:
            shown = [describe.item(hit) for hit in self[:SHOWN]]
        except UsageError:  # the catalogue is closed
            shown = [describe.item(hit, pictured=False) for hit in self[:SHOWN]]
        return picture_strip(shown, self.asked.options.metric, left_out=len(self) - len(shown))


def as_file(image: ImageInput) -> str | bytes:
    """A picture as a path or the bytes of a file."""
    if isinstance(image, bytes):
        return image
    if isinstance(image, str | os.PathLike):
        return os.fspath(image)
    return _encoded(image)


def _encoded(image: Image.Image | PixelArray) -> bytes:
    from PIL import Image, ImageOps

    picture = Image.fromarray(image) if isinstance(image, np.ndarray) else ImageOps.exif_transpose(image)
    file = io.BytesIO()
    picture.convert("RGB").save(file, "PNG")
    return file.getvalue()
