"""The page for people: ``/``, and the files it is made of, which hold nothing of the catalogue."""

from __future__ import annotations

import gzip
import hashlib
from functools import cache
from importlib.resources import files
from typing import NamedTuple

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from seealike.errors import ServiceError
from seealike.gallery import base_style
from seealike.service.shown import tagged_either_way

_TYPES = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}


class _File(NamedTuple):
    data: bytes
    packed: bytes
    tag: str
    media_type: str


def page() -> APIRouter:
    """The routes of a service."""
    router = APIRouter(include_in_schema=False)

    @router.get("/")
    async def index(request: Request) -> Response:
        """The page; its address says what it shows, and only the browser reads that."""
        return _sent(request, _files()["index.html"])

    @router.get("/page/{name}")
    async def file(request: Request, name: str) -> Response:
        """A file of the page, of those that the package has."""
        found = _files().get(name)
        if found is None:
            raise ServiceError("no_such_route", "the page has no such file", status=404)
        return _sent(request, found)

    return router


@cache
def _files() -> dict[str, _File]:
    """All files of the page, read once."""
    found = {}
    choices = files("seealike") / "duplicates" / "web" / "choices.js"  # as the page of the command has them
    for file in (*(files("seealike.service") / "web").iterdir(), choices):
        data = file.read_bytes()
        if file.name == "page.css":
            data = base_style().encode() + data
        media_type = _TYPES[file.name.rpartition(".")[2]]
        tag = hashlib.sha256(data).hexdigest()[:32]
        found[file.name] = _File(data, gzip.compress(data, mtime=0), tag, media_type)
    return found


def _sent(request: Request, file: _File) -> Response:
    """It is asked for anew each time, so that a newer version is seen at once, and seldom sent."""
    headers = {"cache-control": "no-cache"}
    return tagged_either_way(request, file.data, file.packed, file.tag, file.media_type, headers)
