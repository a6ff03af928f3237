"""In which numbers a network learns: what the device computes fastest, where that is known to help."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

    from seealike.training.teach.loop import Tensors


class MixedPrecision:
    """A type for the network's arithmetic; weights stay float32."""

    def __init__(self, device: torch.device, dtype: torch.dtype | None) -> None:
        """``dtype`` None is float32."""
        import torch

        self.dtype = dtype
        self._device = device
        # float16 gradients vanish unless they are scaled up; bfloat16 has float32's range.
        self._scaler = torch.amp.GradScaler(device.type, enabled=dtype == torch.float16)

    def autocast(self) -> AbstractContextManager[object]:
        """What the network runs in."""
        import torch

        if self.dtype is None:
            return nullcontext()
        context: AbstractContextManager[object] = torch.autocast(self._device.type, self.dtype)
        return context

    def state(self, prefix: str) -> Tensors:
        """How much gradients are scaled up by now, and since when."""
        import torch

        facts = self._scaler.state_dict()
        return {f"{prefix}{name}": torch.tensor(value, dtype=torch.float64) for name, value in facts.items()}

    def load(self, prefix: str, state: Tensors) -> None:
        """Go back to what ``state`` returned."""
        facts = self._scaler.state_dict()
        here = {name: state[f"{prefix}{name}"] for name in facts if f"{prefix}{name}" in state}
        if here:
            self._scaler.load_state_dict({n: type(facts[n])(value.item()) for n, value in here.items()})

    def step(self, loss: torch.Tensor, optimiser: torch.optim.Optimizer) -> None:
        """Send a loss back, and take one step."""
        self._scaler.scale(loss).backward()
        self._scaler.step(optimiser)
        self._scaler.update()


def precision_for(network: torch.nn.Module, device: torch.device) -> MixedPrecision:
    """Choose: on CUDA bfloat16, or float16 where it is all there is; on CPUs with AMX bfloat16.

    Depthwise convolutions are the exception: on CPUs torch computes them no faster in bfloat16 (Lite0 on AMX:
    17 pictures a second and core against 19 in float32, at 176 px).
    """
    import torch

    if device.type == "cuda":
        return MixedPrecision(device, torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16)
    depthwise = any(
        isinstance(m, torch.nn.Conv2d) and m.groups == m.in_channels > 1 for m in network.modules()
    )
    has_amx = getattr(torch.cpu, "_is_amx_tile_supported", lambda: False)()
    return MixedPrecision(device, torch.bfloat16 if has_amx and not depthwise else None)
