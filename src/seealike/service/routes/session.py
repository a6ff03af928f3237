"""``/session``: a cookie in the place of a key, for pages."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from seealike.errors import ServiceError
from seealike.service.messages.bodies import BodyRoute
from seealike.service.messages.models import SessionIn
from seealike.service.sessions import Sessions


def session(sessions: Sessions) -> APIRouter:
    """The routes of a service."""
    router = APIRouter(tags=["session"], route_class=BodyRoute)

    @router.post("/session", status_code=204, response_class=Response, summary="Be known by a cookie")
    async def begin(request: Request, given: SessionIn) -> Response:
        """It stands for the key until the browser or the service ends. Pages of others cannot use it."""
        cookie = sessions.cookie(given.key, is_secure=_is_secure(request))
        if cookie is None:
            raise ServiceError("wrong_key", "this is no key of the service", status=401)
        return Response(status_code=204, headers={"set-cookie": cookie})

    @router.delete("/session", status_code=204, response_class=Response, summary="Be known no more")
    async def end(request: Request) -> Response:
        """The cookie is gone."""
        return Response(
            status_code=204, headers={"set-cookie": sessions.no_cookie(is_secure=_is_secure(request))}
        )

    return router


def _is_secure(request: Request) -> bool:
    """Behind a proxy that speaks https only the browser's own word says so."""
    return request.scope["scheme"] == "https" or request.headers.get("origin", "").startswith("https://")
