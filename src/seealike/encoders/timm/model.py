"""A timm model asked for by name: found, given its weights, cut where the feature is taken. Needs torch."""

from __future__ import annotations

import difflib
import importlib
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from seealike.encoders.spec import INTERPOLATIONS, EncoderSpec, Pooling
from seealike.encoders.speed import trial_pictures
from seealike.encoders.timm.features import (
    FEATURES,
    OWN_POOLING,
    PENULTIMATE,
    check_layer,
    check_vectors,
    picture_features,
)
from seealike.encoders.timm.hub import pretrained_weights
from seealike.encoders.weights import WeightsFile, given_weights, load_weights, read_weights
from seealike.errors import EncoderError, MissingExtraError, UsageError
from seealike.types import EncoderIdentity, Fit, Preprocessing

if TYPE_CHECKING:
    import torch
    from timm.models import PretrainedCfg

    from seealike.encoders.weights import State

_FITS = {"center": Fit.CROP, "squash": Fit.SQUASH, "border": Fit.PAD}
# What model families of timm call their reader of older files. Whatever it returns is checked as any other.
_FILTERS = ("checkpoint_filter_fn", "_filter_fn")


@dataclass(frozen=True, slots=True)
class TimmModel:
    """A timm model with its weights, ready to run.

    ``network`` takes uint8 pictures (n, crop_px, crop_px, 3) and returns float32 (n, dimension).
    """

    network: torch.nn.Module
    identity: EncoderIdentity
    weights: WeightsFile


def require_timm() -> None:
    """Check that torch and timm are installed.

    Raises:
        MissingExtraError: they are not.
        EncoderError: they do not go together, as a torchvision for another torch.
    """
    try:
        import onnx  # noqa: F401 - torch writes ONNX files with it
        import timm  # noqa: F401
        import torch  # noqa: F401
    except ImportError as exc:
        raise MissingExtraError("a timm model", "torch") from exc
    except RuntimeError as exc:
        raise EncoderError(f"timm cannot be imported ({' '.join(str(exc).split())[:200]})") from exc


def load_timm_model(spec: EncoderSpec) -> TimmModel:
    """Build the model that ``spec`` asks for, and load its weights.

    Raises:
        UsageError: timm has no such model, or it no such layer, or the sizes make no sense.
        MissingExtraError: torch or timm is not installed.
        EncoderError: the weights are missing or do not fit, or the layer gives no vector.
    """
    require_timm()
    if spec.text is not None:
        raise UsageError("the encoder option text= is for onnx: files; a timm model has no text tower")
    record = _record(spec.target)
    preprocessing = preprocessing_of(spec, record)
    network = _network(spec, record, preprocessing.crop_px)
    if spec.layer is not None:
        check_layer(network, spec.layer, str(EncoderSpec(spec.scheme, spec.target)))
    weights = given_weights(spec.weights) if spec.weights else pretrained_weights(spec.target, record)
    load_weights(
        network,
        read_weights(weights.path),
        spare=_unused(record, spec.layer),
        convert=lambda state: _converted(spec.target, network, state),
        what=f"{weights.path} does not fit {spec.target}",
    )
    features = picture_features(network, preprocessing, spec.layer, spec.pool)
    layer, pooling, dimension = _described(features, preprocessing, spec)
    name = str(EncoderSpec(spec.scheme, spec.target))
    identity = EncoderIdentity(name, weights.sha256, preprocessing, layer, pooling, dimension)
    return TimmModel(features, identity, weights)


def _record(name: str) -> PretrainedCfg:
    """What timm knows of a model: its preprocessing, and where its weights are."""
    import timm
    from timm.models import get_pretrained_cfg

    architecture, _, tag = name.partition(".")
    known = timm.list_models()
    if architecture not in known:
        near = difflib.get_close_matches(architecture, known, n=5, cutoff=0.5)
        said = f"near: {', '.join(near)}" if near else "timm.list_models() lists them"
        raise UsageError(f"timm has no model {name!r}; {said}")
    tagged = timm.list_models(f"{architecture}.*", pretrained=True)
    if tag and name not in tagged:
        raise UsageError(f"timm has no weights {name!r}; known: {', '.join(tagged) or 'none'}")
    record: PretrainedCfg | None = get_pretrained_cfg(name)
    if record is None:
        raise EncoderError(
            f"timm has no record of how {name} was trained; export it to ONNX and use onnx:FILE"
        )
    return record


def preprocessing_of(spec: EncoderSpec, record: PretrainedCfg) -> Preprocessing:
    """How the model's own record says pictures are prepared, with what ``spec`` says instead.

    Raises:
        UsageError: ``resize`` is smaller than the square that the model sees.
        EncoderError: the model takes something else than square RGB pictures.
    """
    from timm.data import resolve_data_config

    said = resolve_data_config({}, pretrained_cfg=record.to_dict())
    channels, height, width = said["input_size"]
    if channels != 3 or (height != width and spec.size is None):
        raise EncoderError(
            f"{spec.target} takes {channels} x {height} x {width}, not square RGB; give a size="
        )
    side = spec.size or int(height)
    resize = spec.resize or math.floor(side / said["crop_pct"])
    if resize < side:
        raise UsageError(f"the encoder option resize= ({resize}) is smaller than the model's {side} px")
    mean, std = (spec.norm.mean, spec.norm.std) if spec.norm else (said["mean"], said["std"])
    (r, g, b), (u, v, w) = ([round(float(value) * 255, 6) for value in triple] for triple in (mean, std))
    interpolation = said["interpolation"] if said["interpolation"] in INTERPOLATIONS else "bicubic"
    return Preprocessing(
        resize_px=resize,
        crop_px=side,
        mean=(r, g, b),
        std=(u, v, w),
        interpolation=spec.interpolation or interpolation,
        fit=spec.fit or _FITS.get(said["crop_mode"], Fit.CROP),
        bgr=spec.norm is not None and spec.norm.bgr,
    )


def _network(spec: EncoderSpec, record: PretrainedCfg, side_px: int) -> torch.nn.Module:
    """The architecture; its weights are whatever torch drew, and are replaced by the caller."""
    import timm

    own_size = record.input_size[1]
    try:
        if record.fixed_input_size and side_px != own_size:
            return timm.create_model(spec.target, pretrained=False, img_size=side_px)
        return timm.create_model(spec.target, pretrained=False)
    except (TypeError, ValueError, AssertionError, RuntimeError) as exc:
        raise EncoderError(
            f"timm cannot build {spec.target} for {side_px} px ({' '.join(str(exc).split())[:200]}); "
            f"its own size is {own_size}"
        ) from exc


def _unused(record: PretrainedCfg, layer: str | None) -> tuple[str, ...]:
    """The classifiers, where the feature is taken before them."""
    found = record.classifier or ()
    classifiers = (found,) if isinstance(found, str) else tuple(found)
    if layer is not None and any(f"{name}.".startswith(f"{layer}.") for name in classifiers):
        return ()
    return classifiers


def _converted(name: str, network: torch.nn.Module, state: State) -> State | None:
    """Let the model's family read an older file's names; None where it cannot."""
    import timm

    family = importlib.import_module(timm.model_entrypoint(name.partition(".")[0]).__module__)
    for filter_name in _FILTERS:
        convert = getattr(family, filter_name, None)
        if convert is None:
            continue
        for arguments in ((state, network), (state,)):
            try:
                return dict(convert(*arguments))
            except (TypeError, KeyError, ValueError, IndexError, RuntimeError, AttributeError):
                continue
    return None


def _described(
    features: torch.nn.Module, preprocessing: Preprocessing, spec: EncoderSpec
) -> tuple[str, str, int]:
    """Run the network once; return what the space calls its layer and its pooling, and the dimension."""
    import torch

    side = preprocessing.crop_px
    try:
        with torch.inference_mode():
            vectors = features(torch.from_numpy(trial_pictures(2, side)))
    except (RuntimeError, AssertionError, ValueError, TypeError) as exc:
        raise EncoderError(
            f"{spec.target} cannot run at {side} px ({' '.join(str(exc).split())[:200]})"
        ) from exc
    check_vectors(vectors)
    layer = spec.layer or (FEATURES if spec.pool else PENULTIMATE)
    return layer, _pooling(spec, features.rank), int(vectors.shape[1])


def _pooling(spec: EncoderSpec, rank: int) -> str:
    if rank == 2:
        return Pooling.NONE.value if spec.layer or spec.pool else OWN_POOLING
    return (spec.pool or Pooling.AVG).value
