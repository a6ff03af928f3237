"""A head behind an encoder: the ONNX graph against plain numpy."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")

from onnx import TensorProto, helper, numpy_helper, reference  # noqa: E402

from seealike.encoders import EncoderRecord, InputForm, record_of  # noqa: E402
from seealike.encoders.spec import Pooling  # noqa: E402
from seealike.errors import EncoderError  # noqa: E402
from seealike.testing import sample_pixels  # noqa: E402
from seealike.training.graph import EPSILON, HeadWeights, base_model, joined  # noqa: E402
from seealike.types import Preprocessing  # noqa: E402

SIDE = 8
HOW = Preprocessing(SIDE, SIDE, (10.0, 20.0, 30.0), (50.0, 60.0, 70.0))


def made_head(features: int, hidden: int = 7, dimension: int = 5) -> HeadWeights:
    rng = np.random.default_rng(0)
    shapes = ((features,), (features,), (hidden, features), (hidden,), (dimension, hidden), (dimension,))
    return HeadWeights(*(rng.normal(size=shape).astype(np.float32) for shape in shapes))


def by_numpy(features: np.ndarray, head: HeadWeights) -> np.ndarray:
    x = features / np.linalg.norm(features, axis=1, keepdims=True)
    x = (x - x.mean(axis=1, keepdims=True)) / np.sqrt(x.var(axis=1, keepdims=True) + EPSILON)
    x = (x * head.gain + head.shift) @ head.first.T + head.first_bias
    x = 0.5 * x * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))
    x = x @ head.second.T + head.second_bias
    return np.asarray(x / np.linalg.norm(x, axis=1, keepdims=True))


def answers(model: object, pixels: np.ndarray) -> np.ndarray:
    session = reference.ReferenceEvaluator(model)
    return np.asarray(session.run(None, {session.input_names[0]: pixels})[0])


def small_record(folder: Path, **changes: object) -> EncoderRecord:
    """A model of one convolution; float32 planes in, a map (n, 4, 8, 8) out."""
    weight = np.random.default_rng(1).normal(size=(4, 3, 1, 1)).astype(np.float32)
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["map"], kernel_shape=[1, 1]),
        helper.make_node("Relu", ["map"], ["bent"]),
        helper.make_node("Neg", ["bent"], ["beyond"]),
    ]
    given = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, SIDE, SIDE])
    beyond = helper.make_tensor_value_info("beyond", TensorProto.FLOAT, ["n", 4, SIDE, SIDE])
    graph = helper.make_graph(nodes, "small", [given], [beyond], [numpy_helper.from_array(weight, "w")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path = folder / "small.onnx"
    onnx.save(model, str(path))
    record = replace(
        record_of("efficientnet-lite0"),
        file=str(path),
        preprocessing=HOW,
        input=InputForm.TENSOR,
        output="bent",
        pool=Pooling.AVG,
    )
    return replace(record, **changes)  # type: ignore[arg-type]


def bent(pixels: np.ndarray, how: Preprocessing) -> np.ndarray:
    planes = (pixels.astype(np.float64) - np.array(how.mean)) / np.array(how.std)
    if how.bgr:
        planes = planes[..., ::-1]
    weight = np.random.default_rng(1).normal(size=(4, 3, 1, 1)).astype(np.float32)[:, :, 0, 0]
    return np.asarray(np.maximum(np.einsum("nhwc,dc->ndhw", planes, weight), 0))


POOLS = {
    Pooling.AVG: lambda m: m.mean((2, 3)),
    Pooling.MAX: lambda m: m.max((2, 3)),
    Pooling.GEM: lambda m: (np.maximum(m, 1e-6) ** 3).mean((2, 3)) ** (1 / 3),
    Pooling.FLATTEN: lambda m: m.reshape(len(m), -1),
}


@pytest.mark.parametrize("pool", POOLS)
@pytest.mark.parametrize("bgr", [False, True])
def test_pictures_go_through_cut_pooling_and_head_as_numpy_computes_it(
    pool: Pooling, bgr: bool, tmp_path: Path
) -> None:
    how = replace(HOW, bgr=bgr)
    pixels = sample_pixels(3, SIDE)
    features = POOLS[pool](bent(pixels, how))
    head = made_head(features.shape[1])
    model = joined(base_model(small_record(tmp_path, pool=pool, preprocessing=how)), head)
    np.testing.assert_allclose(answers(model, pixels), by_numpy(features, head), atol=2e-5)


def test_a_base_that_takes_pictures_stays_as_it_is(tmp_path: Path) -> None:
    record = record_of("efficientnet-lite0")
    base = base_model(record)
    model = joined(base, made_head(1280))
    assert [n.name for n in model.graph.node][: len(base.graph.node)] == [n.name for n in base.graph.node]
    assert model.graph.input[0].name == "pixels"
    assert len(base.graph.output) == 1  # the given model was not changed
    assert base.graph.output[0].name == "features"


def test_a_file_that_is_no_model_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "no.onnx"
    path.write_bytes(b"no model at all")
    with pytest.raises(EncoderError, match="cannot be built on"):
        base_model(small_record(tmp_path, file=str(path)))


def test_a_head_may_stand_behind_a_head_and_so_on(tmp_path: Path) -> None:
    pixels = sample_pixels(3, SIDE)
    features, model = POOLS[Pooling.AVG](bent(pixels, HOW)), base_model(small_record(tmp_path))
    for dimension in (5, 6, 3):
        head = made_head(features.shape[1], dimension=dimension)
        features, model = by_numpy(features, head), joined(model, head)
        np.testing.assert_allclose(answers(model, pixels), features, atol=5e-5)


def test_a_base_whose_names_look_like_ours_is_pooled_and_fed_all_the_same(tmp_path: Path) -> None:
    record = small_record(tmp_path)
    model = onnx.load(record.file)
    for prefix in ("seealike.pool", "seealike.pictures", "seealike.pictures2"):
        model.graph.initializer.append(numpy_helper.from_array(np.ones(1, np.float32), f"{prefix}.mean"))
    model.graph.node[0].output[0] = model.graph.node[1].input[0] = "seealike.pool.pooled"
    onnx.save(model, record.file)
    pixels = sample_pixels(2, SIDE)
    features = POOLS[Pooling.AVG](bent(pixels, HOW))
    head = made_head(4)
    found = answers(joined(base_model(record), head), pixels)
    np.testing.assert_allclose(found, by_numpy(features, head), atol=2e-5)


def test_a_model_that_takes_no_head_is_one_line(tmp_path: Path) -> None:
    model = base_model(small_record(tmp_path))
    model.opset_import[0].version = 7  # before Erf was known
    with pytest.raises(EncoderError, match="no head can be joined") as caught:
        joined(model, made_head(4))
    assert "\n" not in str(caught.value)


def shapeless(folder: Path, *, said: tuple[int | str, ...] | None) -> EncoderRecord:
    """A model whose output a foreign operation makes: its shape is what the file says, if anything."""
    node = helper.make_node("Tokens", ["x"], ["y"], domain="somebody.else")
    given = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, SIDE, SIDE])
    end = helper.make_tensor_value_info("y", TensorProto.FLOAT, said)
    graph = helper.make_graph([node], "foreign", [given], [end])
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("somebody.else", 1)]
    path = folder / "foreign.onnx"
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), str(path))
    return small_record(folder, file=str(path), output="y")


def test_what_no_shape_is_known_of_is_not_pooled_over_a_guessed_axis(tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match="does not say whether 'y' is tokens or a map") as caught:
        base_model(shapeless(tmp_path, said=None))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("said", "turned"), [(("n", 5, 7), True), (("n", 5, 7, 7), False)])
def test_the_shape_that_the_file_states_says_what_is_pooled(
    said: tuple[int | str, ...], turned: bool, tmp_path: Path
) -> None:
    kinds = [node.op_type for node in base_model(shapeless(tmp_path, said=said)).graph.node]
    assert kinds[-2:] == ["GlobalAveragePool", "Flatten"]
    assert (kinds[-3] == "Transpose") is turned


def test_the_first_numbers_of_a_base_can_be_built_on(tmp_path: Path) -> None:
    pixels = sample_pixels(3, SIDE)
    features = POOLS[Pooling.AVG](bent(pixels, HOW))[:, :2]
    head = made_head(2)
    model = joined(base_model(small_record(tmp_path, dimension=2, whole=4)), head)
    np.testing.assert_allclose(answers(model, pixels), by_numpy(features, head), atol=2e-5)


def test_of_tokens_the_first_can_be_built_on(tmp_path: Path) -> None:
    path = tmp_path / "tokens.onnx"
    nodes = [
        helper.make_node("Reshape", ["x", "as_columns"], ["columns"]),
        helper.make_node("Transpose", ["columns"], ["tokens"], perm=[0, 2, 1]),
    ]
    graph = helper.make_graph(
        nodes,
        "tokens",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, SIDE, SIDE])],
        [helper.make_tensor_value_info("tokens", TensorProto.FLOAT, ["n", SIDE * SIDE, 3])],
        [numpy_helper.from_array(np.array([0, 3, -1]), "as_columns")],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), str(path))
    pixels = sample_pixels(3, SIDE)
    features = (pixels[:, 0, 0] - np.array(HOW.mean)) / np.array(HOW.std)
    head = made_head(3)
    record = small_record(tmp_path, file=str(path), output="tokens", pool=Pooling.CLS)
    model = joined(base_model(record), head)
    np.testing.assert_allclose(answers(model, pixels), by_numpy(features, head), atol=2e-5)
