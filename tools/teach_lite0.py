"""Teach the end of the bundled encoder what a better one knows: its last block and its last convolution.

    pip install opencv-python-headless torch
    python tools/teach_lite0.py --data ../shared/data --teacher ../shared/models/efficientnet-b4-trunk.onnx \\
        --work FOLDER --output FILE

What is learnt from: the clothing photos whose ``split`` is ``train`` (CC0), garments cut out of them and laid
on the grounds of others, and edited copies of them. No label is learnt from. The photos of some senders are
held out: they are not learnt from, and their labels say how good the result is. Photos of ``test`` are never
opened.

Three things are asked of the vectors of a batch:

    who is near whom as the teacher says, among photos, copies and garments on other grounds, which stand for
    the photo that they are of; those of one sender are not compared: the teacher knows their floors as well
    a copy finds its own photo among the others
    photos are as near to each other as they were

Everything up to the last block stays, so what that block is given is computed once and kept in the work
folder, with the teacher's vectors. Training writes where it is every minute. Whatever is stopped goes on from
there; the same pictures and seed give the same weights on the same machine, but for the last digits.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import os
import random
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper

from seealike.demo.drawing.backdrop import choose_backdrop, paint_backdrop
from seealike.encoders import EncoderMode, parse_spec, record_for
from seealike.encoders.models import EFFICIENTNET_LITE0
from seealike.encoders.onnx.openvino import OpenVinoEncoder
from seealike.evaluation.statistics.metrics import metric_names
from seealike.evaluation.statistics.ranking import RankingTask, rank
from seealike.images import DecodeLimits, decode, prepare

if TYPE_CHECKING:
    import torch

    from seealike.types import Preprocessing

Float32Array: TypeAlias = npt.NDArray[np.float32]
PixelArray: TypeAlias = npt.NDArray[np.uint8]
Rows: TypeAlias = npt.NDArray[np.int64]
Job: TypeAlias = Callable[[], list[PixelArray]]
Layers: TypeAlias = "dict[str, tuple[torch.Tensor, torch.Tensor]]"

SIDE_PX = 366  # of a view; the shorter side of what it is made of
GROUNDS, COPIED, COPIES = 2, 1000, 2
HELD_OUT = 35  # senders
NO_CLASS = frozenset({"Not sure", "Skip", "Other"})
BATCH = 8
TEACHER = "onnx:{}?size=320&resize=366&norm=imagenet&layer=t461"
LAST_BLOCK = "_blocks.14.sum"
"""What the last block is given: 192 features at 7 x 7 places."""
GIVEN = (192, 7, 7)
TAUGHT = ("_blocks.15._expand_conv", "_blocks.15._depthwise_conv", "_blocks.15._project_conv", "_conv_head")


# --- pictures: garments on other grounds, edited copies, drawn products --------------------------------


@dataclass(frozen=True, slots=True)
class Photo:
    """A photo, who sent it, what it shows, and whether it is learnt from or held out."""

    path: Path
    sender: str
    label: str
    lends: bool


def photos_of(folder: Path) -> list[Photo]:
    """The photos of ``train``, in the order of their table."""
    with open(folder / "catalogue.csv", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == "train"]
    away = held_out(row["sender"] for row in rows)
    return [
        Photo(folder / row["path"], row["sender"], row["label"], row["sender"] not in away) for row in rows
    ]


def held_out(senders: Iterable[str]) -> set[str]:
    """The senders whose photos settings are chosen on: some, by a digest of their names."""
    order = sorted(set(senders), key=lambda name: hashlib.sha256(f"v{name}".encode()).hexdigest())
    return set(order[:HELD_OUT])


def opened(photo: Photo) -> PixelArray:
    """The photo, its shorter side ``SIDE_PX``."""
    import cv2

    pixels: PixelArray = cv2.cvtColor(cv2.imread(str(photo.path)), cv2.COLOR_BGR2RGB)
    return _resized(pixels, SIDE_PX / min(pixels.shape[:2]))


def _resized(pixels: PixelArray, factor: float) -> PixelArray:
    import cv2

    how = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    size = [round(side * factor) for side in pixels.shape[1::-1]]
    resized: PixelArray = cv2.resize(pixels, size, interpolation=how)
    return resized


@cache
def garment(photo: Photo) -> PixelArray | None:
    """Where the thing in the middle of a photo is, 0 or 255, in small; None where that cannot be told.

    Source: Rother, Kolmogorov and Blake, "GrabCut", 2004, begun with an ellipse.
    """
    import cv2

    pixels = opened(photo)
    small = _resized(pixels, 112 / min(pixels.shape[:2]))
    height, width = small.shape[:2]
    down, across = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    guess = np.where(down**2 + across**2 < 0.75, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    for rim in (guess[:3], guess[-3:], guess[:, :3], guess[:, -3:]):
        rim[:] = cv2.GC_BGD
    cv2.setRNGSeed(0)
    cv2.grabCut(small, guess, None, np.zeros((1, 65)), np.zeros((1, 65)), 3, cv2.GC_INIT_WITH_MASK)
    found = np.isin(guess, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.uint8)
    found = cv2.morphologyEx(found, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    count, parts, sizes, _ = cv2.connectedComponentsWithStats(found)
    if count == 1:
        return None
    large = [part for part in range(1, count) if sizes[part, 4] > 0.1 * sizes[1:, 4].max()]
    found = cv2.morphologyEx(
        np.isin(parts, large).astype(np.uint8), cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8)
    )
    rim = np.concatenate([found[4], found[-5], found[:, 4], found[:, -5]])
    if not 0.08 < found.mean() < 0.75 or rim.mean() > 0.2:
        return None
    mask: PixelArray = found * np.uint8(255)
    return mask


def emptied(photo: Photo, rng: random.Random) -> PixelArray:
    """The middle of a photo with its garment painted over, mirrored or turned."""
    import cv2

    pixels, mask = with_mask(photo)
    small = _resized(pixels, 0.25)
    there = cv2.dilate(cv2.resize(mask, small.shape[1::-1]), np.ones((5, 5)))
    filled = cv2.inpaint(small, (there > 5).astype(np.uint8), 4, cv2.INPAINT_TELEA)
    filled = cv2.resize(filled, pixels.shape[1::-1], interpolation=cv2.INTER_CUBIC)
    edge = cv2.GaussianBlur(cv2.dilate(mask, np.ones((9, 9))).astype(np.float32) / 255, (0, 0), 2)[..., None]
    empty = _cut(_bytes(pixels * (1 - edge) + filled * edge))
    return np.ascontiguousarray(np.rot90(empty, rng.randrange(4)) if rng.random() < 0.5 else empty[:, ::-1])


def with_mask(photo: Photo) -> tuple[PixelArray, PixelArray]:
    """A photo that has a garment, and where that is."""
    import cv2

    pixels, small = opened(photo), garment(photo)
    if small is None:
        raise ValueError(f"{photo.path} has no garment")
    return pixels, cv2.resize(small, pixels.shape[1::-1])


def _cut(pixels: PixelArray) -> PixelArray:
    top, left = ((side - SIDE_PX) // 2 for side in pixels.shape[:2])
    return pixels[top : top + SIDE_PX, left : left + SIDE_PX]


def _bytes(levels: npt.NDArray[np.floating]) -> PixelArray:
    clipped: PixelArray = np.clip(levels, 0, 255).astype(np.uint8)
    return clipped


def plain_ground(rng: random.Random) -> PixelArray:
    """A studio's: one colour, or a backdrop of the drawn shop."""
    if rng.random() < 0.5:
        level = rng.randrange(190, 248)
        return np.full((SIDE_PX, SIDE_PX, 3), [level + rng.randrange(-8, 9) for _ in range(3)], np.uint8)
    backdrop = choose_backdrop(rng, standing=rng.random() < 0.5)
    return np.asarray(paint_backdrop(backdrop, (SIDE_PX, SIDE_PX), stands_at=round(SIDE_PX * 0.8)))


def laid(thing: PixelArray, mask: PixelArray, ground: PixelArray, rng: random.Random) -> PixelArray:
    """A thing on a ground, moved, turned a little or mirrored, in another light, often with a shadow."""
    import cv2

    height, width = mask.shape
    move = cv2.getRotationMatrix2D((width / 2, height / 2), rng.uniform(-8, 8), rng.uniform(0.8, 1.12))
    if rng.random() < 0.5:
        move = move @ np.array([[-1.0, 0, width], [0, 1, 0], [0, 0, 1]])
    move[:, 2] += [SIDE_PX / 2 - side / 2 + rng.uniform(-0.05, 0.05) * SIDE_PX for side in (width, height)]
    size = (SIDE_PX, SIDE_PX)
    moved = cv2.warpAffine(thing, move, size, borderMode=cv2.BORDER_REFLECT)
    cover = cv2.GaussianBlur(cv2.warpAffine(mask, move, size).astype(np.float32) / 255, (0, 0), 1.2)
    cover = np.clip((cover - 0.5) * 2.2 + 0.45, 0, 1)
    below = lit(ground, rng).astype(np.float32)
    if rng.random() < 0.6:
        depth = rng.randrange(2, 9)
        shade = cv2.GaussianBlur(np.roll(cover, (depth, depth), (0, 1)), (0, 0), depth)
        below *= 1 - shade[..., None] * rng.uniform(0.2, 0.6)
    return _bytes(lit(moved, rng) * cover[..., None] + below * (1 - cover[..., None]))


def lit(pixels: PixelArray, rng: random.Random) -> PixelArray:
    """The picture in a light of another strength, hardness and tint."""
    wide = pixels.astype(np.float32)
    mean, contrast = wide.mean(), rng.uniform(0.85, 1.15)
    tint = np.array([rng.uniform(0.95, 1.05) for _ in range(3)], np.float32)
    return _bytes((mean + (wide - mean) * contrast) * rng.uniform(0.8, 1.2) * tint)


def edited(pixels: PixelArray, rng: random.Random) -> PixelArray:
    """What becomes of a picture on its way: cut, turned, mirrored, small, grey, another light, compressed."""
    import cv2

    height, width = pixels.shape[:2]
    kind = rng.choice(("cut", "cut", "cut", "turned", "mirrored", "small", "grey", "lit", "same"))
    if kind == "cut":
        share = rng.uniform(0.5, 0.9)
        top, left = (int(rng.random() * (1 - share) * side) for side in (height, width))
        pixels = pixels[top : top + int(share * height), left : left + int(share * width)]
    elif kind == "turned":
        angle = rng.choice((-1, 1)) * rng.uniform(3, 12)
        turn = cv2.getRotationMatrix2D((width / 2, height / 2), angle, 1.22)
        pixels = cv2.warpAffine(pixels, turn, (width, height))
    elif kind == "mirrored":
        pixels = pixels[:, ::-1]
    elif kind == "small":
        pixels = _resized(pixels, rng.uniform(0.15, 0.4))
    elif kind == "grey":
        pixels = np.repeat(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2)
    elif kind == "lit":
        pixels = lit(pixels, rng)
    quality = [cv2.IMWRITE_JPEG_QUALITY, rng.choice((30, 60, 90, 95))]
    _, data = cv2.imencode(".jpg", np.ascontiguousarray(pixels[..., ::-1]), quality)
    return np.ascontiguousarray(cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1])


def on_grounds(photo: Photo, others: list[Photo]) -> list[PixelArray]:
    """Views of a photo's garment on grounds of others, and on a studio's."""
    rng = random.Random(f"view {photo.path.name}")
    thing, mask = with_mask(photo)
    found = []
    for _ in range(GROUNDS):
        ground = emptied(rng.choice(others), rng) if rng.random() < 0.75 else plain_ground(rng)
        found.append(laid(thing, mask, ground, rng))
    return found


def copies_of(photo: Photo) -> list[PixelArray]:
    """Edited copies of a photo."""
    rng = random.Random(f"copy {photo.path.name}")
    pixels = opened(photo)
    return [edited(pixels, rng) for _ in range(COPIES)]


# --- the network's end, in torch ------------------------------------------------------------------------


def layers_of(model: onnx.ModelProto) -> Layers:
    """Weight and bias of every convolution that is taught, by its name."""
    import torch

    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    return {
        name: (
            torch.from_numpy(stored[f"{name}.weight.levels"] * stored[f"{name}.weight.scale"]),
            torch.from_numpy(stored[f"{name}.bias"].copy()),
        )
        for name in TAUGHT
    }


def features(layers: Layers, given: torch.Tensor) -> torch.Tensor:
    """What the network's end makes of what the last block is given, of unit norm; (n, 1280)."""
    from torch.nn import functional

    expand, depthwise, project, head = (layers[name] for name in TAUGHT)
    x = functional.relu6(functional.conv2d(given, *expand))
    x = functional.relu6(functional.conv2d(x, *depthwise, padding=1, groups=len(depthwise[0])))
    x = functional.relu6(functional.conv2d(functional.conv2d(x, *project), *head))
    return functional.normalize(x.mean((2, 3)), dim=1)


def with_layers(model: onnx.ModelProto, layers: Layers) -> onnx.ModelProto:
    """The model with other weights in the same graph: 16-bit integers, a scale for each output channel."""
    values: dict[str, npt.NDArray[np.generic]] = {}
    for name, (weight, bias) in layers.items():
        wide = weight.detach().numpy()
        scale = np.abs(wide).max(axis=(1, 2, 3), keepdims=True) / np.float32(32767)
        levels = wide / np.maximum(scale, np.finfo(np.float32).tiny)  # some channels are nought
        values[f"{name}.weight.levels"] = np.rint(levels).astype(np.int16)
        values[f"{name}.weight.scale"] = scale
        values[f"{name}.bias"] = bias.detach().numpy()
    result = onnx.ModelProto()
    result.CopyFrom(model)
    for tensor in result.graph.initializer:
        if tensor.name in values:
            tensor.CopyFrom(numpy_helper.from_array(values[tensor.name], tensor.name))
    result.producer_name = "seealike tools/teach_lite0.py"
    onnx.checker.check_model(result, full_check=True)
    return result


def neighbours_lost(vectors: torch.Tensor, wanted: torch.Tensor, apart: torch.Tensor) -> torch.Tensor:
    """How far who is near whom differs from what is wanted: a mean Kullback-Leibler divergence of rows.

    Shapes: vectors and wanted are (n, d) and (n, t), of unit norm; ``apart`` (n, n) says which pairs count.

    Source: Fang et al., "SEED: Self-supervised distillation for visual representation", 2021.
    """
    there = (wanted @ wanted.T / 0.05).masked_fill(~apart, -1e4).log_softmax(1)
    here = (vectors @ vectors.T / 0.04).masked_fill(~apart, -1e4).log_softmax(1)
    return (there.exp() * (there - here)).sum(1).mean()


@dataclass(frozen=True, slots=True)
class Recipe:
    """How it is taught: steps, the highest rate, and how much copies and staying count beside neighbours."""

    steps: int = 200
    rate: float = 2e-4
    warm_up: int = 20
    copies: float = 0.3
    stay: float = 0.15
    photos: int = 96
    views: int = 48
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Lesson:
    """What is learnt from. Rows of ``copy_of`` and ``ground_of`` are rows of the first three.

    Shapes: given is (n, 192, 7, 7), wanted (n, t), senders (n,); copies and grounds hold COPIES and GROUNDS
    views of each of ``copy_of`` and ``ground_of``, one after the other.
    """

    given: npt.NDArray[np.float16]
    wanted: Float32Array
    senders: Rows
    copies: npt.NDArray[np.float16]
    copy_of: Rows
    grounds: npt.NDArray[np.float16]
    ground_of: Rows


def loss_of(layers: Layers, before: Layers, lesson: Lesson, step: int, how: Recipe) -> torch.Tensor:
    """The loss of one batch, drawn by the seed and the step's number."""
    import torch
    from torch.nn import functional

    rng = np.random.default_rng((how.seed, step))
    some = rng.permutation(len(lesson.given))[: how.photos]
    copied = rng.choice(len(lesson.copy_of), how.views, replace=False)
    laid_out = rng.choice(len(lesson.ground_of), how.views, replace=False)
    plain = np.concatenate([some, lesson.copy_of[copied]])
    rows = np.concatenate([plain, lesson.copy_of[copied], lesson.ground_of[laid_out]])
    views = [
        lesson.copies[copied * COPIES + rng.integers(COPIES, size=how.views)],
        lesson.grounds[laid_out * GROUNDS + rng.integers(GROUNDS, size=how.views)],
    ]
    given = torch.from_numpy(np.concatenate([lesson.given[plain], *views]).astype(np.float32))
    vectors, senders = features(layers, given), torch.from_numpy(lesson.senders[rows])
    apart = senders[:, None] != senders[None]
    lost = neighbours_lost(vectors, torch.from_numpy(lesson.wanted[rows]), apart)
    photos, copies = vectors[: len(plain)], vectors[len(plain) : len(plain) + how.views]
    own = torch.arange(how.photos, len(plain))
    found = functional.cross_entropy(copies @ photos.T / 0.05, own)
    with torch.no_grad():
        as_before = features(before, given[: len(plain)])
    moved = (photos @ photos.T - as_before @ as_before.T).square().mean() * 400
    return lost + how.copies * found + how.stay * moved


def taught(model: onnx.ModelProto, lesson: Lesson, how: Recipe, kept: Path) -> Layers:
    """The layers after all steps. ``kept``: where training is written down, and gone on from."""
    import torch

    before, layers = layers_of(model), layers_of(model)
    learnt = [part.requires_grad_() for pair in layers.values() for part in pair]
    optimiser, begin, saved = torch.optim.AdamW(learnt, lr=how.rate, weight_decay=0.0), 0, time.monotonic()
    if kept.exists():
        state = torch.load(kept)
        begin = state["step"]
        optimiser.load_state_dict(state["optimiser"])
        for part, value in zip(learnt, state["layers"], strict=True):
            part.data.copy_(value)
    for step in range(begin, how.steps):
        for group in optimiser.param_groups:
            group["lr"] = how.rate * min(1.0, (step + 1) / how.warm_up) * _cosine(step / how.steps)
        loss = loss_of(layers, before, lesson, step, how)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if time.monotonic() - saved > 60 or step + 1 == how.steps:
            sys.stderr.write(f"step {step + 1}: {loss.item():.3f}\n")
            state = {"step": step + 1, "optimiser": optimiser.state_dict()}
            torch.save({**state, "layers": [part.detach() for part in learnt]}, kept.with_suffix(".new"))
            os.replace(kept.with_suffix(".new"), kept)
            saved = time.monotonic()
    return layers


def _cosine(share: float) -> float:
    return float(0.5 + 0.5 * np.cos(np.pi * share))


# --- the lesson, kept as it is computed ----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Notebook:
    """What one network computes of pictures, in files of a folder, each as long as what has been computed.

    ``compute`` takes (n, h, w, 3) and gives (n, ``width``), which is kept as ``kind``.
    """

    folder: Path
    how: Preprocessing
    compute: Callable[[PixelArray], npt.NDArray[np.floating]]
    width: int
    kind: str

    def of_files(self, name: str, photos: list[Photo]) -> npt.NDArray[np.floating]:
        """Of photos as they are; (n, width)."""

        def read(photo: Photo) -> list[PixelArray]:
            return [decode(photo.path.read_bytes(), self.how, DecodeLimits()).pixels]

        return self._kept(name, [partial(read, photo) for photo in photos], 1)

    def of_views(self, name: str, jobs: Sequence[Job], each: int) -> npt.NDArray[np.floating]:
        """Of the ``each`` pictures that every job makes; (n * each, width)."""

        def prepared(job: Job) -> list[PixelArray]:
            return [prepare(view, self.how).pixels for view in job()]

        return self._kept(name, [partial(prepared, job) for job in jobs], each)

    def _kept(self, name: str, jobs: Sequence[Job], each: int) -> npt.NDArray[np.floating]:
        self.folder.mkdir(parents=True, exist_ok=True)
        file, size = self.folder / f"{name}.bin", np.dtype(self.kind).itemsize * self.width * each
        with open(file, "ab") as stream:
            done = stream.tell() // size
            stream.truncate(done * size)
            for start in range(done, len(jobs), BATCH):
                pixels = np.stack([view for job in jobs[start : start + BATCH] for view in job()])
                stream.write(self.compute(pixels).astype(self.kind).tobytes())
                stream.flush()
                sys.stderr.write(f"\r{name}: {min(start + BATCH, len(jobs)):,} of {len(jobs):,}")
            sys.stderr.write("\n")
        return np.fromfile(file, self.kind).reshape(-1, self.width)


def own_notebook(folder: Path) -> Notebook:
    """Of what the bundled encoder's last block is given, in float32."""
    import openvino

    model = openvino.Core().read_model(EFFICIENTNET_LITE0.file)
    model.add_outputs([LAST_BLOCK])
    compiled = openvino.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})

    def compute(pixels: PixelArray) -> Float32Array:
        return np.asarray(compiled(pixels)[1], np.float32).reshape(len(pixels), -1)

    return Notebook(folder, EFFICIENTNET_LITE0.preprocessing, compute, int(np.prod(GIVEN)), "<f2")


def teachers_notebook(folder: Path, file: Path) -> Notebook:
    """Of the teacher's vectors, of unit norm."""
    record = record_for(parse_spec(TEACHER.format(file)))
    if record is None:
        raise SystemExit(f"{file} is no model")
    encoder = OpenVinoEncoder(record, mode=EncoderMode.THROUGHPUT)
    return Notebook(folder, record.preprocessing, encoder.encode, record.dimension, "<f4")


def lesson_of(photos: list[Photo], own: Notebook, teacher: Notebook) -> Lesson:
    """Everything that is learnt from: the photos that are not held out, and views of them."""
    things = _with_garment(photos, own.folder / "things.json")
    others = [photos[row] for row in things]
    copied = sorted(random.Random(9).sample(range(len(photos)), min(COPIED, len(photos))))
    copies = own.of_views("copies", [partial(copies_of, photos[row]) for row in copied], COPIES)
    grounds = own.of_views("grounds", [partial(on_grounds, photo, others) for photo in others], GROUNDS)
    return Lesson(
        given=own.of_files("photos", photos).astype(np.float16).reshape(-1, *GIVEN),
        wanted=teacher.of_files("photos", photos).astype(np.float32),
        senders=_numbers([photo.sender for photo in photos]),
        copies=copies.astype(np.float16).reshape(-1, *GIVEN),
        copy_of=np.array(copied),
        grounds=grounds.astype(np.float16).reshape(-1, *GIVEN),
        ground_of=np.array(things),
    )


def _with_garment(photos: list[Photo], kept: Path) -> list[int]:
    """The rows of photos whose garment can be told from its ground."""
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(json.dumps([row for row, photo in enumerate(photos) if garment(photo) is not None]))
    return [int(row) for row in json.loads(kept.read_text())]


def _numbers(names: list[str]) -> Rows:
    return np.unique(np.array(names), return_inverse=True)[1].astype(np.int64)


def precision_apart(layers: Layers, given: npt.NDArray[np.floating], photos: list[Photo]) -> float:
    """Precision@10 of photos among those of other senders."""
    import torch

    named = [row for row, photo in enumerate(photos) if photo.label not in NO_CLASS]
    with torch.no_grad():
        vectors = features(
            layers, torch.from_numpy(given[named].astype(np.float32).reshape(-1, *GIVEN))
        ).numpy()
    labels, senders = (_numbers([getattr(photos[row], of) for row in named]) for of in ("label", "sender"))
    task = RankingTask(vectors, labels, vectors, labels, np.arange(len(named)), senders, senders)
    return float(rank(task, 10).values[:, metric_names(10).index("precision@10")].mean())


def main() -> None:
    parser = argparse.ArgumentParser(description="Teach the end of the bundled encoder.")
    parser.add_argument("--data", type=Path, required=True, help="holds clothing/catalogue.csv")
    parser.add_argument("--teacher", type=Path, required=True, help="efficientnet-b4-trunk.onnx")
    parser.add_argument("--work", type=Path, required=True, help="where everything is kept on the way")
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()
    photos = photos_of(options.data / "clothing")
    own = own_notebook(options.work / "own")
    teacher = teachers_notebook(options.work / "teacher", options.teacher)
    lesson = lesson_of([photo for photo in photos if photo.lends], own, teacher)
    model = onnx.load(EFFICIENTNET_LITE0.file)
    layers = taught(model, lesson, Recipe(), options.work / "training.pt")
    held = [photo for photo in photos if not photo.lends]
    given = own.of_files("held-out", held)
    for name, used in (("before", layers_of(model)), ("after", layers)):
        sys.stdout.write(
            f"{name}: precision@10 {precision_apart(used, given, held):.3f} among other senders\n"
        )
    data = with_layers(model, layers).SerializeToString(deterministic=True)
    options.output.write_bytes(data)
    sys.stdout.write(f"{options.output}\nsize_bytes = {len(data)}\n")
    sys.stdout.write(f"sha256 = {hashlib.sha256(data).hexdigest()}\n")


if __name__ == "__main__":
    main()
