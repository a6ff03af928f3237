"""Models as hubs have them, with several outputs, class tokens and registers, against ONNX Runtime itself."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tests.hub_configs import PROCESSORS, square
from tests.made_models import SIDE_PX, save_transformer

from seealike.encoders.card import EncoderCard, InputForm
from seealike.encoders.models import EncoderMode
from seealike.encoders.onnx.openvino import OpenVinoEncoder
from seealike.encoders.onnx.record import described_record
from seealike.encoders.preprocessing import preprocessing_of
from seealike.encoders.spec import parse_spec
from seealike.testing import sample_pixels

pytestmark = pytest.mark.torch
CONFIG = {**PROCESSORS["DINOv2"], "size": {"shortest_edge": 19}, "crop_size": square(SIDE_PX)}


@pytest.mark.parametrize("mode", EncoderMode)
@pytest.mark.parametrize("registers", [0, 4])
@pytest.mark.parametrize(
    ("output", "pool"),
    [("last_hidden_state", "cls"), ("last_hidden_state", "avg"), ("pooler_output", "none")],
)
def test_vectors_are_those_of_onnx_runtime(
    output: str, pool: str, registers: int, mode: EncoderMode, tmp_path: Path
) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    path = save_transformer(tmp_path / "vit.onnx", registers)
    made = preprocessing_of("preprocessor_config.json", json.dumps(CONFIG).encode())
    assert made is not None
    card = EncoderCard("hub:made/model", made, "", "none", InputForm.TENSOR)
    spec = parse_spec(f"onnx:{path}?output={output}&pool={pool}")
    record = described_record(str(path), card, spec, str(tmp_path / "cache"))
    pixels = sample_pixels(6, SIDE_PX)
    encoder = OpenVinoEncoder(record, mode=mode, precision="f32")
    x = ((pixels - np.array(made.mean)) / np.array(made.std)).transpose(0, 3, 1, 2).astype(np.float32)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (said,) = session.run([output], {"pixel_values": x})
    wanted = {"cls": lambda: said[:, 0], "avg": lambda: said.mean(axis=1), "none": lambda: said}[pool]()
    wanted = wanted / np.linalg.norm(wanted, axis=1, keepdims=True)
    np.testing.assert_allclose(encoder.encode(pixels), wanted, atol=3e-6)
    encoder.close()
