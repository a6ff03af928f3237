"""Tables of one JSON object a line."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from dataclasses import dataclass

from seealike.errors import SourceError
from seealike.sources.files import error_detail
from seealike.sources.ids import IdLedger, RepeatFinder
from seealike.sources.rows import GROUP, ID, PATH, BadRow, Row, clean, key_of, make_row
from seealike.sources.utf8 import LONGEST_CELL, not_utf8_error

_RESERVED = frozenset({PATH, ID, GROUP})


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
            if isinstance(cells, str):
                yield BadRow(number, cells)
                continue
            metadata = {
                clean_name: clean(value)
                for name, value in cells.items()
                if name not in _RESERVED and (clean_name := str(clean(name)))
            }
            yield make_row(number, cells, metadata)

    def _objects(self) -> Iterator[tuple[int, dict[str, object] | str]]:
        """Yield every line that is not blank: its number, and its object or what is wrong with it."""
        for number, line in enumerate(self._lines(), 1):
            if not line or line.isspace():
                continue
            try:
                found: object = json.loads(line, parse_constant=_undefined)
            except (ValueError, RecursionError) as exc:
                yield number, f"not JSON: {exc}"
                continue
            yield number, found if isinstance(found, dict) else "not a JSON object"

    def _lines(self) -> Iterator[str]:
        try:
            with open(self.path, "rb") as stream:
                number = 0
                while line := stream.readline(LONGEST_CELL):
                    number += 1
                    if len(line) == LONGEST_CELL and not line.endswith(b"\n"):
                        raise SourceError(f"{self.label}: line {number} is longer than {LONGEST_CELL} bytes")
                    yield (line.removeprefix(codecs.BOM_UTF8) if number == 1 else line).decode("utf-8")
        except UnicodeDecodeError as exc:
            raise not_utf8_error(self.path, self.label) from exc
        except OSError as exc:
            raise SourceError(f"cannot read {self.label}: {error_detail(exc)}") from exc


def _undefined(_: str) -> None:
    """Read ``NaN`` and ``Infinity``, which JSON does not know, as nothing."""
