"""Which part of a picture is asked with, and why two are alike: what each place of either adds to the score.

A vector that is a mean over places makes the cosine a sum over pairs of places, so the share of every region
is exact, and no gradient is needed. Array letters: h, w places of one picture, d features.

Source: Stylianou, Souvenir and Pless 2019, "Visualizing Deep Similarity Networks".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from seealike.catalog.encoder.places import Places, SeenPlaces
from seealike.errors import PictureError, UsageError
from seealike.recommend import Combine, Example, Examples, SearchOptions
from seealike.recommend.query import DISLIKE_WEIGHT
from seealike.types import (
    Area,
    Crop,
    Cropped,
    Explanation,
    Float32Array,
    Heat,
    Hit,
    ImageInput,
    RegionPair,
)

PAIRS = 3
_SAME = 0.02  # how far what is computed anew may be from the stored score: halves and bfloat16 round
_CHANGED = "its file is another one than when it was indexed"
Look = Callable[[ImageInput], SeenPlaces]
Rows = npt.NDArray[np.floating]


class ExamplePicture(NamedTuple):
    """A picture that is asked with; ``id`` and the stored ``vector`` are those of an item, shape (d,)."""

    image: ImageInput
    id: str | None = None
    vector: Rows | None = None


def check_no_look(options: SearchOptions) -> None:
    """Refuse wishes about a picture where there is none to look at.

    Raises:
        UsageError: there is such a wish.
    """
    for name in ("crop", "focus", "explain"):
        if getattr(options, name):
            raise UsageError(f"{name} goes with a question, not with the lists of all items")


def looked_at(
    one: Examples, options: SearchOptions, places: Places, path_of: Callable[[str], str]
) -> Examples:
    """Examples of which a part is looked at, as they or ``options`` say: a crop, or what the picture shows.

    An item is then looked at in its own file, of which ``path_of`` knows the path.

    Raises:
        UsageError: there is not one picture that a crop is of, or none to focus on.
        PictureError, EncoderError: it cannot be looked at.
    """
    like, dislike = ([_cropped(example, path_of) for example in some] for some in (one.like, one.dislike))
    one = Examples(tuple(like), tuple(dislike))
    if options.crop is None and not options.focus:
        return one
    pictures = [example for example in one.like if example.image is not None or example.id is not None]
    if options.crop is not None and len(pictures) != 1:
        raise UsageError("a crop goes with one picture; from Python, Cropped(image, crop) is one of several")
    if not pictures:
        raise UsageError("focus looks at pictures: ask with a file or an item, or leave out --focus")
    return replace(one, like=tuple(_part(example, options.crop, places, path_of) for example in one.like))


def _cropped(example: Example, path_of: Callable[[str], str]) -> Example:
    """An example of which a part counts, as a picture of that part."""
    if example.crop is None:
        return example
    image = example.image if example.image is not None else path_of(str(example.id))
    if isinstance(image, Cropped):
        raise UsageError("the picture has a crop already: leave one of the two out")
    return replace(example, image=Cropped(image, example.crop), crop=None)


def _part(example: Example, crop: Crop | None, places: Places, path_of: Callable[[str], str]) -> Example:
    image = example.image
    if image is None and example.id is not None and example.vector is None:
        image = path_of(example.id)
    if isinstance(image, Cropped) and crop is not None:
        raise UsageError("the picture has a crop already: leave one of the two out")
    if image is None or isinstance(image, Cropped):
        return example
    return replace(example, image=places.focused(image) if crop is None else Cropped(image, crop))


def explained(
    one: Examples,
    options: SearchOptions,
    look: Look,
    pictures_of: Callable[[Example], Sequence[ExamplePicture]],
    hits: Sequence[Hit],
) -> list[Hit]:
    """Hits with the reasons for their scores. A hit says so whose file, or that of an example, has changed.

    Args:
        one: what was asked with; words have become vectors.
        options: how.
        look: tells the places of a picture.
        pictures_of: gives those of an example that is no vector.
        hits: the answer.

    Raises:
        UsageError: nothing is liked, or it is not said which of several examples a score is of.
        PictureError, EncoderError: an example cannot be looked at.
    """
    if not one.like:
        raise UsageError("what is explained is why hits are like something: name what is liked")
    if options.combine is Combine.EACH and len(one.like) > 1:
        raise UsageError("examples that take turns have no score together: leave out --combine or --explain")
    if not hits:
        return []
    query, counts, changed = _question(one, look, pictures_of)
    weight = 1.0 - options.colour_share

    def explanation_of(hit: Hit) -> Explanation:
        why = _explanation(hit, query, look, weight, counts)
        return replace(why, problem=changed) if changed and why.problem == _CHANGED else why

    return [replace(hit, explanation=explanation_of(hit)) for hit in hits]


def _question(
    one: Examples, look: Look, pictures_of: Callable[[Example], Sequence[ExamplePicture]]
) -> tuple[SeenPlaces, tuple[int, ...], str]:
    """The places of a question; unless it is one picture, how many are of each example; and what has changed.

    Those of several add up to the query's direction, which is a sum over examples as ``taste`` has it.
    """
    seen: list[SeenPlaces] = []
    rows: list[Rows] = []
    changed = ""
    for examples, sign in ((one.like, 1.0), (one.dislike, -DISLIKE_WEIGHT)):
        for example in examples:
            pictures = [] if example.vector is not None else pictures_of(example)
            looked = [look(picture.image) for picture in pictures]
            changed = next(filter(None, [changed, *map(_changed, pictures, looked)]), "")
            own = [example.vector[np.newaxis]] if example.vector is not None else []
            own += [places.maps.reshape(-1, places.maps.shape[2]) for places in looked]
            direction = _directed([_directed([part]) for part in own])
            rows.append(direction * (sign * example.weight / len(examples)))
            seen += looked
    if len(rows) == len(seen) == 1:
        return seen[0], (), changed
    together = np.concatenate(rows)[np.newaxis].astype(np.float32)
    return SeenPlaces(together, (0.0, 0.0, 1.0, 1.0)), tuple(map(len, rows)), changed


def _changed(picture: ExamplePicture, seen: SeenPlaces) -> str:
    """What is to be said of an item whose file gives another vector than it has; empty: nothing."""
    if picture.vector is None:
        return ""
    added, stored = seen.maps.sum(axis=(0, 1), dtype=np.float64), picture.vector.astype(np.float64)
    lengths = float(np.linalg.norm(added) * np.linalg.norm(stored))
    if lengths == 0 or float(added @ stored) / lengths >= 1 - _SAME:
        return ""
    return f"the file of {picture.id!r}, which is asked with, is another one than when it was indexed"


def _directed(parts: Sequence[Rows]) -> Rows:
    """Rows that add up to a vector of length 1."""
    rows = np.concatenate(parts).astype(np.float64)
    length = float(np.linalg.norm(rows.sum(axis=0)))
    return rows / length if length > 0 else rows


def _explanation(
    hit: Hit, query: SeenPlaces, look: Look, weight: float, counts: tuple[int, ...]
) -> Explanation:
    if hit.path is None:
        return Explanation(problem="it has no file that could be looked at again")
    try:
        found = look(hit.path)
    except PictureError as exc:
        return Explanation(problem=f"{exc.reason.value}: {exc.detail}")
    return explanation(query, found, hit.score, weight, hit.colour or 0.0, counts)


def explanation(
    query: SeenPlaces,
    found: SeenPlaces,
    score: float,
    weight: float = 1.0,
    colour: float = 0.0,
    counts: tuple[int, ...] = (),
) -> Explanation:
    """How the score of a picture is made up of its places, and of those it was asked for with.

    Args:
        query: the places of the one, or of several examples.
        found: those of the other.
        score: ``weight`` times their cosine, and ``colour``.
        weight: how much the cosine counts.
        colour: what their colours have in the score.
        counts: how many of the query's places are of each example, where it is not one picture.
    """
    pairs = shares(query.maps, found.maps) * weight
    total, likeness = float(pairs.sum()), score - colour
    if abs(total - likeness) > _SAME:
        return Explanation(problem=_CHANGED)
    if abs(total) > _SAME:
        pairs *= likeness / total  # rounding, spread evenly
    rest = score - float(pairs.sum())
    if counts:
        each = np.add.reduceat(pairs.sum(axis=1), np.cumsum((0, *counts[:-1])))
        return Explanation(_heat(found, pairs.sum(axis=0)), rest=rest, examples=tuple(map(float, each)))
    return Explanation(
        hit=_heat(found, pairs.sum(axis=0)),
        query=_heat(query, pairs.sum(axis=1)),
        pairs=_closest(query, found, pairs),
        rest=rest,
    )


def shares(query: Float32Array, found: Float32Array) -> npt.NDArray[np.float64]:
    """What each pair of places adds to the cosine of two pictures; (h, w, d) to (hw, h'w')."""
    one, other = (maps.reshape(-1, maps.shape[2]).astype(np.float64) for maps in (query, found))
    lengths = [float(np.linalg.norm(places.mean(axis=0))) for places in (one, other)]
    scale = len(one) * len(other) * lengths[0] * lengths[1]
    added = one @ other.T / scale if scale > 0 else np.zeros((len(one), len(other)))
    return np.asarray(added)


def _heat(seen: SeenPlaces, added: npt.NDArray[np.float64]) -> Heat:
    """What places add; each gives half of that to its neighbours on either axis, of which it sees much."""
    grid = added.reshape(seen.maps.shape[:2])
    for axis in (0, 1):
        padded = np.pad(grid, [(1, 1) if axis == side else (0, 0) for side in (0, 1)], mode="edge")
        before, at, after = (np.roll(padded, step, axis) for step in (1, 0, -1))
        grid = np.delete((before + 2 * at + after) / 4, (0, -1), axis)
    return Heat(seen.area, tuple(tuple(map(float, row)) for row in grid))


def _closest(query: SeenPlaces, found: SeenPlaces, pairs: npt.NDArray[np.float64]) -> tuple[RegionPair, ...]:
    """The pairs of blocks of 2 x 2 places that add most, none of which shares a place with one before."""
    blocks = [_blocks(seen.maps.shape[:2]) for seen in (query, found)]
    members = [
        np.array([np.isin(range(n), block) for block in of])
        for of, n in zip(blocks, pairs.shape, strict=True)
    ]
    sums = members[0] @ pairs @ members[1].T
    taken: tuple[set[int], set[int]] = (set(), set())
    chosen: list[RegionPair] = []
    for flat in np.argsort(-sums, axis=None, kind="stable"):
        at = divmod(int(flat), len(blocks[1]))
        places = [set(blocks[side][at[side]]) for side in (0, 1)]
        if len(chosen) == PAIRS or sums[at] <= 0:
            break
        if any(taken[side] & places[side] for side in (0, 1)):
            continue
        for side in (0, 1):
            taken[side].update(places[side])
        one, other = _area_of(query, blocks[0][at[0]]), _area_of(found, blocks[1][at[1]])
        chosen.append(RegionPair(one, other, float(sums[at])))
    return tuple(chosen)


def _blocks(grid: tuple[int, ...]) -> list[list[int]]:
    """The places of every block of 2 x 2, or of as many as there are, by their numbers."""
    h, w = grid
    return [
        [row * w + column for row in range(top, min(top + 2, h)) for column in range(left, min(left + 2, w))]
        for top in range(max(1, h - 1))
        for left in range(max(1, w - 1))
    ]


def _area_of(seen: SeenPlaces, block: Sequence[int]) -> Area:
    h, w = seen.maps.shape[:2]
    rows, columns = [place // w for place in block], [place % w for place in block]
    left, top, width, height = seen.area
    cell = width / w, height / h
    across, down = max(columns) - min(columns) + 1, max(rows) - min(rows) + 1
    return left + min(columns) * cell[0], top + min(rows) * cell[1], across * cell[0], down * cell[1]
