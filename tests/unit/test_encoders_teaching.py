"""The tool that teaches the end of the bundled encoder: what it keeps, and what it leaves as it is."""

from __future__ import annotations

import importlib.util
import itertools
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import onnx
import pytest

from seealike.encoders.models import EFFICIENTNET_LITE0
from seealike.testing import sample_pixels
from seealike.types import Float32Array, PixelArray, Preprocessing

TOOL = Path(__file__).resolve().parents[2] / "tools" / "teach_lite0.py"
HOW = Preprocessing(8, 8, (0.0,) * 3, (1.0,) * 3)


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("teaching", TOOL)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["teaching"] = module
    spec.loader.exec_module(module)
    return module


def test_the_senders_held_out_depend_on_their_names_alone(tool: ModuleType) -> None:
    senders = [str(number) for number in range(100)]
    away = tool.held_out(senders)
    assert len(away) == tool.HELD_OUT
    assert tool.held_out(reversed(senders * 2)) == away


def test_what_was_computed_before_a_stop_is_not_computed_again(tool: ModuleType, tmp_path: Path) -> None:
    made: list[int] = []

    def job(number: int, ends: bool) -> Callable[[], list[PixelArray]]:
        def make() -> list[PixelArray]:
            if ends:
                raise KeyboardInterrupt
            made.append(number)
            return [np.full((8, 8, 3), number, np.uint8), np.full((8, 8, 3), number + 100, np.uint8)]

        return make

    def mean(pixels: PixelArray) -> Float32Array:
        return np.asarray(pixels.mean(axis=(1, 2)), np.float32)

    count = 3 * tool.BATCH
    book = tool.Notebook(tmp_path / "book", HOW, mean, 3, "<f4")
    with pytest.raises(KeyboardInterrupt):
        book.of_views("views", [job(number, number == count - 2) for number in range(count)], 2)
    with open(tmp_path / "book" / "views.bin", "ab") as stream:
        stream.write(b"half a row")
    made.clear()
    found = book.of_views("views", [job(number, False) for number in range(count)], 2)
    assert made == list(range(2 * tool.BATCH, count))
    assert found[:, 0].tolist() == [value for number in range(count) for value in (number, number + 100)]


@pytest.mark.torch
def test_the_end_of_the_network_in_torch_gives_the_encoders_vectors(tool: ModuleType, tmp_path: Path) -> None:
    pixels = sample_pixels(6, 224)
    found = vectors_of(tool, onnx.load(EFFICIENTNET_LITE0.file), tmp_path, pixels)
    assert np.abs(found - run(onnx.load(EFFICIENTNET_LITE0.file), pixels)).max() < 1e-4


@pytest.mark.torch
def test_a_model_with_other_weights_at_its_end_is_the_same_graph(tool: ModuleType, tmp_path: Path) -> None:
    model = onnx.load(EFFICIENTNET_LITE0.file)
    layers = tool.layers_of(model)
    layers[tool.TAUGHT[3]][0].mul_(1.5)
    changed = tool.with_layers(model, layers)
    pixels = sample_pixels(6, 224)
    assert np.abs(vectors_of(tool, changed, tmp_path, pixels) - run(changed, pixels)).max() < 1e-4
    assert np.abs(run(model, pixels) - run(changed, pixels)).max() > 1e-3
    assert list(changed.graph.node) == list(model.graph.node)
    assert abs(changed.ByteSize() - model.ByteSize()) < 100


@pytest.mark.torch
def test_neighbours_are_lost_only_among_pairs_that_count(tool: ModuleType) -> None:
    import torch

    vectors = torch.nn.functional.normalize(
        torch.randn(5, 4, generator=torch.Generator().manual_seed(1)), dim=1
    )
    others = vectors.flip(0)
    apart = ~torch.eye(5, dtype=torch.bool)
    assert tool.neighbours_lost(vectors, others, apart) > 0.1
    wanted = vectors * (0.05 / 0.04) ** 0.5  # the teacher's scores are taken less sharply
    assert tool.neighbours_lost(vectors, wanted, apart) == pytest.approx(0, abs=1e-5)
    alone = torch.zeros(5, 5, dtype=torch.bool)
    alone[0, 1] = alone[1, 0] = True
    assert tool.neighbours_lost(vectors[:2], others[:2], alone[:2, :2]) == pytest.approx(0, abs=1e-5)


@pytest.mark.torch
def test_teaching_that_was_stopped_goes_on_as_if_it_had_not_been(
    tool: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, lesson = onnx.load(EFFICIENTNET_LITE0.file), made_lesson(tool)
    how = tool.Recipe(steps=3, warm_up=1, photos=6, views=3)
    straight = tool.taught(model, lesson, how, tmp_path / "straight.pt")
    minutes = itertools.count(step=100)
    monkeypatch.setattr(tool.time, "monotonic", lambda: float(next(minutes)))
    loss_of = tool.loss_of

    def stopped(*given: object) -> object:
        if given[3] == 2:
            raise KeyboardInterrupt
        return loss_of(*given)

    monkeypatch.setattr(tool, "loss_of", stopped)
    with pytest.raises(KeyboardInterrupt):
        tool.taught(model, lesson, how, tmp_path / "stopped.pt")
    steps: list[object] = []

    def noted(*given: object) -> object:
        steps.append(given[3])
        return loss_of(*given)

    monkeypatch.setattr(tool, "loss_of", noted)
    gone_on = tool.taught(model, lesson, how, tmp_path / "stopped.pt")
    assert steps == [2]
    for name in tool.TAUGHT:
        for one, other in zip(straight[name], gone_on[name], strict=True):
            assert np.allclose(one.detach().numpy(), other.detach().numpy(), atol=1e-6)
        assert not np.array_equal(straight[name][1].detach().numpy(), tool.layers_of(model)[name][1].numpy())


def made_lesson(tool: ModuleType) -> object:
    rng = np.random.default_rng(4)
    wanted = rng.normal(size=(9, 5)).astype(np.float32)
    given = rng.normal(size=(9, *tool.GIVEN)).astype(np.float16)
    views = np.repeat(given[:4], 2, axis=0)
    rows = np.arange(4)
    unit = wanted / np.linalg.norm(wanted, axis=1, keepdims=True)
    return tool.Lesson(given, unit, np.arange(9) % 3, views, rows, views, rows)


def vectors_of(tool: ModuleType, model: onnx.ModelProto, folder: Path, pixels: PixelArray) -> Float32Array:
    """By torch, from what the last block is given."""
    import torch

    given = tool.own_notebook(folder).compute(pixels).reshape(-1, *tool.GIVEN)
    with torch.no_grad():
        found: Float32Array = tool.features(tool.layers_of(model), torch.from_numpy(given)).numpy()
    return found


def run(model: onnx.ModelProto, pixels: PixelArray) -> Float32Array:
    """By OpenVINO, of unit norm."""
    import openvino

    core = openvino.Core()
    read = core.read_model(model.SerializeToString())
    found = core.compile_model(read, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})(pixels)[0]
    return np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True), np.float32)
