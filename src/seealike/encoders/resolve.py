"""From what somebody asked for to the record of a model file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seealike.encoders.models import find_record
from seealike.encoders.spec import KEPT, ONNX, OPEN_CLIP, TIMM, EncoderSpec

if TYPE_CHECKING:
    from seealike.encoders.models import EncoderRecord


def record_for(spec: EncoderSpec, cache_dir: str | None = None) -> EncoderRecord | None:
    """Return the record of the model that ``spec`` asks for; None where it is no model file of ours.

    Raises:
        UsageError: its options make no sense.
        MissingExtraError: it needs a package that is not installed.
        EncoderError: the model's file is missing, or not usable as asked.
    """
    if spec.scheme == ONNX:
        from seealike.encoders.onnx_file import onnx_record

        return onnx_record(spec, cache_dir)
    if spec.scheme == TIMM:
        from seealike.encoders.timm import timm_record

        return timm_record(spec, cache_dir)
    if spec.scheme == KEPT:
        from seealike.encoders.kept import kept_record

        return kept_record(spec, cache_dir)
    if spec.scheme == OPEN_CLIP:
        from seealike.encoders.open_clip import open_clip_record

        return open_clip_record(spec, cache_dir)
    known = find_record(spec.scheme)
    if known is None or spec == EncoderSpec(spec.scheme):
        return known
    from seealike.encoders.onnx_file import adjusted_record

    return adjusted_record(known, spec, cache_dir)
