"""The application: routes behind the door, errors as problem details, the catalogue opened while it runs."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import cache
from typing import TYPE_CHECKING

import orjson
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from pydantic.json_schema import models_json_schema
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match, Route
from starlette.types import ASGIApp, Lifespan

from seealike import __version__
from seealike.errors import CatalogError, SeealikeError
from seealike.fetching.fetcher import Fetcher
from seealike.service.ending import Ending
from seealike.service.guard.door import OPEN, SESSION, Door
from seealike.service.messages.bodies import COMPONENT
from seealike.service.messages.models import JSON_MODELS, ProblemOut
from seealike.service.messages.problems import MEDIA_TYPE, of_framework, of_validation, problem_of
from seealike.service.options import Keys, ServiceOptions
from seealike.service.routes.about import about
from seealike.service.routes.items import items
from seealike.service.routes.page import page
from seealike.service.routes.questions import questions
from seealike.service.routes.session import session
from seealike.service.routes.whole import whole
from seealike.service.sessions import Sessions
from seealike.service.state import Service
from seealike.service.watching import Watching

if TYPE_CHECKING:
    from seealike.types import PathInput

_PROBLEM = {
    "description": "Problem details",
    "content": {MEDIA_TYPE: {"schema": ProblemOut.model_json_schema()}},
}

_KEYS = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    "cookie": {"type": "apiKey", "in": "cookie", "description": "That of POST /session."},
}


def create_app(
    paths: PathInput | Sequence[PathInput],
    options: ServiceOptions = ServiceOptions(),
    ending: Ending | None = None,
    *,
    fetcher: Fetcher | None = None,
) -> ASGIApp:
    """The service of a catalogue, or of several as one, as an ASGI application.

    Args:
        paths: the catalogue's directory, or those of several that answer as one; opened once it starts.
        options: what it takes on, and from whom.
        ending: what the process that runs it is told, and tells.
        fetcher: fetches pictures from the web where the options allow it; by default from public addresses.
    """
    ending = ending or Ending()
    each = [paths] if isinstance(paths, str | os.PathLike) else [*paths]
    service, sessions, watching = (
        Service(each, options, ending),
        Sessions(options.keys, options.port),
        Watching(),
    )
    watching.gauges(service)
    if not options.takes_urls:
        fetcher = None
    elif fetcher is None:
        fetcher = Fetcher(options.body_bytes)
    app = FastAPI(
        title="seealike",
        version=__version__,
        description="What else looks like this?",
        lifespan=_lifespan(service, watching, ending),
        openapi_url=None,
        redirect_slashes=False,
        responses={"default": _PROBLEM},
    )
    routers = (
        page(),
        questions(service),
        items(service, fetcher),
        whole(service),
        about(service, watching),
        session(sessions),
    )
    for router in routers:
        app.include_router(router)
    app.add_api_route("/openapi.json", _describing(app, options.keys, sessions.name), include_in_schema=False)
    app.add_exception_handler(Exception, _problem)
    app.add_exception_handler(HTTPException, _refusing([one for router in routers for one in router.routes]))
    app.add_exception_handler(RequestValidationError, _invalid)
    return Door(app, options, sessions, watching, ending)


def _describing(app: FastAPI, keys: Keys, cookie: str) -> Callable[[], Awaitable[Response]]:
    @cache
    def described() -> bytes:
        description = app.openapi()
        _, read = models_json_schema(JSON_MODELS, ref_template=COMPONENT)
        description["components"]["schemas"].update(read["$defs"])
        if keys.access:
            description["components"]["securitySchemes"] = _KEYS | {
                "cookie": _KEYS["cookie"] | {"name": cookie}
            }
            description["security"] = [{name: []} for name in _KEYS]
            for path in (*OPEN, SESSION):
                for operation in description["paths"].get(path, {}).values():
                    operation["security"] = []
        return orjson.dumps(description)

    async def openapi() -> Response:
        """The framework's description of the service, and the models that routes read themselves."""
        return Response(await asyncio.to_thread(described), media_type="application/json")

    return openapi


def _lifespan(service: Service, watching: Watching, ending: Ending) -> Lifespan[FastAPI]:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        loop = asyncio.get_running_loop()
        opening = loop.run_in_executor(None, _open, service, watching, ending)
        try:
            yield
        finally:
            try:
                await opening
            finally:
                await loop.run_in_executor(None, service.close)

    return lifespan


def _open(service: Service, watching: Watching, ending: Ending) -> None:
    """Open the catalogue; where that fails the service cannot go on, whatever the reason."""
    try:
        service.open()
    except Exception as exc:  # noqa: BLE001 - else it would seem to be starting for ever
        watching.fault({"error": type(exc).__name__, "detail": str(exc)}, exc)
        told = f"the catalogue cannot be opened: {type(exc).__name__}: {exc}"
        failed = exc if isinstance(exc, SeealikeError) else CatalogError(str(service.paths[0]), told)
        ending.failed = failed


async def _problem(_: Request, error: Exception) -> Response:
    """The reply to any error; the framework raises it again, and the door logs it."""
    return problem_of(error)


def _refusing(routes: Sequence[BaseRoute]) -> Callable[[Request, Exception], Awaitable[Response]]:
    async def refused(request: Request, error: Exception) -> Response:
        """What the framework refuses. Of an address it knows only the first route that would have fitted."""
        assert isinstance(error, HTTPException)
        if error.status_code == 405:
            known = [one for one in routes if isinstance(one, Route)]
            path = next(one.path for one in known if one.matches(request.scope)[0] is not Match.NONE)
            methods = {method for one in known if one.path == path for method in one.methods or ()}
            error = HTTPException(405, error.detail, {"allow": ", ".join(sorted(methods))})
        return of_framework(error)

    return refused


async def _invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return of_validation(error)
