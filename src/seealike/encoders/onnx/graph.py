"""Operations on a model's graph: cut it at a tensor, pool what comes out, put the pictures in front.

Array letters: n pictures, c channels or features, h, w pixels, t tokens, d dimensions. Knows
OpenVINO's graphs and no files. Every function needs openvino to be imported already, as ``_runtime`` does it.
"""

from __future__ import annotations

import difflib
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from seealike.encoders.card import InputForm
from seealike.encoders.spec import GEM_EXPONENT, GEM_LEAST, Pooling
from seealike.errors import EncoderError

if TYPE_CHECKING:
    import openvino

    from seealike.encoders.models import EncoderRecord
    from seealike.types import Preprocessing

_MOST_NAMED = 12

Shape: TypeAlias = tuple[int | None, ...]
"""The length of every axis, None where the graph leaves it open."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """A value that a model computes from the picture. ``shape``: for one picture at the model's size."""

    name: str
    shape: Shape


@dataclass(frozen=True, slots=True)
class GraphInput:
    """What a graph takes.

    ``channels_last``: (n, h, w, 3) and not (n, 3, h, w). ``side_px`` is None where any size will do.
    ``batch_size`` is None where the graph does not state one.
    """

    form: InputForm
    channels_last: bool
    side_px: int | None
    batch_size: int | None


def cut(model: openvino.Model, name: str | None) -> openvino.Model:
    """Return the part of a model that computes one tensor; ``name`` None is its only output.

    Raises:
        EncoderError: there is no such tensor, it does not depend on one picture alone, or no name was given
            and there are several outputs: which comes first is chance.
    """
    import openvino
    from openvino import opset13 as ops

    outputs = _computed(model)
    if name is None:
        if len(model.outputs) > 1:
            names = [min(port.get_names(), default="a nameless one") for port in model.outputs]
            more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
            raise EncoderError(
                f"the model has {len(names)} outputs: {', '.join(names[:_MOST_NAMED])}{more}; "
                "say which one with layer=NAME"
            )
        tensor = model.output(0)
        if len(model.outputs) == 1 and len(model.inputs) == 1:
            return model
    elif name in outputs:
        tensor = outputs[name]
    else:
        near = difflib.get_close_matches(name, outputs, 4, 0.4) or list(outputs)[-4:]
        raise EncoderError(
            f"the model computes no tensor {name!r} from the picture; near: {', '.join(near)}; "
            "`seealike encoders onnx:FILE` lists all"
        )
    source = tensor.get_node().input_value(0) if tensor.get_node().get_type_name() == "Result" else tensor
    needed = _parameters(source)
    if len(needed) != 1:
        inputs = ", ".join(parameter.output(0).get_any_name() for parameter in needed) or "none"
        raise EncoderError(
            f"an encoder has one input, the picture; this model needs {len(needed)}: {inputs}; "
            "layer= may name a tensor that needs the picture alone"
        )
    return openvino.Model([ops.result(source)], needed, "cut")


def tensors(model: openvino.Model) -> list[Tensor]:
    """Return what ``cut`` can take: everything that could be features, in the order of computation."""
    return [
        Tensor(name, shape)
        for name, output in _computed(model).items()
        if len(shape := _shape(output)) in (2, 3, 4) and output.get_element_type().is_real()
    ]


def input_of(model: openvino.Model, form: InputForm | None) -> GraphInput:
    """Return what a model of one input takes, judged by its graph; ``form`` is what its card says.

    Raises:
        EncoderError: it takes no pictures.
    """
    port = model.input(0)
    shape, kind = _shape(port), port.get_element_type()
    said = f"{kind.get_type_name()} {_shape_text(shape)}"
    whole = kind.get_type_name() == "u8"
    if len(shape) != 4 or not (whole or kind.is_real()):
        raise EncoderError(
            f"the model takes {said}; an encoder takes float32 (n, 3, h, w) or uint8 (n, h, w, 3)"
        )
    found = InputForm.PICTURES if whole else InputForm.TENSOR
    if form not in (None, found):
        raise EncoderError(f"the model's card says input {form}, but the model takes {said}")
    channels_last = shape[1] != 3 and (shape[3] == 3 or (shape[1] is None and whole))
    channels = shape[3 if channels_last else 1]
    height, width = shape[1:3] if channels_last else shape[2:]
    if channels not in (3, None):
        raise EncoderError(f"the model takes {said}: pictures of {channels} channels, not 3")
    if None not in (height, width) and height != width:
        raise EncoderError(f"the model takes {said}; an encoder takes squares")
    return GraphInput(found, channels_last, height or width, shape[0])


def reshaped(model: openvino.Model, batch_size: int, side_px: int) -> None:
    """Fix the model's input to a batch of squares, in place.

    Raises:
        EncoderError: it does not take them.
    """
    takes = input_of(model, None)
    square = (side_px, side_px, 3) if takes.channels_last else (3, side_px, side_px)
    try:
        model.reshape([batch_size, *square])
    except RuntimeError as exc:
        only = f": it is made for {takes.side_px} px" if takes.side_px else ""
        raise EncoderError(f"the model does not take {side_px} x {side_px} px{only}") from exc


def pooling_of(model: openvino.Model, stated: Pooling | None, card: str | None) -> Pooling:
    """Return how a model's output becomes one vector: as stated, else as its card says, else the usual way.

    Raises:
        EncoderError: it cannot.
    """
    rank = _rank(model)
    if stated is not None:
        return stated
    if rank == 2:
        return Pooling.NONE
    if card is None:
        return Pooling.AVG
    if card not in list(Pooling):
        raise EncoderError(
            f"the output {_output_text(model)} needs pooling, and the card says {card!r}; "
            f"known: {', '.join(Pooling)}"
        )
    return Pooling(card)


def output_name(model: openvino.Model) -> str:
    """Return the name of the tensor that a model's first output is."""
    return min(model.output(0).get_names(), default="")


def pooled(model: openvino.Model, pool: Pooling) -> openvino.Model:
    """Return the model with its output (n, c, h, w) or (n, t, d) pooled to (n, d); (n, d) stays.

    Source: GeM is Radenovic et al. 2018, equation 3, with exponent 3.

    Raises:
        EncoderError: this output cannot be pooled so.
    """
    import openvino
    from openvino import opset13 as ops

    rank = _rank(model)
    if rank == 2 and pool in (Pooling.NONE, Pooling.FLATTEN):
        return model
    if rank == 2 or pool is Pooling.NONE:
        known = f"avg, max, gem{', cls' if rank == 3 else ''} or flatten"
        rest = "needs no pooling" if rank == 2 else f"needs pooling: {known}"
        raise EncoderError(f"the output {_output_text(model)} {rest}; not pool={pool}")
    if pool is Pooling.CLS and rank != 3:
        raise EncoderError(
            f"the output {_output_text(model)} is no tokens, of which pool=cls takes the first"
        )
    x = model.output(0).get_node().input_value(0)
    x = x if x.get_element_type().get_type_name() == "f32" else ops.convert(x, "f32").output(0)
    axes = np.array([2, 3] if rank == 4 else [1], np.int64)
    if pool is Pooling.FLATTEN:
        node = ops.reshape(x, np.array([0, -1], np.int64), special_zero=True)
    elif pool is Pooling.CLS:
        node = ops.gather(x, np.int64(0), np.int64(1))
    elif pool is Pooling.MAX:
        node = ops.reduce_max(x, axes, keep_dims=False)
    elif pool is Pooling.AVG:
        node = ops.reduce_mean(x, axes, keep_dims=False)
    else:
        raised = ops.power(ops.maximum(x, np.float32(GEM_LEAST)), np.float32(GEM_EXPONENT))
        mean = ops.reduce_mean(raised, axes, keep_dims=False)
        node = ops.power(mean, np.float32(1 / GEM_EXPONENT))
    return openvino.Model([ops.result(node)], model.get_parameters(), "pooled")


def placed(model: openvino.Model, pool: Pooling) -> openvino.Model:
    """Return the model with the features of every place, (n, h, w, d), before they are pooled.

    Raises:
        EncoderError: its features are no map, or do more than pool it.
    """
    import openvino
    from openvino import opset13 as ops

    x = model.output(0).get_node().input_value(0)
    if pool is Pooling.NONE:
        x = _before_mean(x)
    shape = _shape(x)
    if pool is Pooling.FLATTEN or len(shape) != 4:
        raise EncoderError("it does not pool a map of places")
    x = x if x.get_element_type().get_type_name() == "f32" else ops.convert(x, "f32").output(0)
    if pool is not Pooling.NONE or not _is_channels_last(shape, model.output(0)):
        x = ops.transpose(x, np.array([0, 2, 3, 1], np.int64)).output(0)
    return openvino.Model([ops.result(x)], model.get_parameters(), "placed")


def _before_mean(x: openvino.Output) -> openvino.Output:
    """What the model itself takes the mean of, where its last step is that: (n, c, h, w) or (n, h, w, c)."""
    while (node := x.get_node()).get_type_name() in ("Reshape", "Squeeze", "Convert"):
        x = node.input_value(0)
    if node.get_type_name() not in ("ReduceMean", "AvgPool"):
        raise EncoderError("it does not take the mean over places last")
    before, after = _shape(node.input_value(0)), _shape(x)
    if len(before) != 4 or math.prod(after[1:]) not in (before[1], before[3]):  # type: ignore[arg-type]
        raise EncoderError("it does not take the mean over places last")
    return node.input_value(0)


def _is_channels_last(shape: Shape, pooled_to: openvino.Output) -> bool:
    return shape[1] != _shape(pooled_to)[1]


def fed_with_pictures(model: openvino.Model, preprocessing: Preprocessing) -> openvino.Model:
    """Return the model with uint8 (n, h, w, 3), RGB, as its input; normalised unless it does so itself."""
    import openvino
    from openvino.preprocess import PrePostProcessor

    takes = input_of(model, None)
    if takes.form is InputForm.PICTURES and takes.channels_last:
        return model
    steps = PrePostProcessor(model)
    port = steps.input()
    port.tensor().set_element_type(openvino.Type.u8).set_layout(openvino.Layout("NHWC"))
    port.model().set_layout(openvino.Layout("NHWC" if takes.channels_last else "NCHW"))
    if takes.form is InputForm.TENSOR:
        normalised = port.preprocess().convert_element_type(openvino.Type.f32)
        normalised.mean(list(preprocessing.mean)).scale(list(preprocessing.std))
        if preprocessing.bgr:
            normalised.reverse_channels()
        normalised.convert_element_type(model.input(0).get_element_type())
    return steps.build()


def dimension_of(model: openvino.Model, batch_size: int) -> int:
    """Return the number of features a picture of a model that is cut, shaped and pooled.

    Raises:
        EncoderError: the output is not one vector a picture.
    """
    shape = _shape(model.output(0))
    if len(shape) != 2 or shape[0] != batch_size or not shape[1]:
        raise EncoderError(
            f"the output is {_shape_text(shape)} for {batch_size} pictures, not one vector a picture"
        )
    return shape[1]


def prepared(model: openvino.Model, record: EncoderRecord, batch_size: int) -> openvino.Model:
    """Return what computes the features of ``batch_size`` pictures: uint8 (n, h, w, 3) in, (n, d) out.

    Raises:
        EncoderError: the model is not what its record says.
    """
    model = cut(model, record.output)
    input_of(model, record.input)
    reshaped(model, batch_size, record.preprocessing.crop_px)
    return fed_with_pictures(_first(pooled(model, record.pool), record), record.preprocessing)


def prepared_for_places(
    model: openvino.Model, record: EncoderRecord, batch_size: int, side_px: int
) -> openvino.Model:
    """Return what computes the features of every place: uint8 (n, side_px, side_px, 3) in, (n, h, w, d) out.

    Raises:
        EncoderError: the model does not pool places, or does not take pictures of this size.
    """
    model = cut(model, record.output)
    input_of(model, record.input)
    reshaped(model, batch_size, side_px)
    return fed_with_pictures(_first(placed(model, record.pool), record), record.preprocessing)


def _first(model: openvino.Model, record: EncoderRecord) -> openvino.Model:
    """Return the model with the first numbers of its last axis, as many as the record keeps."""
    import openvino
    from openvino import opset13 as ops

    if record.whole is None:
        return model
    x = model.output(0).get_node().input_value(0)
    stop = np.array([record.dimension], np.int64)
    node = ops.slice(x, np.zeros(1, np.int64), stop, np.ones(1, np.int64), np.array([-1], np.int64))
    return openvino.Model([ops.result(node)], model.get_parameters(), "first")


def _computed(model: openvino.Model) -> dict[str, openvino.Output]:
    """Return what the model computes from its inputs, by name, in order."""
    moving: set[str] = set()
    found = {}
    for node in model.get_ordered_ops():
        kind = node.get_type_name()
        sources = [node.input_value(place).get_node().get_name() for place in range(node.get_input_size())]
        if kind != "Parameter" and moving.isdisjoint(sources):
            continue
        moving.add(node.get_name())
        if kind in ("Parameter", "Result"):
            continue
        for output in node.outputs():
            found.update(dict.fromkeys(sorted(output.get_names()), output))
    return found


def _parameters(output: openvino.Output) -> list[openvino.Node]:
    """Return the inputs of the model that ``output`` depends on."""
    seen, waiting, needed = set(), [output.get_node()], []
    while waiting:
        node = waiting.pop()
        if node.get_name() in seen:
            continue
        seen.add(node.get_name())
        if node.get_type_name() == "Parameter":
            needed.append(node)
        waiting += [node.input_value(place).get_node() for place in range(node.get_input_size())]
    return needed


def _shape(port: openvino.Output) -> Shape:
    shape = port.get_partial_shape()
    if shape.rank.is_dynamic:
        return ()
    return tuple(axis.get_length() if axis.is_static else None for axis in shape)


def _rank(model: openvino.Model) -> int:
    rank = len(_shape(model.output(0)))
    if rank not in (2, 3, 4):
        raise EncoderError(
            f"the output {_output_text(model)} is no features: (n, d), (n, tokens, d) or (n, c, h, w); "
            "layer= names another tensor"
        )
    return rank


def _shape_text(shape: Shape) -> str:
    return f"({', '.join('?' if axis is None else str(axis) for axis in shape)})"


def _output_text(model: openvino.Model) -> str:
    lengths = ["n", *map(str, _shape(model.output(0))[1:])]
    return f"{output_name(model)} ({', '.join(lengths)})".strip()
