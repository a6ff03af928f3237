"""What every way of teaching hands over to be judged and written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from seealike.training.teach.loop import FitOutcome
    from seealike.training.trial import Trial
    from seealike.types import Float32Array, Preprocessing


@dataclass(frozen=True, slots=True)
class Taught:
    """An encoder that has been learnt.

    Args:
        outcome: how the training went.
        model: the ONNX file's content: pictures in, embeddings out.
        preprocessing: how its pictures are prepared.
        licence: of the weights it began with.
        source: what it began with.
        voters: the training items' embeddings.
        vectors: the test items' embeddings.
        scores: how much each test item that asks belongs to each class, by the classification head.
        start_score: the validation mAP@R of the encoder before.
        train_s: seconds spent on training.
        trial: what the file must compute.
        precise: bfloat16 is known to change the encoder's vectors too much.

    Shapes: voters is (n, e), vectors (m, e), scores (q, c).
    """

    outcome: FitOutcome
    model: bytes
    preprocessing: Preprocessing
    licence: str
    source: str
    voters: Float32Array
    vectors: Float32Array
    scores: Float32Array
    start_score: float
    train_s: float
    trial: Callable[[], Trial]
    precise: bool
