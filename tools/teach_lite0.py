"""Teach the bundled encoder what a better one knows, by one linear map behind its features.

    pip install opencv-python-headless
    python tools/teach_lite0.py --data ../shared/data --teacher ../shared/models/efficientnet-b4-trunk.onnx \\
        --work FOLDER --output FILE

What is learnt from: the clothing photos whose ``split`` is ``train`` (CC0), garments cut out of them and laid
on the grounds of others, edited copies of them, and products of the drawn shop. No label is looked at. The
settings were chosen on the senders that ``held_out`` names, whose photos take part in the last fit but lend
neither garments nor grounds nor copies; ``--without-held-out`` leaves them out. Photos of ``test`` are never
opened.

A vector x of the encoder becomes W x, where W'W is a multiple of

    identity * s * inv(I + wobble * N) + P P'

P is the ridge regression from x, and from all views of a picture, to the teacher's vector of the untouched
one: what the teacher finds alike becomes more alike. N is how the vectors of one thing scatter over grounds
and edits: what changes when the thing does not counts less, here and in the regression. The rest of the space
stays as it is, so that pictures unlike these keep their neighbours. All of it is closed form: the same
pictures give the same map.

Vectors of both networks are kept in the work folder; a run that was stopped goes on with the next batch.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import random
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from seealike.demo.drawing.backdrop import choose_backdrop, paint_backdrop
from seealike.demo.drawing.plan import Product, plan_photos, plan_products
from seealike.encoders import EncoderMode, Precision, parse_spec, record_for
from seealike.encoders.models import EFFICIENTNET_LITE0
from seealike.encoders.onnx.openvino import OpenVinoEncoder
from seealike.images import DecodeLimits, decode, prepare

Float64Array: TypeAlias = npt.NDArray[np.float64]
PixelArray: TypeAlias = npt.NDArray[np.uint8]
Rows: TypeAlias = npt.NDArray[np.int64]
Job: TypeAlias = Callable[[], list[PixelArray]]

SIDE_PX = 366  # of a view; the shorter side of what it is made of
GROUNDS, COPIED, COPIES, SHOP_SEED = 2, 1000, 2, 101
HELD_OUT = 35  # senders
RANK = 256
BATCH = 16
TEACHER = "onnx:{}?size=320&resize=366&norm=imagenet&layer=t461"


# --- the map: nothing below knows pictures -------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Settings:
    """How strongly each part of the map counts.

    Args:
        identity: how much of the space stays as it was, against what the teacher adds.
        ridge: what holds the regression back, in mean variances of a feature.
        wobble: how much directions lose that change with ground and edit.
    """

    identity: float = 1.0
    ridge: float = 2.0
    wobble: float = 1.0


@dataclass(frozen=True, slots=True)
class Lesson:
    """What a map is learnt from.

    Args:
        plain: vectors of untouched pictures.
        targets: the teacher's vectors of the same.
        views: vectors of other views of them: other grounds, edited copies.
        of: which row of ``plain`` each view is of.

    Shapes: plain is (n, d), targets (n, t), views (v, d), of (v,). All vectors are of unit norm.
    """

    plain: Float64Array
    targets: Float64Array
    views: Float64Array
    of: Rows


def unit(vectors: npt.NDArray[np.floating]) -> Float64Array:
    """Vectors scaled to norm 1."""
    wide = np.asarray(vectors, np.float64)
    scaled: Float64Array = wide / np.linalg.norm(wide, axis=1, keepdims=True)
    return scaled


def metric(lesson: Lesson, how: Settings) -> Float64Array:
    """The matrix W'W of the module's description; (d, d), symmetric and positive.

    Pictures and their views have half of the regression's weight each.
    """
    spread = np.cov(lesson.plain.T)
    one = np.eye(len(spread)) * np.trace(spread) / len(spread)
    away = lesson.views - lesson.plain[lesson.of]
    wobble = how.wobble * away.T @ away / len(away)
    counts = [len(lesson.plain), len(lesson.views)]
    weights = np.repeat([0.5 / count for count in counts], counts)
    inputs = np.concatenate([lesson.plain, lesson.views])
    outputs = np.concatenate([lesson.targets, lesson.targets[lesson.of]])
    inputs = inputs - weights @ inputs
    weighted = (inputs * weights[:, None]).T
    learnt = np.linalg.solve(
        weighted @ inputs + how.ridge * one + wobble, weighted @ (outputs - weights @ outputs)
    )
    added, kept = learnt @ learnt.T, np.linalg.inv(one + wobble)
    share = how.identity * np.trace(spread @ added) / np.trace(spread @ kept)
    found: Float64Array = share * kept + added
    return found


def low_rank(found: Float64Array, rank_: int) -> tuple[Float64Array, Float64Array]:
    """Factors (d, r) and (r, d) of a map W = I + A B whose W'W is near a multiple of ``found``.

    Of the directions those are kept that differ most from the middle one, as ratios.
    """
    values, directions = np.linalg.eigh(found)
    gains = np.sqrt(values / np.median(values))
    kept = np.sort(np.argsort(-np.abs(np.log(gains)), kind="stable")[:rank_])
    chosen: Float64Array = directions[:, kept]
    return chosen, (gains[kept] - 1)[:, None] * chosen.T


def joined(model: onnx.ModelProto, first: Float64Array, second: Float64Array) -> onnx.ModelProto:
    """The model with the map ``I + first second`` behind its features, in its own form.

    Factors are stored as 16-bit integers with a scale for each of the r directions; the whole matrix is
    computed when the graph is compiled.
    """
    result = onnx.ModelProto()
    result.CopyFrom(model)
    graph, d = result.graph, len(first)
    plain = graph.output[0].name

    def constant(name: str, values: npt.NDArray[np.generic]) -> str:
        graph.initializer.append(numpy_helper.from_array(values, f"map.{name}"))
        return f"map.{name}"

    def node(kind: str, inputs: list[str], name: str, **attributes: int) -> str:
        graph.node.append(helper.make_node(kind, inputs, [f"map.{name}"], name=f"map.{name}", **attributes))
        return f"map.{name}"

    def factor(name: str, values: Float64Array, axis: int) -> str:
        scale = np.abs(values).max(axis=axis, keepdims=True) / 32767
        levels = constant(f"{name}.levels", np.rint(values / scale).astype(np.int16))
        wide = node("Cast", [levels], f"{name}.wide", to=TensorProto.FLOAT)
        return node("Mul", [wide, constant(f"{name}.scale", scale.astype(np.float32))], name)

    places = np.arange(d, dtype=np.int32)
    ends = [constant("rows", places[:, None]), constant("columns", places[None])]
    one = node("Cast", [node("Equal", ends, "same")], "one", to=TensorProto.FLOAT)
    added = node("MatMul", [factor("first", first, 0), factor("second", second, 1)], "added")
    taught = node("MatMul", [plain, node("Add", [one, added], "whole")], "taught")
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info(taught, TensorProto.FLOAT, ["n", d]))
    result.producer_name = "seealike tools/teach_lite0.py"
    onnx.checker.check_model(result, full_check=True)
    return result


def without(lesson: Lesson, rows: list[int]) -> Lesson:
    """The lesson without some of its plain pictures, of which it has no views."""
    kept = np.setdiff1d(np.arange(len(lesson.plain)), rows)
    return Lesson(lesson.plain[kept], lesson.targets[kept], lesson.views, np.searchsorted(kept, lesson.of))


# --- pictures: garments on other grounds, edited copies, drawn products --------------------------------


@dataclass(frozen=True, slots=True)
class Photo:
    """A photo to learn from. ``lends``: it is not held out."""

    path: Path
    lends: bool


def photos_of(folder: Path) -> list[Photo]:
    """The photos of ``train``, in the order of their table."""
    with open(folder / "catalogue.csv", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == "train"]
    away = held_out(row["sender"] for row in rows)
    return [Photo(folder / row["path"], row["sender"] not in away) for row in rows]


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


def drawn(product: Product) -> list[PixelArray]:
    """A product of the drawn shop on two grounds."""
    photo = next(plan_photos(product, SHOP_SEED))
    picture = replace(photo, shot=replace(photo.shot, cut_out=True)).draw()
    whole = _resized(np.asarray(picture), SIDE_PX / picture.width)
    rng = random.Random(f"drawn {product.group}")
    thing = np.ascontiguousarray(whole[..., :3])
    return [laid(thing, whole[..., 3], plain_ground(rng), rng) for _ in range(2)]


# --- the lesson, kept as it is computed ----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Notebook:
    """Vectors of one network in files of a folder, each as long as what has been computed."""

    folder: Path
    encoder: OpenVinoEncoder

    def of_files(self, name: str, photos: list[Photo]) -> Float64Array:
        """Vectors of photos as they are; (n, d)."""
        how = self.encoder.identity.preprocessing

        def read(photo: Photo) -> list[PixelArray]:
            return [decode(photo.path.read_bytes(), how, DecodeLimits()).pixels]

        return self._kept(name, [partial(read, photo) for photo in photos], 1)

    def of_views(self, name: str, jobs: Sequence[Job], each: int) -> Float64Array:
        """Vectors of the ``each`` pictures that every job makes; (n * each, d)."""
        how = self.encoder.identity.preprocessing

        def prepared(job: Job) -> list[PixelArray]:
            return [prepare(view, how).pixels for view in job()]

        return self._kept(name, [partial(prepared, job) for job in jobs], each)

    def _kept(self, name: str, jobs: Sequence[Job], each: int) -> Float64Array:
        file, width = self.folder / f"{name}.f32", self.encoder.identity.dimension
        with open(file, "ab") as stream:
            done = stream.tell() // (4 * width * each)
            stream.truncate(done * 4 * width * each)
            for start in range(done, len(jobs), BATCH):
                pixels = np.stack([view for job in jobs[start : start + BATCH] for view in job()])
                stream.write(self.encoder.encode(pixels).astype("<f4").tobytes())
                stream.flush()
                sys.stderr.write(f"\r{name}: {min(start + BATCH, len(jobs)):,} of {len(jobs):,}")
            sys.stderr.write("\n")
        return unit(np.fromfile(file, "<f4").reshape(-1, width))


def notebook(folder: Path, spec: str, precision: Precision | None = None) -> Notebook:
    """The notebook of a network, begun or gone on with."""
    record = record_for(parse_spec(spec))
    if record is None:
        raise SystemExit(f"{spec} is no model file")
    folder.mkdir(parents=True, exist_ok=True)
    return Notebook(folder, OpenVinoEncoder(record, mode=EncoderMode.THROUGHPUT, precision=precision))


def lesson_of(photos: list[Photo], own: Notebook, teacher: Notebook) -> Lesson:
    """Everything that is learnt from: photos and drawn products, and views of them."""
    lending = [row for row, photo in enumerate(photos) if photo.lends]
    things = [row for row in lending if garment(photos[row]) is not None]
    others = [photos[row] for row in things]
    copied = sorted(random.Random(9).sample(lending, min(COPIED, len(lending))))
    products = list(plan_products(SHOP_SEED))[::2]
    drawings = [partial(drawn, product) for product in products]
    shop, shop_taught = (book.of_views("drawn", drawings, 2) for book in (own, teacher))
    plain, targets = (book.of_files("photos", photos) for book in (own, teacher))
    copies = own.of_views("copies", [partial(copies_of, photos[row]) for row in copied], COPIES)
    laid_out = own.of_views("grounds", [partial(on_grounds, photos[row], others) for row in things], GROUNDS)
    return Lesson(
        plain=np.concatenate([plain, shop[::2]]),
        targets=np.concatenate([targets, shop_taught[::2]]),
        views=np.concatenate([copies, laid_out, shop[1::2]]),
        of=np.concatenate(
            [np.repeat(copied, COPIES), np.repeat(things, GROUNDS), len(photos) + np.arange(len(products))]
        ),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="Teach the bundled encoder by a linear map.")
    parser.add_argument("--data", type=Path, required=True, help="holds clothing/catalogue.csv")
    parser.add_argument("--teacher", type=Path, required=True, help="efficientnet-b4-trunk.onnx")
    parser.add_argument("--work", type=Path, required=True, help="where vectors are kept")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--without-held-out", action="store_true", help="learn from the other senders alone")
    options = parser.parse_args()
    photos = photos_of(options.data / "clothing")
    own = notebook(options.work / "own", EFFICIENTNET_LITE0.name, "f32")
    teacher = notebook(options.work / "teacher", TEACHER.format(options.teacher))
    lesson = lesson_of(photos, own, teacher)
    if options.without_held_out:
        lesson = without(lesson, [row for row, photo in enumerate(photos) if not photo.lends])
    model = joined(onnx.load(EFFICIENTNET_LITE0.file), *low_rank(metric(lesson, Settings()), RANK))
    data = model.SerializeToString(deterministic=True)
    options.output.write_bytes(data)
    sys.stdout.write(f"{options.output}\nsize_bytes = {len(data)}\n")
    sys.stdout.write(f"sha256 = {hashlib.sha256(data).hexdigest()}\n")


if __name__ == "__main__":
    main()
