"""The embedder of this machine: every picture once, in bounded memory, as decoding and encoding alone."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Generator, Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.pictures import picture, write_pictures

import seealike
from seealike.catalog.encoder import embedder
from seealike.catalog.encoder.at_hand import EncoderAtHand
from seealike.catalog.encoder.embedder import LocalEmbedder, encoded_images
from seealike.errors import EncoderMismatchError, PictureError, UsageError
from seealike.images import DecodeLimits, DecodePool, DecodeTask, decode
from seealike.images.pool.jobs import PoolJob
from seealike.store import FileSystem, SqliteStore
from seealike.testing import FakeEncoder, check_embedder
from seealike.types import Crop, Cropped, Embedded, ImageInput, Picture, Refused, SameFile, SkipReason

REFUSED = (9, 99, 199)
MANY = 3 * embedder.FEW


@pytest.fixture
def local(tmp_path: Path) -> Iterator[LocalEmbedder]:
    store = SqliteStore.create(str(tmp_path / "catalog"), FakeEncoder().identity, FileSystem())
    made = LocalEmbedder(EncoderAtHand(store, FakeEncoder(refuses=REFUSED)), workers=2)
    yield made
    made.close()
    store.close()


def opened(path: Path) -> Image.Image:
    with Image.open(path) as image:
        return image.copy()


def mixed(folder: Path, count: int) -> list[ImageInput]:
    """Pictures of every kind: paths, bytes, images, arrays."""
    images: list[ImageInput] = []
    for number, path in enumerate(write_pictures(folder, range(count), extension="png")):
        image = opened(path)
        kinds = (path, str(path), path.read_bytes(), image, np.asarray(image))
        images.append(kinds[number // 2 % len(kinds)])
    return images


@pytest.mark.parametrize("urgent", [False, True])
@pytest.mark.parametrize("count", [1, embedder.FEW, embedder.FEW + 1, 5 * MANY])
def test_every_picture_comes_back_once_with_the_vector_of_its_pixels(
    local: LocalEmbedder, tmp_path: Path, count: int, urgent: bool
) -> None:
    images, encoder = mixed(tmp_path / "photos", count), FakeEncoder()
    asked = (Picture(100 + number, image) for number, image in enumerate(images))
    found = {outcome.token: outcome for outcome in local.embed(asked, urgent=urgent)}
    assert sorted(found) == list(range(100, 100 + count))
    for number, path in enumerate(sorted((tmp_path / "photos").iterdir())):
        outcome, data = found[100 + number], path.read_bytes()
        assert isinstance(outcome, Embedded)
        pixels = decode(data, encoder.preprocessing, DecodeLimits()).pixels
        assert np.array_equal(outcome.vector, encoder.encode(pixels[None])[0])
        assert (outcome.width_px, outcome.height_px) == opened(path).size
        if isinstance(images[number], str | Path | bytes):
            assert outcome.sha256 == hashlib.sha256(data).digest()
            assert outcome.size_bytes == len(data)
        else:
            assert (outcome.sha256, outcome.size_bytes, outcome.mtime_ns) == (b"", 0, 0)


@pytest.mark.parametrize("count", [1, MANY])
def test_what_cannot_be_embedded_has_its_reason_and_what_is_known_is_not_decoded(
    local: LocalEmbedder, tmp_path: Path, count: int
) -> None:
    known, *sound = write_pictures(tmp_path / "photos", range(count + 1), extension="png")
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    pictures = [
        Picture(0, tmp_path / "broken.jpg"),
        Picture(1, str(tmp_path / "gone.jpg")),
        Picture(2, np.full((40, 40, 3), REFUSED, np.uint8)),
        Picture(3, np.empty((0, 4, 3), np.uint8)),
        Picture(4, known, known_sha256=hashlib.sha256(known.read_bytes()).digest()),
        *(Picture(5 + number, path) for number, path in enumerate(sound)),
    ]
    parts = [pictures] if count > 1 else [[picture] for picture in pictures]
    found = {outcome.token: outcome for part in parts for outcome in local.embed(part)}
    assert len(found) == len(pictures)
    refused = {token: outcome.reason for token, outcome in found.items() if isinstance(outcome, Refused)}
    assert refused == {
        0: SkipReason.NOT_AN_IMAGE,
        1: SkipReason.UNREADABLE,
        2: SkipReason.ENCODER_FAILED,
        3: SkipReason.ZERO_DIMENSION,
    }
    status = known.stat()
    assert found[4] == SameFile(4, status.st_size, status.st_mtime_ns)


def test_pictures_are_read_as_they_are_needed(local: LocalEmbedder) -> None:
    read = 0

    def pictures() -> Iterator[Picture]:
        nonlocal read
        for number in range(2_000):
            read += 1
            yield Picture(number, np.asarray(picture(number % 7)))

    most = 0
    for taken, _ in enumerate(local.embed(pictures())):
        most = max(most, read - taken)
    assert read == 2_000
    assert most <= embedder.FEW + 1 + (embedder.BATCHES_HELD + 2) * embedder.DECODE_BATCH


def test_two_callers_at_a_time_do_not_wait_for_each_other(local: LocalEmbedder, tmp_path: Path) -> None:
    paths = write_pictures(tmp_path / "photos", range(200))

    def nested() -> Iterator[Picture]:
        for number, path in enumerate(paths):
            if number % 90 == 45:  # in the middle of the other call
                assert len(encoded_images(local, paths)) == 200
            yield Picture(number, path)

    assert sum(isinstance(outcome, Embedded) for outcome in local.embed(nested())) == 200


def test_a_caller_who_goes_away_leaves_the_embedder_ready(local: LocalEmbedder, tmp_path: Path) -> None:
    paths = write_pictures(tmp_path / "photos", range(100))
    for _ in range(3):
        outcomes = local.embed(Picture(number, path) for number, path in enumerate(paths))
        assert isinstance(next(outcomes), Embedded)
        outcomes.close()
    assert len(encoded_images(local, paths)) == 100


def test_a_query_that_cannot_be_used_is_named(local: LocalEmbedder, tmp_path: Path) -> None:
    paths: list[ImageInput] = [*write_pictures(tmp_path / "photos", range(MANY))]
    for bad, name in ((str(tmp_path / "gone.jpg"), "gone.jpg"), (b"none", "the given bytes")):
        for images in ([bad], [*paths, bad]):
            with pytest.raises(PictureError, match=name):
                encoded_images(local, images)
    with pytest.raises(UsageError, match="a picture is a path"):
        encoded_images(local, [5])  # type: ignore[list-item]


def test_a_closed_embedder_says_so(local: LocalEmbedder) -> None:
    local.close()
    local.close()
    for count in (1, MANY):
        with pytest.raises(UsageError, match="closed"):
            list(local.embed(Picture(number, np.asarray(picture(1))) for number in range(count)))


def test_a_batch_of_queries_is_decoded_by_all_processes(local: LocalEmbedder, tmp_path: Path) -> None:
    paths = write_pictures(tmp_path / "photos", range(5 * MANY), extension="png")
    vectors = encoded_images(local, paths)
    assert np.array_equal(vectors, np.concatenate([encoded_images(local, [path]) for path in paths]))
    (pool,) = local._users
    assert len(pool.process_ids) == 2


def test_a_query_has_a_process_that_no_batch_keeps_waiting(local: LocalEmbedder, tmp_path: Path) -> None:
    paths = write_pictures(tmp_path / "photos", range(100))
    outcomes = local.embed(Picture(number, path) for number, path in enumerate(paths))
    next(outcomes)
    encoded_images(local, paths[:1])
    assert len(local._decoder.process_ids) == 1
    assert set(local._decoder.process_ids).isdisjoint(next(iter(local._users)).process_ids)
    outcomes.close()


def test_calls_that_end_badly_however_many_cost_the_next_one_nothing(tmp_path: Path) -> None:
    paths: list[ImageInput] = [*write_pictures(tmp_path / "photos", range(3 * MANY))]
    store = SqliteStore.create(str(tmp_path / "catalog"), FakeEncoder().identity, FileSystem())
    encoder = FakeEncoder()
    local = LocalEmbedder(EncoderAtHand(store, encoder), workers=1)
    try:
        for _ in range(8):  # more often than there are buffers
            with pytest.raises(PictureError):
                encoded_images(local, [tmp_path / "gone.jpg", *paths])
        for stop in range(12):
            outcomes = local.embed(Picture(number, path) for number, path in enumerate(paths))
            for _ in range(stop):
                next(outcomes)
            outcomes.close()
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(encoder, "_project", lambda pixels: 1 / 0)
            for _ in range(8):
                with pytest.raises(ZeroDivisionError):
                    encoded_images(local, paths)
        assert len(encoded_images(local, paths)) == len(paths)
    finally:
        local.close()
        store.close()


def test_some_callers_share_the_processes_and_one_more_has_one_and_leaves_none(
    local: LocalEmbedder, tmp_path: Path
) -> None:
    paths = write_pictures(tmp_path / "photos", range(100))
    callers = [
        local.embed(Picture(number, path) for number, path in enumerate(paths))
        for _ in range(embedder.CALLERS + 1)
    ]
    for outcomes in callers:
        next(outcomes)
    assert [(pool._workers, users) for pool, users in local._users.items()] == [(2, embedder.CALLERS), (1, 1)]
    assert [sum(1 for _ in outcomes) for outcomes in reversed(callers)] == [99] * len(callers)
    assert list(local._users.values()) == [0]


@pytest.mark.parametrize("arrays_first", [False, True])
def test_closing_under_a_caller_is_said_and_no_verdict_on_pictures(
    local: LocalEmbedder, tmp_path: Path, arrays_first: bool
) -> None:
    paths: list[ImageInput] = [*write_pictures(tmp_path / "photos", range(300))]
    if arrays_first:
        paths[:20] = [np.asarray(picture(number)) for number in range(20)]
    outcomes = local.embed(Picture(number, path) for number, path in enumerate(paths))
    seen = [next(outcomes)]
    pools = list(local._users)
    local.close()
    with pytest.raises(UsageError, match="closed"):
        seen.extend(outcomes)
    assert all(isinstance(outcome, Embedded) for outcome in seen)
    assert [pool.process_ids for pool in pools] == [()]


def test_a_query_after_one_that_ctrl_c_left_gets_its_own_pixels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = write_pictures(tmp_path / "photos", range(2), extension="png")
    encoder, settle = FakeEncoder(), PoolJob.settle
    left: list[PoolJob] = []

    def leave(job: PoolJob) -> None:
        if left:
            settle(job)
        else:
            left.append(job)
            raise KeyboardInterrupt

    monkeypatch.setattr(PoolJob, "settle", leave)
    with DecodePool(encoder.preprocessing, workers=2, batch_size=1, buffers=3) as pool:
        with pytest.raises(KeyboardInterrupt):
            pool.decode_one(DecodeTask(0, path=str(first)))
        batch = pool.decode_one(DecodeTask(1, path=str(second)))
        assert left[0]._ended.is_set()  # or it could have been written over
    truth = decode(second.read_bytes(), encoder.preprocessing, DecodeLimits()).pixels
    assert np.array_equal(batch.pixels[0], truth)


class Elsewhere:
    """An embedder that is not the local one: it sees the mean colour of arrays and the size of files."""

    def __init__(self) -> None:
        self.identity = FakeEncoder().identity
        self.asked = 0
        self.closed = False

    def embed(
        self, pictures: Iterable[Picture], *, urgent: bool = False
    ) -> Generator[Embedded | SameFile | Refused, None, None]:
        for one in pictures:
            self.asked += 1
            data = Path(os.fspath(one.image)).read_bytes() if isinstance(one.image, str | Path) else b"?"
            vector = np.sin(np.arange(1.0, 33.0) * (1 + len(data))).astype(np.float32)
            vector /= np.linalg.norm(vector)
            yield Embedded(one.token, vector, hashlib.sha256(data).digest(), 4, 4, len(data), 0)

    def close(self) -> None:
        self.closed = True


def test_a_catalogue_can_be_given_an_embedder_of_somebody_elses(tmp_path: Path) -> None:
    paths = write_pictures(tmp_path / "photos", range(12))
    seealike.create(tmp_path / "catalog", encoder=FakeEncoder()).close()
    elsewhere = Elsewhere()
    with seealike.open(tmp_path / "catalog", encoder=FakeEncoder(), embedder=elsewhere) as catalog:
        assert catalog.index(tmp_path / "photos").added == 12
        catalog.add("more", paths[0])
        assert catalog.search(paths[3], k=1)[0].id == "003.jpg"
        assert elsewhere.asked == 14
        for name, signature in catalog.signatures():  # it makes none: files are decoded here for theirs
            data = (tmp_path / "photos" / name).read_bytes() if name != "more" else b""
            known = decode(data, elsewhere.identity.preprocessing, DecodeLimits()).signature if data else None
            assert signature == known
    assert elsewhere.closed
    seealike.create(tmp_path / "other", encoder=FakeEncoder(dimension=24)).close()
    with pytest.raises(EncoderMismatchError):
        seealike.open(tmp_path / "other", embedder=elsewhere)


def test_the_local_embedder_keeps_the_contract(local: LocalEmbedder) -> None:
    check_embedder(local)


def test_a_crop_finds_what_the_part_alone_finds(tmp_path: Path) -> None:
    write_pictures(tmp_path / "p", range(12), extension="png")
    scene = np.full((200, 300, 3), 250, np.uint8)
    scene[60:132, 110:206] = np.asarray(picture(7))
    Image.fromarray(scene).save(tmp_path / "scene.png")
    crop = Crop(110, 60, 96, 72)
    with seealike.create(tmp_path / "c", encoder=FakeEncoder()) as catalog:
        catalog.index(tmp_path / "p")
        expected = catalog.search(picture(7), 3)
        assert expected[0].id == "007.png"
        for image in (scene, str(tmp_path / "scene.png"), (tmp_path / "scene.png").read_bytes()):
            assert catalog.search(Cropped(image, crop), 3) == expected
            assert catalog.recommend(like_images=[Cropped(image, crop)], k=3) == expected
        assert catalog.search(scene, 3) != expected
        with pytest.raises(PictureError) as refused:
            catalog.search(Cropped(str(tmp_path / "scene.png"), Crop(110, 60, 96, 720)))
        assert str(refused.value).endswith("the crop 110,60,96,720 is not within 300 x 200 px")
