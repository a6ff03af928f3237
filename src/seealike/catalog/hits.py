"""The answer to one question: a list of hits that notebooks show, and that becomes arrays or columns."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import SupportsIndex, overload

from seealike.errors import PictureError, UsageError
from seealike.gallery import Describer, Thumbnails, picture_strip
from seealike.images import DecodeError, small_copy
from seealike.recommend import Example, Examples, SearchOptions
from seealike.types import Area, Cropped, Hit, ImageInput, Relation, SkipReason

SHOWN = 50  # pictures in a notebook's cell
THUMBNAIL_PX = 160
MOST_COPIED = 8  # pictures asked with at once; a copy takes a few milliseconds
MOST_KEPT_BYTES = 1_000_000
KEPT_PX = 240
Thumbnail = Callable[[str | bytes, int], bytes]


def _no_thumbnail(file: str | bytes, _: int) -> bytes:
    raise PictureError(str(file), SkipReason.UNREADABLE, "there is no catalogue to read it")


@dataclass(frozen=True, slots=True)
class AskedWith:
    """An example of a question, as it is shown: an item, a product, words or a picture.

    Callers keep answers, so ``image`` is no more than it takes to show it: a path as it is, a small JPEG of
    an array or a PIL image, and bytes of up to a megabyte. A larger one, and whatever is no path where more
    than eight pictures were asked with at once, is ``None``: the question is shown without its picture.
    ``seen`` is the part of it that counted, None where that was all.
    """

    id: str | None = None
    product: str | None = None
    words: str | None = None
    image: str | bytes | None = None
    weight: float = 1.0
    seen: Area | None = None

    @property
    def is_picture(self) -> bool:
        """Whether it is a picture from anywhere."""
        return self.id is None and self.product is None and self.words is None


@dataclass(frozen=True, slots=True)
class Asked:
    """What hits are the answer to: what they are to be like, and what they are to be unlike.

    ``generation`` is the state of the catalogue that all of them are of; of several catalogues, the sum.
    ``among`` is how many items the catalogue had, where there are no hits.
    """

    like: tuple[AskedWith, ...] = ()
    dislike: tuple[AskedWith, ...] = ()
    options: SearchOptions = SearchOptions()
    generation: int = 0
    among: int = 0

    @property
    def images(self) -> tuple[str | bytes | None, ...]:
        """What was kept of the pictures that are liked."""
        return tuple(one.image for one in self.like if one.is_picture)

    @property
    def why_empty(self) -> str:
        """Why there are no hits, where there are none: what nothing keeps, and what finds more."""
        examples = (*self.like, *self.dislike)
        ids = {one.id for one in examples if one.id is not None}
        products = any(one.product is not None for one in examples)
        wishes = self._wishes()
        if not wishes and (ids or products):
            hidden = not self.options.pictures and (products or self.among > len(ids))
            remedy = "add --pictures" if hidden and not products else ""
            wishes = [("is left but of its product" if hidden else "is there", remedy)]
        if not wishes:
            return ""
        kept = " and ".join(kept for kept, _ in wishes)
        remedy = wishes[0][1] if len(wishes) == 1 else "leave one of these out to see which finds nothing"
        return "; ".join(filter(None, (f"no {'other ' * bool(ids or products)}item {kept}", remedy)))

    def _wishes(self) -> list[tuple[str, str]]:
        """What an item has to do to be a hit, and what to try where none does it."""
        options, found = self.options, []
        if options.narrows:
            found.append((f"keeps the condition: {options.condition}", ""))
        if options.min_score is not None:
            least = f"has a score of {options.min_score:g} or more"
            found.append((least, "a lower --min-score finds what is nearest"))
        if options.at_least is not None:
            stronger = "" if options.at_least is Relation.DUPLICATE else " or more"
            least = f"has a likeness of {options.at_least} or more"
            if isinstance(options.at_least, Relation):
                least = f"counts as {options.at_least.words}{stronger}"
            found.append((least, "without --at-least you see what is nearest"))
        return found


class Hits(list[Hit]):
    """Hits, closest first. A list; equal to any list of the same hits. Slices and copies are ``Hits`` too.

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

    def __reduce__(self) -> tuple[type[Hits], tuple[list[Hit], Asked]]:
        """Pickled without what makes thumbnails: that belongs to an open catalogue."""
        return Hits, (list(self), self.asked)

    @overload
    def __getitem__(self, place: SupportsIndex) -> Hit: ...

    @overload
    def __getitem__(self, place: slice) -> Hits: ...

    def __getitem__(self, place: SupportsIndex | slice) -> Hit | Hits:
        """A hit; or some, which are the answer to the same question."""
        if isinstance(place, slice):
            return Hits(super().__getitem__(place), self.asked, self._thumbnail)
        return super().__getitem__(place)

    def copy(self) -> Hits:
        """The same hits, in a list of their own."""
        return self[:]

    __copy__ = copy

    def __repr__(self) -> str:
        """A line a hit, as people read them."""
        if not self:
            return ": ".join(filter(None, ("nothing similar", self.asked.why_empty)))
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

        ``rank``, ``id``, ``score``, ``path``, ``group``, where several catalogues are asked ``catalog``,
        where the catalogue is calibrated ``relation`` and ``probability``, and every column of the metadata;
        one of those that has such a name comes as ``metadata.NAME``.
        """
        table: dict[str, list[object]] = {
            "rank": [*range(1, len(self) + 1)],
            "id": [*self.ids],
            "score": [*self.scores],
            "path": [hit.path for hit in self],
            "group": [hit.group for hit in self],
        }
        if any(hit.catalog is not None for hit in self):
            table["catalog"] = [hit.catalog for hit in self]
        if any(hit.relation is not None for hit in self):
            table["relation"] = [hit.relation and hit.relation.value for hit in self]
            table["probability"] = [hit.probability for hit in self]
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


def asked_with(
    wanted: Sequence[Examples], options: SearchOptions, sizes: Iterable[tuple[int, int]]
) -> list[Asked]:
    """What is kept of the questions that were asked at once. Nothing is, of a vector.

    ``sizes`` are the width and height of each picture, in order.
    """
    size_of = iter(sizes)
    images = sum(example.image is not None for one in wanted for example in (*one.like, *one.dislike))

    def shown(examples: Iterable[Example]) -> tuple[AskedWith, ...]:
        return tuple(
            AskedWith(
                example.id,
                example.product,
                example.text,
                None if example.image is None else _kept(example.image, few=images <= MOST_COPIED),
                example.weight,
                None if example.image is None else _seen(example.image, *next(size_of)),
            )
            for example in examples
            if example.vector is None
        )

    alone = replace(options, color=1.0) if options.palette is not None else options
    return [
        Asked(shown(one.like), shown(one.dislike), options if one.like or one.dislike else alone)
        for one in wanted
    ]


def _seen(image: ImageInput, width_px: int, height_px: int) -> Area | None:
    if not isinstance(image, Cropped):
        return None
    crop = image.crop.as_shares(width_px, height_px)
    area = crop.left, crop.top, crop.width, crop.height
    return None if area == (0.0, 0.0, 1.0, 1.0) else area


def _kept(image: ImageInput, *, few: bool) -> str | bytes | None:
    if isinstance(image, Cropped):
        return _kept(image.image, few=few)
    if isinstance(image, str | os.PathLike):
        return os.fsdecode(image)
    if not few:
        return None
    if isinstance(image, bytes):
        return image if len(image) <= MOST_KEPT_BYTES else None
    with suppress(DecodeError):  # it was good enough for a vector
        return small_copy(image, KEPT_PX)
    return None
