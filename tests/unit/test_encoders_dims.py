"""Vectors of which only the first numbers are kept: what they are, and that they are a space of their own."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from tests.made_models import CHANNELS, SIDE_PX, Form, expected_vectors, save_model
from tests.pictures import write_pictures
from tests.text_towers import numbered, write_pair

import seealike
from seealike.encoders import (
    EncoderMode,
    EncoderRecord,
    identity_of,
    load_encoder,
    load_map_encoder,
    load_text_encoder,
    parse_spec,
    record_for,
)
from seealike.encoders.cache import BlobCache
from seealike.encoders.onnx.openvino import OpenVinoEncoder
from seealike.encoders.spec import Pooling
from seealike.errors import UsageError
from seealike.testing import sample_pixels
from seealike.types import Float32Array

DIMS = 5


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEEALIKE_CACHE", str(tmp_path / "cache"))


def first(vectors: Float32Array, dims: int = DIMS) -> Float32Array:
    """The first numbers of each vector, of unit norm, by numpy."""
    kept = vectors[:, :dims].astype(np.float64)
    unit: Float32Array = (kept / np.linalg.norm(kept, axis=1, keepdims=True)).astype(np.float32)
    return unit


def record(spec: str) -> EncoderRecord:
    found = record_for(parse_spec(spec))
    assert found is not None
    return found


@pytest.mark.parametrize(("layer", "pool"), [("features", Pooling.NONE), ("tokens", Pooling.CLS)])
def test_the_first_numbers_are_kept_and_have_unit_norm(layer: str, pool: Pooling, tmp_path: Path) -> None:
    path = save_model(tmp_path / "made.onnx")
    made = record(f"onnx:{path}?layer={layer}&pool={pool}&size={SIDE_PX}&dims={DIMS}")
    pixels = sample_pixels(7, SIDE_PX)
    for mode in EncoderMode:
        cache = BlobCache(os.environ["SEEALIKE_CACHE"])
        encoder = OpenVinoEncoder(made, mode=mode, cache=cache, precision="f32")
        whole = expected_vectors(path, Form(), pixels, made.preprocessing, layer, pool)
        np.testing.assert_allclose(encoder.encode(pixels), first(whole), atol=3e-6)
        encoder.close()


def test_it_is_another_space_for_every_number_of_dimensions(tmp_path: Path) -> None:
    path = save_model(tmp_path / "made.onnx")
    spaces = [identity_of(f"onnx:{path}{options}") for options in ("", "?dims=5", "?dims=6")]
    assert [space.dimension for space in spaces] == [12, 5, 6]
    assert len({space.weights_sha256 for space in spaces}) == 1
    assert str(parse_spec(f"onnx:{path}?dims=5")) == f"onnx:{path}?dims=5"


def test_places_add_up_to_the_short_vector(tmp_path: Path) -> None:
    path = save_model(tmp_path / "made.onnx")
    spec = f"onnx:{path}?layer=map&pool=avg&size={SIDE_PX}&dims={DIMS}"
    pixels = sample_pixels(3, SIDE_PX)
    maps, encoder = load_map_encoder(spec), load_encoder(spec, mode=EncoderMode.LATENCY)
    assert maps is not None
    added = maps.encode_maps(pixels)
    assert added.shape[-1] == DIMS < CHANNELS
    np.testing.assert_allclose(first(added.mean(axis=(1, 2))), encoder.encode(pixels), atol=2e-2)
    maps.close()
    encoder.close()


def test_the_bundled_encoder_may_be_short_and_look_at_what_a_picture_shows() -> None:
    short = identity_of("efficientnet-lite0?dims=320")
    assert (short.dimension, short.name) == (320, "efficientnet-lite0")
    encoder = load_encoder("efficientnet-lite0?dims=320&focus=1", mode=EncoderMode.LATENCY)
    side = encoder.preprocessing.crop_px
    assert encoder.encode(sample_pixels(1, side)).shape == (1, 320)
    encoder.close()


def test_the_text_tower_gives_as_many(tmp_path: Path) -> None:
    pair = write_pair(tmp_path)
    text = "light red dress"
    assert numbered(text)
    whole, short = load_text_encoder(pair.spec), load_text_encoder(f"{pair.spec}&dims=3")
    assert whole is not None
    assert short is not None
    wanted = first(whole.encode_texts([text]), 3)
    np.testing.assert_allclose(short.encode_texts([text]), wanted, atol=1e-6)
    assert short.identity.dimension == 3


def test_a_catalogue_of_short_vectors_is_smaller_and_found_again_from_its_copy(tmp_path: Path) -> None:
    write_pictures(tmp_path / "photos", range(8))
    model = save_model(tmp_path / "made.onnx")
    spec = f"onnx:{model}?size={SIDE_PX}&dims={DIMS}"
    with seealike.create(tmp_path / "short.catalog", encoder=spec) as catalog:
        catalog.index(tmp_path / "photos")
        wanted = [(hit.id, hit.score) for hit in catalog.search(tmp_path / "photos" / "003.jpg", k=4)]
        ids, vectors = catalog.vectors()
    assert vectors.shape == (8, DIMS)
    with seealike.create(tmp_path / "whole.catalog", encoder=f"onnx:{model}?size={SIDE_PX}") as catalog:
        catalog.index(tmp_path / "photos")
        assert catalog.vectors()[0] == ids
        np.testing.assert_allclose(first(catalog.vectors()[1]), vectors, atol=2e-2)
    model.unlink()
    with seealike.open(tmp_path / "short.catalog") as again:
        hits = again.search(tmp_path / "photos" / "003.jpg", k=4)
    assert [(hit.id, hit.score) for hit in hits] == wanted


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("dims=12", "dims=12 leaves nothing out of the 12 numbers of onnx:"),
        ("dims=4000", "dims=4000 leaves nothing out"),
        ("dims=0", "dims= is a number from 1 to"),
        ("dims=many", "dims= is a number from 1 to"),
    ],
)
def test_a_number_that_leaves_nothing_out_is_refused(options: str, message: str, tmp_path: Path) -> None:
    path = save_model(tmp_path / "made.onnx")
    with pytest.raises(UsageError, match=message):
        record(f"onnx:{path}?{options}")
