"""The encoder card: what must be known of a model file to use it, in a JSON file beside it.

``model.onnx`` has ``model.json``. It is written by whoever exports a model, and read strictly: a wrong
setting would give vectors that are quietly worse. It also marks the pictures that the model learnt from.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from dataclasses import asdict, dataclass, field, fields
from enum import StrEnum

import numpy as np

from seealike.encoders.spec import INTERPOLATIONS
from seealike.encoders.stated import Stated, WrongError
from seealike.errors import EncoderError, StorageError
from seealike.files import FileSystem
from seealike.types import Fit, Int64Array, Preprocessing

CARD_FORMAT = 1
LICENCE_NAMES = ("LICENSE", "LICENSE.md", "LICENSE.txt")  # beside a model: passed on with it
_FORMAT_KEY = "encoder_card"
_MAY_LACK = {"output", "text", "precise", "learnt"}
_MOST_BYTES = 1 << 25
_MARK_BYTES = 6
_MARK_LETTERS = 8  # in base64


class InputForm(StrEnum):
    """What a model takes.

    ``PICTURES``: uint8 (n, h, w, 3), RGB; it normalises them itself.
    ``TENSOR``: float32 (n, 3, h, w); seealike normalises them before.
    """

    PICTURES = "pictures"
    TENSOR = "tensor"


@dataclass(frozen=True, slots=True)
class EncoderCard:
    """How a model file is used.

    Args:
        name: what the space is called, for instance ``timm:resnet18``.
        preprocessing: how pictures are prepared.
        layer: whose output the features are; only for the record where ``output`` is not given.
        pooling: how they become one vector; only for the record where the output is (n, d) already.
        input: what the model takes; None is as its graph says, in a card that is not written.
        output: the tensor to take; None is the only output.
        licence: of the weights.
        source: where the weights come from.
        text: the file beside it that holds the text tower, if there is one.
        precise: bfloat16 changes its vectors too much, so it is not used.
        learnt: the pictures that it learnt from, see ``mark_of``.
    """

    name: str
    preprocessing: Preprocessing
    layer: str
    pooling: str
    input: InputForm | None
    output: str | None = None
    licence: str = "unknown"
    source: str = ""
    text: str | None = None
    precise: bool = False
    learnt: str = field(default="", repr=False)


def card_path(onnx_path: str) -> str:
    """Return where the card of a model file lies."""
    return f"{os.path.splitext(onnx_path)[0]}.json"


def write_card(onnx_path: str, card: EncoderCard) -> None:
    """Write the card of a model file; readers see the old one or the new one whole.

    Raises:
        EncoderError: it cannot be written, or would not be read back.
    """
    path = card_path(onnx_path)
    content = json.dumps({_FORMAT_KEY: CARD_FORMAT, **asdict(card)}, indent=2) + "\n"
    _parsed(path, content)
    try:
        FileSystem().write(path, content.encode())
    except StorageError as exc:
        raise EncoderError(f"cannot write {path}: {exc.cause}") from exc


def read_card(onnx_path: str) -> EncoderCard | None:
    """Read the card of a model file; None where there is none.

    Raises:
        EncoderError: there is one, and it cannot be read or is malformed.
    """
    path = card_path(onnx_path)
    try:
        with open(path, encoding="utf-8") as file:
            content = file.read(_MOST_BYTES)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as exc:
        raise EncoderError(f"the encoder card {path} cannot be read: {exc}") from exc
    return _parsed(path, content)


def mark_of(item_id: str, sha256: bytes | None) -> int:
    """The mark of a picture that an encoder learnt from, so that it never judges that encoder.

    It is the first six bytes of the SHA-256 of the picture's file, so it outlives another name, folder or
    catalogue; one that was no file is known by its item's id alone. Among a million marks and a million other
    pictures one is mistaken in one of 280 cases.
    """
    digest = sha256 or hashlib.sha256(b"id\0" + item_id.encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:_MARK_BYTES], "big")


def marks_to_text(marks: Int64Array) -> str:
    """Marks as a card holds them, eight letters each. Shapes: marks is (n,)."""
    rows = np.unique(marks).astype(">i8").view(np.uint8).reshape(-1, 8)
    return base64.b64encode(rows[:, 8 - _MARK_BYTES :].tobytes()).decode("ascii")


def marks_from_text(text: str) -> Int64Array:
    """The marks that a card holds, ascending. Shapes: the result is (n,).

    Raises:
        ValueError: they are none.
    """
    if len(text) % _MARK_LETTERS:
        raise ValueError("cut off")
    rows = np.frombuffer(base64.b64decode(text.encode("ascii"), validate=True), np.uint8).reshape(
        -1, _MARK_BYTES
    )
    whole = np.zeros((len(rows), 8), np.uint8)
    whole[:, 8 - _MARK_BYTES :] = rows
    return np.unique(whole.view(">i8").ravel().astype(np.int64))


def _parsed(path: str, content: str) -> EncoderCard:
    try:
        return _card(json.loads(content))
    except (ValueError, RecursionError) as exc:
        raise EncoderError(f"{path} is no encoder card: it is no JSON ({exc})") from exc
    except WrongError as exc:
        raise EncoderError(f"{path} is no encoder card: {exc}; put it right, or move it away") from exc


def _card(content: object) -> EncoderCard:
    if not isinstance(content, dict) or _FORMAT_KEY not in content:
        raise WrongError(f'it says no "{_FORMAT_KEY}": {CARD_FORMAT}')
    if content[_FORMAT_KEY] != CARD_FORMAT:
        raise WrongError(f'this seealike reads "{_FORMAT_KEY}": {CARD_FORMAT}')
    stated = Stated({key: value for key, value in content.items() if key != _FORMAT_KEY})
    stated.check_keys([field.name for field in fields(EncoderCard)], optional=_MAY_LACK)
    preprocessing = Stated(stated.found["preprocessing"], "preprocessing")
    text = stated.optional_text("text")
    if text is not None and (os.path.basename(text) != text or text in (".", "..")):
        raise WrongError("text is not the name of a file beside it")
    return EncoderCard(
        name=stated.text("name"),
        preprocessing=_preprocessing(preprocessing),
        layer=stated.text("layer"),
        pooling=stated.text("pooling"),
        input=InputForm(stated.choice("input", list(InputForm))),
        output=stated.optional_text("output"),
        licence=stated.text("licence"),
        source=stated.text("source", empty=True),
        text=text,
        precise="precise" in stated.found and stated.flag("precise"),
        learnt=_learnt(stated.found.get("learnt", "")),
    )


def _preprocessing(stated: Stated) -> Preprocessing:
    stated.check_keys([field.name for field in fields(Preprocessing)], optional=())
    resize_px, crop_px = stated.side("resize_px"), stated.side("crop_px")
    if crop_px > resize_px:
        raise WrongError("crop_px is larger than resize_px")
    std = stated.triple("std")
    if min(std) <= 0:
        raise WrongError("std has a number that is not positive")
    return Preprocessing(
        resize_px=resize_px,
        crop_px=crop_px,
        mean=stated.triple("mean"),
        std=std,
        interpolation=stated.choice("interpolation", INTERPOLATIONS),
        fit=Fit(stated.choice("fit", list(Fit))),
        bgr=stated.flag("bgr"),
    )


def _learnt(value: object) -> str:
    try:
        if isinstance(value, str):
            marks_from_text(value)
            return value
    except ValueError:
        pass
    raise WrongError("learnt is no list of pictures' marks")
