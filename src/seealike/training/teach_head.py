"""The quick way: a head on the vectors there are, joined to the encoder they came from."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np

from seealike.encoders import EncoderRecord, parse_spec, record_for, vectors_of
from seealike.errors import EncoderError, UsageError
from seealike.training import head
from seealike.training.graph import HeadWeights, base_model, joined
from seealike.training.judge import map_at_r
from seealike.training.loop import fit
from seealike.training.pixels import readable
from seealike.training.plan import plan_for
from seealike.training.taught import Taught
from seealike.training.threads import threads_for
from seealike.training.trial import MOST, Trial, filled_up

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch

    from seealike.training.lesson import Lesson
    from seealike.training.loop import Keeper, Point
    from seealike.training.options import Recipe
    from seealike.training.split import Split


def base_record(spec: str) -> EncoderRecord:
    """The record of the encoder that a head is to be put on.

    Raises:
        UsageError: it is no model file.
        EncoderError: its file is not where it was.
    """
    record = record_for(parse_spec(spec))
    if record is None:
        raise UsageError(f"the encoder {spec} is no model file, so no head can be joined to it")
    if not record.present:
        raise EncoderError(f"the model of {spec} is not at {record.file}; put it back")
    return record


def teach_head(
    lesson: Lesson, parts: Split, spec: str, recipe: Recipe, keeper: Keeper, passed: Callable[[Point], None]
) -> Taught:
    """Train a head on a lesson's vectors, which the encoder ``spec`` made.

    Raises:
        UsageError, EncoderError: see ``base_record``.
    """
    record = base_record(spec)
    base = base_model(record)
    start = time.monotonic()
    trainee = head.HeadTrainee(
        _examples(lesson, parts.train),
        _examples(lesson, parts.validation),
        len(lesson.classes),
        recipe,
        map_at_r,
    )
    with threads_for(len(lesson)):
        outcome = fit(trainee, plan_for(recipe), keeper, passed)
    trainee.use(outcome.best)
    train_s = time.monotonic() - start

    def trial() -> Trial:
        paths = [lesson.items[row].path for row in parts.test[:MOST]]
        pictures = readable([path for path in paths if path], record.preprocessing, lesson.limits)
        pictures = filled_up(pictures, record.preprocessing.crop_px)
        exact, usual = vectors_of(record, pictures, "f32")[0], vectors_of(record, pictures)[0]
        return Trial(pictures, head.embedded(trainee.network, exact), head.embedded(trainee.network, usual))

    validation = _examples(lesson, parts.validation)
    return Taught(
        outcome=outcome,
        model=joined(base, head_weights(trainee.network)).SerializeToString(deterministic=True),
        preprocessing=record.preprocessing,
        licence=record.licence,
        source=f"a head on {record.name}",
        voters=head.embedded(trainee.network, lesson.vectors[parts.train]),
        vectors=head.embedded(trainee.network, lesson.vectors[parts.test]),
        scores=head.class_scores(trainee.network, trainee.objective, lesson.vectors[parts.test]),
        start_score=map_at_r(validation.vectors, validation.targets),
        train_s=train_s,
        trial=trial,
        precise=record.precise,
    )


def head_weights(network: torch.nn.Sequential) -> HeadWeights:
    """The numbers of a trained head, for its ONNX graph."""
    norm, _, first, _, _, second = network
    numbers = (norm.weight, norm.bias, first.weight, first.bias, second.weight, second.bias)
    return HeadWeights(*(np.array(value.detach().cpu().numpy(), dtype=np.float32) for value in numbers))


def _examples(lesson: Lesson, rows: np.ndarray[tuple[int], np.dtype[np.int64]]) -> head.Examples:
    return head.Examples(lesson.vectors[rows], lesson.targets[rows])
