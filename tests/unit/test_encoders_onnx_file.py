"""Which files belong to a model, read from its bytes; against the onnx package, and against damage."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from onnx.external_data_helper import set_external_data
from tests.made_models import Form, save_model

from seealike.encoders.onnx.file import external_files, read_model_file
from seealike.errors import EncoderError


def outside(name: str, location: str) -> onnx.TensorProto:
    """A tensor whose numbers are in another file."""
    tensor = numpy_helper.from_array(np.zeros(4, np.float32), name)
    set_external_data(tensor, location=location, offset=0, length=16)
    tensor.ClearField("raw_data")
    return tensor


def model_with(*, initializers: list[str], constants: list[str], branches: list[str]) -> bytes:
    """A model that keeps tensors outside: as weights, as constants, and in the branches of a condition."""
    nodes = [
        helper.make_node("Constant", [], [f"c{place}"], value=outside(f"c{place}", location))
        for place, location in enumerate(constants)
    ]
    for place, location in enumerate(branches):
        inner = helper.make_node("Constant", [], ["in"], value=outside("in", location))
        result = helper.make_tensor_value_info("in", TensorProto.FLOAT, [4])
        branch = helper.make_graph([inner], "branch", [], [result])
        nodes.append(helper.make_node("If", ["yes"], [f"i{place}"], then_branch=branch, else_branch=branch))
    weights = [outside(f"w{place}", location) for place, location in enumerate(initializers)]
    model = helper.make_model(helper.make_graph(nodes, "kept outside", [], [], weights))
    serialised: bytes = model.SerializeToString()
    return serialised


def test_every_file_that_a_model_refers_to_is_found_wherever_it_says_so() -> None:
    data = model_with(initializers=["a.bin", "b.bin", "a.bin"], constants=["c.bin"], branches=["sub/d.bin"])
    assert external_files("m.onnx", data) == ("a.bin", "b.bin", "c.bin", str(Path("sub/d.bin")))
    assert external_files("m.onnx", model_with(initializers=[], constants=[], branches=[])) == ()


def test_files_of_sparse_weights_and_of_functions_are_found() -> None:
    sparse = onnx.SparseTensorProto(values=outside("w", "values.bin"), indices=outside("i", "places.bin"))
    constant = helper.make_node("Constant", [], ["s"])
    constant.attribute.append(
        onnx.AttributeProto(name="sparse_value", type=onnx.AttributeProto.SPARSE_TENSOR, sparse_tensor=sparse)
    )
    inner = helper.make_node("Constant", [], ["y"], value=outside("in", "function.bin"))
    function = helper.make_function("own", "F", [], ["y"], [inner], [helper.make_opsetid("", 17)])
    alone = helper.make_model(helper.make_graph([constant], "sparse", [], []))
    assert external_files("m.onnx", alone.SerializeToString()) == ("places.bin", "values.bin")
    weights = helper.make_model(helper.make_graph([], "sparse", [], [], sparse_initializer=[sparse]))
    assert external_files("m.onnx", weights.SerializeToString()) == ("places.bin", "values.bin")
    of_functions = helper.make_model(helper.make_graph([], "empty", [], []), functions=[function])
    assert external_files("m.onnx", of_functions.SerializeToString()) == ("function.bin",)


@pytest.mark.parametrize("place", [b"\xff.bin", b"a\0.bin", b"a\nb.b"])
def test_a_place_that_is_no_text_is_refused(place: bytes) -> None:
    data = model_with(initializers=["x" * len(place)], constants=[], branches=[])
    with pytest.raises(EncoderError, match="whose name is no text") as caught:
        external_files("m.onnx", data.replace(b"x" * len(place), place))
    assert "\n" not in str(caught.value)


def test_the_digest_is_the_files_own_where_it_is_alone(tmp_path: Path) -> None:
    path = save_model(tmp_path / "made.onnx")
    found = read_model_file(str(path))
    assert found.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert (found.size_bytes, found.beside) == (path.stat().st_size, ())


def test_the_digest_is_over_all_files_where_there_are_several(tmp_path: Path) -> None:
    path = save_model(tmp_path / "made.onnx", Form(beside=True))
    weights = tmp_path / "made.weights"
    found = read_model_file(str(path))
    own, other = (hashlib.sha256(file.read_bytes()).digest() for file in (path, weights))
    assert found.sha256 == hashlib.sha256(own + b"made.weights\0" + other).hexdigest()
    assert found.beside == ("made.weights",)


@given(data=st.binary(max_size=300))
def test_bytes_that_are_no_model_refer_to_no_file(data: bytes) -> None:
    assert external_files("m.onnx", b"\xff" + data) == ()


@given(place=st.integers(0, 10_000), value=st.integers(0, 255), cut=st.integers(0, 10_000))
def test_a_damaged_model_is_read_to_an_end(place: int, value: int, cut: int) -> None:
    data = bytearray(model_with(initializers=["a.bin", "b.bin"], constants=["c.bin"], branches=["d.bin"]))
    data[place % len(data)] = value
    for damaged in (bytes(data), bytes(data[: cut % len(data)])):
        try:
            found = external_files("m.onnx", damaged)
        except EncoderError:
            continue
        assert all(isinstance(name, str) for name in found)


def test_graphs_nested_without_end_are_no_trouble() -> None:
    data = b""
    for _ in range(2000):
        node = b"\x2a" + _length(b"\x32" + _length(data))
        data = b"\x0a" + _length(node)
    assert external_files("m.onnx", b"\x3a" + _length(data)) == ()


def _length(data: bytes) -> bytes:
    count, parts = len(data), []
    while count >= 0x80:
        parts.append(0x80 | count & 0x7F)
        count >>= 7
    return bytes([*parts, count]) + data


@pytest.mark.parametrize("location", ["../x.bin", "sub/../../x.bin"])
def test_a_file_outside_the_folder_is_refused(location: str) -> None:
    with pytest.raises(EncoderError, match="which is not beside it"):
        external_files("m.onnx", model_with(initializers=[location], constants=[], branches=[]))
