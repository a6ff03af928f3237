"""How people name an encoder and its settings, in one line of text.

    efficientnet-lite0
    fashion-siglip, or clothing           a preset, or what it is for (see ``hub.presets``)
    onnx:trunk.onnx?layer=t462&pool=avg&size=320&resize=366&norm=imagenet
    timm:vgg16?layer=features.30&pool=flatten&weights=vgg16.safetensors
    open_clip:ViT-B-32?weights=vit-b-32.safetensors
    hub:owner/name?file=onnx/model.onnx&revision=<40 digits>&layer=last_hidden_state&pool=cls
    kept:encoders/<key>.json              a copy that a catalogue has made for itself (see ``kept``)
    NAME or NAME:ARGUMENT                 an encoder of an installed package (see ``plugins``)

The text is checked here once; inside there are only values. Nothing is opened.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TypeAlias

from seealike.errors import UnknownNameError, UsageError
from seealike.types import Fit

Triple: TypeAlias = tuple[float, float, float]
ONNX, TIMM, OPEN_CLIP, KEPT, HUB = "onnx", "timm", "open_clip", "kept", "hub"
# What is meant by a task. None of these ever changes: other encoders get other names.
ALIASES = {"shop": "clip-b32-laion2b", "photos": "dinov2-small", "clothing": "fashion-siglip"}
MAX_SIDE_PX, MAX_DIMENSION = 4096, 1 << 20
INTERPOLATIONS = ("bicubic", "bilinear", "lanczos")


# Of the generalised mean, wherever it is computed; what is smaller than the second counts as that.
GEM_EXPONENT, GEM_LEAST = 3.0, 1e-6


class Pooling(StrEnum):
    """How a map of features (n, c, h, w) becomes one vector a picture.

    ``NONE`` takes (n, d) as it is. ``GEM`` is the generalised mean with exponent 3 (Radenovic et al. 2018,
    equation 3). ``CLS`` takes the first of tokens (n, t, d), which stands for the whole in transformers.
    """

    AVG = "avg"
    MAX = "max"
    GEM = "gem"
    FLATTEN = "flatten"
    CLS = "cls"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Normalisation:
    """``(value - mean) / std`` for each of R, G, B on the 0..1 scale; ``bgr`` reverses the channels after."""

    mean: Triple
    std: Triple
    bgr: bool = False


def on_bytes(values: Triple) -> Triple:
    """Numbers of the 0..1 scale on that of bytes, to six decimals: identities are compared by them."""
    red, green, blue = (round(255.0 * value, 6) for value in values)
    return red, green, blue


NORMALISATIONS = {
    "imagenet": Normalisation((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "clip": Normalisation((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)),
    "half": Normalisation((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    "unit": Normalisation((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
    "raw": Normalisation((0.0, 0.0, 0.0), (1 / 255, 1 / 255, 1 / 255)),
    "caffe": Normalisation(
        (123.68 / 255, 116.779 / 255, 103.939 / 255), (1 / 255, 1 / 255, 1 / 255), bgr=True
    ),
}


@dataclass(frozen=True, slots=True)
class EncoderSpec:
    """An encoder as somebody asked for it. ``None`` means: as the model's own record says.

    Args:
        scheme: ``onnx``, ``timm``, ``open_clip``, ``hub``, ``kept``, or the name of a known or an installed
            encoder.
        target: an absolute file for ``onnx`` and ``kept``, a model name for ``timm`` and ``open_clip``, a
            repository for ``hub``, else whatever came after the colon.
        layer: the tensor or module whose output is taken.
        pool: how it becomes one vector.
        weights: an absolute file with the model's weights (``timm``, ``open_clip``).
        text: an absolute file with the model's text tower (``onnx``), or where that is in its repository
            (``hub``).
        size: the side in px of the square that the model sees.
        resize: the side in px that the picture is resized to before.
        fit: how a picture that is no square is fitted.
        interpolation: one of ``INTERPOLATIONS``.
        norm: how the values are scaled.
        focus: whether it looks at what a picture shows, and not at the whole.
        dims: how many numbers of a vector are kept, the first ones.
        path: where the model is in its repository (``hub``).
        revision: the commit of that (``hub``).
    """

    scheme: str
    target: str = ""
    layer: str | None = None
    pool: Pooling | None = None
    weights: str | None = None
    text: str | None = None
    size: int | None = None
    resize: int | None = None
    fit: Fit | None = None
    interpolation: str | None = None
    norm: Normalisation | None = None
    focus: bool | None = None
    dims: int | None = None
    path: str | None = None
    revision: str | None = None

    @classmethod
    def of_file(cls, path: str) -> EncoderSpec:
        """The ONNX file at an absolute path, as its own record says."""
        return cls(ONNX, path)

    @property
    def file(self) -> str | None:
        """The ONNX file that it names, if it names one."""
        return self.target if self.scheme == ONNX else None

    @property
    def is_copy(self) -> bool:
        """Whether it names what a catalogue keeps."""
        return self.scheme == KEPT

    @property
    def is_installed(self) -> bool:
        """Whether it is known by its name alone: it came with this package or another."""
        return self.scheme not in (*_EXAMPLES, KEPT)

    def __str__(self) -> str:
        """The text that ``parse_spec`` reads back."""
        name = f"{self.scheme}:{_quoted(self.target)}" if self.target else self.scheme
        options = "&".join(f"{option}={_quoted(value)}" for option, value in _texts(self).items())
        return f"{name}?{options}" if options else name


def parse_spec(text: str) -> EncoderSpec:
    """Read what somebody typed; relative files are taken from the working directory.

    Raises:
        UsageError: there is no name, or an option's value makes no sense.
        UnknownNameError: there is no such option.
    """
    name, question, options = text.rpartition("?")
    if not question or "=" not in options:
        name, options = text, ""
    scheme, _, target = ALIASES.get(name, name).partition(":")
    if not scheme:
        raise UsageError(f"{text!r} names no encoder; `seealike encoders` lists them")
    if scheme in _EXAMPLES and not target:
        raise UsageError(f"{scheme}: needs a name after the colon, for instance {_EXAMPLES[scheme]}")
    target = _unquoted(target)
    spec = EncoderSpec(scheme, _absolute(target) if scheme in (ONNX, KEPT) else target)
    pairs = (part.partition("=") for part in options.split("&") if part)
    spec = with_options(spec, {option: _unquoted(value) for option, _, value in pairs})
    if scheme == HUB and (spec.path is None or spec.revision is None):
        raise UsageError(f"{HUB}: needs the file and the commit that it is of, for instance {_EXAMPLES[HUB]}")
    return spec


def with_options(spec: EncoderSpec, options: Mapping[str, str]) -> EncoderSpec:
    """``spec`` with more options, given as texts.

    Raises:
        UsageError: a value makes no sense.
        UnknownNameError: there is no such option.
    """
    found: dict[str, object] = {}
    for option, value in options.items():
        if option not in _PARSED:
            raise UnknownNameError("encoder option", option, _PARSED)
        if not value:
            raise UsageError(f"the encoder option {option}= needs a value")
        if option in _OF_HUBS and spec.scheme != HUB:
            raise UsageError(f"the encoder option {option}= goes with {HUB}:OWNER/NAME")
        remote = option == "text" and spec.scheme == HUB
        found[_FIELDS.get(option, option)] = value if remote else _PARSED[option](option, value)
    return replace(spec, **found)  # type: ignore[arg-type]


_EXAMPLES = {
    ONNX: "onnx:model.onnx",
    TIMM: "timm:resnet50",
    OPEN_CLIP: "open_clip:ViT-B-32?weights=FILE",
    HUB: "hub:OWNER/NAME?file=onnx/model.onnx&revision=COMMIT",
}
_OF_HUBS = ("file", "revision")
# Options that are not called as their fields are; ``output`` is how hubs' exporters call a layer.
_FIELDS = {"file": "path", "output": "layer"}


def _quoted(text: str) -> str:
    """``text`` without the marks that a spec is divided by; a folder may be called ``R&D``."""
    return re.sub(r"[&?]|%(?=25|26|3F)", lambda mark: f"%{ord(mark[0]):02X}", text)


def _unquoted(text: str) -> str:
    return re.sub(r"%(25|26|3F)", lambda mark: chr(int(mark[1], 16)), text)


def _absolute(path: str) -> str:
    return os.path.abspath(os.path.expanduser(path))


def _side(option: str, value: str) -> int:
    if not value.isascii() or not value.isdigit() or not 1 <= int(value) <= MAX_SIDE_PX:
        raise UsageError(
            f"the encoder option {option}= is a number of pixels up to {MAX_SIDE_PX}, not {value!r}"
        )
    return int(value)


def _count(option: str, value: str) -> int:
    if not value.isascii() or not value.isdigit() or not 1 <= int(value) <= MAX_DIMENSION:
        raise UsageError(f"the encoder option {option}= is a number from 1 to {MAX_DIMENSION}, not {value!r}")
    return int(value)


def _one_of(kind: type[StrEnum]) -> Callable[[str, str], StrEnum]:
    def parsed(option: str, value: str) -> StrEnum:
        known = [member.value for member in kind]
        if value not in known:
            raise UnknownNameError(f"value of the encoder option {option}=", value, known)
        return kind(value)

    return parsed


def _interpolation(option: str, value: str) -> str:
    if value not in INTERPOLATIONS:
        raise UnknownNameError(f"value of the encoder option {option}=", value, INTERPOLATIONS)
    return value


def _normalisation(option: str, value: str) -> Normalisation:
    """``imagenet``, or ``0.5,0.5,0.5/0.5,0.5,0.5``, or with ``/bgr`` behind."""
    if value in NORMALISATIONS:
        return NORMALISATIONS[value]
    mean, _, rest = value.partition("/")
    std, _, order = rest.partition("/")
    try:
        triples = [tuple(float(number) for number in part.split(",")) for part in (mean, std)]
    except ValueError:
        triples = []
    good = (
        [len(triple) for triple in triples] == [3, 3]
        and all(math.isfinite(number) for triple in triples for number in triple)
        and all(number > 0 for number in triples[1])
        and order in ("", "bgr")
    )
    if not good:
        raise UsageError(
            f"the encoder option {option}= is one of {', '.join(NORMALISATIONS)}, or means/deviations on the "
            f"scale 0 to 1, as in 0.5,0.5,0.5/0.5,0.5,0.5; not {value!r}"
        )
    (r, g, b), (u, v, w) = triples
    return Normalisation((r, g, b), (u, v, w), bgr=bool(order))


def _yes(option: str, value: str) -> bool | None:
    """``1``; ``0`` is as if nothing had been said."""
    if value not in ("0", "1"):
        raise UsageError(f"the encoder option {option}= is 1 or 0, not {value!r}")
    return value == "1" or None


def _normalisation_text(norm: Normalisation) -> str:
    for name, known in NORMALISATIONS.items():
        if known == norm:
            return name
    numbers = "/".join(",".join(map(repr, triple)) for triple in (norm.mean, norm.std))
    return f"{numbers}/bgr" if norm.bgr else numbers


_PARSED: dict[str, Callable[[str, str], object]] = {
    "layer": lambda _, value: value,
    "pool": _one_of(Pooling),
    "weights": lambda _, value: _absolute(value),
    "text": lambda _, value: _absolute(value),
    "size": _side,
    "resize": _side,
    "fit": _one_of(Fit),
    "interpolation": _interpolation,
    "norm": _normalisation,
    "focus": _yes,
    "dims": _count,
    "output": lambda _, value: value,
    "file": lambda _, value: value,
    "revision": lambda _, value: value,
}


def _option_text(value: object) -> str:
    if isinstance(value, Normalisation):
        return _normalisation_text(value)
    return "1" if value is True else str(value)


def _texts(spec: EncoderSpec) -> dict[str, str]:
    """The options that are set, as texts."""
    values = {name: getattr(spec, _FIELDS.get(name, name)) for name in _PARSED if name != "output"}
    return {option: _option_text(value) for option, value in values.items() if value is not None}
