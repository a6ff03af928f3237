"""The figures of real photos, where they are at hand."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

import seealike
from seealike.evaluation import Condition, EvalOptions, LabelReport, evaluate
from seealike.evaluation.evaluate import ann_recall

NO_CLASS = ("Not sure", "Skip", "Other")


@pytest.mark.heavy
def test_clothes_find_their_kind_as_often_as_the_reference_says(shared_data: Path, tmp_path: Path) -> None:
    with seealike.create(tmp_path / "catalog") as catalog:
        catalog.index(shared_data / "data" / "clothing" / "catalogue.csv")

        def found(*only: Condition) -> LabelReport:
            report = evaluate(catalog, EvalOptions(label="label", ignore_labels=NO_CLASS, only=only))
            assert report.labels is not None
            return report.labels

        everything, test = found(), found(Condition("split", "test"))
    assert (everything.queries, len(everything.classes)) == (2841, 17)
    assert everything.metrics["precision@1"].value == pytest.approx(0.725, abs=0.006)
    assert everything.metrics["mAP@R"].value == pytest.approx(0.314, abs=0.003)
    assert test.metrics["precision@1"].value == pytest.approx(0.628, abs=0.012)
    assert test.metrics["mAP@R"].value == pytest.approx(0.304, abs=0.004)


@pytest.mark.parametrize(
    ("state", "said"), [("ready", (0.9975, 200)), ("none", (None, 0)), ("missing", (None, 0))]
)
def test_approximate_search_is_measured_where_there_is_any(
    state: str, said: tuple[float | None, int]
) -> None:
    catalog = SimpleNamespace(
        info=lambda: SimpleNamespace(ann=SimpleNamespace(state=state)),
        verify=lambda sample: SimpleNamespace(recall_at_10=0.9975, sample=sample),
    )
    assert ann_recall(cast("seealike.Catalog", catalog)) == said
