"""Take the pictures of the README from real pages: results, a map, a comparison; into docs/images.

PYTHONPATH=. python tools/readme_pictures.py          needs Chromium and the extra ``map``
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image
from tests.browser import browsing, chromium

IMAGES = Path(__file__).resolve().parent.parent / "docs" / "images"
SEEN = {"results": (0, 1190), "map": (0, 820), "compare": (300, 1220)}  # from where, and how much, in px
_COLOURS = 256
_SETTLED_S = 1.0  # a map's pictures are decoded as they are needed


def main() -> None:
    program = chromium()
    if program is None:
        raise SystemExit("no Chromium is installed")
    with tempfile.TemporaryDirectory() as folder, browsing(program) as browser:
        shop, compared = Path(folder, "shop"), Path(folder, "shop", "compare.html")
        _typed("demo", str(shop))
        encoders = ("efficientnet-lite0", "efficientnet-lite0?fit=squash")
        _typed("compare", *encoders, "-C", str(shop), "--label", "kind", "--page", str(compared))
        for name, (top, height) in SEEN.items():
            browser.look(width=1280, height=height)
            browser.show(shop / f"{name}.html")
            browser.value(f"scrollTo({{top: {top}, behavior: 'instant'}})")
            time.sleep(_SETTLED_S)
            taken = Path(folder, "shot.png")
            browser.screenshot(taken)
            _save_small(taken, IMAGES / f"{name}.png")


def _typed(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "seealike", *arguments], check=True, stdout=subprocess.DEVNULL)


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
