"""A network in whole numbers of 8 bits, for processors that have no bfloat16: much quicker there.

Convolutions of 1 x 1 count in 8 bits, but for those of the first two blocks, whose errors would be most. The
depthwise ones stay as they are: they take a third of the time, and would double the errors. What goes into
one is rounded to 256 steps of a range that is known: 0 to 6 after a ReLU6, elsewhere it was measured by
tools/calibrate_eight_bits.py. Weights are rounded to 255 steps for each channel of the output. Knows
graphs of OpenVINO and no files; openvino must be imported already.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt
    import openvino

    from seealike.types import Float32Array

    Float64Array: TypeAlias = "npt.NDArray[np.float64]"

# In the median, of vectors of drawn squares with those in float32. Photos agree better: by 0.9987 where these
# do by 0.9980. Where sums of 8-bit products overflow, neither does.
LEAST_COSINE = 0.997
LEAST_GAIN = 1.15
_RELU6 = 6.0
_LEVELS = 127
_SMALLEST = 1e-8
_LAST_OF_BLOCK = re.compile(r"(_blocks\.\d+)\._project_conv")
# How far from zero goes what enters the convolutions that follow no ReLU6.
_LITE0 = {
    "_blocks.2._expand_conv": 53.4,
    "_blocks.3._expand_conv": 57.1,
    "_blocks.4._expand_conv": 43.5,
    "_blocks.5._expand_conv": 46.8,
    "_blocks.6._expand_conv": 34.2,
    "_blocks.7._expand_conv": 35.4,
    "_blocks.8._expand_conv": 39.5,
    "_blocks.9._expand_conv": 36.8,
    "_blocks.10._expand_conv": 36.7,
    "_blocks.11._expand_conv": 38.4,
    "_blocks.12._expand_conv": 27.1,
    "_blocks.13._expand_conv": 27.9,
    "_blocks.14._expand_conv": 30.9,
    "_blocks.15._expand_conv": 35.9,
    "_conv_head": 15.8,
}
# By the SHA-256 of the weights.
_REACHES = {
    "eda99f782a4e1ef96f0908ef3ce8e3bffd79b58a09e420398e98a040ec40c029": _LITE0,
    "cd682daabe4a5ce27156ea6c9ea605d15870e81a5a1dea99ca7f77b7cd3e1653": {**_LITE0, "_conv_head": 17.0},
}


def is_calibrated(weights_sha256: str) -> bool:
    """Whether a network's ranges are known."""
    return weights_sha256 in _REACHES


def counted_in_eight_bits(model: openvino.Model, weights_sha256: str) -> openvino.Model:
    """Return the model with its inputs of convolutions and their weights rounded, changed in place.

    Source: Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only
    Inference", 2018; the compiler takes what is rounded so to whole numbers.
    """
    from openvino import opset13 as ops

    found = [(node, reach) for node in model.get_ordered_ops() if (reach := _range_of(node, weights_sha256))]
    exact = _values_of([node.input_value(1) for node, _ in found])
    for (node, reach), weights in zip(found, exact, strict=True):
        ends = [np.full((1, 1, 1, 1), end, np.float32) for end in reach]
        rounded = ops.fake_quantize(node.input_value(0), *ends, *ends, 2 * _LEVELS + 2)
        node.input(0).replace_source_output(rounded.output(0))
        steps, top = rounded_weights(weights)
        fixed = ops.fake_quantize(ops.constant(steps), -top, top, -top, top, 2 * _LEVELS + 1)
        node.input(1).replace_source_output(fixed.output(0))
    model.validate_nodes_and_infer_types()
    return model


def _range_of(node: openvino.Node, weights_sha256: str) -> tuple[float, float] | None:
    """Where the numbers that go into a convolution lie; None of one that stays as it is, and of others."""
    if node.get_type_name() != "Convolution":
        return None
    reaches = _REACHES[weights_sha256]
    name = node.get_friendly_name().partition("/")[0]
    if name in reaches:
        return -reaches[name] * (_LEVELS + 1) / _LEVELS, reaches[name]
    last = _LAST_OF_BLOCK.fullmatch(name)
    return (0.0, _RELU6) if last and f"{last[1]}._expand_conv" in reaches else None


def rounded_weights(weights: Float32Array) -> tuple[Float32Array, Float32Array]:
    """Weights rounded to 255 steps a channel of the output, and how far from zero each channel goes.

    Those of one channel are rounded so that their errors cancel: what enters is mostly of one sign, and a
    sum of errors would be multiplied by its mean.

    Shapes: weights is (o, ...), and so is the first; the second is (o, 1, ...).
    """
    axes = tuple(range(1, weights.ndim))
    reach = np.maximum(np.abs(weights).max(axis=axes, keepdims=True), np.float32(_SMALLEST))
    exact = weights.astype(np.float64) * _LEVELS / reach
    steps = np.rint(exact)
    flat, errors = steps.reshape(len(steps), -1), (steps - exact).reshape(len(steps), -1)
    for row, error in zip(flat, errors, strict=True):
        _cancelled(row, error)
    steps = np.clip(steps, -_LEVELS, _LEVELS)
    return (steps * reach / _LEVELS).astype(np.float32), reach.astype(np.float32)


def _cancelled(steps: Float64Array, errors: Float64Array) -> None:
    """Round as many the other way, in place, as their sum of errors is steps; those that it costs least."""
    total = float(errors.sum())
    sign, count = float(np.sign(total)), round(abs(total))
    if count:
        steps[np.argsort(-sign * errors, kind="stable")[:count]] -= sign


def _values_of(sources: list[openvino.Output]) -> list[Float32Array]:
    """What parts of the graph that depend on no picture compute."""
    import openvino
    from openvino import opset13 as ops

    constants = openvino.Model([ops.result(source) for source in sources], [])
    compiled = openvino.Core().compile_model(constants, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    answers = compiled([])
    return [np.array(answers[place], np.float32) for place in range(len(sources))]
