"""A part of a picture: what --focus finds, what index --focus is worth, where the heat of --explain lies.

Things are drawn (the sample shop's products, cut out) and pasted into scenes: photos, where there are any,
else drawn ones. Truth is where they were pasted, and of which kind they are.

    python -m benchmarks.focus [--data ../shared/data] [--clothes N] [--encoder NAME]... [--no-times]

Encoders are asked the same, one after the other; by default both bundled ones.
"""

from __future__ import annotations

import argparse
import csv
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

import numpy as np
from PIL import Image, ImageOps

import seealike
from seealike import Crop, Cropped, SearchOptions
from seealike.catalog.encoder.places import WHOLE
from seealike.catalog.looking import explanation
from seealike.demo.drawing.plan import plan_photos, plan_products
from seealike.types import Area, Float32Array

SCENES, TIMED, SEED, LONGEST_PX = 160, 16, 7, 900
SIZES = {"of 30 to 55 %": (0.30, 0.55), "of 15 to 40 %": (0.15, 0.40)}  # of the scene's shorter side
ENCODERS = ("efficientnet-lite0", "efficientnet-lite0-v2")
OVERLAP = (
    0.3  # of what is cut out and the thing, from which on it is found: their intersection over their union
)
FOCUS = SearchOptions(focus=True)


@dataclass(frozen=True)
class Scene:
    """A thing in a scene: of which kind, where, and the picture that the shop has of the same product."""

    path: Path
    kind: str
    box: tuple[int, int, int, int]
    size: tuple[int, int]
    product: str

    @property
    def area(self) -> Area:
        (left, top, right, bottom), (width, height) = self.box, self.size
        return left / width, top / height, (right - left) / width, (bottom - top) / height


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="where the photos are")
    parser.add_argument("--clothes", type=int, default=1000, help="how many photos of clothes; 0: none")
    parser.add_argument("--encoder", action="append", help="which; may be repeated")
    parser.add_argument("--no-times", action="store_true", help="measure no times: the machine is busy")
    asked = parser.parse_args()
    encoders = asked.encoder or ENCODERS
    with tempfile.TemporaryDirectory() as folder:
        shop = draw_shop(Path(folder, "shop"))
        grounds = scene_grounds(asked.data / "places")
        for name, (least, most) in SIZES.items():
            scenes = draw_scenes(Path(folder, f"scenes {least}"), grounds, least, most)
            for encoder in encoders:
                print(f"\n## {encoder}: things {name} of a scene's shorter side, {len(scenes)} scenes")
                place = Path(folder, f"{encoder} {least}")
                place.mkdir()
                measure_queries(shop, scenes, place, encoder, timed=not asked.no_times)
                measure_items(scenes, place, encoder)
        if asked.clothes and (asked.data / "clothing").is_dir():
            measure_clothes(asked.data / "clothing", Path(folder), asked.clothes, encoders)


def draw_shop(folder: Path) -> Path:
    folder.mkdir()
    for product in plan_products(20):
        for photo in plan_photos(product, 20):
            drawn = photo.draw()
            sheet = Image.new("RGB", drawn.size, "white")
            sheet.paste(drawn, mask=drawn.getchannel("A") if drawn.mode == "RGBA" else None)
            sheet.save(folder / f"{product.kind.folder}~{product.group}~{photo.view}.jpg", quality=90)
    return folder


def scene_grounds(photos: Path) -> list[Image.Image]:
    if photos.is_dir():
        print(f"scenes: {photos}")
        found = [
            ImageOps.exif_transpose(Image.open(path)).convert("RGB") for path in sorted(photos.iterdir())
        ]
        for image in found:
            image.thumbnail((LONGEST_PX, LONGEST_PX))
        return found
    print("scenes: drawn, for there are no photos")
    return [drawn_ground(number) for number in range(32)]


def drawn_ground(number: int) -> Image.Image:
    """Soft light, shapes at every scale and grain."""
    rng = np.random.default_rng(number)
    pixels = np.full((600, 800, 3), rng.uniform(90, 160, 3))
    for cells in (2, 5, 12, 30, 75, 190):
        for channel in range(3):
            grid = Image.fromarray(rng.normal(0, 60 / cells**0.4, (cells, cells)).astype(np.float32))
            pixels[..., channel] += np.asarray(grid.resize((800, 600), Image.Resampling.BICUBIC))
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def draw_scenes(folder: Path, grounds: list[Image.Image], least: float, most: float) -> list[Scene]:
    folder.mkdir()
    rng, scenes = Random(SEED), []
    fronts = [(product, next(iter(plan_photos(product, 20)))) for product in plan_products(20)]
    for number in range(SCENES):
        product, photo = fronts[number * 37 % len(fronts)]
        thing = replace(photo, shot=replace(photo.shot, cut_out=True)).draw()
        thing = thing.crop(thing.getchannel("A").getbbox())
        scene = grounds[number % len(grounds)].copy()
        unit = rng.uniform(least, most) * min(scene.size) / max(thing.size)
        thing = thing.resize((max(8, round(thing.width * unit)), max(8, round(thing.height * unit))))
        x, y = rng.randint(0, scene.width - thing.width), rng.randint(0, scene.height - thing.height)
        scene.paste(thing, (x, y), thing)
        path = folder / f"{product.kind.folder}~{number}.jpg"
        scene.save(path, quality=92)
        box = (x, y, x + thing.width, y + thing.height)
        item = f"{product.kind.folder}~{product.group}~front.jpg"
        scenes.append(Scene(path, product.kind.folder, box, scene.size, item))
    return scenes


def measure_queries(shop: Path, scenes: list[Scene], place: Path, encoder: str, *, timed: bool) -> None:
    """Things in scenes sought in the shop; and where the heat of their own product's picture lies."""
    with seealike.create(place / "shop", encoder=encoder) as catalog:
        catalog.index(shop)
        kinds = np.array([scene.kind for scene in scenes])

        def found(name: str, ask: list[object], options: SearchOptions) -> None:
            answers = [catalog.search(image, 10, options=options) for image in ask]  # type: ignore[arg-type]
            right = [
                [hit.id.split("~")[0] == kind for hit in hits]
                for hits, kind in zip(answers, kinds, strict=True)
            ]
            hits = np.array(right)
            print(f"  {name:30} P@1 {hits[:, 0].mean():.3f}  P@10 {hits.mean():.3f}")

        paths: list[object] = [str(scene.path) for scene in scenes]
        by_hand: list[object] = [
            Cropped(str(scene.path), Crop(x, y, right - x, bottom - y))
            for scene in scenes
            for x, y, right, bottom in [scene.box]
        ]
        found("the whole scene", paths, SearchOptions())
        found("--focus", paths, FOCUS)
        found("--crop, the thing by hand", by_hand, SearchOptions())
        overlaps = np.array([overlap(part_shown(catalog, scene.path), scene.area) for scene in scenes])
        print(f"  cut out {(overlaps >= 0).mean():.3f}, the thing found {(overlaps >= OVERLAP).mean():.3f}")
        if timed:
            measure_time(catalog, [str(scene.path) for scene in scenes[:TIMED]])
        with seealike.create(place / "scenes", encoder=encoder) as of_scenes:
            of_scenes.index(scenes[0].path.parent)
            measure_heat(of_scenes, shop, scenes)


def part_shown(catalog: seealike.Catalog, path: Path) -> Area | None:
    """Which part --focus cuts out; None where it looks at the whole."""
    part = catalog._session.places.focused(str(path)).crop  # noqa: SLF001
    return None if part == WHOLE else (part.left, part.top, part.width, part.height)


def overlap(one: Area | None, other: Area) -> float:
    """The intersection over the union; -1 where there is none of the first."""
    if one is None:
        return -1.0
    (x, y, w, h), (left, top, width, height) = one, other
    across = max(0.0, min(x + w, left + width) - max(x, left))
    both = across * max(0.0, min(y + h, top + height) - max(y, top))
    return both / (w * h + width * height - both)


def measure_time(catalog: seealike.Catalog, paths: list[str]) -> None:
    """Median times of a query with ten answers, the kinds of queries taking turns."""
    kinds = {
        "the whole": SearchOptions(),
        "--focus": FOCUS,
        "--explain": SearchOptions(explain=True),
        "--focus --explain": SearchOptions(focus=True, explain=True),
    }
    took_ms: dict[str, list[float]] = {name: [] for name in kinds}
    for path in [paths[0], *paths]:  # the first time models are compiled
        for name, options in kinds.items():
            started = time.perf_counter()
            catalog.search(path, 10, options=options)
            took_ms[name].append(1000 * (time.perf_counter() - started))
    usual = np.median(took_ms["the whole"][1:])
    for name, times in took_ms.items():
        print(f"  a query, {name:20} {np.median(times[1:]):6.1f} ms, x {np.median(times[1:]) / usual:.2f}")


def measure_heat(catalog: seealike.Catalog, shop: Path, scenes: list[Scene]) -> None:
    """Does the place that adds most to a scene's likeness with its thing's own picture lie on the thing?"""
    on, near, off, count = 0, 0, 0.0, 0
    places = catalog._session.places  # noqa: SLF001
    stored = catalog.vectors([scene.path.name for scene in scenes])[1]
    asked = catalog.encode([shop / scene.product for scene in scenes])
    for scene, score in zip(scenes, np.sum(stored * asked, axis=1), strict=True):
        why = explanation(places.of(shop / scene.product), places.of(scene.path), float(score))
        if why.hit is None:
            raise SystemExit(f"{scene.path}: {why.problem}")
        off = max(off, abs(sum(map(sum, why.hit.shares)) + why.rest - score))
        left, top, width, height = why.hit.area
        x, y, w, h = scene.area
        seen_x = max(0.0, min(x + w, left + width) - max(x, left))
        seen_y = max(0.0, min(y + h, top + height) - max(y, top))
        if seen_x * seen_y < 0.5 * w * h:  # the encoder sees the scene's centre
            continue
        shares = np.array(why.hit.shares)
        row, column = np.unravel_index(int(shares.argmax()), shares.shape)
        rows, columns = shares.shape
        at_x, at_y = left + (column + 0.5) * width / columns, top + (row + 0.5) * height / rows
        half_x, half_y = width / columns / 2, height / rows / 2
        on += x <= at_x <= x + w and y <= at_y <= y + h
        near += x - half_x <= at_x <= x + w + half_x and y - half_y <= at_y <= y + h + half_y
        count += 1
    print(
        f"  --explain: the hottest place is centred on the thing in {on / count:.3f}, touches it in "
        f"{near / count:.3f} of {count} scenes; parts and score differ by {off:.1e} at most"
    )


def measure_items(scenes: list[Scene], place: Path, encoder: str) -> None:
    """Scenes sought among scenes: does the thing decide, or its ground?"""
    kinds = np.array([scene.kind for scene in scenes])
    grounds = np.arange(len(scenes)) % 32
    for name, spec in (("index", encoder), ("index --focus", f"{encoder}?focus=1")):
        with seealike.create(place / name, encoder=spec) as catalog:
            report = catalog.index(scenes[0].path.parent)
            vectors = catalog.vectors([scene.path.name for scene in scenes])[1]
        right, same = nearest_ten(vectors, kinds, grounds)
        rate = report.added / report.took_s
        said = f"P@10 of the kind {right:.3f}, same scene {same:.3f}"
        print(f"  among scenes, {name:16} {said}; {rate:.0f} images/s")


def nearest_ten(
    vectors: Float32Array, labels: np.ndarray, others: np.ndarray, queries: Float32Array | None = None
) -> tuple[float, float]:
    """Of each picture's ten nearest, which share have its label, and which its other."""
    scores = (vectors if queries is None else queries) @ vectors.T
    np.fill_diagonal(scores, -2.0)
    best = np.argsort(-scores, axis=1, kind="stable")[:, :10]
    return float((labels[best] == labels[:, None]).mean()), float((others[best] == others[:, None]).mean())


def among_others(
    vectors: Float32Array, labels: np.ndarray, senders: np.ndarray, queries: Float32Array
) -> float:
    scores = np.where(senders[:, None] == senders[None], -2.0, queries @ vectors.T)
    best = np.argsort(-scores, axis=1, kind="stable")[:, :10]
    return float((labels[best] == labels[:, None]).mean())


def measure_clothes(data: Path, folder: Path, count: int, encoders: Sequence[str]) -> None:
    """Clothes that fill their pictures: how many of the ten nearest come from the same sender."""
    with (data / "catalogue.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["label"] not in ("Not sure", "Skip", "Other")]
    rows = sorted(rows, key=lambda row: row["id"])[:: max(1, len(rows) // count)][:count]
    labels, senders = (np.array([row[column] for row in rows]) for column in ("label", "sender"))
    table = folder / "clothes.csv"
    with table.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "path"])
        writer.writerows([row["id"], row["path"]] for row in rows)
    ids = [row["id"] for row in rows]
    print(f"\n## {len(ids)} photos of clothes")
    chance = (np.sum(senders[:, None] == senders[None]) - len(ids)) / (len(ids) * (len(ids) - 1))
    print(f"  same sender by chance {chance:.3f}")
    for encoder in encoders:
        found = []
        for spec in (encoder, f"{encoder}?focus=1"):
            with seealike.create(folder / f"clothes {len(spec)}", encoder=spec) as catalog:
                report = catalog.index(table, options=seealike.IndexOptions(root=str(data)))
                found.append(catalog.vectors(ids)[1])
                print(f"  {spec}: {report.added / report.took_s:.0f} images/s")
                if spec == encoder:
                    cut = [part_shown(catalog, data / row["path"]) is not None for row in rows]
        whole, focused = found
        print(f"  {encoder}: cut out {np.mean(cut):.3f}")
        for name, items, queries in (
            ("whole", whole, whole),
            ("--focus, queries only", whole, focused),
            ("index --focus", focused, focused),
        ):
            _, same = nearest_ten(items, labels, senders, queries)
            other = among_others(items, labels, senders, queries)
            print(f"  {name:24} same sender {same:.3f}  P@10 among other senders {other:.3f}")


if __name__ == "__main__":
    main()
