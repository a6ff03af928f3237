"""Print how far from zero goes what enters the convolutions of the bundled network that follow no ReLU6.

python tools/calibrate_eight_bits.py PICTURE...

128 photos of different things are enough; no label is looked at. The numbers stand in
encoders/onnx/eight_bits.py. Each is half-way between the mean of the pictures' extremes and the extreme of
all: what is cut off costs less than coarser steps do.
"""

from __future__ import annotations

import sys

import numpy as np
from PIL import Image

from seealike.encoders import record_of
from seealike.encoders.onnx import graph
from seealike.encoders.onnx.file import read_model_file
from seealike.encoders.onnx.openvino import read_model

RECORD = record_of("efficientnet-lite0")


def prepared(path: str) -> np.ndarray:
    """A picture as the network takes it, (1, h, w, 3)."""
    how = RECORD.preprocessing
    with Image.open(path) as picture:
        rgb = picture.convert("RGB")
    scale = how.resize_px / min(rgb.size)
    rgb = rgb.resize((round(rgb.width * scale), round(rgb.height * scale)), Image.Resampling.BICUBIC)
    left, top = (rgb.width - how.crop_px) // 2, (rgb.height - how.crop_px) // 2
    return np.asarray(rgb.crop((left, top, left + how.crop_px, top + how.crop_px)))[None]


def main(paths: list[str]) -> None:
    model = graph.prepared(read_model(read_model_file(RECORD.file)), RECORD, 1)
    import openvino
    from openvino import opset13 as ops

    nodes = [node for node in model.get_ordered_ops() if node.get_type_name().endswith("Convolution")]
    entering = openvino.Model([ops.result(node.input_value(0)) for node in nodes], model.get_parameters())
    compiled = openvino.Core().compile_model(entering, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    lows, highs = np.empty((2, len(paths), len(nodes)))
    for row, path in enumerate(paths):
        answers = compiled(prepared(path))
        lows[row] = [answers[place].min() for place in range(len(nodes))]
        highs[row] = [answers[place].max() for place in range(len(nodes))]
    ends = [
        (np.abs(each).mean(axis=0) + np.abs(each).max(axis=0)) / 2
        for each in (np.minimum(lows, 0), np.maximum(highs, 0))
    ]
    for node, signed, reach in zip(nodes, lows.min(axis=0) < 0, np.maximum(*ends), strict=True):
        if signed:
            print(f'"{node.get_friendly_name().partition("/")[0]}": {reach:.1f},')


if __name__ == "__main__":
    main(sys.argv[1:])
