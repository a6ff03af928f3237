"""Values that cross the border into a catalogue: what is wrong is said there, in one line."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from tests.pictures import write_pictures

import seealike
from seealike.errors import UnknownNameError, UsageError
from seealike.evaluation import CompareOptions
from seealike.maps import MapMethod, MapOptions
from seealike.testing import FakeEncoder
from seealike.training import Method, Recipe
from seealike.types import Fit, Preprocessing


def as_called(function: Callable[..., object]) -> Callable[..., object]:
    """A function as callers without a type checker see it."""
    return function


def test_what_is_no_number_no_list_and_no_text_is_refused_in_one_line(tmp_path: Path) -> None:
    write_pictures(tmp_path / "p", range(2))
    with seealike.create(tmp_path / "c", encoder=FakeEncoder()) as catalog:
        catalog.index(tmp_path / "p")
        wrong: list[Callable[[], object]] = [
            *(
                partial(as_called(catalog.similar), "000.jpg", k)
                for k in (1.5, None, "3", True, 0, float("nan"))
            ),
            *(partial(as_called(catalog.search), str(tmp_path / "p" / "000.jpg"), k) for k in (1.5, None)),
            *(partial(as_called(catalog.recommend), ["000.jpg"], (), k) for k in (1.5, None)),
            partial(as_called(catalog.recommend_all), 2.5),
            *(partial(as_called(catalog.item), item_id) for item_id in (7, None, b"000.jpg", ["000.jpg"])),
            *(partial(as_called(catalog.similar_batch), ids) for ids in ("000.jpg", None, 7, [7], [None])),
            *(partial(as_called(catalog.remove), ids) for ids in ("000.jpg", None, [7], [["000.jpg"]])),
            partial(as_called(catalog.recommend), "000.jpg"),
            partial(as_called(catalog.recommend), [], [], 1, like_images=str(tmp_path)),
            *(partial(as_called(catalog.search_batch), images) for images in ("000.jpg", b"000.jpg", None)),
            *(
                partial(as_called(catalog.search_vectors), rows)
                for rows in ("x", None, [["a"]], [[1], [1, 2]], [1.0])
            ),
            partial(as_called(catalog.thumbnail), str(tmp_path / "p" / "000.jpg"), 0),
            *(
                partial(as_called(seealike.SearchOptions), min_score=score)
                for score in (float("nan"), "high")
            ),
            partial(as_called(seealike.IndexOptions), wait_s=float("nan")),
        ]
        for call in wrong:
            with pytest.raises(UsageError) as caught:
                call()
            assert "\n" not in str(caught.value)
        ids, vectors = catalog.vectors()
        (found,) = catalog.search_vectors(vectors[:1].tolist(), np.int64(1))  # type: ignore[arg-type]
        assert [hit.id for hit in found] == ids[:1]
        assert len(catalog) == 2


def test_a_name_is_as_good_as_the_member_and_an_unknown_one_is_refused(tmp_path: Path) -> None:
    write_pictures(tmp_path / "p", range(3))
    with seealike.create(tmp_path / "c", encoder=FakeEncoder()) as catalog:
        catalog.index(tmp_path / "p")
        by_name = catalog.similar("000.jpg", options=seealike.SearchOptions(metric="euclidean"))  # type: ignore[arg-type]
        by_member = catalog.similar(
            "000.jpg", options=seealike.SearchOptions(metric=seealike.Metric.EUCLIDEAN)
        )
        assert by_name == by_member
        assert all(hit.score < 0 for hit in by_name)
    for make, name in (
        (lambda: seealike.SearchOptions(metric="manhattan"), "manhattan"),  # type: ignore[arg-type]
        (lambda: MapOptions(metric="manhattan"), "manhattan"),  # type: ignore[arg-type]
        (lambda: MapOptions(method="pca"), "pca"),  # type: ignore[arg-type]
        (lambda: CompareOptions(timing="never"), "never"),  # type: ignore[arg-type]
        (lambda: Recipe(method="heads"), "heads"),  # type: ignore[arg-type]
        (lambda: Recipe(loss="hinge"), "hinge"),  # type: ignore[arg-type]
    ):
        with pytest.raises(UnknownNameError, match=f"unknown .* '{name}'; known: "):
            make()
    assert MapOptions(method="umap").method is MapMethod.UMAP  # type: ignore[arg-type]
    assert Recipe(method="full").method is Method.FULL  # type: ignore[arg-type]
    assert Preprocessing(8, 8, (0, 0, 0), (1, 1, 1), fit="pad").fit is Fit.PAD  # type: ignore[arg-type]
