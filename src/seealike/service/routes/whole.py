"""What all of the catalogue is like: ``/shapes``."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from seealike.service.shown import UNCHANGED, tagged, takes_gzip
from seealike.service.state import Service

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
        headers = {"x-generation": str(packed.generation), "vary": "accept-encoding"}
        if takes_gzip(request):
            gzipped = headers | {"content-encoding": "gzip"}
            return tagged(request, packed.gzipped, packed.tag + "-gzip", BINARY, gzipped)
        return tagged(request, packed.data, packed.tag, BINARY, headers)

    return router
