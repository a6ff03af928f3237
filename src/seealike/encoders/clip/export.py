"""Both towers of an open_clip model to ONNX files, with their cards and the tokenizer. Needs torch."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

from seealike.encoders.cache import file_sha256
from seealike.encoders.card import EncoderCard, InputForm, write_card
from seealike.encoders.clip.model import (
    check_text_tower,
    converted,
    downloaded_weights,
    open_clip_config,
    preprocessing_of,
    untrained_network,
)
from seealike.encoders.clip.tokenizer_export import write_tokenizer
from seealike.encoders.export import (
    EXPORT_ERRORS,
    LEAST_COSINE,
    LEAST_COSINE_FASTEST,
    MODEL_FILE,
    least_cosine,
    traced,
)
from seealike.encoders.onnx.file import read_model_file
from seealike.encoders.onnx.openvino import read_model
from seealike.encoders.spec import OPEN_CLIP
from seealike.encoders.speed import trial_pictures
from seealike.encoders.text_card import write_text_card
from seealike.encoders.weights import given_weights, load_weights, read_weights
from seealike.errors import EncoderError, MissingExtraError

if TYPE_CHECKING:
    import openvino
    import torch

    from seealike.encoders.clip.model import OpenClipModel
    from seealike.types import Float32Array, Preprocessing

TEXT_FILE = "text.onnx"


def export_pair(model: OpenClipModel, folder: str) -> str:
    """Write both towers, their cards and the tokenizer into ``folder``; return the SHA-256 of the weights.

    Raises:
        MissingExtraError: torch or open_clip is not installed.
        UnknownNameError: open_clip knows no such model or weights.
        UsageError: the weights are of a variant of the model.
        EncoderError: the weights cannot be had or do not fit; the text tower or tokenizer is of another kind.
    """
    try:
        import open_clip  # noqa: F401
    except ImportError as exc:
        raise MissingExtraError(f"{OPEN_CLIP}:{model.name}", "clip") from exc
    config = open_clip_config(model)
    check_text_tower(model, config)
    weights = given_weights(model.weights.path) if model.weights else downloaded_weights(model)
    text_card = write_tokenizer(model, config.text, folder)
    network = untrained_network(model, config)
    load_weights(
        network,
        read_weights(weights.path),
        spare=(),
        convert=lambda state: converted(network, state),
        what=f"{weights.path} does not fit {OPEN_CLIP}:{model.name}",
    )
    preprocessing = preprocessing_of(model, config, network)
    pictures, text = (os.path.join(folder, file) for file in (MODEL_FILE, TEXT_FILE))
    precise = _export_towers(network, preprocessing, text_card.context_length, (pictures, text))
    card = EncoderCard(
        name=f"{OPEN_CLIP}:{model.spec.target}",
        preprocessing=preprocessing,
        layer=f"image_embeds {config.digest}",
        pooling="none",
        input=InputForm.PICTURES,
        licence=weights.licence,
        source=weights.source,
        text=TEXT_FILE,
        precise=precise,
    )
    write_card(pictures, card)
    write_text_card(text, replace(text_card, pictures_sha256=file_sha256(pictures)))
    return weights.sha256


def _export_towers(
    network: torch.nn.Module, preprocessing: Preprocessing, context_length: int, files: tuple[str, str]
) -> bool:
    """Write both towers; return whether the pictures' computes something else in bfloat16."""
    import torch

    class Pictures(torch.nn.Module):  # type: ignore[misc]
        """uint8 (n, h, w, 3) to (n, d)."""

        def __init__(self) -> None:
            super().__init__()
            self.network = network
            self.register_buffer("mean", torch.tensor(preprocessing.mean).view(1, 3, 1, 1))
            self.register_buffer("std", torch.tensor(preprocessing.std).view(1, 3, 1, 1))

        def forward(self, pictures: torch.Tensor) -> torch.Tensor:
            scaled = (pictures.permute(0, 3, 1, 2).float() - self.mean) / self.std
            return self.network.encode_image(scaled.flip(1) if preprocessing.bgr else scaled)

    class Texts(torch.nn.Module):  # type: ignore[misc]
        """int64 (n, context_length) to (n, d)."""

        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
            return self.network.encode_text(input_ids)

    side = preprocessing.crop_px
    pictures = torch.from_numpy(trial_pictures(2, side))
    texts = torch.zeros((2, context_length), dtype=torch.int64)
    texts[:, : min(5, context_length)] = torch.arange(1, min(5, context_length) + 1)
    wanted = _export(Pictures().eval(), pictures, ("pictures", "image_embeds"), files[0])
    _export(Texts().eval(), texts, ("input_ids", "text_embeds"), files[1])
    return least_cosine(_read(files[0]), pictures.numpy(), wanted) < LEAST_COSINE_FASTEST


def _export(tower: torch.nn.Module, example: torch.Tensor, names: tuple[str, str], file: str) -> Float32Array:
    """Write one tower, and check it against what torch computes; return that."""
    import torch

    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(value=False)  # which has no counterpart in ONNX
    try:
        with torch.inference_mode():
            wanted: Float32Array = tower(example).numpy()
        traced(tower, example, names, file)
    except EXPORT_ERRORS as exc:
        reason = " ".join(str(exc).split())[:200]
        raise EncoderError(f"torch cannot export {os.path.basename(file)}: {reason}") from exc
    finally:
        torch.backends.mha.set_fastpath_enabled(value=fast)
    cosine = least_cosine(_read(file), example.numpy(), wanted, "f32")
    if not cosine >= LEAST_COSINE:
        raise EncoderError(f"the exported {os.path.basename(file)} is not the model (cosine {cosine:.4f})")
    return wanted


def _read(file: str) -> openvino.Model:
    return read_model(read_model_file(file))
