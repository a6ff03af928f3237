"""The process of ``LongWork``: does one thing, and says in lines of JSON where it is and what it found."""

from __future__ import annotations

import importlib.util
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import BinaryIO, NamedTuple

import orjson

from seealike import catalog as catalogs
from seealike.catalog import Catalog
from seealike.duplicates import DuplicateGroup, DuplicateOptions, Level, find_duplicates
from seealike.maps import MapMethod, MapOptions, make_map
from seealike.service.messages.shown import Json, shown_item
from seealike.sources.ids import printable
from seealike.types import Progress, ProgressCallback

NICENESS = 19
EVERY_S = 0.2


class _Result(NamedTuple):
    about: Json
    parts: Sequence[bytes]


def main(path: str, name: str, out: BinaryIO) -> None:
    """Do what is called by a name; see ``LongWork``."""
    with suppress(OSError, AttributeError):  # not everywhere can one be nice
        os.nice(NICENESS)

    def say(said: Json) -> None:
        out.write(orjson.dumps(said) + b"\n")
        out.flush()

    try:
        with catalogs.open(path) as catalog:
            say({"generation": catalog.generation})
            about, parts = WORKS[name](catalog, _telling(say))
    except Exception as exc:  # noqa: BLE001 - whoever waits must hear of it
        say({"error": type(exc).__name__, "detail": printable(str(exc))})
        return
    say({"about": about, "parts": len(parts)})
    out.writelines(part + b"\n" for part in parts)
    out.flush()


def _telling(say: Callable[[Json], None]) -> ProgressCallback:
    """What says where the work is, a few times a second."""
    last_s = -EVERY_S

    def told(progress: Progress) -> None:
        nonlocal last_s
        if time.monotonic() - last_s >= EVERY_S:
            last_s = time.monotonic()
            say({"stage": progress.stage, "done": progress.done, "total": progress.total})

    return told


def _duplicates(catalog: Catalog, told: ProgressCallback, level: Level) -> _Result:
    report = find_duplicates(catalog, DuplicateOptions(level), progress=told)
    about = {"total": len(report.groups), "items": report.items, "unsigned": report.unsigned}
    return _Result(about, [orjson.dumps(_group(group)) for group in report.groups])


def _group(group: DuplicateGroup) -> Json:
    members = []
    for member in group.members:
        item = shown_item(member.item)
        members.append(
            {
                **{name: item[name] for name in ("id", "group", "image", "width_px", "height_px")},
                "size_bytes": member.size_bytes,
                "format": member.format,
                "sha256": None if member.sha256 is None else member.sha256.hex(),
                "level": member.link.level.value,
                "likeness": round(member.link.likeness, 4),
                "kept": member.kept,
                "why": printable(member.why),
            }
        )
    return {"centre": printable(group.centre), "decided": group.decided, "members": members}


def _map(catalog: Catalog, told: ProgressCallback) -> _Result:
    there = all(importlib.util.find_spec(library) for library in ("openTSNE", "sklearn"))
    method = MapMethod.TSNE if there else MapMethod.COMPONENTS
    made = make_map(catalog, MapOptions(method), progress=told)
    ratios = dict.fromkeys(made.ids, 1.0)
    for item in catalog.items():
        if item.id in ratios and item.height_px:
            ratios[item.id] = round(item.width_px / item.height_px, 3)
    columns = (
        [*map(printable, made.ids)],
        *(axis.round(4).tolist() for axis in made.positions.T),
        made.clusters.tolist(),
        [*ratios.values()],
    )
    about = {"method": method.value, "total": made.total}
    return _Result(about, [orjson.dumps(column) for column in columns])


WORKS: Mapping[str, Callable[[Catalog, ProgressCallback], _Result]] = {
    **{f"duplicates-{level.value}": partial(_duplicates, level=level) for level in Level},
    "map": _map,
}

if __name__ == "__main__":
    main(os.fsdecode(sys.stdin.buffer.read()), sys.argv[1], sys.stdout.buffer)
