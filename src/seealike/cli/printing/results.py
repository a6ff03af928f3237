"""How results are written on stdout: for people, for programs, for ``xargs``.

Only results come here; messages are somebody else's. Knows nothing of catalogues or of commands.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, TextIO

from seealike.cli.printing.rows import json_text, plain, row_lines, write_lines
from seealike.cli.printing.tables import table_lines
from seealike.cli.printing.text import encodable, one_line
from seealike.sources.ids import printable

if TYPE_CHECKING:
    from seealike.types import Area, Hit, Item, Metadata, MetadataValue


class OutputFormat(StrEnum):
    """The formats results can be written in."""

    TABLE = "table"
    JSON = "json"
    JSONL = "jsonl"
    CSV = "csv"
    PATHS = "paths"


@dataclass(frozen=True, slots=True)
class QueryResult:
    """What was found for one query; ``query`` is what people call it, such as a file's name.

    ``seen`` is the part of its picture that counted, where that was not all; ``why_empty`` says why there
    are no hits, where there are none.
    """

    query: str
    hits: tuple[Hit, ...]
    seen: Area | None = None
    why_empty: str = ""


def write_results(
    results: Sequence[QueryResult],
    format: OutputFormat,  # noqa: A002  what the option is called
    stream: TextIO,
    *,
    null: bool = False,
) -> None:
    r"""Write results in a format.

    Scores have 6 decimals (3 in the table). Bytes of names that are not UTF-8 are shown as ``\xNN``,
    but in ``paths`` they are written as they are.

    Args:
        results: one per query, in the order they are written.
        format: how.
        stream: where to; text, and for ``paths`` its ``buffer`` if there is one.
        null: end every path with a zero byte, not a line feed (``paths`` only).
    """
    if format is OutputFormat.PATHS:
        write_paths((hit.path for result in results for hit in result.hits), stream, "\0" if null else "\n")
        return
    lines = {
        OutputFormat.TABLE: _table,
        OutputFormat.JSON: _json,
        OutputFormat.JSONL: _jsonl,
        OutputFormat.CSV: _csv,
    }[format](results, stream)
    write_lines(lines, stream)


def _table(results: Sequence[QueryResult], stream: TextIO) -> Iterator[str]:
    for number, result in enumerate(results):
        name = one_line(result.query)
        if not result.hits:
            yield ": ".join(filter(None, (f"nothing similar to {name}", one_line(result.why_empty))))
            continue
        if len(results) > 1:
            if number:
                yield ""
            yield f"similar to {name}:"
        yield from hit_lines(result.hits, stream)


def hit_lines(hits: Sequence[Hit], stream: TextIO) -> Iterator[str]:
    """Yield a heading and one line a hit: rank, score, id, then group and path where they tell more.

    On a terminal the last columns are shortened in their middle until a line fits.
    """
    columns = [
        ["rank", *(str(rank) for rank in range(1, len(hits) + 1))],
        ["score", *(f"{round(float(hit.score), 3) + 0.0:.3f}" for hit in hits)],
        *_relations(hits),
        ["id", *(hit.id for hit in hits)],
    ]
    if any(hit.catalog for hit in hits):
        columns.append(["catalog", *(hit.catalog or "" for hit in hits)])
    if any(hit.others or hit.near for hit in hits):
        columns.append(["more", *(_more(hit) for hit in hits)])
    if any(hit.group for hit in hits):
        columns.append(["group", *(hit.group or "" for hit in hits)])
    if not all(says_where(hit) for hit in hits):
        columns.append(["path", *(hit.path or "" for hit in hits)])
    return table_lines(columns, slice(2, None), stream)


def _relations(hits: Sequence[Hit]) -> list[list[str]]:
    """What hits are to what was asked with, where any says so."""
    if all(hit.relation is None for hit in hits):
        return []
    said = [
        "" if hit.relation is None else f"{hit.relation.words} {hit.probability or 0.0:.0%}" for hit in hits
    ]
    return [["means", *said]]


def _more(hit: Hit) -> str:
    said = [f"+{hit.others}"] if hit.others else []
    return ", ".join([*said, *([f"{hit.near} nearly equal"] if hit.near else [])])


def says_where(hit: Hit | Item) -> bool:
    """Whether a hit's id ends its path, so that the path says nothing new."""
    return hit.path is None or printable(hit.path).replace("\\", "/").endswith(hit.id.replace("\\", "/"))


def _json(results: Sequence[QueryResult], stream: TextIO) -> Iterator[str]:
    answers = [
        {
            "query": printable(result.query),
            **({"seen": plain(result.seen)} if result.seen else {}),
            "hits": [_fields(rank, hit) for rank, hit in enumerate(result.hits, 1)],
        }
        for result in results
    ]
    yield json_text({"results": answers}, stream, indent=2)


def _jsonl(results: Sequence[QueryResult], stream: TextIO) -> Iterator[str]:
    for result in results:
        query = printable(result.query)
        for rank, hit in enumerate(result.hits, 1):
            yield json_text({"query": query, **_fields(rank, hit)}, stream)


def _fields(rank: int, hit: Hit) -> dict[str, object]:
    return {
        "rank": rank,
        "id": printable(hit.id),
        "score": _rounded(hit.score),
        "path": None if hit.path is None else printable(hit.path),
        "group": None if hit.group is None else printable(hit.group),
        "metadata": printable_metadata(hit.metadata),
        "others": hit.others,
        "near": hit.near,
        **({} if hit.colour is None else {"colour": _rounded(hit.colour)}),
        **dict(zip(("relation", "probability"), _relation(hit), strict=True)),
        **({} if hit.catalog is None else {"catalog": printable(hit.catalog)}),
        **({"explanation": plain(hit.explanation)} if hit.explanation else {}),
    }


def printable_metadata(metadata: Metadata) -> dict[str, MetadataValue]:
    """Metadata as valid Unicode."""
    return {
        printable(name): printable(value) if isinstance(value, str) else value
        for name, value in metadata.items()
    }


def _rounded(score: float) -> float:
    return round(float(score), 6) + 0.0  # no minus zero


def _csv(results: Sequence[QueryResult], stream: TextIO) -> Iterator[str]:
    said = any(hit.relation is not None for result in results for hit in result.hits)
    several = any(hit.catalog is not None for result in results for hit in result.hits)
    more = (*("relation", "probability")[: 2 * said], *("catalog",)[:several])
    columns = ("query", "rank", "id", "score", "path", *more)
    rows = (
        (
            *(result.query, rank, hit.id, _rounded(hit.score), hit.path or ""),
            *(*_relation(hit)[: 2 * said], *(hit.catalog,)[:several]),
        )
        for result in results
        for rank, hit in enumerate(result.hits, 1)
    )
    return row_lines(columns, rows, "csv", stream)


def _relation(hit: Hit) -> tuple[str | None, float | None]:
    """What a hit is to what was asked with, and how likely that is; nothing where nobody knows."""
    relation = None if hit.relation is None else hit.relation.value
    return relation, None if hit.probability is None else _rounded(hit.probability)


def write_paths(paths: Iterable[str | None], stream: TextIO, end: str = "\n") -> None:
    """Write paths as they are, byte for byte; on a terminal without orders to it, unless they end in NUL."""
    known = (os.path.abspath(path) for path in paths if path)
    binary = getattr(stream, "buffer", None)
    if binary is None or (stream.isatty() and end == "\n"):
        stream.writelines(encodable(one_line(path), stream.encoding) + end for path in known)
        return
    stream.flush()
    for path in known:
        binary.write(os.fsencode(path + end))
    binary.flush()
