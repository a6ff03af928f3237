"""Teach an encoder what a catalogue's owner calls alike, and find out honestly whether it helped.

An application over the facade. Libraries of networks are imported where they are used, and only there.
"""

from seealike.training.judge import Compared, Spread, Verdict
from seealike.training.options import Labelling, Loss, Method, Recipe, Splitting, TrainOptions
from seealike.training.report import TrainReport
from seealike.training.run import train
from seealike.training.teach.loop import Point, plan_for
from seealike.training.trial import Parity

__all__ = [
    "Compared",
    "Labelling",
    "Loss",
    "Method",
    "Parity",
    "Point",
    "Recipe",
    "Splitting",
    "Spread",
    "TrainOptions",
    "TrainReport",
    "Verdict",
    "plan_for",
    "train",
]
