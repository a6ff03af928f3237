"""The tool that taught the bundled encoder: what its map does to vectors, and how it is put into a model."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

TOOL = Path(__file__).resolve().parents[2] / "tools" / "teach_lite0.py"
N, D, SEEN, GROUND = 400, 12, 3, 1
"""Things, features; the teacher sees the first three of them, and the ground shows in those after."""


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("teaching", TOOL)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["teaching"] = module
    spec.loader.exec_module(module)
    return module


def gains(tool: ModuleType, **settings: float) -> np.ndarray:
    """By how much the map stretches each feature of made vectors, against the last, which means nothing."""
    rng = np.random.default_rng(5)
    plain = rng.normal(size=(N, D))
    of = np.repeat(np.arange(N), 2)
    views = plain[of]
    views[:, SEEN : SEEN + GROUND] += rng.normal(scale=2, size=(2 * N, GROUND))
    lesson = tool.Lesson(plain, plain[:, :SEEN] / 2, views, of)
    found = tool.metric(lesson, tool.Settings(**settings))
    return np.asarray(np.sqrt(np.diag(found) / found[-1, -1]))


def test_what_the_teacher_sees_counts_more_and_what_the_ground_changes_less(tool: ModuleType) -> None:
    stretched = gains(tool, identity=0.5, ridge=0.5, wobble=1.0)
    assert stretched[:SEEN].min() > 1.3
    assert stretched[SEEN : SEEN + GROUND].max() < 0.6
    assert np.abs(stretched[SEEN + GROUND :] - 1).max() < 0.1


def test_the_more_of_the_space_is_kept_the_less_the_teacher_adds(tool: ModuleType) -> None:
    little, much = (gains(tool, identity=identity)[:SEEN].mean() for identity in (0.3, 3.0))
    assert little > much > 1


def test_without_its_held_out_pictures_a_lesson_keeps_what_its_views_are_of(tool: ModuleType) -> None:
    plain, views = np.arange(5.0)[:, None], np.array([[1.0], [4.0], [4.0]])
    lesson = tool.without(tool.Lesson(plain, plain * 2, views, np.array([1, 4, 4])), [0, 2])
    assert lesson.plain[lesson.of].tolist() == views.tolist()
    assert lesson.targets.tolist() == [[2.0], [6.0], [8.0]]


def test_a_map_of_full_rank_stretches_as_the_metric_says(tool: ModuleType) -> None:
    square = np.random.default_rng(1).normal(size=(D, D))
    wanted = square @ square.T + np.eye(D)
    first, second = tool.low_rank(wanted, D)
    whole = np.eye(D) + first @ second
    np.testing.assert_allclose(whole @ whole.T, wanted / np.median(np.linalg.eigvalsh(wanted)), rtol=1e-9)


def test_a_joined_model_gives_the_mapped_features(tool: ModuleType) -> None:
    rng = np.random.default_rng(2)
    first, second = rng.normal(size=(D, 4)), rng.normal(size=(4, D))
    pictures = rng.normal(size=(3, D, 2, 2)).astype(np.float32)
    model = tool.joined(pooling_model(), first, second)
    (features,) = ReferenceEvaluator(model).run(None, {"pictures": pictures})
    expected = pictures.mean(axis=(2, 3)) @ (np.eye(D) + first @ second)
    np.testing.assert_allclose(features, expected, atol=2e-3)


def test_the_senders_held_out_depend_on_their_names_alone(tool: ModuleType) -> None:
    senders = [str(number) for number in range(100)]
    away = tool.held_out(senders)
    assert len(away) == tool.HELD_OUT
    assert tool.held_out(reversed(senders * 2)) == away


def pooling_model() -> onnx.ModelProto:
    """Takes the mean over places, as the bundled encoder does last."""
    nodes = [
        helper.make_node("GlobalAveragePool", ["pictures"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["features"], axis=1),
    ]
    pictures = helper.make_tensor_value_info("pictures", TensorProto.FLOAT, ["n", D, 2, 2])
    features = helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", D])
    graph = helper.make_graph(nodes, "pooling", [pictures], [features])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
