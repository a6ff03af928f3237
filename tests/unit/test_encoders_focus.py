"""What a picture shows: found in drawn scenes, left alone where there is nothing to find."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.made_models import SIDE_PX, save_model
from tests.pictures import photograph, write_pictures

import seealike
from seealike import encoders
from seealike.cli.main import run
from seealike.encoders import (
    EncoderMode,
    focus,
    identity_of,
    load_encoder,
    record_for,
    shown_in,
    without_ground,
)
from seealike.encoders.focus import MOST_SHARE, Box, picture_in
from seealike.encoders.spec import parse_spec
from seealike.errors import EncoderError, EncoderMismatchError, UsageError
from seealike.images import prepare
from seealike.testing import check_encoder, sample_pixels
from seealike.types import Crop, Fit, Float32Array, PixelArray

GREY = (127.0, 127.0, 127.0)
FOCUSED = "efficientnet-lite0?focus=1"


def maps_with(
    thing: Box, *, side: int = 14, d: int = 20, seed: int = 0, ground_says: float = 0.2
) -> Float32Array:
    """Places of two kinds, with some noise: a rectangle of things on their ground, which says little."""
    rng = np.random.default_rng(seed)
    ground, object_ = rng.random((2, d)) * [[ground_says], [1.0]]
    maps = np.tile(ground, (side, side, 1))
    maps[thing.top : thing.bottom, thing.left : thing.right] = object_
    return (maps + rng.normal(0, 0.02, maps.shape)).astype(np.float32)


@pytest.mark.parametrize("seed", range(8))
def test_a_thing_is_found_wherever_it_is(seed: int) -> None:
    rng = np.random.default_rng(seed)
    left, top, width, height = (int(number) for number in rng.integers([1, 1, 2, 2], [8, 8, 6, 6]))
    found = shown_in(maps_with(Box(left, top, left + width, top + height), seed=seed))
    # Half a place more on each side.
    expected = ((left - 0.5) / 14, (top - 0.5) / 14, (width + 1) / 14, (height + 1) / 14)
    assert found == pytest.approx(expected)


def test_what_is_found_ends_with_the_picture() -> None:
    assert shown_in(maps_with(Box(11, 5, 14, 8))) == pytest.approx((10.5 / 14, 4.5 / 14, 3.5 / 14, 4 / 14))


def test_a_part_of_what_fills_its_picture_is_no_thing_in_a_scene() -> None:
    """A print on a shirt: it stands out, but the shirt says much too, or takes most of the picture."""
    shirt = maps_with(Box(3, 3, 11, 12))
    assert shown_in(maps_with(Box(5, 5, 7, 7))) is not None
    shirt[5:7, 5:7] *= 3
    assert shown_in(shirt) is None


def test_how_much_a_ground_may_say_is_known_of_each_bundled_encoder() -> None:
    """The second was taught that grounds count for less, and says more of those of scenes beside things."""
    maps = maps_with(Box(5, 5, 9, 9), ground_says=0.7)
    first, second = (focus.quiet_of(identity_of(f"efficientnet-lite0{two}")) for two in ("", "-v2"))
    assert shown_in(maps) is None
    assert shown_in(maps, first) is None
    assert shown_in(maps, second) is not None
    assert focus.quiet_of(identity_of("efficientnet-lite0-v2?focus=1")) == second


def test_what_is_like_the_ground_counts_for_less_and_half_of_its_direction_is_taken_out() -> None:
    """The ground is the first feature; a place has the second, one both, the others are ground."""
    whole = np.zeros((14, 14, 3), np.float32)
    whole[..., 0] = 1.0
    places = np.zeros((2, 2, 3), np.float32)
    places[..., 0] = 1.0
    places[0, 0], places[0, 1] = (0.0, 1.0, 0.0), (0.6, 0.8, 0.0)
    # One less each place's cosine to the ground: 1, 0.4, 0, 0; and scaled to a mean of 1.
    weights = np.array([[1.0, 0.4], [0.0, 0.0]]) / 0.35
    expected = places * weights[..., None] * [0.5, 1.0, 1.0]
    assert np.abs(without_ground(places, whole, None) - expected).max() < 1e-4
    whole[:7, :7] = (0.0, 5.0, 0.0)  # the thing reaches into a corner, and is no ground there
    assert np.abs(without_ground(places, whole, (0.0, 0.0, 0.5, 0.5)) - expected).max() < 1e-4
    assert np.abs(without_ground(places, whole, None) - expected).max() > 0.1


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_where_all_is_ground_its_own_direction_is_left(value: float) -> None:
    places = np.full((7, 7, 4), value, np.float32)
    assert np.abs(without_ground(places, places, None) - places / 2).max() < 1e-6


@pytest.mark.parametrize(
    "maps",
    [
        np.ones((14, 14, 8), np.float32),
        np.zeros((7, 7, 8), np.float32),
        np.ones((1, 1, 3), np.float32),
        maps_with(Box(2, 2, 12, 12)),  # it fills the picture
    ],
    ids=["all alike", "nothing", "one place", "filled"],
)
def test_where_there_is_nothing_to_focus_on_the_whole_picture_counts(maps: Float32Array) -> None:
    assert shown_in(maps) is None


def test_a_picture_is_found_in_its_padded_square() -> None:
    square = np.full((448, 448, 3), 127, np.uint8)
    assert picture_in(square, GREY) == (0, 0, 448, 448)
    square[64:384] = np.asarray(photograph(2, (448, 320)))
    assert picture_in(square, GREY) == (0, 64, 448, 384)


def scene_with(thing: PixelArray, at: tuple[int, int]) -> PixelArray:
    scene = np.asarray(photograph(9, (640, 480))) // 4 + 150
    scene[at[1] : at[1] + len(thing), at[0] : at[0] + thing.shape[1]] = thing
    return scene


def test_the_focused_encoder_sees_the_thing_and_the_plain_one_its_ground(tmp_path: Path) -> None:
    """Its vector of a thing in a scene is closer to that of the thing cut out by hand."""
    plain = load_encoder("efficientnet-lite0", cache_dir=str(tmp_path), mode=EncoderMode.LATENCY)
    focused = load_encoder(FOCUSED, cache_dir=str(tmp_path), mode=EncoderMode.LATENCY)
    thing = sample_pixels(1, 120)[0]  # a larger one is so near the limit that processors differ
    scene = scene_with(thing, (420, 60))
    crop = Crop(420, 60, 120, 120)
    by_hand = plain.encode(prepare(scene, plain.preprocessing, crop).pixels[None])[0]
    whole = plain.encode(prepare(scene, plain.preprocessing).pixels[None])[0]
    seen = focused.encode(prepare(scene, focused.preprocessing).pixels[None])[0]
    assert float(seen @ by_hand) > float(whole @ by_hand) + 0.05
    plain.close()
    focused.close()


def test_a_picture_without_a_thing_is_encoded_whole(tmp_path: Path) -> None:
    plain = load_encoder("efficientnet-lite0", cache_dir=str(tmp_path), mode=EncoderMode.LATENCY)
    focused = load_encoder(FOCUSED, cache_dir=str(tmp_path), mode=EncoderMode.LATENCY)
    flat = np.full((300, 400, 3), (200, 30, 60), np.uint8)
    whole, part = (
        plain.encode(prepare(flat, plain.preprocessing, crop).pixels[None])[0]
        for crop in (None, Crop(0, 0, 100, 100))
    )
    seen = focused.encode(prepare(flat, focused.preprocessing).pixels[None])[0]
    assert float(whole @ part) > 0.99
    assert float(whole @ seen) > 0.9
    plain.close()
    focused.close()


@pytest.mark.parametrize("mode", EncoderMode)
def test_the_focused_encoder_keeps_the_contract(mode: EncoderMode, tmp_path: Path) -> None:
    check_encoder(load_encoder(FOCUSED, cache_dir=str(tmp_path), mode=mode))


@pytest.mark.parametrize("pool", ["avg", "gem", "max"])
def test_any_model_that_pools_a_map_can_focus(pool: str, tmp_path: Path) -> None:
    spec = f"onnx:{save_model(tmp_path / 'made.onnx')}?size={SIDE_PX}&layer=map&pool={pool}"
    plain, focused = identity_of(spec), identity_of(f"{spec}&focus=1")
    assert focused.name == f"{plain.name}?focus=1"
    assert focused.preprocessing == replace(
        plain.preprocessing, resize_px=2 * SIDE_PX, crop_px=2 * SIDE_PX, fit=Fit.PAD
    )
    encoder = load_encoder(f"{spec}&focus=1", cache_dir=str(tmp_path), mode=EncoderMode.THROUGHPUT)
    assert encoder.identity == focused
    vectors = encoder.encode(sample_pixels(7, 2 * SIDE_PX))
    assert np.abs(np.linalg.norm(vectors, axis=1) - 1).max() < 1e-5
    encoder.close()


def test_a_catalogue_is_focused_from_the_start_or_moved_and_a_copy_of_its_encoder_focuses_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_pictures(tmp_path / "photos", range(4))
    model = save_model(tmp_path / "made.onnx")
    spec, plain, focused = f"onnx:{model}?size={SIDE_PX}&layer=map", tmp_path / "plain", tmp_path / "focused"
    index = ["index", str(tmp_path / "photos"), "-q", "-C"]
    assert run([*index, str(plain), "--encoder", spec]) == 0
    assert run([*index, str(focused), "--encoder", spec, "--focus"]) == 0
    model.unlink()  # from here on with the catalogues' own copies
    with seealike.open(plain) as one, seealike.open(focused) as other:
        assert other.encoder.name == f"{one.encoder.name}?focus=1"
        assert other.search(tmp_path / "photos" / "002.jpg", 1)[0].id == "002.jpg"
        expected = other.vectors()[1]
    assert run([*index, str(focused)]) == 0
    capsys.readouterr()
    save_model(tmp_path / "made.onnx")
    assert run([*index, str(plain), "--encoder", spec, "--focus"]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "seealike reindex" in said
    assert run(["reindex", "-q", "-C", str(plain), "--encoder", spec, "--focus"]) == 0
    with seealike.open(plain) as moved:
        assert moved.encoder.name.endswith("?focus=1")
        assert np.array_equal(moved.vectors()[1], expected)


@pytest.mark.parametrize("own_model", [False, True], ids=["bundled", "a copy of a model that is gone"])
def test_a_catalogue_that_focused_as_before_is_refused_until_it_is_moved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *, own_model: bool
) -> None:
    photo = str(write_pictures(tmp_path / "photos", range(4))[2])
    model = save_model(tmp_path / "made.onnx")
    spec = f"onnx:{model}?size={SIDE_PX}&layer=map" if own_model else "efficientnet-lite0"
    catalog = ["-C", str(tmp_path / "c")]
    with monkeypatch.context() as before:
        before.setattr(focus, "as_focused_now", lambda record: record)
        before.setattr(encoders, "as_focused_now", lambda record: record)
        assert run(["index", str(tmp_path / "photos"), "-q", *catalog, "--encoder", spec, "--focus"]) == 0
    model.unlink()
    with seealike.open(tmp_path / "c") as old:
        assert "focus" not in old.encoder.pooling
        assert len(old.similar("002.jpg", 3)) == 3  # its own vectors are of one space
        for options in (seealike.SearchOptions(), seealike.SearchOptions(focus=True)):
            with pytest.raises(EncoderMismatchError, match="seealike reindex"):
                old.search(photo, options=options)
    write_pictures(tmp_path / "photos", range(5))
    capsys.readouterr()
    assert run(["index", *catalog, "-q"]) == 1
    assert capsys.readouterr().err.count("\n") == 1
    assert run(["reindex", *catalog, "-q", "--encoder", spec, "--focus"]) == 0
    assert run(["index", *catalog, "-q"]) == 0
    with seealike.open(tmp_path / "c") as moved:
        assert moved.encoder.pooling == "avg-focus2"
        assert moved.search(photo, 1)[0].id == "002.jpg"
        assert len(moved) == 5


def test_what_cannot_focus_says_so_and_another_value_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match="no places can be told apart"):
        record_for(parse_spec(f"onnx:{save_model(tmp_path / 'made.onnx')}?size={SIDE_PX}&focus=1"))
    with pytest.raises(UsageError, match="focus= is 1 or 0"):
        parse_spec("efficientnet-lite0?focus=yes")
    assert parse_spec("efficientnet-lite0?focus=0") == parse_spec("efficientnet-lite0")
    assert 0 < MOST_SHARE < 1
