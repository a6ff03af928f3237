"""Encoders on the same queries: paired differences, disagreements, costs, and what is remembered."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
from tests.pictures import picture

import seealike
from seealike.catalog.spaces.space import in_space
from seealike.errors import UnknownNameError, UsageError
from seealike.evaluation import (
    CompareOptions,
    CompareReport,
    EvalOptions,
    Resampling,
    Timing,
    compare,
    evaluate,
)
from seealike.evaluation.comparison import speed
from seealike.evaluation.comparison.contest import most_contested
from seealike.evaluation.comparison.measuring import Measured, _copies_key
from seealike.evaluation.comparison.memo import MEMO_NAME, Memo
from seealike.evaluation.specs import short_names
from seealike.evaluation.statistics.ranking import overlaps
from seealike.testing import FakeEncoder
from seealike.types import Item, Progress

OTHER = "efficientnet-lite0-v2?size=96&resize=112"
LABELLED = CompareOptions(EvalOptions(label="folder", k=4, resampling=Resampling(200)), timing=Timing.OFF)


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Iterator[seealike.Catalog]:
    folder = tmp_path_factory.mktemp("photos")
    for number in range(18):
        kind = folder / ("round", "square", "corner")[number % 3]
        kind.mkdir(exist_ok=True)
        picture(number).save(kind / f"{number:02}.png")
    with seealike.create(folder / "catalog") as made:
        made.index(folder)
        yield made


@pytest.fixture(scope="module")
def report(catalog: seealike.Catalog) -> CompareReport:
    return compare(catalog, ["efficientnet-lite0-v2", OTHER], LABELLED)


def test_each_encoder_does_as_it_does_alone(catalog: seealike.Catalog, report: CompareReport) -> None:
    own = evaluate(catalog, LABELLED.measure).labels
    with in_space(catalog, OTHER) as space:
        other = evaluate(space, LABELLED.measure).labels
    assert own is not None
    assert other is not None
    assert [result.encoder for result in report.encoders] == ["efficientnet-lite0-v2", OTHER]
    assert report.encoders[0].metrics == own.metrics
    assert report.encoders[1].metrics == other.metrics


def test_a_difference_is_that_of_the_means_and_its_interval_is_paired(report: CompareReport) -> None:
    first, second = report.encoders
    assert first.differences == {}
    for name, change in second.differences.items():
        assert change.value == pytest.approx(second.metrics[name].value - first.metrics[name].value)
        assert change.low is not None
        assert change.high is not None
        assert change.low <= change.value <= change.high
        assert second.verdicts[name] == change.verdict


def test_fewer_than_six_groups_are_too_few_to_tell_whatever_they_show(catalog: seealike.Catalog) -> None:
    options = CompareOptions(replace(LABELLED.measure, resample_by="folder"), timing=Timing.OFF)
    found = compare(catalog, [OTHER], options)
    assert set(found.encoders[1].verdicts.values()) == {"too few to tell"}
    assert all(change.low is None for change in found.encoders[1].differences.values())
    assert "too few to tell which is better: 3 values of folder, and it takes 6" in found.notes
    [few] = [note for note in compare(catalog, [OTHER], LABELLED).notes if note.startswith("few: ")]
    assert few == "few: 18 queries, so the intervals are wide and say little; it takes 20 or more"
    assert all(estimate.low is not None for estimate in found.encoders[0].metrics.values())
    assert not any("too few" in note for note in compare(catalog, [OTHER], LABELLED).notes)


def test_one_encoder_is_compared_with_the_catalogues_own(
    catalog: seealike.Catalog, report: CompareReport
) -> None:
    alone = compare(catalog, [OTHER], LABELLED)
    assert replace(alone, took_s=report.took_s) == report


def test_an_encoder_compared_with_its_own_space_is_no_different(tmp_path: Path) -> None:
    def same(
        space: seealike.Catalog, spec: str, told: Callable[[Progress], None]
    ) -> Iterator[seealike.Catalog]:
        yield space

    for number in range(6):
        picture(number).save(tmp_path / f"{'ab'[number % 2]}{number}.png")
    with seealike.create(tmp_path / "catalog", encoder=FakeEncoder()) as made:
        made.index(tmp_path)
        options = CompareOptions(EvalOptions(label="prefix"), timing=Timing.OFF)
        found = compare(made, ["one", "two"], options, spaces=contextmanager(same))
    assert [result.overlap for result in found.encoders] == [1.0, 1.0]
    assert all(not change.sure and change.value == 0 for change in found.encoders[1].differences.values())


def test_the_most_contested_query_comes_first(catalog: seealike.Catalog, report: CompareReport) -> None:
    assert len(report.contested) == 18
    shared = [query.overlap for query in report.contested]
    assert shared == sorted(shared)
    nearest = {}
    for spec in ("efficientnet-lite0-v2", OTHER):
        with in_space(catalog, spec) as space:
            ids, vectors = space.vectors()
            scores = np.round((vectors @ vectors.T).astype(np.float64), 6)
            np.fill_diagonal(scores, -np.inf)
            order = np.argsort(-scores, axis=1, kind="stable")[:, :4]
            nearest[spec] = {
                query: [ids[row] for row in rows] for query, rows in zip(ids, order, strict=True)
            }
    for query in report.contested:
        lists = [nearest[spec][query.id] for spec in ("efficientnet-lite0-v2", OTHER)]
        assert query.overlap == pytest.approx(len(set(lists[0]) & set(lists[1])) / 4)
        assert [[answer.id for answer in answers] for answers in query.answers] == lists
        for answer in (answer for answers in query.answers for answer in answers):
            assert answer.right == (answer.id.split("/")[0] == query.id.split("/")[0])


def test_without_a_label_copies_have_to_find_their_originals_and_are_remembered(
    catalog: seealike.Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = CompareOptions(EvalOptions(sample=3, resampling=Resampling(50)), timing=Timing.OFF, show=2)
    first = compare(catalog, [OTHER], options)
    assert list(first.encoders[0].metrics) == ["recall@1", "recall@10"]
    assert first.queries == 3 * 8
    assert (len(first.contested), first.contested[0].label) == (2, "")
    monkeypatch.setattr("seealike.evaluation.comparison.measuring.copies_of", None)  # not called again
    again = compare(catalog, [OTHER], options)
    assert replace(again, took_s=first.took_s) == first


def test_what_an_encoder_costs_is_measured_once(
    catalog: seealike.Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seealike.evaluation.comparison.speed.TIMED_S", 0.05)
    timed = replace(LABELLED, timing=Timing.ONCE)
    cost = compare(catalog, [OTHER], timed).encoders[0].cost
    assert cost.images_per_s is not None
    assert cost.images_per_s > 0
    assert cost.query_ms is not None
    assert cost.query_ms > 0
    assert cost.vectors_bytes == 18 * 1280 * 2
    assert cost.model_bytes is not None
    assert 6e6 < cost.model_bytes < 8e6
    assert compare(catalog, [OTHER], timed).encoders[0].cost == cost
    again = compare(catalog, [OTHER], replace(timed, timing=Timing.AGAIN)).encoders[0].cost
    assert again.query_ms != cost.query_ms
    assert compare(catalog, [OTHER], timed).encoders[0].cost == again


def test_vectors_that_are_kept_in_bytes_cost_half_as_much(tmp_path: Path) -> None:
    with seealike.create(tmp_path / "bytes", vectors="int8") as small:
        small.add("a", picture(1))
        (cost,) = speed.costs_of([small], ["efficientnet-lite0-v2"], Timing.OFF)
        assert cost.vectors_bytes == small.info().vector_bytes == 1280


def test_figures_of_two_runs_do_not_stand_in_one_table(
    catalog: seealike.Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured: list[str] = []

    def images_per_s(spec: str) -> float:
        measured.append(spec)
        return float(len(measured))

    monkeypatch.setattr(speed, "_images_per_s", images_per_s)
    monkeypatch.setattr(speed, "_query_ms", lambda _: 1.0)
    specs = ["a", "b"]

    def rates(spaces: Sequence[seealike.Catalog], specs: list[str]) -> list[float | None]:
        return [cost.images_per_s for cost in speed.costs_of(spaces, specs)]

    with seealike.create(tmp_path / "b.catalog") as other, seealike.create(tmp_path / "c.catalog") as third:
        spaces = [catalog, other]
        assert rates(spaces, specs) == [1, 2]
        assert rates(spaces, specs) == [1, 2]
        assert rates([catalog, third], ["a", "c"]) == [3, 4]  # beside another one, "a" is measured anew
        assert rates(spaces, specs) == [5, 6]
        (Path(other.path) / MEMO_NAME).unlink()
        assert rates(spaces, specs) == [7, 8]
        monkeypatch.setattr(speed, "_query_ms", lambda space: 1.0 if space is catalog else 1 / 0)
        with pytest.raises(ZeroDivisionError):  # as if it had been interrupted there
            speed.costs_of(spaces, specs, Timing.AGAIN)
        monkeypatch.setattr(speed, "_query_ms", lambda _: 1.0)
        assert rates(spaces, specs) == [11, 12]


def test_what_is_slow_only_the_first_time_is_in_no_query(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, asked = [0.0], Counter[str]()

    def search(path: str) -> None:
        asked[path] += 1
        clock[0] += 0.004 if asked[path] > 1 else 0.4 if len(asked) == 1 else 0.05  # read from the disk

    items = [Item(str(number), f"{number}.jpg", None, {}, 1, 1) for number in range(60)]
    space = SimpleNamespace(items=lambda: iter(items), search=search)
    monkeypatch.setattr("seealike.evaluation.comparison.speed.time.perf_counter", lambda: clock[0])
    assert speed._query_ms(cast("seealike.Catalog", space)) == pytest.approx(4.0)
    assert set(asked.values()) == {1 + speed.ROUNDS}
    assert len(asked) == speed.PICTURES


def test_a_slow_encoder_is_not_asked_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]

    def search(_: str) -> None:
        clock[0] += 0.5

    items = [Item(str(number), f"{number}.jpg", None, {}, 1, 1) for number in range(60)]
    space = SimpleNamespace(items=lambda: iter(items), search=search)
    monkeypatch.setattr("seealike.evaluation.comparison.speed.time.perf_counter", lambda: clock[0])
    assert speed._query_ms(cast("seealike.Catalog", space)) == pytest.approx(500)
    assert clock[0] <= 10


def test_items_that_an_encoder_lacks_are_left_out_and_counted(tmp_path: Path) -> None:
    for number in range(8):
        picture(number).save(tmp_path / f"{'ab'[number % 2]}{number}.png")
    with seealike.create(tmp_path / "catalog") as made:
        made.index(tmp_path)
        (tmp_path / "b7.png").unlink()
        options = CompareOptions(EvalOptions(label="prefix"), timing=Timing.OFF)
        found = compare(made, [OTHER], options)
    assert (found.items, found.missing) == (7, 1)
    assert found.notes[0] == "left out: 1 item that not every encoder has a vector of"
    assert all(query.id != "b7.png" for query in found.contested)


@pytest.mark.parametrize(
    ("encoders", "options", "said"),
    [
        (["efficientnet-lite0-v2"], LABELLED, "name an encoder to compare"),
        ([OTHER], CompareOptions(EvalOptions(label="folder", queries="x")), "--query-where"),
        ([OTHER], CompareOptions(EvalOptions(only=("a=b",))), "unknown column 'a'"),
    ],
)
def test_what_cannot_be_compared_is_said_in_one_line(
    catalog: seealike.Catalog, encoders: list[str], options: CompareOptions, said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        compare(catalog, encoders, options)


def test_an_unknown_encoder_is_said_before_anything_is_measured(catalog: seealike.Catalog) -> None:
    with pytest.raises(UnknownNameError, match="unknown encoder 'nonesuch'"):
        compare(catalog, ["nonesuch"], LABELLED)


def test_of_equally_contested_queries_those_come_first_where_one_is_right_and_another_wrong() -> None:
    def measured(places: list[list[int]]) -> Measured:
        rows = np.array(places)
        return Measured(
            (), np.empty((4, 0)), np.arange(4), np.arange(4), rows, np.zeros(rows.shape, np.float32)
        )

    items = [Item(str(number), None, None, {}, 1, 1) for number in range(6)]
    labels = (["a", "b"], np.array([0, 0, 0, 1, 1, 1]), np.zeros(4, np.int64))
    one = measured([[0, 1], [0, 3], [3, 4], [0, 1]])
    other = measured([[0, 1], [1, 4], [0, 1], [1, 2]])
    found = most_contested(items[:4], items, [one, other], labels, 3)
    assert [query.id for query in found] == ["2", "1", "3"]  # in common: 2 of 2, none, none, 1 of 2
    assert [query.overlap for query in found] == [0.0, 0.0, 0.5]


def test_ranks_of_copies_are_remembered_for_one_encoder_only(tmp_path: Path) -> None:
    keys = set()
    for dimension in (16, 32):
        with seealike.create(tmp_path / str(dimension), encoder=FakeEncoder(dimension=dimension)) as made:
            keys.add(_copies_key(made, [], EvalOptions()))
            keys.add(_copies_key(made, [], EvalOptions(sample=3)))
            keys.add(_copies_key(made, [Item("a", None, None, {}, 1, 1)], EvalOptions()))
    assert len(keys) == 6


def test_overlap_is_the_share_in_common_whatever_the_order() -> None:
    one = np.array([[1, 2, 3], [1, 2, -1], [-1, -1, -1]])
    other = np.array([[3, 9, 1], [2, 1, -1], [-1, -1, -1]])
    assert overlaps(one, other).tolist() == pytest.approx([2 / 3, 1.0, 0.0])


@pytest.mark.parametrize(
    ("specs", "names"),
    [
        (["onnx:/models/a.onnx?size=320", "onnx:/models/b.onnx"], ("a.onnx", "b.onnx")),
        (["onnx:/models/a.onnx?size=320", "onnx:/models/a.onnx"], ("a.onnx?size=320", "a.onnx")),
        (["timm:vgg16?pool=flatten", "timm:vgg16"], ("timm:vgg16?pool=flatten", "timm:vgg16")),
        (["onnx:/one/a.onnx", "onnx:/two/a.onnx"], ("onnx:/one/a.onnx", "onnx:/two/a.onnx")),
        (
            ["hub:a/b?file=m.onnx&revision=12&dims=64", "hub:a/b?file=m.onnx&revision=12"],
            ("hub:a/b?dims=64", "hub:a/b"),
        ),
        (
            ["hub:a/b?file=m.onnx&revision=12", "hub:a/b?file=m.onnx&revision=34"],
            ("hub:a/b?file=m.onnx&revision=12", "hub:a/b?file=m.onnx&revision=34"),
        ),
        (["efficientnet-lite0-v2", "timm:resnet18?weights=w.pt"], ("efficientnet-lite0-v2", "timm:resnet18")),
    ],
)
def test_names_are_short_where_they_still_differ(specs: list[str], names: tuple[str, ...]) -> None:
    assert short_names(specs) == names


def test_a_memo_that_is_damaged_or_of_something_else_is_as_good_as_none(tmp_path: Path) -> None:
    memo = Memo(str(tmp_path))
    assert memo.get("speed", "a") is None
    memo.put("speed", "a", [1, 2])
    memo.put("copies", "b", 3)
    assert (memo.get("speed", "a"), memo.get("copies", "b"), memo.get("speed", "b")) == ([1, 2], 3, None)
    (tmp_path / MEMO_NAME).write_bytes(b"\xff{")
    assert memo.get("speed", "a") is None
    (tmp_path / MEMO_NAME).write_text(json.dumps(["x"]))
    memo.put("speed", "c", 4)
    assert Memo(str(tmp_path)).get("speed", "c") == 4
    Memo(str(tmp_path / "gone")).put("speed", "a", 1)  # no place to write: measured again, that is all
