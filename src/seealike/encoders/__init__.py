"""Pixels to vectors: which encoders there are, and loading one of them by name.

Knows nothing of sources, catalogues or files of pictures.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from seealike.encoders.models import EncoderMode, EncoderRecord, identity_of, known_encoders, record_of

if TYPE_CHECKING:
    from seealike.protocols import Encoder

__all__ = ["EncoderMode", "EncoderRecord", "identity_of", "known_encoders", "load_encoder"]


def load_encoder(name: str, *, cache_dir: str | None = None, mode: EncoderMode) -> Encoder:
    """Load the encoder called ``name``.

    Args:
        name: one of the names of :func:`known_encoders`.
        cache_dir: where compiled models are kept; by default ``SEEALIKE_CACHE``, or the user's
            cache directory.
        mode: whether to prepare for many pictures or for one.

    Raises:
        UnknownNameError: there is no such encoder.
        EncoderError: the model's file is missing or damaged, or the runtime cannot run it.
    """
    record = record_of(name)
    from seealike.encoders.blobs import BlobCache, default_cache_dir
    from seealike.encoders.openvino import OpenVinoEncoder

    return OpenVinoEncoder(record, mode=mode, cache=BlobCache(cache_dir or default_cache_dir()))
