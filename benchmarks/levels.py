"""How often a verdict is only bad luck, and how often a gain is seen: by simulation, for few groups and many.

Two encoders are asked the same queries, which come in groups (products, people). ``level``: they are equally
good, and one is called better all the same. ``power``: one is better, and is called so.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.report import Row
from seealike.evaluation.statistics.intervals import Estimate, Resampling, differences
from seealike.evaluation.statistics.metrics import Values
from seealike.types import Int64Array

TITLE = "Verdicts with 2, 3, 5, 6, 8, 10, 20, 50 groups: better, in %"
GROUPS = (2, 3, 5, 6, 8, 10, 20, 50)
KINDS = ("even", "uneven")
CASES = ("normal", "heavy", "rare")
LOPSIDED = "lopsided"
GAIN = 1.0
REPETITIONS = 1000
_MEMBERS = 8
Method = Callable[[Values, Int64Array, Resampling], tuple[Estimate, ...]]


def rows(data: Path, work: Path) -> list[Row]:
    """Two rows a case, with a figure for each number of groups; beside them the percentile bootstrap's."""
    del data, work
    found = []
    for case in (*CASES, LOPSIDED):
        for kind in KINDS:
            for what, gain, goal in (("level", 0.0, "<= 3.5 %"), ("power", GAIN, "")):
                ours, theirs = (_figures(how, case, kind, gain) for how in (differences, bootstrap))
                note = f"percentile bootstrap: {theirs}"
                found.append(Row(f"{case}, {kind}: {what}", ours, "" if case == LOPSIDED else goal, note))
    return found


def _figures(how: Method, case: str, kind: str, gain: float) -> str:
    said = (verdicts(how, case, kind, n, gain=gain, repetitions=REPETITIONS)["better"] for n in GROUPS)
    return " · ".join(f"{100 * share:.1f}" if not gain else f"{100 * share:.0f}" for share in said)


def verdicts(
    how: Method, case: str, kind: str, groups: int, *, gain: float, repetitions: int
) -> dict[str, float]:
    """How often each verdict is given.

    ``gain`` is how much better the second encoder is, in standard deviations of a group where there are ten
    groups; with more it is smaller, so that the task stays as hard.
    """
    rng = np.random.default_rng(sum(map(ord, case + kind)) + groups)
    said: dict[str, float] = {"better": 0.0, "worse": 0.0}
    for seed in range(repetitions):
        members = groups_of(groups, kind, rng)
        values = _DRAWS[case](members, groups, gain / np.sqrt(groups / 10), rng)
        [found] = how(values[:, None], members, Resampling(199, seed))
        said[found.verdict] = said.get(found.verdict, 0.0) + 1 / repetitions
    return said


def groups_of(groups: int, kind: str, rng: np.random.Generator) -> Int64Array:
    """Which group each query is of; uneven ones have from one query to a hundred."""
    sizes = np.full(groups, _MEMBERS) if kind == "even" else rng.lognormal(1.6, 1.0, groups).astype(int) + 1
    return np.repeat(np.arange(groups), sizes)


def bootstrap(values: Values, clusters: Int64Array, how: Resampling) -> tuple[Estimate, ...]:
    """The usual percentile bootstrap over whole clusters, to compare with."""
    count = int(clusters.max()) + 1
    sizes, sums = np.bincount(clusters), np.bincount(clusters, values[:, 0])
    times = np.random.default_rng(how.seed).multinomial(count, np.full(count, 1 / count), how.rounds)
    low, high = np.quantile((times @ sums / (times @ sizes)).round(12), (0.025, 0.975))
    return (Estimate(float(values.mean()), float(low), float(high)),)


def _normal(members: Int64Array, groups: int, gain: float, rng: np.random.Generator) -> Values:
    of_group, of_query = rng.normal(size=groups), rng.normal(size=len(members))
    return np.asarray(of_group[members] + gain + of_query)


def _heavy(members: Int64Array, groups: int, gain: float, rng: np.random.Generator) -> Values:
    """Each encoder does well with most groups and very badly with a few, not the same ones."""
    first, second = rng.exponential(size=(2, groups))
    return np.asarray((first - second)[members] + 1.4 * gain + rng.normal(size=len(members)))


def _rare(members: Int64Array, groups: int, gain: float, rng: np.random.Generator) -> Values:
    """Like precision@1: most queries are answered alike; those gained or lost are in the same groups."""
    chance = 0.4 * rng.beta(0.5, 1.0, groups)[members]
    gained = 0.5 + 0.35 * min(gain, 1.4)
    tossed, side = rng.random((2, len(members)))
    return np.where(tossed < chance, np.where(side < gained, 1.0, -1.0), 0.0)


def _lopsided(members: Int64Array, groups: int, gain: float, rng: np.random.Generator) -> Values:
    """The means are equal, but something differs: most groups gain a little, and few lose much."""
    of_group = 1.0 - rng.exponential(size=groups)
    return np.asarray(of_group[members] + gain + rng.normal(size=len(members)))


_DRAWS = {"normal": _normal, "heavy": _heavy, "rare": _rare, LOPSIDED: _lopsided}
