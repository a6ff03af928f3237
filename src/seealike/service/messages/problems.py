"""Errors as HTTP says them: problem details (RFC 9457) with a ``code`` that stays the same.

The one table from errors to statuses. What is not in it is a fault of the service: it is logged, and the
client is told no more than that.
"""

from __future__ import annotations

import json
import re
from http import HTTPStatus
from itertools import islice
from typing import TYPE_CHECKING

import orjson
from starlette.exceptions import HTTPException
from starlette.responses import Response

from seealike.errors import (
    AmbiguousItemError,
    CatalogBusyError,
    CatalogError,
    EncoderError,
    MissingExtraError,
    NoPlacesError,
    PictureError,
    ReplacedCatalogError,
    SeealikeError,
    ServiceError,
    StorageError,
    UnknownItemError,
    UnknownNameError,
    UnknownProductError,
    UnreachableError,
    UsageError,
)
from seealike.wording import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fastapi.exceptions import RequestValidationError

MEDIA_TYPE = "application/problem+json"
MOST_ERRORS, MOST_LETTERS = 20, 200  # of what does not fit a schema: there may be a million places
BUSY_S = 2  # when to try again while somebody else writes

# The first class that fits counts.
_STATUSES: Sequence[tuple[type[SeealikeError], int, str]] = (
    (UnknownItemError, 404, "unknown_item"),
    (UnknownProductError, 404, "unknown_product"),
    (UnknownNameError, 422, "unknown_name"),
    (AmbiguousItemError, 422, "ambiguous_item"),
    (UsageError, 422, "invalid_query"),
    (PictureError, 422, "unusable_picture"),
    (CatalogBusyError, 503, "catalog_busy"),
    (ReplacedCatalogError, 503, "catalog_replaced"),
    (UnreachableError, 503, "engine_unreachable"),
    (StorageError, 507, "storage_refused"),
    (CatalogError, 500, "catalog_unusable"),
    (NoPlacesError, 422, "invalid_query"),
    (EncoderError, 500, "encoder_failed"),
    (MissingExtraError, 501, "missing_extra"),
)
_TITLES = {499: "Client Closed Request"}  # nobody reads it, but logs and counts do
_FRAMEWORK = {400: "bad_request", 404: "no_such_route", 405: "method_not_allowed"}


def problem(
    status: int,
    code: str,
    detail: str,
    *,
    headers: Mapping[str, str] | None = None,
    members: Mapping[str, object] | None = None,
) -> Response:
    """Problem details as a response. ``members`` are further ones, such as the ``reason`` of a picture."""
    body = {
        "type": "about:blank",
        "title": _TITLES.get(status) or HTTPStatus(status).phrase,
        "status": status,
        "code": code,
        "detail": detail,
        **(members or {}),
    }
    return Response(as_json(body), status, headers, MEDIA_TYPE)


def as_json(value: Mapping[str, object]) -> bytes:
    """Encode whatever a client or a file system has written: letters that UTF-8 has not become ``?``."""
    try:
        return orjson.dumps(value)
    except TypeError:
        return json.dumps(value, ensure_ascii=False).encode(errors="replace")


def problem_of(error: Exception) -> Response:
    """What a client is told of an error."""
    if isinstance(error, ServiceError):
        told = {} if error.retry_after_s is None else {"retry-after": str(error.retry_after_s)}
        if error.status == 401:
            told["www-authenticate"] = "Bearer"
        return problem(error.status, error.code, str(error), headers=told)
    for kind, status, code in _STATUSES:
        if isinstance(error, kind):
            again = {"retry-after": str(BUSY_S)} if status == 503 else {}
            # What is wrong with the machine is for those who run it: paths are nobody else's business.
            detail = _OWN.get(code) or _detail(error)
            return problem(status, code, detail, headers=again, members=_members(error))
    return problem(500, "internal", "something went wrong here, and it has been logged")


def _detail(error: SeealikeError) -> str:
    """What is wrong, and what to do over HTTP, where wishes are fields and nobody types commands."""
    if isinstance(error, UnknownItemError | UnknownProductError):
        said = str(error).rpartition("; ")[0]
        return f"{said}; {did_you_mean(error.alike) or 'GET /items lists what there is'}"
    return _OPTION.sub(lambda option: option[1].replace("-", "_"), str(error))


def _members(error: SeealikeError) -> Mapping[str, object]:
    """What programs may want to know of an error beside its code."""
    if isinstance(error, PictureError):
        return {"reason": error.reason.value}
    if isinstance(error, UnknownItemError):
        return {"id": error.item_id, "alike": error.alike}
    if isinstance(error, UnknownProductError):
        return {"column": error.column, "name": error.name, "alike": error.alike}
    return {}


_OPTION = re.compile(r"(?<![\w-])--([a-z]+(?:-[a-z]+)*)")
_OWN = {
    "ambiguous_item": "several of the catalogues have an item of this id; nobody can say which is meant",
    "catalog_busy": "the catalogue is being changed by somebody else; try again soon",
    "catalog_replaced": "the catalogue has another encoder now; the service must be started again",
    "engine_unreachable": "the engine that holds the catalogue does not answer; try again soon",
    "storage_refused": "the disk of the service refused; nothing has been changed",
    "catalog_unusable": "the catalogue cannot be used as it is; its log says why",
    "encoder_failed": "the encoder cannot be loaded or run; the log says why",
    "missing_extra": "the service lacks an optional package for this; the log says which",
}


def is_own_fault(error: Exception) -> bool:
    """Whether whoever runs the service should hear of an error."""
    return problem_of(error).status_code >= 500 and not isinstance(error, ServiceError | CatalogBusyError)


def of_framework(error: HTTPException) -> Response:
    """What the framework refuses."""
    code = _FRAMEWORK.get(error.status_code, "http_error")
    detail = {
        404: "there is no such address here; /openapi.json lists them",
        405: "this address does not take that method",
    }
    said = detail.get(error.status_code, str(error.detail))
    return problem(error.status_code, code, said, headers=error.headers)


def of_validation(error: RequestValidationError) -> Response:
    """What does not fit the schema, place by place, as text: values that were given are not repeated."""
    found = [
        {"at": ".".join(map(str, one["loc"]))[:MOST_LETTERS], "problem": str(one["msg"])[:MOST_LETTERS]}
        for one in islice(error.errors(), MOST_ERRORS)
    ]
    first = found[0] if found else {"at": "body", "problem": "it cannot be read"}
    detail = f"{first['at']}: {first['problem']}"
    return problem(422, "invalid_request", detail, members={"errors": found})
