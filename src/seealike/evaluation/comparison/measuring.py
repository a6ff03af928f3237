"""One encoder on the queries that all of them get: values to compare, and who stands nearest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from seealike.catalog import Catalog
from seealike.evaluation.comparison.memo import Memo
from seealike.evaluation.measure.copies import BASE_PX, NEAR, copies_of
from seealike.evaluation.measure.selection import Selection
from seealike.evaluation.measure.space import Placed
from seealike.evaluation.options import EvalOptions
from seealike.evaluation.statistics.metrics import Values, metric_names
from seealike.evaluation.statistics.ranking import Ranking, nearest, rank
from seealike.rows import Rows
from seealike.types import Float32Array, Int64Array, Item, ProgressCallback

COPY_METRICS = ("recall@1", f"recall@{NEAR}")


@dataclass(frozen=True, slots=True)
class Measured:
    """Figures of one encoder.

    Args:
        names: of the metrics.
        values: of every query; (a, m).
        clusters: what is drawn as a whole; (a,).
        asked: rows of the items (or of the selection's queries) whose neighbours stand in the other two.
        places: rows of the nearest items; (b, k), -1 where there are fewer.
        scores: their cosine similarities.
        answers: what ``by_label`` ranked.
    """

    names: tuple[str, ...]
    values: Values
    clusters: Int64Array
    asked: Int64Array
    places: Int64Array
    scores: Float32Array
    answers: Ranking | None = None


def by_label(chosen: Selection, items: Rows, queries: Rows, k: int, progress: ProgressCallback) -> Measured:
    """Every metric of every query. Shapes: items is (n, d), queries (q, d), as in the selection."""
    answers = rank(chosen.task(items, queries), k, progress)
    return Measured(
        metric_names(k),
        answers.values,
        chosen.clusters[answers.asked],
        answers.asked,
        answers.nearest,
        answers.scores,
        answers,
    )


def by_copies(
    space: Catalog, everything: Placed, rows: Int64Array, options: EvalOptions, progress: ProgressCallback
) -> Measured:
    """Whether copies find their originals, and the neighbours of the items in ``rows``.

    The copies' ranks are remembered beside the space.
    """
    items, vectors = everything.items, everything.vectors
    places, scores = nearest(vectors[rows], vectors, rows, options.k, progress)
    memo, key = Memo(space.path), _copies_key(space, items, options)
    kept = memo.get("copies", key)
    if not isinstance(kept, list) or len(kept) != 2:
        copies = copies_of(space, items, vectors, options.sample, options.resampling.seed, progress)
        kept = [copies.originals.tolist(), copies.standing.ranks.tolist()]
        memo.put("copies", key, kept)
    originals, ranks = (np.array(numbers, dtype=np.int64) for numbers in kept)
    values = np.stack([ranks == 1, ranks <= NEAR], axis=1).astype(np.float64)
    return Measured(COPY_METRICS, values, originals, rows, places, scores)


def _copies_key(space: Catalog, items: Sequence[Item], options: EvalOptions) -> str:
    """What the ranks of copies depend on: which items there are, in which state, and the draw."""
    digest = hashlib.sha256()
    for item in items:
        digest.update(item.id.encode("utf-8", "surrogatepass") + b"\0")
    identity = asdict(space.encoder)
    facts = [digest.hexdigest(), identity, space.generation, options.sample, options.resampling.seed, BASE_PX]
    return json.dumps(facts)
