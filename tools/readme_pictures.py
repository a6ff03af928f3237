"""Take the pictures of the README and the how-to pages from real pages; into docs/images.

PYTHONPATH=. python tools/readme_pictures.py          needs Chromium and the extra ``map``
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from PIL import Image
from tests.browser import browsing, chromium

from seealike.demo.drawing.backdrop import Backdrop, Setting, paint_backdrop
from seealike.demo.drawing.plan import plan_photos, plan_products

IMAGES = Path(__file__).resolve().parent.parent / "docs" / "images"
SEEN = {
    "results": (0, 1190),
    "map": (0, 820),
    "compare": (300, 1220),
    "focus": (195, 400),
    "why": (195, 510),
    "colours": (195, 515),
    "filters": (130, 480),
    "liked": (195, 555),
    "duplicates": (335, 620),
}
ASKED = {
    "colours": ("search", "--id", "bag-101-front", "--palette", "navy:2,white", "-k", "6"),
    "filters": ("search", "--id", "lamp-101-front", "--where", "kind = 'lamps' and price < 70", "-k", "6"),
    "liked": (
        *("recommend", "--like", "chair-106-front", "--like", "chair-101-front"),
        *("--not", "chair-102-front", "-k", "6"),
    ),
}  # from where, and how much, in px
_COLOURS = 256
_SETTLED_S = 1.0  # a map's pictures are decoded as they are needed


def _table_with_a_bag() -> Image.Image:
    """A bag of the shop, far from the middle of a wooden table."""
    table = paint_backdrop(Backdrop(Setting.BOARDS, (150, 104, 70), 0.1), (900, 640), stands_at=None)
    wall = paint_backdrop(Backdrop(Setting.SPOT, (196, 208, 200), 0.1), (900, 250), stands_at=None)
    product = next(one for one in plan_products(20) if one.group == "bag-110")
    photo = next(iter(plan_photos(product, 20)))
    bag = replace(photo, shot=replace(photo.shot, cut_out=True)).draw()
    bag = bag.crop(bag.getchannel("A").getbbox())
    bag.thumbnail((250, 250))
    table.paste(wall, (0, 0))
    table.paste(bag, (560, 250), bag)
    return table


def main() -> None:
    program = chromium()
    if program is None:
        raise SystemExit("no Chromium is installed")
    with tempfile.TemporaryDirectory() as folder, browsing(program) as browser:
        shop, compared = Path(folder, "shop"), Path(folder, "shop", "compare.html")
        _typed("demo", str(shop))
        encoders = ("efficientnet-lite0", "efficientnet-lite0?fit=squash")
        _typed("compare", *encoders, "-C", str(shop), "--label", "kind", "--page", str(compared))
        _table_with_a_bag().save(shop / "table.jpg", quality=92)
        asked = ("search", "table.jpg", "-C", ".", "-k", "6", "--focus", "--gallery")
        _typed(*asked, "focus.html", folder=shop)
        _typed(*asked, "why.html", "--explain", folder=shop)
        for name, command in ASKED.items():
            _typed(*command, "-C", ".", "--gallery", f"{name}.html", folder=shop)
        _typed("duplicates", "-C", ".", "--level", "product", "--page", "duplicates.html", folder=shop)
        for name, (top, height) in SEEN.items():
            browser.look(width=1280, height=height)
            browser.show(shop / f"{name}.html")
            browser.value(f"scrollTo({{top: {top}, behavior: 'instant'}})")
            time.sleep(_SETTLED_S)
            taken = Path(folder, "shot.png")
            browser.screenshot(taken)
            _save_small(taken, IMAGES / f"{name}.png")


def _typed(*arguments: str, folder: Path | None = None) -> None:
    """Run a command, in a folder: names on a page are as they were typed."""
    command = [sys.executable, "-m", "seealike", *arguments]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=folder)


def _save_small(taken: Path, target: Path) -> None:
    """Half the size, and hardly to be told from it: a palette of the picture's own colours, dithered."""
    with Image.open(taken) as shot:
        whole = shot.convert("RGB")
    palette = whole.quantize(_COLOURS, kmeans=2)
    small = whole.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG)
    small.save(target, optimize=True)
    print(f"{target.name}: {target.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
