"""The encoder in torch: its logic on the CPU, what a CUDA device adds where there is one."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from tests.timm_weights import cosines, save_made

from seealike.encoders.models import EncoderMode
from seealike.encoders.spec import parse_spec
from seealike.encoders.timm import torch_encoder as module
from seealike.encoders.timm.record import timm_record
from seealike.encoders.timm.torch_encoder import TorchEncoder, torch_encoder
from seealike.errors import EncoderError
from seealike.testing import check_encoder, sample_pixels

pytestmark = pytest.mark.torch
SPEC = "timm:test_resnet?weights={}&layer=layer3"


def made(folder: Path, batch_size: int | None = 4, device: str = "cpu") -> TorchEncoder:
    from seealike.encoders.timm.model import load_timm_model

    pytest.importorskip("torch")
    model = load_timm_model(parse_spec(SPEC.format(save_made("test_resnet", folder))))
    return TorchEncoder(model, device=device, batch_size=batch_size)


@pytest.mark.parametrize("batch_size", [1, 4])
def test_it_keeps_the_contract(batch_size: int, tmp_path: Path) -> None:
    check_encoder(made(tmp_path, batch_size), tolerance=1e-5)


def test_it_has_the_identity_and_the_vectors_of_the_exported_model(tmp_path: Path) -> None:
    from seealike.encoders.cache import BlobCache
    from seealike.encoders.onnx.openvino import OpenVinoEncoder

    encoder = made(tmp_path)
    record = timm_record(parse_spec(SPEC.format(save_made("test_resnet", tmp_path))), str(tmp_path / "cache"))
    exported = OpenVinoEncoder(
        record, mode=EncoderMode.LATENCY, cache=BlobCache(str(tmp_path)), precision="f32"
    )
    pixels = sample_pixels(9, 160)
    assert encoder.identity == exported.identity
    assert cosines(encoder.encode(pixels), exported.encode(pixels)).min() >= 0.9999
    encoder.close()
    exported.close()


def test_many_threads_may_submit_and_get_their_own_answers(tmp_path: Path) -> None:
    encoder = made(tmp_path)
    pixels = sample_pixels(16, 160)
    wanted = encoder.encode(pixels)
    wrong: list[int] = []

    def ask(start: int) -> None:
        for step in range(3):
            i = (start + step) % 16
            found = encoder.submit(pixels[i : i + 1]).result(timeout=500)
            if not np.allclose(found, wanted[i : i + 1], atol=1e-5):
                wrong.append(i)

    threads = [threading.Thread(target=ask, args=(start,)) for start in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    encoder.close()
    assert wrong == []


def test_the_quickest_batch_is_taken_and_a_larger_one_only_if_it_gains(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for rates, best in (
        ([(16, 100.0), (32, 190.0), (64, 195.0), (128, 900.0)], 32),
        ([(16, 100.0), (32, 90.0)], 16),
        ([], 1),
    ):
        monkeypatch.setattr(module, "_rates", lambda *_, given=rates: iter(given))
        encoder = made(tmp_path, batch_size=None)
        assert encoder.batch_size == best
        encoder.close()


def test_batches_are_really_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_BATCH_SIZES", (2, 3))
    encoder = made(tmp_path, batch_size=None)
    assert encoder.batch_size in (2, 3)
    assert encoder.encode(sample_pixels(5, 160)).shape == (5, encoder.identity.dimension)
    encoder.close()


def test_a_failing_device_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = made(tmp_path)

    def fail(*_: object) -> None:
        raise RuntimeError("CUDA error: out of memory\nfor more, read on")

    monkeypatch.setattr(module, "_features", fail)
    with pytest.raises(
        EncoderError, match=r"^torch could not run the encoder: CUDA error: out of memory for"
    ):
        encoder.encode(sample_pixels(1, 160))
    encoder.close()
    with pytest.raises(EncoderError, match="on nowhere"):
        made(tmp_path, device="nowhere")


def test_a_driver_without_a_torch_that_knows_it_is_no_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device here")
    monkeypatch.setattr(module, "has_cuda_driver", lambda: True)
    assert torch_encoder(parse_spec("timm:resnet18"), mode=EncoderMode.LATENCY) is None
    monkeypatch.setitem(sys.modules, "torch", None)
    assert torch_encoder(parse_spec("timm:resnet18"), mode=EncoderMode.LATENCY) is None


def test_on_cuda_half_precision_keeps_the_vectors(tmp_path: Path) -> None:
    if not pytest.importorskip("torch").cuda.is_available():
        pytest.skip("there is no CUDA device here")
    pixels = sample_pixels(40, 160)
    encoder, reference = made(tmp_path, None, "cuda"), made(tmp_path)
    assert encoder.precision in ("float16", "bfloat16")
    assert cosines(encoder.encode(pixels), reference.encode(pixels)).min() >= 0.999
    reference.close()
    check_encoder(encoder, tolerance=2e-2)
