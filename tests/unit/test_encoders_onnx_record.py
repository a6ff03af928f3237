"""Any ONNX file as an encoder: its vectors against the reference implementation, its settings, its errors."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from tests.made_models import CHANNELS, DIMENSION, FORMS, SIDE_PX, Form, expected_vectors, save_model

from seealike.encoders import (
    EncoderCard,
    EncoderMode,
    EncoderRecord,
    InputForm,
    identity_of,
    load_encoder,
    parse_spec,
    record_for,
    write_card,
)
from seealike.encoders.cache import BlobCache
from seealike.encoders.onnx.openvino import OpenVinoEncoder
from seealike.encoders.onnx.record import tensors_of
from seealike.encoders.spec import Pooling
from seealike.errors import EncoderError, SeealikeError, UsageError
from seealike.testing import sample_pixels
from seealike.types import Fit, Float32Array, PixelArray, Preprocessing

IMAGENET = Preprocessing(18, SIDE_PX, (123.675, 116.28, 103.53), (58.395, 57.12, 57.375))


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEEALIKE_CACHE", str(tmp_path / "cache"))


def record(path: Path, options: str = f"size={SIDE_PX}") -> EncoderRecord:
    found = record_for(parse_spec(f"onnx:{path}?{options}" if options else f"onnx:{path}"))
    assert found is not None
    return found


def vectors(
    made: EncoderRecord, pixels: PixelArray, mode: EncoderMode = EncoderMode.THROUGHPUT
) -> Float32Array:
    cache = BlobCache(os.environ["SEEALIKE_CACHE"])
    encoder = OpenVinoEncoder(made, mode=mode, cache=cache, precision="f32")
    try:
        return encoder.encode(pixels)
    finally:
        encoder.close()


@pytest.mark.parametrize("mode", EncoderMode)
@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_every_form_of_input_gives_the_vectors_of_the_reference(
    form: Form, mode: EncoderMode, tmp_path: Path
) -> None:
    path = save_model(tmp_path / "made.onnx", form)
    pixels = sample_pixels(7, SIDE_PX)
    made = record(path)
    expected = expected_vectors(path, form, pixels, made.preprocessing, "features", Pooling.NONE)
    np.testing.assert_allclose(vectors(made, pixels, mode), expected, atol=2e-3 if form.half else 2e-6)
    assert (made.layer, made.pooling, made.dimension) == ("features", "none", DIMENSION)


@pytest.mark.parametrize("layer", ["map", "tokens", "positive"])
@pytest.mark.parametrize("pool", [Pooling.AVG, Pooling.MAX, Pooling.GEM, Pooling.FLATTEN])
def test_every_layer_and_pooling_gives_the_vectors_of_the_reference(
    layer: str, pool: Pooling, tmp_path: Path
) -> None:
    path = save_model(tmp_path / "made.onnx")
    pixels = sample_pixels(6, SIDE_PX)
    made = record(path, f"layer={layer}&pool={pool}&size={SIDE_PX}&norm=half")
    expected = expected_vectors(path, Form(), pixels, made.preprocessing, layer, pool)
    np.testing.assert_allclose(vectors(made, pixels), expected, atol=3e-6)
    assert (made.layer, made.pooling) == (layer, pool.value)
    assert made.dimension == (CHANNELS * (SIDE_PX // 2) ** 2 if pool is Pooling.FLATTEN else CHANNELS)


def test_the_first_token_stands_for_the_picture_where_that_is_asked(tmp_path: Path) -> None:
    path = save_model(tmp_path / "made.onnx")
    pixels = sample_pixels(6, SIDE_PX)
    made = record(path, f"layer=tokens&pool=cls&size={SIDE_PX}&norm=half")
    expected = expected_vectors(path, Form(), pixels, made.preprocessing, "tokens", Pooling.CLS)
    np.testing.assert_allclose(vectors(made, pixels), expected, atol=3e-6)
    assert (made.pooling, made.dimension) == ("cls", CHANNELS)
    assert made.identity != record(path, f"layer=tokens&pool=avg&size={SIDE_PX}&norm=half").identity


def with_outputs(path: Path, *names: str) -> Path:
    """The same model with these tensors as its outputs, in this order."""
    model = onnx.load(save_model(path))
    del model.graph.output[:]
    model.graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names)
    path.write_bytes(model.SerializeToString())
    return path


def test_of_several_outputs_one_must_be_named(tmp_path: Path) -> None:
    path = with_outputs(tmp_path / "made.onnx", "tokens", "features", "map")
    message = refused(path, f"size={SIDE_PX}")
    assert "the model has 3 outputs: tokens, features, map; say which one with layer=NAME" in message
    pixels = sample_pixels(3, SIDE_PX)
    for layer, pool in (("features", Pooling.NONE), ("tokens", Pooling.CLS), ("map", Pooling.AVG)):
        made = record(path, f"size={SIDE_PX}&layer={layer}&pool={pool}")
        expected = expected_vectors(path, Form(), pixels, made.preprocessing, layer, pool)
        np.testing.assert_allclose(vectors(made, pixels), expected, atol=3e-6)
    write_card(str(path), card(output=None))
    assert "the model has 3 outputs" in refused(path)
    write_card(str(path), card(output="features", pooling="none"))
    assert record(path, "").output == "features"


def test_of_very_many_outputs_the_first_are_listed(tmp_path: Path) -> None:
    path = with_outputs(tmp_path / "made.onnx", *["features", "map", "tokens", "raw", "flat", "pooled"] * 3)
    assert "the model has 18 outputs: features, map, " in refused(path)
    assert " and 6 more; say which" in refused(path)


@pytest.mark.parametrize("layer", ["map", "tokens"])
def test_maps_and_tokens_are_averaged_unless_somebody_says_otherwise(layer: str, tmp_path: Path) -> None:
    made = record(save_model(tmp_path / "made.onnx"), f"layer={layer}")
    assert made.pooling == "avg"
    assert "pool=avg" in made.assumed


@pytest.mark.parametrize(
    "norm", ["imagenet", "clip", "half", "unit", "raw", "caffe", "0.1,0.2,0.3/0.4,0.5,0.6/bgr"]
)
def test_every_normalisation_is_put_in_front(norm: str, tmp_path: Path) -> None:
    path = save_model(tmp_path / "made.onnx")
    pixels = sample_pixels(4, SIDE_PX)
    made = record(path, f"size={SIDE_PX}&norm={norm}")
    expected = expected_vectors(path, Form(), pixels, made.preprocessing, "features", Pooling.NONE)
    np.testing.assert_allclose(vectors(made, pixels), expected, atol=3e-6)


def test_a_normalisation_is_kept_on_the_scale_of_bytes(tmp_path: Path) -> None:
    made = record(save_model(tmp_path / "made.onnx"), "norm=0.1,0.2,0.3/0.4,0.5,0.6/bgr").preprocessing
    assert made.mean == pytest.approx((25.5, 51.0, 76.5))
    assert made.std == pytest.approx((102.0, 127.5, 153.0))
    assert made.bgr


# -- settings -----------------------------------------------------------------------------------------


def test_without_card_and_options_the_graph_decides_and_the_rest_is_usual_and_said(tmp_path: Path) -> None:
    fixed = record(save_model(tmp_path / "fixed.onnx", Form(side=SIDE_PX)), "")
    assert fixed.preprocessing == replace(
        IMAGENET, mean=fixed.preprocessing.mean, std=fixed.preprocessing.std
    )
    assert fixed.preprocessing.mean == pytest.approx(IMAGENET.mean)
    assert fixed.preprocessing.std == pytest.approx(IMAGENET.std)
    assert fixed.assumed == ("norm=imagenet", "layer=features")
    assert fixed.name == f"onnx:{fixed.weights_sha256[:8]}"
    free = record(save_model(tmp_path / "free.onnx"), "")
    assert (free.preprocessing.resize_px, free.preprocessing.crop_px) == (256, 224)
    assert free.assumed == ("size=224", "norm=imagenet", "layer=features")
    whole = record(save_model(tmp_path / "whole.onnx", Form(channels_last=True, whole_levels=True)), "")
    assert whole.assumed == ("size=224", "layer=features")


@pytest.mark.parametrize(
    ("options", "resize", "size"),
    [
        ("size=320", 366, 320),
        ("size=320&resize=320", 320, 320),
        ("size=64&fit=squash", 64, 64),
        ("size=64&fit=pad&resize=70", 70, 64),
    ],
)
def test_size_and_resize_are_as_asked_and_resize_is_usual_otherwise(
    options: str, resize: int, size: int, tmp_path: Path
) -> None:
    made = record(save_model(tmp_path / "made.onnx"), options).preprocessing
    assert (made.resize_px, made.crop_px) == (resize, size)


def card(**changes: object) -> EncoderCard:
    made = Preprocessing(20, SIDE_PX, (1.0, 2.0, 3.0), (4.0, 5.0, 6.0), "bilinear", Fit.PAD, bgr=True)
    base = EncoderCard("my-space", made, "the best layer", "attention", InputForm.TENSOR, licence="MIT")
    return replace(base, **changes)  # type: ignore[arg-type]


def test_the_card_beside_the_file_says_everything(tmp_path: Path) -> None:
    path = save_model(tmp_path / "made.onnx")
    write_card(str(path), card(text="words.onnx"))
    made = record(path, "")
    assert (made.name, made.preprocessing, made.licence) == ("my-space", card().preprocessing, "MIT")
    assert (made.layer, made.pooling, made.assumed) == ("the best layer", "attention", ())
    assert made.text == str(tmp_path / "words.onnx")
    pixels = sample_pixels(5, SIDE_PX)
    expected = expected_vectors(path, Form(), pixels, made.preprocessing, "features", Pooling.NONE)
    np.testing.assert_allclose(vectors(made, pixels), expected, atol=3e-6)


def test_what_is_asked_goes_before_the_card(tmp_path: Path) -> None:
    path = save_model(tmp_path / "made.onnx")
    write_card(str(path), card())
    made = record(path, "size=32&norm=half&interpolation=lanczos&layer=map&pool=max")
    assert made.preprocessing == Preprocessing(40, 32, (127.5,) * 3, (127.5,) * 3, "lanczos", Fit.PAD)
    assert (made.layer, made.pooling, made.dimension) == ("map", "max", CHANNELS)
    cropped = record(path, "fit=crop").preprocessing
    assert (cropped.resize_px, cropped.crop_px, cropped.mean) == (18, SIDE_PX, (1.0, 2.0, 3.0))


def test_the_cards_output_and_pooling_are_used_where_the_graph_is_not_cut_yet(tmp_path: Path) -> None:
    path = save_model(tmp_path / "made.onnx")
    write_card(str(path), card(output="map", pooling="max"))
    made = record(path, "")
    pixels = sample_pixels(4, SIDE_PX)
    expected = expected_vectors(path, Form(), pixels, made.preprocessing, "map", Pooling.MAX)
    np.testing.assert_allclose(vectors(made, pixels), expected, atol=3e-6)
    assert (made.layer, made.pooling) == ("map", "max")
    write_card(str(path), card(output="map"))
    with pytest.raises(EncoderError, match="needs pooling, and the card says 'attention'"):
        record(path, "")


def test_a_known_encoder_can_be_used_in_another_way() -> None:
    plain, cut = identity_of("efficientnet-lite0"), identity_of("efficientnet-lite0?size=192&pool=none")
    assert cut == replace(
        plain, preprocessing=replace(plain.preprocessing, resize_px=219, crop_px=192), pooling="none"
    )
    with pytest.raises(UsageError, match="takes nothing after a colon"):
        identity_of("efficientnet-lite0:large")


# -- identity -----------------------------------------------------------------------------------------


def test_every_setting_that_changes_vectors_changes_the_identity(tmp_path: Path) -> None:
    path = save_model(tmp_path / "made.onnx")
    options = ["", "size=32", "resize=300", "norm=half", "fit=pad", "interpolation=lanczos", "layer=map"]
    options += ["layer=map&pool=max", "layer=tokens"]
    assert len({record(path, option).identity for option in options}) == len(options)
    assert record(path, "layer=features").identity == record(path, "").identity
    before = record(path, "").identity
    save_model(path, seed=1)
    assert record(path, "").identity != before


def test_other_weights_in_the_file_beside_are_another_identity(tmp_path: Path) -> None:
    path = save_model(tmp_path / "made.onnx", Form(beside=True))
    before = record(path).identity
    weights = tmp_path / "made.weights"
    data = bytearray(weights.read_bytes())
    data[1] ^= 64
    weights.write_bytes(data)
    assert record(path).identity != before
    assert record(path).size_bytes == path.stat().st_size + weights.stat().st_size


def test_a_moved_and_renamed_file_has_the_same_identity(tmp_path: Path) -> None:
    path = save_model(tmp_path / "made.onnx")
    before = record(path).identity
    (tmp_path / "elsewhere").mkdir()
    assert record(path.rename(tmp_path / "elsewhere" / "other.onnx")).identity == before


def test_another_output_in_the_card_is_another_identity(tmp_path: Path) -> None:
    path = save_model(tmp_path / "made.onnx")
    identities = set()
    for output in (None, "map", "positive"):
        write_card(str(path), card(output=output, pooling="avg"))
        identities.add(record(path, "").identity)
    assert len(identities) == 3


def test_a_normalisation_is_rounded_so_that_it_is_the_same_however_it_is_said(tmp_path: Path) -> None:
    path = save_model(tmp_path / "made.onnx")
    assert record(path, f"size={SIDE_PX}&norm=imagenet").preprocessing == IMAGENET


def test_a_card_can_say_that_bfloat16_is_not_for_the_model(tmp_path: Path) -> None:
    path = save_model(tmp_path / "made.onnx")
    for precise in (True, False):
        write_card(str(path), card(precise=precise))
        assert record(path, "").precise is precise
    write_card(str(path), card(precise=True))
    encoder = OpenVinoEncoder(
        record(path, ""), mode=EncoderMode.LATENCY, cache=BlobCache(os.environ["SEEALIKE_CACHE"])
    )
    assert encoder.precision == "f32"
    encoder.close()


def test_what_the_graph_says_is_kept_and_a_damaged_note_of_it_is_made_again(tmp_path: Path) -> None:
    path = save_model(tmp_path / "made.onnx")
    before = record(path)
    (note,) = (tmp_path / "cache").glob("graph-*.blob")
    assert record(path) == before
    note.write_bytes(b"flipped" + note.read_bytes())
    assert record(path) == before


def test_large_pictures_come_in_smaller_batches(tmp_path: Path) -> None:
    path = save_model(tmp_path / "made.onnx")
    sizes = {}
    for side in (64, 224, 320, 448):
        encoder = load_encoder(f"onnx:{path}?size={side}", mode=EncoderMode.THROUGHPUT)
        sizes[side] = encoder.batch_size
        encoder.close()
    assert sizes == {64: 4, 224: 4, 320: 2, 448: 1}


def test_the_tensors_one_may_name_are_listed_with_their_shapes(tmp_path: Path) -> None:
    listed = {tensor.name: tensor.shape for tensor in tensors_of(record(save_model(tmp_path / "made.onnx")))}
    half = SIDE_PX // 2
    assert listed["map"] == (1, CHANNELS, half, half)
    assert listed["tokens"] == (1, half * half, CHANNELS)
    assert listed["features"] == listed["raw"] == (1, DIMENSION)
    assert not {"kernel", "head", "as_tokens", "pictures"} & listed.keys()


# -- errors -------------------------------------------------------------------------------------------


def refused(path: Path, options: str = "", kind: type[SeealikeError] = EncoderError) -> str:
    with pytest.raises(kind) as caught:
        record(path, options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_file_that_is_not_there_or_no_model_is_named(tmp_path: Path) -> None:
    path = tmp_path / "made.onnx"
    assert refused(path) == f"there is no model file {path}"
    assert "cannot be read: Is a directory" in refused(tmp_path) or os.name == "nt"
    for content in (b"", b"no model at all", bytes(range(256)) * 9, save_model(path).read_bytes()[:400]):
        path.write_bytes(content)
        assert refused(path).startswith(f"{path}: no ONNX model that OpenVINO can read: ")


def test_a_layer_that_is_not_there_lists_near_ones(tmp_path: Path) -> None:
    message = refused(save_model(tmp_path / "made.onnx"), "layer=token")
    assert "no tensor 'token'" in message
    assert "near: tokens" in message
    assert "`seealike encoders onnx:FILE` lists all" in message
    assert "near: " in refused(tmp_path / "made.onnx", "layer=kernel")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("layer=map&pool=none", "needs pooling: avg, max, gem or flatten; not pool=none"),
        ("layer=tokens&pool=none", "needs pooling: avg, max, gem, cls or flatten; not pool=none"),
        ("layer=map&pool=cls", "is no tokens, of which pool=cls takes the first"),
        ("pool=cls", "features (n, 12) needs no pooling; not pool=cls"),
        ("pool=gem", "features (n, 12) needs no pooling; not pool=gem"),
    ],
)
def test_a_pooling_that_does_not_fit_is_refused(options: str, message: str, tmp_path: Path) -> None:
    assert message in refused(save_model(tmp_path / "made.onnx"), options)


def test_options_that_make_no_sense_are_refused(tmp_path: Path) -> None:
    path = save_model(tmp_path / "made.onnx")
    assert "smaller than the 64 px" in refused(path, "size=64&resize=32", UsageError)
    assert "goes with timm" in refused(path, "weights=x", UsageError)
    whole = save_model(tmp_path / "whole.onnx", Form(whole_levels=True))
    assert "normalises them itself" in refused(whole, "norm=half", UsageError)


def test_missing_weights_beside_a_model_are_named(tmp_path: Path) -> None:
    path = save_model(tmp_path / "made.onnx", Form(beside=True))
    os.unlink(tmp_path / "made.weights")
    assert "keeps weights in made.weights, which cannot be read" in refused(path)


@pytest.mark.parametrize("place", ["../made.weights", "/etc/passwd"])
def test_weights_outside_the_models_folder_are_refused(place: str, tmp_path: Path) -> None:
    path = save_model(tmp_path / "made.onnx", Form(beside=True))
    model = onnx.load(path, load_external_data=False)
    for tensor in model.graph.initializer:
        for entry in tensor.external_data:
            if entry.key == "location":
                entry.value = place
    path.write_bytes(model.SerializeToString())
    assert f"keeps weights in {place}, which is not beside it" in refused(path)


def test_a_model_of_two_inputs_is_refused_unless_a_layer_needs_one_alone(tmp_path: Path) -> None:
    path = save_model(tmp_path / "made.onnx", Form(second_input=True))
    assert "this model needs 2: " in refused(path)
    assert record(path, "layer=raw").dimension == DIMENSION


def shaped(path: Path, shape: list[int | str], kind: int = TensorProto.FLOAT) -> Path:
    node = helper.make_node("Identity", ["x"], ["y"])
    graph = helper.make_graph(
        [node],
        "odd",
        [helper.make_tensor_value_info("x", kind, shape)],
        [helper.make_tensor_value_info("y", kind, shape)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path.write_bytes(model.SerializeToString())
    return path


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ([1, 3, 20, 30], "takes f32 (1, 3, 20, 30); an encoder takes squares"),
        ([1, 1, 28, 28], "pictures of 1 channels, not 3"),
        (["n", "tokens"], "an encoder takes float32 (n, 3, h, w) or uint8 (n, h, w, 3)"),
    ],
)
def test_an_input_that_is_no_picture_is_refused(shape: list[int | str], message: str, tmp_path: Path) -> None:
    assert message in refused(shaped(tmp_path / "odd.onnx", shape))


def test_numbers_of_another_type_are_refused(tmp_path: Path) -> None:
    path = shaped(tmp_path / "odd.onnx", [1, 3, 8, 8], TensorProto.INT64)
    assert "the model takes i64 (1, 3, 8, 8)" in refused(path)


def test_a_size_that_the_graph_does_not_take_is_refused(tmp_path: Path) -> None:
    path = save_model(tmp_path / "made.onnx", Form(batch=1, side=SIDE_PX))
    model = onnx.load(path)
    del model.graph.node[-3:]
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.array([1, 512]), "as_row"))
    model.graph.node.append(helper.make_node("Reshape", ["map", "as_row"], ["features"]))
    path.write_bytes(model.SerializeToString())
    assert record(path, "").dimension == 512
    assert "does not take 32 x 32 px: it is made for 16 px" in refused(path, "size=32")


def test_a_card_that_says_another_input_is_refused(tmp_path: Path) -> None:
    path = save_model(tmp_path / "made.onnx")
    write_card(str(path), card(input=InputForm.PICTURES))
    assert "card says input pictures, but the model takes f32 (?, 3, ?, ?)" in refused(path)
