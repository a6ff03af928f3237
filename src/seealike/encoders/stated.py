"""A JSON object that somebody wrote about a model, read strictly: wrong settings make vectors quietly worse.

Who reads it says whose it is, and turns ``WrongError`` into an error with that in front.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping

from seealike.encoders.spec import MAX_SIDE_PX, Triple

_LEAST_SHARE = 0.01


class WrongError(Exception):
    """What is wrong with such an object."""


class Stated:
    """The object, by its keys."""

    def __init__(self, content: object, what: str = "it") -> None:
        """``what`` is called wrong where ``content`` is no object.

        Raises:
            WrongError: it is none.
        """
        if not isinstance(content, dict):
            raise WrongError(f"{what} is no JSON object")
        self.found: dict[str, object] = content

    def says(self, key: str) -> bool:
        """Whether something stands there, null not counted."""
        return self.found.get(key) is not None

    def check_keys(self, known: Collection[str], *, optional: Collection[str]) -> None:
        """Refuse unknown keys, and missing ones that are not ``optional``.

        Raises:
            WrongError: it names the first of them.
        """
        if unknown := sorted(self.found.keys() - set(known)):
            raise WrongError(f"{unknown[0]!r} is unknown; known: {', '.join(sorted(known))}")
        if missing := sorted(set(known) - set(optional) - self.found.keys()):
            raise WrongError(f"{missing[0]} is missing")

    def text(self, key: str, *, empty: bool = False) -> str:
        """A line of text.

        Raises:
            WrongError: it is none.
        """
        value = self._value(key)
        if not isinstance(value, str) or not (value or empty) or not value.isprintable():
            raise WrongError(f"{key} is not a line of text")
        return value

    def optional_text(self, key: str) -> str | None:
        """The same, None where nothing is said.

        Raises:
            WrongError: it is none.
        """
        return self.text(key) if self.says(key) else None

    def flag(self, key: str, otherwise: bool | None = None) -> bool:
        """True or false; ``otherwise`` where nothing is said, unless that is None.

        Raises:
            WrongError: it is neither.
        """
        value = self.found.get(key)
        if value is None and otherwise is not None:
            return otherwise
        if not isinstance(value, bool):
            raise WrongError(f"{key} is neither true nor false")
        return value

    def choice(self, key: str, known: Iterable[str], otherwise: str | None = None) -> str:
        """One of the ``known`` words; ``otherwise`` where nothing is said, unless that is None.

        Raises:
            WrongError: it is another.
        """
        value = self.found.get(key)
        if value is None and otherwise is not None:
            return otherwise
        if not isinstance(value, str) or value not in known:
            self._value(key)
            raise WrongError(f"{key} is {value!r}, not one of {', '.join(known)}")
        return value

    def side(self, key: str) -> int:
        """A side in pixels.

        Raises:
            WrongError: it is none.
        """
        return side_of(key, self._value(key))

    def square(self, key: str) -> int:
        """The side of a square: a number, or a list of equal ones.

        Raises:
            WrongError: it is something else.
        """
        value = self._value(key)
        sides = [side_of(key, side) for side in (value if isinstance(value, list) and value else [value])]
        if len(set(sides)) != 1:
            raise WrongError(f"{key} is {' x '.join(map(str, sides))}; only squares are supported")
        return sides[0]

    def number(self, key: str, otherwise: float | None = None) -> float:
        """A number; ``otherwise`` where nothing is said, unless that is None.

        Raises:
            WrongError: it is none.
        """
        if otherwise is not None and not self.says(key):
            return otherwise
        try:
            (number,) = _numbers(self._value(key), 1)
        except ValueError as exc:
            raise WrongError(f"{key} is no number") from exc
        return number

    def share(self, key: str, otherwise: float | None = None) -> float:
        """A share, not of nearly nothing; ``otherwise`` where nothing is said, unless that is None.

        Raises:
            WrongError: it is none.
        """
        share = self.number(key, otherwise)
        if not _LEAST_SHARE <= share <= 1:
            raise WrongError(f"{key} is {share:g}, not a share from {_LEAST_SHARE:g} to 1")
        return share

    def triple(self, key: str, *, spread: bool = False) -> Triple:
        """Three numbers; with ``spread`` one may stand for all three.

        Raises:
            WrongError: it is something else.
        """
        value = self._value(key)
        try:
            if spread and not (isinstance(value, list) and len(value) == 3):
                (number,) = _numbers(value, 1)
                return number, number, number
            red, green, blue = _numbers(value, 3)
        except ValueError as exc:
            raise WrongError(f"{key} is not three numbers") from exc
        return red, green, blue

    def _value(self, key: str) -> object:
        if key not in self.found:
            raise WrongError(f"{key} is missing")
        return self.found[key]


def side_of(key: str, value: object) -> int:
    """A side in pixels that stands under ``key``.

    Raises:
        WrongError: it is none.
    """
    if type(value) is not int or not 1 <= value <= MAX_SIDE_PX:
        raise WrongError(f"{key} is not a number of pixels up to {MAX_SIDE_PX}")
    return value


def _numbers(value: object, count: int) -> list[float]:
    """So many finite numbers; one may stand alone.

    Raises:
        ValueError: it is something else.
    """
    values: list[object] = value if isinstance(value, list) else [value]
    if len(values) != count:
        raise ValueError("another count")
    try:
        found = [
            float(number) if isinstance(number, int | float) and not isinstance(number, bool) else math.nan
            for number in values
        ]
    except OverflowError as exc:  # a whole number of hundreds of digits
        raise ValueError("too large") from exc
    if not all(map(math.isfinite, found)):
        raise ValueError("no number")
    return found


def keys_of(content: Mapping[str, object]) -> list[str]:
    """The keys under which something stands, null not counted."""
    return [key for key, value in content.items() if value is not None]
