from __future__ import annotations

import dataclasses
import hashlib
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from seealike.encoders import EncoderMode, load_encoder
from seealike.encoders.cache import BlobCache
from seealike.encoders.models import EFFICIENTNET_LITE0, EncoderRecord
from seealike.encoders.onnx.openvino import OpenVinoEncoder
from seealike.errors import EncoderError
from seealike.testing import check_encoder, sample_pixels
from seealike.types import Preprocessing

if TYPE_CHECKING:
    from seealike.types import Float32Array, PixelArray

SIDE_PX = 8


def small_record(folder: Path, *, moody: bool = False) -> EncoderRecord:
    """A model of 6 features: means and mean squares of the channels, shifted by one.

    A moody one takes the square root of (last feature), which is not a number where that is negative, and
    fails at run time on pictures whose first pixel is 7 in red.
    """
    nodes = [
        helper.make_node("Cast", ["pixels"], ["x"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["x"], ["mean"], axes=[1, 2], keepdims=0),
        helper.make_node("Mul", ["x", "x"], ["xx"]),
        helper.make_node("ReduceMean", ["xx"], ["square"], axes=[1, 2], keepdims=0),
        helper.make_node("Concat", ["mean", "square"], ["both"], axis=1),
    ]
    if moody:
        nodes += [
            helper.make_node("Slice", ["x", "zero", "one", "axes"], ["corner"]),
            helper.make_node("ReduceMax", ["corner"], ["red"], keepdims=0),
            helper.make_node("Equal", ["red", "seven"], ["is_seven"]),
            helper.make_node("Cast", ["is_seven"], ["extra"], to=TensorProto.INT64),
            helper.make_node("Add", ["width", "extra"], ["shape"]),
            helper.make_node("Reshape", ["both", "shape"], ["reshaped"]),
            helper.make_node("Sub", ["reshaped", "hundred"], ["shifted"]),
            helper.make_node("Sqrt", ["shifted"], ["features"]),
        ]
    else:
        nodes.append(helper.make_node("Identity", ["both"], ["features"]))
    constants = {
        "zero": np.zeros(3, np.int64),
        "one": np.ones(3, np.int64),
        "axes": np.array([1, 2, 3]),
        "seven": np.array(7, np.float32),
        "width": np.array([-1, 6]),
        "hundred": np.array(100, np.float32),
    }
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("pixels", TensorProto.UINT8, ["n", SIDE_PX, SIDE_PX, 3])],
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", 6])],
        [numpy_helper.from_array(array, name) for name, array in constants.items()] if moody else [],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    file = folder / "small.onnx"
    file.write_bytes(model.SerializeToString())
    return EncoderRecord(
        name="small",
        file=str(file),
        licence="none",
        source="this test",
        size_bytes=file.stat().st_size,
        dimension=6,
        weights_sha256=hashlib.sha256(file.read_bytes()).hexdigest(),
        preprocessing=Preprocessing(SIDE_PX, SIDE_PX, (0, 0, 0), (1, 1, 1)),
        layer="both",
        pooling="avg",
    )


def load(record: EncoderRecord, folder: Path, mode: EncoderMode = EncoderMode.THROUGHPUT) -> OpenVinoEncoder:
    return OpenVinoEncoder(record, mode=mode, cache=BlobCache(str(folder / "cache")), precision="f32")


def small_truth(pixels: PixelArray) -> Float32Array:
    x = pixels.astype(np.float64)
    features = np.concatenate([x.mean(axis=(1, 2)), (x * x).mean(axis=(1, 2))], axis=1)
    unit: Float32Array = (features / np.linalg.norm(features, axis=1, keepdims=True)).astype(np.float32)
    return unit


@pytest.mark.parametrize("n", [1, 3, 4, 5, 8, 23])
@pytest.mark.parametrize("mode", EncoderMode)
def test_any_number_of_pictures_gives_the_vectors_computed_by_hand(
    n: int, mode: EncoderMode, tmp_path: Path
) -> None:
    pixels = np.random.default_rng(n).integers(0, 256, (n, SIDE_PX, SIDE_PX, 3), dtype=np.uint8)
    encoder = load(small_record(tmp_path), tmp_path, mode)
    np.testing.assert_allclose(encoder.encode(pixels), small_truth(pixels), rtol=2e-6)
    encoder.close()


def test_another_model_keeps_the_contract_too(tmp_path: Path) -> None:
    record = small_record(tmp_path)
    pixels = sample_pixels(9, SIDE_PX)
    scores = small_truth(pixels) @ small_truth(pixels).T - 2 * np.eye(9)
    assert scores.max() < 0.99999, "the pictures are too alike for this small model"
    check_encoder(load(record, tmp_path))


def test_many_threads_may_submit_at_once_and_each_gets_its_own_answer(tmp_path: Path) -> None:
    encoder = load(small_record(tmp_path), tmp_path)
    batches = [
        np.random.default_rng(i).integers(0, 256, (4, SIDE_PX, SIDE_PX, 3), dtype=np.uint8) for i in range(64)
    ]
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda batch: encoder.submit(batch).result(timeout=500), batches))
    for batch, answer in zip(batches, answers, strict=True):
        np.testing.assert_allclose(answer, small_truth(batch), rtol=2e-6)
    encoder.close()


@pytest.mark.parametrize("colour", [0, 3])
def test_a_vector_without_direction_is_an_error_and_the_next_batch_is_served(
    colour: int, tmp_path: Path
) -> None:
    record = small_record(tmp_path, moody=colour != 0)
    encoder = load(record, tmp_path)
    good = np.full((4, SIDE_PX, SIDE_PX, 3), 200, np.uint8)
    bad = good.copy()
    bad[2] = colour
    for _ in range(2 * encoder.concurrency):
        future = encoder.submit(bad)
        with pytest.raises(EncoderError, match="not finite, or zero"):
            future.result(timeout=500)
    assert np.isfinite(encoder.encode(good)).all()
    encoder.close()


def test_a_failed_run_is_an_error_on_its_future_and_the_next_batch_is_served(tmp_path: Path) -> None:
    encoder = load(small_record(tmp_path, moody=True), tmp_path)
    good = np.full((4, SIDE_PX, SIDE_PX, 3), 200, np.uint8)
    bad = good.copy()
    bad[0, 0, 0, 0] = 7
    bad[1:, 0, 0, 0] = 0
    for _ in range(2 * encoder.concurrency):
        future = encoder.submit(bad)
        with pytest.raises(EncoderError, match="OpenVINO could not run the encoder: ") as caught:
            future.result(timeout=500)
        assert "\n" not in str(caught.value)
    assert np.isfinite(encoder.encode(good)).all()
    encoder.close()


def test_a_caller_who_waits_for_a_free_request_hears_that_the_encoder_was_closed(tmp_path: Path) -> None:
    encoder = load(small_record(tmp_path), tmp_path, EncoderMode.LATENCY)
    picture = np.full((1, SIDE_PX, SIDE_PX, 3), 200, np.uint8)
    request = encoder._idle.get()
    heard: list[BaseException] = []

    def wait() -> None:
        try:
            encoder.submit(picture)
        except EncoderError as exc:
            heard.append(exc)

    waiting = threading.Thread(target=wait)
    waiting.start()
    closing = threading.Timer(0.1, encoder._idle.put, [request])
    closing.start()
    encoder.close()
    waiting.join(timeout=500)
    closing.join(timeout=500)
    assert not waiting.is_alive()
    assert "closed" in str(heard[0])


def blob_of(folder: Path) -> Path:
    (blob,) = (folder / "cache").glob("*.blob")
    return blob


def test_the_second_start_takes_the_compiled_model(tmp_path: Path) -> None:
    record = small_record(tmp_path)
    load(record, tmp_path).close()
    os.unlink(record.file)
    pixels = sample_pixels(3, SIDE_PX)
    encoder = load(record, tmp_path)
    np.testing.assert_allclose(encoder.encode(pixels), small_truth(pixels), rtol=2e-6)
    encoder.close()


@pytest.mark.parametrize("damage", ["cut", "empty", "flipped", "foreign"])
def test_a_damaged_compiled_model_is_made_again(damage: str, tmp_path: Path) -> None:
    record = small_record(tmp_path)
    load(record, tmp_path).close()
    blob = blob_of(tmp_path)
    whole = blob.read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 1
    nonsense = b"not a model" * 99
    damaged = {
        "cut": whole[: len(whole) // 2],
        "empty": b"",
        "flipped": bytes(flipped),
        "foreign": hashlib.sha256(nonsense).digest() + nonsense,
    }
    blob.write_bytes(damaged[damage])
    pixels = sample_pixels(3, SIDE_PX)
    encoder = load(record, tmp_path)
    np.testing.assert_allclose(encoder.encode(pixels), small_truth(pixels), rtol=2e-6)
    encoder.close()
    made_again = blob_of(tmp_path).read_bytes()
    assert made_again != damaged[damage]
    assert abs(len(made_again) - len(whole)) < 100  # the runtime writes a few bytes more or less


def test_no_cache_directory_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "cache").write_bytes(b"a file is in the way")
    encoder = load(small_record(tmp_path), tmp_path)
    assert encoder.encode(sample_pixels(2, SIDE_PX)).shape == (2, 6)
    encoder.close()


def test_models_modes_and_precisions_do_not_share_a_compiled_model(tmp_path: Path) -> None:
    record = small_record(tmp_path)
    other = dataclasses.replace(record, layer="another")
    for one in (record, other):
        for mode in EncoderMode:
            load(one, tmp_path, mode).close()
    assert len(list((tmp_path / "cache").glob("*.blob"))) == 4


def test_a_damaged_or_missing_model_file_is_named(tmp_path: Path) -> None:
    record = small_record(tmp_path)
    data = bytearray(Path(record.file).read_bytes())
    data[-9] ^= 1
    Path(record.file).write_bytes(data)
    with pytest.raises(EncoderError, match=r"small\.onnx is damaged"):
        load(record, tmp_path)
    os.unlink(record.file)
    with pytest.raises(EncoderError, match="there is no model file"):
        load(record, tmp_path)


def test_a_file_that_is_no_model_is_an_error_in_one_line(tmp_path: Path) -> None:
    file = tmp_path / "text.onnx"
    file.write_text("no model at all")
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    record = dataclasses.replace(EFFICIENTNET_LITE0, file=str(file), weights_sha256=digest)
    with pytest.raises(EncoderError, match="OpenVINO cannot load efficientnet-lite0: ") as caught:
        load(record, tmp_path)
    assert "\n" not in str(caught.value)


START = """
import sys
import numpy as np
from seealike.encoders import EncoderMode, load_encoder
from seealike.testing import sample_pixels
encoder = load_encoder("efficientnet-lite0", mode=EncoderMode.LATENCY)
sys.stdout.buffer.write(encoder.encode(sample_pixels(2, 224)).tobytes())
"""


def test_processes_that_start_at_once_share_the_cache_and_agree(tmp_path: Path) -> None:
    environment = os.environ | {"SEEALIKE_CACHE": str(tmp_path)}
    started = [
        subprocess.Popen([sys.executable, "-c", START], env=environment, stdout=subprocess.PIPE)
        for _ in range(3)
    ]
    answers = [process.communicate(timeout=500)[0] for process in started]
    assert [process.returncode for process in started] == [0, 0, 0]
    assert len(answers[0]) == 2 * 1280 * 4
    assert answers[0] == answers[1] == answers[2]
    assert len(os.listdir(tmp_path)) == 1


def test_the_default_cache_is_the_one_the_environment_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEEALIKE_CACHE", str(tmp_path / "here"))
    load_encoder("efficientnet-lite0", mode=EncoderMode.LATENCY).close()
    assert len(list((tmp_path / "here").iterdir())) == 1


def test_closing_does_not_wait_for_a_request_that_an_interrupt_lost() -> None:
    encoder = load_encoder("efficientnet-lite0", mode=EncoderMode.THROUGHPUT)
    assert isinstance(encoder, OpenVinoEncoder)
    encoder._idle.get()  # as Ctrl-C between two statements of submit does
    encoder.close()
