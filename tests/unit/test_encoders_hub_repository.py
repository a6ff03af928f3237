"""Any repository of a hub as an encoder: looked up, taken once, used without a network, named for good."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from tests import hub_server
from tests.hub_configs import IMAGENET_MEAN, PROCESSORS, TIMM, square
from tests.hub_server import REPOSITORY, REVISION, HubServer, without_variables
from tests.made_models import DIMENSION, SIDE_PX, Form, expected_vectors, save_model, save_transformer

from seealike.encoders import EncoderMode, EncoderRecord, identity_of, load_encoder, parse_spec, record_for
from seealike.encoders.cache import BlobCache
from seealike.encoders.hub.repository import (
    look_up,
    remove_repository,
    repository_record,
    take_repository,
    taken_repositories,
)
from seealike.encoders.onnx.openvino import OpenVinoEncoder
from seealike.encoders.spec import EncoderSpec, Pooling
from seealike.errors import EncoderError, NotOnHubError, SeealikeError, UsageError
from seealike.testing import sample_pixels
from seealike.types import Fit, Float32Array, PixelArray

pytestmark = pytest.mark.enable_socket
PROCESSOR = {**PROCESSORS["DINOv2"], "size": {"shortest_edge": 19}, "crop_size": square(SIDE_PX)}
README = "---\nlanguage: en\nlicense: apache-2.0\n---\n# A model\nlicense: none\n"
MODEL = "onnx/model.onnx"


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEEALIKE_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    without_variables(monkeypatch)
    with hub_server.hub_server() as server:
        monkeypatch.setenv("HF_ENDPOINT", server.endpoint)
        yield server


def spec(options: str = "", path: str = MODEL) -> EncoderSpec:
    return parse_spec(f"hub:{REPOSITORY}?file={path}&revision={REVISION}{options}")


def with_tokens(path: Path) -> Path:
    """A model of the outputs that transformers' exports have: tokens first, then one vector."""
    model = onnx.load(save_model(path))
    del model.graph.output[:]
    model.graph.output.extend(
        helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ("tokens", "features")
    )
    path.write_bytes(model.SerializeToString())
    return path


@pytest.fixture
def model(hub: HubServer, tmp_path: Path) -> Path:
    path = with_tokens(tmp_path / "model.onnx")
    hub.add(MODEL, path.read_bytes(), known=False)
    hub.add("preprocessor_config.json", json.dumps(PROCESSOR).encode(), known=False)
    hub.add("README.md", README.encode(), known=False)
    return path


def take(asked: EncoderSpec, tried: list[EncoderRecord] | None = None) -> EncoderRecord:
    return take_repository(look_up(asked), (tried if tried is not None else []).append)


def vectors(record: EncoderRecord, pixels: PixelArray) -> Float32Array:
    cache = BlobCache(os.environ["SEEALIKE_CACHE"])
    encoder = OpenVinoEncoder(record, mode=EncoderMode.LATENCY, cache=cache, precision="f32")
    try:
        return encoder.encode(pixels)
    finally:
        encoder.close()


def refused(asked: EncoderSpec, kind: type[SeealikeError] = EncoderError) -> str:
    with pytest.raises(kind) as caught:
        take(asked)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_what_is_there_is_said_before_it_is_fetched(hub: HubServer, model: Path) -> None:
    found = look_up(spec("&layer=features"))
    assert (found.licence, found.model.bytes) == ("apache-2.0", model.stat().st_size)
    assert found.config == "preprocessor_config.json"
    assert found.preprocessing is not None
    assert found.preprocessing.fit is Fit.CROP_FLOOR
    assert f"http://{found.hub.host}" == hub.endpoint
    assert not list(Path(os.environ["SEEALIKE_CACHE"]).rglob("model.onnx"))


@pytest.mark.parametrize(
    ("options", "layer", "pool"),
    [
        ("&layer=features", "features", Pooling.NONE),
        ("&output=features", "features", Pooling.NONE),
        ("&output=tokens&pool=cls", "tokens", Pooling.CLS),
        ("&output=tokens&pool=avg", "tokens", Pooling.AVG),
    ],
)
def test_a_model_is_taken_once_and_computes_what_its_graph_and_config_say(
    options: str, layer: str, pool: Pooling, hub: HubServer, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[EncoderRecord] = []
    taken = take(spec(options), tried)
    asked_for = len(hub.requests)
    monkeypatch.setenv("HF_ENDPOINT", "http://nobody.invalid")
    record = repository_record(spec(options))
    assert record == taken == record_for(spec(options))
    assert tried[0].identity == record.identity
    pixels = sample_pixels(5, SIDE_PX)
    expected = expected_vectors(model, Form(), pixels, record.preprocessing, layer, pool)
    np.testing.assert_allclose(vectors(record, pixels), expected, atol=3e-6)
    assert (record.preprocessing.resize_px, record.preprocessing.crop_px) == (19, SIDE_PX)
    assert record.preprocessing.mean == pytest.approx([255 * mean for mean in IMAGENET_MEAN])
    assert (record.layer, record.pooling) == (layer, pool.value)
    assert len(hub.requests) == asked_for


def test_the_record_names_the_model_for_good(model: Path, hub: HubServer) -> None:
    record = take(spec("&layer=features"))
    digest = hashlib.sha256(model.read_bytes()).hexdigest()
    assert (record.name, record.weights_sha256) == (f"hub:{REPOSITORY}", digest)
    assert record.source == f"hub {REPOSITORY}@{REVISION}/{MODEL}"
    assert record.licence == "apache-2.0"
    assert record.identity == identity_of(str(spec("&layer=features")))


def test_output_pooling_and_preprocessing_are_each_another_space(model: Path, hub: HubServer) -> None:
    take(spec("&layer=features"))
    options = [
        "&layer=features",
        "&layer=tokens&pool=cls",
        "&layer=tokens&pool=avg",
        "&layer=features&norm=half",
    ]
    options += [
        "&layer=features&fit=crop",
        "&layer=features&size=32",
        "&layer=features&interpolation=lanczos",
    ]
    assert len({repository_record(spec(option)).identity for option in options}) == len(options)


def test_another_file_of_the_same_size_is_another_space(hub: HubServer, tmp_path: Path) -> None:
    for name, seed in (("a", 0), ("b", 1)):
        content = save_model(tmp_path / f"{name}.onnx", seed=seed).read_bytes()
        hub.add(f"{name}/model.onnx", content, known=False)
    hub.add("preprocessor_config.json", json.dumps(PROCESSOR).encode(), known=False)
    first, second = (take(spec(path=f"{name}/model.onnx")) for name in "ab")
    assert first.size_bytes == second.size_bytes
    assert replace(first.identity, weights_sha256="") == replace(second.identity, weights_sha256="")
    assert first.identity != second.identity


def test_a_file_that_became_another_since_the_first_time_is_refused(model: Path, hub: HubServer) -> None:
    record = take(spec("&layer=features"))
    content = bytearray(model.read_bytes())
    content[-1] ^= 1
    hub.add(MODEL, bytes(content), known=False)
    Path(record.file).unlink()
    message = refused(spec("&layer=features"))
    assert "serves another file than" in message
    assert f"(which {Path(record.file).with_name('installed.json')} says)" in message
    remove_repository(spec())
    assert take(spec("&layer=features")).weights_sha256 == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("page", [b"<html>log in</html>", b""])
@pytest.mark.parametrize("path", [MODEL, "preprocessor_config.json"])
def test_the_page_of_a_captive_portal_does_no_lasting_harm(
    page: bytes, path: str, model: Path, hub: HubServer
) -> None:
    served = f"/{REPOSITORY}/resolve/{REVISION}/{path}"
    good, hub.files[served] = hub.files[served], page
    refused(spec("&layer=features"))
    with pytest.raises(EncoderError, match="is not on this machine"):
        repository_record(spec("&layer=features"))
    hub.files[served] = good
    take(spec("&layer=features"))


def test_a_model_that_does_not_run_is_forgotten(model: Path, hub: HubServer) -> None:
    def fails(record: EncoderRecord) -> None:
        assert Path(record.file).is_file()
        raise EncoderError("it does not run")

    with pytest.raises(EncoderError, match="it does not run"):
        take_repository(look_up(spec("&layer=features")), fails)
    assert not list(Path(os.environ["SEEALIKE_CACHE"]).rglob("model.onnx"))
    changed = with_tokens(model).read_bytes().replace(b"features", b"featurez")
    hub.add(MODEL, changed, known=False)
    taken = take(spec("&layer=featurez"))
    with pytest.raises(EncoderError, match="it does not run"):  # what ran before stays
        take_repository(look_up(spec("&layer=featurez")), fails)
    assert repository_record(spec("&layer=featurez")) == taken


def test_two_spellings_of_one_file_leave_each_other_alone(model: Path, hub: HubServer) -> None:
    as_stated = spec("&layer=features")
    by_hand = spec(f"&layer=features&size={SIDE_PX}&norm=half&fit=crop&interpolation=bilinear")
    first = take(by_hand)
    assert first.preprocessing.resize_px == SIDE_PX
    second = take(as_stated)
    assert (take(by_hand), repository_record(as_stated)) == (first, second)
    assert take(as_stated) == second
    (note,) = taken_repositories()
    assert (note.config, note.licence) == ("preprocessor_config.json", "apache-2.0")


def test_what_is_here_needs_no_network_to_be_taken_again(model: Path, hub: HubServer) -> None:
    record = take(spec("&layer=features"))
    hub.requests.clear()
    again = look_up(spec("&layer=features"), offline=True)
    assert (again.licence, again.config) == ("apache-2.0", "preprocessor_config.json")
    assert take_repository(again, lambda _: None) == record
    assert take(spec("&layer=tokens&pool=cls")).layer == "tokens"
    assert hub.requests == []


def test_what_was_damaged_here_is_said_and_taken_again(model: Path, hub: HubServer) -> None:
    asked = spec("&layer=features")
    record = take(asked)
    content = bytearray(model.read_bytes())
    content[len(content) // 2] ^= 1
    Path(record.file).write_bytes(content)
    with pytest.raises(EncoderError, match=f"is damaged; `seealike encoders get 'hub:{REPOSITORY}"):
        repository_record(asked)
    assert take(asked) == record


def test_what_is_not_here_is_never_fetched_unasked(model: Path, hub: HubServer) -> None:
    with pytest.raises(EncoderError) as caught:
        load_encoder(spec("&layer=features"), mode=EncoderMode.LATENCY)
    assert f"hub:{REPOSITORY} is not on this machine; `seealike encoders get 'hub:" in str(caught.value)
    assert not hub.requests


def test_of_several_outputs_one_must_be_named_and_tokens_need_a_pooling(model: Path, hub: HubServer) -> None:
    assert "the model has 2 outputs: tokens, features; say which one with layer=NAME" in refused(spec())
    message = refused(spec("&layer=tokens"))
    assert f"the output tokens of {REPOSITORY} is one vector for each of many places" in message
    assert message.endswith("say pool=cls, avg, max, gem or flatten")
    with pytest.raises(EncoderError, match="is not on this machine"):
        repository_record(spec("&layer=features"))
    fetched = sum(request.path.endswith("model.onnx") for request in hub.requests)
    take(spec("&layer=features"))
    assert sum(request.path.endswith("model.onnx") for request in hub.requests) == fetched


def test_weights_in_another_file_come_too(hub: HubServer, tmp_path: Path) -> None:
    path = save_model(tmp_path / "made.onnx", Form(beside=True))
    hub.add("onnx/made.onnx", path.read_bytes(), known=False)
    hub.add("onnx/made.weights", (tmp_path / "made.weights").read_bytes(), known=False)
    hub.add("onnx/preprocessor_config.json", json.dumps(PROCESSOR).encode(), known=False)
    found, said = look_up(spec(path="onnx/made.onnx")), []
    record = take_repository(
        found,
        lambda _: None,
        announce=lambda files, size, _: said.append((len(hub.requests), files[0].path, size)),
    )
    size, weights = path.stat().st_size, (tmp_path / "made.weights").stat().st_size
    assert [told[1:] for told in said] == [("onnx/made.onnx", size), ("onnx/made.weights", weights)]
    came, until = [request.path.endswith("made.weights") for request in hub.requests], said[1][0]
    assert (came[:until].count(True), came[until:]) == (1, [True])  # its size was asked before
    pixels = sample_pixels(3, SIDE_PX)
    expected = expected_vectors(path, Form(), pixels, record.preprocessing, "features", Pooling.NONE)
    np.testing.assert_allclose(vectors(record, pixels), expected, atol=3e-6)
    assert (record.layer, record.dimension) == ("features", DIMENSION)


def test_the_nearest_file_that_says_something_counts(hub: HubServer, tmp_path: Path) -> None:
    hub.add(MODEL, save_model(tmp_path / "m.onnx").read_bytes(), known=False)
    hub.add("config.json", json.dumps({"pretrained_cfg": TIMM["center"]}).encode(), known=False)
    assert look_up(spec()).config == "config.json"
    hub.add("onnx/config.json", b'{"model_type": "vit"}', known=False)
    assert look_up(spec()).config == "config.json"
    hub.add("onnx/preprocessor_config.json", json.dumps(PROCESSOR).encode(), known=False)
    assert look_up(spec()).config == "onnx/preprocessor_config.json"


def test_where_nothing_is_said_the_spec_must_say_it_all(hub: HubServer, tmp_path: Path) -> None:
    hub.add(MODEL, save_model(tmp_path / "m.onnx").read_bytes(), known=False)
    message = refused(spec(f"&size={SIDE_PX}&norm=half"))
    assert f"{REPOSITORY} says nowhere how pictures are prepared" in message
    assert message.endswith("say it with size=, fit=, interpolation= and norm=")
    said = f"&size={SIDE_PX}&norm=half&fit=squash&interpolation=bilinear"
    made = take(spec(said)).preprocessing
    assert (made.fit, made.interpolation, made.resize_px, made.mean) == (
        Fit.SQUASH,
        "bilinear",
        SIDE_PX,
        (127.5, 127.5, 127.5),
    )
    with pytest.raises(EncoderError, match="was taken without what says how pictures are prepared"):
        repository_record(spec())


def test_a_config_that_is_not_known_is_refused_before_the_model_is_fetched(
    hub: HubServer, model: Path
) -> None:
    content = json.dumps({**PROCESSOR, "do_thumbnail": True}).encode()
    hub.add("preprocessor_config.json", content, known=False)
    assert "preprocessor_config.json: 'do_thumbnail' is unknown for BitImageProcessor" in refused(spec())
    said = f"&layer=features&size={SIDE_PX}&norm=half&fit=squash&interpolation=bilinear"
    assert take(spec(said)).layer == "features"


def test_a_model_made_for_another_size_than_its_config_says_is_refused(
    hub: HubServer, tmp_path: Path
) -> None:
    path = save_model(tmp_path / "m.onnx", Form(batch=1, side=2 * SIDE_PX, tied=True))
    hub.add(MODEL, path.read_bytes(), known=False)
    hub.add("preprocessor_config.json", json.dumps(PROCESSOR).encode(), known=False)
    assert f"takes pictures of 32 px, and preprocessor_config.json says {SIDE_PX}; say size=" in refused(
        spec()
    )
    record = take(spec("&size=32"))
    assert (record.batch_size, record.preprocessing.crop_px) == (1, 32)
    pixels = sample_pixels(3, 32)
    form = Form(batch=1, side=32, tied=True)
    expected = expected_vectors(path, form, pixels, record.preprocessing, "features", Pooling.NONE)
    np.testing.assert_allclose(vectors(record, pixels), expected, atol=3e-6)


def test_the_class_token_before_registers_and_patches_is_what_the_reference_computes(
    hub: HubServer, tmp_path: Path
) -> None:
    path = save_transformer(tmp_path / "vit.onnx")
    hub.add(MODEL, path.read_bytes(), known=False)
    hub.add("preprocessor_config.json", json.dumps(PROCESSOR).encode(), known=False)
    record = take(spec("&output=last_hidden_state&pool=cls"))
    pixels = sample_pixels(5, SIDE_PX)
    made = record.preprocessing
    x = ((pixels - np.array(made.mean)) / np.array(made.std)).transpose(0, 3, 1, 2).astype(np.float32)
    run = onnx.reference.ReferenceEvaluator(str(path)).run
    tokens = run(["last_hidden_state"], {"pixel_values": x})[0][:, 0]
    expected = tokens / np.linalg.norm(tokens, axis=1, keepdims=True)
    np.testing.assert_allclose(vectors(record, pixels), expected, atol=3e-6)
    pooled = vectors(repository_record(spec("&output=pooler_output")), pixels)
    assert np.abs(pooled - expected).max() > 0.01


def test_a_size_that_its_positions_are_not_for_is_refused_in_one_line(hub: HubServer, tmp_path: Path) -> None:
    hub.add(MODEL, save_transformer(tmp_path / "vit.onnx").read_bytes(), known=False)
    hub.add("preprocessor_config.json", json.dumps(PROCESSOR).encode(), known=False)
    message = refused(spec("&output=last_hidden_state&pool=cls&size=32"))
    assert "the model does not take 32 x 32 px" in message


def test_what_is_here_is_listed_and_removed(model: Path, hub: HubServer) -> None:
    assert taken_repositories() == []
    take(spec("&layer=features"))
    (note,) = taken_repositories()
    assert note.name == str(spec("&layer=features"))
    assert (note.licence, note.path, note.revision) == ("apache-2.0", MODEL, REVISION)
    assert not list(Path(os.environ["SEEALIKE_CACHE"]).rglob("*.part"))
    assert remove_repository(spec()) > model.stat().st_size
    assert taken_repositories() == []
    with pytest.raises(EncoderError, match="there is nothing of hub:"):
        remove_repository(spec())


def test_offline_what_is_here_is_used_and_nothing_asked(
    model: Path, hub: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert "to stay offline" in refused(spec("&layer=features"))
    assert not hub.requests


@pytest.mark.parametrize(
    ("readme", "licence"),
    [
        ("---\nlicense: mit\n---\n", "mit"),
        ('---\r\nlicense: "cc-by-4.0"\r\n---\r\n', "cc-by-4.0"),
        ("---\nlicense: other\nlicense_name: dinov3-license\n---\n", "dinov3-license"),
        ("# license: mit\n", "not stated"),
        ("---\nlicense:\n- mit\n---\n", "not stated"),
        (f"---\nlicense: {'m' * 101}\n---\n", "not stated"),
        ("", "not stated"),
    ],
)
def test_the_licence_is_what_the_readmes_head_states(
    readme: str, licence: str, model: Path, hub: HubServer
) -> None:
    hub.add("README.md", readme.encode(), known=False)
    assert look_up(spec("&layer=features")).licence == licence


def test_a_file_or_a_repository_that_is_not_there_is_named(model: Path, hub: HubServer) -> None:
    message = refused(spec(path="onnx/other.onnx"), NotOnHubError)
    assert f"has no onnx/other.onnx in {REPOSITORY} at revision {REVISION} (404)" in message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("hub:made/model", "needs the file and the commit that it is of"),
        (f"hub:made/model?revision={REVISION}", "needs the file and the commit"),
        ("hub:", "needs a name after the colon, for instance hub:OWNER/NAME?file="),
        ("timm:resnet18?file=a.onnx", "file= goes with hub:OWNER/NAME"),
    ],
)
def test_a_spec_that_is_not_whole_is_refused(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message.replace("?", r"\?")):
        parse_spec(text)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"revision": "main"}, "is no commit: 40 hexadecimal digits"),
        ({"target": "made"}, "is no repository of a hub"),
        ({"path": "../model.onnx"}, "is no path of a file"),
    ],
)
def test_names_that_are_none_are_refused(changes: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        look_up(replace(spec(), **changes))  # type: ignore[arg-type]
