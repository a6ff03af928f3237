"""What a million, ten, a hundred and a thousand million pictures take: machines, hours, bytes, money.

python tools/scale_costs.py                                   the tables of docs/scale.md
python tools/scale_costs.py --core-hour 0.03 --gpu-hour 1.2   with prices of your own
python tools/scale_costs.py --items 5000000                   for numbers of your own

Nothing is measured here: constants are figures of docs/benchmarks.md, or published by others, and the rest is
multiplication. Prices are round numbers for rented machines; put in your own.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields

ITEMS = (1_000_000, 10_000_000, 100_000_000, 1_000_000_000)


@dataclass(frozen=True)
class Measured:
    """Constants, each with where it comes from."""

    images_s_core: float = (
        140.0  # `index`, two cores with AVX-512 bf16 and no AMX: 280/s (with AMX 214 a core)
    )
    clip_retrieval_images_s_gpu: float = 1389.0  # published: 100 million in 20 h on one RTX 3080
    clip_retrieval_images_s_a100: float = 875.0  # published: 7,000/s on eight A100, bound by resizing
    shard_bytes: float = 2_700.0  # an item in a Parquet shard: 1280 float16, and what is said of it
    catalog_bytes: float = 5_650.0  # an item in a catalogue: SQLite, and the approximate index with its rows
    memory_bytes: float = 590.0  # an item in a process that answers: keys and compressed vectors
    build_core_s: float = 1.66e-4  # an item in building the approximate index: 24 s for 289,222 on two cores
    list_core_s: float = 4.6e-4  # one list among 289,222: 67 s for all on two cores
    question_core_s: float = 1.2e-3  # a question by id over HTTP
    picture_core_s: float = 9.1e-3  # a question by picture over HTTP: 219/s on two cores
    part_items: float = 250_000.0  # of lists over shards, in one worker
    largest_part_items: float = 10_000_000.0  # with 64 GB a worker


@dataclass(frozen=True)
class Prices:
    """In dollars."""

    core_hour: float = 0.04
    gpu_hour: float = 1.5
    disk_gb_month: float = 0.08
    object_gb_month: float = 0.023
    memory_gb_month: float = 3.0


def tables(items: Sequence[int], prices: Prices, known: Measured = Measured()) -> str:
    """All tables, as Markdown."""
    return "\n\n".join(
        [
            _table(
                "Embedding",
                ("core hours", "machines of 16 cores for a day", "on CPUs", "hours on one A100", "on GPUs"),
                [(count, *_embedding(count, prices, known)) for count in items],
            ),
            _table(
                "Keeping",
                ("shards", "catalogue", "memory of a process that answers", "a month, one copy of each"),
                [(count, *_keeping(count, prices, known)) for count in items],
            ),
            _table(
                "Lists for everybody",
                ("parts of 10 million", "core hours", "on CPUs", "with parts of 250,000"),
                [(count, *_lists(count, prices, known)) for count in items],
            ),
            _answering(known),
        ]
    )


def _embedding(count: int, prices: Prices, known: Measured) -> Iterable[str]:
    core_hours = count / known.images_s_core / 3600
    gpu_hours = count / known.clip_retrieval_images_s_a100 / 3600
    yield from (_number(core_hours), str(math.ceil(core_hours / 16 / 24)))
    yield _money(core_hours * prices.core_hour)
    yield from (_number(gpu_hours), _money(gpu_hours * prices.gpu_hour))


def _keeping(count: int, prices: Prices, known: Measured) -> Iterable[str]:
    shards, catalog, memory = (
        count * each / 1e9 for each in (known.shard_bytes, known.catalog_bytes, known.memory_bytes)
    )
    yield from (f"{_number(one)} GB" for one in (shards, catalog, memory))
    month = shards * prices.object_gb_month + catalog * prices.disk_gb_month + memory * prices.memory_gb_month
    yield _money(month)


def _lists(count: int, prices: Prices, known: Measured) -> Iterable[str]:
    """Every item asks every part, and a larger part answers hardly slower: few large parts cost least."""
    parts = math.ceil(count / known.largest_part_items)
    hours = count * (known.build_core_s + parts * known.list_core_s) / 3600
    small = math.ceil(count / known.part_items)
    small_hours = count * (known.build_core_s + small * known.list_core_s) / 3600
    yield from (str(parts), _number(hours), _money(hours * prices.core_hour))
    yield f"{_number(small_hours)} core hours"


def _answering(known: Measured) -> str:
    by_id, by_picture = 1 / known.question_core_s, 1 / known.picture_core_s
    return (
        "### Answering\n\n"
        f"A core answers {_number(by_id)} questions a second by id that nobody has asked before, and "
        f"{_number(by_picture)} by picture, for these are decoded and encoded."
    )


def _table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [f"### {title}", "", f"| pictures | {' | '.join(columns)} |", "| --- " * (len(columns) + 1) + "|"]
    lines += [f"| {row[0]:,} | {' | '.join(map(str, row[1:]))} |" for row in rows]
    return "\n".join(lines)


def _number(value: float) -> str:
    """Two digits that count."""
    if value >= 100:
        return f"{float(f'{value:.2g}'):,.0f}"
    return f"{value:.2g}"


def _money(value: float) -> str:
    return f"${_number(value)}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--items", type=int, nargs="+", default=ITEMS, help="how many pictures")
    for field in fields(Prices):
        option = f"--{field.name.replace('_', '-')}"
        parser.add_argument(
            option, type=float, default=field.default, help=f"dollars (default {field.default})"
        )
    chosen = vars(parser.parse_args())
    items = chosen.pop("items")
    print(tables(items, Prices(**chosen)))


if __name__ == "__main__":
    main()
