"""What people have decided about duplicates, kept in a file of their own: never asked for twice, never lost.

A decision is about some items with the content they had. It holds while they have it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from seealike.errors import StorageError, UsageError

MARK = "seealike decisions"
VERSION = 1
Content: TypeAlias = "tuple[str, bytes | None]"  # an item's id, and the SHA-256 of its file


@dataclass(frozen=True, slots=True)
class Decision:
    """Which of some items are kept. Items without a file have no SHA-256."""

    kept: frozenset[Content]
    dropped: frozenset[Content] = frozenset()


class Decisions:
    """Any number of decisions; a later one about an item counts more."""

    def __init__(self, decisions: Iterable[Decision] = ()) -> None:
        """Take notes of them."""
        self._all = tuple(decisions)
        self._of: dict[Content, list[int]] = {}
        for number, decision in enumerate(self._all):
            for content in (*decision.kept, *decision.dropped):
                self._of.setdefault(content, []).append(number)

    def __iter__(self) -> Iterator[Decision]:
        """From the first to the last."""
        return iter(self._all)

    def __len__(self) -> int:
        """How many."""
        return len(self._all)

    def both_kept(self, one: Content, other: Content) -> bool:
        """Whether two items are kept beside each other on purpose, as of the last decision about both."""
        if one not in self._of or other not in self._of:
            return False
        about = set(self._of[one]) & set(self._of[other])
        return bool(about) and {one, other} <= self._all[max(about)].kept

    def kept_of(self, contents: Iterable[Content]) -> frozenset[Content] | None:
        """Which of a group are kept, where one decision is about all of it and keeps some of it."""
        wanted = list(contents)
        if not all(content in self._of for content in wanted):
            return None
        about = set.intersection(*(set(self._of[content]) for content in wanted))
        kept = self._all[max(about)].kept & frozenset(wanted) if about else frozenset()
        return kept or None


def read_decisions(path: str) -> Decisions:
    """Read the file that a page of duplicates gave.

    Raises:
        UsageError: it is no such file.
        StorageError: it cannot be read.
    """
    try:
        with open(path, encoding="utf-8") as file:
            return parsed_decisions(file.read(), path)
    except OSError as exc:
        raise StorageError(path, exc.strerror or str(exc), doing="read") from exc
    except UnicodeDecodeError:
        raise _no_decisions(path) from None


def parsed_decisions(text: str, name: str) -> Decisions:
    """Decisions from their text; ``name`` is the file's, for messages.

    Raises:
        UsageError: it says something else.
    """
    try:
        found = json.loads(text)
        if found["format"] != MARK or found["version"] != VERSION:
            raise _no_decisions(name)
        return Decisions(_decision(one) for one in found["decisions"])
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        raise _no_decisions(name) from None


def _decision(found: Mapping[str, object]) -> Decision:
    return Decision(_contents(found["keep"]), _contents(found["drop"]))


def _contents(found: object) -> frozenset[Content]:
    if not isinstance(found, list):
        raise TypeError
    return frozenset(
        (str(one["id"]), None if one["sha256"] is None else bytes.fromhex(one["sha256"])) for one in found
    )


def as_plain(decisions: Decisions) -> list[dict[str, object]]:
    """Decisions as JSON has them."""
    return [
        {"keep": contents_as_plain(one.kept), "drop": contents_as_plain(one.dropped)} for one in decisions
    ]


def contents_as_plain(contents: Iterable[Content]) -> list[dict[str, str | None]]:
    """Ids and digests as JSON has them."""
    return [
        {"id": item_id, "sha256": None if digest is None else digest.hex()} for item_id, digest in contents
    ]


def _no_decisions(name: str) -> UsageError:
    return UsageError(
        f"{name} is no file of decisions; save one from the page of `seealike duplicates --page`"
    )
