"""Tables of one JSON object a line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from seealike.sources.ids import IdLedger, RepeatFinder
from seealike.sources.layout import AS_USUAL, TableLayout
from seealike.sources.rows import PATH, TOO_LONG, BadRow, Row, key_of, repeated_name, typed_row
from seealike.sources.text import TooLongError, opened_text

_NAMES_LISTED = 50


@dataclass(frozen=True, slots=True)
class JsonlRows:
    """A JSON Lines file. The names it has are known once it has been read."""

    path: str
    label: str
    layout: TableLayout = AS_USUAL
    unit: str = "line"

    def read(self) -> tuple[IdLedger, Iterator[Row | BadRow]]:
        """Find the repeated ids; see the protocol."""
        repeats = RepeatFinder()
        missing = {self.layout.columns.get(PATH, PATH), *self.layout.columns.values()}
        names: dict[str, None] = {}
        for _, cells in self._objects():
            if not isinstance(cells, str):
                if missing or len(names) < _NAMES_LISTED:
                    missing -= cells.keys()
                    names.update(dict.fromkeys(cells))
                repeats.see(key_of(self._renamed(cells)))
        if names and missing:
            self.layout.check(self.label, names)
        return repeats.ledger(), self._rows()

    def _rows(self) -> Iterator[Row | BadRow]:
        for number, cells in self._objects():
            if isinstance(cells, str):
                yield BadRow(number, cells)
            else:
                yield typed_row(number, self._renamed(cells))

    def _renamed(self, cells: dict[str, object]) -> dict[str, object]:
        if not self.layout.columns:
            return cells
        return dict(zip(self.layout.renamed(cells), cells.values(), strict=True))

    def _objects(self) -> Iterator[tuple[int, dict[str, object] | str]]:
        """Yield every line that is not blank: its number, and its object or what is wrong with it."""
        with opened_text(self.path, self.label, self.layout.encoding, ("\n",)) as lines:
            while True:
                lines.length = 0
                try:
                    line = next(lines, None)
                except TooLongError:
                    yield lines.number, TOO_LONG
                    continue
                if line is None:
                    return
                if not line.isspace():
                    yield lines.number, _object_in(line)


def _object_in(line: str) -> dict[str, object] | str:
    """Return a line's JSON object, or what is wrong with it."""
    try:
        value: object = json.loads(line, parse_constant=_undefined, object_pairs_hook=_unambiguous)
    except _RepeatedKeyError as exc:
        return str(exc)
    except (ValueError, RecursionError) as exc:
        return f"not JSON: {exc}"
    return value if isinstance(value, dict) else "not a JSON object"


class _RepeatedKeyError(Exception):
    """An object says two things of one key."""


def _unambiguous(pairs: list[tuple[str, object]]) -> dict[str, object]:
    made = dict(pairs)
    if len(made) < len(pairs):
        raise _RepeatedKeyError(f"the key {repeated_name(name for name, _ in pairs)!r} occurs more than once")
    return made


def _undefined(_: str) -> None:
    """Read ``NaN`` and ``Infinity``, which JSON does not know, as nothing."""
