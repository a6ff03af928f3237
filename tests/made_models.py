"""Small ONNX models made on the spot, in every form that people's files have, and what they must answer."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from seealike.encoders.spec import Pooling
from seealike.types import Float32Array, PixelArray, Preprocessing

SIDE_PX = 16
CHANNELS, DIMENSION = 8, 12


@dataclass(frozen=True)
class Form:
    """How a made model takes its pictures.

    ``batch`` and ``side`` are what the graph states, None where it leaves them open. ``tied`` writes the
    batch into the graph as a constant, as careless exports do. ``beside`` keeps the weights in another file.
    """

    channels_last: bool = False
    whole_levels: bool = False
    batch: int | None = None
    side: int | None = None
    half: bool = False
    tied: bool = False
    second_input: bool = False
    beside: bool = False


FORMS = {
    "float, channels first, everything open": Form(),
    "float, channels first, one picture of one size": Form(batch=1, side=SIDE_PX),
    "float, channels last": Form(channels_last=True, side=SIDE_PX),
    "half precision": Form(half=True),
    "bytes, channels last": Form(channels_last=True, whole_levels=True),
    "bytes, channels first": Form(whole_levels=True, side=SIDE_PX),
    "a batch of one only": Form(batch=1, side=SIDE_PX, tied=True),
    "a batch of three only": Form(batch=3, side=SIDE_PX, tied=True),
    "weights in another file": Form(beside=True),
}


def save_model(path: Path, form: Form = Form(), *, seed: int = 0) -> Path:
    """Write a model with the tensors ``map`` (n, 8, h, w), ``tokens`` (n, t, 8) and ``features`` (n, 12)."""
    rng = np.random.default_rng(seed)
    weights = {
        "kernel": rng.standard_normal((CHANNELS, 3, 3, 3)) / 5,
        "head": rng.standard_normal((CHANNELS, DIMENSION)),
        "offset": rng.standard_normal(CHANNELS) / 3,
    }
    tensors = [numpy_helper.from_array(array.astype(np.float32), name) for name, array in weights.items()]
    tensors.append(numpy_helper.from_array(np.array([0, CHANNELS, -1]), "as_tokens"))
    tensors.append(numpy_helper.from_array(np.array([form.batch or 0, CHANNELS]), "as_vector"))
    tensors.append(numpy_helper.from_array(np.array([form.batch or 0, 2, CHANNELS // 2]), "as_halves"))
    shape = [form.batch or "n", 3, form.side or "h", form.side or "w"]
    if form.channels_last:
        shape = [shape[0], *shape[2:], 3]
    kind = TensorProto.UINT8 if form.whole_levels else TensorProto.FLOAT16 if form.half else TensorProto.FLOAT
    inputs = [helper.make_tensor_value_info("pictures", kind, shape)]
    if form.second_input:
        inputs.append(helper.make_tensor_value_info("temperature", TensorProto.FLOAT, [1]))
    outputs = [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", DIMENSION])]
    graph = helper.make_graph(_nodes(form), "made", inputs, outputs, tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    if form.beside:
        onnx.save(model, path, save_as_external_data=True, location=f"{path.stem}.weights", size_threshold=0)
    else:
        onnx.save(model, path)
    return path


def save_transformer(path: Path, registers: int = 4) -> Path:
    """A transformer's front: a class token, registers, patches of 4 px, positions for one size only."""
    rng = np.random.default_rng(5)
    patches = (SIDE_PX // 4) ** 2
    arrays = {
        "kernel": rng.standard_normal((CHANNELS, 3, 4, 4)) / 7,
        "extra": rng.standard_normal((1, 1 + registers, CHANNELS)),
        "positions": rng.standard_normal((1, 1 + registers + patches, CHANNELS)),
        "mix": rng.standard_normal((CHANNELS, CHANNELS)),
    }
    tensors = [numpy_helper.from_array(array.astype(np.float32), name) for name, array in arrays.items()]
    numbers = {"as_tokens": [0, CHANNELS, -1], "one": [1], "rest": [1 + registers, CHANNELS]}
    tensors += [numpy_helper.from_array(np.array(value), name) for name, value in numbers.items()]
    nodes = [
        helper.make_node("Conv", ["pixel_values", "kernel"], ["map"], strides=[4, 4]),
        helper.make_node("Reshape", ["map", "as_tokens"], ["columns"]),
        helper.make_node("Transpose", ["columns"], ["patches"], perm=[0, 2, 1]),
        helper.make_node("Shape", ["pixel_values"], ["n"], start=0, end=1),
        helper.make_node("Concat", ["n", "rest"], ["as_many"], axis=0),
        helper.make_node("Expand", ["extra", "as_many"], ["extras"]),
        helper.make_node("Concat", ["extras", "patches"], ["sequence"], axis=1),
        helper.make_node("Add", ["sequence", "positions"], ["placed"]),
        helper.make_node("MatMul", ["placed", "mix"], ["mixed"]),
        helper.make_node("ReduceMean", ["mixed"], ["average"], axes=[1], keepdims=1),
        helper.make_node("Add", ["mixed", "average"], ["last_hidden_state"]),
        helper.make_node("ReduceMean", ["last_hidden_state"], ["pooler_output"], axes=[1], keepdims=0),
    ]
    graph = helper.make_graph(
        nodes,
        "vit",
        [helper.make_tensor_value_info("pixel_values", TensorProto.FLOAT, ["n", 3, "h", "w"])],
        [
            helper.make_tensor_value_info(n, TensorProto.FLOAT, None)
            for n in ("last_hidden_state", "pooler_output")
        ],
        tensors,
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def _nodes(form: Form) -> list[onnx.NodeProto]:
    nodes = [helper.make_node("Cast", ["pictures"], ["levels"], to=TensorProto.FLOAT)]
    scaled = "levels"
    if form.whole_levels:
        nodes.append(_constant("scale", 1 / 64))
        nodes.append(helper.make_node("Mul", ["levels", "scale"], ["scaled"]))
        scaled = "scaled"
    if form.channels_last:
        nodes.append(helper.make_node("Transpose", [scaled], ["planes"], perm=[0, 3, 1, 2]))
        scaled = "planes"
    if form.tied:
        flatten = [
            helper.make_node("Reshape", ["pooled", "as_halves"], ["halves"]),
            helper.make_node("Relu", ["halves"], ["half"]),
            helper.make_node("Reshape", ["half", "as_vector"], ["flat"]),
        ]
    else:
        flatten = [helper.make_node("Flatten", ["pooled"], ["flat"])]
    nodes += [
        helper.make_node("Conv", [scaled, "kernel", "offset"], ["map"], strides=[2, 2], pads=[1, 1, 1, 1]),
        helper.make_node("Reshape", ["map", "as_tokens"], ["columns"]),
        helper.make_node("Transpose", ["columns"], ["tokens"], perm=[0, 2, 1]),
        helper.make_node("Relu", ["tokens"], ["positive"]),
        helper.make_node("ReduceMean", ["positive"], ["pooled"], axes=[1], keepdims=0),
        *flatten,
        helper.make_node("MatMul", ["flat", "head"], ["raw"]),
    ]
    if form.second_input:
        nodes.append(helper.make_node("Mul", ["raw", "temperature"], ["features"]))
    else:
        nodes.append(helper.make_node("Identity", ["raw"], ["features"]))
    return nodes


def _constant(name: str, value: float) -> onnx.NodeProto:
    return helper.make_node(
        "Constant", [], [name], value=numpy_helper.from_array(np.array(value, np.float32), name)
    )


def expected_vectors(
    path: Path, form: Form, pixels: PixelArray, made: Preprocessing, layer: str, pool: Pooling
) -> Float32Array:
    """What the model answers, by the reference implementation of ONNX and numpy; (n, d), unit norm."""
    x = pixels.astype(np.float64)
    if not form.whole_levels:
        x = (x - made.mean) / made.std
        x = x[..., ::-1] if made.bgr else x
    x = x if form.channels_last else x.transpose(0, 3, 1, 2)
    kind = np.uint8 if form.whole_levels else np.float16 if form.half else np.float32
    model = onnx.load(path)
    del model.graph.output[:]
    model.graph.output.append(helper.make_tensor_value_info(layer, TensorProto.FLOAT, None))
    step = form.batch or len(x)
    filled = np.concatenate([x, np.zeros((-len(x) % step, *x.shape[1:]))]).astype(kind)
    run = ReferenceEvaluator(model).run
    parts = [run(None, {"pictures": filled[at : at + step]})[0] for at in range(0, len(filled), step)]
    vectors = pooled_by_hand(np.concatenate(parts)[: len(x)].astype(np.float64), pool)
    unit: Float32Array = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return unit


def pooled_by_hand(features: np.ndarray, pool: Pooling) -> np.ndarray:
    """Pool (n, c, h, w) or (n, t, d) to (n, d)."""
    axes = (2, 3) if features.ndim == 4 else (1,)
    if pool is Pooling.AVG:
        return np.asarray(features.mean(axis=axes))
    if pool is Pooling.MAX:
        return np.asarray(features.max(axis=axes))
    if pool is Pooling.CLS:
        return np.asarray(features[:, 0])
    if pool is Pooling.GEM:
        return np.asarray(np.cbrt((np.maximum(features, 1e-6) ** 3).mean(axis=axes)))
    return features.reshape(len(features), -1)
