"""Folders of real photos under other names, as many as a measurement needs."""

from __future__ import annotations

import os
from pathlib import Path


def repeated(data: Path, folder: Path, count: int) -> Path:
    """A folder of ``count`` files: the clothing photos again and again, as hard links where possible."""
    photos = sorted((data / "clothing" / "images").glob("*.jpg"))
    if not photos:
        raise SystemExit(f"no photos in {data}/clothing/images: say --data")
    folder.mkdir(parents=True, exist_ok=True)
    have = len(list(folder.glob("*.jpg")))
    for number in range(have, count):
        target = folder / f"{number:06}.jpg"
        target.write_bytes(photos[number % len(photos)].read_bytes())
    return folder


def warm(folder: Path) -> None:
    """Read every file once, so that the disk is not what is measured."""
    for entry in os.scandir(folder):
        with open(entry.path, "rb") as file:
            file.read()
