"""The taught bundled encoder against the one it began with, on every set at hand, with paired intervals.

    python -m benchmarks taught

Photos of clothes are those of ``test``, whose senders nobody learnt from.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import seealike
from benchmarks.report import Row
from seealike.demo.drawing import draw_catalogue
from seealike.evaluation import CompareOptions, Estimate, EvalOptions, Timing, compare

TITLE = "The bundled encoder, taught"
BEFORE, AFTER = "efficientnet-lite0", "efficientnet-lite0-v2"
GAIN = 0.04  # of precision@10 among other senders
NO_CLASS = ("Not sure", "Skip", "Other")
SHOWN = ("precision@1", "precision@10", "mAP@R")
TEST = ("split = 'test'",)


def rows(data: Path, work: Path) -> list[Row]:
    return [row for name, source, how in _sets(data, work) for row in _rows(name, source, how, work)]


def _sets(data: Path, work: Path) -> Iterator[tuple[str, Path, EvalOptions]]:
    """Names of sets, what is indexed, and what is measured."""
    for name, folder in (("places", data / "places"), ("steakhouse", data / "steakhouse" / "train")):
        yield name, _by_letters(folder, work / f"taught-{name}"), EvalOptions(label="folder")
    clothing = data / "clothing" / "catalogue.csv"
    yield (
        "clothing",
        clothing,
        EvalOptions(label="label", apart="sender", only=TEST, ignore_labels=NO_CLASS),
    )
    yield "clothing", clothing, EvalOptions(only=TEST)
    shop = Path(draw_catalogue(str(work / "taught-shop")).table)
    yield "drawn shop", shop, EvalOptions(label="kind")
    yield "drawn shop", shop, EvalOptions()


def _by_letters(pictures: Path, target: Path) -> Path:
    """A folder with a folder for each of the words that pictures' names begin with."""
    for path in sorted(pictures.iterdir()):
        if word := re.match(r"[a-z]+", path.name):
            folder = target / word.group()
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, folder)
    return target


def _rows(name: str, source: Path, how: EvalOptions, work: Path) -> list[Row]:
    place = work / f"taught-{name.replace(' ', '-')}.catalog"
    with seealike.open(place) if place.exists() else seealike.create(place, encoder=BEFORE) as catalog:
        catalog.index(source)
        report = compare(catalog, [BEFORE, AFTER], CompareOptions(how, timing=Timing.OFF, show=0))
    one, two = report.encoders
    if how.label is None:
        text = _change("recall@1", one.metrics, two.metrics, two.differences)
        return [Row(f"{name}, edited copies", text, "not worse")]
    found = [
        Row(f"{name}, {metric}", _change(metric, one.metrics, two.metrics, two.differences), "not worse")
        for metric in SHOWN
    ]
    if one.apart is not None and two.apart is not None:
        for metric in SHOWN:
            text = _change(metric, one.apart.metrics, two.apart.metrics, two.apart_differences)
            goal = f"+{GAIN}" if (name, metric) == ("clothing", "precision@10") else "not worse"
            found.append(Row(f"{name}, {metric}, another {how.apart} only", text, goal))
    return found


def _change(
    metric: str, one: dict[str, Estimate], two: dict[str, Estimate], differences: dict[str, Estimate]
) -> str:
    change = differences[metric]
    ends = "" if change.low is None else f", {change.low:+.3f} to {change.high:+.3f}"
    return f"{one[metric].value:.3f} → {two[metric].value:.3f}, {change.value:+.3f}{ends}: {change.verdict}"
