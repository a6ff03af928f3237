"""``preprocessor_config.json`` of transformers: what its image processors do with a picture.

Source: the image processors of transformers 5.24, class by class; the tests compare pixels with theirs.
"""

from __future__ import annotations

from dataclasses import dataclass

from seealike.encoders.preprocessing import open_clip
from seealike.encoders.preprocessing.scaling import Scaling
from seealike.encoders.stated import Stated, WrongError, keys_of, side_of
from seealike.types import Fit, Preprocessing

_RESAMPLE = {1: "lanczos", 2: "bilinear", 3: "bicubic"}
_OTHER_RESAMPLE = {0: "nearest", 4: "box", 5: "hamming"}
_USED = {
    *("do_resize", "size", "resample", "do_center_crop", "crop_size", "default_to_square"),
    *("do_rescale", "rescale_factor", "do_normalize", "image_mean", "image_std", "mean", "std"),
}
# About the tensor's place and form, not its values. Pictures are RGB here whatever they were.
_IDLE = {
    *("image_processor_type", "feature_extractor_type", "processor_class", "_processor_class", "use_fast"),
    *("do_convert_rgb", "data_format", "input_data_format", "device", "return_tensors", "disable_grouping"),
    "_valid_processor_keys",
}
_WARPS_FROM_PX = 384  # ConvNext: at this size and above pictures are squashed, not cropped
_CONVNEXT_SHARE = 224 / 256
_HALF_BYTE, _SLACK = 127.5, 1e-3


@dataclass(frozen=True, slots=True)
class _Processor:
    """What a class does where its file says nothing.

    ``square``: a single size is both sides of a square, not the shorter side. ``crops``: it cuts the centre
    out. ``more``: the keys that only it has.
    """

    square: bool
    crops: bool = False
    more: tuple[str, ...] = ()


_PROCESSORS = {
    "BitImageProcessor": _Processor(square=False, crops=True),
    "CLIPImageProcessor": _Processor(square=False, crops=True),
    "ConvNextImageProcessor": _Processor(square=False, more=("crop_pct",)),
    "DINOv3ViTImageProcessor": _Processor(square=True),
    "EfficientNetImageProcessor": _Processor(square=True, more=("rescale_offset", "include_top")),
    "SiglipImageProcessor": _Processor(square=True),
    "ViTImageProcessor": _Processor(square=True),
}
_JINA = "JinaCLIPImageProcessor"


def prepared(stated: Stated) -> Preprocessing:
    """How pictures are prepared.

    Raises:
        WrongError: it says so in a way that is not known here.
    """
    key = "image_processor_type" if stated.says("image_processor_type") else "feature_extractor_type"
    said = stated.text(key) if stated.says(key) else None
    if said is None:
        raise WrongError("it does not say its image_processor_type")
    name = said.removesuffix("Fast").removesuffix("Pil").replace("FeatureExtractor", "ImageProcessor")
    if name == _JINA:
        return open_clip.of_jina(stated)
    if name not in _PROCESSORS:
        raise WrongError(
            f"the image processor {said!r} is unknown; known: {', '.join([*_PROCESSORS, _JINA])}"
        )
    processor = _PROCESSORS[name]
    known = {*_USED, *_IDLE, *processor.more}
    if unknown := sorted(set(keys_of(stated.found)) - known):
        raise WrongError(f"{unknown[0]!r} is unknown for {said}; known: {', '.join(sorted(known))}")
    if not _does(stated, "do_resize"):
        raise WrongError("do_resize is false, so pictures would keep their size")
    resize_px, crop_px, fit = _geometry(stated, processor)
    mean, std = _scaling(stated, processor).on_bytes()
    return Preprocessing(resize_px, crop_px, mean, std, _interpolation(stated), fit)


def _does(stated: Stated, step: str, *, usual: bool = True) -> bool:
    """Whether a step is taken; where nothing is said, as is usual for the class."""
    if usual and step in stated.found and not stated.says(step):
        raise WrongError(
            f"{step} is null, which versions of transformers take differently; true or false is needed"
        )
    return stated.flag(step, otherwise=usual)


def _geometry(stated: Stated, processor: _Processor) -> tuple[int, int, Fit]:
    shortest, side = _size(stated, processor)
    crop = None
    if _does(stated, "do_center_crop", usual=processor.crops):
        crop = _square(stated, "crop_size")
    if "crop_pct" in processor.more:
        return _convnext(stated, shortest, crop)
    if shortest is not None and crop is None:
        raise WrongError("it sizes the shorter side and cuts nothing out, so pictures would be no squares")
    resize = shortest or side or 0
    if crop is None:
        return resize, resize, Fit.SQUASH
    if crop > resize:
        raise WrongError(
            f"crop_size ({crop}) is larger than size ({resize}), so pictures would get black edges"
        )
    if shortest is not None:
        return resize, crop, Fit.CROP_FLOOR
    if (resize - crop) % 4 == 3:  # of what is squashed, seealike rounds the corner half to even
        raise WrongError(
            f"the centre {crop} of {resize} px begins between two pixels, which is not supported"
        )
    return resize, crop, Fit.SQUASH


def _convnext(stated: Stated, shortest: int | None, crop: int | None) -> tuple[int, int, Fit]:
    if shortest is None or crop is not None:
        raise WrongError("a ConvNext processor sizes the shorter side, and cuts by its crop_pct alone")
    if shortest >= _WARPS_FROM_PX:
        return shortest, shortest, Fit.SQUASH
    share = stated.share("crop_pct", _CONVNEXT_SHARE)
    return side_of("size over crop_pct", int(shortest / share)), shortest, Fit.CROP_FLOOR


def _size(stated: Stated, processor: _Processor) -> tuple[int | None, int | None]:
    """The length of the shorter side, or that of both."""
    value = stated.found.get("size")
    if isinstance(value, dict) and keys_of(value) == ["shortest_edge"]:
        return side_of("size.shortest_edge", value["shortest_edge"]), None
    side = _square(stated, "size")
    if isinstance(value, int) and not stated.flag("default_to_square", otherwise=processor.square):
        return side, None
    return None, side


def _square(stated: Stated, key: str) -> int:
    """The side of a square: a number, a pair, or height and width."""
    value = stated.found.get(key)
    if isinstance(value, dict):
        if sorted(keys_of(value)) != ["height", "width"]:
            said = ", ".join(map(str, keys_of(value))) or "nothing"
            raise WrongError(f"{key} says {said}, not height and width")
        return Stated({key: [value["height"], value["width"]]}).square(key)
    return stated.square(key)


def _interpolation(stated: Stated) -> str:
    value = stated.found.get("resample")
    if type(value) is not int:
        raise WrongError("resample is missing, and the classes' usual one has changed with time")
    if value not in _RESAMPLE:
        known = ", ".join(f"{number} ({name})" for number, name in _RESAMPLE.items())
        said = f" ({_OTHER_RESAMPLE[value]})" if value in _OTHER_RESAMPLE else ""
        raise WrongError(f"resample is {value}{said}, not one of {known}")
    return _RESAMPLE[value]


def _scaling(stated: Stated, processor: _Processor) -> Scaling:
    """What becomes of bytes."""
    factor = stated.number("rescale_factor", 1 / 255)
    scaling = Scaling(1.0).times(factor) if _does(stated, "do_rescale") else Scaling(1.0)
    if "include_top" in processor.more:
        if _does(stated, "include_top"):
            raise WrongError("include_top is not false, so values would be divided by the deviation twice")
        if _does(stated, "rescale_offset", usual=False):
            if abs(factor * _HALF_BYTE - 1) > _SLACK:  # else versions of transformers differ
                raise WrongError("rescale_offset goes with a rescale_factor of 1 / 127.5 only")
            scaling = scaling.less((1.0, 1.0, 1.0))
    if not _does(stated, "do_normalize"):
        return scaling
    # Early exports of SigLIP say mean and std.
    mean, std = (old if stated.says(old) else f"image_{old}" for old in ("mean", "std"))
    return scaling.less(stated.triple(mean, spread=True)).over(stated.triple(std, spread=True), std)
