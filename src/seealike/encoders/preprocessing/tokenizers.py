"""How the files of a tokenizer say that texts become the input of a tower, as ``TextCard``.

``tokenizer.json`` cuts and cleans, ``tokenizer_config.json`` says how long a row is and what fills it up.
Source: the tokenizers of transformers 5.24; the tests compare numbers with theirs.
"""

from __future__ import annotations

import json

from seealike.encoders.stated import Stated, WrongError
from seealike.encoders.text_card import MAX_CONTEXT, Cleaning, TextCard
from seealike.errors import EncoderError

TOKENIZER, CONFIG = "tokenizer.json", "tokenizer_config.json"
# What the classes do that is not in every ``tokenizer.json``.
_CLEANING = {
    "BertTokenizer": Cleaning.NONE,
    "CLIPTokenizer": Cleaning.NONE,
    "GemmaTokenizer": Cleaning.LOWER,  # of SigLIP 2, whose own class does it
    "PreTrainedTokenizer": Cleaning.NONE,
    "Siglip2Tokenizer": Cleaning.LOWER,
    "SiglipTokenizer": Cleaning.CANONICAL,
    "T5Tokenizer": Cleaning.NONE,
    "TokenizersBackend": Cleaning.NONE,
    "XLMRobertaTokenizer": Cleaning.NONE,
}
_LEFT = ("GemmaTokenizer", "Siglip2Tokenizer")  # fill up in front, where nothing is said


def text_card_of(where: str, config: bytes, tokenizer: bytes) -> TextCard:
    """What the two files in ``where`` say.

    Raises:
        EncoderError: they cannot be read, or say something that is not known.
    """
    try:
        return _card(Stated(json.loads(config)), Stated(json.loads(tokenizer), TOKENIZER))
    except (ValueError, RecursionError) as exc:
        raise EncoderError(f"{where}: {CONFIG} or {TOKENIZER} is no JSON") from exc
    except WrongError as exc:
        raise EncoderError(
            f"{where}/{CONFIG}: {exc}; use the files by onnx:FILE and text=FILE, with a card of your own"
        ) from exc


def _card(config: Stated, tokenizer: Stated) -> TextCard:
    kind = config.text("tokenizer_class").removesuffix("Fast")
    if kind not in _CLEANING:
        raise WrongError(f"the tokenizer {kind!r} is unknown; known: {', '.join(_CLEANING)}")
    for side in ("padding_side", "truncation_side"):
        usual = "left" if side == "padding_side" and kind in _LEFT else "right"
        if config.choice(side, ("left", "right"), usual) == "left":
            raise WrongError(f"{side} is left, which is not supported")
    length = config.found.get("model_max_length")
    if type(length) is not int or not 1 <= length <= MAX_CONTEXT:
        raise WrongError(f"model_max_length is not a number of pieces up to {MAX_CONTEXT}")
    return TextCard(length, _pad_id(config, tokenizer), cleaning=_CLEANING[kind])


def _pad_id(config: Stated, tokenizer: Stated) -> int:
    """The number of the piece that fills up."""
    pad = config.found.get("pad_token")
    wanted = (Stated({"pad_token": pad.get("content")}) if isinstance(pad, dict) else config).text(
        "pad_token"
    )
    pieces = Stated(tokenizer.found.get("model"), f"the model of {TOKENIZER}").found.get("vocab")
    number: object = None
    if isinstance(pieces, dict):
        number = pieces.get(wanted)
    elif isinstance(pieces, list):  # each with its likelihood
        firsts = (piece[:1] if isinstance(piece, list) else [] for piece in pieces)
        number = next((at for at, first in enumerate(firsts) if first == [wanted]), None)
    added = tokenizer.found.get("added_tokens")
    for piece in added if isinstance(added, list) else ():
        if isinstance(piece, dict) and piece.get("content") == wanted:
            number = piece.get("id")
    if type(number) is not int or number < 0:
        raise WrongError(f"pad_token is {wanted!r}, of which {TOKENIZER} does not know the number")
    return number
