"""Tables of one JSON object a line."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from dataclasses import dataclass

from seealike.errors import SourceError
from seealike.sources.files import error_detail
from seealike.sources.ids import IdLedger, RepeatFinder
from seealike.sources.rows import (
    LONGEST_ROW,
    PATH,
    TOO_LONG,
    BadRow,
    Row,
    key_of,
    repeated_name,
    typed_row,
)
from seealike.sources.utf8 import not_utf8_error


@dataclass(frozen=True, slots=True)
class JsonlRows:
    """A JSON Lines file."""

    path: str
    label: str
    unit: str = "line"

    def read(self) -> tuple[IdLedger, Iterator[Row | BadRow]]:
        """Find the repeated ids; see the protocol."""
        repeats = RepeatFinder()
        objects, with_path = 0, 0
        for _, cells in self._objects():
            if not isinstance(cells, str):
                objects += 1
                with_path += PATH in cells
                repeats.see(key_of(cells))
        if objects and not with_path:
            raise SourceError(f"no line of {self.label} has a 'path'")
        return repeats.ledger(), self._rows()

    def _rows(self) -> Iterator[Row | BadRow]:
        for number, cells in self._objects():
            yield BadRow(number, cells) if isinstance(cells, str) else typed_row(number, cells)

    def _objects(self) -> Iterator[tuple[int, dict[str, object] | str]]:
        """Yield every line that is not blank: its number, and its object or what is wrong with it."""
        for number, line in enumerate(self._lines(), 1):
            if line is None:
                yield number, TOO_LONG
            elif line and not line.isspace():
                yield number, _object_in(line)

    def _lines(self) -> Iterator[str | None]:
        """Yield every line, or ``None`` for one that is too long to be a row."""
        try:
            with open(self.path, "rb") as stream:
                first = codecs.BOM_UTF8
                while line := stream.readline(LONGEST_ROW):
                    if len(line) < LONGEST_ROW or line.endswith(b"\n"):
                        yield line.removeprefix(first).decode("utf-8")
                    else:
                        while line and not line.endswith(b"\n"):
                            line = stream.readline(LONGEST_ROW)
                        yield None
                    first = b""
        except UnicodeDecodeError as exc:
            raise not_utf8_error(self.path, self.label) from exc
        except OSError as exc:
            raise SourceError(f"cannot read {self.label}: {error_detail(exc)}") from exc


def _object_in(line: str) -> dict[str, object] | str:
    """Return a line's JSON object, or what is wrong with it."""
    try:
        found: object = json.loads(line, parse_constant=_undefined, object_pairs_hook=_unambiguous)
    except _RepeatedKeyError as exc:
        return str(exc)
    except (ValueError, RecursionError) as exc:
        return f"not JSON: {exc}"
    return found if isinstance(found, dict) else "not a JSON object"


class _RepeatedKeyError(Exception):
    """An object says two things of one key."""


def _unambiguous(pairs: list[tuple[str, object]]) -> dict[str, object]:
    made = dict(pairs)
    if len(made) < len(pairs):
        raise _RepeatedKeyError(f"the key {repeated_name(name for name, _ in pairs)!r} occurs more than once")
    return made


def _undefined(_: str) -> None:
    """Read ``NaN`` and ``Infinity``, which JSON does not know, as nothing."""
