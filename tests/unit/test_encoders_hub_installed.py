"""Presets of every form that published models have: what they compute is what the file's graph says."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from tests import hub_server
from tests.hub_server import REPOSITORY, REVISION, HubServer, without_variables
from tests.made_models import SIDE_PX, Form, expected_vectors, save_model

from seealike.encoders import (
    EncoderMode,
    PresetWish,
    get_preset,
    load_encoder,
    preset_of,
    record_for,
    speed_of,
)
from seealike.encoders.hub import presets
from seealike.encoders.spec import Pooling, parse_spec
from seealike.errors import EncoderError
from seealike.testing import sample_pixels

pytestmark = pytest.mark.enable_socket
RECORD = """
[made]
about = "tests"
dimension = {dimension}
gmac = 0.001
licence = "MIT"
upstream = "made for tests"
repository = "{repository}"
revision = "{revision}"
{outputs}
pooling = "{pooling}"
fit = "crop"
resize = {side}
size = {side}
interpolation = "bicubic"
norm = "imagenet"
files = [{files}]
"""


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    without_variables(monkeypatch)
    monkeypatch.setenv("SEEALIKE_CACHE", str(tmp_path / "cache"))
    with hub_server.hub_server() as server:
        monkeypatch.setenv("HF_ENDPOINT", server.endpoint)
        yield server


def serve(
    hub: HubServer,
    monkeypatch: pytest.MonkeyPatch,
    model: Path,
    *,
    outputs: str,
    pooling: str,
    dimension: int,
) -> None:
    """Let the hub have a model, and what lies beside it, as the only preset."""
    beside = [path for path in model.parent.iterdir() if path.suffix == ".weights"]
    names = {model: "model.onnx", **{path: path.name for path in beside}}
    for path in names:
        hub.add(f"onnx/{path.name}", path.read_bytes())
    files = [
        f'{{ path = "onnx/{path.name}", name = "{name}", bytes = {path.stat().st_size}, '
        f'sha256 = "{hashlib.sha256(path.read_bytes()).hexdigest()}" }}'
        for path, name in names.items()
    ]
    record = model.with_suffix(".toml")
    record.write_text(
        RECORD.format(
            dimension=dimension,
            repository=REPOSITORY,
            revision=REVISION,
            outputs=f"outputs = {outputs}" if outputs else "",
            pooling=pooling,
            side=SIDE_PX,
            files=", ".join(files),
        )
    )
    monkeypatch.setattr(presets, "_RECORDS", str(record))


def fetched_vectors() -> np.ndarray:
    """What the preset computes, once it has been fetched."""
    noted = get_preset(preset_of("made"), PresetWish())
    assert noted.name == "made"
    encoder = load_encoder("made", mode=EncoderMode.LATENCY)
    try:
        return encoder.encode(sample_pixels(3, SIDE_PX))
    finally:
        encoder.close()


@pytest.mark.parametrize("form", [Form(), Form(batch=1, side=SIDE_PX, tied=True), Form(beside=True)])
@pytest.mark.parametrize(
    ("outputs", "layer", "pooling", "dimension"),
    [
        ('["features"]', "features", Pooling.NONE, 12),
        ("", "features", Pooling.NONE, 12),
        ('["tokens"]', "tokens", Pooling.CLS, 8),
        ('["nowhere", "map"]', "map", Pooling.AVG, 8),
    ],
)
def test_a_preset_computes_what_its_record_says(
    form: Form,
    outputs: str,
    layer: str,
    pooling: Pooling,
    dimension: int,
    hub: HubServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "upstream").mkdir()
    model = save_model(tmp_path / "upstream" / "made.onnx", form)
    serve(hub, monkeypatch, model, outputs=outputs, pooling=pooling, dimension=dimension)
    found = fetched_vectors()
    record = record_for(parse_spec("made"))
    assert record is not None
    assert (record.name, record.dimension, record.pool) == ("made", dimension, pooling)
    assert record.licence == "MIT"
    pixels = sample_pixels(3, SIDE_PX)
    wanted = expected_vectors(model, form, pixels, record.preprocessing, layer, pooling)
    assert np.sum(found * wanted, axis=1).min() > 0.999  # bfloat16, on processors that have it
    assert speed_of("made") > 0


def test_another_model_than_the_record_describes_is_not_installed(
    hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = save_model(tmp_path / "made.onnx")
    serve(hub, monkeypatch, model, outputs='["features"]', pooling="none", dimension=13)
    with pytest.raises(EncoderError, match="gives vectors of 12 numbers, made of 13: it is another model"):
        fetched_vectors()
    again = save_model(tmp_path / "again.onnx")
    serve(hub, monkeypatch, again, outputs='["nowhere"]', pooling="none", dimension=12)
    with pytest.raises(EncoderError, match="computes no tensor 'nowhere'"):
        fetched_vectors()
    with pytest.raises(EncoderError, match="is not on this machine"):
        record_for(parse_spec("made"))
