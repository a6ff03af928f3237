"""Measuring a catalogue: who asks whom, what counts as right, what is said where nothing can be."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.pictures import picture

import seealike
from seealike.catalog import ann
from seealike.errors import SourceError, UnknownNameError, UsageError
from seealike.evaluation import (
    EvalOptions,
    LabelReport,
    Resampling,
    evaluate,
    metric_names,
    query_values,
)
from seealike.evaluation.measure.evaluate import approximate_recall
from seealike.evaluation.words import remarks
from seealike.testing import FakeEncoder
from seealike.types import Float32Array, Int64Array

KINDS = ("round", "square", "corner")
FEW = Resampling(rounds=50)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[seealike.Catalog]:
    """24 pictures in 3 folders, two photos a product, half of them in the split ``test``."""
    folder = tmp_path_factory.mktemp("shop")
    rows = []
    for number in range(24):
        kind = KINDS[number % 3]
        path = folder / kind / f"{kind}{number}.png"
        path.parent.mkdir(exist_ok=True)
        picture(number).save(path)
        rows.append(
            {
                "id": f"{number:02}",
                "path": f"{kind}/{path.name}",
                "group": f"G{number // 6}{number % 3}",
                "kind": kind if number != 20 else "",
                "split": "test" if number % 4 == 0 else "train",
                "season": "summer" if number < 22 else "Not sure",
                "alone": number,
            }
        )
    with open(folder / "shop.csv", "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    with seealike.create(folder / "catalog", encoder=FakeEncoder()) as made:
        made.index(folder / "shop.csv")
        yield made


def slowly(
    catalog: seealike.Catalog, label: str, k: int, *, queries: set[str] | None = None, without_group: bool
) -> dict[str, float]:
    """The means by comparing everybody with everybody, in plain Python."""
    ids, vectors = catalog.vectors()
    items = {item.id: item for item in catalog.items()}
    labels = {item_id: item.metadata[label] for item_id, item in items.items() if item.metadata[label]}
    values = []
    for query, sought in labels.items():
        if queries is not None and query not in queries:
            continue
        pairs = []
        for other in labels:
            same_group = items[other].group == items[query].group
            if other == query or (without_group and same_group) or (queries and other in queries):
                continue
            score = float(vectors[ids.index(query)] @ vectors[ids.index(other)])
            pairs.append((-round(score, 6), other))
        right = [labels[other] == sought for _, other in sorted(pairs)]
        if any(right):
            values.append(query_values(np.flatnonzero(right) + 1, k))
    return dict(zip(metric_names(k), np.mean(values, axis=0).tolist(), strict=True))


def labelled(catalog: seealike.Catalog, options: EvalOptions) -> LabelReport:
    found = evaluate(catalog, options).labels
    assert found is not None
    return found


def means(found: LabelReport) -> dict[str, float]:
    return {name: estimate.value for name, estimate in found.metrics.items()}


def test_leave_one_out_is_everybody_against_everybody_of_another_product(shop: seealike.Catalog) -> None:
    found = labelled(shop, EvalOptions(label="kind", k=5, resampling=FEW))
    assert means(found) == pytest.approx(slowly(shop, "kind", 5, without_group=True), abs=1e-9)
    assert (found.mode, found.queries, found.searched, found.unlabelled) == ("leave-one-out", 23, 23, 1)
    assert found.same_group_left_out
    assert found.clustered_by == "group"


def test_with_the_group_as_label_other_photos_of_the_product_are_what_is_sought(
    shop: seealike.Catalog,
) -> None:
    found = labelled(shop, EvalOptions(label="group", resampling=FEW))
    assert not found.same_group_left_out
    assert found.queries == 24
    assert means(found)["recall@10"] > 0


def test_without_a_label_groups_and_copies_are_measured(shop: seealike.Catalog) -> None:
    report = evaluate(shop, EvalOptions(sample=4, resampling=FEW))
    assert report.labels is not None
    assert report.labels.label == "group"
    assert report.copies is not None
    assert report.copies.pictures == 4
    assert {result.copies for result in report.copies.results} == {4}
    recompressed = next(result for result in report.copies.results if result.name == "small")
    assert recompressed.recall_at_10.value >= recompressed.recall_at_1.value
    assert all(lost.rank > 1 and lost.picture.startswith(b"\xff\xd8") for lost in report.copies.worst)


def test_a_query_set_asks_the_others_only(shop: seealike.Catalog) -> None:
    test = {item.id for item in shop.items() if item.metadata["split"] == "test"}
    found = labelled(shop, EvalOptions(label="kind", k=3, query_where=("split=test",), resampling=FEW))
    expected = slowly(shop, "kind", 3, queries=test, without_group=True)
    assert means(found) == pytest.approx(expected, abs=1e-9)
    assert (found.mode, found.searched) == ("query set", 18)


def test_only_narrows_queries_and_items_alike(shop: seealike.Catalog) -> None:
    found = labelled(shop, EvalOptions(label="kind", only=("split=test",), resampling=FEW))
    assert found.queries + found.lonely == found.searched + 0 == 5  # of 6, one has no label


def test_labels_to_ignore_take_their_items_out(shop: seealike.Catalog) -> None:
    options = EvalOptions(label="season", ignore_labels=("Not sure",), resampling=FEW)
    found = labelled(shop, options)
    assert (found.searched, found.ignored) == (22, 2)
    assert [result.label for result in found.classes] == ["summer"]
    assert found.metrics["precision@1"].value == 1.0
    assert found.confusions == ()


@pytest.mark.parametrize(("label", "classes"), [("folder", KINDS), ("prefix", KINDS)])
def test_the_folder_and_the_beginning_of_a_name_can_be_labels(
    shop: seealike.Catalog, label: str, classes: tuple[str, ...]
) -> None:
    found = labelled(shop, EvalOptions(label=label, resampling=FEW))
    assert sorted(result.label for result in found.classes) == sorted(classes)


def test_classes_and_confusions_add_up(shop: seealike.Catalog) -> None:
    found = labelled(shop, EvalOptions(label="kind", resampling=FEW))
    assert sum(result.queries for result in found.classes) == found.queries
    mean = sum(result.precision_at_1 * result.queries for result in found.classes) / found.queries
    assert mean == pytest.approx(found.metrics["precision@1"].value)
    wrong = found.queries - round(mean * found.queries)
    assert sum(pair.count for pair in found.confusions) == wrong
    for pair in found.confusions:
        assert pair.label != pair.found
        for example in pair.examples:
            assert example.label == pair.label
            assert example.nearest[0].label == pair.found
            assert not example.nearest[0].right


def test_queries_from_outside_find_items_that_look_the_same(shop: seealike.Catalog, tmp_path: Path) -> None:
    for number in (0, 1, 2, 5):
        folder = tmp_path / KINDS[number % 3]
        folder.mkdir(exist_ok=True)
        picture(number).save(folder / f"snapshot{number}.png")
    options = EvalOptions(label="folder", queries=tmp_path, resampling=FEW)
    found = evaluate(shop, options).labels
    assert found is not None
    assert (found.mode, found.queries, found.searched) == ("outside queries", 4, 24)
    assert found.metrics["precision@1"].value == 1.0  # the very same pixels are in the catalogue


def test_queries_from_outside_cost_no_more_than_the_catalogue_was_opened_for(
    shop: seealike.Catalog, tmp_path: Path
) -> None:
    for number, size in enumerate([(96, 72), (72, 96), (200, 150)]):
        (tmp_path / KINDS[number]).mkdir()
        picture(number, size).save(tmp_path / KINDS[number] / "snapshot.png")
    limits = seealike.DecodeLimits(pixels=96 * 72)
    with seealike.open(shop.path, encoder=FakeEncoder(), limits=limits) as careful:
        found = labelled(careful, EvalOptions(label="folder", queries=tmp_path, resampling=FEW))
    assert found.queries == 2


def test_a_sample_of_the_queries_is_drawn_and_said(shop: seealike.Catalog) -> None:
    found = labelled(shop, EvalOptions(label="kind", max_queries=7, resampling=FEW))
    assert (found.queries, found.could_ask) == (7, 23)
    again = labelled(shop, EvalOptions(label="kind", max_queries=7, resampling=FEW))
    assert again == found
    other = labelled(shop, EvalOptions(label="kind", max_queries=7, resampling=Resampling(50, seed=5)))
    assert other.metrics != found.metrics


def test_the_fewer_the_witnesses_the_less_is_kept_quiet(shop: seealike.Catalog) -> None:
    asked = {count: labelled(shop, EvalOptions(label="kind", max_queries=count)) for count in (1, 2)}
    assert "one query: no interval" in remarks(asked[1])
    assert {one.low for one in asked[1].metrics.values()} == {None}
    few = "few: 2 values of group, so the intervals are wide and say little; it takes 20 or more"
    assert few in remarks(asked[2])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (EvalOptions(label="alone"), "no query has another item with the same alone"),
        (EvalOptions(label="kind", only=("split=tset",)), "for no item split=tset; give --only"),
        (EvalOptions(label="kind", query_where=("split=x",)), "there is no query"),
        (EvalOptions(label="kind", query_where=("spilt=x",)), "unknown column 'spilt'.*did you mean split"),
        (EvalOptions(query_where=("split=test",)), "add --label"),
        (EvalOptions(ignore_labels=("a",)), "add --label"),
        (EvalOptions(label="kind", k=0), "at least 1"),
        (EvalOptions(label="kind", resampling=Resampling(39)), "takes 40 rounds at least, not 39"),
        (EvalOptions(label="kind", resample_by="sender"), "no query has a 'sender'"),
        (EvalOptions(label="kind", queries="x", query_where=("a=b",)), "give --queries or"),
    ],
)
def test_what_cannot_be_measured_is_said_in_one_line(
    shop: seealike.Catalog, options: EvalOptions, said: str
) -> None:
    with pytest.raises(UsageError, match=said) as refused:
        evaluate(shop, options)
    assert "\n" not in str(refused.value)


def test_an_unknown_label_names_the_known_ones(shop: seealike.Catalog) -> None:
    with pytest.raises(UnknownNameError, match="known: alone, kind, season, split, folder, group, prefix"):
        evaluate(shop, EvalOptions(label="colour"))


def test_queries_that_are_not_there_are_a_source_error(shop: seealike.Catalog, tmp_path: Path) -> None:
    with pytest.raises(SourceError):
        evaluate(shop, EvalOptions(label="kind", queries=tmp_path / "none"))


def test_an_empty_catalogue_has_nothing_to_measure(tmp_path: Path) -> None:
    with (
        seealike.create(tmp_path / "empty", encoder=FakeEncoder()) as catalog,
        pytest.raises(UsageError, match="has no items to measure"),
    ):
        evaluate(catalog, EvalOptions(label="folder"))


def test_pictures_that_are_gone_leave_nothing_to_copy(tmp_path: Path) -> None:
    picture(1).save(tmp_path / "one.png")
    with seealike.create(tmp_path / "catalog", encoder=FakeEncoder()) as catalog:
        catalog.index(tmp_path)
        (tmp_path / "one.png").unlink()
        with pytest.raises(UsageError, match="no picture could be read"):
            evaluate(catalog)


def test_a_label_to_ignore_that_nothing_has_is_named(shop: seealike.Catalog) -> None:
    options = EvalOptions(label="season", ignore_labels=("not sure", " Not sure ", "sumer"), resampling=FEW)
    found = labelled(shop, options)
    assert found.unmatched == ("not sure", "sumer")
    assert found.ignored == 2  # spaces around do not count


class Counted(np.ndarray[tuple[int, int], np.dtype[np.float32]]):
    """Vectors that notice how many rows of them are copied."""

    rows_copied = 0

    def __getitem__(self, key: Int64Array) -> Float32Array:  # type: ignore[override]
        taken: Float32Array = np.asarray(self)[key]
        if taken.base is None:
            Counted.rows_copied += len(taken)
        return taken


@pytest.mark.parametrize(
    ("options", "copied"),
    [
        (EvalOptions(label="folder"), 0),
        (EvalOptions(label="season", ignore_labels=("Not sure",), max_queries=0), 22),
        (EvalOptions(label="season", ignore_labels=("Not sure",), max_queries=5), 22 + 5),
        (EvalOptions(label="season", query_where=("split=test",)), 24),
    ],
)
def test_no_more_than_one_copy_of_the_vectors_is_made(
    shop: seealike.Catalog, options: EvalOptions, copied: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids, vectors = shop.vectors()
    held = vectors.view(Counted)
    monkeypatch.setattr(seealike.Catalog, "vector_rows", lambda _, progress: (ids, held))
    monkeypatch.setattr(Counted, "rows_copied", 0)
    found = labelled(shop, replace(options, resampling=FEW))
    assert found.queries > 0
    assert Counted.rows_copied == copied


def test_approximate_search_is_measured_without_a_check_of_every_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ann, "THRESHOLD", 20)
    for number in range(30):
        picture(number).save(tmp_path / f"{'ab'[number % 2]}{number}.png")
    with seealike.create(tmp_path / "catalog", encoder=FakeEncoder()) as catalog:
        assert approximate_recall(catalog) == (None, 0)
        catalog.index(tmp_path)
        checked = catalog.verify(sample=200)
        monkeypatch.setattr(seealike.Catalog, "verify", None)
        report = evaluate(catalog, EvalOptions(label="prefix", resampling=FEW))
    assert (report.ann_recall_at_10, report.ann_sample) == (checked.recall_at_10, 30)
