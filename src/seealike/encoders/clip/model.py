"""An open_clip model asked for by name: its configuration, its weights, its network. Needs torch."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from seealike.encoders.spec import NORMALISATIONS, OPEN_CLIP, Normalisation, on_bytes
from seealike.encoders.weights import given_weights
from seealike.errors import EncoderError, UnknownNameError, UsageError
from seealike.types import Fit, Preprocessing

if TYPE_CHECKING:
    import torch

    from seealike.encoders.spec import EncoderSpec
    from seealike.encoders.weights import State, WeightsFile

CONFIG_FILE = "open_clip_config.json"
_FITS = {"shortest": Fit.CROP, "squash": Fit.SQUASH, "longest": Fit.PAD}
_PREPROCESSING = ("mean", "std", "interpolation", "resize_mode")


@dataclass(frozen=True, slots=True)
class OpenClipModel:
    """A model as somebody asked for it.

    Args:
        name: of the architecture.
        tag: of the weights that open_clip knows; empty where a file was given.
        weights: the file; None where it would have to be downloaded.
        spec: what was asked for.
    """

    name: str
    tag: str
    weights: WeightsFile | None
    spec: EncoderSpec

    def beside(self, file: str) -> str | None:
        """A file in the folder of the weights, None where there is none."""
        path = os.path.join(os.path.dirname(self.weights.path), file) if self.weights else ""
        return path if path and os.path.isfile(path) else None


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


def open_clip_config(model: OpenClipModel) -> OpenClipConfig:
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


def check_text_tower(model: OpenClipModel, config: OpenClipConfig) -> None:
    """Refuse models whose text tower cannot be exported.

    Raises:
        EncoderError: it is of the package transformers, or writes captions.
    """
    if "hf_model_name" in config.text:
        raise EncoderError(
            f"the text tower of {model.name} is a model of the package transformers, which is not supported; "
            "export both towers to ONNX yourself, and ask for onnx:PICTURES?text=TEXTS"
        )
    if "multimodal_cfg" in config.model:
        raise EncoderError(
            f"{model.name} is a CoCa model, which is not supported; use a CLIP or SigLIP model"
        )


def downloaded_weights(model: OpenClipModel) -> WeightsFile:
    """Weights that open_clip knows by name.

    Raises:
        EncoderError: they cannot be downloaded.
    """
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


def untrained_network(model: OpenClipModel, config: OpenClipConfig) -> torch.nn.Module:
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


def converted(network: torch.nn.Module, state: State) -> State | None:
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


def preprocessing_of(model: OpenClipModel, config: OpenClipConfig, network: torch.nn.Module) -> Preprocessing:
    """How pictures are prepared: as asked, else as the configuration says.

    Raises:
        EncoderError: the model takes something else than squares.
    """
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
