"""``evaluate``: everything that can be measured about a catalogue's encoder, in one call."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from seealike.catalog import Catalog
from seealike.errors import UsageError
from seealike.evaluation.copies import copies_of, copy_report
from seealike.evaluation.embedding import Told, embedded, own_spec
from seealike.evaluation.labelled import Labelled, label_report
from seealike.evaluation.labels import GROUP
from seealike.evaluation.options import EvalOptions
from seealike.evaluation.ranking import ranked
from seealike.evaluation.selection import Selection, check_options, narrowed, select
from seealike.evaluation.values import CopyReport, EvalReport, LabelReport
from seealike.protocols import Encoder
from seealike.types import Float32Array, Item, Progress

ANN_SAMPLE = 200


def evaluate(
    catalog: Catalog,
    options: EvalOptions = EvalOptions(),
    *,
    progress: Told | None = None,
    encoder: str | Encoder | None = None,
) -> EvalReport:
    """Measure how well a catalogue's encoder does on it.

    Args:
        catalog: the catalogue; it is only read.
        options: what to measure.
        progress: told how far each stage is.
        encoder: the one that made the vectors, where it is an object of yours.

    Raises:
        UsageError: there is nothing to measure, or the options do not go together.
        UnknownNameError: no item has such a label.
        SourceError: the queries cannot be read.
    """
    started = time.perf_counter()
    check_options(options)
    told = progress or silent
    items, vectors = items_with_vectors(catalog)
    kept = narrowed(items, options)
    if not kept:
        raise UsageError(f"{catalog.path} has no items to measure; `seealike index FOLDER` adds some")
    rows = rows_of(items, kept)
    label = options.label or (GROUP if _have_groups(kept) else None)
    at_hand = encoder if encoder is not None else own_spec(catalog)
    labels = None
    if label is not None:
        labels = _labels(catalog, kept, vectors[rows], label, options, told=told, encoder=at_hand)
    copies = None
    if options.copies or (options.copies is None and options.label is None):
        copies = _copies(catalog, kept, vectors[rows], options, told=told, encoder=at_hand)
    if labels is None and copies is None:
        raise UsageError(
            "nothing to measure: no picture could be read to make copies of; say by --label what is right"
        )
    recall, sample = ann_recall(catalog)
    return EvalReport(
        catalog=catalog.path,
        items=len(kept),
        encoder=catalog.encoder,
        k=options.k,
        labels=labels,
        copies=copies,
        ann_recall_at_10=recall,
        ann_sample=sample,
        took_s=time.perf_counter() - started,
    )


def items_with_vectors(catalog: Catalog) -> tuple[list[Item], Float32Array]:
    """All items in id order and their vectors, one row each. Shapes: the array is (n, d)."""
    ids, vectors = catalog.vectors()
    by_id = {item.id: item for item in catalog.items()}
    there = [row for row, item_id in enumerate(ids) if item_id in by_id]  # removed in between
    items = [by_id[ids[row]] for row in there]
    return items, vectors if len(there) == len(ids) else vectors[there]


def ann_recall(catalog: Catalog) -> tuple[float | None, int]:
    """Recall@10 of the approximate index against exact search, and on how many items; ``None``, 0: none."""
    if catalog.info().ann.state != "ready":
        return None, 0
    checked = catalog.verify(sample=ANN_SAMPLE)
    return checked.recall_at_10, checked.sample


def _have_groups(items: Sequence[Item]) -> bool:
    """Whether any two items are of one group."""
    groups = [item.group for item in items if item.group is not None]
    return len(set(groups)) < len(groups)


def silent(_: Progress) -> None:
    """Progress nobody watches."""


def rows_of(items: Sequence[Item], kept: Sequence[Item]) -> slice | list[int]:
    """Where some of the items stand among them; all of them as a slice, which copies no array."""
    if len(items) == len(kept):
        return slice(None)
    place = {item.id: row for row, item in enumerate(items)}
    return [place[item.id] for item in kept]


def _labels(
    catalog: Catalog,
    items: Sequence[Item],
    vectors: Float32Array,
    label: str,
    options: EvalOptions,
    *,
    told: Told,
    encoder: str | Encoder,
) -> LabelReport:
    if options.queries is None:
        chosen = select(items, label, options)
        return _measured(chosen, items, vectors, None, label, options, told=told)
    with embedded(catalog, options.queries, told, encoder=encoder) as asking:
        outside, queries = items_with_vectors(asking)
    chosen = select(items, label, options, outside)
    asked = queries[rows_of(outside, chosen.queries)]
    return _measured(chosen, items, vectors, asked, label, options, told=told)


def _measured(
    chosen: Selection,
    items: Sequence[Item],
    vectors: Float32Array,
    queries: Float32Array | None,
    label: str,
    options: EvalOptions,
    *,
    told: Told,
) -> LabelReport:
    labelled = answered(chosen, items, vectors, queries, options.k, told)
    return label_report(label, labelled, options.resampling)


def answered(
    chosen: Selection,
    items: Sequence[Item],
    vectors: Float32Array,
    queries: Float32Array | None,
    k: int,
    told: Told,
) -> Labelled:
    """Rank for every query of a selection; ``queries`` are those from outside.

    Shapes: vectors is (n, d), one row an item; queries is (q, d).
    """
    searched = vectors[rows_of(items, chosen.items)]
    asked = vectors[rows_of(items, chosen.queries)] if queries is None else queries
    task = chosen.task(np.ascontiguousarray(searched), np.ascontiguousarray(asked))
    return Labelled(chosen, ranked(task, k, lambda done, total: told(Progress("compare", done, total))), k)


def _copies(
    catalog: Catalog,
    items: Sequence[Item],
    vectors: Float32Array,
    options: EvalOptions,
    *,
    told: Told,
    encoder: str | Encoder,
) -> CopyReport | None:
    seed = options.resampling.seed
    copies = copies_of(catalog, items, vectors, options.sample, seed, told=told, encoder=encoder)
    return copy_report(items, copies, options.resampling)
