"""From where the right answers stand in a list to the figures of the field. Pure arithmetic on ranks.

Every metric here depends on the ranks of the relevant items alone: r_1 < r_2 < ... < r_R, counted from 1.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Values: TypeAlias = "npt.NDArray[np.float64]"
Ranks: TypeAlias = "npt.NDArray[np.int64]"


def metric_names(k: int) -> tuple[str, ...]:
    """What ``query_values`` gives, in its order; with ``k`` = 1 some coincide and stand there once."""
    names = ("precision@1", f"precision@{k}", f"recall@{k}", "mAP", "mAP@R", f"nDCG@{k}", "MRR", "CMC@1")
    return tuple(dict.fromkeys((*names, f"CMC@{k}")))


def query_values(ranks: Ranks, k: int) -> Values:
    """Every metric of one query, in the order of ``metric_names``.

    ==============  =====================================================================================
    precision@k     the share of the first k that are relevant
    recall@k        the share of the relevant items that are among the first k
    mAP             the mean over the relevant items of the precision where each stands
    mAP@R           the same over the first R only, R being the number of relevant items
    nDCG@k          gain 1 a relevant item, discounted by log2(rank + 1), against the best possible order
    MRR             1 / rank of the first relevant item
    CMC@k           1 if any of the first k is relevant (what metric learning calls recall@k)
    ==============  =====================================================================================

    Shapes: ``ranks`` is (R,), ascending, R at least 1; the result is (m,). Units: all are in [0, 1].

    Source: Manning et al., "Introduction to Information Retrieval", chapter 8; mAP@R: Musgrave et al.,
    "A Metric Learning Reality Check", 2020, equations 1 and 2.
    """
    relevant = len(ranks)
    place = np.arange(1, relevant + 1)
    precisions = place / ranks
    near = int(np.searchsorted(ranks, k, side="right"))
    within = int(np.searchsorted(ranks, relevant, side="right"))
    first = float(ranks[0] == 1)
    gains = 1.0 / np.log2(ranks[:near] + 1.0)
    best = 1.0 / np.log2(place[:k] + 1.0)
    values = {
        "precision@1": first,
        f"precision@{k}": near / k,
        f"recall@{k}": near / relevant,
        "mAP": float(precisions.mean()),
        "mAP@R": float(precisions[:within].sum()) / relevant,
        f"nDCG@{k}": float(gains.sum() / best.sum()),
        "MRR": 1.0 / float(ranks[0]),
        "CMC@1": first,
        f"CMC@{k}": float(near > 0),
    }
    return np.array([values[name] for name in metric_names(k)])
