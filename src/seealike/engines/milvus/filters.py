"""Pieces of a filter with parameters: what is compared never stands in its text.

milvus-lite knows no parameters: for it alone values are written, each by its type.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

Value: TypeAlias = "str | int | float | bool"
_MARK = "{}"
_ESCAPED = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_ESCAPES = re.compile(r'[\\"\n\r\t]')


class Filter(NamedTuple):
    """A piece of a filter. Its text has ``{}`` where a value, or a list of them, belongs."""

    text: str
    values: tuple[Value | Sequence[Value], ...] = ()

    def asked(self, *, is_lite: bool) -> dict[str, object]:
        """What the client is told."""
        if is_lite:
            pieces = self.text.split(_MARK)
            written = [*map(_written, self.values), ""]
            return {
                "filter": "".join(f"{piece}{value}" for piece, value in zip(pieces, written, strict=True))
            }
        names = [f"p{number}" for number in range(len(self.values))]
        plain = [one if isinstance(one, str | int | float) else list(one) for one in self.values]
        text = self.text.format(*(f"{{{name}}}" for name in names))
        return {"filter": text, "filter_params": dict(zip(names, plain, strict=True))}


EVERYTHING = Filter("key > {}", (0,))


def joined(joint: str, parts: Sequence[Filter]) -> Filter:
    """Several pieces as one."""
    if len(parts) == 1:
        return parts[0]
    text = f" {joint} ".join(part.text for part in parts)
    return Filter(f"({text})", tuple(value for part in parts for value in part.values))


def both(*parts: Filter | None) -> Filter | None:
    """What all of them keep; ``None`` is what nothing keeps."""
    kept = [part for part in parts if part is not None]
    return joined("and", kept) if len(kept) == len(parts) else None


def either(*parts: Filter | None) -> Filter | None:
    """What any of them keeps; ``None`` is what nothing keeps."""
    kept = [part for part in parts if part is not None]
    return joined("or", kept) if kept else None


def one_of(name: str, values: Sequence[Value]) -> Filter:
    """What has one of some values in a field."""
    return Filter(f"({name} in {_MARK})", (tuple(values),))


def compared(name: str, sign: str, value: Value) -> Filter:
    """What compares so with a value in a field."""
    return Filter(f"({name} {sign} {_MARK})", (value,))


def _written(value: Value | Sequence[Value]) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return '"' + _ESCAPES.sub(lambda found: _ESCAPED[found[0]], value) + '"'
    if isinstance(value, int | float):
        return repr(value)
    return f"[{', '.join(map(_written, value))}]"
