"""Hits and items as replies say them: valid Unicode, addresses instead of paths."""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import os
import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple, Self
from urllib.parse import quote, unquote, urlsplit

import orjson
from starlette.requests import Request
from starlette.responses import Response

from seealike.catalog import Facet, is_address
from seealike.errors import UnknownItemError
from seealike.sources.ids import printable
from seealike.types import Hit, Item, Metadata, MetadataValue, PathInput, Skipped

Json = Mapping[str, object]
UNCHANGED = {"description": "It has not changed."}  # what 304 means
_ABSOLUTE = re.compile(r"""(?<![^\s'"(=:])(/|\\\\|~|[A-Za-z]:[\\/]|file:)""")  # begins a path
_GZIP = re.compile(r"\bgzip\b(?!\s*;\s*q=0(\.0*)?\s*(,|$))")


def item_address(item_id: str) -> str:
    """An id as part of an address."""
    return quote(item_id, safe="")


def item_named(part: str) -> str:
    """The id that ``item_address`` made part of an address.

    Raises:
        UnknownItemError: it is no UTF-8, as all ids are.
    """
    try:
        return unquote(part, errors="strict")
    except UnicodeDecodeError:
        raise UnknownItemError(unquote(part, errors="backslashreplace")) from None


def shown_hits(hits: Sequence[Hit]) -> bytes:
    """Hits with their ranks, as JSON already: many take a while, so threads make them; see ``HitOut``.

    Nearly always they can be said as they are; what cannot, the library refuses.
    """
    try:
        return orjson.dumps([_hit(rank, hit, hit.metadata) for rank, hit in enumerate(hits, 1)])
    except orjson.JSONEncodeError:
        return orjson.dumps([_hit(rank, hit, _metadata(hit.metadata)) for rank, hit in enumerate(hits, 1)])


def _hit(rank: int, hit: Hit, metadata: Metadata) -> Json:
    shown: dict[str, object] = {
        "rank": rank,
        "id": printable(hit.id),
        "score": round(float(hit.score), 6) + 0.0,
        "group": None if hit.group is None else printable(hit.group),
        "metadata": metadata,
        "others": hit.others,
        "near": hit.near,
        "relation": None if hit.relation is None else hit.relation.value,
        "probability": hit.probability,
        "colour": hit.colour,
        "image": _image(hit),
        "width_px": hit.width_px,
        "height_px": hit.height_px,
    }
    if hit.catalog is not None:
        shown["catalog"] = shown_name(hit.catalog)
    if hit.explanation is not None:
        shown["explanation"] = _plain(dataclasses.asdict(hit.explanation))
    return shown


def shown_item(item: Item) -> Json:
    """An item; see ``ItemOut``."""
    return {
        "id": printable(item.id),
        "group": None if item.group is None else printable(item.group),
        "metadata": _metadata(item.metadata),
        "width_px": item.width_px,
        "height_px": item.height_px,
        "image": _image(item),
    }


def reply(
    body: Json | Sequence[Json], status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """A reply as JSON, made once: what is shown has been checked where it was made."""
    return Response(orjson.dumps(body), status, headers, media_type="application/json")


def tagged(
    request: Request,
    data: bytes,
    tag: str,
    media_type: str,
    headers: Mapping[str, str] = MappingProxyType({}),
) -> Response:
    """A reply that is known by its ``tag``: empty for whoever has it already."""
    told = {"etag": f'"{tag}"', "cache-control": "private, max-age=60", **headers}
    if told["etag"] in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=told)
    return Response(data, media_type=media_type, headers=told)


class Packed(NamedTuple):
    """What is sent again and again: as it is, packed by gzip, and what changes when it does."""

    data: bytes
    gzipped: bytes
    tag: str

    @classmethod
    def of(cls, data: bytes, level: int = 1) -> Self:
        """Pack it; the highest ``level`` is 9."""
        tag = hashlib.sha256(data).hexdigest()[:32]
        return cls(data, gzip.compress(data, compresslevel=level, mtime=0), tag)


def tagged_either_way(
    request: Request, packed: Packed, media_type: str, headers: Mapping[str, str]
) -> Response:
    """``tagged`` for what is packed already: as the client reads it."""
    headers = {**headers, "vary": "accept-encoding"}
    if _GZIP.search(request.headers.get("accept-encoding", "")) is None:
        return tagged(request, packed.data, packed.tag, media_type, headers)
    headers |= {"content-encoding": "gzip"}
    return tagged(request, packed.gzipped, f"{packed.tag}-gzip", media_type, headers)


def shown_name(path: PathInput) -> str:
    """What a catalogue is called in public: its folder's last part, or that of the one which it is of."""
    if is_address(path):
        return printable(urlsplit(str(path)).path.strip("/") or "catalogue")
    folder, name = os.path.split(os.path.abspath(os.fsdecode(path)))
    return printable((os.path.basename(folder) if name.startswith(".") else name) or "catalogue")


def _image(shown: Hit | Item) -> str | None:
    return None if shown.path is None else f"/images/{item_address(shown.id)}"


def shown_skipped(skipped: Skipped) -> Json:
    """A file that is left out; see ``SkippedOut``. From where its detail names a path, it ends."""
    detail = printable(skipped.detail)
    path = _ABSOLUTE.search(detail)
    shown = detail if path is None else detail[: path.start()].rstrip() + " …"
    return {"id": printable(skipped.id), "reason": skipped.reason.value, "detail": shown}


def shown_facet(facet: Facet) -> Json:
    """A column of a catalogue; see ``FacetOut``."""
    return {
        "name": printable(facet.name),
        "kind": facet.kind,
        "distinct": facet.distinct,
        "missing": facet.missing,
        "least": _value(facet.least),
        "most": _value(facet.most),
        "values": [{"value": _value(value), "count": count} for value, count in facet.values],
        "more": facet.more,
    }


def _metadata(metadata: Metadata) -> dict[str, MetadataValue]:
    return {printable(name): _value(value) for name, value in metadata.items()}


def _value(value: MetadataValue) -> MetadataValue:
    """A value as JSON of everybody has it: in valid Unicode, and no whole number of more than 64 bits."""
    if isinstance(value, str):
        return printable(value)
    return float(value) if isinstance(value, int) and not -(2**63) <= value < 2**64 else value


def _plain(value: object) -> object:
    """Without bytes, which are pictures, and in valid Unicode."""
    if isinstance(value, Mapping):
        return {name: _plain(part) for name, part in value.items() if not isinstance(part, bytes)}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    return printable(value) if isinstance(value, str) else value
