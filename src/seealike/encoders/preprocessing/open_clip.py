"""What open_clip does with a picture, as its own files say it, those of immich, and those of Jina's CLIP.

Source: ``transform.py`` of open_clip 3.3; the tests compare pixels with it.
"""

from __future__ import annotations

from seealike.encoders.preprocessing.scaling import Scaling
from seealike.encoders.stated import Stated, WrongError, keys_of
from seealike.types import Fit, Preprocessing

_KEYS = ("size", "mode", "mean", "std", "interpolation", "resize_mode", "fill_color")
_IDLE_OF_JINA = ("image_processor_type", "feature_extractor_type", "processor_class", "auto_map")
_FITS = {"shortest": Fit.CROP, "squash": Fit.SQUASH}


def of_config(stated: Stated) -> Preprocessing:
    """``open_clip_config.json``. The picture's size is the model's.

    Raises:
        WrongError: it says it in a way that is not known here.
    """
    if not stated.says("preprocess_cfg"):
        raise WrongError("it has no preprocess_cfg")
    model = Stated(stated.found.get("model_cfg"), "model_cfg")
    vision = Stated(model.found.get("vision_cfg"), "vision_cfg")
    cfg = Stated(stated.found["preprocess_cfg"], "preprocess_cfg")
    if vision.says("image_size"):
        cfg = Stated({**cfg.found, "size": vision.found["image_size"]})
    return prepared(cfg)


def of_jina(stated: Stated) -> Preprocessing:
    """``preprocessor_config.json`` of a model that carries its own code, which is open_clip's.

    Raises:
        WrongError: it says it in a way that is not known here.
    """
    return prepared(Stated({key: value for key, value in stated.found.items() if key not in _IDLE_OF_JINA}))


def prepared(stated: Stated) -> Preprocessing:
    """``preprocess_cfg``, also alone in a file as immich has it. What is not said is as usual in open_clip.

    Raises:
        WrongError: it says it in a way that is not known here.
    """
    if unknown := sorted(set(keys_of(stated.found)) - set(_KEYS)):
        raise WrongError(f"{unknown[0]!r} is unknown; known: {', '.join(_KEYS)}")
    stated.choice("mode", ("RGB",), "RGB")
    fit = _FITS[stated.choice("resize_mode", _FITS, "shortest")]
    side = stated.square("size")
    interpolation = stated.choice("interpolation", ("bicubic", "bilinear", "random"), "bicubic")
    scaling = Scaling(1 / 255).less(stated.triple("mean", spread=True))
    mean, std = scaling.over(stated.triple("std", spread=True), "std").on_bytes()
    # Of random ones open_clip takes bicubic where it does not train.
    return Preprocessing(side, side, mean, std, interpolation.replace("random", "bicubic"), fit)
