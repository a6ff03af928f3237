"""Draw docs/images/cloth.jpg: clothes whose nearest lie on the same floor, and what is nearest elsewhere.

python tools/apart_picture.py ../shared/data/clothing

The photos are of github.com/alexeygrigorev/clothing-dataset, CC0 1.0.
"""

from __future__ import annotations

import csv
import sys
import tempfile
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont, ImageOps

import seealike
from seealike import SearchOptions

TARGET = Path(__file__).resolve().parent.parent / "docs" / "images" / "cloth.jpg"
ASKED = ("febae8c9", "f0b0e313")  # the ids begin so: a jacket on grey boards, a dress on red cloth
NEAREST, WIDTH, HEIGHT, LINE, GAP = 5, 96, 128, 18, 14


def main(folder: Path) -> None:
    with open(folder / "catalogue.csv", encoding="utf-8") as file:
        table = {row["id"]: row for row in csv.DictReader(file)}
    font = ImageFont.load_default(12)
    sheet = Image.new("RGB", (11 * WIDTH + 2 * GAP, LINE + len(ASKED) * (HEIGHT + LINE)), "white")
    draw = ImageDraw.Draw(sheet)
    texts = ((0, "asked"), (WIDTH + GAP, "nearest of all"), (6 * WIDTH + 2 * GAP, "nearest of other senders"))
    for left, text in texts:
        draw.text((left + 2, 1), text, "black", font)

    def put(item_id: str, left: int, top: int, right: bool | None) -> None:
        with Image.open(folder / table[item_id]["path"]) as photo:
            small = ImageOps.fit(ImageOps.exif_transpose(photo).convert("RGB"), (WIDTH - 4, HEIGHT - 4))
        sheet.paste(small, (left + 2, top))
        colour = {None: "black", True: "#1a7f37", False: "#b42318"}[right]
        draw.text((left + 2, top + HEIGHT - 3), table[item_id]["label"], colour, font)

    with tempfile.TemporaryDirectory() as place, seealike.create(Path(place, "catalog")) as catalog:
        catalog.index(folder / "catalogue.csv")
        for row, beginning in enumerate(ASKED):
            asked = next(item_id for item_id in table if item_id.startswith(beginning))
            top = LINE + row * (HEIGHT + LINE)
            put(asked, 0, top, None)
            for block, options in enumerate((SearchOptions(), SearchOptions(other=("sender",)))):
                for column, hit in enumerate(catalog.similar(asked, NEAREST, options=options)):
                    left = (1 + NEAREST * block + column) * WIDTH + (1 + block) * GAP
                    put(hit.id, left, top, table[hit.id]["label"] == table[asked]["label"])
    sheet.save(TARGET, quality=80, optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
