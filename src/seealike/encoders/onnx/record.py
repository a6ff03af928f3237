"""Any ONNX file as an encoder: what was asked, what its card says, and what its graph says, made one record.

What is asked goes before the card, the card before the graph, and the graph before what is usual.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

from seealike.encoders.cache import BlobCache, default_cache_dir, key_of
from seealike.encoders.card import EncoderCard, InputForm, read_card
from seealike.encoders.models import EncoderRecord
from seealike.encoders.onnx import graph
from seealike.encoders.onnx.file import ModelFile, read_model_file
from seealike.encoders.onnx.openvino import read_model
from seealike.encoders.spec import NORMALISATIONS, ONNX, Normalisation, Pooling, on_bytes
from seealike.errors import EncoderError, UsageError
from seealike.types import Fit, Preprocessing

if TYPE_CHECKING:
    from seealike.encoders.spec import EncoderSpec

USUAL_SIDE_PX = 224
USUAL_NORMALISATION = "imagenet"
_USUAL_MARGIN = 8 / 7  # 224 px are cut out of 256
_NAME_DIGITS = 8  # of the digest that names a file without a card: its own name may change
_FACTS_FORMAT = 2  # of what is kept about a graph; grows when ``_Facts`` changes


@dataclass(frozen=True, slots=True)
class _Question:
    """What decides which part of a graph is used, and how. ``None``: as the graph says."""

    output: str | None
    form: InputForm | None
    side_px: int | None
    pool: Pooling | None
    card_pooling: str | None


@dataclass(frozen=True, slots=True)
class _Facts:
    """What the graph says about that. ``stated``: whether it says its size."""

    output: str
    form: InputForm
    side_px: int
    stated: bool
    pool: Pooling
    dimension: int
    batch_size: int | None


def onnx_record(spec: EncoderSpec, cache_dir: str | None = None) -> EncoderRecord:
    """Return the record of an ONNX file, used as ``spec`` says.

    Raises:
        UsageError: its options make no sense for an ONNX file.
        EncoderError: it is missing, no model, or not usable as asked.
    """
    model = read_model_file(spec.target)
    return _record(model, read_card(spec.target), spec, cache_dir)


def described_record(
    path: str, card: EncoderCard, spec: EncoderSpec, cache_dir: str | None = None
) -> EncoderRecord:
    """Return the record of an ONNX file with a card that does not lie beside it.

    Where the card names no layer, the record has the name of the tensor that is taken.

    Raises:
        UsageError: the options of ``spec`` make no sense for an ONNX file.
        EncoderError: it is missing, no model, or not usable as asked.
    """
    return _record(read_model_file(path), card, spec, cache_dir)


def input_taken(path: str, layer: str | None) -> graph.GraphInput:
    """Return what a model takes of which ``layer`` is asked for, None being its only output.

    Raises:
        EncoderError: it is missing, no model, takes no pictures, or has no such tensor.
    """
    try:
        return graph.input_of(graph.cut(read_model(read_model_file(path)), layer), None)
    except EncoderError as exc:
        raise EncoderError(f"{path}: {exc}") from exc


def adjusted_record(known: EncoderRecord, spec: EncoderSpec, cache_dir: str | None = None) -> EncoderRecord:
    """Return the record of a known encoder, used in another way.

    Raises:
        UsageError: its options make no sense for it.
        EncoderError: its file is missing, or not usable as asked.
    """
    if spec.target:
        raise UsageError(
            f"the encoder {known.name} takes nothing after a colon, but options: {known.name}?layer=.."
        )
    card = EncoderCard(
        name=known.name,
        preprocessing=known.preprocessing,
        layer=known.layer,
        pooling=known.pooling,
        input=known.input,
        output=known.output,
        licence=known.licence,
        source=known.source,
        precise=known.precise,
    )
    return _record(read_model_file(known.file), card, spec, cache_dir)


def tensors_of(record: EncoderRecord) -> list[graph.Tensor]:
    """Return what ``layer=`` can name in the model of a record, with the shapes for one picture.

    Raises:
        EncoderError: the model cannot be read.
    """
    model = read_model(read_model_file(record.file))
    if len(model.inputs) == 1:
        graph.reshaped(model, record.batch_size or 1, record.preprocessing.crop_px)
    return graph.tensors(model)


def _record(
    model: ModelFile, card: EncoderCard | None, spec: EncoderSpec, cache_dir: str | None
) -> EncoderRecord:
    if spec.weights is not None:
        raise UsageError("weights= goes with timm:NAME; the weights of an ONNX file are in it")
    own_layer = spec.layer is not None or card is None
    facts = _facts(
        model,
        _Question(
            output=spec.layer or (card.output if card else None),
            form=card.input if card else None,
            side_px=spec.size or (card.preprocessing.crop_px if card else None),
            pool=spec.pool,
            card_pooling=None if own_layer or card is None else card.pooling,
        ),
        cache_dir,
    )
    if facts.pool is not Pooling.NONE or own_layer or card is None or spec.pool is not None:
        pooling = facts.pool.value
    else:
        pooling = card.pooling
    beside = os.path.dirname(model.path)
    return EncoderRecord(
        name=card.name if card else f"{ONNX}:{model.sha256[:_NAME_DIGITS]}",
        file=model.path,
        licence=card.licence if card else "unknown",
        source=(card.source if card else "") or model.path,
        size_bytes=model.size_bytes,
        dimension=facts.dimension,
        weights_sha256=model.sha256,
        preprocessing=_preprocessing(spec, card.preprocessing if card else None, facts),
        layer=facts.output if own_layer or card is None or card.output or not card.layer else card.layer,
        pooling=pooling,
        input=facts.form,
        output=facts.output or None,
        pool=facts.pool,
        batch_size=facts.batch_size,
        text=spec.text or (os.path.join(beside, card.text) if card and card.text else None),
        assumed=_assumed(spec, card, facts),
        precise=card.precise if card else False,
    )


def _preprocessing(spec: EncoderSpec, base: Preprocessing | None, facts: _Facts) -> Preprocessing:
    size = facts.side_px
    fit = spec.fit or (base.fit if base else Fit.CROP)
    if base and fit is base.fit:
        margin = base.resize_px / base.crop_px
    else:
        margin = _USUAL_MARGIN if fit.crops else 1.0
    resize = spec.resize or round(size * margin)
    if resize < size:
        raise UsageError(f"the encoder option resize={resize} is smaller than the {size} px the model takes")
    found = Preprocessing(
        resize_px=resize,
        crop_px=size,
        mean=base.mean if base else (0.0, 0.0, 0.0),
        std=base.std if base else (1.0, 1.0, 1.0),
        interpolation=spec.interpolation or (base.interpolation if base else "bicubic"),
        fit=fit,
        bgr=base.bgr if base else False,
    )
    if facts.form is InputForm.PICTURES:
        if spec.norm is not None:
            raise UsageError(
                "norm= is not for this model: it takes uint8 pictures and normalises them itself"
            )
        return found
    norm = spec.norm or (None if base else NORMALISATIONS[USUAL_NORMALISATION])
    return found if norm is None else _normalised(found, norm)


def _normalised(preprocessing: Preprocessing, norm: Normalisation) -> Preprocessing:
    return replace(preprocessing, mean=on_bytes(norm.mean), std=on_bytes(norm.std), bgr=norm.bgr)


def _assumed(spec: EncoderSpec, card: EncoderCard | None, facts: _Facts) -> tuple[str, ...]:
    """Say which settings nobody stated, and which option states them."""
    said = []
    if card is None and spec.size is None and not facts.stated:
        said.append(f"size={facts.side_px}")
    if card is None and spec.norm is None and facts.form is InputForm.TENSOR:
        said.append(f"norm={USUAL_NORMALISATION}")
    if spec.layer is None and card is None:
        said.append(f"layer={facts.output}")
    if facts.pool is not Pooling.NONE and spec.pool is None and (card is None or spec.layer is not None):
        said.append(f"pool={facts.pool.value}")
    return tuple(said)


def _facts(model: ModelFile, question: _Question, cache_dir: str | None) -> _Facts:
    """Ask the graph, or the answer that is kept from the last time: reading a graph takes a while."""
    cache = BlobCache(cache_dir or default_cache_dir())
    key = key_of("graph", (_FACTS_FORMAT, model.sha256, question))
    kept = cache.get(key)
    if kept is not None:
        found = json.loads(kept)
        return _Facts(**{**found, "form": InputForm(found["form"]), "pool": Pooling(found["pool"])})
    try:
        facts = _asked(model, question)
    except EncoderError as exc:
        raise EncoderError(f"{model.path}: {exc}") from exc
    cache.put(key, json.dumps(asdict(facts)).encode())
    return facts


def _asked(model: ModelFile, question: _Question) -> _Facts:
    whole = read_model(model)
    part = graph.cut(whole, question.output)
    takes = graph.input_of(part, question.form)
    side = question.side_px or takes.side_px or USUAL_SIDE_PX
    output = question.output or graph.output_name(part)

    def tried(batch_size: int) -> tuple[Pooling, int]:
        trial = part.clone()
        graph.reshaped(trial, batch_size, side)
        pool = graph.pooling_of(trial, question.pool, question.card_pooling)
        return pool, graph.dimension_of(graph.pooled(trial, pool), batch_size)

    batch_size = None
    try:
        pool, dimension = tried(2)
    except EncoderError:
        if takes.batch_size in (None, 2):
            raise
        batch_size = takes.batch_size
        pool, dimension = tried(batch_size)
    return _Facts(output, takes.form, side, takes.side_px is not None, pool, dimension, batch_size)
