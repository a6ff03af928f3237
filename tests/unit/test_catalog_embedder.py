"""The embedder of this machine: every picture once, in bounded memory, as decoding and encoding alone."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.pictures import picture, write_pictures

import seealike
from seealike.catalog.encoder import embedder
from seealike.catalog.encoder.at_hand import EncoderAtHand
from seealike.catalog.encoder.embedder import LocalEmbedder, vectors_of
from seealike.errors import PictureError, UsageError
from seealike.images import DecodeLimits, decode
from seealike.store import FileSystem, SqliteStore
from seealike.testing import FakeEncoder
from seealike.types import Embedded, ImageInput, Picture, Refused, SameFile, SkipReason

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
                assert len(vectors_of(local, paths)) == 200
            yield Picture(number, path)

    assert sum(isinstance(outcome, Embedded) for outcome in local.embed(nested())) == 200


def test_a_caller_who_goes_away_leaves_the_embedder_ready(local: LocalEmbedder, tmp_path: Path) -> None:
    paths = write_pictures(tmp_path / "photos", range(100))
    for _ in range(3):
        outcomes = local.embed(Picture(number, path) for number, path in enumerate(paths))
        assert isinstance(next(outcomes), Embedded)
        outcomes.close()
    assert len(vectors_of(local, paths)) == 100


def test_a_query_that_cannot_be_used_is_named(local: LocalEmbedder, tmp_path: Path) -> None:
    paths: list[ImageInput] = [*write_pictures(tmp_path / "photos", range(MANY))]
    for bad, name in ((str(tmp_path / "gone.jpg"), "gone.jpg"), (b"none", "the given bytes")):
        for images in ([bad], [*paths, bad]):
            with pytest.raises(PictureError, match=name):
                vectors_of(local, images)
    with pytest.raises(UsageError, match="a picture is a path"):
        vectors_of(local, [5])  # type: ignore[list-item]


def test_a_closed_embedder_says_so(local: LocalEmbedder) -> None:
    local.close()
    local.close()
    for count in (1, MANY):
        with pytest.raises(UsageError, match="closed"):
            list(local.embed(Picture(number, np.asarray(picture(1))) for number in range(count)))


def test_a_batch_of_queries_is_decoded_by_all_processes(tmp_path: Path) -> None:
    paths = write_pictures(tmp_path / "photos", range(5 * MANY), extension="png")
    with seealike.create(tmp_path / "catalog", encoder=FakeEncoder()) as catalog:
        catalog.index(tmp_path / "photos")
        found = catalog.search_batch(paths, k=3)
        assert found == [catalog.search(path, k=3) for path in paths]
        assert len(catalog._session.embedder.decoders().process_ids) == embedder.default_workers()
