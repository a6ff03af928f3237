"""A timm network as an encoder sees it: pictures in, one vector a picture out. Needs torch."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from seealike.encoders.spec import GEM_EXPONENT, GEM_LEAST, Pooling
from seealike.errors import EncoderError, UsageError

if TYPE_CHECKING:
    import torch

    from seealike.types import Preprocessing

PENULTIMATE, OWN_POOLING = "penultimate", "own"
FEATURES = "forward_features"


class _FoundError(Exception):
    """Ends a network's run as soon as the layer asked for has spoken; carries what it said."""

    def __init__(self, output: object) -> None:
        self.output = output
        super().__init__()


def check_layer(network: torch.nn.Module, layer: str, model: str) -> None:
    """Check that ``network`` has a module called ``layer``.

    Raises:
        UsageError: it has not; the line names the nearest.
    """
    names = [name for name, _ in network.named_modules() if name]
    if layer not in names:
        near = difflib.get_close_matches(layer, names, n=5, cutoff=0.4) or names[-5:]
        raise UsageError(f"{model} has no layer {layer!r}; near: {', '.join(near)}")


def picture_features(
    network: torch.nn.Module, preprocessing: Preprocessing, layer: str | None, pool: Pooling | None
) -> torch.nn.Module:
    """Put normalisation before a timm network and pooling behind it.

    Without ``layer`` and ``pool`` the result is the penultimate feature as the network itself pools it; with
    ``pool`` alone, its last map.

    Shapes: the module takes uint8 (n, h, w, 3), RGB, and returns float32 (n, d), not of norm 1 yet; with the
    pooling ``none``, float32 of whatever shape the layer returns.
    """
    import torch

    channels_last = str(getattr(network, "output_fmt", "")).endswith("NHWC")

    class PictureFeatures(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.network = network
            self.rank = 0  # of what was pooled last: 2 is a vector already
            for name, values in (("mean", preprocessing.mean), ("std", preprocessing.std)):
                buffer = torch.tensor(values, dtype=torch.float32).view(1, 3, 1, 1)
                self.register_buffer(name, buffer, persistent=False)
            if layer:
                network.get_submodule(layer).register_forward_hook(_report)

        def forward(self, pictures: torch.Tensor) -> torch.Tensor:
            planes = pictures.permute(0, 3, 1, 2).to(torch.float32)
            planes = (planes - self.mean) / self.std
            if preprocessing.bgr:
                planes = planes.flip(1)
            output = self._output(planes.to(next(self.network.parameters()).dtype))
            self.rank = getattr(output, "ndim", 0)
            return pooled(output, pool, channels_last=channels_last)

        def _output(self, planes: torch.Tensor) -> torch.Tensor:
            if layer is None:
                features = self.network.forward_features(planes)
                return features if pool else self.network.forward_head(features, pre_logits=True)
            try:
                self.network(planes)
            except _FoundError as found:
                return found.output
            raise EncoderError(f"the layer {layer} takes no part in what the network computes")

    return PictureFeatures().eval().requires_grad_(False)


def _report(_module: torch.nn.Module, _arguments: object, output: object) -> None:
    raise _FoundError(output)


def pooled(output: torch.Tensor, pool: Pooling | None, *, channels_last: bool = False) -> torch.Tensor:
    """Make one vector of what a layer says of a picture; what is a vector already stays as it is.

    Maps (n, c, h, w), or (n, h, w, c) with ``channels_last``, are pooled over h and w; tokens (n, t, c) over
    t, the class token included. None is ``avg``.

    Source: GeM is the generalised mean of Radenovic et al. 2018, equation 3, with exponent 3.
    """
    if not hasattr(output, "ndim"):
        raise EncoderError("the layer's output is not one tensor; choose a layer inside it, or after it")
    output = output.float()  # pooled in full, whatever precision the network runs in
    if output.ndim == 2 or pool is Pooling.NONE:
        return output
    if output.ndim not in (3, 4):
        raise EncoderError(f"the layer's output has the shape {_shape(output)}, which has no pooling")
    if pool is Pooling.FLATTEN:
        return output.flatten(1)
    if pool is Pooling.CLS:
        if output.ndim != 3:
            raise EncoderError(f"the layer's output has the shape {_shape(output)}: no tokens for pool=cls")
        return output[:, 0]
    places = (1,) if output.ndim == 3 else (1, 2) if channels_last else (2, 3)
    if pool is Pooling.MAX:
        return output.amax(places)
    if pool is Pooling.GEM:
        return output.clamp(min=GEM_LEAST).pow(GEM_EXPONENT).mean(places).pow(1 / GEM_EXPONENT)
    return output.mean(places)


def check_vectors(features: torch.Tensor) -> None:
    """Check that a layer's pooled output is one vector a picture.

    Raises:
        EncoderError: it is not.
    """
    if features.ndim != 2:
        raise EncoderError(
            f"the layer's output has the shape {_shape(features)}, no vector; "
            "choose pool=avg, max, gem, cls or flatten"
        )


def _shape(output: torch.Tensor) -> str:
    return f"({', '.join(['n', *map(str, output.shape[1:])])})"
