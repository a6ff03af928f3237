"""The tokenizer of an open_clip model, written as a file, and the card of its text tower."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

from seealike.encoders.spec import OPEN_CLIP
from seealike.encoders.text_bpe import clip_tokenizer
from seealike.encoders.text_card import Cleaning, TextCard
from seealike.encoders.text_tokenizer import TextTokenizer
from seealike.errors import EncoderError

if TYPE_CHECKING:
    from seealike.encoders.open_clip import OpenClipModel

_FILE = "tokenizer.json"
_CLEANINGS = {
    "lower": Cleaning.LOWER,
    "whitespace": Cleaning.SPACES,
    "canonicalize": Cleaning.CANONICAL,
}
_CONTEXT = 77


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
