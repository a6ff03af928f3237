"""Whether pictures find their class, or what else they share: who took them, the table, the light."""

from __future__ import annotations

import numpy as np

from seealike.errors import UsageError
from seealike.evaluation.measure.selection import Selection
from seealike.evaluation.statistics.intervals import Estimate, Resampling, differences, estimates
from seealike.evaluation.statistics.metrics import metric_names
from seealike.evaluation.statistics.ranking import Ranking
from seealike.evaluation.values import ApartReport


def apart_changes(
    chosen: Selection, first: Ranking, second: Ranking, k: int, how: Resampling
) -> dict[str, Estimate]:
    """What another encoder changes there, and in the share of the nearest of the query's own value.

    Both rankings have the same rows, for those do not depend on vectors.
    """
    if first.apart is None or second.apart is None:
        return {}
    rows = first.apart.rows
    gains = np.column_stack([second.apart.values - first.apart.values, second.apart.same - first.apart.same])
    changes = differences(gains, chosen.clusters[first.asked[rows]], how)
    return dict(zip((*metric_names(k), f"same@{k}"), changes, strict=True))


def apart_report(chosen: Selection, answers: Ranking, k: int, how: Resampling) -> ApartReport | None:
    """How the queries do among items of another value of the selection's column; ``None`` where it has none.

    Raises:
        UsageError: no query has anything to find there.
    """
    apart = answers.apart
    if apart is None or chosen.item_values is None or chosen.query_values is None:
        return None
    known = int((chosen.query_values[answers.asked] >= 0).sum())
    if not known:
        raise UsageError(f"no query has a {chosen.apart!r}: none is known to be of another one")
    if not len(apart.rows):
        raise UsageError(
            f"no query has an item of its own class with another {chosen.apart!r} to find; "
            "name another column by --apart"
        )
    names, clusters = metric_names(k), chosen.clusters[answers.asked[apart.rows]]
    shares = np.column_stack([apart.same, apart.chance])
    *metrics, same, chance = estimates(np.hstack([apart.values, shares]), clusters, how)
    gains = np.column_stack([apart.values - answers.values[apart.rows], apart.same - apart.chance])
    *changes, excess = differences(gains, clusters, how)
    return ApartReport(
        column=chosen.apart,
        queries=len(apart.rows),
        lonely=known - len(apart.rows),
        unknown=len(answers.asked) - known,
        left_out=int((chosen.item_values < 0).sum()),
        metrics=dict(zip(names, metrics, strict=True)),
        changes=dict(zip(names, changes, strict=True)),
        same=same,
        chance=chance,
        excess=excess,
    )
