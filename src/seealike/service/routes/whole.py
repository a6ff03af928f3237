"""What all of the catalogue is like: ``/shapes``, ``/facets``."""

from __future__ import annotations

import time
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from seealike.service.models import MOST_LETTERS, Columns, FacetsOut
from seealike.service.shown import UNCHANGED, reply, shown_facet, tagged, takes_gzip
from seealike.service.state import Service, ms_since

MOST_VALUES = 1000  # of a column
BINARY = "application/octet-stream"


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
        packed = await service.run(request, lambda: service.shapes.of(service.catalog))
        headers = {
            "x-generation": str(packed.generation),
            "vary": "accept-encoding",
            "cache-control": "private, no-cache",  # it may be kept, but is asked for each time
        }
        if takes_gzip(request):
            gzipped = headers | {"content-encoding": "gzip"}
            return tagged(request, packed.gzipped, packed.tag + "-gzip", BINARY, gzipped)
        return tagged(request, packed.data, packed.tag, BINARY, headers)

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
        those in which all items are alike, but for columns that are asked for by name.
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

    return router
