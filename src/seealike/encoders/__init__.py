"""Pixels to vectors: which encoders there are, and loading one that somebody asked for.

Knows nothing of sources, catalogues or files of pictures.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from seealike.encoders.card import EncoderCard, InputForm, card_path, read_card, write_card
from seealike.encoders.models import EncoderMode, EncoderRecord, known_encoders, record_of
from seealike.encoders.plugins import load_plugin, plugin_names
from seealike.encoders.resolve import record_for
from seealike.encoders.spec import KEPT, TIMM, EncoderSpec, parse_spec, with_options
from seealike.errors import SeealikeError

if TYPE_CHECKING:
    from seealike.protocols import Encoder, TextEncoder
    from seealike.types import EncoderIdentity

__all__ = [
    "EncoderCard",
    "EncoderMode",
    "EncoderRecord",
    "EncoderSpec",
    "InputForm",
    "card_path",
    "identity_of",
    "known_encoders",
    "load_encoder",
    "load_text_encoder",
    "parse_spec",
    "plugin_names",
    "read_card",
    "record_for",
    "record_of",
    "with_options",
    "write_card",
]


def load_encoder(spec: str | EncoderSpec, *, cache_dir: str | None = None, mode: EncoderMode) -> Encoder:
    """Load the encoder that ``spec`` asks for.

    Args:
        spec: the name of a known encoder, ``onnx:FILE``, ``timm:NAME`` or the name of an installed one, with
            options; see :mod:`seealike.encoders.spec`.
        cache_dir: where compiled models are kept; by default ``SEEALIKE_CACHE``, or the user's
            cache directory.
        mode: whether to prepare for many pictures or for one.

    Raises:
        UnknownNameError: there is no such encoder.
        UsageError: its options make no sense.
        MissingExtraError: it needs a package that is not installed.
        EncoderError: the model's file is missing or damaged, or the runtime cannot run it.
    """
    asked = parse_spec(spec) if isinstance(spec, str) else spec
    record = record_for(asked, cache_dir) if asked.scheme == KEPT else None
    on_device = _on_device(asked, cache_dir, mode, record)
    if on_device is not None:
        return on_device
    record = record or record_for(asked, cache_dir)
    if record is None:
        return load_plugin(asked)
    from seealike.encoders.blobs import BlobCache, default_cache_dir
    from seealike.encoders.openvino import OpenVinoEncoder

    return OpenVinoEncoder(record, mode=mode, cache=BlobCache(cache_dir or default_cache_dir()))


def _on_device(
    asked: EncoderSpec, cache_dir: str | None, mode: EncoderMode, copy: EncoderRecord | None
) -> Encoder | None:
    """A timm model in torch, where there is a device for that; also where a ``copy`` was asked for."""
    if asked.scheme not in (TIMM, KEPT):
        return None
    from seealike.encoders.kept import origin_of

    origin = origin_of(asked)
    if origin.scheme != TIMM:
        return None
    from seealike.encoders.timm import load

    if copy is None:
        return load(origin, cache_dir, mode)
    with suppress(SeealikeError):  # whatever keeps the original from being used, the copy can be
        found = load(origin, cache_dir, mode)
        if found is None or found.identity == copy.identity:
            return found
        found.close()
    return None


def identity_of(spec: str | EncoderSpec, *, cache_dir: str | None = None) -> EncoderIdentity:
    """Return what the vectors of the encoder that ``spec`` asks for are comparable by.

    A known encoder is not loaded for that, a model file is read, and an installed encoder is made.

    Raises:
        UnknownNameError, UsageError, MissingExtraError, EncoderError: see ``load_encoder``.
    """
    asked = parse_spec(spec) if isinstance(spec, str) else spec
    record = record_for(asked, cache_dir)
    if record is not None:
        return record.identity
    encoder = load_plugin(asked)
    try:
        return encoder.identity
    finally:
        encoder.close()


def load_text_encoder(spec: str | EncoderSpec, *, cache_dir: str | None = None) -> TextEncoder | None:
    """Load the text tower of the encoder that ``spec`` asks for, alone; None where it has none.

    Raises:
        UnknownNameError, UsageError, MissingExtraError, EncoderError: see ``load_encoder``.
    """
    from seealike.protocols import TextEncoder

    asked = parse_spec(spec) if isinstance(spec, str) else spec
    record = record_for(asked, cache_dir)
    if record is not None and record.text is not None:
        from seealike.encoders.kept import check_kept_text
        from seealike.encoders.text import OpenVinoTextEncoder

        if asked.scheme == KEPT:
            check_kept_text(asked, cache_dir)

        return OpenVinoTextEncoder(record)
    if record is not None:
        return None
    encoder = load_plugin(asked)
    if isinstance(encoder, TextEncoder):
        return encoder
    encoder.close()
    return None
