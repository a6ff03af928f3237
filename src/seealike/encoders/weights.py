"""Weights in files: reading them without letting them run code, and loading them into a network strictly.

A network is never left with a weight it was not given. Knows nothing of where files come from.
"""

from __future__ import annotations

import os
import struct
import warnings
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pickle import UnpicklingError  # which torch raises: nothing is unpickled here
from typing import TYPE_CHECKING, TypeAlias

from seealike.encoders.cache import file_sha256
from seealike.errors import EncoderError

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch

    State: TypeAlias = "dict[str, torch.Tensor]"
    Convert: TypeAlias = Callable[[State], State | None]

_WRAPPERS = ("state_dict", "model")
_PREFIX = "module."
_COUNTER = "num_batches_tracked"  # how long a batch norm was trained: old files lack it, and nothing uses it
_LENGTH_BYTES = 8
# What torch's reader raises of bytes that are no checkpoint: it checks few of them.
_DAMAGE = (
    *(ArithmeticError, AssertionError, AttributeError, BufferError, EOFError, ImportError, LookupError),
    *(MemoryError, OSError, RuntimeError, TypeError, ValueError, struct.error),
)


def read_weights(path: str) -> State:
    """Read a safetensors file or a torch checkpoint; which of them it is, its first bytes say.

    A checkpoint may hold its weights under ``state_dict`` or ``model``; a prefix ``module.`` is taken off.

    Raises:
        EncoderError: the file cannot be read, is damaged, holds no weights, or more than weights.
    """
    found = _read_safetensors(path) if _is_safetensors(path) else _read_checkpoint(path)
    for wrapper in _WRAPPERS:
        if isinstance(found, Mapping) and isinstance(found.get(wrapper), Mapping):
            found = found[wrapper]
    import torch

    if not isinstance(found, Mapping) or not found:
        raise EncoderError(f"{path} holds no weights; save the network's state_dict")
    for name, value in found.items():
        if not isinstance(name, str) or not isinstance(value, torch.Tensor):
            raise EncoderError(f"{path} holds no plain weights: {name!r} is none; save the state_dict alone")
    if all(name.startswith(_PREFIX) for name in found):
        return {name.removeprefix(_PREFIX): value for name, value in found.items()}
    return dict(found)


def _is_safetensors(path: str) -> bool:
    """A safetensors file starts with the length of its header, which is JSON."""
    try:
        with open(path, "rb") as file:
            start = file.read(_LENGTH_BYTES + 1)
    except OSError as exc:
        raise EncoderError(f"the weights {path} cannot be read: {exc.strerror or exc}") from exc
    return start[_LENGTH_BYTES:] == b"{" or path.endswith(".safetensors")


def _read_safetensors(path: str) -> object:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError) as exc:
        raise EncoderError(
            f"the weights {path} are damaged ({_one_line(exc)}); fetch the file again"
        ) from exc


def _read_checkpoint(path: str) -> object:
    import torch

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of old and odd formats: what is read is checked
            return torch.load(path, map_location="cpu", weights_only=True)
    except UnpicklingError as exc:
        # What torch says goes on for a page, and ends by advising to let the file run its code.
        if "global" in str(exc).lower():
            raise EncoderError(
                f"{path} is refused: it holds more than weights and could run code; save its state_dict, "
                "best as safetensors"
            ) from exc
        raise EncoderError(f"{path} is damaged, or neither safetensors nor a torch checkpoint") from exc
    except _DAMAGE as exc:
        raise EncoderError(f"{path} is damaged, or neither safetensors nor a torch checkpoint") from exc


def load_weights(
    network: torch.nn.Module,
    state: State,
    *,
    spare: Collection[str],
    convert: Convert,
    what: str,
) -> None:
    """Give ``network`` its weights, every one of them.

    Args:
        network: whose weights are replaced.
        state: the weights, by name.
        spare: modules whose weights may be absent or of another size, for nobody runs them; they are then
            left as they are.
        convert: tried where the names or sizes do not fit, for the network's family may know older ones.
        what: what does not fit what, for the error: a file and a network.

    Raises:
        EncoderError: it does not fit; the line names the first weights missing, unknown or of a wrong size.
    """
    misfit = _misfit(network, state, spare)
    if misfit is not None:
        converted = convert(dict(state))
        if converted is None or _misfit(network, converted, spare) is not None:
            raise EncoderError(f"{what}: {misfit}; give the weights of this very model")
        state = converted
    own = network.state_dict()
    fitting = {name: value for name, value in state.items() if name in own and _same_size(value, own[name])}
    network.load_state_dict(fitting, strict=False)


def _misfit(network: torch.nn.Module, state: State, spare: Collection[str]) -> str | None:
    """Say in words what does not fit, None if everything does."""
    own = network.state_dict()

    def matters(name: str) -> bool:
        return not name.endswith(_COUNTER) and not any(name.startswith(f"{module}.") for module in spare)

    missing = [name for name in own if name not in state and matters(name)]
    unexpected = [name for name in state if name not in own and matters(name)]
    resized = [
        f"{name} is {_size(state[name])}, not {_size(own[name])}"
        for name in own
        if name in state and matters(name) and not _same_size(state[name], own[name])
    ]
    said = [
        f"{kind} {names[0]}{f' and {len(names) - 1} more' if names[1:] else ''}"
        for kind, names in (("it lacks", missing), ("it has unknown", unexpected), ("wrong size:", resized))
        if names
    ]
    return ", ".join(said) or None


def _same_size(a: torch.Tensor, b: torch.Tensor) -> bool:
    return bool(a.shape == b.shape)


def _size(tensor: torch.Tensor) -> str:
    return " x ".join(map(str, tensor.shape)) or "one number"


@dataclass(frozen=True, slots=True)
class WeightsFile:
    """A file of weights on this machine. ``source`` says for people where it is from."""

    path: str
    sha256: str
    source: str
    licence: str = "unknown"


def _one_line(exc: BaseException) -> str:
    return " ".join(str(exc).split())[:200] or type(exc).__name__


def given_weights(path: str) -> WeightsFile:
    """The file of weights that the user gave.

    Raises:
        EncoderError: it cannot be read.
    """
    return WeightsFile(path, file_sha256(path), source=os.path.basename(path))
