"""How a table is laid out: which of its columns mean something, and in which encoding its text is."""

from __future__ import annotations

import codecs
import encodings.aliases
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from seealike.errors import SourceError, UnknownNameError, UsageError
from seealike.sources.rows import MEANINGS, PATH, repeated_name
from seealike.wording import closest, did_you_mean


@dataclass(frozen=True, slots=True)
class TableLayout:
    """How to read a table that is not laid out as usual.

    Args:
        columns: which of the table's columns means what: ``{"path": "image", "id": "sku"}``. One that has
            such a name but not the meaning is left out then.
        encoding: of CSV and JSON Lines; empty: UTF-8.

    Raises:
        UnknownNameError: a meaning is none of ``path``, ``id`` and ``group``.
        UsageError: a column has two meanings or no name, or there is no such encoding.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    encoding: str = ""

    def __post_init__(self) -> None:
        """Check all, and leave out what is as usual."""
        for meaning, name in self.columns.items():
            if meaning not in MEANINGS:
                raise UnknownNameError("meaning of a column", meaning, MEANINGS)
            if not name:
                raise UsageError(f"the column that is the {meaning} needs a name")
        repeated = repeated_name(self.columns.values())
        if repeated is not None:
            raise UsageError(f"the column {repeated!r} cannot have two meanings")
        unusual = {meaning: name for meaning, name in self.columns.items() if meaning != name}
        object.__setattr__(self, "columns", unusual)
        object.__setattr__(self, "encoding", _known_encoding(self.encoding))

    def renamed(self, names: Iterable[str]) -> tuple[str, ...]:
        """Return the columns' names with each meaning in the place of its column; empty for one left out."""
        meanings = {name: meaning for meaning, name in self.columns.items()}
        return tuple(meanings.get(name, "" if name in self.columns else name) for name in names)

    def check(self, label: str, names: Iterable[str], what: str = "") -> None:
        """Refuse a table that lacks a column; ``what`` says of what kind it must be.

        Raises:
            SourceError: one that is needed or named is not there. It lists those that are.
        """
        known = dict.fromkeys(filter(None, names))
        for name in (self.columns.get(PATH, PATH), *self.columns.values()):
            if name not in known:
                hint = "" if self.columns else "; --column path=NAME names the one that holds the paths"
                raise SourceError(
                    f"{label} has no column {name!r}{what}; its columns: {', '.join(known)}{hint}"
                )


def _known_encoding(name: object) -> str:
    """Return Python's own name for an encoding of text, nothing for UTF-8."""
    if not name:
        return ""
    try:
        codec = codecs.lookup(str(name))
        b"aa".decode(codec.name, "ignore")  # not all codecs are of text
    except (LookupError, ValueError) as exc:
        meant = did_you_mean(closest(str(name), sorted(set(encodings.aliases.aliases.values()))))
        usual = "usual ones are cp1252, latin-1, utf-16, shift_jis and gb18030"
        raise UsageError(f"there is no encoding {name!r}; {meant or usual}") from exc
    return "" if codec.name in {"utf-8", "utf-8-sig"} else codec.name


AS_USUAL = TableLayout()
