"""The trained head behind an encoder's graph: one ONNX file from pictures to embeddings.

Only operations that every version of ONNX since 9 means alike are added. Knows no torch.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from seealike.catalog.outputs.kinds import ENCODER_PRODUCER
from seealike.encoders import EncoderRecord, InputForm
from seealike.encoders.spec import GEM_EXPONENT, GEM_LEAST, Pooling
from seealike.errors import EncoderError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt
    import onnx

    from seealike.types import Float32Array, Preprocessing

EPSILON = 1e-5
_TINY = 1e-12


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

    def constant(self, value: npt.ArrayLike, kind: type[np.generic] = np.float32) -> str:
        from onnx import numpy_helper

        name = f"{self.prefix}.constant{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value, dtype=kind), name))
        return name

    def node(
        self,
        kind: str,
        *inputs: str,
        output: str = "",
        perm: list[int] | None = None,
        axis: int | None = None,
    ) -> str:
        from onnx import helper

        output = output or f"{self.prefix}.{kind.lower()}{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [output], name=output, perm=perm, axis=axis))
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
        raise EncoderError(f"{record.file} cannot be built on: {_one_line(exc)}") from exc
    model = _pooled(model, record)
    if record.whole is not None:
        chain = _Chain(_unused(model, "seealike.first"))
        kept = chain.constant(np.arange(record.dimension), np.int64)
        first = chain.node("Gather", model.graph.output[0].name, kept, axis=1)
        _append(model, chain, first, record.dimension)
    if record.input is InputForm.TENSOR:
        _put_pictures_in_front(model, record.preprocessing)
    return model


def joined(model: onnx.ModelProto, head: HeadWeights) -> onnx.ModelProto:
    """The model with a head behind its features; returns embeddings of unit norm.

    The features are brought to unit norm first, as the head knew them. The model may have a head already.

    Raises:
        EncoderError: no valid model comes of it.

    Shapes: the model returns (n, d), the result (n, e).
    """
    import onnx

    result = onnx.ModelProto()
    result.CopyFrom(model)
    result.producer_name = ENCODER_PRODUCER
    chain = _Chain(_unused(model, "seealike.head"))
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
    _append(result, chain, chain.unit(x, dimension, f"{chain.prefix}.embedding"), dimension)
    try:
        onnx.checker.check_model(result, full_check=False)
    except onnx.checker.ValidationError as exc:
        raise EncoderError(f"no head can be joined to the encoder: {_one_line(exc)}") from exc
    return result


def _unused(model: onnx.ModelProto, prefix: str) -> str:
    """``prefix``, with a number behind it where names of the model begin so already."""
    taken = {".".join(name.split(".")[:2]) for name in _names(model.graph)}
    found, number = prefix, 1
    while found in taken:
        number += 1
        found = f"{prefix}{number}"
    return found


def _names(graph: onnx.GraphProto) -> Iterator[str]:
    """Every name in a graph, and in the graphs inside its nodes."""
    for value in (*graph.input, *graph.output, *graph.value_info, *graph.initializer):
        yield value.name
    for node in graph.node:
        yield node.name
        yield from node.input
        yield from node.output
        for attribute in node.attribute:
            for inner in (*([attribute.g] if attribute.HasField("g") else ()), *attribute.graphs):
                yield from _names(inner)


def _one_line(exc: BaseException) -> str:
    return " ".join(str(exc).split())[:160]


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
    from onnx import TensorProto, ValueInfoProto, helper

    if not any(output in node.output for node in model.graph.node):
        raise ValueError(f"it has no tensor {output}")
    end = ValueInfoProto()
    said = next((v for v in (*model.graph.output, *model.graph.value_info) if v.name == output), None)
    end.CopyFrom(said or helper.make_tensor_value_info(output, TensorProto.FLOAT, None))
    del model.graph.output[:]
    model.graph.output.append(end)
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


def _pooled(model: onnx.ModelProto, record: EncoderRecord) -> onnx.ModelProto:
    """The model with its output pooled to (n, d), in place; see ``Pooling``."""
    pool = record.pool
    if pool is Pooling.NONE:
        return model
    chain = _Chain(_unused(model, "seealike.pool"))
    x = model.graph.output[0].name
    if pool is Pooling.CLS:
        first = chain.constant(0, np.int64)
        _append(model, chain, chain.node("Gather", x, first, axis=1, output=f"{chain.prefix}.pooled"), None)
        return model
    if pool is not Pooling.FLATTEN and _has_tokens(model, record):
        x = chain.node("Transpose", x, perm=[0, 2, 1])
    if pool is Pooling.GEM:
        x = chain.node("Max", x, chain.constant(GEM_LEAST))
        x = chain.node("Pow", x, chain.constant(GEM_EXPONENT))
    if pool is not Pooling.FLATTEN:
        x = chain.node("GlobalMaxPool" if pool is Pooling.MAX else "GlobalAveragePool", x)
    if pool is Pooling.GEM:
        x = chain.node("Pow", x, chain.constant(1 / GEM_EXPONENT))
    _append(model, chain, chain.node("Flatten", x, output=f"{chain.prefix}.pooled"), None)
    return model


def _has_tokens(model: onnx.ModelProto, record: EncoderRecord) -> bool:
    """Whether the output is (n, tokens, d), not (n, c, h, w).

    Raises:
        EncoderError: it is neither, or the file does not say: pooled over the wrong axis it would be noise.
    """
    from onnx import shape_inference

    rank = len(shape_inference.infer_shapes(model).graph.output[0].type.tensor_type.shape.dim)
    if rank not in (3, 4):
        raise EncoderError(
            f"{record.file} does not say whether {model.graph.output[0].name!r} is tokens or a map, so it "
            "cannot be built on; export it with its shapes, or with its features pooled"
        )
    return rank == 3


def _put_pictures_in_front(model: onnx.ModelProto, preprocessing: Preprocessing) -> None:
    """Let the model take uint8 (n, h, w, 3) and normalise it itself, in place."""
    from onnx import TensorProto, helper, numpy_helper

    constants = {constant.name for constant in model.graph.initializer}
    given = next(value for value in model.graph.input if value.name not in constants)
    order = [2, 1, 0] if preprocessing.bgr else [0, 1, 2]
    prefix = _unused(model, "seealike.pictures")
    pixels, levels, planes, ordered, centred, places, mean, scale = (
        f"{prefix}.{name}"
        for name in ("pixels", "levels", "planes", "ordered", "centred", "order", "mean", "scale")
    )
    parts = {
        mean: np.array(preprocessing.mean, np.float32)[order].reshape(3, 1, 1),
        scale: (1 / np.array(preprocessing.std, np.float32))[order].reshape(3, 1, 1),
    }
    steps = [
        helper.make_node("Cast", [pixels], [levels], to=TensorProto.FLOAT),
        helper.make_node("Transpose", [levels], [planes], perm=[0, 3, 1, 2]),
        helper.make_node("Gather", [planes, places], [ordered], axis=1),
        helper.make_node("Sub", [ordered, mean], [centred]),
        helper.make_node("Mul", [centred, scale], [given.name]),
    ]
    others = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend([*steps, *others])
    model.graph.initializer.append(numpy_helper.from_array(np.array(order, np.int64), places))
    model.graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in parts.items())
    side = preprocessing.crop_px
    batch = given.type.tensor_type.shape.dim[0]
    first: int | str = batch.dim_value or batch.dim_param or "n"
    taken = helper.make_tensor_value_info(pixels, TensorProto.UINT8, [first, side, side, 3])
    model.graph.input.remove(given)
    model.graph.input.insert(0, taken)
