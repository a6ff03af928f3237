"""``compare``: which encoder does best on the pictures at hand, and what does it cost?"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field, replace

import numpy as np

from seealike.catalog import Catalog, found_encoder, in_space
from seealike.errors import UsageError, known_member
from seealike.evaluation.comparison.contest import most_contested
from seealike.evaluation.comparison.measuring import Measured, by_copies, by_label
from seealike.evaluation.comparison.speed import Cost, Timing, costs_of
from seealike.evaluation.comparison.values import CompareReport, Contested, EncoderResult
from seealike.evaluation.measure.apart import apart_changes, apart_report
from seealike.evaluation.measure.labelled import nothing_new, nothing_to_find
from seealike.evaluation.measure.selection import Selection, check_options, narrowed, select
from seealike.evaluation.measure.space import Placed, placed
from seealike.evaluation.options import EvalOptions
from seealike.evaluation.seen import learnt_marks, seen_ids
from seealike.evaluation.specs import own_spec, short_names
from seealike.evaluation.statistics.intervals import Estimate, differences, estimates
from seealike.evaluation.statistics.ranking import mean_overlap, sampled
from seealike.evaluation.words import remarks_on, seen_before, too_few, witnesses_of
from seealike.types import Item, ProgressCallback, unwatched
from seealike.wording import counted

Spaces = Callable[[Catalog, str, ProgressCallback], AbstractContextManager[Catalog]]
SHOWN = 40


@dataclass(frozen=True, slots=True)
class CompareOptions:
    """How encoders are compared.

    Args:
        measure: what to measure; its queries cannot come from outside. Without a label, copies have to find
            their originals.
        show: how many contested queries to give with their answers.
        timing: whether to measure how long each encoder takes.
    """

    measure: EvalOptions = field(default_factory=EvalOptions)
    show: int = SHOWN
    timing: Timing = Timing.ONCE

    def __post_init__(self) -> None:
        """Take a name as well."""
        object.__setattr__(self, "timing", known_member(Timing, self.timing, "timing"))


def compare(
    catalog: Catalog,
    encoders: Sequence[str],
    options: CompareOptions = CompareOptions(),
    *,
    progress: ProgressCallback | None = None,
    spaces: Spaces | None = None,
) -> CompareReport:
    """Compare encoders on the items of a catalogue, the same queries for all of them.

    The items are embedded by every encoder; the vectors are kept beside the catalogue's own.

    Args:
        catalog: the catalogue.
        encoders: how each is asked for, see ``seealike.encoders.spec``. One alone is compared with the
            catalogue's own, which then comes first.
        options: what to measure.
        progress: told how far each stage is.
        spaces: opens the items in another encoder's space (default: ``seealike.catalog.in_space``).

    Raises:
        UsageError: there is nothing to compare, or the options do not go together.
        UnknownNameError: there is no such encoder, or no item has such a label.
    """
    started = time.perf_counter()
    own = own_spec(catalog)
    specs = _checked(catalog, encoders, own, options)
    progress = progress or unwatched
    if spaces is None:
        _check_encoders(catalog, specs, own)
    with ExitStack() as stack:
        opened = [
            catalog if spec == own else stack.enter_context((spaces or _in_space)(catalog, spec, progress))
            for spec in specs
        ]
        places = [space.placed_spec or spec for space, spec in zip(opened, specs, strict=True)]
        shared = _shared(catalog, opened, places, options.measure)
        measured = [_measured(space, shared, options.measure, progress) for space in opened]
        costs = costs_of(opened, places, options.timing, progress)
        dimensions = [space.encoder.dimension for space in opened]
    results = _results(specs, dimensions, measured, costs, shared.chosen, options.measure)
    return CompareReport(
        catalog=catalog.path,
        items=len(shared.searched),
        missing=shared.missing,
        seen=shared.seen,
        k=options.measure.k,
        label=options.measure.label or "",
        queries=len(measured[0].values),
        notes=_notes(shared, measured[0]),
        encoders=results,
        contested=_contested(shared, measured, options.show),
        took_s=time.perf_counter() - started,
        unmatched=() if shared.chosen is None else shared.chosen.unmatched,
    )


@dataclass(frozen=True, slots=True)
class _Shared:
    """What all encoders are measured on. ``chosen`` is ``None`` without a label."""

    items: list[Item]
    missing: int
    seen: int
    chosen: Selection | None

    @property
    def searched(self) -> list[Item]:
        return self.items if self.chosen is None else self.chosen.items

    @property
    def asking(self) -> list[Item]:
        return self.items if self.chosen is None else self.chosen.queries


def _checked(catalog: Catalog, encoders: Sequence[str], own: str, options: CompareOptions) -> list[str]:
    check_options(options.measure)
    if options.measure.queries is not None:
        raise UsageError("encoders are compared on queries of the catalogue; use --query-where CONDITION")
    specs = list(dict.fromkeys(encoders))
    if len(specs) == 1 and specs != [own]:
        specs.insert(0, own)
    if len(specs) < 2:
        raise UsageError(f"name an encoder to compare {own} with; `seealike encoders` lists them")
    if not len(catalog):
        raise UsageError(f"{catalog.path} has no items to compare on; `seealike index FOLDER` adds some")
    return specs


def _check_encoders(catalog: Catalog, specs: Sequence[str], own: str) -> None:
    """Refuse an encoder that cannot be used before the items are embedded by the others."""
    for spec in specs:
        if spec != own:
            found_encoder(catalog, spec)


def _in_space(catalog: Catalog, spec: str, progress: ProgressCallback) -> AbstractContextManager[Catalog]:
    return in_space(catalog, spec, progress=progress)


def _shared(
    catalog: Catalog, spaces: Sequence[Catalog], specs: Sequence[str], options: EvalOptions
) -> _Shared:
    everywhere = set.intersection(*({item.id for item in space.items()} for space in spaces))
    items = list(catalog.items())
    common = [item for item in items if item.id in everywhere]
    kept = narrowed(common, options)
    if not kept:
        raise UsageError("no item has a vector of every encoder")
    seen = seen_ids(catalog.digests(), map(learnt_marks, specs))
    new = [item for item in kept if item.id not in seen]
    if options.label is None and not new:
        raise UsageError(nothing_new(len(kept)))
    chosen = None if options.label is None else select(kept, options.label, options, seen=seen)
    return _Shared(new, len(items) - len(common), len(kept) - len(new), chosen)


def _measured(space: Catalog, shared: _Shared, options: EvalOptions, progress: ProgressCallback) -> Measured:
    everything = placed(space, progress)
    if shared.chosen is None:
        kept = Placed(shared.items, everything.of(shared.items))
        del everything
        rows = sampled(len(shared.items), options.max_queries, options.resampling.seed)
        return by_copies(space, kept, rows, options, progress)
    figures = by_label(shared.chosen, *everything.asked(shared.chosen), options.k, progress)
    if not len(figures.asked):
        raise UsageError(nothing_to_find(options.label or "", shared.chosen))
    return figures


def _results(
    specs: Sequence[str],
    dimensions: Sequence[int],
    measured: Sequence[Measured],
    costs: Sequence[Cost],
    chosen: Selection | None,
    options: EvalOptions,
) -> tuple[EncoderResult, ...]:
    first, names, how = measured[0], short_names(specs), options.resampling
    results = []
    for place, (spec, figures) in enumerate(zip(specs, measured, strict=True)):
        if not len(figures.values):
            raise UsageError("no picture could be read to make copies of; are they still where they were?")
        means = dict(zip(figures.names, estimates(figures.values, figures.clusters, how), strict=True))
        changes = differences(figures.values - first.values, figures.clusters, how) if place else ()
        against = dict(zip(figures.names, changes, strict=bool(place)))
        results.append(
            EncoderResult(
                spec,
                names[place],
                dimensions[place],
                means,
                against,
                _verdicts(against),
                mean_overlap(first.places, figures.places),
                costs[place],
            )
        )
    if chosen is None or not chosen.apart:
        return tuple(results)
    return tuple(
        _with_apart(result, chosen, (first, figures), options)
        for result, figures in zip(results, measured, strict=True)
    )


def _with_apart(
    result: EncoderResult, chosen: Selection, pair: tuple[Measured, Measured], options: EvalOptions
) -> EncoderResult:
    """A result with how its encoder, the second of the pair, did among items of another value."""
    first, second = (figures.answers for figures in pair)
    if first is None or second is None:
        return result
    report = apart_report(chosen, second, options.k, options.resampling)
    against = {}
    if second is not first:
        against = apart_changes(chosen, first, second, options.k, options.resampling)
    verdicts = _verdicts({name: against[name] for name in against if name in result.metrics})
    return replace(result, apart=report, apart_differences=against, apart_verdicts=verdicts)


def _verdicts(against: dict[str, Estimate]) -> dict[str, str]:
    return {name: change.verdict for name, change in against.items()}


def _notes(shared: _Shared, figures: Measured) -> tuple[str, ...]:
    notes = []
    if shared.missing:
        notes.append(f"left out: {counted(shared.missing, 'item')} that not every encoder has a vector of")
    chosen = shared.chosen
    notes += seen_before(shared.seen, searched=chosen is not None and not (chosen.own >= 0).all())
    count = len(np.unique(figures.clusters))
    if chosen is None:
        notes.append(f"no label: copies of {counted(count, 'picture')} had to find their originals")
    else:
        notes += remarks_on(chosen)
    return (*notes, *too_few(count, "pictures" if chosen is None else witnesses_of(chosen.clustered_by)))


def _contested(shared: _Shared, measured: Sequence[Measured], show: int) -> tuple[Contested, ...]:
    chosen = shared.chosen
    labels = None if chosen is None else (chosen.names, chosen.item_labels, chosen.query_labels)
    return most_contested(shared.asking, shared.searched, measured, labels, show)
