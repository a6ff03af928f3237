"""What all of the catalogue is like: ``/shapes``, ``/facets``, ``/duplicates``, ``/map``."""

from __future__ import annotations

import time
from typing import Annotated, Any

import numpy as np
import orjson
from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from seealike.duplicates import Level
from seealike.service.kept.lru import Newest
from seealike.service.longwork.work import Found, UnderWay
from seealike.service.messages.models import (
    MOST_LETTERS,
    Columns,
    DuplicatesOut,
    FacetsOut,
    MapOut,
    UnderWayOut,
)
from seealike.service.messages.shown import UNCHANGED, Packed, reply, shown_facet, tagged_either_way
from seealike.service.state import RETRY_S, Service, ms_since
from seealike.types import Int64Array

MOST_VALUES = 1000  # of a column
BINARY = "application/octet-stream"
REVALIDATED = {"cache-control": "private, no-cache"}  # it is asked whether it holds
SQUARE = 1000  # as a shape; the widest and the highest pictures are at the ends of 16 bits
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
    packed_shapes, packed_map = Newest[tuple[int, Packed]](), Newest[Packed]()

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

        def packed() -> tuple[int, Packed]:
            generation, width_px, height_px = service.catalog.sizes()
            state = generation, service.places()
            return packed_shapes.of(state, lambda: (generation, Packed.of(_shapes(width_px, height_px))))

        generation, shapes = await service.run(request, packed)
        return tagged_either_way(request, shapes, BINARY, REVALIDATED | {"x-generation": str(generation)})

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
        found, is_old = await service.work(request, f"duplicates-{level.value}", stale=stale)
        if isinstance(found, UnderWay):
            return _later("finding", found)
        groups, following = found.parts[start : start + limit], start + limit
        return reply(
            {
                "status": "ready",
                "generation": found.generation,
                "stale": is_old,
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
        found, is_old = await service.work(request, "map", stale=stale)
        if isinstance(found, UnderWay):
            return _later("laying out", found)
        state = found.generation, found.places, is_old
        packed = await service.run(
            request, lambda: packed_map.of(state, lambda: Packed.of(_map(found, is_old=is_old)))
        )
        return tagged_either_way(request, packed, "application/json", REVALIDATED)

    return router


def _later(status: str, at: UnderWay) -> Response:
    """The reply while work is under way."""
    return reply({"status": status, **at._asdict()}, 202, {"retry-after": str(RETRY_S)})


def _shapes(width_px: Int64Array, height_px: Int64Array) -> bytes:
    """Width by height, in thousandths, as 16 bits each, the lesser first."""
    ratios = np.rint(SQUARE * width_px / np.maximum(height_px, 1))
    shapes: bytes = np.clip(ratios, 1, 65535).astype("<u2").tobytes()
    return shapes


def _map(found: Found, *, is_old: bool) -> bytes:
    """A map as JSON."""
    columns = {name: orjson.Fragment(part) for name, part in zip(MAP_COLUMNS, found.parts, strict=True)}
    about = {"status": "ready", "generation": found.generation, "stale": is_old, **found.about}
    return orjson.dumps({**about, **columns})
