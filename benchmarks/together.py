"""Several catalogues asked as one, and results that are to be like one of several examples."""

from __future__ import annotations

import csv
import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

import seealike
from benchmarks.report import Row
from seealike import Catalog, Catalogs, Hits, IndexOptions, SearchOptions

TITLE = "Several catalogues, and --at-least with several examples"
QUERIES, K, ROUNDS = 100, 10, 3
LEAST = 0.7
NO_CLASS = {"Not sure", "Skip", "Other"}
Ask = Callable[[Catalog | Catalogs, str, str, SearchOptions], Hits]


def rows(data: Path, work: Path) -> list[Row]:
    whole = _catalog(data, work, "whole", 0, 1)
    halves = [_catalog(data, work, f"half-{number}", number, 2) for number in (0, 1)]
    with seealike.open(whole) as one, seealike.open_several(halves) as two:
        kinds = {item.id: str(item.metadata["label"]) for item in one.items()}
        named = [item_id for item_id, kind in kinds.items() if kind not in NO_CLASS]
        chance = random.Random(1)
        pairs = [(chance.choice(named), chance.choice(named)) for _ in range(QUERIES)]
        found = [
            Row(
                f"two catalogues for one: {name}",
                _ratio(_least([_asking(ask, catalog, options) for catalog in (one, two)], pairs)),
                "",
                "",
            )
            for name, ask, options in (
                ("search by an item", _similar, SearchOptions()),
                ("two likes, diversity 0.3", _both, SearchOptions(diversity=0.3)),
                ("colours counting half", _similar, SearchOptions(color=0.5)),
                ("hub correction", _similar, SearchOptions(hub_correction=True)),
            )
        ]
        for name, ask, color in (
            ("an item", _similar, 0.0),
            ("an item, colours counting half", _similar, 0.5),
            ("two likes", _both, 0.0),
        ):
            plain, told = (SearchOptions(color=color, at_least=least) for least in (None, LEAST))
            found.append(_at_least(name, one, pairs, ask, (plain, told), kinds))
    return found


def _catalog(data: Path, work: Path, name: str, first: int, step: int) -> str:
    place, table = work / f"together-{name}.catalog", work / f"together-{name}.csv"
    if not place.exists():
        lines = list(csv.reader((data / "clothing" / "catalogue.csv").open(encoding="utf-8")))
        with table.open("w", encoding="utf-8", newline="") as stream:
            csv.writer(stream).writerows([lines[0], *lines[1 + first :: step]])
        with seealike.create(place) as made:
            made.index(table, options=IndexOptions(root=data / "clothing"))
    return str(place)


def _similar(catalog: Catalog | Catalogs, one: str, _: str, options: SearchOptions) -> Hits:
    return catalog.similar(one, K, options=options)


def _both(catalog: Catalog | Catalogs, one: str, other: str, options: SearchOptions) -> Hits:
    return catalog.recommend([one, other], k=K, options=options)


def _asking(ask: Ask, catalog: Catalog | Catalogs, options: SearchOptions) -> Callable[[str, str], Hits]:
    return lambda one, other: ask(catalog, one, other, options)


def _least(
    asks: Sequence[Callable[[str, str], Hits]], pairs: Sequence[tuple[str, str]]
) -> tuple[float, float]:
    """The least processor time of a query in milliseconds, of two in turns: others use the machine."""
    took: list[list[float]] = [[], []]
    for _ in range(ROUNDS):
        for number, ask in enumerate(asks):
            started = time.process_time()
            for pair in pairs:
                ask(*pair)
            took[number].append((time.process_time() - started) / len(pairs) * 1000)
    return min(took[0]), min(took[1])


def _ratio(took: tuple[float, float]) -> str:
    return f"{took[0]:.2f} ms, {took[1]:.2f} ms: {took[1] / took[0]:.2f} times"


def _at_least(
    name: str,
    catalog: Catalog,
    pairs: Sequence[tuple[str, str]],
    ask: Ask,
    wishes: tuple[SearchOptions, SearchOptions],
    kinds: dict[str, str],
) -> Row:
    took = _least([_asking(ask, catalog, options) for options in wishes], pairs)
    shares, lengths = [], []
    for options in wishes:
        answers = [(pair, ask(catalog, *pair, options)) for pair in pairs]
        asked = [{kinds[pair[0]]} if ask is _similar else {kinds[one] for one in pair} for pair, _ in answers]
        right = [
            kinds[hit.id] in wanted for wanted, (_, hits) in zip(asked, answers, strict=True) for hit in hits
        ]
        shares.append(float(np.mean(right)))
        lengths.append(float(np.mean([len(hits) for _, hits in answers])))
    told = f"right {shares[0]:.3f} to {shares[1]:.3f} of {lengths[0]:.1f} to {lengths[1]:.1f} results"
    return Row(f"at least {LEAST} to a liked picture: {name}", f"{_ratio(took)}; {told}", "", "")
