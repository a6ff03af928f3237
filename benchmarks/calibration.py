"""How far what is said of a score can be trusted: calibration errors on what was held out, and what it costs.

The clothing photos have 17 named classes and were sent by many people; the shop that ``seealike demo`` draws
has products of two pictures each. Errors are expected calibration errors, 15 bins of equal width.
"""

from __future__ import annotations

import csv
import random
import shutil
import statistics
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

import seealike
from benchmarks.quality import NO_CLASS
from benchmarks.report import Row
from seealike.calibration import CalibrateOptions, CalibrateReport, calibrate
from seealike.calibration.calibrate import _stock
from seealike.calibration.evidence import asking_of_labels
from seealike.calibration.judging import error_of, held_out, reliability
from seealike.calibration.pairs import Pairs, Questions, asked
from seealike.catalog import DEFAULT_ENCODER, Calibration
from seealike.demo import run_demo
from seealike.types import Float32Array, Int64Array, Relation

TITLE = "What a score is worth"
CLOTHES = CalibrateOptions("label", tuple(sorted(NO_CLASS)), "sender")
GOAL = "<= 0.05"


def rows(data: Path, work: Path) -> list[Row]:
    shop = work / "copies-shop"
    run_demo(str(shop))
    found = []
    with _clothes(data, work, "all") as catalog:
        started = time.perf_counter()
        report = calibrate(catalog, CLOTHES)
        took_s = time.perf_counter() - started
        found += _errors("clothes", report)
        found.append(Row("clothes: the same, similar held out by item", *_by_item(catalog)))
        found += _other_curves(catalog)
        found.append(_random_labels(catalog))
        found += _foreign(data, catalog)
        found += _costs(catalog, took_s)
    with seealike.open(shop / ".seealike") as drawn:
        found += _errors("drawn shop", calibrate(drawn, CalibrateOptions("kind")))
    with _clothes(data, work, "train") as taught, _clothes(data, work, "test") as others:
        calibrate(taught, CLOTHES)
        found += _new_people(taught, others)
    return found


def errors(data: Path, work: Path, encoder: str) -> list[Row]:
    """What was held out of clothes and of the shop that ``copies`` has drawn, with an encoder."""
    with (
        _clothes(data, work, "all", encoder) as clothes,
        seealike.open(work / "copies-shop" / ".seealike") as shop,
    ):
        found = [*_errors("clothes", calibrate(clothes, CLOTHES)), *_foreign(data, clothes)]
        return [*found, *_errors("drawn shop", calibrate(shop, CalibrateOptions("kind")))]


def _clothes(data: Path, work: Path, split: str, encoder: str = DEFAULT_ENCODER) -> seealike.Catalog:
    """The photos of one side of the split, or all."""
    folder = data / "clothing"
    with open(folder / "catalogue.csv", encoding="utf-8") as file:
        table = [row for row in csv.DictReader(file) if split in ("all", row["split"])]
    source = work / f"calibration-{split}.csv"
    with open(source, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, table[0])
        writer.writeheader()
        writer.writerows(table)
    target = work / f"calibration-{split}.catalog"
    shutil.rmtree(target, ignore_errors=True)
    catalog = seealike.create(target, encoder=encoder)
    catalog.index(source, options=seealike.IndexOptions(root=folder))
    return catalog


def _errors(name: str, report: CalibrateReport) -> list[Row]:
    assert report.calibration is not None
    return [
        Row(
            f"{name}: {curve.relation.words}, from {curve.source}",
            f"{curve.error:.3f}, {curve.error_low:.3f} to {curve.error_high:.3f}",
            GOAL,
            f"{curve.pairs:,} pairs of {curve.units} {curve.split_by}s, held out by {curve.split_by}; "
            f"from score {curve.least_score}; gain {curve.gain:.0%}",
        )
        for curve in report.calibration.curves
    ]


def _pairs(catalog: seealike.Catalog, options: CalibrateOptions) -> Pairs:
    questions = asking_of_labels(_stock(catalog, options)[0], options.label, options.max_queries, 0)
    assert isinstance(questions, Questions)
    return asked(questions, options.k, options.present)


def _by_item(catalog: seealike.Catalog) -> tuple[str, str, str]:
    pairs = _pairs(catalog, replace(CLOTHES, split_by=None))
    error = error_of(reliability(held_out(pairs, 0)[0], pairs.right))
    return f"{error:.3f}", GOAL, "pictures of one person on both sides: too easy"


def _other_curves(catalog: seealike.Catalog) -> list[Row]:
    """Isotonic regression on the same folds, and what happens where only what is there is asked for."""
    pairs = _pairs(catalog, CLOTHES)
    parts = np.unique(pairs.asking)
    dealt = np.random.default_rng(0).permutation(len(parts)) % 5
    asking, answering = (
        dealt[np.searchsorted(parts, one).clip(0, len(parts) - 1)] for one in (pairs.asking, pairs.answering)
    )
    said = np.zeros(len(pairs))
    for fold in range(5):
        mine, others = asking == fold, (asking != fold) & (answering != fold)
        said[mine] = isotonic(pairs.scores[others], pairs.right[others], pairs.scores[mine])
    error = error_of(reliability(said, pairs.right))
    scale = catalog.calibration
    assert scale is not None
    there = _pairs(catalog, replace(CLOTHES, present=1.0))
    always = calibrate(catalog, replace(CLOTHES, present=1.0)).calibration
    catalog.keep_calibration(scale)
    assert always is not None
    curve = always.curves[-1]
    return [
        Row(
            "clothes: similar, isotonic regression instead",
            f"{error:.3f}",
            "",
            "a table of steps, not 3 numbers",
        ),
        Row(
            "clothes: similar, asked only for what is there",
            f"{_error(scale, there):.3f}",
            "",
            "more is right than is said: half of the questions it learnt from had no answer",
        ),
        Row(
            "the same, learnt with `--present 1`",
            f"{curve.error:.3f}, {curve.error_low:.3f} to {curve.error_high:.3f}",
            GOAL,
            f"from score {curve.least_score}; gain {curve.gain:.1%}",
        ),
    ]


def isotonic(scores: np.ndarray, right: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Pool adjacent violators; between steps the nearer lower one counts."""
    order = np.argsort(scores, kind="stable")
    blocks: list[list[float]] = []  # the sum, the count, the first score
    for score, value in zip(scores[order], right[order], strict=True):
        blocks.append([float(value), 1.0, float(score)])
        while len(blocks) > 1 and blocks[-2][0] * blocks[-1][1] >= blocks[-1][0] * blocks[-2][1]:
            value_sum, count, _ = blocks.pop()
            blocks[-1][0] += value_sum
            blocks[-1][1] += count
    steps = np.array([block[2] for block in blocks])
    place = np.maximum(np.searchsorted(steps, wanted, "right") - 1, 0)
    return np.asarray([block[0] / block[1] for block in blocks])[place]


def _random_labels(catalog: seealike.Catalog) -> Row:
    learnt, rounds = 0, 10
    stock = _stock(catalog, CLOTHES)[0]
    for seed in range(rounds):
        rng = random.Random(seed)
        dealt = replace(stock, labels=[rng.choice("abcde") for _ in stock.items])
        learnt += _is_learnt(dealt)
    return Row(
        "clothes: labels dealt at random, learnt", f"{learnt} of {rounds}", "<= 1", "by chance 1 in 40"
    )


def _is_learnt(stock: object) -> bool:
    from seealike.calibration.calibrate import _learnt
    from seealike.calibration.evidence import Stock

    assert isinstance(stock, Stock)
    questions = asking_of_labels(stock, "label", 300, 0)
    assert isinstance(questions, Questions)
    options = replace(CLOTHES, max_queries=300)
    return not isinstance(
        _learnt(Relation.SIMILAR, "label", questions, "sender", options, lambda _: None), str
    )


def _foreign(data: Path, catalog: seealike.Catalog) -> list[Row]:
    """Pictures of other things, and the clothes themselves."""
    told = seealike.SearchOptions(at_least=Relation.SIMILAR)
    places = sorted((data / "places").glob("*.jpg")) + sorted((data / "steakhouse").rglob("*.jpg"))
    answers = catalog.search_batch([*map(str, places)], options=told)
    nothing = sum(not hits for hits in answers)
    labels = {item.id: str(item.metadata["label"]) for item in catalog.items()}
    asked = [item_id for item_id, label in labels.items() if label not in NO_CLASS]
    lists = catalog.similar_batch(asked, options=told)
    some = [(labels[item_id], hits) for item_id, hits in zip(asked, lists, strict=True) if hits]
    known = [
        (label, labels[hit.id]) for label, hits in some for hit in hits if labels[hit.id] not in NO_CLASS
    ]
    right = sum(one == other for one, other in known) / len(known)
    plain = [
        (labels[item_id], labels[hit.id])
        for item_id, hits in zip(asked, catalog.similar_batch(asked), strict=True)
        for hit in hits
        if labels[hit.id] not in NO_CLASS
    ]
    usual = sum(one == other for one, other in plain) / len(plain)
    return [
        Row(
            "places and food asked of clothes, at least similar",
            f"{nothing} of {len(places)} have nothing similar",
            "",
            "as it should be",
        ),
        Row(
            "clothes asked of clothes, at least similar",
            f"{len(some) / len(asked):.0%} find something",
            "",
            f"{right:.0%} of it of their class; of the nearest ten {usual:.0%}",
        ),
    ]


def _new_people(taught: seealike.Catalog, others: seealike.Catalog) -> list[Row]:
    """Learnt from some people's photos, asked with those of others, who were not there at all."""
    scale = taught.calibration
    assert scale is not None
    items, item_labels = _named(taught)
    queries, query_labels = _named(others)
    names = sorted({*item_labels, *query_labels})
    labels, sought = (np.array([names.index(one) for one in many]) for many in (item_labels, query_labels))
    nobody = np.full(len(queries), -1, dtype=np.int64)
    place: Int64Array = np.arange(len(items))
    questions = Questions(items, labels, place, queries, sought, nobody, np.arange(len(queries)))
    both, there = asked(questions, CLOTHES.k), asked(questions, CLOTHES.k, 1.0)
    return [
        Row(
            f"clothes: similar, {len(queries):,} photos of people who were not there",
            f"{_error(scale, both):.3f}",
            GOAL,
            f"learnt from {len(taught):,} photos of others; half of the questions have no answer",
        ),
        Row("the same, asked only for what is there", f"{_error(scale, there):.3f}", "", ""),
    ]


def _error(scale: Calibration, pairs: Pairs) -> float:
    return error_of(reliability(scale.probability(Relation.SIMILAR, pairs.scores), pairs.right))


def _named(catalog: seealike.Catalog) -> tuple[Float32Array, Sequence[str]]:
    ids, vectors = catalog.vectors()
    labels = {item.id: str(item.metadata["label"]) for item in catalog.items()}
    kept = [row for row, item_id in enumerate(ids) if labels[item_id] not in NO_CLASS]
    return vectors[kept], [labels[ids[row]] for row in kept]


def _costs(catalog: seealike.Catalog, took_s: float) -> list[Row]:
    scale, ids = catalog.calibration, [item.id for item in catalog.items()][:300]
    times: dict[bool, list[float]] = {True: [], False: []}
    for _ in range(5):
        for kept in (True, False):
            catalog.keep_calibration(scale if kept else None)
            catalog.similar(ids[0])
            for item_id in ids:
                started = time.perf_counter()
                catalog.similar(item_id)
                times[kept].append(time.perf_counter() - started)
    catalog.keep_calibration(scale)
    with_it, without = (statistics.median(times[kept]) * 1e3 for kept in (True, False))
    return [
        Row(f"calibrating {len(catalog):,} photos", f"{took_s:.1f} s", "", "600 copies made and encoded"),
        Row(
            "one search that says what results are",
            f"{with_it / without:.2f} x",
            "",
            f"{without:.2f} ms without",
        ),
    ]
