"""Reading files of weights: what fits is loaded whole, what does not is one line, nothing is executed."""

# ruff: noqa: ANN401 - torch is not there for the type checker
from __future__ import annotations

import contextlib
import io
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.timm_weights import cosines, made_state, planes, save_made, torch_network

from seealike.encoders.cache import BlobCache
from seealike.encoders.models import EncoderMode
from seealike.encoders.onnx.openvino import OpenVinoEncoder
from seealike.encoders.spec import parse_spec
from seealike.encoders.timm.record import timm_record
from seealike.errors import EncoderError
from seealike.testing import sample_pixels

pytestmark = pytest.mark.torch
NAME = "test_resnet"


def asked(file: Path, folder: Path, options: str = "", name: str = NAME) -> Any:
    return timm_record(parse_spec(f"timm:{name}?weights={file}{options}"), str(folder / "cache"))


def saved(thing: object, path: Path) -> Path:
    pytest.importorskip("torch").save(thing, path)
    return path


def refusal(file: Path, folder: Path, options: str = "") -> str:
    with pytest.raises(EncoderError) as caught:
        asked(file, folder, options)
    message = str(caught.value)
    assert "\n" not in message
    assert not list((folder / "cache").rglob("*.onnx"))
    return message


def forms(state: dict[str, Any]) -> dict[str, object]:
    return {
        "plain": state,
        "under state_dict": {"state_dict": state, "epoch": 7},
        "under model": {"model": state, "optimizer": {"lr": 0.1}},
        "of DataParallel": {"state_dict": {f"module.{key}": value for key, value in state.items()}},
        "without counters": {k: v for k, v in state.items() if not k.endswith("num_batches_tracked")},
        "of another classifier": state
        | {"fc.weight": state["fc.weight"][:46], "fc.bias": state["fc.bias"][:46]},
        "without classifier": {k: v for k, v in state.items() if not k.startswith("fc.")},
    }


@pytest.mark.parametrize("form", list(forms({"fc.weight": [], "fc.bias": []})))
def test_a_checkpoint_in_any_usual_form_gives_the_feature_of_its_weights(form: str, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    state = made_state(NAME)
    record = asked(saved(forms(state)[form], tmp_path / "weights.pth"), tmp_path)
    encoder = OpenVinoEncoder(
        record, mode=EncoderMode.LATENCY, cache=BlobCache(str(tmp_path)), precision="f32"
    )
    pixels = sample_pixels(3, 160)
    network = torch_network(NAME, state)
    network.reset_classifier(0)
    with torch.no_grad():
        wanted = network(planes(pixels, record.preprocessing)).numpy()
    found = encoder.encode(pixels)
    encoder.close()
    assert cosines(found, wanted).min() >= 0.9999


def test_the_same_weights_in_two_files_are_two_identities_but_one_file_is_one(tmp_path: Path) -> None:
    import hashlib

    first, second = save_made(NAME, tmp_path, seed=0), save_made(NAME, tmp_path, seed=1)
    ids = [asked(file, tmp_path).identity for file in (first, second, first)]
    assert ids[0] == ids[2] != ids[1]
    assert ids[0].weights_sha256 == hashlib.sha256(first.read_bytes()).hexdigest()


def test_a_classifier_of_another_size_is_refused_where_the_feature_is_taken_from_it(tmp_path: Path) -> None:
    state = made_state(NAME)
    file = saved(forms(state)["of another classifier"], tmp_path / "weights.pth")
    message = refusal(file, tmp_path, "&layer=fc")
    assert "fc.weight is 46 x" in message


def test_what_is_missing_and_what_is_unknown_is_named(tmp_path: Path) -> None:
    state = made_state(NAME)
    value = state.pop("layer2.0.conv1.weight")
    message = refusal(saved(state | {"layer9.odd": value}, tmp_path / "weights.pth"), tmp_path)
    assert "lacks layer2.0.conv1.weight" in message
    assert "unknown layer9.odd" in message
    assert message.endswith("give the weights of this very model")


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    message = refusal(save_made("test_efficientnet", tmp_path), tmp_path)
    assert "does not fit test_resnet: it lacks " in message


def test_a_checkpoint_with_the_names_of_the_network_s_own_family_is_converted(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    state = made_state("test_vit")
    older = {f"visual.trunk.{key}": value for key, value in state.items()}  # as open_clip wraps timm's
    record = asked(saved(older, tmp_path / "weights.pth"), tmp_path, name="test_vit")
    encoder = OpenVinoEncoder(
        record, mode=EncoderMode.LATENCY, cache=BlobCache(str(tmp_path)), precision="f32"
    )
    pixels = sample_pixels(3, 160)
    network = torch_network("test_vit", state)
    with torch.no_grad():
        wanted = network.forward_head(
            network.forward_features(planes(pixels, record.preprocessing)), pre_logits=True
        ).numpy()
    found = encoder.encode(pixels)
    encoder.close()
    assert cosines(found, wanted).min() >= 0.9999


class Bomb:
    """Makes a folder when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = str(mark)

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.mkdir, (self.mark,)


@pytest.mark.parametrize("how", ["torch.save", "pickle 2", "pickle 4", "pickle named safetensors"])
def test_a_pickle_that_would_run_code_is_refused_and_runs_nothing(how: str, tmp_path: Path) -> None:
    mark = tmp_path / "exploded"
    state = made_state(NAME) | {"layer1.0.conv1.weight": Bomb(mark)}
    file = tmp_path / ("weights.safetensors" if "safetensors" in how else "weights.pth")
    if how == "torch.save":
        saved(state, file)
    else:
        file.write_bytes(pickle.dumps({"state_dict": Bomb(mark)}, protocol=2 if how == "pickle 2" else 4))
    message = refusal(file, tmp_path)
    assert "weights_only" not in message
    assert ("could run code" in message) == (how in ("torch.save", "pickle 2"))
    assert not mark.exists()
    pickle.loads(pickle.dumps(Bomb(mark)))
    assert mark.exists(), "the bomb is none"


@pytest.mark.parametrize("kind", ["safetensors", "pth"])
@pytest.mark.parametrize("damage", ["cut", "empty", "garbage", "header"])
def test_a_damaged_file_is_one_line(kind: str, damage: str, tmp_path: Path) -> None:
    whole = (
        save_made(NAME, tmp_path) if kind == "safetensors" else saved(made_state(NAME), tmp_path / "w.pth")
    )
    data = whole.read_bytes()
    damaged = {
        "cut": data[: len(data) // 2],
        "empty": b"",
        "garbage": np.random.default_rng(0).bytes(4096),
        "header": data[:3] + b"\xff\xff" + data[5:],
    }[damage]
    file = tmp_path / f"damaged.{kind}"
    file.write_bytes(damaged)
    assert "damaged" in refusal(file, tmp_path)


@pytest.mark.parametrize("kind", ["pth", "legacy", "safetensors"])
def test_whatever_the_first_bytes_are_is_weights_or_one_line(kind: str, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    from safetensors.torch import save

    from seealike.encoders.weights import read_weights

    state, whole = {"a.weight": torch.ones(3, 2), "a.bias": torch.zeros(3)}, io.BytesIO()
    if kind == "safetensors":
        whole.write(save(state))
    else:
        torch.save(state, whole, _use_new_zipfile_serialization=kind == "pth")
    data, file = whole.getvalue(), tmp_path / "fuzzed.pth"
    draw = np.random.default_rng(7)
    for number in range(600):
        fuzzed = bytearray(data if number % 3 else draw.bytes(64))
        for _ in range(1 + number % 4):
            fuzzed[draw.integers(0, min(len(fuzzed), 400))] = draw.integers(0, 256)
        file.write_bytes(fuzzed if number % 5 else b"\x80\x02" + bytes(fuzzed))
        with contextlib.suppress(EncoderError):
            assert read_weights(str(file))


@pytest.mark.parametrize("thing", [[1, 2], {}, {"epoch": 3}, {"state_dict": {"a": "b"}}, "text"])
def test_a_file_that_holds_no_weights_is_one_line(thing: object, tmp_path: Path) -> None:
    assert "weights" in refusal(saved(thing, tmp_path / "weights.pth"), tmp_path)


def test_a_file_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    assert "No such file" in refusal(tmp_path / "absent.safetensors", tmp_path)
    assert "cannot be read" in refusal(tmp_path, tmp_path)
