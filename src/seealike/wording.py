"""How messages say things that many of them say: counts, and what was probably meant."""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Iterable

_SUGGESTED = 3


def counted(number: int, singular: str, plural: str = "") -> str:
    """Return ``1 picture``, ``12,000 pictures``."""
    return f"{number:,} {singular if number == 1 else plural or singular + 's'}"


def closest(name: str, known: Iterable[str]) -> tuple[str, ...]:
    """Return the few of ``known`` that are most like a name, best first; none where none is like it."""
    by_letters = {other.casefold(): other for other in known}
    found = difflib.get_close_matches(name.casefold(), by_letters, n=_SUGGESTED)
    return tuple(by_letters[letters] for letters in found)


def did_you_mean(names: Iterable[str]) -> str:
    """Return ``did you mean x or 'y z'?``, each as it is typed into a shell; nothing for no names."""
    typed = [shlex.quote(_on_one_line(name)) for name in names]
    return f"did you mean {' or '.join(typed)}?" if typed else ""


def _on_one_line(name: str) -> str:
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in name)
