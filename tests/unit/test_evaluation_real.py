"""The figures of real photos, where they are at hand."""

from __future__ import annotations

from pathlib import Path

import pytest

import seealike
from seealike.evaluation import Condition, EvalOptions, LabelReport, evaluate

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
