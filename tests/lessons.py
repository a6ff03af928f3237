"""Lessons for tests: vectors in which one direction means something and the loud ones do not."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from tests.pictures import picture

from seealike.training.data.lesson import Lesson
from seealike.types import Int64Array, Item

SHAPES = ("ellipse", "rectangle", "triangle")
SIZES = ("large", "middle", "small")


def lesson(
    targets: Int64Array, units: Int64Array, *, parts: tuple[str, ...] = (), features: int = 32, seed: int = 0
) -> Lesson:
    """A lesson whose classes show in a quiet part of the vectors, below louder noise."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(int(targets.max()) + 1, features))
    centres[:, : features // 2] = 0
    loud = np.arange(features) < features // 2
    noise = rng.normal(size=(len(targets), features)) * np.where(loud, 2.0, 0.4)
    vectors = (centres[targets] + noise).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return Lesson(
        items=tuple(Item(f"{n:04}", None, None, {}, 10, 10) for n in range(len(targets))),
        vectors=vectors,
        classes=tuple(f"class {n}" for n in range(int(targets.max()) + 1)),
        targets=targets,
        marks=np.arange(len(targets)),
        units=units,
        parts=parts or ("",) * len(targets),
        unit_name="person",
        left_out=0,
    )


def write_shapes(folder: Path, count: int) -> Path:
    """Pictures, and a table: ``size`` is hard to see, ``chance`` impossible, and a ``person`` has five."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(7)
    rows = []
    for number in range(count):
        name = f"{number:03}.jpg"
        picture(number).save(folder / name)
        rows.append(
            {
                "id": name,
                "path": name,
                "shape": SHAPES[number % 3],
                "size": SIZES[number % 12 // 4],
                "chance": str(rng.integers(3)),
                "person": f"p{number // 5}",
            }
        )
    table = folder / "table.csv"
    with open(table, "w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return table
