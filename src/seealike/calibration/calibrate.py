"""``calibrate``: learn from a catalogue what its scores are worth, judge that, and keep it there."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from seealike.calibration.evidence import COPIES, Stock, asking_of_copies, asking_of_labels
from seealike.calibration.fitting import fitted
from seealike.calibration.judging import judged
from seealike.calibration.pairs import Questions, asked
from seealike.catalog import Calibration, Catalog, Curve, refuse_address
from seealike.catalog.labels import GROUP, labels_of, text_of
from seealike.errors import UsageError, check_between, check_count
from seealike.evaluation.measure.space import placed
from seealike.evaluation.seen import learnt_marks, seen_ids
from seealike.evaluation.specs import spec_at_hand
from seealike.evaluation.statistics.intervals import FEWEST, Resampling
from seealike.types import EncoderIdentity, Item, ProgressCallback, Relation, unwatched
from seealike.wording import counted


@dataclass(frozen=True, slots=True)
class CalibrateOptions:
    """What is learnt, from what.

    Args:
        label: what says that two items are similar: a column of the metadata, ``folder`` or ``prefix``. With
            ``None`` nothing does, and what is similar is not learnt. What is the same product is learnt from
            the groups, where there are some.
        ignore_labels: labels that are no class; their items neither ask nor answer.
        split_by: a column whose values are held out as a whole, such as the person who took the pictures
            (default: the group, and each item without one by itself).
        present: of all questions, the share that is for something the catalogue has.
        k: how many answers of every question are learnt from.
        max_queries: more items than this are sampled to ask (0: never).
        sample: how many pictures are copied and disturbed.
        resampling: how intervals are made. Its seed also draws the samples and what is held out.
    """

    label: str | None = None
    ignore_labels: tuple[str, ...] = ()
    split_by: str | None = None
    present: float = 0.5
    k: int = 10
    max_queries: int = 2000
    sample: int = 100
    resampling: Resampling = field(default_factory=Resampling)

    def __post_init__(self) -> None:
        """Refuse what makes no sense."""
        check_count(self.k, "k")
        check_between(self.present, "present", 0.01, 1)
        if self.label == GROUP:
            raise UsageError(
                "groups say what is the same product, and are learnt from anyway: name another label, or none"
            )
        if self.ignore_labels and self.label is None:
            raise UsageError("labels to ignore need a label: add --label COLUMN")


@dataclass(frozen=True, slots=True)
class Missed:
    """A relation that could not be learnt, and why."""

    relation: Relation
    reason: str


@dataclass(frozen=True, slots=True)
class CalibrateReport:
    """What ``calibrate`` learnt.

    Args:
        catalog: the catalogue's directory.
        items: how many it has.
        seen: how many of them the encoder learnt from, which were left out; ``None`` where nobody knows.
        encoder: whose scores they are.
        calibration: what is kept in the catalogue now; ``None``: nothing was learnt, and nothing is changed.
        missed: what could not be learnt.
        took_s: how long it took.
    """

    catalog: str
    items: int
    seen: int | None
    encoder: EncoderIdentity
    calibration: Calibration | None
    missed: tuple[Missed, ...]
    took_s: float


def calibrate(
    catalog: Catalog,
    options: CalibrateOptions = CalibrateOptions(),
    *,
    progress: ProgressCallback | None = None,
) -> CalibrateReport:
    """Learn what scores are worth, and keep it in the catalogue, in the place of what was learnt before.

    Raises:
        UsageError: the catalogue has no items, or is in an engine, or no item has the column to split by.
        UnknownNameError: no item has such a label.
        UnknownNameError, EncoderError: the catalogue's encoder is needed and is not at hand; see ``open``.
        CatalogBusyError: somebody else is writing.
    """
    refuse_address(catalog.path, "calibrate the catalogue in its directory")
    started, told = time.perf_counter(), progress or unwatched
    stock, count, seen = _stock(catalog, options, told)
    most, seed = options.max_queries, options.resampling.seed
    sources: tuple[tuple[Relation, str, Callable[[], Questions | str]], ...] = (
        (
            Relation.DUPLICATE,
            COPIES,
            lambda: asking_of_copies(catalog, stock, options.sample, seed, told),
        ),
        (Relation.SAME_PRODUCT, GROUP, lambda: asking_of_labels(stock, GROUP, most, seed)),
        (Relation.SIMILAR, options.label or "", lambda: asking_of_labels(stock, options.label, most, seed)),
    )
    curves, missed = [], []
    for relation, source, asking in sources:
        questions = asking()
        learnt = (
            questions
            if isinstance(questions, str)
            else _learnt(relation, source, questions, stock.split_by, options, told)
        )
        if isinstance(learnt, str):
            missed.append(Missed(relation, learnt))
        else:
            curves.append(learnt)
    calibration = None
    if curves:
        today = dt.datetime.now(dt.UTC).date().isoformat()
        calibration = catalog.keep_calibration(Calibration(tuple(curves), options.k, options.present, today))
    took_s = time.perf_counter() - started
    return CalibrateReport(catalog.path, count, seen, catalog.encoder, calibration, tuple(missed), took_s)


def _stock(
    catalog: Catalog, options: CalibrateOptions, progress: ProgressCallback = unwatched
) -> tuple[Stock, int, int | None]:
    """What can be learnt from, how many items there are, and how many of them the encoder learnt from."""
    everything, marks = placed(catalog, progress), learnt_marks(spec_at_hand(catalog))
    if not everything.items:
        raise UsageError(f"{catalog.path} has no items to learn from; `seealike index FOLDER` adds some")
    digests = dict(catalog.digests())
    seen = seen_ids(digests.items(), [marks])
    new = [item for item in everything.items if item.id not in seen]
    if not new:
        raise UsageError(
            f"the encoder learnt from all {counted(len(seen), 'picture')}: what it makes of others cannot be "
            "seen here; calibrate a catalogue that has others"
        )
    labels = None if options.label is None else _labels(new, options.label, options.ignore_labels)
    split = [item.group for item in new] if options.split_by is None else labels_of(new, options.split_by)
    by = options.split_by or (GROUP if any(split) else "item")
    stock = Stock(new, everything.of(new), [digests.get(item.id) for item in new], labels, split, by)
    return stock, len(everything.items), None if marks is None else len(everything.items) - len(new)


def _labels(items: list[Item], label: str, ignored: tuple[str, ...]) -> list[str | None]:
    left_out = set(map(text_of, ignored))
    return [None if text in left_out else text for text in labels_of(items, label)]


def _learnt(
    relation: Relation,
    source: str,
    questions: Questions,
    split_by: str,
    options: CalibrateOptions,
    progress: ProgressCallback,
) -> Curve | str:
    """The curve of one relation, or why there is none."""
    pairs = asked(questions, options.k, options.present, progress)
    parts = len(np.unique(pairs.auc_parts))
    if parts < FEWEST:
        return (
            f"too little to learn from: {counted(parts, split_by)} found both what is right and what is not, "
            f"it takes {FEWEST}"
        )
    judgement = judged(pairs, options.resampling)
    if not judgement.tells:
        return "scores do not tell: what is right has no higher ones than what is not, beyond chance"
    beta = fitted(pairs.scores, pairs.right)
    return Curve(
        relation=relation,
        beta=beta,
        least_score=beta.least_score(),
        source=source,
        pairs=len(pairs),
        right=int(pairs.right.sum()),
        questions=len(questions.queries),
        units=len(np.unique(pairs.asking)),
        split_by=split_by,
        gain=judgement.gain,
        error=judgement.error,
        error_low=judgement.low,
        error_high=judgement.high,
        bins=judgement.bins,
    )
