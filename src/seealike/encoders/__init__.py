"""Pixels to vectors: which encoders there are, and loading one that somebody asked for.

The only place that knows every kind of encoder; those that need packages beside ours are imported when one is
asked for. Knows nothing of sources, catalogues or files of pictures.
"""

from __future__ import annotations

from contextlib import closing, suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from seealike.encoders.cache import BlobCache, default_cache_dir
from seealike.encoders.card import (
    EncoderCard,
    InputForm,
    card_path,
    mark_of,
    marks_from_text,
    marks_to_text,
    read_card,
    write_card,
)
from seealike.encoders.clip.encoder import OpenVinoTextEncoder
from seealike.encoders.export import LEAST_COSINE, LEAST_COSINE_FASTEST
from seealike.encoders.focus import (
    FocusedEncoder,
    as_focused_now,
    focused_maps,
    focused_record,
    quiet_of,
    shown_in,
    without_ground,
)
from seealike.encoders.hub.installed import Announce, InstalledModel, unannounced
from seealike.encoders.hub.named import (
    PresetWish,
    find_installed,
    install_preset,
    preset_record,
    remove_preset,
)
from seealike.encoders.hub.presets import Preset, preset_of, presets
from seealike.encoders.kept import check_kept_text, kept_record, origin_of
from seealike.encoders.models import (
    EncoderMode,
    EncoderRecord,
    find_record,
    known_encoders,
    record_of,
    shortened,
)
from seealike.encoders.onnx.openvino import OpenVinoEncoder, OpenVinoMapEncoder, Precision
from seealike.encoders.onnx.record import adjusted_record, onnx_record, tensors_of
from seealike.encoders.plugins import load_plugin, plugin_names
from seealike.encoders.spec import (
    ALIASES,
    HUB,
    KEPT,
    ONNX,
    OPEN_CLIP,
    TIMM,
    EncoderSpec,
    parse_spec,
    with_options,
)
from seealike.encoders.speed import keep_speed, kept_speed, machine, throughput, trial_pictures
from seealike.errors import MissingExtraError, SeealikeError, UsageError
from seealike.protocols import MapEncoder, TextEncoder
from seealike.types import ProgressCallback, unwatched

if TYPE_CHECKING:
    from seealike.encoders.hub.repository import Repository
    from seealike.protocols import Encoder
    from seealike.types import EncoderIdentity, Float32Array, PixelArray

_SHORT_RUN_S = 0.5

__all__ = [
    "ALIASES",
    "LEAST_COSINE",
    "LEAST_COSINE_FASTEST",
    "EncoderCard",
    "EncoderMode",
    "EncoderRecord",
    "EncoderSpec",
    "InputForm",
    "InstalledModel",
    "Precision",
    "Preset",
    "PresetWish",
    "card_path",
    "find_installed",
    "focused_maps",
    "get_preset",
    "get_repository",
    "identity_of",
    "known_encoders",
    "load_encoder",
    "load_map_encoder",
    "load_text_encoder",
    "machine",
    "mark_of",
    "marks_from_text",
    "marks_to_text",
    "parse_spec",
    "plugin_names",
    "preset_of",
    "presets",
    "quiet_of",
    "read_card",
    "reads_text",
    "record_for",
    "record_of",
    "remove_preset",
    "shown_in",
    "speed_of",
    "tensors_of",
    "throughput",
    "trial_pictures",
    "vectors_of",
    "with_options",
    "without_ground",
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
    on_device = _on_device(asked, mode, record)
    if on_device is not None:
        return on_device
    record = record or record_for(asked, cache_dir)
    if record is None:
        return load_plugin(asked, presets())
    cache = BlobCache(cache_dir or default_cache_dir())
    if record.focus is not None:
        return FocusedEncoder(record, mode=mode, cache=cache)
    return OpenVinoEncoder(record, mode=mode, cache=cache)


def _on_device(asked: EncoderSpec, mode: EncoderMode, copy: EncoderRecord | None) -> Encoder | None:
    """A timm model in torch, where there is a device for that; also where a ``copy`` was asked for."""
    origin = origin_of(asked)
    if origin.scheme != TIMM or origin.focus or origin.dims:
        return None
    from seealike.encoders.timm.torch_encoder import torch_encoder

    if copy is None:
        return torch_encoder(origin, mode=mode)
    with suppress(SeealikeError):  # whatever keeps the original from being used, the copy can be
        found = torch_encoder(origin, mode=mode)
        if found is None or found.identity == copy.identity:
            return found
        found.close()
    return None


def record_for(spec: EncoderSpec, cache_dir: str | None = None) -> EncoderRecord | None:
    """Return the record of the model that ``spec`` asks for; None where it is no model file of ours.

    Raises:
        UsageError: its options make no sense.
        MissingExtraError: it needs a package that is not installed.
        EncoderError: the model's file is missing, or not usable as asked.
    """
    record = _plain_record(replace(spec, focus=None, dims=None), cache_dir)
    if record is None:
        if spec.focus or spec.dims:
            option = "focus=1" if spec.focus else f"dims={spec.dims}"
            raise UsageError(f"the encoder {spec.scheme} of an installed package takes no {option}")
        return None
    if spec.dims:
        record = shortened(record, spec.dims)
    return focused_record(record, BlobCache(cache_dir or default_cache_dir())) if spec.focus else record


def _plain_record(spec: EncoderSpec, cache_dir: str | None) -> EncoderRecord | None:
    if spec.scheme == ONNX:
        return onnx_record(spec, cache_dir)
    if spec.scheme == KEPT:
        return as_focused_now(kept_record(spec, cache_dir))
    if spec.scheme in (TIMM, OPEN_CLIP, HUB):
        return _seldom_record(spec, cache_dir)
    return _named_record(spec, cache_dir)


def _seldom_record(spec: EncoderSpec, cache_dir: str | None) -> EncoderRecord:
    """The record of a model of which kind most programs use none, so what reads it is imported here."""
    if spec.scheme == TIMM:
        from seealike.encoders.timm.record import timm_record

        return timm_record(spec, cache_dir)
    if spec.scheme == OPEN_CLIP:
        from seealike.encoders.clip.record import open_clip_record

        return open_clip_record(spec, cache_dir)
    from seealike.encoders.hub.repository import repository_record

    return repository_record(spec, cache_dir)


def _named_record(spec: EncoderSpec, cache_dir: str | None) -> EncoderRecord | None:
    """The record of a known encoder or a preset."""
    known = find_record(spec.scheme)
    if known is not None:
        return known if spec == EncoderSpec(spec.scheme) else adjusted_record(known, spec, cache_dir)
    preset = presets().get(spec.scheme)
    return None if preset is None else preset_record(preset, spec, cache_dir)


def vectors_of(
    record: EncoderRecord, pixels: PixelArray, precision: Precision | None = None
) -> tuple[Float32Array, Precision]:
    """The vectors that a model file gives of prepared pictures, and in which precision they were computed.

    ``precision`` None is the one that this machine uses where it has tried none in 8 bits. Nothing is kept in
    the cache.

    Raises:
        EncoderError: the file is missing or damaged, or the runtime cannot run it.
    """
    encoder = OpenVinoEncoder(record, mode=EncoderMode.THROUGHPUT, precision=precision)
    try:
        return encoder.encode(pixels), encoder.precision
    finally:
        encoder.close()


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
    encoder = load_plugin(asked, presets())
    try:
        return encoder.identity
    finally:
        encoder.close()


def load_map_encoder(spec: str | EncoderSpec, *, cache_dir: str | None = None) -> MapEncoder | None:
    """Load what an encoder computes of every place, a second time, beside ``load_encoder``.

    None where it is one of an installed package that gives no maps.

    Raises:
        UnknownNameError, UsageError, MissingExtraError, EncoderError: see ``load_encoder``, or it pools
            otherwise than over places.
    """
    asked = parse_spec(spec) if isinstance(spec, str) else spec
    record = record_for(asked, cache_dir)
    if record is not None:
        plain = replace(record, preprocessing=record.focus or record.preprocessing, focus=None)
        cache = BlobCache(cache_dir or default_cache_dir())
        return OpenVinoMapEncoder(plain, identity=record.identity, cache=cache)
    encoder = load_plugin(asked, presets())
    if isinstance(encoder, MapEncoder):
        return encoder
    encoder.close()
    return None


def reads_text(spec: EncoderSpec, *, cache_dir: str | None = None) -> bool:
    """Whether the encoder that ``spec`` asks for has a text tower.

    Raises:
        UnknownNameError, UsageError, MissingExtraError, EncoderError: see ``load_encoder``.
    """
    record = record_for(spec, cache_dir)
    if record is not None:
        return record.text is not None
    with closing(load_plugin(spec, presets())) as encoder:
        return isinstance(encoder, TextEncoder)


def load_text_encoder(spec: str | EncoderSpec, *, cache_dir: str | None = None) -> TextEncoder | None:
    """Load the text tower of the encoder that ``spec`` asks for, alone; None where it has none.

    Raises:
        UnknownNameError, UsageError, MissingExtraError, EncoderError: see ``load_encoder``.
    """
    asked = parse_spec(spec) if isinstance(spec, str) else spec
    record = record_for(asked, cache_dir)
    if record is not None:
        if record.text is None:
            return None
        if asked.scheme == KEPT:
            check_kept_text(asked, cache_dir)
        return OpenVinoTextEncoder(record)
    encoder = load_plugin(asked, presets())
    if isinstance(encoder, TextEncoder):
        return encoder
    encoder.close()
    return None


def get_preset(
    preset: Preset,
    wish: PresetWish,
    *,
    cache_dir: str | None = None,
    progress: ProgressCallback = unwatched,
    announce: Announce = unannounced,
) -> InstalledModel:
    """Fetch a preset, or take it from files; it is tried before it counts as installed, and timed by that.

    ``announce`` hears what is missing before it comes.

    Raises:
        UsageError, EncoderError: see ``install_preset``.
    """
    trial = partial(_try, cache_dir)
    return install_preset(preset, wish, trial, cache_dir=cache_dir, progress=progress, announce=announce)


def get_repository(
    found: Repository,
    *,
    cache_dir: str | None = None,
    progress: ProgressCallback = unwatched,
    announce: Announce = unannounced,
) -> EncoderRecord:
    """The same with the model of a repository that was looked up.

    Raises:
        UsageError, EncoderError: see ``take_repository``.
    """
    from seealike.encoders.hub.repository import take_repository

    trial = partial(_try, cache_dir)
    return take_repository(found, trial, cache_dir=cache_dir, progress=progress, announce=announce)


def _try(cache_dir: str | None, record: EncoderRecord) -> None:
    """Run what was fetched, and keep how quick it is.

    Raises:
        EncoderError: it does not run.
    """
    cache = BlobCache(cache_dir or default_cache_dir())
    with closing(OpenVinoEncoder(record, mode=EncoderMode.THROUGHPUT, cache=cache)) as encoder:
        keep_speed(record.identity, throughput(encoder, _SHORT_RUN_S), cache_dir)
    if record.text is not None:
        with suppress(MissingExtraError), closing(OpenVinoTextEncoder(record)) as text:
            text.encode_texts(["a photo"])


def speed_of(spec: str | EncoderSpec, *, anew: bool = False, cache_dir: str | None = None) -> float:
    """Images a second of an encoder alone, in batches: measured by a short run once, and kept.

    Raises:
        UnknownNameError, UsageError, MissingExtraError, EncoderError: see ``load_encoder``.
    """
    asked = parse_spec(spec) if isinstance(spec, str) else spec
    identity = identity_of(asked, cache_dir=cache_dir)
    known = None if anew else kept_speed(identity, cache_dir)
    if known is not None:
        return known
    with closing(load_encoder(asked, cache_dir=cache_dir, mode=EncoderMode.THROUGHPUT)) as encoder:
        measured = throughput(encoder, _SHORT_RUN_S)
    keep_speed(identity, measured, cache_dir)
    return measured
