"""How well an encoder does on a catalogue of one's own: metrics with intervals, comparisons, pages.

An application over the facade: it knows catalogues and encoders, and nothing of how they are stored.
"""

from seealike.catalog.labels import Condition, parse_condition
from seealike.evaluation.compare import CompareOptions, compare
from seealike.evaluation.compare_page import compare_page, cost_cells, decisive, shown_metrics
from seealike.evaluation.comparison import CompareReport, Contested, EncoderResult
from seealike.evaluation.evaluate import evaluate
from seealike.evaluation.intervals import Estimate, Resampling
from seealike.evaluation.metrics import metric_names, query_values
from seealike.evaluation.options import EvalOptions
from seealike.evaluation.page import eval_page
from seealike.evaluation.speed import Cost, Timing
from seealike.evaluation.values import (
    ClassResult,
    Confusion,
    CopyReport,
    CopyResult,
    EvalReport,
    Example,
    LabelReport,
    LostCopy,
    Neighbour,
)
from seealike.evaluation.words import describe, remarks, seen_note

__all__ = [
    "ClassResult",
    "CompareOptions",
    "CompareReport",
    "Condition",
    "Confusion",
    "Contested",
    "CopyReport",
    "CopyResult",
    "Cost",
    "EncoderResult",
    "Estimate",
    "EvalOptions",
    "EvalReport",
    "Example",
    "LabelReport",
    "LostCopy",
    "Neighbour",
    "Resampling",
    "Timing",
    "compare",
    "compare_page",
    "cost_cells",
    "decisive",
    "describe",
    "eval_page",
    "evaluate",
    "metric_names",
    "parse_condition",
    "query_values",
    "remarks",
    "seen_note",
    "shown_metrics",
]
