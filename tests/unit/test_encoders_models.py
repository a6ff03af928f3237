from __future__ import annotations

import hashlib
import os
import subprocess
import sys

import pytest

from seealike.encoders import EncoderMode, EncoderRecord, identity_of, known_encoders, load_encoder
from seealike.encoders.models import DATA_DIR, EFFICIENTNET_LITE0
from seealike.errors import UnknownNameError


@pytest.mark.parametrize("record", known_encoders(), ids=lambda record: record.name)
def test_a_record_describes_the_file_that_is_there(record: EncoderRecord) -> None:
    with open(record.file, "rb") as file:
        data = file.read()
    assert record.present
    assert len(data) == record.size_bytes
    assert hashlib.sha256(data).hexdigest() == record.weights_sha256


def test_the_identity_is_the_records() -> None:
    identity = identity_of("efficientnet-lite0")
    assert identity == EFFICIENTNET_LITE0.identity
    assert (identity.dimension, identity.layer, identity.pooling) == (1280, "conv_head", "avg")
    assert (identity.preprocessing.resize_px, identity.preprocessing.crop_px) == (256, 224)
    assert identity.weights_sha256 == EFFICIENTNET_LITE0.weights_sha256


@pytest.mark.parametrize("record", known_encoders(), ids=lambda record: record.name)
def test_the_notice_beside_the_weights_names_this_very_file_and_the_licence_is_there(
    record: EncoderRecord,
) -> None:
    with open(os.path.join(DATA_DIR, "NOTICE.txt"), encoding="utf-8") as file:
        assert record.weights_sha256 in file.read()
    with open(os.path.join(DATA_DIR, "LICENSE.txt"), encoding="utf-8") as file:
        assert "Apache License" in file.read()


def test_a_misspelt_name_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(UnknownNameError, match=r"'efficient-net'; known: efficientnet-lite0"):
        load_encoder("efficient-net", mode=EncoderMode.LATENCY)
    with pytest.raises(UnknownNameError, match="known: efficientnet-lite0"):
        identity_of("lite0")


def test_asking_what_there_is_loads_no_runtime() -> None:
    code = (
        "import sys, seealike.encoders as e; e.known_encoders(); e.identity_of('efficientnet-lite0');"
        "assert not {'openvino', 'torch', 'onnx'} & set(sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
