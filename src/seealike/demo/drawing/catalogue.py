"""Draw the sample shop into a folder: its pictures, its mishaps and its product table."""

from __future__ import annotations

import csv
import io
import os
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from seealike.demo.drawing.marker import Drawn, changed_file, is_complete, read_marker, write_marker
from seealike.demo.drawing.plan import Photo, plan_outside_photo, plan_photos, plan_products
from seealike.demo.drawing.spoil import Change, broken_files, jpeg, near_duplicate
from seealike.errors import StorageError, UsageError
from seealike.types import Progress, ProgressCallback

DEFAULT_SEED = 20
_DRAWING_VERSION = 1  # raise it whenever the same seed gives other pictures
_TABLE = "products.csv"
_COLUMNS = ("id", "path", "group", "name", "kind", "colour", "pattern", "price")
_QUALITY = 88
_THREADS = 4


@dataclass(frozen=True, slots=True)
class DrawnCatalogue:
    """What lies in the folder. Paths are absolute.

    ``duplicates`` pairs the id of every near-duplicate with the id of its original. ``drawn`` is
    whether this call drew the pictures; otherwise it found them complete.
    """

    folder: str
    table: str
    outside_query: str
    pictures: int
    broken: int
    duplicates: tuple[tuple[str, str], ...]
    drawn: bool
    took_s: float


def draw_catalogue(
    folder: str, *, seed: int = DEFAULT_SEED, progress: ProgressCallback | None = None
) -> DrawnCatalogue:
    """Draw the sample catalogue into a folder, unless it is there already and complete.

    The same seed gives the same bytes with the same version of Pillow.

    Raises:
        UsageError: the folder holds somebody else's files, or drawn ones that somebody changed.
        StorageError: the folder cannot be written.
    """
    started = time.perf_counter()
    folder = os.path.abspath(folder)
    key = f"{_DRAWING_VERSION}/{seed}"
    try:
        marked = read_marker(folder)
        if marked is not None and marked.key == key and is_complete(folder, marked):
            record, fresh = marked, False
        else:
            _claim(folder, Drawn(key), marked)
            record, fresh = _draw_all(folder, key, seed, progress), True
    except OSError as exc:
        raise StorageError(folder, str(exc)) from exc
    return DrawnCatalogue(
        folder=folder,
        table=os.path.join(folder, _TABLE),
        outside_query=os.path.join(folder, plan_outside_photo(seed).path),
        pictures=record.pictures,
        broken=record.broken,
        duplicates=record.duplicates,
        drawn=fresh,
        took_s=time.perf_counter() - started,
    )


def _claim(folder: str, record: Drawn, marked: Drawn | None) -> None:
    """Mark the folder as ours before anything is drawn, so that a run that was cut off may go on."""
    os.makedirs(folder, exist_ok=True)
    if marked is None and os.listdir(folder):
        raise UsageError(f"{folder} holds other files; name a folder that is empty or does not exist yet")
    if marked is not None and (changed := changed_file(folder, marked)):
        raise UsageError(
            f"{changed} is not what was drawn any more; name another folder, or delete that file"
        )
    write_marker(folder, record)


def _draw_all(folder: str, key: str, seed: int, progress: ProgressCallback | None) -> Drawn:
    photos = [photo for product in plan_products(seed) for photo in plan_photos(product, seed)]
    outside = plan_outside_photo(seed)
    sizes: dict[str, int] = {}
    contents: dict[str, bytes] = {}
    keep = {photo.path for photo in _originals(photos)} | {_first_png(photos).path}
    with ThreadPoolExecutor(min(_THREADS, os.cpu_count() or 1)) as pool:
        for done, (photo, content) in enumerate(
            zip([*photos, outside], pool.map(_encoded, [*photos, outside]), strict=True), start=1
        ):
            sizes[photo.path] = _write(folder, photo.path, content)
            if photo.path in keep:
                contents[photo.path] = content
            if progress is not None:
                progress(Progress("draw", done, len(photos) + 1))
    rows = [_row(photo) for photo in photos]
    pairs = []
    for number, (original, change) in enumerate(zip(_originals(photos), _changes(), strict=True), start=2041):
        path = f"supplier-feed/IMG_{number}.jpg"
        sizes[path] = _write(folder, path, near_duplicate(contents[original.path], change))
        rows.append((f"feed-{number}", path, "", f"IMG_{number} from a supplier", "", "", "", ""))
        pairs.append((f"feed-{number}", original.id))
    broken = broken_files(contents[_originals(photos)[0].path], contents[_first_png(photos).path])
    for number, file in enumerate(broken, start=1):
        if file.content is not None:
            sizes[file.path] = _write(folder, file.path, file.content)
        rows.append((f"incoming-{number}", file.path, "", file.name, "", "", "", ""))
    sizes[_TABLE] = _write(folder, _TABLE, _table(rows))
    record = Drawn(key, sizes, len(photos) + len(pairs), len(broken), tuple(pairs))
    write_marker(folder, record)
    return record


def _encoded(photo: Photo) -> bytes:
    picture = photo.draw()
    if photo.path.endswith(".jpg"):
        return jpeg(picture, quality=_QUALITY)
    stream = io.BytesIO()
    if photo.path.endswith(".png"):
        picture.save(stream, "PNG", compress_level=4)
    else:
        picture.save(stream, "WEBP", quality=_QUALITY, method=2)
    return stream.getvalue()


def _changes() -> tuple[Change, ...]:
    return (*Change, *Change)


def _originals(photos: list[Photo]) -> list[Photo]:
    """Choose the pictures that are copied: one of each of a dozen kinds, photographs only."""
    chosen: dict[str, Photo] = {}
    for photo in photos:
        if photo.view == "front" and photo.path.endswith(".jpg") and photo.product.number >= 105:
            chosen.setdefault(photo.product.kind.folder, photo)
    return list(chosen.values())[: len(_changes())]


def _first_png(photos: list[Photo]) -> Photo:
    return next(photo for photo in photos if photo.path.endswith(".png"))


def _row(photo: Photo) -> tuple[str, ...]:
    product = photo.product
    return (
        photo.id,
        photo.path,
        product.group,
        product.name,
        product.kind.folder,
        product.colours.main,
        product.weave.pattern.value,
        f"{product.price:.2f}",
    )


def _table(rows: list[tuple[str, ...]]) -> bytes:
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(_COLUMNS)
    writer.writerows(rows)
    return stream.getvalue().encode()


def _write(folder: str, path: str, content: bytes) -> int:
    whole = os.path.join(folder, *path.split("/"))
    os.makedirs(os.path.dirname(whole), exist_ok=True)
    with open(whole, "wb") as stream:
        stream.write(content)
    return len(content)
