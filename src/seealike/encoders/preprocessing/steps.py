"""What is done with a picture as a list of steps, each with its ``type``: ``preprocess.json`` of deepghs.

The steps are torchvision's, by name; see its documentation.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from seealike.encoders.preprocessing.scaling import Scaling
from seealike.encoders.spec import INTERPOLATIONS
from seealike.encoders.stated import Stated, WrongError, keys_of
from seealike.types import Fit, Preprocessing

STAGES = ("test", "stages")
_KEYS = {
    "convert_rgb": {"force_background"},
    "resize": {"size", "interpolation", "max_size", "antialias"},
    "center_crop": {"size"},
    "to_tensor": set(),
    "maybe_to_tensor": set(),
    "rescale": {"rescale_factor"},
    "normalize": {"mean", "std", "inplace"},
}
_LEVELS = ("convert_rgb", "resize", "center_crop", "to_tensor", "maybe_to_tensor")
_NUMBERS = ("rescale", "normalize")


@dataclass(slots=True)
class _Course:
    """How far the steps have come."""

    shortest_px: int | None = None
    side_px: int | None = None
    crop_px: int | None = None
    interpolation: str = ""
    tensor: bool = False
    scaling: Scaling = field(default_factory=lambda: Scaling(1 / 255))

    def take(self, kind: str, step: Stated) -> None:
        """One step more.

        Raises:
            WrongError: it cannot stand here, or says something that is not known.
        """
        if (kind in _LEVELS) is self.tensor:
            raise WrongError(f"the step {kind} stands {'behind' if self.tensor else 'before'} to_tensor")
        if kind == "resize" and not self.interpolation:
            self._resize(step)
        elif kind == "center_crop" and self.interpolation and self.crop_px is None:
            self.crop_px = step.square("size")
        elif kind in ("resize", "center_crop"):
            raise WrongError(f"the step {kind} stands twice, or before resize")
        elif kind in ("to_tensor", "maybe_to_tensor"):
            self.tensor = True
        elif kind == "rescale":
            self.scaling = self.scaling.times(step.number("rescale_factor"))
        elif kind == "normalize":
            less = self.scaling.less(step.triple("mean", spread=True))
            self.scaling = less.over(step.triple("std", spread=True), "std")

    def _resize(self, step: Stated) -> None:
        if step.says("max_size") or not step.flag("antialias", otherwise=True):
            raise WrongError("the step resize has a max_size or no antialias, which is not supported")
        self.interpolation = step.choice("interpolation", INTERPOLATIONS)
        if isinstance(step.found.get("size"), int):
            self.shortest_px = step.side("size")
        else:
            self.side_px = step.square("size")

    def prepared(self) -> Preprocessing:
        """What they come to.

        Raises:
            WrongError: they end before there is a tensor of squares.
        """
        resize = self.side_px or self.shortest_px
        if resize is None or not self.tensor:
            raise WrongError("the steps make no tensor of a size")
        if self.side_px is None and self.crop_px is None:
            raise WrongError(
                "the steps size the shorter side and cut nothing out, so pictures would be no squares"
            )
        crop = self.crop_px or resize
        if crop > resize:
            raise WrongError(
                f"center_crop ({crop}) is larger than resize ({resize}), which gives black edges"
            )
        mean, std = self.scaling.on_bytes()
        fit = Fit.CROP if self.side_px is None else Fit.SQUASH
        return Preprocessing(resize, crop, mean, std, self.interpolation, fit)


def prepared(stated: Stated) -> Preprocessing:
    """How pictures are prepared for a test, not for training.

    Raises:
        WrongError: it says so in a way that is not known here.
    """
    steps = next((stated.found[stage] for stage in STAGES if stated.says(stage)), None)
    if not isinstance(steps, list):
        raise WrongError(f"it has no list of steps called {' or '.join(STAGES)}")
    course = _Course()
    for one in steps:
        step = Stated(one, "a step")
        kind = step.choice("type", _KEYS)
        if unknown := sorted(set(keys_of(step.found)) - _KEYS[kind] - {"type"}):
            raise WrongError(f"{unknown[0]!r} is unknown for the step {kind}")
        course.take(kind, step)
    return course.prepared()
