"""How the service is: ``/healthz``, ``/readyz``, ``/stats``, ``/skipped``, ``/metrics``."""

from __future__ import annotations

import asyncio
import time
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from seealike import __version__
from seealike.errors import ServiceError
from seealike.service.messages.models import MOST_CURSOR, SkippedFilesOut, StatsOut
from seealike.service.messages.shown import reply, shown_skipped
from seealike.service.options import Access
from seealike.service.state import RETRY_S, Service, ms_since
from seealike.service.watching import Watching
from seealike.types import SkipReason

READY_S = 5.0  # as long a disk may take to say what the catalogue is


def about(service: Service, watching: Watching) -> APIRouter:
    """The routes of a service."""
    router = APIRouter(tags=["about"])

    @router.get("/healthz", summary="Whether the service runs")
    async def healthz() -> dict[str, str]:
        """It does: also while the catalogue is still being opened."""
        return {"status": "running"}

    @router.get("/readyz", summary="Whether it can answer")
    async def readyz() -> dict[str, str]:
        """503 while it cannot, and once its catalogue has another encoder: then it is to be started again."""
        catalog = service.catalog
        try:
            await asyncio.wait_for(asyncio.to_thread(lambda: catalog.generation), READY_S)
        except TimeoutError:
            told = "the catalogue's disk does not answer; try again soon"
            raise ServiceError("not_ready", told, retry_after_s=RETRY_S) from None
        return {"status": "ready"}

    @router.get("/stats", response_model=StatsOut, summary="What the catalogue holds")
    async def stats(request: Request) -> Response:
        """How much there is, what can be asked with, and what you may do."""
        answered = await service.read(
            request, lambda: service.described.of(service.catalog, service.places())
        )
        at = service.long_work.under_way()
        most = Access.READ if service.is_several else Access.ADMIN  # several are changed one by one
        return reply(
            {
                **answered.value,
                "took_ms": answered.took_ms,
                "generation": answered.generation,
                "name": " + ".join(service.names),
                "access": Access(min(request.scope["access"], most)).name.lower(),
                "takes_urls": service.options.takes_urls,
                "working": None if at is None else {"name": at[0], **at[1]._asdict()},
                "version": __version__,
            }
        )

    @router.get("/skipped", response_model=SkippedFilesOut, summary="Files that are left out, and why")
    async def skipped(
        request: Request,
        start: Annotated[str, Query(max_length=MOST_CURSOR, description="`next` of the reply before.")] = "",
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
        reason: Annotated[SkipReason | None, Query(description="Only those with this reason.")] = None,
    ) -> Response:
        """Some at a time, in the order of their ids, source by source."""
        started = time.perf_counter()
        found = await service.run(request, lambda: service.only.skipped_from(start, limit, reason=reason))
        return reply(
            {
                "took_ms": ms_since(started),
                "generation": found.generation,
                "total": found.total,
                "skipped": [*map(shown_skipped, found.skipped)],
                "next": found.next,
            }
        )

    @router.get("/metrics", summary="Numbers for Prometheus", response_class=Response)
    async def metrics() -> Response:
        """In the text format."""
        numbers = await asyncio.to_thread(watching.exposition)  # not one of those that may all be taken
        return Response(numbers, media_type="text/plain; version=0.0.4")

    return router
