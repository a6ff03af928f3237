"""Colour beside shape: which results colour brings at which share, and what it costs.

On drawn shops, whose kinds and colours are known: three of them together, so that every kind comes in every
colour three times. On photos of clothes, whose kinds are labelled and whose colours are not.

python -m benchmarks.colour OLD    indexing by this checkout and by another one, OLD, in turns
"""

from __future__ import annotations

import csv
import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np

import seealike
from benchmarks import synthetic
from benchmarks.large import catalog_of
from benchmarks.photos import repeated, warm
from benchmarks.report import Row
from seealike import IndexOptions, SearchOptions
from seealike.demo.drawing import DEFAULT_SEED, draw_catalogue
from seealike.demo.drawing.palette import COLOURS
from seealike.store import SqliteStore, StoreWriter
from seealike.store.writer import Change

TITLE = "Colour beside shape"
SHOPS = 3
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
K = 10
QUERIES = 500
TIMED = 50
NO_CLASS = {"Not sure", "Skip", "Other"}
FILES = 6_000
TURNS = 3

_INDEX = """
import shutil, sys, seealike
folder, target = sys.argv[1:]
shutil.rmtree(target, ignore_errors=True)
with seealike.create(target) as catalog:
    report = catalog.index(folder)
print(report.added / report.took_s)
"""


def rows(data: Path, work: Path) -> list[Row]:
    return [*_shops(work), *_clothing(data, work), *_large(data, work)]


def _shops(work: Path) -> list[Row]:
    found: list[Row] = []
    with _drawn(work) as catalog:
        items = {item.id: item for item in catalog.items() if item.group}
        kinds = {item_id: item.metadata["kind"] for item_id, item in items.items()}
        colours = {item_id: item.metadata["colour"] for item_id, item in items.items()}
        both = {item_id: (kinds[item_id], colours[item_id]) for item_id in items}
        for share in SHARES:
            started = time.perf_counter()
            answers = [catalog.similar(item_id, K, options=SearchOptions(color=share)) for item_id in items]
            took_ms = (time.perf_counter() - started) / len(items) * 1000
            lists = [[hit.id for hit in hits] for hits in answers]
            told = (
                f"kind {_precision(lists, items, kinds):.3f}, colour {_precision(lists, items, colours):.3f}"
            )
            found_both = _precision(lists, items, both) * K / (SHOPS - 1)
            value = f"P@10 of {told}; {found_both:.1%} of the same kind in the same colour found"
            found.append(Row(f"three drawn shops: `--color {share}`", value, "", f"{took_ms:.1f} ms a query"))
        named = {name: "#" + bytes(rgb).hex() for name, rgb in COLOURS.items()}
        right = [
            colours.get(hit.id) == name
            for name, text in named.items()
            for hit in catalog.recommend(k=K, options=SearchOptions(palette=text))
        ]
        found.append(Row("three drawn shops: `--palette` alone", f"P@10 of colour {np.mean(right):.3f}"))
        firsts = [item_id for item_id in items if item_id.endswith("-front")]
        asked = [(item_id, name) for item_id in random.Random(1).sample(firsts, 100) for name in named]
        lists = [
            [hit.id for hit in catalog.similar(own, K, options=SearchOptions(palette=named[name], color=0.5))]
            for own, name in asked
            if name != colours[own]
        ]
        wanted = [(kinds[own], name) for own, name in asked if name != colours[own]]
        first = [both.get(hits[0]) == want for hits, want in zip(lists, wanted, strict=True)]
        any_of = [want in [both.get(hit) for hit in hits] for hits, want in zip(lists, wanted, strict=True)]
        value = (
            f"the same kind in that colour: first in {np.mean(first):.1%}, among ten in {np.mean(any_of):.1%}"
        )
        found.append(Row("three drawn shops: an item and the `--palette` of another colour", value))
    return found


def _drawn(work: Path) -> seealike.Catalog:
    """The shops as one catalogue. Their products have codes of their own."""
    path = work / "colour-shops.catalog"
    if path.exists():
        return seealike.open(path)
    catalog = seealike.create(path)
    for number in range(SHOPS):
        folder = work / f"colour-shop-{number}"
        drawn = draw_catalogue(str(folder), seed=DEFAULT_SEED + number)
        with open(drawn.table, newline="", encoding="utf-8") as file:
            products = list(csv.DictReader(file))
        table = folder / "shop.csv"
        with open(table, "w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(products[0]))
            writer.writeheader()
            for row in products:
                group = f"{number}-{row['group']}" if row["group"] else ""
                writer.writerow({**row, "id": f"{number}-{row['id']}", "group": group})
        catalog.index(table)
    return catalog


def _precision(lists: Iterable[Sequence[str]], asked: Iterable[str], label: Mapping[str, object]) -> float:
    pairs = zip(asked, lists, strict=True)
    return float(np.mean([label.get(hit) == label[own] for own, hits in pairs for hit in hits]))


def _clothing(data: Path, work: Path) -> list[Row]:
    path = work / "colour-clothing.catalog"
    with seealike.open(path) if path.exists() else seealike.create(path) as catalog:
        catalog.index(data / "clothing" / "catalogue.csv", options=IndexOptions(root=data / "clothing"))
        kinds: dict[str, object] = {item.id: item.metadata["label"] for item in catalog.items()}
        named = [item_id for item_id, kind in kinds.items() if kind not in NO_CLASS]
        asked = random.Random(1).sample(named, min(QUERIES, len(named)))
        found = []
        for share in SHARES:
            options = SearchOptions(color=share)
            lists = [[hit.id for hit in hits] for hits in catalog.similar_batch(asked, K, options=options)]
            value = f"P@10 of kind {_precision(lists, asked, kinds):.3f}"
            found.append(
                Row(f"photos of clothes: `--color {share}`", value, "", "their colours have no labels")
            )
    return found


def _large(data: Path, work: Path) -> list[Row]:
    """Time among 289,222 items whose colours are drawn at random, so that they go with no shape."""
    vectors, queries = synthetic.make(data, work), synthetic.queries(data, work)
    path, _ = catalog_of(vectors, work)
    _sign(str(path), str(work / "colour-clothing.catalog"))
    found = []
    with seealike.open(path) as catalog:
        searcher, started = catalog._session.reading().searcher, time.perf_counter()  # noqa: SLF001
        colours = searcher.colours(searcher.view())
        read_s = time.perf_counter() - started
        asked = [colours.levels_of([key])[0] for key in colours.keys[:: len(colours.keys) // TIMED][:TIMED]]
        scan_ms = _median_ms([partial(colours.likeness, row) for row in asked])
        found.append(
            Row(
                "289,222 items: one query against all signatures",
                f"{scan_ms:.1f} ms",
                "about 10 ms",
                f"read in {read_s:.1f} s by the first query; {4 * 87 * len(vectors) / 1e6:.0f} MB of memory",
            )
        )
        ids = [f"{row:06}" for row in range(0, len(vectors), len(vectors) // TIMED)][:TIMED]
        for share in SHARES:
            options = SearchOptions(color=share, pictures=True)
            took = _median_ms([partial(catalog.similar, own, K, options=options) for own in ids])
            note = "colours at random: the worst case" if share else ""
            found.append(Row(f"289,222 items: `--color {share}`", f"{took:.1f} ms", "", note))
        options = SearchOptions(palette="#c0392b")
        took = _median_ms(
            [partial(catalog.search_vectors, row, K, options=options) for row in queries[:TIMED]]
        )
        found.append(Row("289,222 items: a vector and `--palette`", f"{took:.1f} ms"))
    return found


def _sign(path: str, other: str) -> None:
    """Give items without a signature those of photographs, at random."""
    with seealike.open(other) as catalog:
        known = [signature for _, signature in catalog.signatures() if signature is not None]
    store, rng = SqliteStore(path), np.random.default_rng(1)
    if store.state().signed < store.state().count:
        _, keys = store.state_and_keys()
        writer = StoreWriter(store.database_path)

        for start in range(0, len(keys), 20_000):
            part = keys[start : start + 20_000].tolist()
            chosen = [known[place] for place in rng.integers(0, len(known), len(part))]
            pairs = zip(part, chosen, strict=True)
            writer.in_parts(partial(Change.sign, key=key, signature=one) for key, one in pairs)
        writer.close()
    store.close()


def _median_ms(calls: Sequence[Callable[[], object]]) -> float:
    """Of processor time: other work on the machine counts less."""
    took = []
    for call in calls:
        started = time.process_time()
        call()
        took.append((time.process_time() - started) * 1000)
    return statistics.median(took)


def _indexing(old: Path, data: Path, work: Path) -> None:
    """Print how quick indexing is here, of what it is in another checkout."""
    folder = repeated(data, work / f"photos-{FILES}", FILES)
    warm(folder)
    rates: dict[str, list[float]] = {"old": [], "new": []}
    for _ in range(TURNS):
        for name, source in (("old", old / "src"), ("new", Path("src").resolve())):
            command = [sys.executable, "-c", _INDEX, str(folder), str(work / "colour-indexing.catalog")]
            environment = {**os.environ, "PYTHONPATH": str(source)}
            done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
            rates[name].append(float(done.stdout))
    print({name: [round(rate, 1) for rate in found] for name, found in rates.items()})
    print(f"ratio {statistics.median(rates['new']) / statistics.median(rates['old']):.3f}, goal >= 0.97")


if __name__ == "__main__":
    _indexing(Path(sys.argv[1]), Path("../shared/data").resolve(), Path(".bench").resolve())
