"""Whether pictures find their class or whoever took them: ``apart``, against plain loops over all pairs."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import asdict, astuple, replace
from pathlib import Path

import numpy as np
import pytest
from tests.pictures import picture

import seealike
from seealike.errors import UnknownNameError, UsageError
from seealike.evaluation import (
    ApartReport,
    CompareOptions,
    EvalOptions,
    LabelReport,
    Resampling,
    Timing,
    compare,
    compare_page,
    eval_page,
    evaluate,
    metric_names,
    query_values,
)
from seealike.evaluation.statistics.intervals import estimates
from seealike.gallery import render_gallery
from seealike.testing import FakeEncoder

KINDS = ("round", "square", "corner")
SENDERS = ("ann", "bob", "cyd", "dot", "eve", "fay", "")
APART = EvalOptions(label="kind", apart="sender", k=5, resampling=Resampling(50))


def write_table(folder: Path, name: str, numbers: range, group: bool) -> Path:
    """A table of drawn pictures of three kinds by six senders; nobody knows whose every seventh is."""
    rows = []
    for number in numbers:
        picture(number).save(folder / f"{number}.png")
        row: dict[str, object] = {
            "id": f"{number:02}",
            "path": f"{number}.png",
            "kind": KINDS[number % 3],
            "sender": SENDERS[number % 7],
            "split": "test" if number % 4 == 0 else "train",
            "house": "ours",
            "single": KINDS[number % 3].upper(),
            "blank": "",
            "alone": number,
            "odd": "only one" if number == 0 else KINDS[number % 3],
        }
        rows.append({**row, "group": f"G{number // 5}"} if group else row)
    path = folder / name
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return path


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[seealike.Catalog]:
    folder = tmp_path_factory.mktemp("shop")
    with seealike.create(folder / "catalog", encoder=FakeEncoder()) as made:
        made.index(write_table(folder, "shop.csv", range(40), group=False))
        yield made


@pytest.fixture(scope="module")
def products(tmp_path_factory: pytest.TempPathFactory) -> Iterator[seealike.Catalog]:
    folder = tmp_path_factory.mktemp("products")
    with seealike.create(folder / "catalog", encoder=FakeEncoder()) as made:
        made.index(write_table(folder, "shop.csv", range(40), group=True))
        yield made


def labelled(catalog: seealike.Catalog, options: EvalOptions) -> tuple[LabelReport, ApartReport]:
    found = evaluate(catalog, options).labels
    assert found is not None
    assert found.apart is not None
    return found, found.apart


class Slow:
    """Everything about senders by comparing everybody with everybody, in plain Python."""

    def __init__(
        self, catalog: seealike.Catalog, k: int, asking: set[str] | None = None, label: str = "kind"
    ) -> None:
        ids, vectors = catalog.vectors()
        self.label = label
        self.senders: list[str] = []
        self.items = {item.id: item for item in catalog.items()}
        self.vectors = dict(zip(ids, vectors, strict=True))
        among, apart, same, chance = [], [], [], []
        for query in ids if asking is None else sorted(asking):
            order = [other for other in self.order(query) if asking is None or other not in asking]
            sender = self.sender(query)
            others = [other for other in order if self.sender(other) not in {"", sender}]
            right = [self.kind(other) == self.kind(query) for other in others]
            if not sender or not any(right):
                continue
            self.senders.append(sender)
            apart.append(query_values(np.flatnonzero(right) + 1, k))
            whole = [self.kind(other) == self.kind(query) for other in order]
            among.append(query_values(np.flatnonzero(whole) + 1, k))
            same.append(sum(self.sender(other) == sender for other in order[:k]) / k)
            chance.append(sum(self.sender(other) == sender for other in order) / len(order))
        self.queries, self.values = len(apart), np.array(apart)
        self.metrics = dict(zip(metric_names(k), np.mean(apart, axis=0).tolist(), strict=True))
        self.among = dict(zip(metric_names(k), np.mean(among, axis=0).tolist(), strict=True))
        self.same, self.chance = np.mean(same), np.mean(chance)

    def sender(self, item_id: str) -> str:
        return str(self.items[item_id].metadata.get("sender") or "")

    def kind(self, item_id: str) -> object:
        return self.items[item_id].metadata[self.label]

    def order(self, query: str) -> list[str]:
        group = self.items[query].group
        pairs = [
            (-round(float(self.vectors[query] @ self.vectors[other]), 6), other)
            for other, item in self.items.items()
            if other != query and (group is None or item.group != group)
        ]
        return [other for _, other in sorted(pairs)]


@pytest.mark.parametrize("name", ["shop", "products"])
def test_apart_is_everybody_against_everybody_of_another_sender(
    name: str, request: pytest.FixtureRequest
) -> None:
    catalog: seealike.Catalog = request.getfixturevalue(name)
    slow, (report, found) = Slow(catalog, 5), labelled(catalog, APART)
    assert {key: e.value for key, e in found.metrics.items()} == pytest.approx(slow.metrics, abs=1e-9)
    expected = {key: slow.metrics[key] - slow.among[key] for key in slow.metrics}
    assert {key: e.value for key, e in found.changes.items()} == pytest.approx(expected, abs=1e-9)
    assert found.same.value == pytest.approx(slow.same)
    assert found.chance.value == pytest.approx(slow.chance)
    assert found.excess.value == pytest.approx(slow.same - slow.chance)
    assert (found.column, found.queries, found.left_out, found.unknown) == ("sender", slow.queries, 5, 5)
    assert report.queries == 40  # and among all items everybody still asks


def test_intervals_are_those_of_whole_senders_also_where_some_queries_find_nothing(
    shop: seealike.Catalog,
) -> None:
    slow, (report, found) = Slow(shop, 5, label="odd"), labelled(shop, replace(APART, label="odd"))
    assert report.lonely == 1
    clusters = np.unique(slow.senders, return_inverse=True)[1]
    expected = estimates(slow.values, clusters, APART.resampling)
    for name, estimate in zip(metric_names(5), expected, strict=True):
        assert astuple(found.metrics[name]) == pytest.approx(astuple(estimate), abs=1e-9)
    assert found.metrics["mAP@R"].low is not None


def test_a_query_set_is_set_apart_from_its_own_senders_too(shop: seealike.Catalog) -> None:
    asking = {item.id for item in shop.items() if item.metadata["split"] == "test"}
    _, found = labelled(shop, replace(APART, query_where=("split=test",)))
    slow = Slow(shop, 5, asking)
    assert {key: e.value for key, e in found.metrics.items()} == pytest.approx(slow.metrics, abs=1e-9)
    assert (found.same.value, found.chance.value) == pytest.approx((slow.same, slow.chance))


def test_queries_from_outside_know_their_senders_by_their_own_table(
    shop: seealike.Catalog, tmp_path: Path
) -> None:
    outside = write_table(tmp_path, "snapshots.csv", range(7), group=False)
    _, found = labelled(shop, replace(APART, queries=outside))
    assert (found.queries, found.unknown, found.left_out) == (6, 1, 5)
    shares = [sum(number % 7 == query for number in range(40)) / 40 for query in range(6)]
    assert found.chance.value == pytest.approx(np.mean(shares))  # nobody from outside is among the answers


def test_what_is_measured_among_all_items_stays_as_it_was(shop: seealike.Catalog) -> None:
    plain = evaluate(shop, replace(APART, apart=None, resample_by="sender")).labels
    report, _ = labelled(shop, APART)
    assert replace(report, apart=None) == plain


def test_queries_of_one_sender_are_drawn_together_unless_another_column_is_named(
    shop: seealike.Catalog,
) -> None:
    report, found = labelled(shop, APART)
    assert (report.clustered_by, report.clusters) == ("sender", 6 + 5)  # who has none stands alone
    other, apart = labelled(shop, replace(APART, resample_by="split"))
    assert (other.clustered_by, other.clusters) == ("split", 2)
    assert apart.metrics["mAP@R"] != found.metrics["mAP@R"]
    assert apart.metrics["mAP@R"].value == found.metrics["mAP@R"].value
    assert apart.changes["mAP@R"].low is None  # two clusters tell nothing
    assert found.changes["mAP@R"].low is not None


def test_a_column_of_nothing_but_different_values_changes_nothing(shop: seealike.Catalog) -> None:
    report, found = labelled(shop, replace(APART, apart="alone"))
    assert found.metrics == report.metrics
    assert {(e.value, e.low, e.high) for e in found.changes.values()} == {(0.0, 0.0, 0.0)}
    assert (found.same.value, found.chance.value, found.excess.value) == (0.0, 0.0, 0.0)
    assert (found.queries, found.lonely, found.unknown, found.left_out) == (40, 0, 0, 0)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"apart": "sendr"}, "unknown column 'sendr'; known: .*did you mean sender"),
        ({"apart": "blank"}, "the column 'blank' is empty for every item; name another by --apart"),
        ({"apart": "house"}, "every house is 'ours': none is another; name another column by --apart"),
        ({"apart": "kind"}, "no query has an item of its own class with another 'kind' to find"),
        ({"apart": "single"}, "no query has an item of its own class with another 'single' to find"),
        ({"label": None}, "another sender do needs a label: add --label COLUMN"),
    ],
)
def test_what_sets_nothing_apart_is_refused_in_one_line(
    shop: seealike.Catalog, changes: dict[str, str | None], said: str
) -> None:
    options = replace(APART, **changes)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=said) as refused:
        evaluate(shop, options)
    assert "\n" not in str(refused.value)
    with pytest.raises(UsageError, match=said):
        compare(
            shop, ["a", "b"], CompareOptions(options, timing=Timing.OFF), spaces=lambda *_: nullcontext(shop)
        )


def test_an_unknown_column_is_no_unknown_label(shop: seealike.Catalog) -> None:
    with pytest.raises(UnknownNameError) as refused:
        evaluate(shop, replace(APART, apart="sendr"))
    assert refused.value.kind == "column"


def test_the_group_sets_nothing_apart_for_it_never_counts(products: seealike.Catalog) -> None:
    with pytest.raises(UsageError, match="a query's own group never count; name another column"):
        evaluate(products, replace(APART, apart="group"))
    with pytest.raises(UsageError, match="no query has an item of its own class with another 'group'"):
        evaluate(products, replace(APART, label="group", apart="group"))


def test_queries_without_any_value_are_refused(shop: seealike.Catalog) -> None:
    with pytest.raises(UsageError, match="no query has a 'sender'"):
        evaluate(shop, replace(APART, query_where=("sender is null",)))


def test_each_of_several_encoders_is_measured_apart_as_it_is_alone(shop: seealike.Catalog) -> None:
    with seealike.open(shop.path, encoder=FakeEncoder()) as again:
        found = compare(
            shop,
            ["one", "two"],
            CompareOptions(APART, timing=Timing.OFF),
            spaces=lambda _, spec, __: nullcontext(again if spec == "two" else shop),
        )
    _, alone = labelled(shop, APART)
    first, second = found.encoders
    assert first.apart == second.apart == alone
    assert not first.apart_differences
    assert not first.apart_verdicts
    assert second.apart_differences.keys() == {*alone.metrics, "same@5"}
    assert {(e.value, e.low, e.high) for e in second.apart_differences.values()} == {(0.0, 0.0, 0.0)}
    assert second.apart_verdicts == dict.fromkeys(alone.metrics, "not sure")


def test_the_difference_between_encoders_is_that_of_their_means_apart(
    tmp_path: Path, shop: seealike.Catalog
) -> None:
    other = FakeEncoder(dimension=4)
    write_table(tmp_path, "shop.csv", range(40), group=False)
    with seealike.create(tmp_path / "catalog", encoder=other) as coarse:
        coarse.index(tmp_path / "shop.csv")
        found = compare(
            shop,
            ["one", "two"],
            CompareOptions(APART, timing=Timing.OFF),
            spaces=lambda _, spec, __: nullcontext(coarse if spec == "two" else shop),
        )
        slow = Slow(coarse, 5)
    first, second = (result.apart for result in found.encoders)
    assert first is not None
    assert second is not None
    differences = found.encoders[1].apart_differences
    assert second.same.value == pytest.approx(slow.same)
    assert differences["same@5"].value == pytest.approx(second.same.value - first.same.value)
    for name in second.metrics:
        assert second.metrics[name].value == pytest.approx(slow.metrics[name])
        expected = second.metrics[name].value - first.metrics[name].value
        assert differences[name].value == pytest.approx(expected)
        assert found.encoders[1].apart_verdicts[name] == differences[name].verdict
    assert any(change.value for change in differences.values())


def test_pages_and_json_say_what_was_set_apart(shop: seealike.Catalog) -> None:
    report = evaluate(shop, APART)
    assert report.labels is not None
    assert report.labels.apart is not None
    html = render_gallery(eval_page(report, lambda *_: b""))
    for said in (
        "Among items of another sender",
        f"{report.labels.apart.metrics['mAP@R'].value:.3f}",
        f"{report.labels.apart.chance.value:.3f}",
        "Left out there: 5 items without a sender.",
    ):
        assert said in html, said
    assert json.loads(json.dumps(asdict(report.labels.apart)))["column"] == "sender"
    found = compare(
        shop,
        ["one", "two"],
        CompareOptions(APART, timing=Timing.OFF),
        spaces=lambda *_: nullcontext(shop),
    )
    html = render_gallery(compare_page(found, lambda *_: b""))
    assert "Quality among items of another sender" in html
    assert "own sender" in html
