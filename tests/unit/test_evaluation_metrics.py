"""Metrics of ranks, compared with their definitions taken literally, and with libraries of the field."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest

from seealike.evaluation import metric_names, query_values
from seealike.evaluation.statistics.ranking import RankingTask, rank


def by_definition(relevance: Sequence[bool], k: int) -> dict[str, float]:
    """Every metric of one whole list of answers, in plain Python, straight from the textbook."""
    total = sum(relevance)
    precision_at = [sum(relevance[:place]) / place for place in range(1, len(relevance) + 1)]
    gains = [1 / math.log2(place + 1) for place in range(1, k + 1)]
    first = next(place for place, right in enumerate(relevance, 1) if right)
    return {
        "precision@1": float(relevance[0]),
        f"precision@{k}": sum(relevance[:k]) / k,
        f"recall@{k}": sum(relevance[:k]) / total,
        "mAP": sum(p for p, right in zip(precision_at, relevance, strict=True) if right) / total,
        "mAP@R": sum(precision_at[i] for i in range(total) if relevance[i]) / total,
        f"nDCG@{k}": sum(g for g, right in zip(gains, relevance, strict=False) if right) / sum(gains[:total]),
        "MRR": 1 / first,
        "CMC@1": float(relevance[0]),
        f"CMC@{k}": float(any(relevance[:k])),
    }


def lists(seed: int, count: int = 60) -> list[list[bool]]:
    rng = np.random.default_rng(seed)
    made = []
    for _ in range(count):
        length = int(rng.integers(1, 40))
        relevance = (rng.random(length) < rng.uniform(0.05, 0.9)).tolist()
        if any(relevance):
            made.append(relevance)
    return made


def ranks_of(relevance: Sequence[bool]) -> np.ndarray:
    return np.flatnonzero(relevance) + 1


@pytest.mark.parametrize("k", [1, 3, 10, 50])
def test_every_metric_is_what_its_definition_says(k: int) -> None:
    for relevance in lists(k):
        found = dict(zip(metric_names(k), query_values(ranks_of(relevance), k), strict=True))
        assert found == pytest.approx(by_definition(relevance, k), abs=1e-12)


def test_a_perfect_list_has_ones_everywhere_but_where_k_is_more_than_there_are() -> None:
    found = dict(zip(metric_names(5), query_values(np.array([1, 2, 3]), 5), strict=True))
    assert found.pop("precision@5") == pytest.approx(0.6)
    assert set(found.values()) == {1.0}


def test_a_right_answer_beyond_r_counts_for_map_but_not_for_map_at_r() -> None:
    found = dict(zip(metric_names(10), query_values(np.array([1, 4]), 10), strict=True))
    assert found["mAP"] == pytest.approx((1 + 2 / 4) / 2)
    assert found["mAP@R"] == pytest.approx(1 / 2)


def test_recall_is_the_share_found_and_cmc_whether_any_was() -> None:
    found = dict(zip(metric_names(2), query_values(np.array([2, 5, 6, 7]), 2), strict=True))
    assert (found["recall@2"], found["CMC@2"], found["CMC@1"]) == (0.25, 1.0, 0.0)


def clouds(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 6, 150)
    vectors = rng.standard_normal((6, 16))[labels] + 1.5 * rng.standard_normal((150, 16))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors.astype(np.float32), labels.astype(np.int64)


def leave_one_out(vectors: np.ndarray, labels: np.ndarray, k: int) -> dict[str, float]:
    task = RankingTask(vectors, labels, vectors, labels, np.arange(len(labels)))
    means = rank(task, k).values.mean(axis=0)
    return dict(zip(metric_names(k), means.tolist(), strict=True))


def test_scikit_learn_says_the_same() -> None:
    reference = pytest.importorskip("sklearn.metrics")
    vectors, labels = clouds(3)
    found = leave_one_out(vectors, labels, 10)
    scores = np.round((vectors @ vectors.T).astype(np.float64), 6)
    everybody = np.arange(len(labels))
    averages, gains = [], []
    for row in everybody:
        others = everybody != row
        right, score = (labels == labels[row])[others], scores[row][others]
        averages.append(reference.average_precision_score(right, score))
        gains.append(reference.ndcg_score([right.astype(float)], [score], k=10))
    assert found["mAP"] == pytest.approx(np.mean(averages), abs=1e-4)  # which treats ties another way
    assert found["nDCG@10"] == pytest.approx(np.mean(gains), abs=1e-4)


@pytest.mark.torch
def test_pytorch_metric_learning_says_the_same() -> None:
    torch = pytest.importorskip("torch")
    distances = pytest.importorskip("pytorch_metric_learning.distances")
    inference = pytest.importorskip("pytorch_metric_learning.utils.inference")
    accuracy = pytest.importorskip("pytorch_metric_learning.utils.accuracy_calculator")
    vectors, labels = clouds(4)
    found = leave_one_out(vectors, labels, 10)
    calculator = accuracy.AccuracyCalculator(
        include=("mean_average_precision_at_r", "mean_average_precision", "precision_at_1"),
        k=len(labels) - 1,
        device=torch.device("cpu"),
        knn_func=inference.CustomKNN(distances.CosineSimilarity()),
    )
    theirs = calculator.get_accuracy(torch.from_numpy(vectors), torch.from_numpy(labels))
    assert found["mAP@R"] == pytest.approx(theirs["mean_average_precision_at_r"], abs=1e-5)
    assert found["mAP"] == pytest.approx(theirs["mean_average_precision"], abs=1e-5)
    assert found["precision@1"] == pytest.approx(theirs["precision_at_1"], abs=1e-6)
