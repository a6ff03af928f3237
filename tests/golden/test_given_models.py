"""Two published models as they are used by their makers, on real pictures, by the command line."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

import seealike
from seealike.cli.main import run
from seealike.types import Float32Array

NO_CLASS = {"Not sure", "Skip", "Other"}
TRUNK = "efficientnet-b4-trunk.onnx?layer=t461&size=320&resize=366&norm=imagenet"
MOBILE = "mobilenet-v2.onnx?size=224&norm=imagenet"


def mean_average_precision_at_r(vectors: Float32Array, labels: list[str]) -> float:
    """Leave-one-out, query by query.

    Source: Musgrave et al., "A metric learning reality check", 2020, equation 2.
    """
    averages = []
    for row in range(len(labels)):
        order = [other for other in np.argsort(-(vectors @ vectors[row]), kind="stable") if other != row]
        relevant = sum(label == labels[row] for label in labels) - 1
        right, total = 0, 0.0
        for place, other in enumerate(order[:relevant], start=1):
            if labels[other] == labels[row]:
                right += 1
                total += right / place
        averages.append(total / max(relevant, 1))
    return float(np.mean(averages))


@pytest.mark.heavy
@pytest.mark.timeout(1200)
def test_the_b4_trunk_reaches_its_published_quality_on_clothes(shared_data: Path, tmp_path: Path) -> None:
    folder = shared_data / "data" / "clothing"
    with open(folder / "catalogue.csv", encoding="utf-8") as stream:
        labels = {row["id"]: row["label"] for row in csv.DictReader(stream) if row["label"] not in NO_CLASS}
    spec = f"onnx:{shared_data / 'models' / TRUNK}"
    arguments = ["index", str(folder / "catalogue.csv"), "-C", str(tmp_path / "c"), "--encoder", spec, "-q"]
    assert run(arguments) == 0
    with seealike.open(tmp_path / "c") as catalog:
        assert catalog.encoder.dimension == 1792
        ids, vectors = catalog.vectors()
    named = [row for row, item_id in enumerate(ids) if item_id in labels]
    assert len(named) == 2841
    quality = mean_average_precision_at_r(vectors[named], [labels[ids[row]] for row in named])
    assert quality >= 0.385


@pytest.mark.heavy
def test_mobilenet_finds_the_groups_of_a_small_set(
    shared_data: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = shared_data / "data" / "places"
    spec = f"onnx:{shared_data / 'models' / MOBILE}"
    assert run(["index", str(folder), "-C", str(tmp_path / "c"), "--encoder", spec, "-q"]) == 0
    capfd.readouterr()
    pictures = sorted(map(str, folder.glob("*.jpg")))
    assert run(["search", *pictures, "-C", str(tmp_path / "c"), "-k", "2", "--format", "json"]) == 0
    results = json.loads(capfd.readouterr().out)["results"]
    right = [
        Path(result["hits"][1]["id"]).stem.rstrip("0123456789") == Path(name).stem.rstrip("0123456789")
        for name, result in zip(pictures, results, strict=True)
    ]
    assert len(right) >= 30
    assert np.mean(right) >= 0.9
