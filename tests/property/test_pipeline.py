"""Every combination of wishes against a slow, plain derivation of what a list should be.

The derivation ranks everything and applies one wish after the other as the documentation says it. The product
looks only as deep as it must.
"""

from __future__ import annotations

import itertools
import json
import math
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image
from tests.counting import commit, made_store, new_item, searcher_of, vector
from tests.pictures import picture

import seealike
from seealike.catalog.encoder.at_hand import encoded_unit
from seealike.catalog.joined import JoinedSearcher, JoinedStore
from seealike.errors import UsageError
from seealike.recommend import (
    Beta,
    Calibration,
    Combine,
    Curve,
    Example,
    Examples,
    Query,
    SearchOptions,
    answered,
    with_least_score,
)
from seealike.recommend.likeness import LISTED
from seealike.signatures import COLOUR_BYTES, palette_signature
from seealike.store import NewItem
from seealike.testing import FakeEncoder
from seealike.types import Crop, Cropped, Hit, Metric, Relation, Signature

POOL, LEAST_POOL = 10, 100
Vector = npt.NDArray[np.floating]


@dataclass(frozen=True)
class Entry:
    id: str
    number: int  # of its vector
    group: str | None

    @property
    def colour(self) -> str | None:
        """In its metadata."""
        return ("red", "blue", None)[self.number % 3]

    @property
    def sold(self) -> int | None:
        """In its metadata."""
        return None if self.number % 5 == 0 else abs(self.number) // 2 * 100


WHERE: dict[str | None, Callable[[Entry], bool]] = {
    None: lambda _: True,
    "colour = 'red'": lambda entry: entry.colour == "red",
    "not colour = 'red' or group = 'a'": lambda entry: entry.colour == "blue" or entry.group == "a",
    "colour is null and group is not null": lambda entry: entry.colour is None and entry.group is not None,
    "colour = 'green'": lambda _: False,
}


class Answer(NamedTuple):
    id: str
    score: float
    others: int
    near: int


# -- the derivation ------------------------------------------------------------------------------------


def may_be_shown(entry: Entry, liked: Sequence[Entry], options: SearchOptions) -> bool:
    """Whether the conditions let an item be a hit of those who like some items."""
    colours = {one.colour for one in liked} - {None}
    same = not options.same or entry.colour in colours
    other = not options.other or bool(colours and entry.colour and entry.colour not in colours)
    return WHERE[options.where](entry) and same and other


# -- what counts beside similarity ---------------------------------------------------------------------


def added(entries: Sequence[Entry], options: SearchOptions) -> dict[str, float]:
    """What is added to the similarity of each item."""
    sums = dict.fromkeys((entry.id for entry in entries), 0.0)
    if options.hub_correction:
        for item_id, penalty in penalties(entries).items():
            sums[item_id] -= penalty
    for column, weight in options.boost:
        assert column == "sold"
        known = sorted({entry.sold for entry in entries if entry.sold is not None})
        for entry in entries:
            place = 1.0 if len(known) == 1 else None
            if entry.sold is not None:
                place = known.index(entry.sold) / (len(known) - 1) if len(known) > 1 else 1.0
                sums[entry.id] += place * weight
            else:
                sums[entry.id] += min(0.0, weight)
    for place, entry in enumerate(entries):
        sums[entry.id] += options.recent * (place / (len(entries) - 1) if len(entries) > 1 else 1.0)
    return sums


def penalties(entries: Sequence[Entry]) -> dict[str, float]:
    """Half the mean similarity to all different others, and a quarter of that to the nearest 16."""
    found = {}
    different = {vector(entry.number).tobytes(): unit(vector(entry.number)) for entry in entries}
    for entry in entries:
        row = vector(entry.number)
        similar = [float(unit(row) @ other) for key, other in different.items() if key != row.tobytes()]
        nearest = sorted(similar)[-16:]
        mean = sum(similar) / len(similar) if similar else 0.0
        found[entry.id] = round(0.5 * mean + 0.25 * (sum(nearest) / len(nearest) if nearest else 0.0), 6)
    least = sorted(found.values())[(len(found) - 1) // 4]
    return {item_id: max(number, least) for item_id, number in found.items()}


class CancelledError(Exception):
    """The examples leave nothing to go by."""


class ColourlessError(Exception):
    """Nothing that is liked has colours."""


def colour_of(number: int) -> Vector | None:
    """The colours of the item whose vector has this number; every fourth has none."""
    if number % 4 == 0:
        return None
    row = np.random.default_rng(1000 + max(number, 1)).integers(0, 60, COLOUR_BYTES)
    row[abs(number) % 7 :: 7] += 100
    return row.astype(np.float64)


def likeness_of_colours(one: Vector, other: Vector) -> float:
    return float(one @ other) / (math.sqrt(one @ one) * math.sqrt(other @ other))


def example_colours(example: Example, items: Mapping[str, Entry]) -> list[Vector]:
    if example.colour is not None:
        return [np.frombuffer(example.colour, np.uint8).astype(np.float64)]
    if example.id is not None:
        found = [colour_of(items[example.id].number)]
    else:
        found = [colour_of(entry.number) for entry in items.values() if entry.group == example.product]
    return [row for row in found if row is not None] if example.vector is None else []


def mean_colour(rows: Sequence[tuple[Vector | None, float]]) -> Vector:
    known = [(row / math.sqrt(row @ row), weight) for row, weight in rows if row is not None]
    return sum((row * (weight / len(known)) for row, weight in known), np.zeros(COLOUR_BYTES))


Weighed = list[tuple[Vector | None, float]]


def blend(
    liked: list[tuple[Vector | None, float]], disliked: list[tuple[Vector | None, float]]
) -> Vector | None:
    if len(liked) == 1 and not disliked:
        return liked[0][0]
    wanted = mean_colour(liked) - 0.5 * mean_colour(disliked)
    norm = float(np.linalg.norm(wanted))
    return np.rint(wanted * 2040 / norm) if norm > 1e-6 else None


def query_colours(
    examples: Examples, items: Mapping[str, Entry], options: SearchOptions
) -> list[Vector | None]:
    each = options.combine is Combine.EACH and len(examples.like) > 1
    if options.palette is not None:
        row = np.frombuffer(palette_signature(options.palette), np.uint8).astype(np.float64)
        return [row] * (len(examples.like) if each else 1)
    if all(example.vector is not None and example.colour is None for example in examples.like):
        raise ColourlessError

    def weighed(some: Sequence[Example]) -> Weighed:
        rows = [(example_colours(example, items), example.weight) for example in some]
        return [
            (blend([(row, 1.0) for row in found], []) if found else None, weight) for found, weight in rows
        ]

    liked, disliked = weighed(examples.like), weighed(examples.dislike)
    return [blend([(row, 1.0)], disliked) for row, _ in liked] if each else [blend(liked, disliked)]


def spread(values: Sequence[float]) -> tuple[float, float]:
    return (float(np.mean(values)), float(np.std(values))) if values else (0.0, 0.0)


def colour_parts(entries: Sequence[Entry], wanted: Vector | None, options: SearchOptions) -> dict[str, float]:
    """What colours add to each item's score."""
    known = [(entry, row) for entry in entries if (row := colour_of(entry.number)) is not None]
    pairs = list(itertools.combinations(known, 2))
    typical, width = spread([likeness_of_colours(a, b) for (_, a), (_, b) in pairs])
    scores = [scored(vector(a.number), vector(b.number), options.metric) for (a, _), (b, _) in pairs]
    mean, deviation = spread(scores)
    slope = min(deviation / width, 2.0) if deviation and width else 1.0
    parts = {}
    for entry in entries:
        row = colour_of(entry.number)
        known_likeness = (
            likeness_of_colours(wanted, row) if wanted is not None and row is not None else typical
        )
        value = round(known_likeness, 6)
        parts[entry.id] = (
            value
            if options.colour_share == 1
            else options.colour_share * (slope * value + mean - slope * typical)
        )
    return parts


def unit(row: Vector) -> Vector:
    wide = np.asarray(row, dtype=np.float64)
    if np.linalg.norm(wide) < 1e-6:
        raise CancelledError
    return np.asarray(wide / np.linalg.norm(wide))


def cosine(one: Vector, other: Vector) -> float:
    value = float(np.dot(unit(one), unit(other)))
    return float(np.float32(max(-1.0, min(1.0, round(value, 6)))))  # scores are kept in single precision


def scored(one: Vector, other: Vector, metric: Metric) -> float:
    value = cosine(one, other)
    return round(value, 6) if metric is Metric.COSINE else round(-((2.0 - 2.0 * value) ** 0.5), 6)


def example_vector(example: Example, items: Mapping[str, Entry]) -> Vector:
    if example.vector is not None:
        return np.asarray(example.vector, dtype=np.float64)
    if example.id is not None:
        return np.asarray(vector(items[example.id].number), dtype=np.float64)
    pictures = [entry for entry in items.values() if entry.group == example.product]
    rows = [np.asarray(vector(entry.number), dtype=np.float64) for entry in pictures]
    mean = rows[0] if len(rows) == 1 else unit(np.mean([unit(row) for row in rows], axis=0))
    return np.asarray(mean, dtype=np.float32).astype(np.float64)


def query_vectors(examples: Examples, items: Mapping[str, Entry], combine: Combine) -> list[Vector]:
    likes = [example_vector(example, items) for example in examples.like]
    if len(likes) == 1 and not examples.dislike:
        return likes
    away = np.zeros(len(likes[0]))
    if examples.dislike:
        weights = np.array([example.weight for example in examples.dislike])
        rows = np.array([unit(example_vector(example, items)) for example in examples.dislike])
        away = 0.5 * (weights[:, None] * rows).sum(axis=0) / len(weights)
    rows = np.array([unit(row) for row in likes])
    if combine is Combine.EACH and len(likes) > 1:  # weights are turns then
        return [unit(row - away) for row in rows]
    weights = np.array([example.weight for example in examples.like])
    return [unit((weights[:, None] * rows).sum(axis=0) / len(weights) - away)]


def rankings(
    by_id: Mapping[str, Entry], examples: Examples, options: SearchOptions
) -> list[list[tuple[str, float]]]:
    """For every example that has neighbours of its own, all that may be shown, with their scores."""
    named = [*examples.like, *examples.dislike]
    gone = {example.id for example in named} | {
        entry.id for entry in by_id.values() if entry.group in {example.product for example in named} - {None}
    }
    own = set() if options.pictures else {by_id[item_id].group for item_id in gone if item_id} - {None}
    liked = [
        entry
        for entry in by_id.values()
        for example in examples.like
        if entry.id == example.id or (example.product is not None and entry.group == example.product)
    ]
    found = []
    beside = added(list(by_id.values()), options)
    queries = query_vectors(examples, by_id, options.combine)
    colours = query_colours(examples, by_id, options) if options.colour_share else [None] * len(queries)
    for query, wanted in zip(queries, colours, strict=True):
        row = np.asarray(query, dtype=np.float32)  # queries are kept in single precision
        parts = colour_parts(list(by_id.values()), wanted, options) if options.colour_share else {}
        ranking = [
            (entry.id, mixed(row, entry, parts, options))
            for entry in by_id.values()
            if entry.id not in gone and entry.group not in own and may_be_shown(entry, liked, options)
        ]
        if options.min_score is not None:
            ranking = [pair for pair in ranking if pair[1] >= options.min_score]
        if isinstance(options.at_least, Relation):
            ranking = [
                pair
                for pair in ranking
                if likely(options.at_least, alike(by_id[pair[0]], examples, by_id)) >= 0.5
            ]
        found.append(sorted(ranking, key=lambda pair: (-round(pair[1] + beside[pair[0]], 6), pair[0])))
    return found


def alike(entry: Entry, examples: Examples, items: Mapping[str, Entry]) -> float:
    """The greatest cosine with a picture that is liked."""
    pictures = [
        np.asarray(row, dtype=np.float32)
        for like in examples.like
        if like.text is None
        for row in (
            [like.vector]
            if like.vector is not None
            else [
                vector(one.number)
                for one in items.values()
                if one.id == like.id or (like.product is not None and one.group == like.product)
            ]
        )
    ]
    return max(cosine(picture, vector(entry.number)) for picture in pictures)


def likely(relation: Relation, score: float) -> float:
    """How likely a relation or a stronger one is by the curves of ``SCALE``."""
    u = min(max((1 + score) / 2, 1e-6), 1 - 1e-6)
    curves = {Relation.DUPLICATE: (0, 9, -35), Relation.SAME_PRODUCT: (4, 2, -3), Relation.SIMILAR: (6, 1, 3)}
    stronger = [*curves][: [*curves].index(relation) + 1]
    logits = [c + a * math.log(u) - b * math.log(1 - u) for a, b, c in map(curves.__getitem__, stronger)]
    return max(1 / (1 + math.exp(-logit)) for logit in logits)


def mixed(row: Vector, entry: Entry, parts: Mapping[str, float], options: SearchOptions) -> float:
    alone = scored(row, vector(entry.number), options.metric)
    return round((1 - options.colour_share) * alone + parts[entry.id], 6) if parts else alone


def taking_turns(
    ranked: Sequence[Sequence[tuple[str, float]]], weights: Sequence[float]
) -> list[tuple[str, float]]:
    turns: dict[str, tuple[float, int, float]] = {}
    for number, (ranking, weight) in enumerate(zip(ranked, weights, strict=True)):
        for rank, (item_id, score) in enumerate(ranking, start=1):
            turn = (rank / weight, number, score)
            if item_id not in turns or turn[:2] < turns[item_id][:2]:
                turns[item_id] = turn
    return [(item_id, turns[item_id][2]) for item_id in sorted(turns, key=lambda one: turns[one][:2])]


def one_a_product(
    sequence: Sequence[tuple[str, float]], by_id: Mapping[str, Entry]
) -> list[tuple[str, float]]:
    seen: set[str] = set()
    left = []
    for item_id, score in sequence:
        group = by_id[item_id].group
        if group is None or group not in seen:
            left.append((item_id, score))
        seen |= {group} if group is not None else set()
    return left


def derived(items: Sequence[Entry], examples: Examples, k: int, options: SearchOptions) -> list[Answer]:
    by_id = {entry.id: entry for entry in items}
    ranked = rankings(by_id, examples, options)
    weights = [example.weight for example in examples.like] if len(ranked) > 1 else [1.0]
    if not options.pictures:
        ranked = [one_a_product(ranking, by_id) for ranking in ranked]
    sequence = taking_turns(ranked, weights)
    if not options.pictures:
        sequence = one_a_product(sequence, by_id)
    scores = dict(sequence)
    wanted = max(POOL * k, LEAST_POOL) if options.diversity else k
    near: dict[str, int] = {}
    for item_id in scores:
        least = 2.0 if options.dedup is None else options.dedup
        alike = [kept for kept in near if likeness(by_id, kept, item_id) >= least]
        if alike:
            near[alike[0]] += 1
        elif len(near) == wanted:
            break
        else:
            near[item_id] = 0
    beside = added(items, options)
    order = {item_id: round(score + beside[item_id], 6) for item_id, score in scores.items()}
    if len(ranked) > 1:  # what comes earlier is more relevant
        order = dict(zip(near, sorted((order[item_id] for item_id in near), reverse=True), strict=True))
    chosen = diverse(list(near), order, by_id, options, k) if options.diversity else list(near)[:k]
    return [Answer(one, scores[one], others(by_id, one, options), near[one]) for one in chosen]


def others(by_id: Mapping[str, Entry], item_id: str, options: SearchOptions) -> int:
    group = by_id[item_id].group
    if options.pictures or group is None:
        return 0
    return sum(entry.group == group for entry in by_id.values()) - 1


def likeness(items: Mapping[str, Entry], one: str, other: str) -> float:
    return cosine(vector(items[one].number), vector(items[other].number))


def diverse(
    pool: list[str],
    relevance: Mapping[str, float],
    items: Mapping[str, Entry],
    options: SearchOptions,
    k: int,
) -> list[str]:
    chosen: list[str] = []
    while pool and len(chosen) < k:
        worths = []
        for item_id in pool:
            worth = (1.0 - options.diversity) * relevance[item_id]
            if chosen:
                worth -= options.diversity * max(likeness(items, one, item_id) for one in chosen)
            worths.append(round(worth, 9))
        chosen.append(pool.pop(worths.index(max(worths))))
    return chosen


# -- the product ---------------------------------------------------------------------------------------


def found(
    items: Sequence[Entry],
    wanted: Sequence[Examples],
    k: int,
    options: SearchOptions,
    scale: Calibration | None = None,
) -> list[list[Hit]]:
    with tempfile.TemporaryDirectory() as folder:
        store = made_store(Path(folder) / "catalog")
        commit(store, [as_item(entry) for entry in items])
        answers = answered(store, searcher_of(store), Query(wanted, k, options, scale)).lists
        store.close()
    return answers


def found_in_two(
    parts: Sequence[Sequence[Entry]], wanted: Sequence[Examples], k: int, options: SearchOptions
) -> list[list[Hit]]:
    with tempfile.TemporaryDirectory() as folder:
        stores = [made_store(Path(folder) / str(number)) for number in range(len(parts))]
        for store, items in zip(stores, parts, strict=True):
            commit(store, [as_item(entry) for entry in items])
        joined = JoinedStore(stores)
        searcher = JoinedSearcher(joined, [searcher_of(store) for store in stores])
        answers = answered(joined, searcher, Query(wanted, k, options)).lists
        for hit, items in ((hit, items) for listed in answers for hit in listed for items in parts):
            named = Path(str(hit.catalog)).name
            assert (hit.id in {entry.id for entry in items}) == (items is parts[int(named)])
        for store in stores:
            store.close()
    return [[replace(hit, catalog=None) for hit in listed] for listed in answers]


def as_item(entry: Entry) -> NewItem:
    said = json.dumps({"colour": entry.colour, "sold": entry.sold})
    row = colour_of(entry.number)
    return replace(
        new_item(entry.id, entry.number),
        group=entry.group,
        metadata_json=said,
        signature=None if row is None else Signature(row.astype(np.uint8).tobytes(), b""),
    )


def as_answers(answers: Sequence[Hit]) -> list[Answer]:
    return [Answer(hit.id, hit.score, hit.others, hit.near) for hit in answers]


# Few different vectors, so that many items tie; those below zero are nearly equal to number 1.
ENTRIES = st.lists(
    st.tuples(st.integers(-4, 12).filter(bool), st.sampled_from([None, None, "a", "b", "c", "d"])),
    min_size=1,
    max_size=30,
).map(lambda rows: [Entry(f"{place:02}", number, group) for place, (number, group) in enumerate(rows)])


def roundly(options: SearchOptions) -> SearchOptions:
    """With a share of colour by which no score ends in exactly half of its last decimal."""
    return replace(options, color=0.31415926) if options.colour_share == 0.5 else options


OPTIONS = st.builds(
    SearchOptions,
    min_score=st.none() | st.sampled_from([-0.5, 0.0, 0.3]),
    exact=st.booleans(),
    metric=st.sampled_from(Metric),
    pictures=st.booleans(),
    diversity=st.sampled_from([0.0, 0.0, 0.3, 0.7, 1.0]),
    dedup=st.none() | st.sampled_from([0.5, 0.95, 1.0]),
    combine=st.sampled_from(Combine),
    where=st.none() | st.sampled_from([*WHERE]),
    same=st.sampled_from([(), (), ("colour",)]),
    other=st.sampled_from([(), (), ("colour",)]),
    hub_correction=st.booleans(),
    boost=st.sampled_from([(), (), (("sold", 0.3),), (("sold", -0.1),), (("sold", 1.0), ("sold", 0.2))]),
    recent=st.sampled_from([0.0, 0.0, 0.1, -0.5]),
    color=st.sampled_from([None, None, 0.31415926, 0.7182818, 1.0]),
    palette=st.sampled_from([None, None, None, "#c0392b", "navy:2,white"]),
).map(lambda o: roundly(replace(o, min_score=None) if o.metric is Metric.EUCLIDEAN or o.colour_share else o))
WEIGHTS = st.sampled_from([1.0, 1.0, 2.0, 0.5])


@st.composite
def wishes(draw: st.DrawFn) -> tuple[list[Entry], Examples]:
    items = draw(ENTRIES)
    groups = sorted({entry.group for entry in items if entry.group is not None})
    kinds = [
        st.builds(Example, id=st.sampled_from([entry.id for entry in items]), weight=WEIGHTS),
        st.builds(
            Example,
            vector=st.integers(20, 25).map(lambda number: vector(number).astype(np.float32)),
            weight=WEIGHTS,
            colour=st.none() | st.just(palette_signature("green:2,black")),
        ),
    ]
    kinds.append(kinds[1].map(lambda one: replace(one, text="words", colour=None)))
    if groups:
        kinds.append(st.builds(Example, product=st.sampled_from(groups), weight=WEIGHTS))
    example = st.one_of(kinds)
    like = draw(st.lists(example, min_size=1, max_size=3))
    dislike = draw(st.lists(example, max_size=2))
    return items, Examples(tuple(like), tuple(dislike))


FOUR_EQUAL = [Entry(f"{place:02}", 1, None) for place in range(4)]


@given(wishes(), st.integers(1, 6), OPTIONS)
@settings(max_examples=150)
@example((FOUR_EQUAL, Examples((Example("00"),))), 1, SearchOptions(dedup=0.5))
def test_every_combination_of_wishes_is_what_a_plain_derivation_gives(
    wanted: tuple[list[Entry], Examples], k: int, options: SearchOptions
) -> None:
    items, examples = wanted
    if (options.same or options.other) and all(example.vector is not None for example in examples.like):
        with pytest.raises(UsageError, match=r"compares with an item, and none is liked|have no colours"):
            found(items, [examples], k, options)
        return
    try:
        expected = derived(items, examples, k, options)
    except CancelledError:
        with pytest.raises(UsageError, match="cancel"):
            found(items, [examples], k, options)
    except ColourlessError:
        with pytest.raises(UsageError, match="have no colours"):
            found(items, [examples], k, options)
    else:
        answers = as_answers(found(items, [examples], k, options)[0])
        assert [one._replace(score=0.0) for one in answers] == [one._replace(score=0.0) for one in expected]
        assert [one.score for one in answers] == pytest.approx([one.score for one in expected], abs=1.1e-6)


@given(wishes(), st.integers(1, 6), OPTIONS, st.none() | st.sampled_from([0.0, 0.5]), st.floats(0, 1))
@settings(max_examples=100)
def test_catalogues_that_split_a_collection_answer_as_one_that_has_all_of_it(
    wanted: tuple[list[Entry], Examples], k: int, options: SearchOptions, least: float | None, share: float
) -> None:
    items, examples = wanted
    options = replace(options, recent=0.0)  # there is no order of coming between catalogues
    if least is not None and any(like.is_picture for like in examples.like):
        options = with_least_score(replace(options, at_least=least), None, [examples])
    cut = round(share * len(items))
    try:
        expected = found(items, [examples], k, options)
    except UsageError as refusal:
        with pytest.raises(UsageError, match=re.escape(str(refusal))):
            found_in_two((items[:cut], items[cut:]), [examples], k, options)
    else:
        assert found_in_two((items[:cut], items[cut:]), [examples], k, options) == expected


def curve(relation: Relation, low: float, high: float, intercept: float) -> Curve:
    beta = Beta(low, high, intercept)
    return Curve(relation, beta, beta.least_score(), "kind", 1, 1, 1, 1, "item", 0.0, 0.0, 0.0, 0.0, ())


SCALE = Calibration(
    (
        curve(Relation.DUPLICATE, 0, 9, -35),
        curve(Relation.SAME_PRODUCT, 4, 2, -3),
        curve(Relation.SIMILAR, 6, 1, 3),
    ),
    k=10,
    present=0.5,
    learnt_on="2026-11-28",
)


RELATIONS = st.sampled_from([*SCALE.relations[:-1]])


@given(wishes(), st.integers(1, 6), OPTIONS, RELATIONS, st.sampled_from([2, LISTED]))
@settings(max_examples=150)
def test_at_least_a_relation_goes_with_every_other_wish_and_hits_say_what_they_are(
    wanted: tuple[list[Entry], Examples], k: int, options: SearchOptions, relation: Relation, listed: int
) -> None:
    items, examples = wanted
    told = replace(options, at_least=relation)
    if all(like.text is not None for like in examples.like):
        with pytest.raises(UsageError, match="name one"):
            with_least_score(told, SCALE, [examples])
        return
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("seealike.recommend.likeness.FIRST_LISTED", listed // 2)
        patched.setattr("seealike.recommend.likeness.LISTED", listed)
        try:  # what is refused is as without it
            expected = derived(items, examples, k, told)
            answer = found(items, [examples], k, with_least_score(told, SCALE, [examples]), SCALE)[0]
        except (CancelledError, ColourlessError, UsageError):
            with pytest.raises(UsageError):
                found(items, [examples], k, options)
            return
    assert [one._replace(score=0.0) for one in as_answers(answer)] == [
        one._replace(score=0.0) for one in expected
    ]
    assert [hit.score for hit in answer] == pytest.approx([one.score for one in expected], abs=1.1e-6)
    by_id = {entry.id: entry for entry in items}
    for hit in answer:
        score = alike(by_id[hit.id], examples, by_id)
        reached = [one for one in SCALE.relations[:-1] if likely(one, score) >= 0.5]
        assert hit.relation is reached[0]
        assert hit.probability == pytest.approx(likely(reached[0], score), abs=2e-4)


@given(ENTRIES, st.integers(1, 6), OPTIONS)
@settings(max_examples=50)
def test_there_are_k_results_whenever_k_exist_and_none_is_of_the_querys_own_product(
    items: list[Entry], k: int, options: SearchOptions
) -> None:
    options = replace(options, min_score=None, dedup=None)
    wanted = [Examples((Example(entry.id),)) for entry in items]
    for entry, answers in zip(items, found(items, wanted, k, options), strict=True):
        others = [other for other in items if other.id != entry.id and may_be_shown(other, [entry], options)]
        if options.pictures:
            exist = len(others)
        else:
            products = {other.group or other.id for other in others} - {entry.group}
            exist = len(products)
            assert entry.group is None or entry.group not in {hit.group for hit in answers}
        assert len(answers) == min(k, exist)
        assert entry.id not in {hit.id for hit in answers}


@given(ENTRIES, st.integers(1, 6), OPTIONS, st.randoms(use_true_random=False))
@settings(max_examples=30)
def test_neither_the_order_of_items_nor_that_of_queries_nor_how_they_are_batched_changes_anything(
    items: list[Entry], k: int, options: SearchOptions, random: np.random.Generator
) -> None:
    wanted = [Examples((Example(entry.id),)) for entry in items]
    whole = found(items, wanted, k, options)
    options = replace(options, recent=0.0)
    whole = found(items, wanted, k, options)
    shuffled = list(items)
    random.shuffle(shuffled)
    assert found(shuffled, wanted, k, options) == whole
    backwards = found(items, wanted[::-1], k, options)[::-1]
    assert backwards == whole
    half = len(wanted) // 2
    parts = [found(items, part, k, options) for part in (wanted[:half], wanted[half:]) if part]
    assert list(itertools.chain.from_iterable(parts)) == whole


# -- what is looked at in pictures ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[seealike.Catalog]:
    folder = tmp_path_factory.mktemp("shop")
    with seealike.create(folder / "catalog", encoder=FakeEncoder(dimension=16)) as catalog:
        for number in range(16):
            picture(number).save(folder / f"{number:02}.png")
            entry = Entry(f"{number:02}", number, (None, "a", "b", "c")[number % 4])
            said = {"colour": entry.colour, "sold": entry.sold}
            catalog.add(entry.id, folder / f"{entry.id}.png", group=entry.group, metadata=said)
        yield catalog


CROPS = st.builds(Crop, *[st.sampled_from([0.0, 0.1, 0.25])] * 2, *[st.sampled_from([0.4, 0.7])] * 2)
PICTURES = st.integers(0, 30).map(picture)
LOOKED_AT = st.one_of(
    st.builds(Example, id=st.integers(0, 15).map("{:02}".format), weight=WEIGHTS),
    st.builds(Example, product=st.sampled_from("abc"), weight=WEIGHTS),
    st.builds(Example, image=PICTURES | st.builds(Cropped, PICTURES, CROPS), weight=WEIGHTS),
)


@given(st.lists(LOOKED_AT, min_size=1, max_size=3), st.lists(LOOKED_AT, max_size=2), OPTIONS)
@settings(max_examples=60)
def test_the_parts_of_an_explanation_add_up_to_the_score_in_every_combination(
    shop: seealike.Catalog, like: list[Example], dislike: list[Example], options: SearchOptions
) -> None:
    options = replace(options, metric=Metric.COSINE)
    told = replace(options, explain=True)
    if options.combine is Combine.EACH and len(like) > 1:
        with pytest.raises(UsageError):
            shop.recommend(like, dislike, 4, options=told)
        return
    try:
        plain = shop.recommend(like, dislike, 4, options=options)
    except UsageError as refusal:
        with pytest.raises(UsageError, match=re.escape(str(refusal))):
            shop.recommend(like, dislike, 4, options=told)
        return
    explained = shop.recommend(like, dislike, 4, options=told)
    assert [replace(hit, explanation=None) for hit in explained] == plain
    for hit in explained:
        why = hit.explanation
        assert why is not None
        assert why.hit is not None
        assert sum(map(sum, why.hit.shares)) + why.rest == pytest.approx(hit.score, abs=1e-3)
        one = sum(why.examples) if why.query is None else sum(map(sum, why.query.shares))
        assert one + why.rest == pytest.approx(hit.score, abs=1e-3)


@given(PICTURES, st.integers(0, 15).map("{:02}".format), CROPS, OPTIONS)
@settings(max_examples=40)
def test_a_crop_and_a_focus_are_asking_with_that_part_whatever_else_is_wished(
    shop: seealike.Catalog, image: Image.Image, item_id: str, crop: Crop, options: SearchOptions
) -> None:
    path = shop.item(item_id).path
    assert path is not None
    cropped = replace(options, crop=crop)
    part = Example(id=item_id, image=Cropped(path, crop))
    assert shop.similar(item_id, options=cropped) == shop.recommend([part], options=options)
    options = replace(options, same=(), other=())  # nothing is liked that says anything
    cropped = replace(cropped, same=(), other=())
    assert shop.search(image, options=cropped) == shop.search(Cropped(image, crop), options=options)
    focused = shop.search(image, options=replace(options, focus=True))
    looked = shop._session.places.focused(image)
    assert looked.signature is not None
    vector = encoded_unit(looked.vector[None])[0]
    assert focused == shop.recommend(
        [Example(vector=vector, colour=looked.signature.colour)], options=options
    )
