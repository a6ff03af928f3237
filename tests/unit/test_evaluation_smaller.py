"""What smaller vectors cost, against the same thing done slowly, and against a catalogue that has them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from tests.made_models import SIDE_PX, save_model
from tests.pictures import picture

import seealike
from seealike.errors import UsageError
from seealike.evaluation import EvalOptions, LabelReport, Resampling, SmallerVectors, evaluate
from seealike.testing import FakeEncoder

Rows = npt.NDArray[np.floating]
KINDS, COUNT, K = 4, 40, 5
FEW = Resampling(rounds=50)


def save_pictures(folder: Path) -> Path:
    for number in range(COUNT):
        path = folder / f"kind{number % KINDS}" / f"{number:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        picture(number).save(path)
    return folder


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[seealike.Catalog]:
    folder = tmp_path_factory.mktemp("shop")
    with seealike.create(folder / "catalog", encoder=FakeEncoder()) as made:
        made.index(save_pictures(folder / "photos"))
        yield made


def report(catalog: seealike.Catalog, *sizes: str) -> LabelReport:
    options = EvalOptions(label="folder", k=K, resampling=FEW, vectors=sizes)
    found = evaluate(catalog, options).labels
    assert found is not None
    return found


def tried(catalog: seealike.Catalog, size: str) -> SmallerVectors:
    (found,) = report(catalog, size).vectors
    return found


def nearest(vectors: Rows) -> list[list[int]]:
    """Who stands nearest to whom, in plain Python."""
    rows = []
    for query, vector in enumerate(vectors):
        cosines = [
            (-round(float(vector @ other / np.linalg.norm(vector) / np.linalg.norm(other)), 6), place)
            for place, other in enumerate(vectors)
            if place != query
        ]
        rows.append([place for _, place in sorted(cosines)[:K]])
    return rows


def by_hand(catalog: seealike.Catalog, smaller: Rows) -> tuple[float, float]:
    """precision@k with smaller vectors, and the share of the nearest that stays."""
    ids, vectors = catalog.vectors()
    kinds = [item_id.partition("/")[0] for item_id in ids]
    before, after = nearest(vectors), nearest(smaller)
    right = [np.mean([kinds[place] == kinds[query] for place in row]) for query, row in enumerate(after)]
    kept = [len(set(one) & set(other)) / K for one, other in zip(before, after, strict=True)]
    return float(np.mean(right)), float(np.mean(kept))


@pytest.mark.parametrize("size", ["6", "int8", "6:int8"])
def test_quality_and_overlap_are_those_of_vectors_made_smaller_by_hand(
    size: str, shop: seealike.Catalog
) -> None:
    vectors = shop.vectors()[1].astype(np.float64)
    smaller = vectors[:, :6] if size.startswith("6") else vectors
    if "int8" in size:
        smaller = np.array([np.round(row / max(abs(row)) * 127) for row in smaller])
    precision, overlap = by_hand(shop, smaller)
    found, whole = tried(shop, size), report(shop)
    assert found.metrics[f"precision@{K}"].value == pytest.approx(precision, abs=1e-6)
    assert found.overlap == pytest.approx(overlap, abs=0.011)  # equal scores may change places by rounding
    for name, change in found.changes.items():
        assert change.value == pytest.approx(found.metrics[name].value - whole.metrics[name].value)


def test_what_a_vector_takes_is_said(shop: seealike.Catalog) -> None:
    d = shop.encoder.dimension
    sizes = {
        found.name: (found.dimension, found.bytes) for found in report(shop, "6", "int8", "6:int8").vectors
    }
    assert sizes == {"6": (6, 12), "int8": (d, d), "6:int8": (6, 6)}


def test_it_is_what_a_catalogue_of_such_vectors_shows(tmp_path: Path) -> None:
    tolerance = 2 / COUNT + 1e-9  # rounded before being cut or after, two neighbours may change places
    photos, model = save_pictures(tmp_path / "photos"), save_model(tmp_path / "made.onnx")
    spec = f"onnx:{model}?size={SIDE_PX}"
    with seealike.create(tmp_path / "whole.catalog", encoder=spec) as whole:
        whole.index(photos)
        expected = tried(whole, "4").metrics
    with seealike.create(tmp_path / "short.catalog", encoder=f"{spec}&dims=4") as short:
        short.index(photos)
        for name, estimate in report(short).metrics.items():
            assert estimate.value == pytest.approx(expected[name].value, abs=tolerance), name


@pytest.mark.parametrize("size", ["0", "float32", "256:int4", "-5", "int8:256", "²", ""])
def test_a_form_that_is_none_is_refused(size: str, shop: seealike.Catalog) -> None:
    with pytest.raises(UsageError, match="smaller vectors are a number of dimensions, int8, or both"):
        report(shop, size)


def test_more_numbers_than_there_are_is_refused(shop: seealike.Catalog) -> None:
    d = shop.encoder.dimension
    with pytest.raises(UsageError, match=f"the vectors have {d} numbers, and {d} is no fewer; say fewer"):
        report(shop, str(d))


def test_without_a_label_nobody_can_say(shop: seealike.Catalog) -> None:
    with pytest.raises(UsageError, match="needs a label to say what is right: add --label COLUMN"):
        evaluate(shop, EvalOptions(vectors=("6",), copies=True, sample=2, resampling=FEW))
