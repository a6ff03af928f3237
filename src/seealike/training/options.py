"""What the caller of a training chooses: what is right, who is held out, and how it is learnt."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from seealike.errors import known_member


class Method(StrEnum):
    """What is trained.

    ``HEAD``: a small network on the catalogue's vectors; no picture is read. ``FULL``: the whole encoder.
    """

    HEAD = "head"
    FULL = "full"


class Loss(StrEnum):
    """What embeddings are pulled and pushed by, beside the classification.

    ``PROXY``: cosine softmax over one learnt vector a class (Zhai and Wu 2019). ``SUPCON``: all pairs of a
    batch (Khosla et al. 2020). ``MULTI_SIMILARITY``: pairs weighted by how hard they are (Wang et al. 2019).
    ``PROXY_ANCHOR``: Kim et al. 2020. ``SOFTMAX``: classification alone, with free weights and biases.
    """

    PROXY = "proxy"
    SUPCON = "supcon"
    MULTI_SIMILARITY = "multi-similarity"
    PROXY_ANCHOR = "proxy-anchor"
    SOFTMAX = "softmax"


@dataclass(frozen=True, slots=True)
class Labelling:
    """What makes two pictures alike.

    Args:
        column: what names the class: a metadata column, ``group``, ``folder`` or ``prefix``.
        ignore: values that are no class; such items take part in nothing.
    """

    column: str
    ignore: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Splitting:
    """Which items are learnt from, which decide when to stop, and which judge.

    Args:
        column: a metadata column with the values train, val and test; None draws them.
        by: a metadata column, such as who took the photo, whose values are never on two sides. None means
            the items' groups; an item without one stands for itself.
    """

    column: str | None = None
    by: str | None = None


@dataclass(frozen=True, slots=True)
class Recipe:
    """How it is learnt. None means: what measured best for the method.

    Args:
        method: what is trained.
        loss: what is minimised.
        dimension: the length of the new embedding.
        epochs: the most passes over the training items.
        patience: how many passes without a better validation mAP@R end it.
        seed: of everything that is drawn.
        backbone: for ``FULL``, what to start from: ``efficientnet-lite0`` or ``timm:NAME``.
    """

    method: Method = Method.HEAD
    loss: Loss | None = None
    dimension: int | None = None
    epochs: int | None = None
    patience: int | None = None
    seed: int = 0
    backbone: str | None = None

    def __post_init__(self) -> None:
        """Take names as well."""
        object.__setattr__(self, "method", known_member(Method, self.method, "method"))
        if self.loss is not None:
            object.__setattr__(self, "loss", known_member(Loss, self.loss, "loss"))


@dataclass(frozen=True, slots=True)
class TrainOptions:
    """Everything that a training is told. ``work_dir`` holds checkpoints; None: with the catalogue."""

    labelling: Labelling
    splitting: Splitting = field(default_factory=Splitting)
    recipe: Recipe = field(default_factory=Recipe)
    name: str = "fine-tuned"
    keep_anyway: bool = False
    work_dir: str | None = None
