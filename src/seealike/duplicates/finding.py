"""Which pictures of a catalogue are duplicates: proposed by encoder or hash, then laid over each other."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from seealike.catalog import SearchOptions, default_workers
from seealike.duplicates.decisions import Decisions
from seealike.duplicates.keeping import described, with_real_folders
from seealike.duplicates.proposing import alike_hashes
from seealike.duplicates.registration import Int8Array, agreements
from seealike.duplicates.stars import Links, linked, stars, strength
from seealike.duplicates.values import DuplicateGroup, DuplicateOptions, DuplicateReport, Level, Link
from seealike.errors import UnknownItemError
from seealike.signatures import COLOUR_BYTES, HASH_BYTES
from seealike.types import Float32Array, Int64Array, PixelArray, Progress, ProgressCallback, unwatched

if TYPE_CHECKING:
    from collections.abc import Mapping

    from seealike.catalog import Catalog

NEIGHBOURS = 6  # of every item; of copies of photos, the original was among the first five
DEEPEST = 1024  # neighbours of an item whose list is full of duplicates
_TIMES_DEEPER = 4
_FEW = 3  # different pictures in a list, below which it is full of the same one
_MANY = 4  # near duplicates, from which on a centre may have more than its neighbours tell
_COLOURS = 0.3  # how alike the colours of near duplicates are at least: a shirt in red is none of one in blue
_SAME_VIEW = 0.97  # how alike pictures of one product are at least: its other views are wanted
_PAIRS_AT_ONCE = 4096
_COSINE_SHARE, _COLOUR_SHARE = 0.12, 0.08  # of the likeness; the rest is how well they agree
_UNKNOWN = -2.0  # the encoder's score of a pair that it has not proposed
_SINGLE = SearchOptions(pictures=True)


def find_duplicates(
    catalog: Catalog,
    options: DuplicateOptions = DuplicateOptions(),
    *,
    decisions: Decisions = Decisions(),
    progress: ProgressCallback | None = None,
) -> DuplicateReport:
    """Groups of pictures that are duplicates of the one of them that is kept.

    The same catalogue and options give the same groups. Time and memory grow with the number of items.

    Args:
        catalog: whose pictures.
        options: what counts as a duplicate, and which is kept.
        decisions: of people, from a page: what was kept on purpose is not found again.
        progress: called as the work goes on.

    Raises:
        UsageError: no picture lies in a folder of the options.
        CatalogBusyError: the catalogue changes faster than it can be read.
    """
    started, report = time.perf_counter(), progress or unwatched
    options = with_real_folders(catalog, options)
    items = _Items.of(catalog, options.level)
    finder = _Finder(catalog, items, options, decisions, report)
    if options.level is not Level.EXACT:
        finder.look()
    groups = described(catalog, [*finder.groups()], finder.alike, options, decisions, report)
    unsigned = 0 if options.level is Level.EXACT else int((~items.signed).sum())
    took_s = time.perf_counter() - started
    return DuplicateReport(
        groups, len(items.ids), unsigned, finder.settled, took_s, emptied=_emptied(items, groups)
    )


def _emptied(items: _Items, groups: Sequence[DuplicateGroup]) -> tuple[str, ...]:
    """Groups of the catalogue none of whose pictures would be left."""
    dropped = {member.item.id for group in groups for member in group.dropped}
    left = {name for one, name in zip(items.ids, items.groups, strict=True) if one not in dropped}
    return tuple(sorted({name for name in items.groups if name is not None} - left))


@dataclass(frozen=True, slots=True, eq=False)
class _Items:
    """What is compared, in id order. Of those with the same bytes, the first stands for all.

    Shapes: first and signed are (n,), hashes is (n, HASH_BYTES), colours (n, COLOUR_BYTES).
    """

    ids: list[str]
    digests: list[bytes | None]
    first: Int64Array
    groups: list[str | None]
    hashes: Int8Array
    colours: PixelArray
    signed: np.ndarray[tuple[int], np.dtype[np.bool_]]
    row_of: dict[str, int]

    @classmethod
    def of(cls, catalog: Catalog, level: Level) -> _Items:
        pairs = list(catalog.digests())
        ids, digests = [item_id for item_id, _ in pairs], [digest for _, digest in pairs]
        row_of = {item_id: row for row, item_id in enumerate(ids)}
        firsts: dict[bytes, int] = {}
        first = [
            row if digest is None else firsts.setdefault(digest, row) for row, digest in enumerate(digests)
        ]
        groups: list[str | None] = [None] * len(ids)
        for item in catalog.items():
            if item.id in row_of:
                groups[row_of[item.id]] = item.group
        hashes = np.zeros((0 if level is Level.EXACT else len(ids), HASH_BYTES), dtype=np.int8)
        colours = np.zeros((len(hashes), COLOUR_BYTES), dtype=np.uint8)
        signed = np.zeros(len(ids), dtype=bool)
        for item_id, signature in catalog.signatures() if len(hashes) else ():
            row = row_of.get(item_id)
            if row is not None and signature is not None:
                hashes[row] = np.frombuffer(signature.hash, dtype=np.int8)
                colours[row] = np.frombuffer(signature.colour, dtype=np.uint8)
                signed[row] = True
        return cls(ids, digests, np.array(first, dtype=np.int64), groups, hashes, colours, signed, row_of)

    def are_apart(self, one: int, other: int) -> bool:
        """Whether two pictures are said to show different products."""
        ours, theirs = self.groups[one], self.groups[other]
        return ours is not None and theirs is not None and ours != theirs

    def likeness(self, one: Int64Array, other: Int64Array, cosines: Float32Array) -> Float32Array:
        """How alike pairs with these cosines are; -1 where they cannot be compared. Shapes: (m,)."""
        colours = self._colours_alike(one, other)
        both = np.flatnonzero(self.signed[one] & self.signed[other] & (colours >= _COLOURS))
        agreed = agreements(self.hashes, one[both], other[both])
        likeness = np.full(len(one), -1, dtype=np.float32)
        seen = _COSINE_SHARE * cosines[both] + _COLOUR_SHARE * colours[both]
        likeness[both] = (1 - _COSINE_SHARE - _COLOUR_SHARE) * agreed + seen
        return likeness

    def _colours_alike(self, one: Int64Array, other: Int64Array) -> Float32Array:
        """How alike the colours of pairs are, in [0, 1]. Shapes: (m,) each."""
        ours, theirs = (self.colours[rows].astype(np.float32) for rows in (one, other))
        norms = np.linalg.norm(ours, axis=1) * np.linalg.norm(theirs, axis=1)
        return np.asarray(np.einsum("mc,mc->m", ours, theirs) / np.maximum(norms, 1))


class _Finder:
    """Links between items, each of which stands for all with its bytes, and what they lead to."""

    def __init__(
        self,
        catalog: Catalog,
        items: _Items,
        options: DuplicateOptions,
        decisions: Decisions,
        progress: ProgressCallback,
    ) -> None:
        self._catalog, self._items, self._options = catalog, items, options
        self._decisions, self._progress = decisions, progress
        self._links: Links = {}
        self._copies: dict[int, list[int]] = {}
        for row, first in enumerate(items.first.tolist()):
            self._copies.setdefault(first, []).append(row)
        self._mates: dict[str, list[int]] = {}
        self._settled: set[tuple[int, int]] = set()

    @property
    def settled(self) -> int:
        """How many pairs were left out because both were kept on purpose."""
        return len(self._settled)

    # -- links -------------------------------------------------------------------------------------

    def look(self) -> None:
        """Compare every item with its neighbours."""
        starved: list[int] = []
        blocks: list[tuple[Int64Array, Int64Array, Float32Array]] = []
        ids, rows_of = self._items.row_of, []
        for entry in self._catalog.recommend_all(NEIGHBOURS, options=_SINGLE, progress=self._progress):
            row = ids.get(entry.id)
            if row is not None and self._items.first[row] == row:
                rows_of.append((row, entry.similar_ids, entry.scores))
                if self._is_starved(row, entry.similar_ids):
                    starved.append(row)
            if len(rows_of) >= _PAIRS_AT_ONCE:
                blocks.append(self._pairs(rows_of))
                rows_of = []
        blocks.append(self._pairs(rows_of))
        self._compare(*map(np.concatenate, zip(*blocks, strict=True)), told=True)
        self._compare(*self._alike_hashes(), by_encoder=False)
        for row in starved:
            self._deepen(row, lambda _: True, while_full=self._is_starved)
        if self._options.level is Level.PRODUCT:
            self._link_products()

    def _is_starved(self, row: int, similar_ids: Sequence[str]) -> bool:
        """Whether a list has hardly anything but copies of a few files."""
        known = [self._items.row_of[one] for one in similar_ids if one in self._items.row_of]
        different = set(self._items.first[known].tolist()) - {row}
        return len(known) >= NEIGHBOURS and len(different) < _FEW

    def _pairs(
        self, lists: Sequence[tuple[int, Sequence[str], Sequence[float]]]
    ) -> tuple[Int64Array, Int64Array, Float32Array]:
        """Pairs of different files, the lesser row first, with their scores."""
        row_of, first = self._items.row_of, self._items.first
        found = [
            (row, first[row_of[other]], score)
            for row, others, scores in lists
            for other, score in zip(others, scores, strict=True)
            if other in row_of and first[row_of[other]] != row
        ]
        ends = np.array([pair[:2] for pair in found], dtype=np.int64).reshape(-1, 2)
        ends.sort(axis=1)
        return ends[:, 0], ends[:, 1], np.array([pair[2] for pair in found], dtype=np.float32)

    def _alike_hashes(self) -> tuple[Int64Array, Int64Array, Float32Array]:
        """Pairs of different files whose hashes are nearly the same."""
        files = np.flatnonzero(self._items.first == np.arange(len(self._items.ids)))
        one, other, cosines = alike_hashes(self._items.hashes[files])
        return files[one], files[other], cosines

    def _compare(
        self,
        one: Int64Array,
        other: Int64Array,
        cosines: Float32Array,
        *,
        told: bool = False,
        by_encoder: bool = True,
    ) -> None:
        """Link those of the pairs that are duplicates; cosines are of vectors, or of the signs of hashes."""
        if not len(one):
            return
        numbers, place = np.unique(one * len(self._items.ids) + other, return_index=True)
        one, other, cosines = one[place], other[place], cosines[place]
        scores = cosines if by_encoder else np.full(len(one), _UNKNOWN, dtype=np.float32)
        parts = [slice(start, start + _PAIRS_AT_ONCE) for start in range(0, len(numbers), _PAIRS_AT_ONCE)]
        pool = ThreadPoolExecutor(default_workers())  # numpy lets go of the interpreter while it computes
        try:
            compared = pool.map(lambda few: self._items.likeness(one[few], other[few], cosines[few]), parts)
            for few, likeness in zip(parts, compared, strict=True):
                self._link_few(one[few], other[few], scores[few], likeness)
                if told:
                    self._progress(Progress("compare", min(few.stop, len(numbers)), len(numbers)))
        finally:
            pool.shutdown(cancel_futures=True)

    def _link_few(
        self, one: Int64Array, other: Int64Array, scores: Float32Array, likeness: Float32Array
    ) -> None:
        for row, mate, score, value in zip(
            one.tolist(), other.tolist(), scores.tolist(), likeness.tolist(), strict=True
        ):
            link = self._judged(row, mate, score, value)
            if link is not None:
                self._link(row, mate, link)

    def _judged(self, row: int, mate: int, score: float, likeness: float) -> Link | None:
        """How two different files are duplicates, as of what was measured; ``None`` if they are none."""
        items, options = self._items, self._options
        if items.are_apart(row, mate):
            return None
        views = items.groups[row] is not None and items.groups[row] == items.groups[mate]
        if likeness >= max(options.min_likeness, _SAME_VIEW if views else 0):
            return Link(Level.NEAR, likeness)
        if options.level is Level.PRODUCT and (views or score >= options.min_score):
            return Link(Level.PRODUCT, 0.0 if views else score)
        return None

    def _link(self, one: int, other: int, link: Link) -> None:
        pair = (min(one, other), max(one, other))
        if self._are_settled(*pair):
            self._settled.add(pair)
        else:
            linked(self._links, *pair, link)

    def _are_settled(self, one: int, other: int) -> bool:
        ids, digests = self._items.ids, self._items.digests
        return self._decisions.both_kept((ids[one], digests[one]), (ids[other], digests[other]))

    def _link_products(self) -> None:
        """Link every item of a group to the first of it."""
        for row, group in enumerate(self._items.groups):
            if group is not None:
                self._mates.setdefault(group, []).append(int(self._items.first[row]))
        for mates in self._mates.values():
            for mate in set(mates[1:]) - {mates[0]}:
                self._link(mates[0], mate, Link(Level.PRODUCT, 0.0))

    def _deepen(
        self,
        row: int,
        is_free: Callable[[int], bool],
        *,
        while_full: Callable[[int, Sequence[str]], bool] | None = None,
    ) -> None:
        """Look further down the neighbours of an item, while all that are found are duplicates of it."""
        full, depth = while_full or self._is_full, NEIGHBOURS
        while depth < DEEPEST:
            depth *= _TIMES_DEEPER
            try:
                hits = self._catalog.similar(self._items.ids[row], depth, options=_SINGLE)
            except UnknownItemError:  # removed meanwhile
                return
            one, other, scores = self._pairs([(row, hits.ids, hits.scores)])
            free = np.array([is_free(a) and is_free(b) for a, b in zip(one, other, strict=True)], dtype=bool)
            self._compare(one[free], other[free], scores[free])
            if len(hits) < depth or not full(row, hits.ids):
                return

    def _is_full(self, row: int, similar_ids: Sequence[str]) -> bool:
        """Whether all of a list are duplicates of the item."""
        near = {row, *self._links.get(row, {})}
        known = (self._items.row_of.get(one) for one in similar_ids)
        return all(one is None or int(self._items.first[one]) in near for one in known)

    # -- groups ------------------------------------------------------------------------------------

    def groups(self) -> Iterator[Mapping[str, bytes | None]]:
        """Ids of pictures that are alike a centre, and their digests, each group's in id order."""
        firsts = [{centre, *members} for centre, members in stars(self._links, self._complete)]
        inside = set().union(*firsts)
        firsts += [
            {first} for first, copies in self._copies.items() if first not in inside and len(copies) > 1
        ]
        ids, digests = self._items.ids, self._items.digests
        for group in firsts:
            rows = sorted(copy for first in group for copy in self._copies[first])
            yield {ids[row]: digests[row] for row in rows}

    def alike(self, one: str, others: Sequence[str]) -> dict[str, Link]:
        """Those of a group that are duplicates of one of it, with how they are: nothing lies between."""
        items, links = self._items, {}
        row = items.row_of[one]
        for other in others:
            mate = items.row_of[other]
            if self._are_settled(row, mate):
                self._settled.add((min(row, mate), max(row, mate)))
            elif (link := self._between(row, mate)) is not None:
                links[other] = link
        return links

    def _between(self, row: int, mate: int) -> Link | None:
        items, options = self._items, self._options
        one, other = int(items.first[row]), int(items.first[mate])
        if one == other:
            return Link(Level.EXACT, 1.0)
        if options.level is Level.EXACT or items.are_apart(row, mate):
            return None
        known = self._links.get(one, {}).get(other)
        if known is not None:  # of files with the same bytes, each may have a group of its own
            is_near = known.level is Level.NEAR
            return self._judged(row, mate, -1.0, known.likeness) if is_near else known
        try:
            _, (ours, theirs) = self._catalog.vectors([items.ids[row], items.ids[mate]])
        except UnknownItemError:  # removed meanwhile
            return None
        score = np.array([ours @ theirs], dtype=np.float32)
        likeness = items.likeness(np.array([one]), np.array([other]), score)
        return self._judged(row, mate, float(score[0]), float(likeness[0]))

    def _complete(self, centre: int, is_free: Callable[[int], bool]) -> None:
        """Find what a new centre may have more of than it has links to; of products, one is enough."""
        links = self._links[centre]
        if sum(link.level is Level.NEAR for link in links.values()) >= _MANY:
            self._deepen(centre, is_free)
        group = self._items.groups[centre]
        for mate in self._mates.get(group, ()) if group is not None else ():
            if mate != centre and is_free(mate):
                self._link(centre, mate, Link(Level.PRODUCT, 0.0))
        if group is None:
            self._links[centre] = self._of_one_product(links)

    def _of_one_product(self, links: Mapping[int, Link]) -> dict[int, Link]:
        """Links of an item without a group, without those to other products than that of the strongest."""
        groups = self._items.groups
        grouped = [row for row in sorted(links) if groups[row] is not None]
        closest = max(grouped, key=lambda row: strength(links[row]), default=None)
        own = None if closest is None else groups[closest]
        return {
            row: link
            for row, link in links.items()
            if link.level is not Level.PRODUCT or groups[row] in (None, own)
        }
