"""CLIP's vocabulary as a tokenizer file: byte pairs, learnt merges, lower-case words (Radford et al. 2021).

The vocabulary is a list of merges, one a line, that ships with CLIP's implementations.
"""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

from seealike.errors import MissingExtraError

if TYPE_CHECKING:
    pass

_MERGES = 49152 - 256 - 2
_END = "</w>"
# Contractions, words, single digits, and runs of anything else; white space falls away.
_WORDS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|\p{L}+|\p{N}|[^\s\p{L}\p{N}]+"
_SPECIAL = ("<start_of_text>", "<end_of_text>")


def clip_tokenizer(merges_gz: str) -> tuple[str, int, int]:
    """Turn the compressed list of merges into a tokenizer file's text.

    Returns:
        the JSON, and the numbers of the pieces for the beginning and the end of a text.

    Raises:
        MissingExtraError: the package ``tokenizers`` is not installed.
    """
    try:
        from tokenizers import Regex, Tokenizer, models, pre_tokenizers
    except ImportError as exc:
        raise MissingExtraError("an encoder with text queries", "clip") from exc
    with gzip.open(merges_gz, "rt", encoding="utf-8") as file:
        lines = file.read().split("\n")[1 : _MERGES + 1]
    merges = [(left, right) for left, _, right in (line.partition(" ") for line in lines)]
    letters = _letters()
    pieces = [*letters, *(letter + _END for letter in letters), *map("".join, merges), *_SPECIAL]
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    tokenizer = Tokenizer(models.BPE(vocabulary, merges, end_of_word_suffix=_END))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_WORDS), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    begin, end = (vocabulary[piece] for piece in _SPECIAL)
    return tokenizer.to_str(), begin, end


def _letters() -> list[str]:
    """A letter for every byte, in CLIP's order: those that print stand for themselves, the rest follow."""
    printing = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printing]
    return [*map(chr, printing), *(chr(256 + place) for place in range(len(others)))]
