"""Names to safe, readable text. A file's name may hold anything: tags, line breaks, half characters."""

from __future__ import annotations

import html
import unicodedata

_VISIBLE_CONTROLS = 0x2400  # the block of pictures for control characters
_DELETE_PICTURE = "\u2421"


def escaped(text: str) -> str:
    """Return text for use in HTML, in elements and in quoted attributes."""
    return html.escape(visible(text), quote=True)


def visible(text: str) -> str:
    """Show what cannot be seen or encoded: control characters, direction overrides, half characters."""
    return text if text.isprintable() and text.isascii() else "".join(map(_visible_character, text))


def _visible_character(character: str) -> str:
    code = ord(character)
    if code < 0x20:
        return chr(_VISIBLE_CONTROLS + code)
    if code == 0x7F:
        return _DELETE_PICTURE
    category = unicodedata.category(character)
    joins = character in "\u200c\u200d"  # part of ordinary words and emoji
    noncharacter = 0xFDD0 <= code <= 0xFDEF or code & 0xFFFE == 0xFFFE
    if (category in {"Cc", "Cf", "Cs", "Zl", "Zp"} and not joins) or noncharacter:
        return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
    return character


def shortened(text: str, length: int) -> str:
    """Cut the middle out of a long text: names often differ at their ends."""
    if len(text) <= length:
        return text
    tail = length * 2 // 5
    return f"{text[: length - tail - 1].rstrip()}…{text[-tail:].lstrip()}"


def duration(seconds: float) -> str:
    """Return a duration as people say it: ``6 ms``, ``1.4 s``, ``3 min 20 s``."""
    if seconds < 0.95:
        return f"{seconds * 1000:.0f} ms" if seconds >= 0.00095 else "under 1 ms"
    if seconds < 99.5:
        return f"{seconds:.1f} s"
    return f"{round(seconds) // 60} min {round(seconds) % 60} s"
