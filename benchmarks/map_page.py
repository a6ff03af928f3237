"""A map: how long the layouts take, how many neighbours they keep, and how quickly the page of one moves.

Vectors are those of the clothing photos, and for 100,000 items the mixture of `benchmarks.synthetic`. Frames
are taken by a headless Chromium that draws by processor (SwiftShader), 1280 x 860 px, while the page moves
and zooms from the whole map to three places and back. Neighbours kept: the share of the 10 nearest on the
map that are among the 50 nearest in full space.
"""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from PIL import Image
from tests.browser import browsing, chromium

import seealike
from benchmarks.report import Row
from benchmarks.synthetic import make
from seealike.maps import Map, MapMethod, MapOptions, Tiles, make_map, make_tiles, render_map_page
from seealike.maps.clusters import cluster
from seealike.maps.layout import lay_out
from seealike.maps.making import NEAR
from seealike.maps.reduction import neighbours, reduced
from seealike.types import Float32Array, Metric, unwatched

TITLE = "Maps"
COUNT = 100_000
FRAMES = 120
_COMPILE = """
import time
began = time.perf_counter()
import numpy as np
from seealike.maps import MapMethod, MapOptions
from seealike.maps.layout import lay_out
def once():
    lay_out(np.random.default_rng(0).random((40, 9), np.float32), MapOptions(MapMethod.UMAP), lambda _: None)
    return time.perf_counter()
first = once()
print(first - began - (once() - first))
"""


def rows(data: Path, work: Path) -> list[Row]:
    return [*_photos(data, work), *_many(data, work)]


def _photos(data: Path, work: Path) -> list[Row]:
    target = work / "map.catalog"
    shutil.rmtree(target, ignore_errors=True)
    found = []
    with seealike.create(target) as catalog:
        catalog.index(data / "clothing" / "catalogue.csv")
        vectors = catalog.vectors()[1]
        for method in MapMethod:
            started = time.perf_counter()
            made = make_map(catalog, MapOptions(method, label="label"))
            took = time.perf_counter() - started
            note = f"{preserved(vectors, made.positions):.3f} of neighbours kept"
            if method is MapMethod.UMAP:
                note += f"; importing and compiling umap-learn in a fresh process: {_compile_s():.1f} s"
            found.append(Row(f"{method.written}, {len(made):,} photos", f"{took:.1f} s", "", note))
        started = time.perf_counter()
        tiles = make_tiles(catalog, made)
        took = time.perf_counter() - started
    size = len(render_map_page(made, tiles)) / 1e6
    note = f"{tiles.side_px} px, in {took:.1f} s"
    return [*found, Row(f"page with {len(tiles.pictures):,} pictures", f"{size:.1f} MB", "", note)]


def _compile_s() -> float:
    done = subprocess.run([sys.executable, "-c", _COMPILE], capture_output=True, text=True, check=True)
    return float(done.stdout)


def _many(data: Path, work: Path) -> list[Row]:
    vectors = np.asarray(make(data, work, COUNT), dtype=np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    started = time.perf_counter()
    flat = reduced(vectors)
    places = lay_out(flat, MapOptions(), unwatched)
    took = time.perf_counter() - started
    found = [Row(f"t-SNE, {COUNT:,} vectors", f"{took:.0f} s", "", f"{preserved(vectors, places):.3f} kept")]
    ids = tuple(f"shop/{row // 1000:03}/{row:06}.jpg" for row in range(COUNT))
    groups = cluster(flat, None, 0)
    near = neighbours(flat, NEAR, Metric.COSINE, 0)[0]
    made = Map(ids, places, groups, (), (None,) * COUNT, near, COUNT, "synthetic", MapOptions())
    program = chromium()
    if program is None:
        return [*found, Row("frames", "not measured", "", "no Chromium is installed")]
    for name, tiles in (("no pictures", Tiles()), ("100,000 pictures of 40 px", _tiles(COUNT))):
        page = work / "map.html"
        page.write_text(render_map_page(made, tiles), encoding="ascii")
        size = page.stat().st_size / 1e6
        for part, renderer in (("", "WebGL"), ("#canvas", "plain canvas")):
            found.append(_frames(program, page, part, f"{COUNT:,} points, {name}, {renderer}", size))
    return found


def _frames(program: str, page: Path, part: str, what: str, size: float) -> Row:
    with browsing(program) as browser:
        started = time.perf_counter()
        browser.open(page, part)
        opened = time.perf_counter() - started
        took = browser.value(f"seealikeMap.bench({FRAMES})")
    note = (
        f"a frame {took['frame_ms']} ms, 95 % within {took['frame_p95_ms']} ms; drawn while moving at least "
        f"{took['least_share']:.0%} of the points; opens in {opened:.1f} s; {size:.1f} MB"
    )
    return Row(what, f"{took['per_s']} frames/s", ">= 24", note)


def _tiles(count: int) -> Tiles:
    """Pictures of coloured noise, a hundred different ones."""
    rng = np.random.default_rng(0)
    drawn = []
    for _ in range(100):
        pixels = rng.integers(0, 255, (6, 5, 3), dtype=np.uint8)
        out = io.BytesIO()
        Image.fromarray(pixels).resize((30, 40), Image.Resampling.BICUBIC).save(out, "WEBP", quality=62)
        drawn.append(out.getvalue())
    return Tiles(40, {row: drawn[row % 100] for row in range(count)})


def preserved(vectors: Float32Array, places: Float32Array, sample: int = 500) -> float:
    """The share of the 10 nearest on the map that are among the 50 nearest in full space."""
    chosen = np.random.default_rng(0).permutation(len(vectors))[:sample]
    shares = []
    for row in chosen.tolist():
        scores = vectors @ vectors[row]
        far = ((places - places[row]) ** 2).sum(axis=1)
        scores[row], far[row] = -np.inf, np.inf
        near = set(np.argpartition(far, 10)[:10].tolist())
        shares.append(len(near & set(np.argpartition(-scores, 50)[:50].tolist())) / 10)
    return float(np.mean(shares))
