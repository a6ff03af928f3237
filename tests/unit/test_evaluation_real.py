"""The bundled encoder: on drawn pictures as a textbook counts, on real photos as the reference found."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from tests.pictures import picture

import seealike
from seealike.evaluation import EvalOptions, LabelReport, evaluate

NO_CLASS = ("Not sure", "Skip", "Other")


def test_drawn_pictures_find_their_kind_as_often_as_counted_by_hand(tmp_path: Path) -> None:
    with open(tmp_path / "drawn.csv", "w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["id", "path", "label"])
        for number in range(30):
            picture(number).save(tmp_path / f"{number:02}.png")
            writer.writerow([f"{number:02}", f"{number:02}.png", ("disc", "board", "tent")[number % 3]])
    with seealike.create(tmp_path / "catalog") as catalog:
        catalog.index(tmp_path / "drawn.csv")
        report = evaluate(catalog, EvalOptions(label="label")).labels
        ids, vectors = catalog.vectors()
    assert report is not None
    labels = np.array([int(item_id) % 3 for item_id in ids])
    first, averages = [], []
    for row in range(30):
        order = np.argsort(-(vectors @ vectors[row]), kind="stable")
        right = labels[order[order != row]] == labels[row]
        first.append(right[0])
        precisions = np.cumsum(right[:9]) / np.arange(1, 10)  # nine others are of its kind
        averages.append(np.sum(precisions * right[:9]) / 9)
    assert (report.queries, len(report.classes)) == (30, 3)
    assert report.metrics["precision@1"].value == pytest.approx(np.mean(first))
    assert report.metrics["mAP@R"].value == pytest.approx(np.mean(averages), abs=1e-3)


@pytest.mark.heavy
def test_clothes_find_their_kind_as_often_as_the_reference_says(shared_data: Path, tmp_path: Path) -> None:
    with seealike.create(tmp_path / "catalog", encoder="efficientnet-lite0") as catalog:
        catalog.index(shared_data / "data" / "clothing" / "catalogue.csv")

        def found(*only: str) -> LabelReport:
            report = evaluate(catalog, EvalOptions(label="label", ignore_labels=NO_CLASS, only=only))
            assert report.labels is not None
            return report.labels

        everything, test = found(), found("split=test")
        all_labels = evaluate(catalog, EvalOptions(label="label", apart="sender")).labels
    assert (everything.queries, len(everything.classes)) == (2841, 17)
    assert everything.metrics["precision@1"].value == pytest.approx(0.725, abs=0.006)
    assert everything.metrics["mAP@R"].value == pytest.approx(0.314, abs=0.003)
    assert test.metrics["precision@1"].value == pytest.approx(0.628, abs=0.012)
    assert test.metrics["mAP@R"].value == pytest.approx(0.304, abs=0.004)
    assert all_labels is not None
    assert all_labels.apart is not None
    among, apart = all_labels.metrics, all_labels.apart
    assert among["precision@1"].value == pytest.approx(0.684, abs=0.006)
    assert among["precision@10"].value == pytest.approx(0.607, abs=0.004)
    assert apart.metrics["precision@1"].value == pytest.approx(0.626, abs=0.006)
    assert apart.metrics["precision@10"].value == pytest.approx(0.581, abs=0.004)
    assert (apart.same.value, apart.chance.value) == pytest.approx((0.35, 0.07), abs=0.006)
    assert apart.changes["precision@10"].verdict == "worse"
