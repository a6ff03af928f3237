"""Training a head on the vectors that a catalogue has already."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from seealike.training.network import (
    HeadShape,
    Objective,
    load_optimiser,
    load_tensors,
    make_head,
    optimiser_tensors,
    tensors_of,
)
from seealike.training.options import Loss, Recipe
from seealike.training.schedule import Cosine, batch_size_for, batches

if TYPE_CHECKING:
    import torch

    from seealike.training.loop import Tensors
    from seealike.types import Float32Array, Int64Array

# Chosen on the clothing set's training part alone, by four folds over its senders (mean mAP@R 0.35 before):
# temperatures 0.05, 0.1, 0.2, 0.3 gave 0.51, 0.55, 0.60, 0.61 and less precision@1 at 0.3; widths of 256,
# 512, 1024 gave 0.594, 0.604, 0.603; a skip connection cost 0.01; batches of 256, 128 gave 0.604, 0.610.
# Vectors of crops and mirrored pictures as further examples gained nothing (0.609 with two, 0.600 with six).
DIMENSION, HIDDEN, TEMPERATURE = 256, 512, 0.2
DROP_IN, DROP = 0.2, 0.3
RATE, WEIGHT_DECAY, WARM_UP, BATCH = 1e-3, 0.05, 0.1, 128
EPOCHS, PATIENCE = 30, 10


@dataclass(frozen=True, slots=True)
class Examples:
    """Vectors with their classes. Shapes: vectors is (n, d), targets is (n,)."""

    vectors: Float32Array
    targets: Int64Array


Judge = Callable[["Float32Array", "Int64Array"], float]


class HeadTrainee:
    """A head in training; see :class:`~seealike.training.loop.Trainee`."""

    def __init__(
        self, train: Examples, validation: Examples, classes: int, recipe: Recipe, score: Judge
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
        self._vectors = torch.from_numpy(np.ascontiguousarray(train.vectors))
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
        self._rate = Cosine(RATE, self._batches * (recipe.epochs or EPOCHS), WARM_UP)

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
            chosen = torch.from_numpy(rows)
            vectors = self._vectors[chosen]
            loss = self.objective(vectors, self.network(vectors), self._targets[chosen])
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


def embedded(network: torch.nn.Sequential, vectors: Float32Array) -> Float32Array:
    """The head's embeddings, of unit norm. Shapes: vectors is (n, d), the result (n, e)."""
    import torch
    from torch.nn import functional

    network.eval()
    with torch.inference_mode():
        found = functional.normalize(network(torch.from_numpy(np.ascontiguousarray(vectors))), dim=1)
    return np.asarray(found.numpy(), dtype=np.float32)


def class_scores(network: torch.nn.Sequential, objective: Objective, vectors: Float32Array) -> Float32Array:
    """How much each item belongs to each class. Shapes: vectors is (n, d), the result (n, c)."""
    import torch

    network.eval()
    objective.modules.eval()
    with torch.inference_mode():
        given = torch.from_numpy(np.ascontiguousarray(vectors))
        found = objective.logits(given, network(given))
    return np.asarray(found.numpy(), dtype=np.float32)
