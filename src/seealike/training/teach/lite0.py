"""EfficientNet-Lite0 between two forms: the bundled ONNX file, and timm's network that can be trained.

In the file every batch norm is folded into its convolution, so it holds no statistics of the data. They are
measured again on pictures: a batch norm that is given the mean and variance of what it sees, and that
deviation back as its gain, changes nothing, and can be trained.

The convolutions of both forms come in the same order, which is all that joins their names.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from seealike.errors import EncoderError
from seealike.training.graph import drop_unused

if TYPE_CHECKING:
    import onnx
    import torch

    from seealike.types import Float32Array

ARCHITECTURE = "tf_efficientnet_lite0"


class _Constants:
    """The numbers behind a graph's names: constants, and what is computed from constants alone."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self._stored = {constant.name: constant for constant in model.graph.initializer}
        self._made_by = {output: node for node in model.graph.node for output in node.output}

    def value(self, name: str) -> Float32Array:
        from onnx import numpy_helper

        if name in self._stored:
            return np.asarray(numpy_helper.to_array(self._stored[name]), dtype=np.float32)
        node = self._made_by[name]
        inputs = [self.value(given) for given in node.input]
        if node.op_type == "Cast":
            return inputs[0]
        if node.op_type == "Mul":
            return np.asarray(inputs[0] * inputs[1], dtype=np.float32)
        raise EncoderError(f"the model computes its weights by {node.op_type}, which training does not know")


def untrained_network(skipped: float = 0.0) -> torch.nn.Module:
    """timm's network of the same shape, without its classifier; its weights are drawn.

    ``skipped``: how often the last residual branch is left out while it learns, the earlier ones less often.
    """
    import timm

    return timm.create_model(ARCHITECTURE, pretrained=False, num_classes=0, drop_path_rate=skipped)


def load_folded(network: torch.nn.Module, model: onnx.ModelProto, pictures: torch.Tensor) -> None:
    """Give the network the file's weights, and its batch norms what ``pictures`` show.

    The network then computes what the file does.

    Shapes: pictures is (n, 3, h, w), normalised as the file does.
    """
    import torch

    constants = _Constants(model)
    pairs = list(zip(_convolutions(network), _nodes(model), strict=True))
    handles = []
    for (convolution, norm), node in pairs:
        weight, bias = (torch.from_numpy(constants.value(name).copy()) for name in node.input[1:3])
        convolution.weight.data.copy_(weight)
        handles.append(norm.register_forward_pre_hook(_measuring(bias)))
    network.eval()
    with torch.no_grad():
        network(pictures)
    for handle in handles:
        handle.remove()


def folded_into(network: torch.nn.Module, model: onnx.ModelProto) -> onnx.ModelProto:
    """The file's graph with the network's weights, its batch norms folded in again."""
    import onnx
    from onnx import numpy_helper

    result = onnx.ModelProto()
    result.CopyFrom(model)
    new: dict[str, Float32Array] = {}
    for (convolution, norm), node in zip(_convolutions(network), _nodes(result), strict=True):
        scale = norm.weight.detach().double() / (norm.running_var.double() + norm.eps).sqrt()
        weight = convolution.weight.detach().double() * scale[:, None, None, None]
        bias = norm.bias.detach().double() - norm.running_mean.double() * scale
        for number, value in ((1, weight), (2, bias)):
            name = f"{node.name}.{'weight' if number == 1 else 'bias'}.trained"
            node.input[number] = name
            new[name] = value.cpu().numpy().astype(np.float32)
    result.graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in new.items())
    drop_unused(result)
    onnx.checker.check_model(result)
    return result


def _measuring(bias: torch.Tensor) -> Callable[[torch.nn.Module, tuple[torch.Tensor, ...]], None]:
    """What lets a batch norm take the statistics of what comes first, and only add ``bias``."""

    def measure(norm: torch.nn.Module, given: tuple[torch.Tensor, ...]) -> None:
        mean = given[0].mean((0, 2, 3))
        variance = given[0].var((0, 2, 3), unbiased=False)
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(variance)
        norm.weight.data.copy_((variance + norm.eps).sqrt())
        norm.bias.data.copy_(bias + mean)

    return measure


def _convolutions(network: torch.nn.Module) -> list[tuple[torch.nn.Module, torch.nn.Module]]:
    """Every convolution with the batch norm behind it, in the order of computation."""
    from torch import nn

    modules = [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.BatchNorm2d)]
    return list(zip(modules[::2], modules[1::2], strict=True))


def _nodes(model: onnx.ModelProto) -> list[onnx.NodeProto]:
    return [node for node in model.graph.node if node.op_type == "Conv"]
