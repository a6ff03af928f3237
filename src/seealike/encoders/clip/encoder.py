"""Texts to vectors in the space of pictures: a text tower that runs in OpenVINO on the CPU.

In float32, one text at a time: a query is short, and its vector decides the whole answer.
"""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from seealike.encoders.clip.tokenizer import TextTokenizer
from seealike.encoders.onnx.openvino import import_openvino, reason_of
from seealike.encoders.slots import checked_unit_rows
from seealike.encoders.text_card import read_text_card
from seealike.errors import EncoderError, UsageError
from seealike.forking import keep_for_ever, tell_of_forks

if TYPE_CHECKING:
    from collections.abc import Sequence

    import openvino

    from seealike.encoders.models import EncoderRecord
    from seealike.encoders.text_card import TextCard
    from seealike.types import EncoderIdentity, Float32Array, Int64Array

_DEVICE = "CPU"
_CONFIG = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
_IDS, _MASK, _EMBEDDING = "input_ids", "attention_mask", "text_embeds"
_MOST_LETTERS = 100_000  # of a text; no tower reads a hundredth of it


class OpenVinoTextEncoder:
    """A text tower compiled for this machine's CPU. Any number of threads may use it, one at a time."""

    def __init__(self, record: EncoderRecord) -> None:
        """Read card, tokenizer and model of the text tower of ``record``, and compile the model.

        Raises:
            MissingExtraError: the package ``tokenizers`` is not installed.
            EncoderError: a file is missing or malformed, the runtime refuses the model, or it is no match
                for the picture tower.
        """
        onnx_path = record.text or ""
        self._identity = record.identity
        self._name = os.path.basename(onnx_path)
        self.card = read_text_card(onnx_path)
        if self.card.pictures_sha256 not in (None, record.weights_sha256):
            raise EncoderError(f"{onnx_path} was made for another picture model than {record.file}")
        model = _compiled(onnx_path, self.card)
        self._ports = _Ports.of(model, self.card, self._name)
        whole = record.whole or record.dimension
        if self._ports.dimension != whole:
            raise EncoderError(
                f"{onnx_path} gives vectors of {self._ports.dimension} numbers and {record.file} of "
                f"{whole}: they are not the two towers of one model"
            )
        self._tokenizer = TextTokenizer(
            os.path.join(os.path.dirname(onnx_path), self.card.tokenizer), self.card
        )
        self._request: openvino.InferRequest | None = model.create_infer_request()
        self._guard = threading.Lock()
        self._process_id = os.getpid()
        tell_of_forks(self, OpenVinoTextEncoder._after_fork)

    @property
    def identity(self) -> EncoderIdentity:
        """The embedding space's name."""
        return self._identity

    def encode_texts(self, texts: Sequence[str]) -> Float32Array:
        """Encode any number of texts.

        Raises:
            UsageError: one of them is no text, or endless.
            EncoderError: the runtime failed, or it is closed.
        """
        _check(texts)
        ids, mask = self._tokenizer.encode(texts)
        with self._guard:
            if self._request is None:
                raise EncoderError("the text encoder is closed")
            if os.getpid() != self._process_id:
                raise EncoderError("the text encoder was made before a fork; make one in the child")
            rows = [self._infer(self._request, ids[i : i + 1], mask[i : i + 1]) for i in range(len(texts))]
        if not rows:
            return np.empty((0, self._identity.dimension), np.float32)
        return checked_unit_rows(np.stack(rows)[:, : self._identity.dimension], "the text tower")

    def _after_fork(self) -> None:
        """In a forked child, where it can compute no more."""
        keep_for_ever(self._request)

    def close(self) -> None:
        """Release the runtime."""
        with self._guard:
            self._request = None

    def _infer(self, request: openvino.InferRequest, ids: Int64Array, mask: Int64Array) -> Float32Array:
        ports = self._ports
        try:
            request.get_input_tensor(ports.ids).data[:] = ids
            if ports.mask is not None:
                request.get_input_tensor(ports.mask).data[:] = mask
            request.infer()
            return np.array(request.get_output_tensor(ports.output).data[0], np.float32)
        except (RuntimeError, ValueError, MemoryError, IndexError) as exc:
            raise EncoderError(f"OpenVINO could not run {self._name}: {reason_of(exc)}") from exc


def _check(texts: Sequence[object]) -> None:
    for text in texts:
        if not isinstance(text, str) or len(text) > _MOST_LETTERS:
            raise UsageError(f"a text query is a text of at most {_MOST_LETTERS:,} letters")


@dataclass(frozen=True, slots=True)
class _Ports:
    """Which input and output of a compiled model is which, by position."""

    ids: int
    mask: int | None
    output: int
    dimension: int

    @classmethod
    def of(cls, model: openvino.CompiledModel, card: TextCard, name: str) -> _Ports:
        """Find them.

        Raises:
            EncoderError: the model has other ones than its card says, or than anybody can guess.
        """
        inputs = [port.get_names() for port in model.inputs]
        outputs = [port.get_names() for port in model.outputs]
        ids = _place(inputs, card.ids_input, _IDS)
        mask = _place(inputs, card.mask_input, _MASK)
        output = _place(outputs, card.output, _EMBEDDING)
        if ids is None and card.ids_input is None and len(inputs) - (mask is not None) == 1:
            ids = next(place for place in range(len(inputs)) if place != mask)
        if output is None and card.output is None:
            output = 0
        if ids is None or output is None or (mask is None and card.mask_input):
            wanted = "ids_input" if ids is None else "output" if output is None else "mask_input"
            there = outputs if wanted == "output" else inputs
            raise EncoderError(
                f"the card of {name} must say which {wanted} to use; the model has {_listed(there)}"
            )
        if len(inputs) > 1 + (mask is not None):
            raise EncoderError(f"{name} wants more than pieces and their mask: {_listed(inputs)}")
        shape = list(model.outputs[output].get_shape())
        if len(shape) != 2:
            raise EncoderError(
                f"{name} gives an output of shape {shape}, not (n, d); "
                f"say in its card which output to use: {_listed(outputs)}"
            )
        return cls(ids, mask, output, int(shape[1]))


def _place(ports: Sequence[set[str]], asked: str | None, usual: str) -> int | None:
    """Where the port that a card asks for stands, or the one of the usual name."""
    return next((place for place, names in enumerate(ports) if (asked or usual) in names), None)


def _listed(ports: Sequence[set[str]]) -> str:
    return ", ".join(min(names, default="a nameless one") for names in ports)


def _compiled(onnx_path: str, card: TextCard) -> openvino.CompiledModel:
    """Compile a text model for this machine.

    The compiled model is not kept, unlike that of pictures: this takes no longer than reading it back would.
    """
    if not os.path.isfile(onnx_path):
        raise EncoderError(f"there is no text model {onnx_path}")
    import_openvino()
    import openvino

    try:
        core = openvino.Core()
        model = core.read_model(onnx_path)
        model.reshape({port: [1, card.context_length] for port in model.inputs})
        return core.compile_model(model, _DEVICE, _CONFIG)
    except RuntimeError as exc:
        raise EncoderError(f"OpenVINO cannot load {onnx_path}: {reason_of(exc)}") from exc
