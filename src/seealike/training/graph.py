"""The trained head behind an encoder's graph: one ONNX file from pictures to embeddings.

Only operations that every version of ONNX since 9 means alike are added. Knows no torch.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from seealike.encoders import EncoderRecord, InputForm
from seealike.encoders.spec import Pooling
from seealike.errors import EncoderError

if TYPE_CHECKING:
    import onnx

    from seealike.types import Float32Array, Preprocessing

OUTPUT = "seealike.embedding"
PIXELS = "seealike.pixels"
EPSILON = 1e-5
_TINY = 1e-12
_GEM_EXPONENT, _GEM_LEAST = 3.0, 1e-6


@dataclass(frozen=True, slots=True)
class HeadWeights:
    """The numbers of a head: layer norm, linear, GELU, linear.

    Shapes: gain and shift are (d,), first (h, d), first_bias (h,), second (e, h), second_bias (e,).
    """

    gain: Float32Array
    shift: Float32Array
    first: Float32Array
    first_bias: Float32Array
    second: Float32Array
    second_bias: Float32Array


@dataclass(slots=True)
class _Chain:
    """Nodes added one behind the other, with their constants."""

    prefix: str
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: list[onnx.TensorProto] = field(default_factory=list)

    def constant(self, value: Float32Array | float) -> str:
        from onnx import numpy_helper

        name = f"{self.prefix}.constant{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value, dtype=np.float32), name))
        return name

    def node(self, kind: str, *inputs: str, output: str = "", perm: list[int] | None = None) -> str:
        from onnx import helper

        output = output or f"{self.prefix}.{kind.lower()}{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [output], name=output, perm=perm))
        return output

    def unit(self, x: str, width: int, output: str = "") -> str:
        """Divide every row by its Euclidean norm."""
        ones = self.constant(np.ones((width, 1), np.float32))
        squares = self.node("MatMul", self.node("Mul", x, x), ones)
        norm = self.node("Sqrt", self.node("Add", squares, self.constant(_TINY)))
        return self.node("Div", x, norm, output=output)


def base_model(record: EncoderRecord) -> onnx.ModelProto:
    """An encoder's model as seealike runs it: cut, pooled, from uint8 pictures (n, h, w, 3) to (n, d).

    Raises:
        EncoderError: the file cannot be read, or has no ONNX that could be built on.
    """
    import onnx
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    try:
        model = onnx.load(record.file)
        if record.output is not None:
            model = _cut(model, record.output)
    except (OSError, DecodeError, ValueError) as exc:
        raise EncoderError(f"{record.file} cannot be built on: {' '.join(str(exc).split())[:160]}") from exc
    model = _pooled(model, record.pool)
    if record.input is InputForm.TENSOR:
        _put_pictures_in_front(model, record.preprocessing)
    return model


def joined(model: onnx.ModelProto, head: HeadWeights) -> onnx.ModelProto:
    """The model with a head behind its features; returns embeddings of unit norm.

    The features are brought to unit norm first, as the head knew them.

    Shapes: the model returns (n, d), the result (n, e).
    """
    import onnx

    result = onnx.ModelProto()
    result.CopyFrom(model)
    chain = _Chain("seealike.head")
    width, dimension = head.first.shape[1], head.second.shape[0]
    x = chain.unit(result.graph.output[0].name, width)
    share = chain.constant(np.full((width, 1), 1.0 / width, np.float32))
    centred = chain.node("Sub", x, chain.node("MatMul", x, share))
    variance = chain.node("MatMul", chain.node("Mul", centred, centred), share)
    deviation = chain.node("Sqrt", chain.node("Add", variance, chain.constant(EPSILON)))
    x = chain.node("Mul", chain.node("Div", centred, deviation), chain.constant(head.gain))
    x = chain.node("Add", x, chain.constant(head.shift))
    x = chain.node("MatMul", x, chain.constant(head.first.T.copy()))
    x = chain.node("Add", x, chain.constant(head.first_bias))
    # GELU (Hendrycks and Gimpel 2016): x (1 + erf(x / sqrt 2)) / 2.
    bend = chain.node("Erf", chain.node("Mul", x, chain.constant(2**-0.5)))
    x = chain.node("Mul", x, chain.node("Add", bend, chain.constant(1.0)))
    x = chain.node("MatMul", x, chain.constant(0.5 * head.second.T.copy()))
    x = chain.node("Add", x, chain.constant(head.second_bias))
    chain.unit(x, dimension, OUTPUT)
    _append(result, chain, OUTPUT, dimension)
    onnx.checker.check_model(result, full_check=False)
    return result


def _append(model: onnx.ModelProto, chain: _Chain, output: str, dimension: int | None) -> None:
    from onnx import TensorProto, helper

    model.graph.node.extend(chain.nodes)
    model.graph.initializer.extend(chain.constants)
    del model.graph.output[:]
    model.graph.output.append(helper.make_tensor_value_info(output, TensorProto.FLOAT, ["n", dimension]))


def _cut(model: onnx.ModelProto, output: str) -> onnx.ModelProto:
    """The part of a model that computes one tensor, in place.

    Raises:
        ValueError: there is no such tensor.
    """
    from onnx import TensorProto, helper

    if not any(output in node.output for node in model.graph.node):
        raise ValueError(f"it has no tensor {output}")
    del model.graph.output[:]
    model.graph.output.append(helper.make_tensor_value_info(output, TensorProto.FLOAT, None))
    drop_unused(model)
    return model


def drop_unused(model: onnx.ModelProto) -> None:
    """Remove nodes and constants that no output needs, in place."""
    needed = {value.name for value in model.graph.output}
    kept = []
    for node in reversed(model.graph.node):  # they stand in the order of computation
        if not needed.isdisjoint(node.output):
            kept.append(node)
            needed.update(node.input)
    constants = [constant for constant in model.graph.initializer if constant.name in needed]
    del model.graph.node[:], model.graph.initializer[:]
    model.graph.node.extend(reversed(kept))
    model.graph.initializer.extend(constants)


def _pooled(model: onnx.ModelProto, pool: Pooling) -> onnx.ModelProto:
    """The model with its output pooled to (n, d), in place; see ``Pooling``."""
    if pool is Pooling.NONE:
        return model
    chain = _Chain("seealike.pool")
    x = model.graph.output[0].name
    if pool is not Pooling.FLATTEN and _rank(model) == 3:
        x = chain.node("Transpose", x, perm=[0, 2, 1])
    if pool is Pooling.GEM:
        x = chain.node("Max", x, chain.constant(_GEM_LEAST))
        x = chain.node("Pow", x, chain.constant(_GEM_EXPONENT))
    if pool is not Pooling.FLATTEN:
        x = chain.node("GlobalMaxPool" if pool is Pooling.MAX else "GlobalAveragePool", x)
    if pool is Pooling.GEM:
        x = chain.node("Pow", x, chain.constant(1 / _GEM_EXPONENT))
    _append(model, chain, chain.node("Flatten", x, output="seealike.pooled"), None)
    return model


def _rank(model: onnx.ModelProto) -> int:
    from onnx import shape_inference

    inferred = shape_inference.infer_shapes(model).graph.output[0]
    return len(inferred.type.tensor_type.shape.dim)


def _put_pictures_in_front(model: onnx.ModelProto, preprocessing: Preprocessing) -> None:
    """Let the model take uint8 (n, h, w, 3) and normalise it itself, in place."""
    from onnx import TensorProto, helper, numpy_helper

    constants = {constant.name for constant in model.graph.initializer}
    given = next(value for value in model.graph.input if value.name not in constants)
    order = [2, 1, 0] if preprocessing.bgr else [0, 1, 2]
    parts = {
        "seealike.mean": np.array(preprocessing.mean, np.float32)[order].reshape(3, 1, 1),
        "seealike.scale": (1 / np.array(preprocessing.std, np.float32))[order].reshape(3, 1, 1),
    }
    steps = [
        helper.make_node("Cast", [PIXELS], ["seealike.levels"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["seealike.levels"], ["seealike.planes"], perm=[0, 3, 1, 2]),
        helper.make_node("Gather", ["seealike.planes", "seealike.order"], ["seealike.ordered"], axis=1),
        helper.make_node("Sub", ["seealike.ordered", "seealike.mean"], ["seealike.centred"]),
        helper.make_node("Mul", ["seealike.centred", "seealike.scale"], [given.name]),
    ]
    others = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend([*steps, *others])
    model.graph.initializer.append(numpy_helper.from_array(np.array(order, np.int64), "seealike.order"))
    model.graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in parts.items())
    side = preprocessing.crop_px
    batch = given.type.tensor_type.shape.dim[0]
    first: int | str = batch.dim_value or batch.dim_param or "n"
    pixels = helper.make_tensor_value_info(PIXELS, TensorProto.UINT8, [first, side, side, 3])
    model.graph.input.remove(given)
    model.graph.input.insert(0, pixels)
