"""What decoding takes is foretold rightly, and a want of memory has one verdict whatever came before."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from tests.pictures import picture
from tests.robustness.saboteur import ordered
from tests.robustness.test_hostile_pictures import PREPROCESSING, Verdicts, linux, saboteurs, verdicts_of

from seealike.images import DecodeError, DecodeLimits, DecodePool, DecodeTask, decode
from seealike.types import SkipReason

MEGA = 1_000_000
LIMITS = DecodeLimits(cpu_s=60.0)  # memory alone is to be short
# Name, Pillow's format, mode, how it is saved.
KINDS: tuple[tuple[str, str, str, dict[str, object]], ...] = (
    ("baseline", "JPEG", "RGB", {}),
    ("progressive", "JPEG", "RGB", {"progressive": True, "subsampling": 0}),
    ("cmyk", "JPEG", "CMYK", {"progressive": True}),
    ("png-rgb", "PNG", "RGB", {"compress_level": 1}),
    ("png-rgba", "PNG", "RGBA", {"compress_level": 1}),
    ("png-grey", "PNG", "L", {"compress_level": 1}),
    ("png-16", "PNG", "I;16", {"compress_level": 1}),
    ("tiff", "TIFF", "RGB", {}),
    ("tiff-one-strip", "TIFF", "RGB", {"compression": "tiff_adobe_deflate", "tiffinfo": {278: 1 << 20}}),
    ("tiff-float", "TIFF", "F", {}),
    ("gif", "GIF", "P", {}),
    ("bmp", "BMP", "RGB", {}),
    ("webp", "WEBP", "RGB", {"method": 0}),
    ("webp-lossless", "WEBP", "RGB", {"method": 0, "lossless": True, "quality": 0}),
    ("webp-rgba", "WEBP", "RGBA", {"method": 0}),
    ("webp-lossless-rgba", "WEBP", "RGBA", {"method": 0, "lossless": True, "quality": 0}),
    ("avif", "AVIF", "RGB", {"speed": 10}),
    ("avif-444", "AVIF", "RGB", {"speed": 10, "subsampling": "4:4:4"}),
    ("avif-rgba", "AVIF", "RGBA", {"speed": 10, "subsampling": "4:4:4"}),
)
by_kind = pytest.mark.parametrize(
    ("kind", "mode", "how"), [row[1:] for row in KINDS], ids=[row[0] for row in KINDS]
)


def saved(size: tuple[int, int], kind: str, mode: str, how: dict[str, object]) -> bytes:
    """A picture with something to see, quick to make in any size."""
    image = picture(2).resize(size, Image.Resampling.NEAREST)
    if mode == "I;16":
        image = image.convert("L").convert("I")
    out = io.BytesIO()
    image.convert(mode).save(out, kind, **how)
    return out.getvalue()


def foretold(data: bytes) -> int:
    """The least memory limit under which the picture is not refused by its header."""
    limit = 1
    while True:
        detail = refusal(data, DecodeLimits(memory_bytes=limit, pixels=10**9))
        if detail is None:
            return limit
        found = re.search(r"would take (\d+) MB", detail)
        assert found is not None, detail
        limit = max(limit + MEGA, int(found[1]) * MEGA)


def refusal(data: bytes, limits: DecodeLimits) -> str | None:
    try:
        decode(data, PREPROCESSING, limits)
    except DecodeError as refused:
        return refused.detail
    return None


def repeated(folder: Path, data: bytes, limits: DecodeLimits, times: int) -> set[str]:
    """What becomes of one file, given several times to one process."""
    path = folder / "picture"
    path.write_bytes(data)
    tasks = [DecodeTask(token, path=str(path)) for token in range(times)]
    with DecodePool(PREPROCESSING, workers=1, batch_size=2, buffers=3, limits=limits) as pool:
        return {verdict for verdict, _ in verdicts_of(pool, tasks).values()}


@linux
@pytest.mark.parametrize(
    ("kind", "mode", "how"),
    [row[1:] for row in KINDS if row[0] in ("progressive", "png-rgb", "webp-lossless")],
)
def test_the_memory_that_is_foretold_is_enough(
    tmp_path: Path, kind: str, mode: str, how: dict[str, object]
) -> None:
    data = saved((2500, 2000), kind, mode, how)
    limits = DecodeLimits(memory_bytes=foretold(data), cpu_s=60.0)
    assert repeated(tmp_path, data, limits, 3) == {"decoded"}


@pytest.mark.heavy
@linux
@by_kind
def test_just_below_a_limit_every_picture_is_decoded_and_just_above_it_none(
    tmp_path: Path, kind: str, mode: str, how: dict[str, object]
) -> None:
    small, middle = (foretold(saved((side, side), kind, mode, how)) for side in (1000, 2000))
    a_pixel = (middle - small) / 3e6
    room = LIMITS.memory_bytes - small
    side = int(min(1e6 + room / a_pixel, LIMITS.pixels) ** 0.5)
    below = saved((side - side // 50, side), kind, mode, how)
    above = saved((side + side // 20, side), kind, mode, how)
    assert repeated(tmp_path, below, LIMITS, 4) == {"decoded"}
    refused = SkipReason.TOO_MANY_PIXELS if len(above) <= LIMITS.file_bytes else SkipReason.FILE_TOO_LARGE
    assert repeated(tmp_path, above, LIMITS, 4) == {refused.value}


def webp(order: str = "none") -> bytes:
    return ordered(saved((4000, 3000), "WEBP", "RGB", {"method": 0}), order)


def outcome(*pictures: bytes) -> Verdicts:
    tasks = [DecodeTask(token, data=data) for token, data in enumerate(pictures)]
    with saboteurs(limits=DecodeLimits(memory_bytes=300 * MEGA, cpu_s=60.0)) as pool:
        return verdicts_of(pool, tasks)


@linux
def test_memory_that_earlier_pictures_left_behind_is_held_against_no_later_one() -> None:
    small = ordered(saved((64, 64), "PNG", "RGB", {}), f"hold {200 * MEGA}")
    assert [verdict for verdict, _ in outcome(small, webp(), small, webp()).values()] == ["decoded"] * 4


@linux
@pytest.mark.parametrize("held", [150, 200, 215, 250])
def test_a_decoder_that_calls_a_want_of_memory_a_broken_file_is_corrected(held: int) -> None:
    how: dict[str, object] = {"method": 0, "lossless": True, "quality": 0}
    reason, detail = outcome(ordered(saved((4000, 3000), "WEBP", "RGB", how), f"hold {held * MEGA}"))[0]
    assert reason == SkipReason.OUT_OF_MEMORY.value
    assert "memory" in detail


@linux
def test_a_broken_file_is_still_called_so() -> None:
    cut = saved((4000, 3000), "WEBP", "RGB", {"method": 0, "lossless": True})
    broken = bytearray(cut)
    broken[len(cut) // 3 : len(cut) // 3 + 40] = bytes(40)
    assert outcome(bytes(broken), bytes(broken))[0][0] in ("corrupt", "decoded")
    png = bytearray(saved((4000, 3000), "PNG", "RGB", {}))
    png[len(png) // 2] ^= 255
    assert outcome(bytes(png))[0][0] == SkipReason.CORRUPT.value


_TIMES = """
import signal
from seealike.images.guard import Guard
from seealike.images.limits import DecodeLimits
guard = Guard(DecodeLimits(cpu_s=50.0))
def left():
    return signal.getitimer(signal.ITIMER_PROF)[0]
guard.begin()
print(left())
for pixels in (1, 40_000_000, 40_000_000, 10_000_000):
    guard.grant(pixels)
    print(left())
guard.end()
print(left())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="timers of POSIX")
def test_processor_time_is_granted_in_proportion_to_the_pixels() -> None:
    printed = subprocess.run([sys.executable, "-c", _TIMES], capture_output=True, text=True, check=True)
    seconds: Iterator[float] = map(float, printed.stdout.split())
    assert [round(left, -1) for left in seconds] == [50, 50, 200, 200, 200, 0]
