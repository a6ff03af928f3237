"""The nouns of seealike: plain immutable values that every stage may pass to every other.

Nothing here opens a file, knows a library other than numpy's array type, or holds behaviour
beyond checking its own fields.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from numbers import Integral, Real
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import os

    import numpy as np
    import numpy.typing as npt
    from PIL import Image

Float32Array: TypeAlias = "npt.NDArray[np.float32]"
Float16Array: TypeAlias = "npt.NDArray[np.float16]"
Int64Array: TypeAlias = "npt.NDArray[np.int64]"
PixelArray: TypeAlias = "npt.NDArray[np.uint8]"
PathInput: TypeAlias = "str | os.PathLike[str]"
WholeImage: TypeAlias = "PathInput | bytes | Image.Image | PixelArray"
ImageInput: TypeAlias = "WholeImage | Cropped"
MetadataValue: TypeAlias = str | int | float | bool | None
Metadata: TypeAlias = Mapping[str, MetadataValue]


class SkipReason(StrEnum):
    """Why a file is not in the catalogue. The list is closed: every skipped file has one of these."""

    EMPTY_FILE = "empty_file"
    NOT_AN_IMAGE = "not_an_image"
    UNSUPPORTED_FORMAT = "unsupported_format"
    MISSING_EXTRA = "missing_extra"
    TRUNCATED = "truncated"
    CORRUPT = "corrupt"
    TOO_MANY_PIXELS = "too_many_pixels"
    FILE_TOO_LARGE = "file_too_large"
    ZERO_DIMENSION = "zero_dimension"
    DECODER_TIMEOUT = "decoder_timeout"
    STALLED = "stalled"
    DECODER_CRASHED = "decoder_crashed"
    OUT_OF_MEMORY = "out_of_memory"
    UNREADABLE = "unreadable"
    CHANGED_WHILE_READING = "changed_while_reading"
    OUTSIDE_ROOT = "outside_root"
    OUTSIDE_PICTURE = "outside_picture"
    DUPLICATE_ID = "duplicate_id"
    ENCODER_FAILED = "encoder_failed"
    NON_FINITE_VECTOR = "non_finite_vector"


TRANSIENT_REASONS = frozenset(
    {
        SkipReason.MISSING_EXTRA,
        SkipReason.STALLED,
        SkipReason.OUT_OF_MEMORY,
        SkipReason.UNREADABLE,
        SkipReason.CHANGED_WHILE_READING,
        SkipReason.ENCODER_FAILED,
    }
)
"""Reasons that may be gone tomorrow though the file is the same: its vector stays, the next run tries it."""

LIMIT_REASONS = frozenset(
    {
        SkipReason.TOO_MANY_PIXELS,
        SkipReason.FILE_TOO_LARGE,
        SkipReason.DECODER_TIMEOUT,
        SkipReason.STALLED,
        SkipReason.OUT_OF_MEMORY,
    }
)
"""Reasons that higher limits may take away."""


class Metric(StrEnum):
    """How two vectors are compared. Whatever the metric, a higher score is closer.

    ``COSINE``: the cosine similarity, in [-1, 1].
    ``EUCLIDEAN``: minus the Euclidean distance, in [-2, 0] for unit vectors; 0 is identical.
    """

    COSINE = "cosine"
    EUCLIDEAN = "euclidean"


class Relation(StrEnum):
    """What a hit is to what was asked with, the strongest first: each but the last implies those that follow.

    ``DUPLICATE``: the same picture, perhaps smaller, cut, mirrored or saved anew.
    ``SAME_PRODUCT``: another picture of the same thing.
    ``SIMILAR``: of the same class, as the catalogue's owner sorts things.
    ``UNRELATED``: none of these.
    """

    DUPLICATE = "duplicate"
    SAME_PRODUCT = "same-product"
    SIMILAR = "similar"
    UNRELATED = "unrelated"

    @property
    def words(self) -> str:
        """As people write it."""
        return self.value.replace("-", " ")


class Fit(StrEnum):
    """How a picture of any shape is fitted to a square.

    ``CROP``: the shorter side becomes ``resize_px``; the centre is cut out, rounded as torchvision does.
    ``CROP_FLOOR``: the same, but the smaller half of an odd border always comes first, as with transformers.
    ``SQUASH``: both sides become ``resize_px``, whatever the shape was; the centre is cut out.
    ``PAD``: the longer side becomes ``resize_px``; the rest of the square is the encoder's mean colour.
    """

    CROP = "crop"
    CROP_FLOOR = "crop-floor"
    SQUASH = "squash"
    PAD = "pad"

    @property
    def crops(self) -> bool:
        """Whether a part of most pictures is cut away."""
        return self in (Fit.CROP, Fit.CROP_FLOOR)


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """How a picture becomes the square of pixels an encoder was trained on.

    The picture is resized to ``resize_px`` as ``fit`` says, and the centre ``crop_px`` x ``crop_px`` is cut
    out (both in Pillow's conventions, antialiased). The encoder itself computes ``(value - mean) / std`` per
    channel, in the order R, G, B and on the 0..255 scale; with ``bgr`` it then reverses the channels.
    """

    resize_px: int
    crop_px: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    interpolation: str = "bicubic"
    fit: Fit = Fit.CROP
    bgr: bool = False

    def __post_init__(self) -> None:
        """Take a name as well; ``ValueError`` where it is none."""
        object.__setattr__(self, "fit", Fit(self.fit))


@dataclass(frozen=True, slots=True)
class EncoderIdentity:
    """What must be equal for two vectors to be comparable: the embedding space's name."""

    name: str
    weights_sha256: str
    preprocessing: Preprocessing
    layer: str
    pooling: str
    dimension: int


def storable_ns(mtime_ns: int) -> int:
    """A file's time as 64 bits hold it: the nearest there is, for one beyond the years 1677 and 2262.

    Whoever notes a time must do so alike, or a file would seem changed for ever.
    """
    return max(-(1 << 63), min(mtime_ns, (1 << 63) - 1))


@dataclass(frozen=True, slots=True)
class SourceItem:
    """One picture as a source offers it, before anybody has opened it.

    ``path`` is absolute and in the file system's own decoding (``os.fsdecode``: undecodable bytes
    are surrogates). ``id`` is always valid Unicode. ``size_bytes`` and ``mtime_ns`` come from
    ``stat``; the time is made :func:`storable_ns`.
    """

    id: str
    path: str
    size_bytes: int
    mtime_ns: int
    group: str | None = None
    metadata: Metadata = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "mtime_ns", storable_ns(self.mtime_ns))


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file that is not in the catalogue, with its reason and a detail written for people."""

    id: str
    path: str
    reason: SkipReason
    detail: str
    size_bytes: int | None = None
    mtime_ns: int | None = None

    def __post_init__(self) -> None:
        if self.mtime_ns is not None:
            object.__setattr__(self, "mtime_ns", storable_ns(self.mtime_ns))


@dataclass(frozen=True, slots=True)
class Unseen(Skipped):
    """What a source could not look at: it may be there as before, so an item known under this id stays.

    Any other :class:`Skipped` of a source is a verdict: an item known under its id goes. ``below``: nothing
    under this id could be looked at either, so items whose ids begin with it and a ``/`` stay as well.
    """

    below: bool = False


@dataclass(frozen=True, slots=True)
class Crop:
    """A part of a picture, as people see it: after its EXIF orientation is applied.

    Four whole numbers are pixels: ``Crop(0, 0, 1, 1)`` is a single one. Four floats are shares of its
    width and height: ``Crop(0.0, 0.0, 1.0, 1.0)`` is all of it.

    Raises:
        ValueError: it is neither, it is empty, or it begins or ends beyond any picture.
    """

    left: float
    top: float
    width: float
    height: float

    def __post_init__(self) -> None:
        names = ("left", "top", "width", "height")
        numbers = [getattr(self, name) for name in names]
        whole = [isinstance(number, Integral) and not isinstance(number, bool) for number in numbers]
        if any(whole) != all(whole) or not all(isinstance(number, Real) for number in numbers):
            raise ValueError("a crop is four whole numbers (pixels) or four with a decimal point (shares)")
        for name, number in zip(names, numbers, strict=True):
            object.__setattr__(self, name, int(number) if all(whole) else float(number))
        if not (self.left >= 0 and self.top >= 0 and self.width > 0 and self.height > 0):
            raise ValueError("a crop begins at 0 or later and is wider and higher than 0")
        ends = (self.left + self.width, self.top + self.height)
        if self.is_share and not all(end <= 1.0 + _SHARE_SLACK for end in ends):
            raise ValueError("the shares of a crop end at 1.0; whole numbers are pixels")

    @classmethod
    def parse(cls, text: str) -> Crop:
        """Read ``x,y,width,height``; numbers with a decimal point are shares.

        Raises:
            ValueError: see the class.
        """
        try:
            numbers = [float(number) if "." in number else int(number) for number in text.split(",")]
        except ValueError:
            numbers = []
        if len(numbers) != 4:
            raise ValueError("a crop is four numbers: x,y,width,height")
        return cls(*numbers)

    def __str__(self) -> str:
        """The text that ``parse`` reads back."""
        return ",".join(map(repr, (self.left, self.top, self.width, self.height)))

    @property
    def is_share(self) -> bool:
        """Whether it is shares, not pixels."""
        return isinstance(self.left, float)

    def of_area(self, area: Area) -> Area:
        """An area of this part, of shares, as one of the whole picture."""
        left, top, width, height = area
        return (
            self.left + left * self.width,
            self.top + top * self.height,
            width * self.width,
            height * self.height,
        )

    def as_shares(self, width_px: int, height_px: int) -> Crop:
        """The same part in shares of a picture of this size, of which it is a part."""
        if self.is_share:
            return self
        return Crop(
            self.left / width_px, self.top / height_px, self.width / width_px, self.height / height_px
        )

    def within(self, width_px: int, height_px: int) -> tuple[int, int, int, int] | None:
        """Left, top, right and bottom in pixels of a picture of this size, None where it reaches beyond.

        Shares are rounded to whole pixels, and are one pixel at least.
        """
        if self.is_share:
            left, right = _rounded(self.left, self.width, width_px)
            top, bottom = _rounded(self.top, self.height, height_px)
            return left, top, right, bottom
        right, bottom = int(self.left + self.width), int(self.top + self.height)
        inside = right <= width_px and bottom <= height_px
        return (int(self.left), int(self.top), right, bottom) if inside else None


_SHARE_SLACK = 1e-9  # 0.7 + 0.3 may be a little more than 1


def _rounded(start: float, length: float, side_px: int) -> tuple[int, int]:
    """The first pixel of a share of a side, and the one after its last."""
    first = min(round(start * side_px), side_px - 1)
    return first, max(first + 1, min(round((start + length) * side_px), side_px))


@dataclass(frozen=True, slots=True)
class Cropped:
    """A part of a picture, wherever a picture is asked with: nothing outside of it is seen."""

    image: WholeImage
    crop: Crop


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture to embed. ``token`` is the caller's and comes back unchanged.

    A file whose SHA-256 is ``known_sha256`` is not decoded.
    """

    token: int
    image: ImageInput
    known_sha256: bytes | None = None


@dataclass(frozen=True, slots=True)
class Signature:
    """A picture's colours, and a hash of its coarse shape that survives small changes: a few bytes each.

    What they mean and how they compare: ``seealike.signatures``.
    """

    colour: bytes
    hash: bytes


@dataclass(frozen=True, slots=True)
class Embedded:
    """A picture's vector and what was seen of the picture. ``width_px`` and ``height_px`` are upright.

    For a file, ``sha256``, ``size_bytes`` and ``mtime_ns`` are of what was read; else empty and 0. Without a
    ``signature``, a file's is made when it is indexed.

    Shapes: vector is (d,) float32. Units: as the encoder gives it, of norm 1 but for rounding.
    """

    token: int
    vector: Float32Array
    sha256: bytes
    width_px: int
    height_px: int
    size_bytes: int
    mtime_ns: int
    signature: Signature | None = None


@dataclass(frozen=True, slots=True)
class SameFile:
    """A file whose content is what the caller knows already."""

    token: int
    size_bytes: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class Refused:
    """A picture that cannot be used."""

    token: int
    reason: SkipReason
    detail: str
    size_bytes: int | None = None
    mtime_ns: int | None = None


@dataclass(frozen=True, slots=True)
class Item:
    """One picture of a catalogue."""

    id: str
    path: str | None
    group: str | None
    metadata: Metadata
    width_px: int
    height_px: int


Area: TypeAlias = tuple[float, float, float, float]
"""Left, top, width and height as shares of an upright picture."""


@dataclass(frozen=True, slots=True)
class Heat:
    """What each place of a picture adds to a score: ``shares``, row by row, of a grid over ``area``."""

    area: Area
    shares: tuple[tuple[float, ...], ...]


@dataclass(frozen=True, slots=True)
class RegionPair:
    """A region of the query's picture, one of the hit's that answers to it, and what they add."""

    query: Area
    hit: Area
    share: float


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a hit has its score: the shares of ``hit``, or of ``query``, add up to it with ``rest``.

    ``pairs``: the regions that answer to each other most. ``rest``: what is no likeness of places, such as
    colour. ``examples``: where the query is more than one picture, the share of each example, those that are
    liked before those that are not; they add up to the score with ``rest``, and there is no ``query``, and
    no ``pairs``. ``problem``: why it cannot be said; then there is nothing else.
    """

    hit: Heat | None = None
    query: Heat | None = None
    pairs: tuple[RegionPair, ...] = ()
    rest: float = 0.0
    examples: tuple[float, ...] = ()
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Hit:
    """One result of a search. ``score``: see :class:`Metric`; higher is closer.

    ``others``: how many further items show the same product. ``near``: how many nearly equal ones were
    left out for this one. ``relation``: what it is to what was asked with, where the catalogue's calibration
    knows; ``probability``: of that or something stronger. ``colour``: what its colours have in the score,
    ``None`` where they do not count. ``catalog``: the directory of its catalogue, where several were asked
    at once. ``explanation``: why, where that was asked for. ``width_px``, ``height_px``: of its picture,
    upright; 0 where nobody has looked.
    """

    id: str
    score: float
    path: str | None
    group: str | None = None
    metadata: Metadata = field(default_factory=dict)
    others: int = 0
    near: int = 0
    relation: Relation | None = None
    probability: float | None = None
    colour: float | None = None
    catalog: str | None = None
    explanation: Explanation | None = None
    width_px: int = 0
    height_px: int = 0


@dataclass(frozen=True, slots=True)
class Proposal:
    """Keys to be scored for one query, no key twice. Those of one ``group`` are known to have equal vectors.

    Shapes: keys and groups are (m,); groups ascend.
    """

    keys: Int64Array
    groups: Int64Array


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a long job stands. ``total`` is ``None`` while it is not known yet."""

    stage: str
    done: int
    total: int | None


ProgressCallback: TypeAlias = Callable[[Progress], None]


def unwatched(_: Progress) -> None:
    """Progress that nobody watches."""


@dataclass(frozen=True, slots=True, repr=False)
class IndexReport:
    """What one ``index`` run did, or with ``dry_run`` would do.

    Counts of items, but for ``offered``, which is of the files (or rows) that the source has, usable or not.
    ``missing`` items are known to the catalogue but gone from the source, and were kept because so many were
    gone at once that the source looked unmounted (see ``prune_missing``). ``skipped_by_reason`` counts all
    skipped files; ``skipped`` holds the first 10,000 of them, in the order of their ids. ``ann_refused`` says
    why the disk would not take the approximate index; searches do without, and the next change tries again.
    ``signed`` items, unchanged but for that, got the signature that they lacked.
    """

    added: int
    updated: int
    moved: int
    removed: int
    unchanged: int
    missing: int
    offered: int
    skipped: tuple[Skipped, ...]
    skipped_by_reason: Mapping[SkipReason, int]
    generation: int
    took_s: float
    dry_run: bool = False
    ann_refused: str | None = None
    signed: int = 0

    def __repr__(self) -> str:
        """The counts; of what was skipped, how many for which reason, but not each file."""
        counts = ("added", "updated", "moved", "removed", "unchanged", "missing", "offered")
        said = [f"{name}={getattr(self, name)}" for name in counts]
        reasons = {reason.value: count for reason, count in self.skipped_by_reason.items()}
        return f"IndexReport({', '.join(said)}, skipped_by_reason={reasons}, took_s={self.took_s:.3g})"

    @property
    def skipped_count(self) -> int:
        """How many files were skipped."""
        return sum(self.skipped_by_reason.values())

    @property
    def changed(self) -> int:
        """How many items are other than before."""
        return self.added + self.updated + self.moved + self.removed

    @property
    def usable(self) -> int:
        """How many of the source's pictures are in the catalogue."""
        return self.added + self.updated + self.moved + self.unchanged
