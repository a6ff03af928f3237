"""Learning what scores are worth: pairs, curves, what is held out, what cannot be learnt, and keeping it."""

from __future__ import annotations

import csv
import random
import sqlite3
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from tests.pictures import picture, write_pictures

import seealike
from seealike.calibration import CalibrateOptions, calibrate
from seealike.calibration.fitting import fitted
from seealike.calibration.judging import BINS, error_of, held_out, judged, reliability
from seealike.calibration.pairs import Pairs, Questions, asked
from seealike.catalog import Beta, Curve
from seealike.errors import DamagedCatalogError, UnknownNameError, UsageError
from seealike.evaluation import Resampling
from seealike.recommend import candidates, likeness
from seealike.recommend.ranking import Ranked
from seealike.testing import FakeEncoder
from seealike.types import Float32Array, Int64Array, Metric, Relation
from seealike.vectors import unit_rows

FEW = Resampling(rounds=60)
TRUTH = Beta(3.0, 2.0, -1.0)


def unit(n: int, d: int, seed: int) -> Float32Array:
    return unit_rows(np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32))


def drawn(count: int, seed: int = 0, beta: Beta = TRUTH, a_unit: int = 10) -> Pairs:
    """Pairs whose truth follows a known curve; ``a_unit`` in a row are of one part."""
    rng = np.random.default_rng(seed)
    scores = rng.uniform(-0.2, 0.98, count)
    parts = np.arange(count, dtype=np.int64) // a_unit
    right = rng.random(count) < beta.of(scores)
    aucs = np.clip(0.5 + 0.1 * (beta.low > 0) + rng.normal(0, 0.05, len(np.unique(parts))), 0, 1)
    return Pairs(scores, right, parts, rng.permutation(parts), aucs, np.unique(parts))


# -- pairs ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("k", [1, 3, 40])
@pytest.mark.parametrize("grouped", [False, True])
def test_every_question_is_asked_twice_once_without_what_is_right(k: int, grouped: bool) -> None:
    rng = np.random.default_rng(k)
    items = unit(30, 5, 1)
    labels, units, groups = (rng.integers(0, most, 30) for most in (6, 9, 12))
    groups = np.where(rng.random(30) < 0.3, -1, groups)
    own = np.array([0, 7, -1, 12, 29])
    queries = np.concatenate([items[[0, 7]], unit(1, 5, 2), items[[12, 29]]])
    sought, asking = np.array([*labels[[0, 7]], 99, *labels[[12, 29]]]), np.arange(5)
    found = asked(
        Questions(items, labels, units, queries, sought, own, asking, groups if grouped else None), k
    )
    expected = []
    for q in range(5):
        there = [
            i
            for i in range(30)
            if i != own[q] and not (grouped and own[q] >= 0 and groups[i] == groups[own[q]] >= 0)
        ]
        right = {i for i in there if labels[i] == sought[q]}
        if not right:
            continue
        for left in (there, [i for i in there if i not in right]):
            score = {
                i: sum(float(a) * float(b) for a, b in zip(items[i], queries[q], strict=True)) for i in left
            }
            best = sorted(left, key=lambda i: -score[i])[:k]
            expected += [(q, int(units[i]), i in right, round(score[i], 4)) for i in best]
    pairs = zip(found.asking, found.answering, found.right, found.scores.round(4), strict=True)
    assert sorted((int(a), int(b), bool(c), float(d)) for a, b, c, d in pairs) == sorted(expected)
    assert 2 not in found.asking  # it has nothing to find


@pytest.mark.parametrize("present", [0.1, 0.5, 0.8, 1.0])
def test_the_share_of_questions_that_have_an_answer_is_what_was_said(present: float) -> None:
    items, labels, own = unit(400, 6, 4), np.arange(400) // 4, np.arange(400)
    pairs = asked(Questions(items, labels, own, items, labels, own, own), 399, present)
    there, without = 399, 396  # how long the lists are, of all others and of those of other labels
    lengths = np.bincount(pairs.asking)
    found = int(np.isin(lengths, (there, there + without)).sum())
    missed = int(np.isin(lengths, (without, there + without)).sum())
    assert max(found, missed) == 400
    assert found / (found + missed) == pytest.approx(present, abs=0.005)
    assert len(pairs.aucs) == 400


def test_questions_that_nobody_can_answer_give_no_pairs() -> None:
    nobody, items = np.full(2, -1), unit(4, 3, 0)
    labels = np.arange(4)
    none = asked(Questions(items, labels, labels, items[:2], np.array([8, 9]), nobody, np.arange(2)), 3)
    assert len(none) == 0


# -- curves --------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("weighted", [False, True])
def test_a_curve_is_the_logistic_regression_of_scikit_learn(seed: int, weighted: bool) -> None:
    pairs = drawn(800, seed)
    weights = np.random.default_rng(seed).uniform(0.5, 2, 800) if weighted else np.ones(800)
    found = fitted(pairs.scores, pairs.right, weights)
    u = (1 + pairs.scores) / 2
    features = np.stack([np.log(u), -np.log(1 - u)], axis=1)
    # Targets a little inside of 0 and 1 are pairs counted partly as right and partly as wrong.
    many, few = weights[pairs.right].sum(), weights[~pairs.right].sum()
    target = np.where(pairs.right, (many + 1) / (many + 2), 1 / (few + 2))
    oracle = LogisticRegression(C=1e9, tol=1e-10, max_iter=10_000).fit(
        np.concatenate([features, features]),
        np.repeat([1, 0], 800),
        sample_weight=np.concatenate([weights * target, weights * (1 - target)]),
    )
    assert (oracle.coef_ >= 0).all()
    assert (found.low, found.high) == pytest.approx(tuple(oracle.coef_[0]), rel=2e-3, abs=2e-3)
    assert found.intercept == pytest.approx(float(oracle.intercept_[0]), rel=2e-3, abs=2e-3)


def test_of_all_curves_that_never_fall_the_best_is_found() -> None:
    """Against a search over a grid: also where the best of all curves would fall."""
    rng = np.random.default_rng(5)
    scores = rng.uniform(0, 0.95, 400)
    for truth in (Beta(4, -1.0, 0), Beta(-2.0, 3, -2), Beta(-3.0, -2.0, 0)):
        right = rng.random(400) < truth.of(scores)
        found = fitted(scores, right)
        assert found.low >= 0
        assert found.high >= 0

        def loss(beta: Beta, right: np.ndarray = right) -> float:
            said = beta.of(scores)
            many, few = right.sum(), (~right).sum()
            target = np.where(right, (many + 1) / (many + 2), 1 / (few + 2))
            return float(-(target * np.log(said) + (1 - target) * np.log1p(-said)).mean())

        steps = np.linspace(0, 5, 11)
        others = [Beta(a, b, c) for a in steps for b in steps for c in np.linspace(-6, 6, 25)]
        assert loss(found) <= min(map(loss, others)) + 1e-9


@pytest.mark.parametrize("right", [[True, True], [False, False], [False, True], [True, False]])
def test_a_curve_of_two_pairs_is_finite(right: list[bool]) -> None:
    found = fitted(np.array([0.2, 0.9]), np.array(right))
    said = found.of(np.linspace(-1, 1, 50))
    assert np.isfinite([found.low, found.high, found.intercept]).all()
    assert (np.diff(said) >= 0).all()
    assert ((said >= 0) & (said <= 1)).all()


# -- judging -------------------------------------------------------------------------------------


def test_the_calibration_error_is_that_of_a_plain_loop() -> None:
    rng = np.random.default_rng(3)
    said, right = rng.random(500) ** 2, rng.random(500) < 0.4
    said[:2] = 0.0, 1.0
    error = 0.0
    for number in range(BINS):
        last = number == BINS - 1
        mine = [
            place
            for place in range(500)
            if number / BINS <= said[place] and (last or said[place] < (number + 1) / BINS)
        ]
        if mine:
            gap = sum(said[place] for place in mine) / len(mine) - sum(right[p] for p in mine) / len(mine)
            error += len(mine) / 500 * abs(gap)
    bins = reliability(said, right)
    assert error_of(bins) == pytest.approx(error)
    assert sum(one.pairs for one in bins) == 500


def test_curves_of_the_right_shape_are_calibrated_on_what_was_held_out() -> None:
    judgement = judged(drawn(20_000), FEW)
    assert judgement.tells
    assert judgement.error < 0.02
    assert judgement.low - 1e-12 <= judgement.error <= judgement.high
    assert 0.1 < judgement.gain < 1


def test_no_pair_is_judged_by_what_knew_its_question_or_its_part() -> None:
    """Whatever one turns round in the pairs of a part, what is said of its questions stays."""
    pairs = drawn(600, a_unit=20)
    said, base = held_out(pairs, 0)
    for part in (0, 7, 29):
        touched = (pairs.asking == part) | (pairs.answering == part)
        turned = replace(pairs, right=np.where(touched, ~pairs.right, pairs.right))
        other, other_base = held_out(turned, 0)
        mine = pairs.asking == part
        np.testing.assert_array_equal(other[mine], said[mine])
        np.testing.assert_array_equal(other_base[mine], base[mine])
        assert not np.array_equal(other, said)  # others did learn from them


def test_one_part_alone_has_nobody_to_be_judged_by() -> None:
    pairs = drawn(30, a_unit=30)
    said, base = held_out(pairs, 0)
    assert (said == 0.5).all()
    assert (base == 0.5).all()
    assert not judged(pairs, FEW).tells


@pytest.mark.parametrize("right", [False, True])
def test_where_all_pairs_are_right_or_all_are_wrong_there_is_nothing_to_gain(right: bool) -> None:
    pairs = drawn(300)
    judgement = judged(replace(pairs, right=np.full(300, right)), FEW)
    assert (judgement.tells, judgement.gain) == (False, 0.0)


@pytest.mark.parametrize("seed", range(6))
def test_scores_that_say_nothing_gain_nothing(seed: int) -> None:
    pairs = drawn(2000, seed, Beta(0, 0, -1.0))
    assert not judged(pairs, Resampling(rounds=400, seed=seed)).tells


# -- catalogues ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shop_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """48 pictures of 24 products; what has a similar background is of one kind; ``chance`` is drawn."""
    folder = tmp_path_factory.mktemp("shop")
    rows, rng = [], random.Random(2)
    for product in range(24):
        for view in range(2):
            image = picture(product).rotate(7 * view, expand=False)
            path = folder / f"{product}-{view}.png"
            image.save(path)
            rows.append(
                {
                    "id": path.stem,
                    "path": path.name,
                    "group": f"P{product}",
                    "kind": f"kind {int(product * 0.6180339887 % 1 * 3)}",  # a third of all hues
                    "chance": rng.choice("ab"),
                    "same": "all",
                    "person": product // 2,
                }
            )
    with open(folder / "shop.csv", "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return folder


@pytest.fixture
def shop(shop_folder: Path, tmp_path: Path) -> Iterator[seealike.Catalog]:
    with seealike.create(tmp_path / "catalog", encoder=FakeEncoder()) as made:
        made.index(shop_folder / "shop.csv")
        yield made


def options(label: str | None = None, **others: str) -> CalibrateOptions:
    return CalibrateOptions(label, split_by=others.get("split_by"), sample=12, resampling=FEW)


def test_copies_and_groups_teach_what_a_duplicate_and_the_same_product_are(shop: seealike.Catalog) -> None:
    report = calibrate(shop, options())
    found = report.calibration
    assert found is not None
    assert [curve.relation for curve in found.curves] == [Relation.DUPLICATE, Relation.SAME_PRODUCT]
    assert [(missed.relation, missed.reason) for missed in report.missed] == [
        (Relation.SIMILAR, "nothing says what is similar; --label COLUMN does")
    ]
    copies, groups = found.curves
    assert (copies.source, copies.questions) == ("copies", 72)
    assert 60 <= copies.right <= 72
    assert (groups.source, groups.questions, groups.units, groups.split_by) == ("group", 48, 24, "group")
    assert groups.pairs == 48 * 20
    assert (found.k, found.items, found.generation) == (10, 48, shop.generation)
    assert shop.calibration == found
    assert shop.info().calibration == found
    assert Relation.UNRELATED not in found.relations


def test_a_label_teaches_what_is_similar_without_the_pictures_of_the_same_product(
    shop: seealike.Catalog,
) -> None:
    report = calibrate(shop, options("kind", split_by="person"))
    assert report.calibration is not None
    similar = report.calibration.curves[-1]
    assert (similar.relation, similar.source, similar.split_by) == (Relation.SIMILAR, "kind", "person")
    assert similar.units == 12
    assert similar.pairs == 48 * 20  # there are more than ten others, also where its kind is taken out
    assert report.calibration.relations[-1] is Relation.UNRELATED
    again = calibrate(shop, options("kind", split_by="person"))
    assert again.calibration == report.calibration  # chance is drawn by a seed


def test_labels_drawn_at_random_teach_nothing_and_leave_the_rest_alone(shop: seealike.Catalog) -> None:
    report = calibrate(shop, options("chance"))
    assert report.calibration is not None
    assert Relation.SIMILAR not in report.calibration.relations
    [missed] = report.missed
    assert missed.reason == (
        "scores do not tell: what is right has no higher ones than what is not, beyond chance"
    )


def test_one_class_alone_teaches_nothing(shop: seealike.Catalog) -> None:
    [missed] = calibrate(shop, options("same")).missed
    assert missed.relation is Relation.SIMILAR
    assert missed.reason.startswith("too little to learn from: 0 groups found both what is right and")


@pytest.mark.parametrize("count", [1, 3])
def test_a_tiny_catalogue_teaches_nothing_and_keeps_what_it_had(tmp_path: Path, count: int) -> None:
    write_pictures(tmp_path / "photos", range(count))
    with seealike.create(tmp_path / "catalog", encoder=FakeEncoder()) as made:
        made.index(tmp_path / "photos")
        report = calibrate(made, options("folder"))
        assert report.calibration is None
        assert made.calibration is None
        assert [missed.relation for missed in report.missed] == list(Relation)[:3]
        telling = "3 items" if count == 3 else "0 items"
        assert report.missed[0].reason == (
            f"too little to learn from: {telling} found both what is right and what is not, it takes 6"
        )


def test_an_empty_catalogue_is_refused(tmp_path: Path) -> None:
    with (
        seealike.create(tmp_path / "catalog", encoder=FakeEncoder()) as made,
        pytest.raises(UsageError, match="has no items to learn from"),
    ):
        calibrate(made)


def test_where_no_picture_can_be_read_groups_still_teach(
    shop_folder: Path, tmp_path: Path, shop: seealike.Catalog
) -> None:
    moved = tmp_path / "moved"
    moved.mkdir()
    rows = (shop_folder / "shop.csv").read_text()
    (moved / "shop.csv").write_text(rows)
    for path in shop_folder.glob("*.png"):
        (moved / path.name).write_bytes(path.read_bytes())
    with seealike.create(tmp_path / "other", encoder=FakeEncoder()) as made:
        made.index(moved / "shop.csv")
        for path in moved.glob("*.png"):
            path.unlink()
        report = calibrate(made, options())
    assert report.missed[0].reason == "no picture could be read to make copies of"
    assert report.calibration is not None
    assert report.calibration.relations == (Relation.SAME_PRODUCT,)


def test_what_makes_no_sense_is_refused_before_any_work(shop: seealike.Catalog) -> None:
    with pytest.raises(UsageError, match="groups say what is the same product"):
        CalibrateOptions("group")
    with pytest.raises(UsageError, match="labels to ignore need a label"):
        CalibrateOptions(ignore_labels=("x",))
    with pytest.raises(UsageError, match="k must be a whole number of at least 1"):
        CalibrateOptions(k=0)
    with pytest.raises(UsageError, match="present must be"):
        CalibrateOptions(present=0)
    with pytest.raises(UnknownNameError, match="unknown label 'kinds'"):
        calibrate(shop, options("kinds"))
    with pytest.raises(UnknownNameError, match="unknown label 'sender'"):
        calibrate(shop, options(split_by="sender"))


def test_labels_that_are_ignored_neither_ask_nor_answer(shop: seealike.Catalog) -> None:
    report = calibrate(shop, replace(options("kind"), ignore_labels=("kind 2",)))
    assert report.calibration is not None
    kinds = [item.metadata["kind"] for item in shop.items()]
    assert report.calibration.curves[-1].questions == 48 - kinds.count("kind 2") < 48


def test_what_the_encoder_learnt_from_neither_asks_nor_answers(
    shop: seealike.Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = frozenset(item.id for item in shop.items() if item.id < "2")
    module = sys.modules["seealike.calibration.calibrate"]
    monkeypatch.setattr(module, "seen_ids", lambda *_: seen)
    report = calibrate(shop, options())
    assert report.calibration is not None
    assert report.seen == len(seen) > 0
    groups = report.calibration.curves[-1]
    assert groups.questions == 48 - len(seen)
    everybody = frozenset(item.id for item in shop.items())
    monkeypatch.setattr(module, "seen_ids", lambda *_: everybody)
    with pytest.raises(UsageError, match="the encoder learnt from all 48 pictures"):
        calibrate(shop, options())


# -- where it is kept ----------------------------------------------------------------------------


def test_a_calibration_is_kept_and_forgotten_without_a_new_generation(shop: seealike.Catalog) -> None:
    before = shop.generation
    calibrate(shop, options())
    with seealike.open(shop.path, encoder=FakeEncoder()) as other:
        assert other.calibration == shop.calibration
        shop.keep_calibration(None)
        assert other.info().calibration is None
    assert shop.generation == before
    assert shop.info().calibration is None


def test_a_catalogue_says_how_much_has_changed_since(shop: seealike.Catalog, tmp_path: Path) -> None:
    calibrate(shop, options())
    assert (shop.info().changed_since, shop.info().is_stale) == (0, False)
    ids = [item.id for item in shop.items()]
    shop.remove(ids[:6])
    [path] = write_pictures(tmp_path / "more", range(30, 31))
    shop.add("new", str(path))
    assert (shop.info().changed_since, shop.info().is_stale) == (7, False)
    shop.remove(ids[6:10])
    assert (shop.info().changed_since, shop.info().is_stale) == (11, True)


def test_a_damaged_calibration_is_found_and_repaired_by_forgetting_it(shop: seealike.Catalog) -> None:
    calibrate(shop, options())
    database = next(Path(shop.path).glob("catalog*.sqlite"))
    with sqlite3.connect(database) as connection:
        connection.execute("UPDATE state SET value=replace(value, '0.', '1.') WHERE name='calibration'")
    connection.close()
    with pytest.raises(DamagedCatalogError, match="checksum of the state 'calibration'"):
        shop.info()
    [finding] = shop.verify().findings
    assert "calibration" in finding.what
    assert shop.verify(repair=True).ok
    assert shop.calibration is None
    assert shop.verify().findings == ()


def test_the_scores_that_are_learnt_from_are_those_of_searches(shop: seealike.Catalog) -> None:
    [curve] = [one for one in _learnt(shop) if one.relation is Relation.SAME_PRODUCT]
    every = seealike.SearchOptions(pictures=True)
    ids, vectors = shop.vectors()
    groups = {item.id: item.group for item in shop.items()}
    searched = [
        (hit.score, groups[hit.id] == groups[item_id])
        for item_id in ids
        for hit in shop.search_vectors(vectors[ids.index(item_id)], 11, options=every)[0]
        if hit.id != item_id
    ]
    right = sum(truth for _, truth in searched)
    assert curve.right == right  # the half of the questions that had something to find
    assert curve.pairs == 2 * len(searched)


def _learnt(catalog: seealike.Catalog) -> tuple[Curve, ...]:
    found = calibrate(catalog, options()).calibration
    assert found is not None
    return found.curves


def test_the_auc_is_how_often_what_is_right_is_ahead() -> None:
    rng = np.random.default_rng(9)
    items, labels = unit(40, 4, 3), rng.integers(0, 4, 40)
    own = np.arange(40)
    pairs = asked(Questions(items, labels, own, items, labels, own, own), 5)
    for query in range(40):
        scores = (items @ items[query]).astype(np.float64)
        good = [scores[i] for i in range(40) if i != query and labels[i] == labels[query]]
        bad = [scores[i] for i in range(40) if labels[i] != labels[query]]
        ahead = sum((a > b) + (a == b) / 2 for a in good for b in bad) / (len(good) * len(bad))
        assert pairs.aucs[query] == pytest.approx(ahead, abs=1e-6)


# -- what searches say then ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def scaled(shop_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[seealike.Catalog]:
    """The shop, calibrated, with thresholds that cut its lists in their middle."""
    path = tmp_path_factory.mktemp("scaled") / "catalog"
    with seealike.create(path, encoder=FakeEncoder()) as made:
        made.index(shop_folder / "shop.csv")
        calibrate(made, options("kind"))
        scale = made.calibration
        assert scale is not None
        curves = [
            replace(curve, beta=beta, least_score=beta.least_score())
            for curve, beta in zip(
                scale.curves, (Beta(9, 9, -34), Beta(5, 9, -31), Beta(6, 4, -8)), strict=True
            )
        ]
        made.keep_calibration(replace(scale, curves=tuple(curves)))
        yield made


STRENGTH = list(Relation)


@pytest.mark.parametrize("metric", list(Metric))
@pytest.mark.parametrize("pictures", [True, False])
@pytest.mark.parametrize("relation", STRENGTH[:3])
def test_at_least_a_relation_is_the_same_list_without_what_is_less(
    scaled: seealike.Catalog, relation: Relation, pictures: bool, metric: Metric
) -> None:
    ids = [item.id for item in scaled.items()]
    plain = seealike.SearchOptions(pictures=pictures, metric=metric)
    found = left = 0
    for everything, some in zip(
        scaled.similar_batch(ids, 100, options=plain),
        scaled.similar_batch(ids, 100, options=replace(plain, at_least=relation)),
        strict=True,
    ):
        told = [hit.relation for hit in everything]
        assert None not in told
        enough = [
            hit for hit in everything if STRENGTH.index(hit.relation or relation) <= STRENGTH.index(relation)
        ]
        assert some == enough
        found, left = found + len(some), left + len(everything) - len(some)
    assert left > 0
    assert found > 0 or not pictures


def test_hits_say_what_the_scale_says_of_their_cosine(scaled: seealike.Catalog) -> None:
    scale = scaled.calibration
    assert scale is not None
    every = seealike.SearchOptions(pictures=True)
    for hit in scaled.similar("0-0", 40, options=every):
        [said] = scale.said_of([hit.score])
        assert (hit.relation, hit.probability) == said
    near = scaled.similar("0-0", 3, options=replace(every, metric=Metric.EUCLIDEAN))
    for hit, same in zip(near, scaled.similar("0-0", 3, options=every), strict=True):
        assert hit.relation is same.relation
        assert hit.probability == pytest.approx(same.probability, abs=1e-4)
    columns = near.columns()
    assert columns["relation"] == [hit.relation.value for hit in near if hit.relation]
    assert columns["probability"] == [hit.probability for hit in near]


def test_what_a_hit_is_goes_by_the_liked_picture_that_is_most_like_it(scaled: seealike.Catalog) -> None:
    scale = scaled.calibration
    assert scale is not None
    every = seealike.SearchOptions(pictures=True)
    least = scale.least_score(Relation.SIMILAR)
    assert least is not None
    of_product = [item.id for item in scaled.items() if item.group == "P1"]
    product = seealike.Example(product="P1")
    asked: list[tuple[list[str | seealike.Example], list[str], list[str]]] = [
        (["0-0", "3-0"], [], ["0-0", "3-0"]),
        (["0-0"], ["3-0"], ["0-0"]),
        ([product], [], of_product),
    ]
    for like, dislike, pictures in asked:
        cosines: dict[str, float] = {}
        for one in pictures:
            for hit in scaled.similar(one, 100, options=every):
                cosines[hit.id] = max(hit.score, cosines.get(hit.id, -1.0))
        for options in (every, replace(every, color=0.5), replace(every, combine=seealike.Combine.EACH)):
            hits = scaled.recommend(like, dislike, 100, options=options)
            said = scale.said_of([cosines[hit.id] for hit in hits])
            assert [(hit.relation, hit.probability) for hit in hits] == said
            enough = [hit.id for hit in hits if cosines[hit.id] >= least]
            for asked_for in (Relation.SIMILAR, least):
                told = replace(options, at_least=asked_for)
                assert scaled.recommend(like, dislike, 100, options=told).ids == enough


def test_what_a_hit_is_goes_by_its_best_turn_also_for_vectors_that_need_no_rounding(
    scaled: seealike.Catalog,
) -> None:
    scale = scaled.calibration
    assert scale is not None
    vectors = np.eye(4, scaled.encoder.dimension, dtype=np.float32)
    every = seealike.SearchOptions(pictures=True, combine=seealike.Combine.EACH)
    hits = scaled.recommend([seealike.Example(vector=vector) for vector in vectors], k=40, options=every)
    each = [
        dict(zip(one.ids, one.scores, strict=True))
        for one in scaled.search_vectors(vectors, 100, options=seealike.SearchOptions(pictures=True))
    ]
    best = [max(one[hit.id] for one in each) for hit in hits]
    assert best != hits.scores  # an item comes where it comes first, which need not be the closer one
    assert [(hit.relation, hit.probability) for hit in hits] == scale.said_of(best)


def test_lists_for_all_are_those_of_their_items(scaled: seealike.Catalog) -> None:
    told = seealike.SearchOptions(pictures=True, at_least="same-product")  # type: ignore[arg-type]
    for one in scaled.recommend_all(5, options=told):
        assert list(one.similar_ids) == scaled.similar(one.id, 5, options=told).ids
    assert list(scaled.updated_lists(5, options=told)) == list(scaled.recommend_all(5, options=told))
    products = replace(told, pictures=False)
    for one in scaled.recommend_all(5, options=products, by_product=True):
        found = scaled.recommend([seealike.Example(product=one.id)], k=5, options=products)
        assert list(one.scores) == found.scores
    coloured = replace(told, color=0.3)
    for one in scaled.recommend_all(5, options=coloured):
        assert list(one.similar_ids) == scaled.similar(one.id, 5, options=coloured).ids
    updated = scaled.updated_lists(5, options=coloured)
    assert updated.always_whole == ("at_least", "color")


def test_what_is_like_enough_to_many_pictures_is_looked_up_at_once_and_in_bounded_memory(
    scaled: seealike.Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = seealike.SearchOptions(color=0.5, at_least=0.3)
    expected = list(scaled.recommend_all(10, options=options))
    asked: list[int] = []
    like_enough = likeness.like_enough

    def counted(
        ranked: Callable[[Float32Array, int], list[Ranked]], pictures: Sequence[Float32Array], least: float
    ) -> list[Int64Array | None]:
        def counting(vectors: Float32Array, k: int) -> list[Ranked]:
            asked.append(len(vectors))
            return ranked(vectors, k)

        return like_enough(counting, pictures, least)

    monkeypatch.setattr(candidates, "like_enough", counted)
    assert list(scaled.recommend_all(10, options=options)) == expected
    assert asked == [48]
    for name, number in {"_ROWS_AT_ONCE": 7, "FIRST_LISTED": 2, "LISTED": 4}.items():
        monkeypatch.setattr(likeness, name, number)
    assert list(scaled.recommend_all(10, options=options)) == expected  # of some lists all are looked at


def test_a_score_that_is_wanted_as_well_counts_where_it_is_higher(scaled: seealike.Catalog) -> None:
    scale = scaled.calibration
    assert scale is not None
    least = scale.least_score(Relation.SIMILAR)
    assert least is not None
    for score in (least - 0.2, least + 0.1, 0.0):
        both = seealike.SearchOptions(score, pictures=True, at_least=Relation.SIMILAR)
        higher = seealike.SearchOptions(max(score, least), pictures=True)
        assert scaled.similar("5-0", 40, options=both) == scaled.similar("5-0", 40, options=higher)


def test_at_least_is_refused_where_nothing_tells_it(shop: seealike.Catalog) -> None:
    with pytest.raises(UsageError, match="has not been learnt: `seealike calibrate` learns it"):
        shop.similar("0-0", options=seealike.SearchOptions(at_least=Relation.SIMILAR))
    calibrate(shop, options())
    with pytest.raises(
        UsageError, match="nothing has been learnt here of what is similar, only of duplicate"
    ):
        shop.similar("0-0", options=seealike.SearchOptions(at_least=Relation.SIMILAR))
    assert "relation" in shop.similar("0-0", options=seealike.SearchOptions(pictures=True)).columns()
    with pytest.raises(UsageError, match="whatever there is, is at least unrelated"):
        seealike.SearchOptions(at_least=Relation.UNRELATED)
    with pytest.raises(UnknownNameError, match="unknown relation 'alike'"):
        seealike.SearchOptions(at_least="alike")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="at_least must be a number from -1 to 1, not 85"):
        seealike.SearchOptions(at_least=85)


def test_words_are_on_another_scale(scaled: seealike.Catalog) -> None:
    assert not seealike.Example(text="red").is_picture
    assert seealike.Example("0-0").is_picture
    with pytest.raises(UsageError, match="for what a hit is to a picture: name one, or leave it out"):
        scaled.recommend([seealike.Example(text="red")], options=seealike.SearchOptions(at_least=0.5))


def test_a_relation_that_no_score_reaches_leaves_nothing(shop: seealike.Catalog) -> None:
    calibrate(shop, options())
    scale = shop.calibration
    assert scale is not None
    never = replace(scale.curves[0], beta=Beta(0, 0, -3), least_score=None)
    shop.keep_calibration(replace(scale, curves=(never,)))
    told = seealike.SearchOptions(at_least=Relation.DUPLICATE)
    assert shop.similar("0-0", options=told) == []
    for also in (replace(told, color=0.5), replace(told, combine=seealike.Combine.EACH)):
        assert shop.recommend(["0-0", seealike.Example(product="P3")], options=also) == []
    assert not any(one.similar_ids for one in shop.recommend_all(3, options=replace(told, color=0.5)))
