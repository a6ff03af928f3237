"""``evaluate``: everything that can be measured about a catalogue's encoder, in one call."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from seealike.catalog import Catalog, ann_recall
from seealike.catalog.labels import GROUP
from seealike.errors import UsageError
from seealike.evaluation.measure.copies import copies_of, copy_report
from seealike.evaluation.measure.labelled import Labelled, label_report, nothing_new
from seealike.evaluation.measure.selection import check_options, narrowed, select
from seealike.evaluation.measure.smaller import cost_of_smaller, smaller_forms
from seealike.evaluation.measure.space import Placed, embedded_source, placed
from seealike.evaluation.options import EvalOptions
from seealike.evaluation.seen import learnt_marks, seen_ids
from seealike.evaluation.specs import spec_at_hand
from seealike.evaluation.statistics.ranking import rank
from seealike.evaluation.values import CopyReport, EvalReport, LabelReport
from seealike.types import Int64Array, Item, ProgressCallback, unwatched

ANN_SAMPLE = 200


def evaluate(
    catalog: Catalog,
    options: EvalOptions = EvalOptions(),
    *,
    progress: ProgressCallback | None = None,
) -> EvalReport:
    """Measure how well a catalogue's encoder does on it.

    Args:
        catalog: the catalogue; it is only read.
        options: what to measure.
        progress: told how far each stage is.

    Raises:
        UsageError: there is nothing to measure, or the options do not go together.
        UnknownNameError: no item has such a label.
        SourceError: the queries cannot be read.
        UnknownNameError, EncoderError: the catalogue's encoder is needed and is not at hand; see ``open``.
    """
    started = time.perf_counter()
    check_options(options)
    count, seen, labels, copies = _figures(catalog, options, progress or unwatched)
    recall, sample = approximate_recall(catalog)
    return EvalReport(
        catalog=catalog.path,
        items=count,
        seen=seen,
        encoder=catalog.encoder,
        k=options.k,
        labels=labels,
        copies=copies,
        ann_recall_at_10=recall,
        ann_sample=sample,
        took_s=time.perf_counter() - started,
    )


def approximate_recall(catalog: Catalog) -> tuple[float | None, int]:
    """Recall@10 of the approximate index against exact search, and on how many items; ``None``, 0: none."""
    if catalog.info().ann.state != "ready":
        return None, 0
    return ann_recall(catalog.path, ANN_SAMPLE)


@dataclass(frozen=True, slots=True)
class _Participants:
    """All vectors, the items that may take part, and what the encoder learnt from: its marks, and the ids."""

    everything: Placed
    kept: Sequence[Item]
    marks: Int64Array | None
    seen: frozenset[str]

    @property
    def new(self) -> list[Item]:
        return [item for item in self.kept if item.id not in self.seen]


def _figures(
    catalog: Catalog, options: EvalOptions, progress: ProgressCallback
) -> tuple[int, int | None, LabelReport | None, CopyReport | None]:
    """How many items there are, how many of them were learnt from, what was measured; holds no vectors."""
    everything, marks = placed(catalog, progress), learnt_marks(spec_at_hand(catalog))
    kept = narrowed(everything.items, options)
    participants = _Participants(everything, kept, marks, seen_ids(catalog.digests(), [marks]))
    count, new = len(participants.kept), participants.new
    if not count:
        raise UsageError(f"{catalog.path} has no items to measure; `seealike index FOLDER` adds some")
    label = options.label or (GROUP if _have_groups(new) else None)
    labels = copies = None
    if label is not None:
        labels = _labels(catalog, participants, label, options, progress)
    if options.copies or (options.copies is None and options.label is None):
        if not new:
            raise UsageError(nothing_new(count))
        seed = options.resampling.seed
        made = copies_of(catalog, new, everything.of(new), options.sample, seed, progress)
        copies = copy_report(new, made, options.resampling)
    if labels is None and options.vectors:
        raise UsageError("what smaller vectors cost needs a label to say what is right: add --label COLUMN")
    if labels is None and copies is None:
        raise UsageError(
            "nothing to measure: no picture could be read to make copies of; say by --label what is right"
        )
    return count, None if marks is None else count - len(new), labels, copies


def _have_groups(items: Sequence[Item]) -> bool:
    """Whether any two items are of one group."""
    groups = [item.group for item in items if item.group is not None]
    return len(set(groups)) < len(groups)


def _labels(
    catalog: Catalog,
    participants: _Participants,
    label: str,
    options: EvalOptions,
    progress: ProgressCallback,
) -> LabelReport:
    if options.queries is None:
        chosen = select(participants.kept, label, options, seen=participants.seen)
        searched, asked = participants.everything.asked(chosen)
    else:
        outside, digests = embedded_source(catalog, options.queries, progress)
        seen = seen_ids(digests, [participants.marks])
        chosen = select(participants.kept, label, options, outside.items, seen=seen)
        searched, asked = participants.everything.of(chosen.items), outside.of(chosen.queries)
    answers = rank(chosen.task(searched, asked), options.k, progress)
    report = label_report(label, Labelled(chosen, answers, options.k), options.resampling)
    tried = [
        cost_of_smaller(form, chosen, (searched, asked), answers, options, progress)
        for form in smaller_forms(options.vectors, catalog.encoder.dimension)
    ]
    return replace(report, vectors=tuple(tried))
