"""The bodies that routes read themselves: pictures, in a form or alone, or JSON in their place."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TypeVar

from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel, ValidationError
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from seealike.errors import ServiceError

Model = TypeVar("Model", bound=BaseModel)
FIELD = "image"  # of a form, which has the picture
MOST_JSON_BYTES = 2**20  # the event loop reads it, and all others wait
MOST_REMEMBERED, MOST_REMEMBERED_BYTES = 256, 512  # ends of addresses that are understood already
_ASKED = "seealike.asked"
COMPONENT = "#/components/schemas/{model}"
_BINARY = {"type": "string", "format": "binary"}


def media_type(request: Request) -> str:
    """What a body is, as its sender says."""
    return request.headers.get("content-type", "").split(";")[0].strip().lower()


class BodyRoute(APIRoute):
    """A route that reads pictures of any size, but nothing else that is large.

    Its endpoint may say what it was asked in the address: ``remember``. Then the framework, which takes a
    third of the event loop's time to find that out, is not asked again where an address ends alike.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[None, None, Response]]:
        """See ``APIRoute``."""
        framework, endpoint = super().get_route_handler(), self.endpoint
        known: dict[bytes, BaseModel] = {}

        async def usual(request: Request) -> Response:
            query = request.scope["query_string"]
            if (asked := known.get(query)) is not None:
                replied: Response = await endpoint(request=request, asked=asked, **request.path_params)
                return replied
            replied = await framework(request)
            if len(query) <= MOST_REMEMBERED_BYTES and (asked := request.scope.get(_ASKED)) is not None:
                if len(known) == MOST_REMEMBERED:
                    known.clear()
                known[query] = asked
            return replied

        async def handler(request: Request) -> Response:
            try:
                if not _has_pictures(request) and len(await request.body()) > MOST_JSON_BYTES:
                    told = f"a body without pictures may have {MOST_JSON_BYTES} bytes at most"
                    raise ServiceError("too_large", told, status=413)
                return await usual(request)
            except ClientDisconnect:  # that is no fault of the service
                raise ServiceError("given_up", "the client has left", status=499) from None

        return handler


def remember(request: Request, asked: BaseModel) -> None:
    """Say what an address that ends as that of a request asks, as ``asked`` of the endpoint."""
    request.scope[_ASKED] = asked


def _has_pictures(request: Request) -> bool:
    kind = media_type(request)
    return kind.startswith("image/") or kind in {"application/octet-stream", "multipart/form-data"}


async def picture_in(request: Request) -> bytes:
    """The picture that a request's body is, or that is in its form.

    Raises:
        ServiceError: there is none.
    """
    kind = media_type(request)
    if kind.startswith("image/") or kind == "application/octet-stream":
        data = await request.body()
    elif kind == "multipart/form-data":
        (data,) = await pictures_in(request, 1)
    else:
        told = f"send a picture as image/*, or a form with a file `{FIELD}`"
        raise ServiceError("unsupported_media_type", told, status=415)
    if not data:
        raise ServiceError("no_picture", "the picture is empty", status=422)
    return data


async def pictures_in(request: Request, most: int) -> list[bytes]:
    """The pictures that are in the form of a request.

    Raises:
        ServiceError: there is none.
    """
    if media_type(request) != "multipart/form-data":
        told = f"send a form with files `{FIELD}`"
        raise ServiceError("unsupported_media_type", told, status=415)
    async with request.form(max_files=most, max_fields=0) as form:
        files = [file for file in form.getlist(FIELD) if not isinstance(file, str)]
        if not files:
            raise ServiceError("invalid_request", f"the form has no file `{FIELD}`", status=422)
        return [await file.read() for file in files]


async def json_in(request: Request, model: type[Model]) -> Model:
    """A body as one of the models. Unlike those in an address its values have types.

    Raises:
        RequestValidationError: it does not fit.
        ServiceError: it is no JSON, or a part of what is asked is in the address.
    """
    if media_type(request) != "application/json":
        raise ServiceError("unsupported_media_type", "send JSON, as application/json", status=415)
    if request.query_params:
        raise ServiceError("invalid_query", "with JSON, all that is asked is in the body", status=422)
    try:
        return model.model_validate_json(await request.body(), strict=True)
    except ValidationError as exc:
        raise RequestValidationError([*exc.errors(include_url=False)]) from None


def picture_body(json: type[BaseModel] | None = None, *, most: int = 1) -> dict[str, object]:
    """How the description of the service says that a body is a picture; or JSON, where that will do."""
    files = {"type": "array", "items": _BINARY, "minItems": 1, "maxItems": most} if most > 1 else _BINARY
    form = {
        "type": "object",
        "required": [FIELD],
        "properties": {FIELD: files},
        "additionalProperties": False,
    }
    told: dict[str, object] = {"multipart/form-data": {"schema": form}}
    if most == 1:
        told["image/*"] = {"schema": _BINARY}
    if json is not None:
        told |= json_body(json)
    return told


def json_body(model: type[BaseModel]) -> dict[str, object]:
    """How it says that a body is JSON, as one of ``JSON_MODELS``: the framework is told of these."""
    return {"application/json": {"schema": {"$ref": COMPONENT.format(model=model.__name__)}}}
