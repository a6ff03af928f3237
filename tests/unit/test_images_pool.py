"""The pool: every task comes back once, with the pixels that one process alone would give."""

from __future__ import annotations

import hashlib
import io
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.pictures import picture, write_pictures
from tests.robustness.corpus import encoded

from seealike.errors import PictureError, SeealikeError, UsageError
from seealike.images import DecodedBatch, DecodeLimits, DecodePool, DecodeTask, decode
from seealike.types import Preprocessing, SkipReason

LIMITS = DecodeLimits()
PREPROCESSING = Preprocessing(40, 32, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))


def pool_of(workers: int = 2, batch_size: int = 3, buffers: int = 4) -> DecodePool:
    return DecodePool(PREPROCESSING, workers=workers, batch_size=batch_size, buffers=buffers)


@pytest.fixture(scope="module")
def pool() -> Iterator[DecodePool]:
    with pool_of() as shared:
        yield shared


def tasks_of(paths: list[Path]) -> list[DecodeTask]:
    return [DecodeTask(10 + token, path=str(path)) for token, path in enumerate(paths)]


def drain(batches: Iterator[DecodedBatch]) -> int:
    """Release all batches and count their pictures."""
    count = 0
    for batch in batches:
        count += len(batch.pictures)
        batch.release()
    return count


def test_every_picture_comes_back_once_with_its_pixels_and_its_facts(
    pool: DecodePool, tmp_path: Path
) -> None:
    paths = write_pictures(tmp_path, range(11))
    seen = []
    for batch in pool.decode(tasks_of(paths)):
        assert batch.pixels.shape == (len(batch.pictures), 32, 32, 3)
        assert batch.pixels.flags.c_contiguous
        assert 0 < len(batch.pictures) <= 3
        for row, found in enumerate(batch.pictures):
            path = paths[found.token - 10]
            data = path.read_bytes()
            assert np.array_equal(batch.pixels[row], decode(data, PREPROCESSING, LIMITS).pixels)
            assert found.sha256 == hashlib.sha256(data).digest()
            assert (found.width_px, found.height_px) == (96, 72)
            assert (found.size_bytes, found.mtime_ns) == (len(data), path.stat().st_mtime_ns)
            seen.append(found.token)
        batch.release()
        batch.release()  # a second time does nothing
    assert sorted(seen) == list(range(10, 21))


def test_a_file_that_is_known_already_is_not_decoded(pool: DecodePool, tmp_path: Path) -> None:
    known, other = write_pictures(tmp_path, range(2))
    digest = hashlib.sha256(known.read_bytes()).digest()
    tasks = [
        DecodeTask(token, path=str(path), known_sha256=digest) for token, path in enumerate((known, other))
    ]
    (batch,) = pool.decode(tasks)
    (same,) = batch.same
    assert (same.token, same.size_bytes) == (0, known.stat().st_size)
    assert same.mtime_ns == known.stat().st_mtime_ns
    assert [found.token for found in batch.pictures] == [1]
    batch.release()


def test_failures_say_what_is_known_of_the_file(pool: DecodePool, tmp_path: Path) -> None:
    text = tmp_path / "text.jpg"
    text.write_bytes(b"no picture")
    (batch,) = pool.decode([DecodeTask(1, path=str(text)), DecodeTask(2, path=str(tmp_path / "absent"))])
    assert batch.pixels.shape == (0, 32, 32, 3)
    failures = {failure.token: failure for failure in batch.refused}
    assert failures[1].reason is SkipReason.NOT_AN_IMAGE
    assert (failures[1].size_bytes, failures[1].mtime_ns) == (10, text.stat().st_mtime_ns)
    assert failures[2].reason is SkipReason.UNREADABLE
    assert (failures[2].size_bytes, failures[2].mtime_ns) == (None, None)
    batch.release()


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="names are Unicode there")
def test_names_that_are_not_unicode_and_names_of_many_lines_work(pool: DecodePool, tmp_path: Path) -> None:
    names = [b"caf\xe9.jpg", b"two\nlines \"and\" 'quotes'.jpg", "kép.jpg".encode()]
    for name in names:
        with open(os.path.join(os.fsencode(tmp_path), name), "wb") as file:
            file.write(encoded(picture(1), "JPEG"))
    tasks = [
        DecodeTask(token, path=os.fsdecode(os.path.join(os.fsencode(tmp_path), name)))
        for token, name in enumerate(names)
    ]
    (batch,) = pool.decode(tasks)
    assert len(batch.pictures) == 3
    batch.release()


def test_no_tasks_are_no_batches(pool: DecodePool) -> None:
    assert list(pool.decode([])) == []


def test_tasks_are_read_only_as_far_as_there_are_buffers(tmp_path: Path) -> None:
    paths = write_pictures(tmp_path, range(30))
    drawn = []

    def drawing() -> Iterator[DecodeTask]:
        for task in tasks_of(paths):
            drawn.append(task.token)
            yield task

    with pool_of(buffers=2) as pool:
        batches = pool.decode(drawing())
        first = next(batches)
        assert len(drawn) <= 9
        first.release()
        rest = drain(batches)
    assert len(first.pictures) + rest == 30


def test_batches_can_be_released_by_another_thread(tmp_path: Path) -> None:
    paths = write_pictures(tmp_path, range(30))
    count = 0
    with pool_of(buffers=2) as pool:
        for batch in pool.decode(tasks_of(paths)):
            count += len(batch.pictures)
            threading.Timer(0.01, batch.release).start()
    assert count == 30


def test_a_run_given_up_half_way_gives_its_buffers_back(tmp_path: Path) -> None:
    paths = write_pictures(tmp_path, range(12))
    with pool_of(buffers=2) as pool:
        for _ in range(4):
            batches = pool.decode(tasks_of(paths))
            next(batches).release()
            batches.close()  # type: ignore[attr-defined]
        assert drain(pool.decode(tasks_of(paths))) == 12


def test_an_error_in_the_tasks_reaches_the_caller_and_the_pool_goes_on(tmp_path: Path) -> None:
    paths = write_pictures(tmp_path, range(3))

    def failing() -> Iterator[DecodeTask]:
        yield from tasks_of(paths)
        raise RuntimeError("the source is gone")

    with pool_of(buffers=1) as pool:
        with pytest.raises(RuntimeError, match="the source is gone"):
            drain(pool.decode(failing()))
        (batch,) = pool.decode(tasks_of(paths))
        batch.release()


def test_a_query_is_answered_while_all_buffers_are_in_use(tmp_path: Path) -> None:
    paths = write_pictures(tmp_path, range(9))
    with pool_of(buffers=1, workers=1) as pool:
        batches = pool.decode(tasks_of(paths))
        held = next(batches)
        before = held.pixels.copy()
        query = pool.decode_one(DecodeTask(7, path=str(paths[8])))
        truth = decode(paths[8].read_bytes(), PREPROCESSING, LIMITS)
        assert np.array_equal(query.pixels[0], truth.pixels)
        assert np.array_equal(held.pixels, before)
        query.release()
        held.release()


def test_a_query_can_be_a_path_or_bytes(pool: DecodePool, tmp_path: Path) -> None:
    (path,) = write_pictures(tmp_path, range(1))
    for task in (DecodeTask(7, path=str(path)), DecodeTask(7, data=path.read_bytes())):
        batch = pool.decode_one(task)
        assert batch.pictures[0].token == 7
        assert batch.pictures[0].sha256 == hashlib.sha256(path.read_bytes()).digest()
        assert batch.pixels.shape == (1, 32, 32, 3)


def test_a_query_that_is_no_picture_is_refused_with_its_reason(pool: DecodePool, tmp_path: Path) -> None:
    (refusal,) = pool.decode_one(DecodeTask(7, data=b"no picture")).refused
    assert (refusal.token, refusal.reason) == (7, SkipReason.NOT_AN_IMAGE)
    (refusal,) = pool.decode_one(DecodeTask(7, path=str(tmp_path / "absent"))).refused
    assert refusal.reason is SkipReason.UNREADABLE
    with pytest.raises(PictureError) as refused:
        pool.thumbnail(b"", 10)
    assert refused.value.reason is SkipReason.EMPTY_FILE


def test_a_thumbnail_is_small_upright_on_white_and_bare() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010E] = "secret place"
    out = io.BytesIO()
    picture(1, (600, 300)).save(out, "JPEG", exif=exif, comment=b"secret", icc_profile=b"secret" * 30)
    clear = encoded(Image.new("RGBA", (20, 10), (0, 0, 0, 0)), "PNG")
    with pool_of() as pool:
        small = pool.thumbnail(out.getvalue(), 100)
        white = pool.thumbnail(clear, 100)
    with Image.open(io.BytesIO(small)) as image:
        assert image.size == (50, 100)
        assert image.format == "JPEG"
        assert not image.getexif()
        assert "icc_profile" not in image.info
    assert b"secret" not in small
    with Image.open(io.BytesIO(white)) as image:
        assert image.size == (20, 10)
        assert (np.asarray(image) == 255).all()


def test_batches_in_hand_outlive_the_pool(tmp_path: Path) -> None:
    paths = write_pictures(tmp_path, range(2))
    with pool_of() as pool:
        (batch,) = pool.decode(tasks_of(paths))
    assert batch.pixels.mean() > 0
    batch.release()


def test_a_closed_pool_starts_anew_when_it_is_used_again(tmp_path: Path) -> None:
    paths = write_pictures(tmp_path, range(2))
    pool = pool_of()
    pool.start()
    pool.close()
    pool.close()
    assert pool.process_ids == ()
    with pool:
        assert pool.decode_one(DecodeTask(0, path=str(paths[0]))).pictures


def test_a_pool_closed_under_a_run_is_an_error_and_no_hang(tmp_path: Path) -> None:
    paths = write_pictures(tmp_path, range(30))
    pool = pool_of()
    batches = pool.decode(tasks_of(paths))
    next(batches).release()
    pool.close()
    with pytest.raises(SeealikeError, match="closed"):
        drain(batches)


def test_numbers_that_make_no_pool_are_refused() -> None:
    for workers, batch_size, buffers in ((0, 1, 1), (1, 0, 1), (1, 1, 0)):
        with pytest.raises(UsageError, match="at least 1"):
            pool_of(workers, batch_size, buffers)


@pytest.mark.parametrize("name", ["seealike-decode", "seealike-decode-watch"])
def test_ctrl_c_while_a_thread_starts_is_not_hidden_by_another_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    path = write_pictures(tmp_path, range(1))[0]
    original = threading.Thread.start

    def start(thread: threading.Thread) -> None:
        if thread.name == name:
            raise KeyboardInterrupt
        original(thread)

    monkeypatch.setattr(threading.Thread, "start", start)
    with pytest.raises(KeyboardInterrupt), pool_of() as pool:
        pool.decode_one(DecodeTask(0, path=str(path)))
