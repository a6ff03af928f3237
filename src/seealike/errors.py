"""Every error seealike raises, by what the caller can do about it.

::

    SeealikeError
    |-- UsageError              the call is wrong: change the arguments
    |   |-- UnknownItemError    an id that is not in the catalogue
    |   |-- AmbiguousItemError  an id that several of the catalogues have
    |   |-- UnknownProductError a product that no item shows
    |   `-- UnknownNameError    an encoder, format or metric that does not exist; lists the known ones
    |-- CatalogError            this directory cannot be used as it is
    |   |-- NoCatalogError      there is no catalogue here: index first
    |   |-- CatalogExistsError  there is one already: open it
    |   |-- NewerFormatError    written by a newer seealike: upgrade
    |   |-- EncoderMismatchError  made by another encoder: use that one, or another catalogue
    |   |-- ReplacedCatalogError  it has another encoder since it was opened: open it again
    |   |-- DamagedCatalogError a file is damaged: `seealike verify --repair`
    |   |-- ForeignFileError    a link or no plain file lies where a file of its own should: take it away
    |   |-- LostItemsError      pictures that must be read again cannot be: put them back, or drop the items
    |   |-- CatalogBusyError    another process is writing, or holds what must be written: wait
    |   |-- UnreachableError    the engine that holds it does not answer: see that it runs, try again
    |   `-- StorageError        the disk refused (full, read-only, failing): free it and try again
    |-- SourceError             the folder or table to index cannot be read
    |   `-- UnreadSourcesError  some of several; has the ``report`` on the others
    |-- PictureError            one picture given as a query cannot be used; has a ``reason``
    |-- EncoderError            the encoder cannot be loaded or run
    |   |-- NoPlacesError       it gives no maps of places: ask without focus and explanations
    |   `-- NotOnHubError       the hub has no such file: look for another name, or revision
    |-- ServiceError            a service does not answer this request; has a ``code``, and when to try again
    `-- MissingExtraError       an optional package is needed; the message says how to install it

A bad picture *in a source* is never an exception: it is a :class:`~seealike.types.Skipped` row.
Messages are one line: what is wrong, then what to do.
"""

from __future__ import annotations

import importlib.util
import math
import os
import shlex
import sys
from collections.abc import Iterable, Sequence
from enum import StrEnum
from numbers import Integral, Real
from typing import Literal, TypeVar

from seealike.types import IndexReport, Skipped, SkipReason
from seealike.wording import closest, counted, did_you_mean

Named = TypeVar("Named", bound=StrEnum)


class SeealikeError(Exception):
    """The root of every error that seealike raises on purpose."""


class UsageError(SeealikeError):
    """The call cannot be carried out as it was made."""


class UnknownItemError(UsageError):
    """An id that is not in the catalogue. ``alike`` are a few that are, and may have been meant."""

    def __init__(self, item_id: str, alike: Iterable[str] = (), remedy: str = "") -> None:
        self.item_id, self.alike = item_id, tuple(alike)
        remedy = remedy or did_you_mean(self.alike) or "`seealike ls` lists the ids"
        super().__init__(f"no item has the id {item_id!r}; {remedy}")

    @classmethod
    def among(cls, item_id: str, near: Sequence[str]) -> UnknownItemError:
        """With those of some ids that may be meant: one of the same name elsewhere, and what is alike."""
        name = _basename(item_id)
        namesakes = [one for one in near if _basename(one) == name]
        return cls(item_id, dict.fromkeys((*namesakes[:1], *closest(item_id, near))))


def _basename(item_id: str) -> str:
    return item_id.rpartition("/")[2].casefold()


class AmbiguousItemError(UsageError):
    """An id that several of the catalogues have that are asked together: ask one of them alone."""

    def __init__(self, item_id: str, catalogs: Sequence[str]) -> None:
        self.item_id, self.catalogs = item_id, tuple(catalogs)
        both = " and ".join(self.catalogs[:2])
        super().__init__(f"both {both} have an item {item_id!r}; ask one of them alone")


class UnknownProductError(UsageError):
    """A product that no item shows. ``column`` says which product an item shows."""

    def __init__(self, column: str, name: str, alike: Iterable[str] = ()) -> None:
        self.column, self.name, self.alike = column, name, tuple(alike)
        remedy = did_you_mean(self.alike) or "`seealike ls --format csv` lists what there is"
        super().__init__(f"no item has the {column} {name!r}; {remedy}")


class UnknownNameError(UsageError):
    """A name outside a closed set. ``where`` it stands is said, if it is given."""

    def __init__(self, kind: str, name: str, known: Iterable[str], where: str = "") -> None:
        self.kind, self.name, self.known = kind, name, tuple(known)
        meant = did_you_mean(closest(name, self.known))
        what = f"unknown {kind} {name!r}{where and f' {where}'}"
        super().__init__(f"{what}; known: {', '.join(self.known)}{meant and f'; {meant}'}")


def known_member(names: type[Named], value: object, kind: str) -> Named:
    """The member of a closed set that a caller named: the member itself, or its text.

    Raises:
        UnknownNameError: there is none of that name; ``kind`` is what the set is called.
    """
    try:
        return names(str(value))
    except ValueError:
        raise UnknownNameError(kind, str(value), [member.value for member in names]) from None


def check_count(value: object, name: str) -> None:
    """Refuse what is no whole number of at least 1.

    Raises:
        UsageError: it is none.
    """
    if isinstance(value, bool) or not isinstance(value, Integral) or value < 1:
        raise UsageError(f"{name} must be a whole number of at least 1, not {value!r}")


def check_id(value: object) -> None:
    """Refuse what is no text, and so no item's id.

    Raises:
        UsageError: it is none.
    """
    if not isinstance(value, str):
        raise UsageError(f"an id is a text, not {type(value).__name__}")


def check_number(value: object, name: str) -> None:
    """Refuse what is no finite number: NaN passes every comparison.

    Raises:
        UsageError: it is none.
    """
    if isinstance(value, bool) or not isinstance(value, Real) or not math.isfinite(value):
        raise UsageError(f"{name} must be a finite number, not {value!r}")


def check_between(value: object, name: str, least: float, most: float) -> None:
    """Refuse what is no number from ``least`` to ``most``.

    Raises:
        UsageError: it is none.
    """
    check_number(value, name)
    if not least <= float(value) <= most:  # type: ignore[arg-type]  # it is a number
        raise UsageError(f"{name} must be a number from {least:g} to {most:g}, not {value!r}")


class CatalogError(SeealikeError):
    """The catalogue's directory cannot be used as it is."""

    def __init__(self, path: str, message: str) -> None:
        self.path = path
        super().__init__(message)


class NoCatalogError(CatalogError):
    """The directory holds no catalogue."""

    def __init__(self, path: str, what: str = "") -> None:
        there = f"{path} is no seealike catalogue" if os.path.lexists(path) else f"there is no {path}"
        inside = os.path.join(path, ".seealike")
        remedy = (
            f"open {inside}" if os.path.isdir(inside) else "make a catalogue with `seealike index FOLDER`"
        )
        super().__init__(path, f"{what or there}; {remedy}")


class CatalogExistsError(CatalogError):
    """A catalogue is there already, or something else is in the way."""

    def __init__(self, path: str, what: str = "holds a catalogue already; open it instead") -> None:
        super().__init__(path, f"{path} {what}")


class NewerFormatError(CatalogError):
    """The catalogue's format is newer than this program."""

    def __init__(self, path: str, found: int, supported: int) -> None:
        self.found, self.supported = found, supported
        super().__init__(
            path,
            f"{path} has catalogue format {found}, this seealike reads up to {supported}; upgrade seealike",
        )


class EncoderMismatchError(CatalogError):
    """The catalogue's vectors live in another embedding space."""

    def __init__(self, path: str, catalog_encoder: str, wanted_encoder: str) -> None:
        self.catalog_encoder, self.wanted_encoder = catalog_encoder, wanted_encoder
        super().__init__(
            path,
            f"{path} was made with encoder {catalog_encoder}, not {wanted_encoder}; "
            "use that encoder, or another --catalog, or move this one by `seealike reindex`",
        )


def repair_remedy(path: str) -> str:
    """What to type for a damaged catalogue: its directory, or its database."""
    directory = os.path.dirname(path) if path.endswith(".sqlite") else path
    return f"try `seealike verify --repair --catalog {shlex.quote(directory)}`"


class DamagedCatalogError(CatalogError):
    """A persisted file does not say what was written to it."""

    def __init__(self, path: str, file: str, what: str, remedy: str = "") -> None:
        self.file, self.what = file, what
        super().__init__(path, f"{file} is damaged ({what}); {remedy or repair_remedy(path)}")


class ReplacedCatalogError(CatalogError):
    """The catalogue has been moved to another encoder, or made anew with one, since it was opened."""

    def __init__(self, path: str) -> None:
        super().__init__(path, f"{path} has moved to another encoder since it was opened; open it again")


class ForeignFileError(CatalogError):
    """Something in a catalogue's directory is not what a catalogue has there; it is not touched."""

    def __init__(self, path: str, what: str) -> None:
        self.what = what
        super().__init__(
            path, f"{path} is {what}: nothing in a catalogue is followed or shared; take it away"
        )


class LostItemsError(CatalogError):
    """Some items cannot be encoded again; the catalogue stays as it is."""

    def __init__(self, path: str, lost: tuple[Skipped, ...]) -> None:
        self.lost = lost
        super().__init__(
            path,
            f"{path}: {counted(len(lost), 'item')} cannot be encoded again, the first is {lost[0].id!r} "
            f"({lost[0].detail}); put the pictures back, or drop the items with --drop-lost; nothing has "
            "been changed",
        )


class CatalogBusyError(CatalogError):
    """Another process is writing, or reading where a reader holds up a writer."""

    def __init__(self, path: str, holder: str, *, doing: Literal["written", "read"] = "written") -> None:
        self.holder = holder
        super().__init__(path, f"{path} is being {doing} by {holder}; try again when it has finished")


class UnreachableError(CatalogError):
    """The engine that holds a catalogue does not answer; whoever asks again finds it when it does."""

    def __init__(self, path: str, cause: str) -> None:
        self.cause = cause
        super().__init__(path, f"{path} cannot be reached: {cause}; see that it runs, then ask again")


class StorageError(CatalogError):
    """The file system refused an operation; the catalogue is as it was before."""

    def __init__(
        self, path: str, cause: str, remedy: str = "", *, doing: Literal["write", "read"] = "write"
    ) -> None:
        self.cause = cause
        safe = (
            "what was committed before is safe"
            if doing == "write"
            else "nothing has been changed; make it readable and try again"
        )
        message = f"cannot {doing} {path}: {cause}; {safe}"
        super().__init__(path, f"{message}; {remedy}" if remedy else message)


class SourceError(SeealikeError):
    """The folder, pattern or table to index cannot be read."""


class UnreadSourcesError(SourceError):
    """Some of a catalogue's sources cannot be read; the others are up to date.

    ``report`` says what was done to those, and is None where there are none.
    """

    def __init__(self, failures: Sequence[str], report: IndexReport | None) -> None:
        self.failures, self.report = tuple(failures), report
        others = "; the other sources are up to date" if report is not None else ""
        super().__init__(f"{'; '.join(failures)}{others}")


class PictureError(SeealikeError):
    """A picture given as a query cannot be used."""

    def __init__(self, name: str, reason: SkipReason, detail: str) -> None:
        self.name, self.reason, self.detail = name, reason, detail
        super().__init__(f"{name}: {reason.value}: {detail}")


class EncoderError(SeealikeError):
    """The encoder cannot be loaded or run."""


class NoPlacesError(EncoderError):
    """The encoder gives no maps, by which places in a picture are told apart."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(f"no places can be told apart by {name}: {why}")


class NotOnHubError(EncoderError):
    """A repository of a hub has no such file, or there is no such repository."""


class ServiceError(SeealikeError):
    """A service does not answer a request as it was made, or not now.

    ``code`` is one word for programs, ``status`` that of HTTP; after ``retry_after_s`` it may be tried again.
    """

    def __init__(
        self, code: str, message: str, *, status: int = 503, retry_after_s: int | None = None
    ) -> None:
        self.code, self.status, self.retry_after_s = code, status, retry_after_s
        super().__init__(message)


class MissingExtraError(SeealikeError):
    """An optional package is not installed."""

    def __init__(self, feature: str, extra: str) -> None:
        self.feature, self.extra = feature, extra
        super().__init__(f"{feature} needs an optional package: {_installing(extra)}")


def _installing(extra: str) -> str:
    """The command that puts an extra beside the seealike that runs, which need not be on the PATH."""
    python, package = shlex.quote(sys.executable or "python"), f"'seealike[{extra}]'"
    if importlib.util.find_spec("pip") is None:  # as in environments that uv has made
        return f"uv pip install {package} --python {python}"
    return f"{python} -m pip install {package}"
