"""How the service is: ``/healthz``, ``/readyz``, ``/stats``, ``/skipped``, ``/metrics``."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from seealike import __version__
from seealike.service.shown import reply
from seealike.service.state import Service
from seealike.service.watching import Watching


def about(service: Service, watching: Watching) -> APIRouter:
    """The routes of a service."""
    router = APIRouter(tags=["about"])

    @router.get("/healthz", summary="Whether the service runs")
    async def healthz() -> dict[str, str]:
        """It does: also while the catalogue is still being opened."""
        return {"status": "running"}

    @router.get("/readyz", summary="Whether it can answer")
    async def readyz() -> dict[str, str]:
        """503 while it cannot."""
        _ = service.catalog
        return {"status": "ready"}

    @router.get("/stats", summary="What the catalogue holds")
    async def stats(request: Request) -> Response:
        """Items, generation, encoder."""
        answered = await service.read(
            request,
            lambda: service.catalog.info(),  # noqa: PLW0108  the catalogue may not be open yet
        )
        info = answered.value
        return reply(
            {
                "took_ms": answered.took_ms,
                "generation": answered.generation,
                "items": info.items,
                "skipped": info.skipped,
                "skipped_by_reason": {reason.value: n for reason, n in info.skipped_by_reason.items()},
                "encoder": service.catalog.encoder.name,
                "version": __version__,
            }
        )

    @router.get("/metrics", summary="Numbers for Prometheus", response_class=Response)
    async def metrics() -> Response:
        """In the text format."""
        return Response(watching.exposition(), media_type="text/plain; version=0.0.4")

    return router
