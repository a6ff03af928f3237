"""Which copies of photos are found as duplicates, by what was done to them, beside imagehash's pHash.

For every change, copies of a sample of photos are put beside all photos. What is found is pairs of a copy and
a photo: of seealike those in one group, of pHash those whose hashes differ in at most so many bits: the most
that leave it the precision that seealike has on the same copies, or none where no number does.
"""

from __future__ import annotations

import importlib.util
import random
import resource
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageFont, ImageOps

import seealike
from benchmarks import large, synthetic
from benchmarks.copies import opened
from benchmarks.report import Row
from seealike.catalog import DEFAULT_ENCODER
from seealike.demo import run_demo
from seealike.duplicates import DuplicateReport, find_duplicates
from seealike.duplicates.proposing import alike_hashes
from seealike.duplicates.registration import agreements
from seealike.store import StoreWriter
from seealike.store.writer import Change as StoreChange
from seealike.types import Signature

TITLE = "Duplicates"
SAMPLE = 300
SEED = 9  # not the one that the weights and the threshold were fitted with
Bits = np.ndarray[tuple[int, int], np.dtype[np.bool_]]
Hashes = np.ndarray[tuple[int, int], np.dtype[np.int8]]


def _cut(picture: Image.Image, rng: random.Random, share: float) -> Image.Image:
    width, height = (round(side * (1 - share)) for side in picture.size)
    left, top = rng.randint(0, picture.width - width), rng.randint(0, picture.height - height)
    return picture.crop((left, top, left + width, top + height))


def _marked(picture: Image.Image, rng: random.Random) -> Image.Image:
    sheet = Image.new("RGBA", picture.size, (0, 0, 0, 0))
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=picture.width // 7)
    for height in (0.2, 0.5, 0.8):
        place = (picture.width * rng.uniform(0, 0.3), picture.height * height)
        pen.text(place, "example.com", font=font, fill=(255, 255, 255, 140))
    return Image.alpha_composite(picture.convert("RGBA"), sheet).convert("RGB")


def _tinted(picture: Image.Image, rng: random.Random) -> Image.Image:
    hue, saturation, value = picture.convert("HSV").split()
    turned = hue.point([(level + rng.choice((-12, 12))) % 256 for level in range(256)])
    tinted = Image.merge("HSV", (turned, saturation, value)).convert("RGB")
    return ImageEnhance.Brightness(tinted).enhance(rng.uniform(0.8, 1.25))


def _warmer(picture: Image.Image, rng: random.Random, least: float, most: float) -> Image.Image:
    more = rng.uniform(least, most)
    factors = np.array([more, 1.0, 1 / more])
    return Image.fromarray(np.clip(np.asarray(picture) * factors, 0, 255).astype(np.uint8))


def _small(picture: Image.Image, _: random.Random, longest_px: int) -> Image.Image:
    picture.thumbnail((longest_px, longest_px))
    return picture


def _turned(picture: Image.Image, rng: random.Random, degrees: float) -> Image.Image:
    return picture.rotate(degrees * rng.choice((-1, 1)), Image.Resampling.BICUBIC, fillcolor="white")


def _framed(picture: Image.Image, rng: random.Random, share: float) -> Image.Image:
    return ImageOps.expand(picture, round(picture.width * share), rng.choice(("white", "black", "#888")))


@dataclass(frozen=True, slots=True)
class Change:
    what: str
    apply: Callable[[Image.Image, random.Random], Image.Image]
    quality: int = 90


CHANGES = (
    Change("a third of the size", lambda p, _: p.resize((p.width // 3, p.height // 3))),
    *(
        Change(f"{side} px at the longest side", partial(_small, longest_px=side))
        for side in (96, 64, 48, 24)
    ),
    *(Change(f"saved as JPEG of quality {quality}", lambda p, _: p, quality) for quality in (20, 10, 5)),
    *(
        Change(f"cut by {share} % of each side", partial(_cut, share=share / 100))
        for share in (5, 10, 15, 20)
    ),
    Change("a watermark across", _marked),
    Change("hue and brightness shifted", _tinted),
    Change("warmer", partial(_warmer, least=1.1, most=1.25)),
    Change("warmer by far, as under a lamp", partial(_warmer, least=1.5, most=1.7)),
    Change("without colours", lambda p, _: p.convert("L").convert("RGB")),
    Change("flipped left to right", lambda p, _: ImageOps.mirror(p)),
    *(Change(f"framed by {share} % of the width", partial(_framed, share=share / 100)) for share in (5, 10)),
    Change("squeezed to a square", lambda p, _: p.resize((p.width, p.width))),
    Change("squeezed to a square of 48 px", lambda p, _: p.resize((48, 48))),
    *(Change(f"turned by {degrees} degrees", partial(_turned, degrees=degrees)) for degrees in (1, 2, 3)),
    Change("flipped top to bottom", lambda p, _: ImageOps.flip(p)),
    Change("turned by 25 degrees", lambda p, _: p.rotate(25, expand=True)),
)


def rows(data: Path, work: Path) -> list[Row]:
    return [*found_by(DEFAULT_ENCODER, data, work), _by_hash(work), *_large(data, work)]


def found_by(encoder: str, data: Path, work: Path) -> list[Row]:
    """What is found with an encoder."""
    photos = sorted((data / "clothing" / "images").glob("*.jpg"))
    chosen = random.Random(SEED).sample(range(len(photos)), SAMPLE)
    target = work / "duplicates.catalog"
    shutil.rmtree(target, ignore_errors=True)
    hashed = _hashed(photos)
    found: list[Row] = []
    with seealike.create(target, encoder=encoder) as catalog:
        catalog.index(photos[0].parent)
        alone = find_duplicates(catalog)
        told = f"{_pairs(alone)} pairs, all of different things, {alone.took_s:.1f} s"
        found.append(Row(f"{len(photos):,} different photos of clothes", told, "0"))
        for change in CHANGES:
            copies = work / "duplicates"
            _make(copies, photos, chosen, change)
            catalog.index(copies, options=seealike.IndexOptions(prefix="copy/"))
            found.append(_row(change, catalog, copies, photos, chosen, hashed))
            catalog.forget(copies)
    return [*found, _drawn(work, encoder)]


def _make(folder: Path, photos: list[Path], chosen: list[int], change: Change) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    rng = random.Random(SEED)
    for row in chosen:
        with Image.open(photos[row]) as picture:
            made = change.apply(picture.convert("RGB"), rng)
        made.save(folder / f"{row:05}.jpg", quality=change.quality)


def _row(
    change: Change,
    catalog: seealike.Catalog,
    copies: Path,
    photos: list[Path],
    chosen: list[int],
    hashed: Bits | None,
) -> Row:
    number = {photo.name: row for row, photo in enumerate(photos)}
    pairs = set()
    for group in find_duplicates(catalog).groups:
        ids = [member.item.id for member in group.members]
        own = [number[item_id] for item_id in ids if not item_id.startswith("copy/")]
        pairs |= {(int(item_id[5:10]), row) for item_id in ids if item_id.startswith("copy/") for row in own}
    right = sum(copy == row for copy, row in pairs)
    precision = right / len(pairs) if pairs else 1.0
    told = f"recall {right / len(chosen):.3f}, precision {precision:.3f}"
    return Row(change.what, told, "", _phash(copies, chosen, hashed, precision))


def _phash(copies: Path, chosen: list[int], hashed: Bits | None, precision: float) -> str:
    """pHash's recall at about this precision, and how many bits may differ for it."""
    if hashed is None:
        return "imagehash is not installed"
    ours = _hashed([copies / f"{row:05}.jpg" for row in chosen])
    assert ours is not None
    differing = (ours[:, None] != hashed[None]).sum(axis=2)
    own = differing[np.arange(len(chosen)), chosen]
    best = 0
    for most in range(33):
        taken = int((differing <= most).sum())
        if taken and (own <= most).sum() / taken >= precision:
            best = most
    return f"pHash: recall {(own <= best).mean():.3f} at {best} of 64 bits"


def _hashed(paths: list[Path]) -> Bits | None:
    if importlib.util.find_spec("imagehash") is None:
        return None
    import imagehash  # type: ignore[import-not-found,unused-ignore]

    return np.stack([imagehash.phash(Image.open(path)).hash.ravel() for path in paths])


def _drawn(work: Path, encoder: str) -> Row:
    """The drawn shop: its supplier's pictures are copies; other products of a kind have the same shape."""
    shop = work / "duplicates-shop"
    run_demo(str(shop), open_catalog=partial(opened, encoder=encoder))
    with seealike.open(shop / ".seealike") as catalog:
        groups_of = {item.id: item.group for item in catalog.items()}
        report = find_duplicates(catalog)
    copies = same = other = 0
    for group in report.groups:
        for member in group.dropped:
            both = {groups_of[member.item.id], groups_of[group.kept[0].item.id]}
            copies, same, other = copies + (None in both), same + (len(both) == 1), other + (len(both) == 2)
            other -= None in both and len(both) == 2
    told = f"{copies} of 12 copies; {same} pairs of one product, {other} of different ones"
    return Row(f"{len(groups_of)} drawn pictures, copies of 12 among them", told)


def _pairs(report: DuplicateReport) -> int:
    return sum(len(group.members) - 1 for group in report.groups)


def _by_hash(work: Path) -> Row:
    """What the pairs cost that hashes propose, among as many as the largest catalogue has."""
    _, hashes = _mixed(work)
    started = time.process_time()
    one, other, _ = alike_hashes(hashes)
    proposed_s = time.process_time() - started
    for start in range(0, len(one), 4096):
        agreements(hashes, one[start : start + 4096], other[start : start + 4096])
    told = (
        f"{proposed_s:.0f} s to propose {len(one) / len(hashes):.2f} pairs an item, sorted in random orders"
    )
    compared_s = time.process_time() - started - proposed_s
    note = f"and {compared_s:.0f} s to lay them over each other; processor time"
    return Row(f"{len(hashes):,} hashes", told, "", note)


def _large(data: Path, work: Path) -> list[Row]:
    """The largest catalogue: its vectors and its signatures' hashes are mixed from those of photos."""
    vectors = synthetic.make(data, work)
    path, _ = large.catalog_of(vectors, work)
    copy = work / "duplicates-large.catalog"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(path, copy)
    _sign(copy, work)
    times: dict[str, float] = {}
    started = time.perf_counter()
    with seealike.open(copy) as catalog:
        report = find_duplicates(
            catalog, progress=lambda told: times.update({told.stage: time.perf_counter() - started})
        )
    unit = 1 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6
    shutil.rmtree(copy)
    lists_s = times["lists"]
    told = f"{report.took_s / lists_s:.2f} x the {lists_s:.0f} s to the end of the lists that it begins with"
    found = f"{len(report.groups):,} groups; peak memory {peak:,.0f} MB"
    return [Row(f"{report.items:,} items", f"{report.took_s:.0f} s", "2 x the lists", f"{told}; {found}")]


def _mixed(work: Path) -> tuple[list[bytes], Hashes]:
    """Colours and hashes as of so many photos: of a photo, with half of another in its frequencies."""
    rng = np.random.default_rng(SEED)
    with seealike.open(work / "duplicates.catalog") as photos:
        known = [signature for _, signature in photos.signatures() if signature is not None]
    roots = np.stack([np.frombuffer(one.hash, np.int8) for one in known]).astype(np.float32)
    seen = roots * np.abs(roots)
    seen /= np.linalg.norm(seen, axis=1, keepdims=True)
    one, other = rng.integers(len(known), size=(2, synthetic.COUNT))
    share = rng.uniform(0.3, 0.7, synthetic.COUNT).astype(np.float32)
    hashes = np.empty((synthetic.COUNT, seen.shape[1]), dtype=np.int8)
    for start in range(0, len(hashes), 8192):
        few = slice(start, start + 8192)
        mix = share[few, None] * seen[one[few]] + (1 - share[few, None]) * seen[other[few]]
        most = np.abs(mix).max(axis=1, keepdims=True)
        hashes[few] = np.rint(127 * np.sqrt(np.abs(mix) / most)) * np.sign(mix)
    return [known[row].colour for row in one], hashes


def _sign(path: Path, work: Path) -> None:
    colours, hashes = _mixed(work)
    writer = StoreWriter(str(path / "catalog.sqlite"))
    for start in range(0, len(hashes), 8192):

        def sign(change: StoreChange, start: int = start) -> None:
            for row in range(start, min(start + 8192, len(hashes))):
                change.sign(row + 1, Signature(colours[row], hashes[row].tobytes()))

        writer.rewrite(sign)
    writer.close()
