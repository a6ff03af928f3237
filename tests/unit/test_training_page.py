"""The page with before and after, from a report made by hand."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from dataclasses import replace

import numpy as np
import pytest
from tests.lessons import lesson

from seealike.cli.printing.training import print_report, summary
from seealike.evaluation.statistics.metrics import metric_names
from seealike.training.chart import curve_chart
from seealike.training.data.split import split
from seealike.training.judge import K, gather, judge, with_head
from seealike.training.options import Labelling, TrainOptions
from seealike.training.page import QUERIES, chosen_queries, train_page
from seealike.training.report import TrainReport
from seealike.training.teach.loop import Point
from seealike.training.trial import Parity

CURVE = (Point(1, 2.0, 0.4), Point(2, 1.0, 0.7), Point(3, 0.5, 0.6))


def report(*, name: str = "class") -> TrainReport:
    """A training of 240 items, whose embedding shows the classes better than the vectors do."""
    made = lesson(np.arange(240) % 4, np.arange(240) // 4)
    made = replace(made, classes=tuple(f"{name} {n}" for n in range(4)))
    parts = split(made, None, 0)
    targets = made.targets[parts.test]
    rng = np.random.default_rng(0)
    after = 3 * np.eye(8)[targets] + rng.normal(size=(len(targets), 8))
    after = (after / np.linalg.norm(after, axis=1, keepdims=True)).astype(np.float32)
    found = gather(made.vectors[parts.test], targets, (made.vectors[parts.train], made.targets[parts.train]))
    then = with_head(replace(found, ranking=gather(after, targets, None).ranking), after, targets)
    return TrainReport(
        options=TrainOptions(Labelling("kind")),
        lesson=made,
        split=parts,
        base="the-base",
        curve=CURVE,
        best_epoch=2,
        resumed=0,
        start_score=0.3,
        before=found,
        after=then,
        verdict=judge(found, then, made.units[parts.test]),
        train_s=12.0,
        took_s=14.0,
        parity=Parity(1.0, None),
        precise=False,
        encoder="new.onnx",
        dimension=8,
    )


def no_picture(path: str, side_px: int) -> bytes:
    raise AssertionError("the items have no files")


def test_the_queries_that_improved_most_come_first_and_then_those_that_worsened() -> None:
    made = report()
    place = metric_names(K).index(f"precision@{K}")
    change = made.after.ranking.values[:, place] - made.before.ranking.values[:, place]
    chosen = chosen_queries(made)
    assert len(set(chosen)) == len(chosen) <= QUERIES
    improved = [row for row in chosen if change[row] > 0]
    assert chosen[: len(improved)] == improved
    assert all(change[row] < 0 for row in chosen[len(improved) :])
    assert change[chosen[0]] == change.max()


def test_the_page_says_every_figure_before_and_after_and_loads_nothing() -> None:
    made = report()
    html = train_page(made, no_picture)
    for figure in made.verdict.compared:
        assert figure.name in html
        assert f"{figure.after.value:.3f}" in html
        assert figure.change is None or f"{figure.change.value:+.3f}" in html
    assert "no person is on both sides" in html
    assert "seealike reindex --encoder onnx:new.onnx".replace(" ", "</span> <span>") in html
    assert not re.findall(r"""(?:src|href)=["'](?!data:|#)""", html)
    assert "<script" not in html


def test_where_the_units_are_too_few_table_and_page_say_so_in_place_of_an_interval(
    capsys: pytest.CaptureFixture[str],
) -> None:
    made = report()
    verdict = judge(made.before, made.after, np.arange(len(made.split.test)) % 5)
    made = replace(made, verdict=verdict)
    assert "too few to tell" in train_page(made, no_picture)
    print_report(made)
    line = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("mAP@R"))
    assert line.endswith("too few to tell")


def test_names_are_escaped() -> None:
    html = train_page(report(name="<b>&"), no_picture)
    assert "<b>&" not in html
    assert "&lt;b&gt;&amp; 1" in html


def test_the_curve_has_a_point_for_the_start_and_for_every_pass_and_marks_the_best() -> None:
    root = ET.fromstring(curve_chart(CURVE, 2, 0.3))
    points = [tuple(map(float, pair.split(","))) for pair in root.find("polyline").get("points").split()]  # type: ignore[union-attr]
    heights = [y for _, y in points]
    assert len(points) == 4
    # Higher scores stand higher, and equal differences are equally far apart.
    slopes = np.diff(heights) / np.diff([0.3, 0.4, 0.7, 0.6])
    assert np.allclose(slopes, slopes[0], rtol=0.02)
    assert slopes[0] < 0
    circle = root.find("circle")
    assert circle is not None
    assert (float(circle.get("cx", 0)), float(circle.get("cy", 0))) == points[2]
    assert "0.700 after pass 2" in root.get("aria-label", "")


def test_a_curve_that_does_not_move_can_be_drawn() -> None:
    assert "nan" not in curve_chart((Point(1, 1.0, 0.5),), 1, 0.5)


def test_the_summary_says_how_well_file_and_network_agree_and_in_which_precision_it_runs() -> None:
    def said(parity: Parity, *, precise: bool) -> str:
        return list(summary(replace(report(), parity=parity, precise=precise)))[-1]

    agree = "the file and the network agree: cosine 0.9999 at least in float32"
    assert said(Parity(0.9999, None), precise=False) == agree
    assert said(Parity(0.9999, 0.995), precise=False) == f"{agree}, 0.9950 in bfloat16, in which it runs here"
    assert (
        said(Parity(0.9999, 0.95), precise=True) == f"{agree}, but 0.9500 in bfloat16, so it runs in float32"
    )
    assert not any("agree" in line for line in summary(replace(report(), parity=None)))
