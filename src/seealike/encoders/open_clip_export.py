"""Both towers of an open_clip model to ONNX files, with their cards and the tokenizer. Needs torch."""

from __future__ import annotations

import hashlib
import json
import os
import warnings
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from seealike.encoders.card import EncoderCard, InputForm, write_card
from seealike.encoders.model_file import read_model_file
from seealike.encoders.open_clip import CONFIG_FILE, PICTURES_FILE, TEXT_FILE
from seealike.encoders.open_clip_tokenizer import write_tokenizer
from seealike.encoders.parity import LEAST_COSINE, LEAST_COSINE_FASTEST, cosines
from seealike.encoders.spec import NORMALISATIONS, OPEN_CLIP, Normalisation, on_bytes
from seealike.encoders.text_card import write_text_card
from seealike.encoders.timm_features import trial_pictures
from seealike.encoders.weights import file_sha256, given_weights, load_weights, read_weights
from seealike.errors import EncoderError, MissingExtraError, UnknownNameError, UsageError
from seealike.types import Fit, Preprocessing

if TYPE_CHECKING:
    import numpy.typing as npt
    import torch

    from seealike.encoders._runtime import Precision
    from seealike.encoders.open_clip import OpenClipModel
    from seealike.encoders.weights import State, WeightsFile
    from seealike.types import Float32Array

_FITS = {"shortest": Fit.CROP, "squash": Fit.SQUASH, "longest": Fit.PAD}
_PREPROCESSING = ("mean", "std", "interpolation", "resize_mode")
_OPSET = 17


@dataclass(frozen=True, slots=True)
class OpenClipConfig:
    """A model's architecture and how its pictures are prepared, in open_clip's own words."""

    model: dict[str, object]
    preprocess: dict[str, object]

    @property
    def digest(self) -> str:
        """Names the architecture: the same weights with another activation are another space."""
        return hashlib.sha256(json.dumps(self.model, sort_keys=True, default=str).encode()).hexdigest()[:8]

    @property
    def text(self) -> dict[str, object]:
        """The part about the text tower."""
        found = self.model.get("text_cfg")
        return found if isinstance(found, dict) else {}


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
    config = _config(model)
    _check_text_tower(model, config)
    weights = given_weights(model.weights.path) if model.weights else _downloaded(model)
    text_card = write_tokenizer(model, config.text, folder)
    network = _network(model, config)
    load_weights(
        network,
        read_weights(weights.path),
        spare=(),
        convert=lambda state: _converted(network, state),
        what=f"{weights.path} does not fit {OPEN_CLIP}:{model.name}",
    )
    preprocessing = _preprocessing(model, config, network)
    pictures, text = (os.path.join(folder, file) for file in (PICTURES_FILE, TEXT_FILE))
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


def _config(model: OpenClipModel) -> OpenClipConfig:
    """The file beside the weights, or what open_clip knows under the name."""
    from open_clip import get_model_config, get_pretrained_cfg, list_models, list_pretrained_tags_by_model

    path = model.beside(CONFIG_FILE)
    if path is not None:
        return _config_file(path)
    if model.name not in list_models():
        raise UnknownNameError("open_clip model", model.name, list_models())
    tags = list_pretrained_tags_by_model(model.name)
    if model.tag and model.tag not in tags:
        raise UnknownNameError(f"weights of {model.name}", model.tag, tags)
    stated = [get_pretrained_cfg(model.name, tag) for tag in ([model.tag] if model.tag else tags)]
    config = OpenClipConfig(get_model_config(model.name), _agreed(stated))
    if model.tag and stated[0].get("quick_gelu") and not config.model.get("quick_gelu"):
        raise UsageError(
            f"the weights {model.tag} were trained with another activation than {model.name} has; "
            f"try {OPEN_CLIP}:{model.name}-quickgelu/{model.tag}"
        )
    return config


def _agreed(configs: list[dict[str, object]]) -> dict[str, object]:
    """How most of a model's known weights want their pictures; where they differ, see the how-to page."""
    kept = [{key: config[key] for key in _PREPROCESSING if config.get(key)} for config in configs]
    return max(kept, key=kept.count, default={})


def _config_file(path: str) -> OpenClipConfig:
    try:
        with open(path, encoding="utf-8") as file:
            found = json.load(file)
        model, preprocess = found["model_cfg"], found.get("preprocess_cfg", {})
        parts = {
            "text_cfg": model["text_cfg"],
            "vision_cfg": model["vision_cfg"],
            "preprocess_cfg": preprocess,
        }
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise EncoderError(f"{path} is no configuration of open_clip: {type(exc).__name__}: {exc}") from exc
    if wrong := [name for name, part in parts.items() if not isinstance(part, dict)]:
        raise EncoderError(f"{path} is no configuration of open_clip: {wrong[0]} is no JSON object")
    return OpenClipConfig(model, preprocess)


def _check_text_tower(model: OpenClipModel, config: OpenClipConfig) -> None:
    if "hf_model_name" in config.text:
        raise EncoderError(
            f"the text tower of {model.name} is a model of the package transformers, which is not supported; "
            "export both towers to ONNX yourself, and ask for onnx:PICTURES?text=TEXTS"
        )
    if "multimodal_cfg" in config.model:
        raise EncoderError(
            f"{model.name} is a CoCa model, which is not supported; use a CLIP or SigLIP model"
        )


def _downloaded(model: OpenClipModel) -> WeightsFile:
    from open_clip import download_pretrained, get_pretrained_cfg

    config = get_pretrained_cfg(model.name, model.tag)
    try:
        path = download_pretrained(config)
    except Exception as exc:  # whatever network, hub and disk raise
        place = config.get("hf_hub") or config.get("url")
        raise EncoderError(
            f"the weights {model.tag} of {model.name} cannot be downloaded ({type(exc).__name__}); try again "
            f"with a network, or fetch {place} elsewhere and give {OPEN_CLIP}:{model.name}?weights=FILE"
        ) from exc
    return given_weights(path)


def _network(model: OpenClipModel, config: OpenClipConfig) -> torch.nn.Module:
    """The network with random weights; nothing is downloaded."""
    from open_clip import CLIP, CustomTextCLIP

    settings = {key: value for key, value in config.model.items() if key != "custom_text"}
    vision = settings.get("vision_cfg")
    if isinstance(vision, dict):
        if ":" in str(vision.get("timm_model_name")):  # as hf-hub:..., which timm would fetch
            raise EncoderError(
                f"the configuration of {model.name} names a picture tower elsewhere, which is refused"
            )
        settings["vision_cfg"] = {**vision, "timm_model_pretrained": False}
    kind = CustomTextCLIP if config.model.get("custom_text") else CLIP
    try:
        network: torch.nn.Module = kind(**settings)
    except (TypeError, ValueError, RuntimeError, AssertionError) as exc:
        reason = " ".join(str(exc).split())
        raise EncoderError(f"open_clip cannot make {model.name} of its configuration: {reason}") from exc
    return network.eval()


def _converted(network: torch.nn.Module, state: State) -> State | None:
    """Weights under names of other projects or of older versions, under this version's names."""
    from open_clip.convert import convert_state_dict
    from open_clip.model import convert_to_custom_text_state_dict

    try:
        found: State = convert_state_dict(network, state)
        if "positional_embedding" in found and not hasattr(network, "positional_embedding"):
            found = convert_to_custom_text_state_dict(found)
    except (KeyError, RuntimeError, AttributeError):
        return None
    for name, value in network.state_dict().items():
        if name in found and found[name].numel() == value.numel() == 1:
            found[name] = found[name].reshape(value.shape)  # a number, or an array of one
    return found


def _preprocessing(model: OpenClipModel, config: OpenClipConfig, network: torch.nn.Module) -> Preprocessing:
    stated = config.preprocess
    size = getattr(network.visual, "image_size", None)
    height, width = size if isinstance(size, tuple | list) else (size, size)
    if not isinstance(height, int) or height != width:
        raise EncoderError(f"{model.name} takes pictures of {size} pixels; only squares are supported")
    mode = stated.get("resize_mode", "shortest")
    if mode not in _FITS:
        raise EncoderError(f"{model.name} wants its pictures resized by {mode!r}, which is not supported")
    clip = NORMALISATIONS["clip"]
    norm = model.spec.norm or Normalisation(
        _triple(stated.get("mean"), clip.mean), _triple(stated.get("std"), clip.std)
    )
    return Preprocessing(
        resize_px=height,
        crop_px=height,
        mean=on_bytes(norm.mean),
        std=on_bytes(norm.std),
        interpolation="bilinear" if stated.get("interpolation") == "bilinear" else "bicubic",
        fit=_FITS[str(mode)],
        bgr=norm.bgr,
    )


def _triple(value: object, otherwise: tuple[float, float, float]) -> tuple[float, float, float]:
    if not isinstance(value, tuple | list) or len(value) != 3:
        return otherwise
    red, green, blue = map(float, value)
    return red, green, blue


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
    return not _agrees_in_fastest(files[0], pictures.numpy(), wanted)


def _export(tower: torch.nn.Module, example: torch.Tensor, names: tuple[str, str], file: str) -> Float32Array:
    """Write one tower, whose first axis stays open, and check it against what torch computes; return that."""
    import torch

    taken, given = names
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(value=False)  # which has no counterpart in ONNX
    try:
        with torch.inference_mode(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the tracer: the check below decides
            wanted: Float32Array = tower(example).numpy()
            torch.onnx.export(
                tower,
                (example,),
                file,
                input_names=[taken],
                output_names=[given],
                dynamic_axes={taken: {0: "n"}, given: {0: "n"}},
                opset_version=_OPSET,
                dynamo=False,
            )
    except (RuntimeError, TypeError, ValueError, AssertionError, AttributeError, ImportError) as exc:
        reason = " ".join(str(exc).split())[:200]
        raise EncoderError(f"torch cannot export {os.path.basename(file)}: {reason}") from exc
    finally:
        torch.backends.mha.set_fastpath_enabled(value=fast)
    cosine = _cosine(file, example.numpy(), wanted, "f32")
    if not cosine >= LEAST_COSINE:
        raise EncoderError(f"the exported {os.path.basename(file)} is not the model (cosine {cosine:.4f})")
    return wanted


def _agrees_in_fastest(file: str, example: npt.NDArray[np.generic], wanted: Float32Array) -> bool:
    """Whether a tower also computes that in the precision in which this CPU is quickest."""
    import openvino

    from seealike.encoders._runtime import fastest_precision

    fastest = fastest_precision(openvino.Core())
    return fastest == "f32" or _cosine(file, example, wanted, fastest) >= LEAST_COSINE_FASTEST


def _cosine(file: str, example: npt.NDArray[np.generic], wanted: Float32Array, precision: Precision) -> float:
    """The least cosine of what a tower's file computes with what torch does."""
    from seealike.encoders._runtime import read_model, reason_of

    model = read_model(read_model_file(file))
    import openvino

    try:
        compiled = openvino.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": precision})
        found = np.asarray(compiled(example)[0], np.float32)
    except RuntimeError as exc:
        raise EncoderError(f"OpenVINO cannot run {os.path.basename(file)}: {reason_of(exc)}") from exc
    return float(cosines(found, wanted).min())
