"""A small pair of towers for tests: pictures become their mean colour, words the colours they name.

colours.onnx            pictures (n, 3, 16, 16) to (n, 4)
words.onnx              numbered words (n, 8) to (n, 4); with words.json and tokenizer.json
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from seealike.types import Float32Array

SIDE_PX, CONTEXT = 16, 8
WORDS: dict[str, tuple[float, float, float]] = {
    "[pad]": (9.0, -9.0, 9.0),  # shows at once where it counts by mistake
    "[unknown]": (0.01, 0.02, 0.03),
    "[begin]": (0.05, 0.0, 0.0),
    "[end]": (0.0, 0.05, 0.0),
    "red": (1.0, -1.0, -1.0),
    "green": (-1.0, 1.0, -1.0),
    "blue": (-1.0, -1.0, 1.0),
    "light": (0.4, 0.4, 0.4),
    "dress": (0.0, 0.0, 0.0),
}
PAD, UNKNOWN, BEGIN, END = range(4)
COLOURS: Float32Array = np.array(list(WORDS.values()), np.float32)
# From three colours to the four dimensions of the space.
SPACE: Float32Array = np.array([[1, 0, 0, 0.5], [0, 1, 0, -0.5], [0, 0, 1, 0.25]], np.float32)


@dataclass(frozen=True)
class Pair:
    """The two files, and how to ask for them."""

    pictures: Path
    text: Path

    @property
    def spec(self) -> str:
        return f"onnx:{self.pictures}?norm=half&size={SIDE_PX}&text={self.text}"

    def rewrite_card(self, **changes: object) -> None:
        """Change fields of the text tower's card."""
        card = self.text.with_suffix(".json")
        card.write_text(json.dumps({**json.loads(card.read_text()), **changes}))


@dataclass(frozen=True)
class Form:
    """How the text tower is built: its inputs' type and names, and whether it takes a mask."""

    integer: str = "INT64"
    ids: str = "input_ids"
    mask: str | None = "attention_mask"
    output: str = "text_embeds"


def wanted_vectors(rows: Sequence[Sequence[int]]) -> Float32Array:
    """What the text tower must answer to rows of numbered words, computed by numpy alone."""
    sums = np.stack([COLOURS[list(row)].astype(np.float64).sum(axis=0) for row in rows]) @ SPACE
    unit: Float32Array = (sums / np.linalg.norm(sums, axis=1, keepdims=True)).astype(np.float32)
    return unit


def numbered(text: str) -> list[int]:
    """The numbers of a text's words, in a slow and different way."""
    names = list(WORDS)
    return [names.index(word) if word in names else UNKNOWN for word in text.lower().split()]


def write_pair(folder: Path, form: Form = Form(), *, space: Float32Array = SPACE) -> Pair:
    """Write both towers, the card and the tokenizer; skips where a package for it is absent."""
    pytest.importorskip("onnx", reason="the package onnx is not installed: no model can be made")
    pytest.importorskip("tokenizers", reason="the package tokenizers is not installed: no text can be cut")
    folder.mkdir(parents=True, exist_ok=True)
    pair = Pair(folder / "colours.onnx", folder / "words.onnx")
    _write_pictures_tower(pair.pictures, space)
    _write_text_tower(pair.text, form)
    _write_tokenizer(folder / "tokenizer.json")
    card = {
        "context_length": CONTEXT,
        "pad_id": PAD,
        "begin_id": BEGIN,
        "end_id": END,
        "cleaning": "lower",
    }
    pair.text.with_suffix(".json").write_text(json.dumps(card))
    return pair


def _write_pictures_tower(file: Path, space: Float32Array) -> None:
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    shape = ["n", 3, SIDE_PX, SIDE_PX]
    graph = helper.make_graph(
        [
            helper.make_node("GlobalAveragePool", ["pixel_values"], ["pooled"]),
            helper.make_node("Flatten", ["pooled"], ["colour"]),
            helper.make_node("MatMul", ["colour", "space"], ["image_embeds"]),
        ],
        "colours",
        [helper.make_tensor_value_info("pixel_values", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("image_embeds", TensorProto.FLOAT, ["n", 4])],
        [numpy_helper.from_array(space, "space")],
    )
    onnx.save(_model(graph), str(file))


def _write_text_tower(file: Path, form: Form) -> None:
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    kind = getattr(TensorProto, form.integer)
    inputs = [form.ids] + ([form.mask] if form.mask else [])
    nodes = [helper.make_node("Gather", ["colours", form.ids], ["rows"])]
    if form.mask:
        nodes += [
            helper.make_node("Cast", [form.mask], ["counted"], to=TensorProto.FLOAT),
            helper.make_node("Unsqueeze", ["counted", "last"], ["weights"]),
            helper.make_node("Mul", ["rows", "weights"], ["kept"]),
        ]
    nodes += [
        helper.make_node("ReduceSum", ["kept" if form.mask else "rows", "middle"], ["colour"], keepdims=0),
        helper.make_node("MatMul", ["rows", "space"], ["states"]),
        helper.make_node("MatMul", ["colour", "space"], [form.output]),
    ]
    graph = helper.make_graph(
        nodes,
        "words",
        [helper.make_tensor_value_info(name, kind, ["n", "length"]) for name in inputs],
        [
            helper.make_tensor_value_info("states", TensorProto.FLOAT, ["n", "length", 4]),
            helper.make_tensor_value_info(form.output, TensorProto.FLOAT, ["n", 4]),
        ],
        [
            numpy_helper.from_array(
                COLOURS if form.mask else COLOURS * (np.arange(9) > 0)[:, None], "colours"
            ),
            numpy_helper.from_array(SPACE, "space"),
            numpy_helper.from_array(np.array([2], np.int64), "last"),
            numpy_helper.from_array(np.array([1], np.int64), "middle"),
        ],
    )
    onnx.save(_model(graph), str(file))


def _model(graph: object) -> object:
    from onnx import checker, helper

    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    checker.check_model(model)
    return model


def _write_tokenizer(file: Path, *, template: bool = False) -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    vocabulary = {word: number for number, word in enumerate(WORDS)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[unknown]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    if template:
        tokenizer.post_processor = processors.TemplateProcessing(
            single="[begin] $A [end]", special_tokens=[("[begin]", BEGIN), ("[end]", END)]
        )
        tokenizer.enable_padding(pad_id=UNKNOWN, length=3)  # which the card overrules
        tokenizer.enable_truncation(3)
    tokenizer.save(str(file))


def write_own_template(pair: Pair) -> None:
    """Let the tokenizer itself say what stands around a text, as most published ones do."""
    _write_tokenizer(pair.text.with_name("tokenizer.json"), template=True)
    pair.rewrite_card(begin_id=None, end_id=None)
