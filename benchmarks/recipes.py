"""The five recipes' own loops against ``seealike index`` with the same network: files to vectors.

A recipe's loop opens a picture with Pillow, resizes and crops it, and asks torch for its features, one
picture after the other; only R1 and R4 differ in the network and in the layer. Weights are random, but for
the batch norms, which are fitted to pictures: speed does not depend on them.

torch's threads wait for each other wherever anything else runs, so the best turn of its loop is taken, and
the median of ours.
"""

from __future__ import annotations

import importlib.util
import shutil
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

import seealike
from benchmarks.photos import repeated, warm
from benchmarks.report import Row, spread
from benchmarks.timm_models import network_with_weights

if TYPE_CHECKING:
    import torch

TITLE = "The five recipes: their own loop against `seealike index`"
TURNS = 3
LOOP_S = 4.0


@dataclass(frozen=True, slots=True)
class Recipe:
    """``files`` are indexed in one turn."""

    what: str
    network: str
    files: int
    flattened: bool = False


RECIPES = (
    Recipe("R0: ResNet18, average pool", "resnet18", 1500),
    Recipe("R1: ResNet152, as it embeds", "resnet152", 128),
    Recipe("R2: VGG16 `fc2`", "vgg16", 64),
    Recipe("R2: MobileNet", "mobilenetv1_100", 1500),
    Recipe("R2: MobileNetV2", "mobilenetv2_100", 1500),
    Recipe("R2: InceptionResNetV2", "inception_resnet_v2", 96),
    Recipe("R3: ResNet50, average pool", "resnet50", 400),
    Recipe("R4: VGG16, flattened maps", "vgg16", 64, flattened=True),
)


def rows(data: Path, work: Path) -> list[Row]:
    if any(importlib.util.find_spec(name) is None for name in ("torch", "timm")):
        return [Row("the recipes", "not measured", "", "torch or timm is not installed")]
    return [_row(recipe, data, work) for recipe in RECIPES]


def _row(recipe: Recipe, data: Path, work: Path) -> Row:
    network, weights = network_with_weights(recipe.network, work / "timm")
    folder = repeated(data, work / f"photos-{recipe.files}", recipe.files)
    warm(folder)
    paths = sorted(folder.glob("*.jpg"))
    pool = "&pool=flatten" if recipe.flattened else ""
    spec = f"timm:{recipe.network}?weights={weights}{pool}"
    seealike.create(_clean(work / "recipe.catalog"), encoder=spec).close()  # exports the network
    theirs, ours = [], []
    for _ in range(TURNS):
        theirs.append(_loop_rate(_asked(network, recipe), paths))
        ours.append(_index_rate(spec, folder, work))
    ratio = statistics.median(ours) / max(theirs)
    value = f"{statistics.median(ours):.1f} against {max(theirs):.1f} images/s"
    return Row(recipe.what, f"{value}, {ratio:.1f} x", "", f"{spread(ours)} against {spread(theirs)}")


def _index_rate(spec: str, folder: Path, work: Path) -> float:
    with seealike.create(_clean(work / "recipe.catalog"), encoder=spec) as catalog:
        report = catalog.index(folder)
    return report.added / report.took_s


def _clean(path: Path) -> Path:
    shutil.rmtree(path, ignore_errors=True)
    return path


def _asked(network: torch.nn.Module, recipe: Recipe) -> Callable[[torch.Tensor], torch.Tensor]:
    """What the recipe asks of the network: the layer before the classifier, or its maps."""
    if recipe.flattened:
        return lambda pixels: network.forward_features(pixels).flatten(1)
    return lambda pixels: network.forward_head(network.forward_features(pixels), pre_logits=True)


def _loop_rate(features: Callable[[torch.Tensor], torch.Tensor], paths: list[Path]) -> float:
    import torch

    def one(path: Path) -> None:
        pixels = np.asarray(_prepared(path), dtype=np.float32).transpose(2, 0, 1) / 255
        with torch.inference_mode():
            features(torch.from_numpy((pixels - 0.45) / 0.225)[None])

    one(paths[0])
    started, done = time.perf_counter(), 0
    while (passed := time.perf_counter() - started) < LOOP_S:
        one(paths[done % len(paths)])
        done += 1
    return done / passed


def _prepared(path: Path, side: int = 224, shorter: int = 256) -> Image.Image:
    image = Image.open(path).convert("RGB")
    scale = shorter / min(image.size)
    image = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.BICUBIC)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    return image.crop((left, top, left + side, top + side))
