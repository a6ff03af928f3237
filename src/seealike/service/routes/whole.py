"""What all of the catalogue is like: ``/shapes``, ``/facets``, ``/duplicates``, ``/map``."""

from __future__ import annotations

import gzip
import time
import zlib
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from seealike.duplicates import Level
from seealike.service.longwork import Found, UnderWay
from seealike.service.models import MOST_LETTERS, Columns, DuplicatesOut, FacetsOut, MapOut, UnderWayOut
from seealike.service.shown import UNCHANGED, reply, shown_facet, tagged, tagged_either_way, takes_gzip
from seealike.service.state import RETRY_S, Service, ms_since

MOST_VALUES = 1000  # of a column
BINARY = "application/octet-stream"
REVALIDATED = {
    "vary": "accept-encoding",
    "cache-control": "private, no-cache",
}  # it is asked whether it holds
MAP_COLUMNS = ("ids", "x", "y", "clusters", "ratios")
LATER: dict[int | str, dict[str, Any]] = {
    202: {"model": UnderWayOut, "description": "It is under way: ask again after `Retry-After`."}
}
Stale = Annotated[
    bool, Query(description="What was found at an older generation will do, while a newer one is made.")
]


def whole(service: Service) -> APIRouter:
    """The routes of a service."""
    router = APIRouter(tags=["whole"])

    @router.get(
        "/shapes",
        response_class=Response,
        responses={
            200: {
                "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
                "headers": {"X-Generation": {"schema": {"type": "integer"}}},
            },
            304: UNCHANGED,
        },
        summary="Width by height of all items",
    )
    async def shapes(request: Request) -> Response:
        """In id order, 16 bits an item, the lesser byte first: thousandths, so that 1000 is a square."""
        packed = await service.run(request, lambda: service.shapes.of(service.catalog, service.places()))
        headers = REVALIDATED | {"x-generation": str(packed.generation)}
        return tagged_either_way(request, packed.data, packed.gzipped, packed.tag, BINARY, headers)

    @router.get("/facets", response_model=FacetsOut, summary="How often each value occurs")
    async def facets(
        request: Request,
        where: Annotated[str | None, Query(max_length=MOST_LETTERS, description="Which items count.")] = None,
        columns: Annotated[
            Columns | None, Query(description="Which columns; else those in which items differ.")
        ] = None,
        most: Annotated[int, Query(ge=1, le=MOST_VALUES, description="Values of each column.")] = 50,
    ) -> Response:
        """Of each column, the most frequent values among the items that keep a condition.

        A column of numbers says between which they are; it lists them where they are few. Columns in which
        there are more than 50 texts of which each has less than 4 items on average are left out, and so are
        those in which all items are alike, and folders that say what another column says; but not where they
        are asked for by name.
        """
        started = time.perf_counter()
        found = await service.run(request, lambda: service.catalog.facets(where, columns=columns, most=most))
        return reply(
            {
                "took_ms": ms_since(started),
                "generation": found.generation,
                "total": found.total,
                "of": found.of,
                "columns": [*map(shown_facet, found.columns)],
            }
        )

    @router.get(
        "/duplicates",
        response_model=DuplicatesOut,
        responses=LATER,
        summary="Pictures that are there more than once",
    )
    async def duplicates(
        request: Request,
        level: Annotated[Level, Query(description="How alike pictures are at least.")] = Level.NEAR,
        start: Annotated[int, Query(ge=0, lt=2**48, description="`next` of the reply before.")] = 0,
        limit: Annotated[int, Query(ge=1, le=1000)] = 50,
        stale: Stale = False,
    ) -> Response:
        """Groups of pictures that are alike the one of them that is kept, the surest first.

        Nothing is removed. 202 while they are found: ask again after a second.
        """
        found = await service.work(request, f"duplicates-{level.value}", stale=stale)
        if isinstance(found, UnderWay):
            return _later("finding", found)
        groups, following = found.parts[start : start + limit], start + limit
        return reply(
            {
                "status": "ready",
                "generation": found.generation,
                **found.about,
                "groups": orjson.Fragment(b"[" + b",".join(groups) + b"]"),
                "next": str(following) if following < len(found.parts) else None,
            }
        )

    @router.get(
        "/map", response_model=MapOut, responses={**LATER, 304: UNCHANGED}, summary="All items in the plane"
    )
    async def laid_out(request: Request, stale: Stale = False) -> Response:
        """Look-alikes lie side by side. 202 while they are laid out: ask again after a second."""
        found = await service.work(request, "map", stale=stale)
        if isinstance(found, UnderWay):
            return _later("laying out", found)
        gzipped = takes_gzip(request)
        data, tag = await service.run(request, lambda: _packed(found, gzipped=gzipped))
        headers = REVALIDATED | ({"content-encoding": "gzip"} if gzipped else {})
        return tagged(request, data, tag, "application/json", headers)

    return router


def _later(status: str, at: UnderWay) -> Response:
    """The reply while work is under way."""
    return reply({"status": status, **at._asdict()}, 202, {"retry-after": str(RETRY_S)})


def _packed(found: Found, *, gzipped: bool) -> tuple[bytes, str]:
    """A map as JSON, and what changes when it does."""
    columns = {name: orjson.Fragment(part) for name, part in zip(MAP_COLUMNS, found.parts, strict=True)}
    data = orjson.dumps({"status": "ready", "generation": found.generation, **found.about, **columns})
    tag = f"{found.generation}-{zlib.crc32(data):08x}"
    return (gzip.compress(data, compresslevel=1, mtime=0), f"{tag}-gzip") if gzipped else (data, tag)
