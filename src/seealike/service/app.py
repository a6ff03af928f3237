"""The application: routes behind the door, errors as problem details, the catalogue opened while it runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Lifespan

from seealike import __version__
from seealike.errors import SeealikeError
from seealike.service.guard.door import Door
from seealike.service.models import ProblemOut
from seealike.service.options import ServiceOptions
from seealike.service.problems import MEDIA_TYPE, is_own_fault, of_framework, of_validation, problem_of
from seealike.service.routes.about import about
from seealike.service.routes.items import items
from seealike.service.routes.questions import questions
from seealike.service.state import Service
from seealike.service.watching import LOGGER, Watching

if TYPE_CHECKING:
    from seealike.types import PathInput

_PROBLEM = {
    "description": "Problem details",
    "content": {MEDIA_TYPE: {"schema": ProblemOut.model_json_schema()}},
}


def create_app(path: PathInput, options: ServiceOptions = ServiceOptions()) -> ASGIApp:
    """The service of a catalogue, as an ASGI application.

    Args:
        path: the catalogue's directory; it is opened once the application starts.
        options: what it takes on, and from whom.
    """
    service, watching = Service(path, options), Watching()
    watching.gauges(service)
    app = FastAPI(
        title="seealike",
        version=__version__,
        description="What else looks like this?",
        lifespan=_lifespan(service),
        docs_url=None,
        redoc_url=None,
        responses={"default": _PROBLEM},
    )
    for router in (questions(service), items(service), about(service, watching)):
        app.include_router(router)
    app.add_exception_handler(SeealikeError, _problem)
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    inner: ASGIApp = app
    if options.origins:
        inner = CORSMiddleware(app, allow_origins=options.origins, allow_methods=["*"], allow_headers=["*"])
    return Door(inner, options, watching)


def _lifespan(service: Service) -> Lifespan[FastAPI]:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        opening = asyncio.get_running_loop().run_in_executor(None, _opened, service)
        try:
            yield
        finally:
            await opening
            await asyncio.get_running_loop().run_in_executor(None, service.close)

    return lifespan


def _opened(service: Service) -> None:
    try:
        service.open()
    except SeealikeError as exc:
        LOGGER.error("%s", exc)
        service.failed = exc
    except Exception:
        LOGGER.exception("the catalogue cannot be opened")
        raise


async def _problem(_: Request, error: Exception) -> Response:
    if is_own_fault(error):
        raise error  # the door logs it
    return problem_of(error)


async def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return of_framework(error)


async def _invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return of_validation(error)
