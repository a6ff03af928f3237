"""What is in the catalogue: ``/items``, ``/images``, and changes of them."""

from __future__ import annotations

import time
from typing import Annotated, NamedTuple

from fastapi import APIRouter, Depends, Path, Query
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from seealike.errors import ServiceError
from seealike.fetching.fetcher import Fetcher
from seealike.service.kept.thumbnails import MOST_PX
from seealike.service.messages.bodies import BodyRoute, json_in, media_type, picture_body, picture_in
from seealike.service.messages.models import (
    MOST_LETTERS,
    ChangeOut,
    ItemIn,
    ItemOut,
    ItemsOut,
    UploadOut,
    UrlIn,
)
from seealike.service.messages.shown import UNCHANGED, item_named, reply, shown_item, tagged
from seealike.service.state import Service, ms_since
from seealike.types import Item

FULL_PX = 1600  # what a picture is shown at where no size is asked for
SMALL_PX = 32  # at which an upload is looked at, to see that it is a picture
JPEG = "image/jpeg"
MOST_DIGITS = 15
Size = Annotated[int, Query(ge=1, le=MOST_PX)]
FETCHED_AS = 8  # as so many pictures, one that is fetched counts: no body was counted for it


def items(service: Service, fetcher: Fetcher | None) -> APIRouter:
    """The routes of a service, which may fetch pictures from the web."""
    router = APIRouter(tags=["items"], route_class=BodyRoute)

    @router.get("/items", response_model=ItemsOut, summary="All items, some at a time")
    async def listed(
        request: Request,
        start: Annotated[str, Query(max_length=MOST_LETTERS, description="`next` of the reply before.")] = "",
        at: Annotated[int | None, Query(ge=0, lt=2**48, description="Without so many of the first.")] = None,
        step: Annotated[int, Query(ge=1, lt=2**31, description="With at: each so-manieth alone.")] = 1,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    ) -> Response:
        """In the order of their ids. From ``start`` on, items that come or go meanwhile shift no others."""
        started = time.perf_counter()
        generation, found = await _listed(service, request, start, _Places(at, step), limit + 1)
        following = found[limit].id if len(found) > limit and step == 1 else None
        if following is not None and service.is_several:
            following = str((_number(start) if at is None else at) + limit)
        return reply(
            {
                "took_ms": ms_since(started),
                "generation": generation,
                "items": [shown_item(item) for item in found[:limit]],
                "next": following,
            }
        )

    @router.get("/items/{item_id:path}", response_model=ItemOut, summary="One item")
    async def item(request: Request, item_id: str) -> Response:
        """Its group, its metadata, its size, and where its picture is."""
        answered = await service.read(request, lambda: service.catalog.item(item_named(item_id)))
        return reply(
            {**shown_item(answered.value), "took_ms": answered.took_ms, "generation": answered.generation}
        )

    @router.post(
        "/images",
        response_model=UploadOut,
        status_code=201,
        summary="Upload a picture to ask with",
        openapi_extra={"requestBody": {"required": True, "content": picture_body(UrlIn)}},
    )
    async def upload(request: Request) -> Response:
        """The body is the picture. Ask with the token as often as you like, with other crops and weights.

        A service that was started with ``--allow-urls`` also takes JSON with the ``url`` of a picture.
        """
        data = await _picture_to_keep(service, request, fetcher)
        return reply({"image": service.uploads.keep(data), "expires_s": service.options.upload_s}, 201)

    @router.get(
        "/images/{item_id:path}",
        response_class=Response,
        responses={200: {"content": {JPEG: {}}}, 304: UNCHANGED},
        summary="The picture of an item",
    )
    async def image(request: Request, item_id: str, size: Size = FULL_PX) -> Response:
        """A JPEG of at most ``size`` pixels each way, without metadata: never the file itself."""
        made = await service.run(
            request, lambda: service.thumbnails.of(service.catalog, item_named(item_id), size)
        )
        return tagged(request, made.data, made.tag, JPEG)

    @router.get(
        "/uploads/{token}",
        response_class=Response,
        responses={200: {"content": {JPEG: {}}}, 304: UNCHANGED},
        summary="A picture that was uploaded",
    )
    async def uploaded(
        request: Request, token: Annotated[str, Path(max_length=MOST_LETTERS)], size: Size = FULL_PX
    ) -> Response:
        """As ``/images`` shows items, as long as its token can be asked with."""
        data = service.uploads.picture(token)
        made = await service.run(
            request, lambda: service.thumbnails.of_upload(service.catalog, token, data, size)
        )
        return tagged(request, made.data, made.tag, JPEG)

    @router.put(
        "/items/{item_id:path}",
        dependencies=[Depends(_of_an_item)],
        response_model=ChangeOut,
        responses={201: {"model": ChangeOut, "description": "It is new."}},
        summary="Add an item, or replace it",
        openapi_extra={"requestBody": {"required": True, "content": picture_body()}},
    )
    async def put(request: Request, item_id: str, about: Annotated[ItemIn, Query()]) -> Response:
        """The body is its picture. The reply comes when it is on the disk; the same twice changes nothing."""
        item_id, metadata = item_named(item_id), about.read_metadata()
        data = await picture_in(request)
        changed = await service.change(
            request,
            lambda: service.changes.put(service.only, item_id, data, about.group, metadata),
        )
        status = 201 if changed.change == "added" else 200
        return reply({"id": item_id, "change": changed.change, "generation": changed.generation}, status)

    @router.delete(
        "/items/{item_id:path}",
        dependencies=[Depends(_of_an_item)],
        response_model=ChangeOut,
        summary="Remove an item",
    )
    async def remove(request: Request, item_id: str) -> Response:
        """From the catalogue, and the picture that came over HTTP; never another file. Twice is as once."""
        item_id = item_named(item_id)
        changed = await service.change(request, lambda: service.changes.remove(service.only, item_id))
        return reply({"id": item_id, "change": changed.change, "generation": changed.generation})

    return router


async def _of_an_item(request: Request) -> None:
    """What looks like an item is asked, not changed. An id that ends like that address needs ``%2F``.

    Raises:
        HTTPException: it is not the address of an item.
    """
    if request.path_params["item_id"].endswith("/similar"):
        raise HTTPException(405)


class _Places(NamedTuple):
    at: int | None
    step: int


async def _listed(
    service: Service, request: Request, start: str, places: _Places, count: int
) -> tuple[int, list[Item]]:
    """Some items, and the generation that they are of."""
    at, step = places
    if at is None and service.is_several:  # an id may be that of several items
        start, at = "", _number(start)
    if at is None and step > 1:
        raise ServiceError("invalid_query", "a step goes with at", status=422)
    if at is None:
        answered = await service.read(request, lambda: service.only.items_from(start, count))
        return answered.generation, answered.value
    if start:
        raise ServiceError("invalid_query", "say start, or at, but not both", status=422)
    return await service.run(request, lambda: service.catalog.items_at(at, count, step))


def _number(start: str) -> int:
    """The place that a list of several catalogues goes on from."""
    if not start:
        return 0
    if not start.isdecimal() or len(start) > MOST_DIGITS:
        raise ServiceError("invalid_request", "start is `next` of the reply before", status=422)
    return int(start)


async def _picture_to_keep(service: Service, request: Request, fetcher: Fetcher | None) -> bytes:
    """The picture that is sent, or at the address that is.

    Raises:
        PictureError: it is none.
        ServiceError: it is not there, or not to be fetched.
    """
    if media_type(request) != "application/json":
        sent = await picture_in(request)
        return await service.run(request, lambda: _looked_at(service, sent))
    if fetcher is None:
        told = "this service fetches nothing from the web; start it with --allow-urls"
        raise ServiceError("url_refused", told, status=403)
    fetch, url = fetcher.fetch, (await json_in(request, UrlIn)).url
    return await service.run(request, lambda: _looked_at(service, fetch(url)), pictures=FETCHED_AS)


def _looked_at(service: Service, data: bytes) -> bytes:
    service.catalog.thumbnail(data, SMALL_PX)  # what is no picture is refused
    return data
