"""The quick way: a head on the vectors there are, joined to the encoder they came from."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from seealike.encoders import EncoderRecord, parse_spec, record_for, vectors_of
from seealike.errors import EncoderError, UsageError
from seealike.rows import blocks, chosen
from seealike.training.data.pixels import readable
from seealike.training.graph import HeadWeights, base_model, joined
from seealike.training.judge import asking, map_at_r
from seealike.training.options import Loss, Recipe
from seealike.training.teach.loop import fit, plan_for
from seealike.training.teach.network import (
    HeadShape,
    Objective,
    load_optimiser,
    load_tensors,
    make_head,
    optimiser_tensors,
    tensors_of,
)
from seealike.training.teach.schedule import Cosine, batch_size_for, batches
from seealike.training.teach.taught import Taught
from seealike.training.trial import MOST, Trial, filled_up

if TYPE_CHECKING:
    import torch

    from seealike.rows import Rows
    from seealike.training.data.lesson import Lesson
    from seealike.training.data.split import Split
    from seealike.training.teach.loop import Keeper, Point, Tensors
    from seealike.types import Float32Array, Int64Array


# Chosen on the clothing set's training part alone, by four folds over its senders (mean mAP@R 0.35 before):
# temperatures 0.05, 0.1, 0.2, 0.3 gave 0.51, 0.55, 0.60, 0.61 and less precision@1 at 0.3; widths of 256,
# 512, 1024 gave 0.594, 0.604, 0.603; a skip connection cost 0.01; batches of 256, 128 gave 0.604, 0.610.
# Vectors of crops and mirrored pictures as further examples gained nothing (0.609 with two, 0.600 with six).
DIMENSION, HIDDEN, TEMPERATURE = 256, 512, 0.2
DROP_IN, DROP = 0.2, 0.3
RATE, WEIGHT_DECAY, WARM_UP, BATCH = 1e-3, 0.05, 0.1, 128


@dataclass(frozen=True, slots=True)
class LabelledVectors:
    """Vectors with their classes. Shapes: vectors is (n, d), targets is (n,)."""

    vectors: Rows
    targets: Int64Array


Judge = Callable[["Float32Array", "Int64Array"], float]


class HeadTrainee:
    """A head in training; see :class:`~seealike.training.teach.loop.Trainee`."""

    def __init__(
        self, train: LabelledVectors, validation: LabelledVectors, classes: int, recipe: Recipe, score: Judge
    ) -> None:
        """Draw the first weights.

        Args:
            train: what it learns from.
            validation: what ``validate`` is about.
            classes: how many there are.
            recipe: how it learns.
            score: from embeddings (n, e) of unit norm and their targets to the score.
        """
        import torch

        torch.manual_seed(recipe.seed)
        self._targets = torch.from_numpy(train.targets)
        self._train, self._validation, self._score = train, validation, score
        self._seed = recipe.seed
        self._size = batch_size_for(len(train.targets), BATCH)
        shape = HeadShape(
            train.vectors.shape[1], HIDDEN, recipe.dimension or DIMENSION, drop_in=DROP_IN, drop=DROP
        )
        self.network = make_head(shape)
        self.objective = Objective(recipe.loss or Loss.PROXY, classes, shape, TEMPERATURE)
        parameters = [*self.network.parameters(), *self.objective.modules.parameters()]
        self._optimiser = torch.optim.AdamW(parameters, lr=RATE, weight_decay=WEIGHT_DECAY)
        self._batches = len(batches(train.targets, self._size, 0, 0))
        self._rate = Cosine(RATE, self._batches * plan_for(recipe).epochs, WARM_UP)

    def train(self, epoch: int) -> float:
        """Make one pass; the mean loss."""
        import torch

        torch.manual_seed(self._seed * 1_000_003 + epoch)
        self.network.train()
        self.objective.modules.train()
        total = 0.0
        for number, rows in enumerate(batches(self._train.targets, self._size, self._seed, epoch)):
            for group in self._optimiser.param_groups:
                group["lr"] = self._rate.at((epoch - 1) * self._batches + number)
            vectors = torch.from_numpy(self._train.vectors[rows])
            loss = self.objective(vectors, self.network(vectors), self._targets[torch.from_numpy(rows)])
            self._optimiser.zero_grad()
            loss.backward()
            self._optimiser.step()
            total += float(loss.detach()) * len(rows)
        return total / len(self._targets)

    def validate(self) -> float:
        """The score among the validation items."""
        return self._score(embedded(self.network, self._validation.vectors), self._validation.targets)

    def state(self) -> Tensors:
        """Weights, and what the optimiser remembers."""
        return {**self.weights(), **optimiser_tensors("optimiser.", self._optimiser)}

    def load(self, state: Tensors) -> None:
        """Go back to what ``state`` returned."""
        self.use(state)
        load_optimiser("optimiser.", self._optimiser, state)

    def weights(self) -> Tensors:
        """The head's and the classifier's weights."""
        return {**tensors_of("head.", self.network), **tensors_of("objective.", self.objective.modules)}

    def use(self, weights: Tensors) -> None:
        """Take these weights."""
        load_tensors("head.", self.network, weights)
        load_tensors("objective.", self.objective.modules, weights)


def embedded(network: torch.nn.Sequential, vectors: Rows) -> Float32Array:
    """The head's embeddings, of unit norm. Shapes: vectors is (n, d), the result (n, e)."""
    import torch
    from torch.nn import functional

    network.eval()
    with torch.inference_mode():
        parts = [
            functional.normalize(network(torch.from_numpy(np.ascontiguousarray(part))), dim=1).numpy()
            for _, part in blocks(vectors)
        ]
    return np.asarray(np.concatenate(parts), dtype=np.float32)


def class_scores(network: torch.nn.Sequential, objective: Objective, vectors: Float32Array) -> Float32Array:
    """How much each item belongs to each class. Shapes: vectors is (n, d), the result (n, c)."""
    import torch

    network.eval()
    objective.modules.eval()
    with torch.inference_mode():
        given = torch.from_numpy(np.ascontiguousarray(vectors))
        logits = objective.logits(given, network(given))
    return np.asarray(logits.numpy(), dtype=np.float32)


SMALL = 20_000
"""Up to so many items a head is trained in one thread: its steps take a millisecond, and where something else
wants the cores too, threads that wait for each other after every step take thirty times as long as one."""


@contextmanager
def threads_for(items: int) -> Iterator[None]:
    """Compute in one thread while the ``with`` block runs, if there are few items."""
    import torch

    before = torch.get_num_threads()
    if items <= SMALL:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


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
    trainee = HeadTrainee(
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
        return Trial(pictures, embedded(trainee.network, exact), embedded(trainee.network, usual))

    validation = _examples(lesson, parts.validation)
    return Taught(
        outcome=outcome,
        model=joined(base, head_weights(trainee.network)).SerializeToString(deterministic=True),
        preprocessing=record.preprocessing,
        licence=record.licence,
        source=f"a head on {record.name}",
        voters=embedded(trainee.network, chosen(lesson.vectors, parts.train)),
        vectors=embedded(trainee.network, chosen(lesson.vectors, parts.test)),
        scores=class_scores(
            trainee.network, trainee.objective, lesson.vectors[parts.test[asking(len(parts.test))]]
        ),
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


def _examples(lesson: Lesson, rows: np.ndarray[tuple[int], np.dtype[np.int64]]) -> LabelledVectors:
    return LabelledVectors(chosen(lesson.vectors, rows), lesson.targets[rows])
