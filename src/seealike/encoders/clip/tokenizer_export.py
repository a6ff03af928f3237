"""The tokenizer of an open_clip model, written as a file, and the card of its text tower."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

from seealike.encoders.clip.tokenizer import TextTokenizer
from seealike.encoders.spec import OPEN_CLIP
from seealike.encoders.text_card import Cleaning, TextCard
from seealike.errors import EncoderError, MissingExtraError

if TYPE_CHECKING:
    from seealike.encoders.clip.model import OpenClipModel

_FILE = "tokenizer.json"
_CLEANINGS = {
    "lower": Cleaning.LOWER,
    "whitespace": Cleaning.SPACES,
    "canonicalize": Cleaning.CANONICAL,
}
_CONTEXT = 77
_MERGES = 49152 - 256 - 2
_END = "</w>"
# Contractions, words, single digits, and runs of anything else; white space falls away.
_WORDS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|\p{L}+|\p{N}|[^\s\p{L}\p{N}]+"
_SPECIAL = ("<start_of_text>", "<end_of_text>")


def write_tokenizer(model: OpenClipModel, text_config: dict[str, object], folder: str) -> TextCard:
    """Write ``tokenizer.json`` into ``folder``, and return the card that goes with it.

    CLIP's own vocabulary comes with open_clip. Any other, as SigLIP's, must lie beside the weights.

    Raises:
        EncoderError: the tokenizer is of a kind that is not supported, or is not there.
    """
    length = text_config.get("context_length", _CONTEXT)
    if not isinstance(length, int):
        raise EncoderError(f"the context_length of {model.name} is {length!r}, no number")
    named = text_config.get("hf_tokenizer_name")
    cleaning = _cleaning(model, text_config, "whitespace" if named else "lower")
    target = os.path.join(folder, _FILE)
    if named:
        card = _copied(model, str(named), target, TextCard(length, cleaning=cleaning))
    else:
        card = _clip(target, TextCard(length, cleaning=cleaning))
    TextTokenizer(target, card)
    return card


def _cleaning(model: OpenClipModel, text_config: dict[str, object], usual: str) -> Cleaning:
    settings = text_config.get("tokenizer_kwargs") or {}
    if not isinstance(settings, dict) or set(settings) - {"clean"} or text_config.get("tokenizer_mode"):
        raise EncoderError(f"{model.name} cuts its texts in a way that is not supported: {settings}")
    name = settings.get("clean", usual)
    if name not in _CLEANINGS:
        raise EncoderError(f"{model.name} cleans its texts in a way that is not supported: {name!r}")
    return _CLEANINGS[name]


def _clip(target: str, card: TextCard) -> TextCard:
    from open_clip.tokenizer import default_bpe

    content, begin, end = clip_tokenizer(default_bpe())
    with open(target, "w", encoding="utf-8") as file:
        file.write(content)
    return replace(card, begin_id=begin, end_id=end)


def _copied(model: OpenClipModel, named: str, target: str, card: TextCard) -> TextCard:
    """Copy the tokenizer that lies beside the weights; its configuration says what fills texts up."""
    source = _found(model, named, _FILE)
    if source is None:
        raise EncoderError(
            f"{model.name} has a tokenizer of its own: put {_FILE} and tokenizer_config.json of {named} "
            "into the folder of the weights"
        )
    shutil.copyfile(source, target)
    return replace(card, pad_id=_pad_id(model, named, source))


def _found(model: OpenClipModel, named: str, file: str) -> str | None:
    """A file of the tokenizer: beside weights that were given, or downloaded like those that were not."""
    if not model.tag:
        return model.beside(file)
    from huggingface_hub import hf_hub_download

    try:
        return str(hf_hub_download(named, file))
    except Exception as exc:  # whatever network, hub and disk raise
        raise EncoderError(
            f"{file} of {named} cannot be downloaded ({type(exc).__name__}); try again with a network, or "
            f"put it and the weights into one folder and give {OPEN_CLIP}:{model.name}?weights=FILE"
        ) from exc


def _pad_id(model: OpenClipModel, named: str, source: str) -> int:
    from tokenizers import Tokenizer

    for name in ("tokenizer_config.json", "special_tokens_map.json"):
        found = _json(_found(model, named, name)).get("pad_token")
        piece = found.get("content") if isinstance(found, dict) else found
        number = Tokenizer.from_file(source).token_to_id(piece) if isinstance(piece, str) else None
        if number is not None:
            return int(number)
    raise EncoderError(
        f"nothing beside {source} says what fills up short texts: put the model's tokenizer_config.json there"
    )


def _json(path: str | None) -> dict[str, object]:
    if path is None:
        return {}
    try:
        with open(path, encoding="utf-8") as file:
            found = json.load(file)
    except (OSError, ValueError) as exc:
        raise EncoderError(f"{path} cannot be read: {exc}") from exc
    return found if isinstance(found, dict) else {}


def clip_tokenizer(merges_gz: str) -> tuple[str, int, int]:
    """Turn CLIP's vocabulary, a compressed list of merges, one a line, into a tokenizer file's text.

    Byte pairs, learnt merges, lower-case words (Radford et al. 2021).

    Returns:
        the JSON, and the numbers of the pieces for the beginning and the end of a text.

    Raises:
        MissingExtraError: the package ``tokenizers`` is not installed.
    """
    import gzip

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
