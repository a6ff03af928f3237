"""Plain text out of what people type or paste, as the captions were cleaned that text towers learnt from."""

from __future__ import annotations

import html
import re
import string
import unicodedata

from seealike.encoders.text_card import Cleaning

# Full-width ASCII, half-width katakana, and the ideographic space.
_WIDTHS = (*range(0xFF01, 0xFF9F + 1), *range(0xFFA1, 0xFFDC + 1), *range(0xFFE0, 0xFFEE + 1), 0x3000)
_LIGATURES = "ĲĳǄǅǆǇǈǉǊǋǌǱǲǳﬀﬁﬂﬃﬄﬅﬆ"
_SINGLE_QUOTES = "\u02bc\u2018\u2019\u201a\u201b"
_DOUBLE_QUOTES = "\u201c\u201d\u201e\u201f"
_UNSEEN = (
    *range(0x09),
    0x0B,
    *range(0x0E, 0x20),
    0x7F,
    *range(0x206A, 0x2070),
    0xFEFF,
    *range(0xFFF9, 0xFFFD),
)
_PLAIN = {
    **{code: unicodedata.normalize("NFKC", chr(code)) for code in _WIDTHS},
    **{ord(letter): unicodedata.normalize("NFKC", letter) for letter in _LIGATURES},
    **{ord(quote): "'" for quote in _SINGLE_QUOTES},
    ord("ŉ"): "'n",
    **{ord(quote): '"' for quote in _DOUBLE_QUOTES},
    **dict.fromkeys(_UNSEEN, ""),
}
_ESCAPES = re.compile(r"\x1b\[[\d;]*[A-Za-z]")
_WITHOUT_PUNCTUATION = str.maketrans("", "", string.punctuation)


def cleaned(text: str, cleaning: Cleaning) -> str:
    """``text`` as :class:`~seealike.encoders.text_card.Cleaning` says."""
    if cleaning is Cleaning.NONE:
        return text
    text = html.unescape(html.unescape(_plain(text)))
    if cleaning is Cleaning.CANONICAL:
        text = text.replace("_", " ").translate(_WITHOUT_PUNCTUATION)
    if cleaning is not Cleaning.SPACES:
        text = text.lower()
    return " ".join(text.split())


def _plain(text: str) -> str:
    whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return unicodedata.normalize("NFC", _ESCAPES.sub("", whole).translate(_PLAIN))
