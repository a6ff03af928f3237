"""The page for people: ``/``, and the files it is made of, which hold nothing of the catalogue."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from seealike.errors import ServiceError
from seealike.gallery import base_style
from seealike.service.messages.shown import Packed, tagged_either_way

_TYPES = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}


def page() -> APIRouter:
    """The routes of a service."""
    router = APIRouter(include_in_schema=False)

    @router.get("/")
    async def index(request: Request) -> Response:
        """The page; its address says what it shows, and only the browser reads that."""
        return _sent(request, "index.html")

    @router.get("/page/{name}")
    async def file(request: Request, name: str) -> Response:
        """A file of the page, of those that the package has."""
        if name not in _files():
            raise ServiceError("no_such_route", "the page has no such file", status=404)
        return _sent(request, name)

    return router


@cache
def _files() -> dict[str, Packed]:
    """All files of the page, read once."""
    found = {}
    choices = files("seealike") / "duplicates" / "web" / "choices.js"  # as the page of the command has them
    for file in (*(files("seealike.service") / "web").iterdir(), choices):
        data = file.read_bytes()
        if file.name == "page.css":
            data = base_style().encode() + data
        found[file.name] = Packed.of(data, 9)
    return found


def _sent(request: Request, name: str) -> Response:
    """It is asked for anew each time, so that a newer version is seen at once, and seldom sent."""
    headers = {"cache-control": "no-cache"}
    return tagged_either_way(request, _files()[name], _TYPES[name.rpartition(".")[2]], headers)
