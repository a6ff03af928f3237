"""The small shop that the pages talk about: pictures, tables that name them, one picture more, a model."""

from __future__ import annotations

import csv
import json
from pathlib import Path

from tests.made_models import save_model
from tests.pictures import picture

PICTURES = (
    ("shirts/7.jpg", "S7", "shirts", 19.5),
    ("shirts/12.jpg", "S12", "shirts", 25.0),
    ("shirts/13.jpg", "S12", "shirts", 25.0),
    ("shirts/40.jpg", "S40", "shirts", 18.0),
    ("shoes/1.jpg", "H1", "shoes", 79.0),
    ("shoes/2.jpg", "H2", "shoes", 95.5),
    ("shoes/3.jpg", "H3", "shoes", 120.0),
    ("bags/1.png", "B1", "bags", 49.0),
    ("bags/2.png", "B2", "bags", 55.0),
    ("bags/3.png", "B3", "bags", 61.0),
    ("bags/4.png", "B4", "bags", 61.0),
    ("bags/5.png", "B5", "bags", 35.0),
)


def lay_out(folder: Path) -> None:
    """Draw the shop's pictures and write its tables into ``folder``."""
    rows = []
    for number, (name, group, category, price) in enumerate(PICTURES):
        path = folder / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        picture(number).save(path)
        rows.append(
            {
                "id": f"P-{number:03}",
                "path": f"photos/{name}",
                "group": group,
                "category": category,
                "price": price,
            }
        )
    (folder / "photos" / "shoes" / "4.jpg").write_bytes(b"")
    (folder / "photos" / "notes.txt").write_text("the blue ones sell best\n", encoding="utf-8")
    picture(1).save(folder / "photo.jpg", quality=60)
    save_model(folder / "model.onnx")
    with open(folder / "products.csv", "w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    with open(folder / "products.jsonl", "w", encoding="utf-8") as stream:
        stream.writelines(json.dumps(row) + "\n" for row in rows)
