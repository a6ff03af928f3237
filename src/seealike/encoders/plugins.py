"""Encoders of other installed packages: entry points of the group ``seealike.encoders``.

Each is a callable that takes what came after the colon of the spec (empty if nothing did) and returns an
object that keeps the :class:`~seealike.protocols.Encoder` protocol.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from seealike.encoders.models import known_encoders
from seealike.encoders.spec import HUB, ONNX, OPEN_CLIP, TIMM
from seealike.errors import EncoderError, SeealikeError, UnknownNameError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from importlib.metadata import EntryPoint

    from seealike.encoders.spec import EncoderSpec
    from seealike.protocols import Encoder

GROUP = "seealike.encoders"
_SCHEMES = (f"{ONNX}:FILE", f"{TIMM}:NAME", f"{OPEN_CLIP}:NAME", f"{HUB}:OWNER/NAME")


def plugin_names() -> tuple[str, ...]:
    """Return the names of the encoders that installed packages bring, sorted."""
    return tuple(sorted(_plugins()))


def load_plugin(spec: EncoderSpec, presets: Iterable[str] = ()) -> Encoder:
    """Make the encoder of an installed package.

    Args:
        spec: which.
        presets: what else could have been meant, for the message.

    Raises:
        UnknownNameError: no package brings one of this name.
        UsageError: options were given; a plugin takes none but what is after its colon.
        EncoderError: it cannot be made.
    """
    plugins = _plugins()
    found = plugins.get(spec.scheme)
    if found is None:
        known = [record.name for record in known_encoders()]
        raise UnknownNameError(
            "encoder",
            spec.scheme,
            [*known, *sorted(plugins), *_SCHEMES, *presets],
        )
    if "?" in str(spec):
        raise UsageError(f"the encoder {spec.scheme} takes no options: use {spec.scheme}:ARGUMENT")
    try:
        encoder: Encoder = found.load()(spec.target)
    except SeealikeError:
        raise
    except Exception as exc:
        reason = " ".join(str(exc).split()) or "no reason given"
        raise EncoderError(
            f"the encoder {spec.scheme} of {_package(found)} cannot be made: {type(exc).__name__}: {reason}"
        ) from exc
    if not hasattr(encoder, "identity") or not hasattr(encoder, "submit"):
        raise EncoderError(
            f"{found.value} of {_package(found)} makes no encoder, but {type(encoder).__name__}"
        )
    return encoder


def _plugins() -> dict[str, EntryPoint]:
    from importlib.metadata import entry_points  # half as slow as all the rest of the package

    return {entry.name: entry for entry in entry_points(group=GROUP)}


def _package(entry: EntryPoint) -> str:
    return entry.dist.name if entry.dist is not None else "an installed package"
