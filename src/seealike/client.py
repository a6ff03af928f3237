"""A catalogue that a service holds, asked as one that is here: the same methods, the same values.

Nothing but the standard library speaks HTTP. Safe to use from several threads.
"""

from __future__ import annotations

import json
import os
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import fields, replace
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote, urlencode, urlsplit

from seealike.catalog import Example, Facet, Facets, ItemsAt, SearchOptions
from seealike.errors import (
    CatalogBusyError,
    PictureError,
    ServiceError,
    UnknownItemError,
    UnknownProductError,
    UsageError,
    check_id,
)
from seealike.types import Crop, Cropped, Hit, ImageInput, Item, Metadata, Relation, Skipped, SkipReason

if TYPE_CHECKING:
    from http.client import HTTPConnection

TIMEOUT_S = 60.0
PAGE = 500
_DEFAULT = SearchOptions()
_PICTURE, _JSON = "application/octet-stream", "application/json"


class Client:
    """What ``seealike serve`` answers.

    Example:
        >>> client = seealike.Client("http://127.0.0.1:8765", key="...")  # doctest: +SKIP
        >>> client.search("photo.jpg", k=3)[0].id  # doctest: +SKIP
        'bag-101-front'
    """

    def __init__(self, url: str, *, key: str | None = None, timeout_s: float = TIMEOUT_S) -> None:
        """Ask nothing yet.

        Args:
            url: where the service is, such as ``http://127.0.0.1:8765``.
            key: what lets one in, if the service has keys.
            timeout_s: how long a reply may take.

        Raises:
            UsageError: the address is none of HTTP.
        """
        split = urlsplit(url)
        if split.scheme not in {"http", "https"} or not split.hostname:
            raise UsageError(f"a service is at an address such as http://127.0.0.1:8765, not {url!r}")
        self._host, self._port, self._path = split.hostname, split.port, split.path.rstrip("/")
        self._secure, self._timeout_s = split.scheme == "https", timeout_s
        self._headers = {} if key is None else {"authorization": f"Bearer {key}"}
        self._idle: deque[HTTPConnection] = deque()

    def __enter__(self) -> Self:
        """Use the client in a ``with`` block."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close its connections."""
        self.close()

    def close(self) -> None:
        """Close its connections; the next question opens another one."""
        with suppress(IndexError):
            while True:
                self._idle.pop().close()

    # -- what looks like what ----------------------------------------------------------------------

    def search(self, image: ImageInput, k: int = 10, *, options: SearchOptions = _DEFAULT) -> list[Hit]:
        """See ``Catalog.search``; a picture is a path or the bytes of a file."""
        image, options = _uncropped(image, options)
        return self._hits("POST", f"/search?{_query(_said(k, options))}", _bytes(image))

    def search_text(
        self, texts: Sequence[str], k: int = 10, *, options: SearchOptions = _DEFAULT
    ) -> list[list[Hit]]:
        """See ``Catalog.search_text``."""
        return [self._asked("/search", {**_said(k, options), "text": text}) for text in texts]

    def similar(self, item_id: str, k: int = 10, *, options: SearchOptions = _DEFAULT) -> list[Hit]:
        """See ``Catalog.similar``."""
        return self._asked("/search", {**_said(k, options), "id": item_id})

    def similar_batch(
        self, ids: Sequence[str], k: int = 10, *, options: SearchOptions = _DEFAULT
    ) -> list[list[Hit]]:
        """See ``Catalog.similar_batch``."""
        return [self.similar(item_id, k, options=options) for item_id in ids]

    def recommend(
        self,
        like: Sequence[str | Example] = (),
        dislike: Sequence[str | Example] = (),
        k: int = 10,
        *,
        options: SearchOptions = _DEFAULT,
    ) -> list[Hit]:
        """See ``Catalog.recommend``. Pictures are uploaded first."""
        said = _said(k, options)
        both = {"like": [*map(self._example, like)], "dislike": [*map(self._example, dislike)]}
        return self._asked("/recommend", {**said, **both})

    # -- what there is -----------------------------------------------------------------------------

    def __len__(self) -> int:
        """The number of items."""
        return int(str(self._json("GET", "/stats")["items"]))

    def __contains__(self, item_id: object) -> bool:
        """Whether there is an item with this id."""
        try:
            return isinstance(item_id, str) and bool(self.item(item_id))
        except UsageError:  # no such item, or none can have such an id
            return False

    @property
    def generation(self) -> int:
        """Grows with every committed change."""
        return int(str(self._json("GET", "/stats")["generation"]))

    def item(self, item_id: str) -> Item:
        """See ``Catalog.item``. Its path is the service's own business."""
        return _item(self._json("GET", f"/items/{_part(item_id)}"))

    def items(self) -> Iterator[Item]:
        """Every item, in id order, some hundreds at a time."""
        start: object = ""
        while start is not None:
            page = self._json("GET", f"/items?{_query({'start': start, 'limit': PAGE})}")
            yield from map(_item, _rows(page["items"]))
            start = page["next"]

    def items_from(self, item_id: str, count: int) -> list[Item]:
        """See ``Catalog.items_from``; at most 1000 at once."""
        page = self._json("GET", f"/items?{_query({'start': item_id, 'limit': count})}")
        return [*map(_item, _rows(page["items"]))]

    def items_at(self, place: int, count: int, step: int = 1) -> ItemsAt:
        """See ``Catalog.items_at``; at most 1000 at once."""
        page = self._json("GET", f"/items?{_query({'at': place, 'limit': count, 'step': step})}")
        return ItemsAt(int(str(page["generation"])), [*map(_item, _rows(page["items"]))])

    def skipped(self) -> list[Skipped]:
        """See ``Catalog.skipped``. Their paths are the service's own business."""
        return [*self.iter_skipped()]

    def iter_skipped(self) -> Iterator[Skipped]:
        """``skipped``, some hundreds at a time."""
        start: object = ""
        while start is not None:
            page = self._json("GET", f"/skipped?{_query({'start': start, 'limit': PAGE})}")
            for row in _rows(page["skipped"]):
                yield Skipped(str(row["id"]), "", SkipReason(str(row["reason"])), str(row["detail"]))
            start = page["next"]

    def facets(
        self, where: str | None = None, *, columns: Sequence[str] | None = None, most: int = 50
    ) -> Facets:
        """See ``Catalog.facets``."""
        said = {"where": where, "columns": columns, "most": most}
        asked = _query({name: value for name, value in said.items() if value is not None})
        told = self._json("GET", f"/facets?{asked}")
        generation, total, of = (int(str(told[name])) for name in ("generation", "total", "of"))
        return Facets(generation, total, of, tuple(map(_facet, _rows(told["columns"]))))

    def thumbnail(self, item_id: str, side_px: int = 240) -> bytes:
        """A small JPEG of an item, without its metadata."""
        return self._reply("GET", f"/images/{_part(item_id)}?size={side_px}")

    # -- changes -----------------------------------------------------------------------------------

    def add(
        self, item_id: str, image: ImageInput, *, group: str | None = None, metadata: Metadata | None = None
    ) -> None:
        """See ``Catalog.add``. The same again changes nothing."""
        about = {} if group is None else {"group": group}
        query = _query(about | {"metadata": json.dumps(metadata or {})})
        self._reply("PUT", f"/items/{_part(item_id)}?{query}", _bytes(image))

    def remove(self, ids: Iterable[str]) -> int:
        """Remove items; those that are not there are removed already. The number removed."""
        removed = 0
        for item_id in ids:
            reply, again = self._exchange("DELETE", f"/items/{_part(item_id)}")
            removed += again or json.loads(reply)["change"] == "removed"  # what was lost may have removed it
        return removed

    # -- HTTP --------------------------------------------------------------------------------------

    def _asked(self, address: str, question: Mapping[str, object]) -> list[Hit]:
        return self._hits("POST", address, json.dumps(question).encode(), _JSON)

    def _hits(self, method: str, address: str, body: bytes, kind: str = _PICTURE) -> list[Hit]:
        return [_hit(row) for row in _rows(self._json(method, address, body, kind)["hits"])]

    def _example(self, example: str | Example) -> Mapping[str, object]:
        example = Example(example) if isinstance(example, str) else example
        if example.vector is not None:
            raise UsageError("a service is asked with items, products, pictures and words, not with vectors")
        said: dict[str, object] = {"weight": example.weight}
        said |= {name: getattr(example, name) for name in ("id", "product", "text")}
        crop = example.crop
        if example.image is not None:
            image, options = _uncropped(example.image, replace(_DEFAULT, crop=crop))
            said["image"], crop = self._json("POST", "/images", _bytes(image))["image"], options.crop
        said["crop"] = None if crop is None else str(crop)
        return {name: value for name, value in said.items() if value is not None}

    def _json(self, method: str, address: str, body: bytes = b"", kind: str = _PICTURE) -> dict[str, object]:
        found: dict[str, object] = json.loads(self._reply(method, address, body, kind))
        return found

    def _reply(self, method: str, address: str, body: bytes = b"", kind: str = _PICTURE) -> bytes:
        return self._exchange(method, address, body, kind)[0]

    def _exchange(
        self, method: str, address: str, body: bytes = b"", kind: str = _PICTURE
    ) -> tuple[bytes, bool]:
        """The body of a reply, and whether it was asked for twice.

        Raises:
            SeealikeError: what the service says is wrong; ``ServiceError`` where it cannot be reached.
        """
        from http.client import HTTPException

        headers = self._headers | ({"content-type": kind} if body else {})
        for fresh in (False, True):
            connection = self._connection(fresh=fresh)
            try:
                connection.request(method, self._path + address, body or None, headers)
                reply = connection.getresponse()
                data = reply.read()
            except (OSError, HTTPException) as exc:
                connection.close()
                # A connection that was kept may have been closed meanwhile; asking twice is as asking once.
                if fresh or isinstance(exc, TimeoutError):
                    where = f"{self._host}:{connection.port}"
                    raise ServiceError(
                        "unreachable", f"the service at {where} does not answer: {exc}"
                    ) from exc
                continue
            except BaseException:  # interrupted amidst a reply, which nobody is to take for the next one's
                connection.close()
                raise
            self._idle.append(connection)
            if reply.status >= 400:
                raise _error(reply.status, data, reply.headers.get("retry-after"))
            return data, fresh
        raise AssertionError("unreachable")

    def _connection(self, *, fresh: bool) -> HTTPConnection:
        """One that nobody uses meanwhile: there are as many as threads ask at a time."""
        from http.client import HTTPConnection, HTTPSConnection

        with suppress(IndexError):
            if not fresh:
                return self._idle.pop()
        kind = HTTPSConnection if self._secure else HTTPConnection
        return kind(self._host, self._port, timeout=self._timeout_s)


def _said(k: int, options: SearchOptions) -> dict[str, object]:
    """Wishes as a service reads them, but for those that are not there."""
    said: dict[str, object] = {"k": k}
    for field in fields(SearchOptions):
        value = getattr(options, field.name)
        if value != getattr(_DEFAULT, field.name):
            said[field.name] = str(value) if isinstance(value, Crop) else value
    if options.boost:
        said["boost"] = [f"{column}:{weight!r}" for column, weight in options.boost]
    return said


def _uncropped(image: ImageInput, options: SearchOptions) -> tuple[ImageInput, SearchOptions]:
    """A picture, whose crop has become one of the wishes."""
    if not isinstance(image, Cropped):
        return image, options
    if options.crop is not None:
        raise UsageError("the picture has a crop already: leave one of the two out")
    return image.image, replace(options, crop=image.crop)


def _bytes(image: ImageInput) -> bytes:
    if isinstance(image, bytes):
        return image
    if not isinstance(image, str | os.PathLike):
        raise UsageError(f"a service is asked with paths or bytes, not {type(image).__name__}")
    try:
        with open(image, "rb") as file:
            return file.read()
    except OSError as exc:
        name = os.fspath(image)
        raise PictureError(name, SkipReason.UNREADABLE, exc.strerror or str(exc)) from exc


def _part(item_id: str) -> str:
    check_id(item_id)
    with _valid_unicode():
        return quote(item_id, safe="")


def _query(said: Mapping[str, object]) -> str:
    with _valid_unicode():
        return urlencode(said, doseq=True)


@contextmanager
def _valid_unicode() -> Iterator[None]:
    try:
        yield
    except UnicodeEncodeError as exc:
        raise UsageError(f"{exc.object!r} is not valid Unicode: {exc.reason}") from exc


def _rows(value: object) -> list[dict[str, object]]:
    assert isinstance(value, list)
    return value


def _hit(row: dict[str, object]) -> Hit:
    relation = row["relation"]
    return Hit(
        id=str(row["id"]),
        score=float(str(row["score"])),
        path=None,
        group=_text(row["group"]),
        metadata=_metadata(row["metadata"]),
        others=int(str(row["others"])),
        near=int(str(row["near"])),
        relation=None if relation is None else Relation(str(relation)),
        probability=_number(row["probability"]),
        colour=_number(row["colour"]),
        catalog=_text(row.get("catalog")),
        width_px=int(str(row["width_px"])),
        height_px=int(str(row["height_px"])),
    )


def _item(row: dict[str, object]) -> Item:
    size = int(str(row["width_px"])), int(str(row["height_px"]))
    return Item(str(row["id"]), None, _text(row["group"]), _metadata(row["metadata"]), *size)


def _facet(row: dict[str, Any]) -> Facet:
    return Facet(**row | {"values": tuple((one["value"], one["count"]) for one in row["values"])})


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _number(value: object) -> float | None:
    return None if value is None else float(str(value))


def _metadata(value: object) -> Metadata:
    assert isinstance(value, dict)
    return value


def _error(status: int, data: bytes, retry_after: str | None) -> Exception:
    """The error of the library that a problem is."""
    try:
        problem = json.loads(data)
        code, detail = str(problem["code"]), str(problem["detail"])
    except (ValueError, KeyError, TypeError):
        return ServiceError("no_problem_details", f"the service answers {status}", status=status)
    again = int(retry_after) if retry_after and retry_after.isdigit() else None
    error: Exception = ServiceError(code, detail, status=status, retry_after_s=again)
    match code:
        case "unusable_picture":
            name, _, said = detail.partition(f": {problem['reason']}: ")
            error = PictureError(name, SkipReason(problem["reason"]), said)
        case "catalog_busy":
            error = CatalogBusyError("the service's catalogue", "another process")
        case "unknown_item":
            error = UnknownItemError(str(problem["id"]), problem["alike"])
        case "unknown_product":
            error = UnknownProductError(str(problem["column"]), str(problem["name"]), problem["alike"])
        case "unknown_name" | "invalid_query" | "invalid_request":
            error = UsageError(detail)
    return error
