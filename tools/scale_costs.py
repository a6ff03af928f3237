"""What a million, ten, a hundred and a thousand million pictures take: machines, hours, bytes, money.

python tools/scale_costs.py                                   the tables of docs/scale.md
python tools/scale_costs.py --core-hour 0.03 --gpu-hour 1.2   with prices of your own
python tools/scale_costs.py --items 5000000                   for numbers of your own
python tools/scale_costs.py --into docs/scale.md              put the tables into that page

Nothing is measured here: constants are figures of docs/benchmarks.md, or published by others, and the rest is
multiplication. Prices are round numbers for rented machines; put in your own.
"""

from __future__ import annotations

import argparse
import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import NamedTuple

ITEMS = (1_000_000, 10_000_000, 100_000_000, 1_000_000_000)
MILLION, GB = 1e6, 1e9
CORES, MEMORY_GB, DAY_H = 16, 64, 24  # of a machine; of a day
MEASURED_ON, ASKED_OF = 2, 289_222  # cores; items
_PLACE = re.compile(r"(?<=<!-- costs -->\n).*?(?=\n<!-- /costs -->)", re.DOTALL)


class Constant(NamedTuple):
    """A figure with the words of docs/benchmarks.md that say it, or with whoever published it."""

    value: float
    unit: str
    what: str
    source: str
    ours: bool = True


IMAGES = Constant(
    263 / MEASURED_ON,
    "a second and core",
    "pictures embedded; with AVX-512 in bf16, without AMX",
    "`index` of the same 3,000 photos made 263 images/s",
)
RAY = Constant(0.87, "of that", "as actors on Ray", "0.87 of `index`")
A100 = Constant(
    7000 / 8,
    "a second and GPU",
    "pictures embedded on eight A100, as fast as they were resized",
    "clip-retrieval, ViT-B/32: 7,000 a second on eight",
    ours=False,
)
RTX_3080 = Constant(
    100e6 / 20 / 3600,
    "a second and GPU",
    "pictures embedded on one RTX 3080",
    "clip-retrieval, ViT-B/32: 100 million in 20 hours",
    ours=False,
)
FASTDUP = Constant(
    11_582_724 / 11_561,
    "a second and machine",
    "pictures of 133 x 200 pixels compared with all, on a machine for 1.55 dollars an hour",
    "fastdup: 11,582,724 in 11,561 s for 4.98 dollars",
    ours=False,
)
SHARDS = Constant(2_293, "bytes an item", "Parquet shards, 1,280 halves", "| shards, an item | 2,293 bytes |")
CATALOG = Constant(
    5_663, "bytes an item", "a catalogue", "| on disk, an item | 5,676 · 5,667 · 5,663 bytes |"
)
IN_BYTES = Constant(3_005, "bytes an item", "a catalogue with `--vectors int8`", "5,652 → 3,005")
POSTGRESQL = Constant(7_090, "bytes an item", "in PostgreSQL, index and rows", "7,090 bytes")
MEMORY = Constant(
    886.6e6 / MILLION,
    "bytes an item",
    "memory of a process that answers, at most",
    "| memory after it | 156.7 · 320.6 · 886.6 MB |",
)
BUILD = Constant(
    60.25 * MEASURED_ON,
    "core seconds",
    "the approximate index of a million",
    "| building the approximate index | 7.881 · 22.42 · 60.25 s |",
)
LISTS = Constant(
    492.8 * MEASURED_ON,
    "core seconds",
    "the lists of a million",
    "| top-10 lists of all items | 30.2 · 94.43 · 492.8 s |",
)
LISTS_GROWTH = Constant(
    1.37, "exponent", "how that grows, from 300,000 items to a million", "exponents 1.04, 1.37"
)
LISTS_BEYOND = Constant(1.59, "exponent", "beyond, at least", "stopped after 2,832 s | 1.59 at least")
QUESTIONS = Constant(
    680, "a second and core", "new questions by id over HTTP, of 289,222 items", "new ones | **680/s**"
)
QUESTIONS_GROWTH = Constant(0.36, "exponent", "how their time grows, to a million", "exponents 0.09, 0.36")
QUESTIONS_BEYOND = Constant(1.2, "exponent", "beyond", "| one query, median | 3.536 ms | 1.20 |")
BY_PICTURE = Constant(
    205 / MEASURED_ON, "a second and core", "questions by picture over HTTP", "205/s: **0.78 of indexing**"
)
KNOWN = (
    *(IMAGES, RAY, A100, RTX_3080, FASTDUP, SHARDS, CATALOG, IN_BYTES, POSTGRESQL, MEMORY),
    *(BUILD, LISTS, LISTS_GROWTH, LISTS_BEYOND),
    *(QUESTIONS, QUESTIONS_GROWTH, QUESTIONS_BEYOND, BY_PICTURE),
)


@dataclass(frozen=True)
class Prices:
    """In dollars."""

    core_hour: float = 0.04
    gpu_hour: float = 1.5
    disk_gb_month: float = 0.08
    object_gb_month: float = 0.023


class Column(NamedTuple):
    """A column of a table: its head, and what it says of so many pictures."""

    head: str
    of: Callable[[int], str]


def tables(items: Sequence[int], prices: Prices) -> str:
    """All tables, as Markdown."""
    return "\n\n".join(
        [
            _table("Embedding", items, _embedding(prices)),
            _table("Keeping", items, _keeping(prices)),
            _table("Answering", items, _answering()),
            _table("Lists for everybody", items, _lists(prices)),
            _constants(),
        ]
    )


def _embedding(prices: Prices) -> Iterable[Column]:
    def core_hours(count: int) -> float:
        return count / (IMAGES.value * RAY.value) / 3600

    def gpu_hours(count: int) -> float:
        return count / A100.value / 3600

    yield Column("core hours", lambda count: _number(core_hours(count)))
    yield Column(f"machines of {CORES} cores, for a day", lambda count: _machines(core_hours(count)))
    yield Column("on CPUs", lambda count: _money(core_hours(count) * prices.core_hour))
    yield Column("hours of an A100", lambda count: _number(gpu_hours(count)))
    yield Column("on GPUs", lambda count: _money(gpu_hours(count) * prices.gpu_hour))


def _keeping(prices: Prices) -> Iterable[Column]:
    def month(count: int) -> float:
        shards, catalog = SHARDS.value * prices.object_gb_month, CATALOG.value * prices.disk_gb_month
        return count * (shards + catalog) / GB

    for head, each in (
        ("shards", SHARDS),
        ("catalogue", CATALOG),
        ("in 8 bits", IN_BYTES),
        ("in PostgreSQL", POSTGRESQL),
    ):
        yield Column(head, lambda count, each=each: _gigabytes(count * each.value))  # type: ignore[misc]
    yield Column("shards and catalogue, a month", lambda count: _money(month(count)))


def _answering() -> Iterable[Column]:
    def machines(count: int) -> int:
        return math.ceil(count * POSTGRESQL.value / GB / MEMORY_GB)

    def questions(count: int) -> float:
        grown = _grown(ASKED_OF, count, QUESTIONS_GROWTH.value, QUESTIONS_BEYOND.value)
        return QUESTIONS.value / grown

    yield Column("memory of a service", lambda count: _gigabytes(count * MEMORY.value))
    yield Column("new questions a second, one process", lambda count: _number(questions(count)))
    yield Column("approximate index, built", lambda count: f"{_number(_build_hours(count))} core hours")
    yield Column(
        f"machines of {MEMORY_GB} GB with all of PostgreSQL's in memory", lambda count: f"{machines(count):,}"
    )


def _lists(prices: Prices) -> Iterable[Column]:
    """Every item asks every part, and a larger part is less work than several: few large parts cost least."""

    def hours(count: int, part: float) -> float:
        part = min(part, count)
        parts = math.ceil(count / part)
        grown = _grown(MILLION, part, LISTS_GROWTH.value - 1, LISTS_BEYOND.value - 1)
        one = LISTS.value / MILLION * grown
        return parts * (_build_hours(part) + count * one / 3600)

    for part in (MILLION, 10 * MILLION):
        name = f"in parts of {_number(part / MILLION)} million"
        yield Column(f"{name}: core hours", lambda count, part=part: _number(hours(count, part)))  # type: ignore[misc]
        yield Column("dollars", lambda count, part=part: _money(hours(count, part) * prices.core_hour))  # type: ignore[misc]
    yield Column(f"machines of {CORES} cores, for a day", lambda count: _machines(hours(count, 10 * MILLION)))


def _grown(measured: float, count: float, to_a_million: float, beyond: float) -> float:
    """By what something grows from where it was measured, with one exponent and then another."""
    return math.pow(min(count, MILLION) / measured, to_a_million) * math.pow(max(count / MILLION, 1), beyond)


def _build_hours(count: float) -> float:
    return BUILD.value * count / MILLION / 3600


def _constants() -> str:
    lines = ["### Constants", "", "| what | value | from |", "| --- | --- | --- |"]
    for one in KNOWN:
        place = "[measured](benchmarks.md)" if one.ours else f"published: {one.source}"
        lines.append(f"| {one.what} | {one.value:,.4g} {one.unit} | {place} |")
    return "\n".join(lines)


def _table(title: str, items: Sequence[int], columns: Iterable[Column]) -> str:
    columns = [*columns]
    heads = " | ".join(column.head for column in columns)
    lines = [f"### {title}", "", f"| pictures | {heads} |", "| --- " * (len(columns) + 1) + "|"]
    lines += [f"| {count:,} | {' | '.join(column.of(count) for column in columns)} |" for count in items]
    return "\n".join(lines)


def _machines(core_hours: float) -> str:
    return f"{math.ceil(core_hours / CORES / DAY_H):,}"


def _gigabytes(size: float) -> str:
    return f"{_number(size / GB)} GB"


def _money(value: float) -> str:
    return f"${_number(value)}"


def _number(value: float) -> str:
    """Two digits that count; of whole ones below a thousand all."""
    return f"{float(f'{value:.2g}'):,.0f}" if value >= 100 else f"{value:.2g}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--items", type=int, nargs="+", default=ITEMS, help="how many pictures")
    parser.add_argument("--into", type=Path, help="a page with a place for the tables")
    for field in fields(Prices):
        option = f"--{field.name.replace('_', '-')}"
        parser.add_argument(
            option, type=float, default=field.default, help=f"dollars (default {field.default})"
        )
    chosen = vars(parser.parse_args())
    items, page = chosen.pop("items"), chosen.pop("into")
    text = tables(items, Prices(**chosen))
    if page is None:
        print(text)
    else:
        page.write_text(placed(page.read_text(encoding="utf-8"), text), encoding="utf-8")


def placed(page: str, text: str) -> str:
    """The page with ``text`` in its place."""
    return _PLACE.sub(lambda _: f"\n{text}\n", page)


if __name__ == "__main__":
    main()
