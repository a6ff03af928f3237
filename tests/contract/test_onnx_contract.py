"""Every ONNX file, however it takes and gives, keeps the contract of an encoder."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.made_models import FORMS, SIDE_PX, Form, save_model

from seealike.encoders import EncoderMode, load_encoder
from seealike.encoders.spec import Pooling
from seealike.testing import check_encoder

# In bfloat16 the made models, of a few channels, tell the sample pictures apart only just.
POOLINGS = [Pooling.AVG, Pooling.MAX, Pooling.GEM, Pooling.FLATTEN]


@pytest.mark.parametrize("mode", EncoderMode)
@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_every_form_of_input_keeps_the_contract(form: Form, mode: EncoderMode, tmp_path: Path) -> None:
    path = save_model(tmp_path / "made.onnx", form)
    check_encoder(load_encoder(f"onnx:{path}?size={SIDE_PX}", cache_dir=str(tmp_path), mode=mode))


@pytest.mark.parametrize("layer", ["map", "tokens"])
@pytest.mark.parametrize("pool", POOLINGS)
def test_every_pooling_keeps_the_contract(layer: str, pool: Pooling, tmp_path: Path) -> None:
    path = save_model(tmp_path / "made.onnx")
    spec = f"onnx:{path}?size={SIDE_PX}&layer={layer}&pool={pool}"
    check_encoder(load_encoder(spec, cache_dir=str(tmp_path), mode=EncoderMode.THROUGHPUT))


def test_a_known_encoder_used_in_another_way_keeps_the_contract(tmp_path: Path) -> None:
    spec = "efficientnet-lite0?size=128&resize=128"
    check_encoder(load_encoder(spec, cache_dir=str(tmp_path), mode=EncoderMode.THROUGHPUT))
