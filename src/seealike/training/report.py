"""What a training tells when it has ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from seealike.training.data.lesson import Lesson
    from seealike.training.data.split import Split
    from seealike.training.judge import Evidence, Verdict
    from seealike.training.options import TrainOptions
    from seealike.training.teach.loop import Point
    from seealike.training.trial import Parity


@dataclass(frozen=True, slots=True)
class TrainReport:
    """One training.

    Args:
        options: what it was told.
        lesson: the items and their classes.
        split: who learnt, who stopped it, who judged.
        base: the name of the encoder before.
        curve: one point a pass.
        best_epoch: the pass whose weights were taken.
        resumed: how many passes an earlier run had made.
        start_score: the validation mAP@R before.
        before: what the test items say of the encoder before.
        after: and of the one that was learnt.
        verdict: the comparison.
        train_s: seconds spent on training, measuring not counted.
        took_s: seconds in all.
        parity: how well the network and the ONNX file agree; None where none was written.
        precise: whether the file is run in float32 only.
        encoder: the ONNX file; None where none was written.
        dimension: of the new embedding.
    """

    options: TrainOptions
    lesson: Lesson
    split: Split
    base: str
    curve: tuple[Point, ...]
    best_epoch: int
    resumed: int
    start_score: float
    before: Evidence
    after: Evidence
    verdict: Verdict
    train_s: float
    took_s: float
    parity: Parity | None
    precise: bool
    encoder: str | None
    dimension: int
