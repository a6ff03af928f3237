"""The head: a small network from an encoder's unit vectors to embeddings, and what it is trained by.

Knows no pictures and no catalogue. Array letters: n items, d features, h hidden, e embedding, c classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from seealike.training.options import Loss

if TYPE_CHECKING:
    import torch

    from seealike.training.teach.loop import Tensors

SMOOTHING = 0.1
"""Of the classification's targets (Szegedy et al. 2016): more right classes among the first five."""


@dataclass(frozen=True, slots=True)
class HeadShape:
    """The head's sizes: features in, hidden units, embedding out; and the shares dropped while it learns."""

    features: int
    hidden: int
    embedding: int
    drop_in: float = 0.0
    drop: float = 0.0


def make_head(shape: HeadShape) -> torch.nn.Sequential:
    """A head with weights drawn from torch's global generator. It returns embeddings before normalisation."""
    from torch import nn

    return nn.Sequential(
        nn.LayerNorm(shape.features),
        nn.Dropout(shape.drop_in),
        nn.Linear(shape.features, shape.hidden),
        nn.GELU(),
        nn.Dropout(shape.drop),
        nn.Linear(shape.hidden, shape.embedding),
    )


class Objective:
    """What is minimised: a loss on the embeddings, and beside it a classification of the features.

    With ``SOFTMAX`` the embedding itself is classified, and that is all.
    """

    def __init__(self, loss: Loss, classes: int, shape: HeadShape, temperature: float) -> None:
        """Draw the classes' vectors from torch's global generator."""
        from torch import nn

        self.loss = loss
        self._metric = _metric_loss(loss, classes, shape.embedding, temperature)
        self._classifier = (
            nn.Linear(shape.embedding, classes)
            if self._metric is None
            else nn.Sequential(
                nn.LayerNorm(shape.features), nn.Dropout(shape.drop_in), nn.Linear(shape.features, classes)
            )
        )
        learnt = [self._classifier] if self._metric is None else [self._classifier, self._metric]
        self.modules = nn.ModuleList(learnt)

    def __call__(
        self, features: torch.Tensor, embeddings: torch.Tensor, targets: torch.Tensor
    ) -> torch.Tensor:
        """The mean loss.

        Shapes: features is (n, d), of unit norm; embeddings (n, e), before normalisation; targets (n,).
        """
        from torch.nn import functional

        said = functional.cross_entropy(
            self.logits(features, embeddings), targets, label_smoothing=SMOOTHING if self._metric else 0.0
        )
        if self._metric is None:
            return said
        return said + self._metric(functional.normalize(embeddings, dim=1), targets)

    def logits(self, features: torch.Tensor, embeddings: torch.Tensor) -> torch.Tensor:
        """How much each item belongs to each class. Shapes: as above; the result is (n, c)."""
        return self._classifier(embeddings if self._metric is None else features)


def _metric_loss(loss: Loss, classes: int, dimension: int, temperature: float) -> torch.nn.Module | None:
    from pytorch_metric_learning import losses

    if loss is Loss.PROXY:
        return losses.NormalizedSoftmaxLoss(classes, dimension, temperature=temperature)
    if loss is Loss.SUPCON:
        return losses.SupConLoss(temperature=temperature)
    if loss is Loss.MULTI_SIMILARITY:
        return losses.MultiSimilarityLoss()
    if loss is Loss.PROXY_ANCHOR:
        return losses.ProxyAnchorLoss(classes, dimension)
    return None


def tensors_of(prefix: str, module: torch.nn.Module) -> Tensors:
    """Copies of a module's weights, their names with ``prefix`` before."""
    return {f"{prefix}{name}": value.detach().clone() for name, value in module.state_dict().items()}


def load_tensors(prefix: str, module: torch.nn.Module, tensors: Tensors) -> None:
    """Give a module the weights that ``tensors_of`` copied."""
    own = {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
    module.load_state_dict(own)


def optimiser_tensors(prefix: str, optimiser: torch.optim.Optimizer) -> Tensors:
    """Copies of what an optimiser remembers of every weight."""
    state = optimiser.state_dict()["state"]
    return {
        f"{prefix}{number}.{name}": value.detach().clone()
        for number, values in state.items()
        for name, value in values.items()
    }


def load_optimiser(prefix: str, optimiser: torch.optim.Optimizer, tensors: Tensors) -> None:
    """Give an optimiser the memory that ``optimiser_tensors`` copied."""
    state: dict[int, dict[str, torch.Tensor]] = {}
    for full_name, value in tensors.items():
        if full_name.startswith(prefix):
            number, _, name = full_name.removeprefix(prefix).partition(".")
            state.setdefault(int(number), {})[name] = value.clone()
    optimiser.load_state_dict({**optimiser.state_dict(), "state": state})
