"""Take the pictures of the README and the how-to pages from real pages; into docs/images.

PYTHONPATH=. python tools/readme_pictures.py          needs Chromium, the extra ``map``, requirements/page.txt
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
from tests.page.visitor import DESK, Visitor, context_of, launched
from tests.service.processes import serving, wait_until_ready

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
    "filters": (142, 468),
    "liked": (195, 640),
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
_PART = (0.16, 0.25), (0.94, 0.75)  # of the photo: from where, and where to
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
        encoders = ("efficientnet-lite0-v2", "efficientnet-lite0-v2?fit=squash")
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
        _take_the_page(shop, taken)


def _take_the_page(shop: Path, taken: Path) -> None:
    """The page of the service: a part of a photo is searched with, and a result is beside what it is like."""
    with serving(shop) as (_, port), launched() as browser:
        wait_until_ready(port)
        visitor = Visitor(context_of(browser, DESK), f"http://127.0.0.1:{port}")
        looks = {"page": _search_a_part, "page-beside": _compare, "page-duplicates": _look_through}
        for name, look in looks.items():
            look(visitor, shop)
            visitor.page.wait_for_load_state("networkidle")
            visitor.page.screenshot(path=taken)
            _save_small(taken, IMAGES / f"{name}.png")


def _search_a_part(visitor: Visitor, shop: Path) -> None:
    visitor.open("/")
    visitor.see("[role=listitem]")
    visitor.page.set_input_files("input[type=file] >> nth=0", shop / "photo-from-my-phone.jpg")
    visitor.see(visitor.page.get_by_role("button", name="Search a part"))
    area = visitor.see(".query .stage").bounding_box()
    assert area is not None
    mouse = visitor.page.mouse
    for act, (x, y) in ((mouse.down, _PART[0]), (mouse.up, _PART[1])):
        mouse.move(area["x"] + area["width"] * x, area["y"] + area["height"] * y)
        act()
    visitor.until("() => location.search.includes('%40')")
    visitor.until("() => document.querySelector('h1').textContent.includes('a part')")
    visitor.until("() => !document.querySelector('[aria-busy=true]')")
    mouse.move(0, 0)


def _compare(visitor: Visitor, _: Path) -> None:
    visitor.open("/?like=id:bag-101-front&open=bag-107-angle")
    dialog = visitor.see(visitor.page.get_by_role("dialog"))
    dialog.get_by_role("button", name="Why?").click()
    visitor.see(dialog.get_by_text("The brighter a place"))


def _look_through(visitor: Visitor, _: Path) -> None:
    visitor.open("/?view=duplicates")
    visitor.see("main img")


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
