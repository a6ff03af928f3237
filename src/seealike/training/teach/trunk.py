"""Networks that can be trained whole: the bundled encoder and timm's, with what is around them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from seealike.encoders import parse_spec, record_of
from seealike.encoders.spec import TIMM
from seealike.errors import UnknownNameError, UsageError

if TYPE_CHECKING:
    import onnx
    import torch

    from seealike.types import PixelArray, Preprocessing

LITE0 = "efficientnet-lite0"
_PATHS = 0.1  # how often a residual branch is skipped while it learns (Huang et al. 2016)


@dataclass(frozen=True, slots=True)
class Exported:
    """An ONNX graph. ``precise``: bfloat16 changes what it computes too much."""

    model: onnx.ModelProto
    precise: bool


@dataclass(frozen=True, slots=True)
class Trunk:
    """A network that is trained whole.

    Args:
        network: what holds the weights.
        run: from pictures (n, 3, h, w) on the scale 0..255 to features (n, d); normalises them.
        parts: what is unfrozen one after the other, from the pictures on.
        preprocessing: how pictures are prepared.
        features: d.
        export: the ONNX graph of the network as it is now: uint8 (n, h, w, 3) to (n, d).
        licence: of the weights it began with.
        source: where they are from.
        name: what it is called.
    """

    network: torch.nn.Module
    run: Callable[[torch.Tensor], torch.Tensor]
    parts: tuple[torch.nn.Module, ...]
    preprocessing: Preprocessing
    features: int
    export: Callable[[], Exported]
    licence: str
    source: str
    name: str


def open_trunk(backbone: str, sample: Callable[[Preprocessing], PixelArray]) -> Trunk:
    """Get a network ready to be trained.

    Args:
        backbone: ``efficientnet-lite0`` or ``timm:NAME``, with options.
        sample: gives some pictures, prepared; (n, h, w, 3) uint8.

    Raises:
        UnknownNameError: it is neither.
        MissingExtraError, UsageError, EncoderError: timm's model cannot be had.
    """
    spec = parse_spec(backbone)
    if spec.scheme == TIMM:
        return _timm_trunk(backbone)
    if backbone != LITE0:
        raise UnknownNameError("backbone", backbone, (LITE0, f"{TIMM}:NAME"))
    return _lite0_trunk(sample)


def _lite0_trunk(sample: Callable[[Preprocessing], PixelArray]) -> Trunk:
    import onnx
    import torch

    from seealike.training.teach import lite0

    record = record_of(LITE0)
    model = onnx.load(record.file)
    network = lite0.untrained_network(_PATHS)
    how = record.preprocessing

    def run(pictures: torch.Tensor) -> torch.Tensor:
        return network((pictures - how.mean[0]) / how.std[0])

    pictures = torch.from_numpy(np.ascontiguousarray(sample(how))).permute(0, 3, 1, 2).float()
    lite0.load_folded(network, model, (pictures - how.mean[0]) / how.std[0])
    return Trunk(
        network=network,
        run=run,
        parts=(network.conv_stem, network.bn1, *network.blocks, network.conv_head, network.bn2),
        preprocessing=how,
        features=record.dimension,
        export=lambda: Exported(lite0.folded_into(network, model), precise=record.precise),
        licence=record.licence,
        source=record.source,
        name=record.name,
    )


def _timm_trunk(backbone: str) -> Trunk:
    import onnx

    from seealike.encoders.timm import export_timm_model, load_timm_model

    spec = parse_spec(backbone)
    model = load_timm_model(spec)
    if spec.layer is not None or spec.dims is not None:
        option = "layer" if spec.layer is not None else "dims"
        raise UsageError(f"{backbone}: a network is trained whole; leave {option}= out")
    wrapper = model.network

    def export() -> Exported:
        exported = export_timm_model(model)
        return Exported(onnx.load_from_string(exported.data), exported.precise)

    return Trunk(
        network=wrapper,
        run=lambda pictures: wrapper(pictures.permute(0, 2, 3, 1)),
        parts=_parts(wrapper.network),
        preprocessing=model.identity.preprocessing,
        features=model.identity.dimension,
        export=export,
        licence=model.weights.licence,
        source=model.weights.source,
        name=model.identity.name,
    )


def _parts(network: torch.nn.Module) -> tuple[torch.nn.Module, ...]:
    """What a network consists of, in its own order; rows of blocks are taken apart."""
    from torch import nn

    parts: list[torch.nn.Module] = []
    for child in network.children():
        rows = isinstance(child, nn.Sequential | nn.ModuleList)
        parts += list(child.children()) if rows and len(child) > 1 else [child]
    return tuple(part for part in parts if any(True for _ in part.parameters()))
