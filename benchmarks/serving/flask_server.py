"""Search by picture as recipes on the web write it: Flask, Pillow, a ResNet of torch, one picture a request.

python flask_server.py resnet18           prints its port, and serves 3,000 random vectors

It runs by an interpreter that has flask, pillow and torch, and nothing of seealike. Weights are random: speed
does not depend on them.
"""

from __future__ import annotations

import io
import socket
import sys

import flask
import numpy as np
import torch
from PIL import Image
from torch import nn

COUNT, K = 3_000, 10
MEAN, DEVIATION = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
LAYERS = {"resnet18": ((2, 2, 2, 2), 1), "resnet50": ((3, 4, 6, 3), 4)}


class Block(nn.Module):  # type: ignore[misc]
    """Two convolutions, or three around a narrow one, beside a way around them."""

    def __init__(self, inner: int, width: int, growth: int, stride: int) -> None:
        super().__init__()
        outer = width * growth
        parts = (
            [(inner, width, 3, stride), (width, outer, 3, 1)]
            if growth == 1
            else [(inner, width, 1, 1), (width, width, 3, stride), (width, outer, 1, 1)]
        )
        steps: list[nn.Module] = []
        for part in parts:
            steps += [*normed(*part), nn.ReLU(inplace=True)]
        self.body = nn.Sequential(*steps[:-1])
        same = stride == 1 and inner == outer
        self.around = nn.Identity() if same else nn.Sequential(*normed(inner, outer, 1, stride))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.body(x) + self.around(x))


def normed(inner: int, outer: int, side: int, stride: int) -> list[nn.Module]:
    return [nn.Conv2d(inner, outer, side, stride, side // 2, bias=False), nn.BatchNorm2d(outer)]


def network(name: str) -> nn.Module:
    """Source: He et al., "Deep residual learning for image recognition" (2015), without the last layer."""
    depths, growth = LAYERS[name]
    parts = [*normed(3, 64, 7, 2), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1)]
    inner = 64
    for number, depth in enumerate(depths):
        width = 64 << number
        for place in range(depth):
            parts.append(Block(inner, width, growth, 2 if number and not place else 1))
            inner = width * growth
    return nn.Sequential(*parts, nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()


def main() -> None:
    model = network(sys.argv[1])
    with torch.no_grad():
        dimension = model(torch.zeros(1, 3, 224, 224)).shape[1]
    features = np.random.default_rng(0).normal(size=(COUNT, dimension)).astype(np.float32)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    app = flask.Flask(__name__)

    @app.post("/search")  # type: ignore[untyped-decorator]
    def search() -> flask.Response:
        image = Image.open(io.BytesIO(flask.request.get_data())).convert("RGB").resize((224, 224))
        pixels = (np.asarray(image) / 255 - MEAN) / DEVIATION
        with torch.no_grad():
            query = model(torch.from_numpy(pixels.transpose(2, 0, 1)[None].astype(np.float32)))[0].numpy()
        distances = np.linalg.norm(features - query / np.linalg.norm(query), axis=1)
        best = np.argsort(distances)[:K]
        return flask.jsonify([{"id": int(one), "score": float(distances[one])} for one in best])

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    print(port, flush=True)
    app.run(port=port, threaded=True)


if __name__ == "__main__":
    main()
