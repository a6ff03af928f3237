"""What timm does with a picture, as the ``pretrained_cfg`` of its ``config.json`` says it.

Source: ``transforms_imagenet_eval`` of timm 1.0; the tests compare pixels with it.
"""

from __future__ import annotations

import math

from seealike.encoders.preprocessing.scaling import Scaling
from seealike.encoders.spec import INTERPOLATIONS
from seealike.encoders.stated import Stated, WrongError, keys_of, side_of
from seealike.types import Fit, Preprocessing

FITS = {"center": Fit.CROP, "squash": Fit.SQUASH, "border": Fit.PAD}
_USED = {"input_size", "interpolation", "crop_pct", "crop_mode", "mean", "std"}
_IDLE = {
    *("url", "file", "state_dict", "hf_hub_id", "hf_hub_filename", "source", "architecture", "tag"),
    *("custom_load", "test_input_size", "min_input_size", "fixed_input_size", "test_crop_pct", "num_classes"),
    *("label_offset", "label_names", "label_descriptions", "pool_size", "test_pool_size", "first_conv"),
    *(
        "classifier",
        "license",
        "description",
        "origin_url",
        "paper_name",
        "paper_ids",
        "notes",
        "num_features",
    ),
}


def prepared(stated: Stated) -> Preprocessing:
    """How pictures are prepared.

    Raises:
        WrongError: it says so in a way that is not known here.
    """
    if unknown := sorted(set(keys_of(stated.found)) - _USED - _IDLE):
        raise WrongError(f"{unknown[0]!r} is unknown in pretrained_cfg; known: {', '.join(sorted(_USED))}")
    side, share = _side(stated.found.get("input_size")), stated.share("crop_pct")
    scaling = Scaling(1 / 255).less(stated.triple("mean")).over(stated.triple("std"), "std")
    mean, std = scaling.on_bytes()
    fit = FITS[stated.choice("crop_mode", FITS, "center")]
    resize = side_of("input_size over crop_pct", math.floor(side / share))
    return Preprocessing(resize, side, mean, std, stated.choice("interpolation", INTERPOLATIONS), fit)


def _side(size: object) -> int:
    if not isinstance(size, list) or len(size) != 3 or size[0] != 3 or size[1] != size[2]:
        raise WrongError(f"input_size is {size}, not 3 channels of a square")
    return side_of("input_size", size[1])
