"""How well an encoder does on a catalogue of one's own: metrics with intervals, comparisons, pages.

An application over the facade: it knows catalogues and encoders, and nothing of how they are stored.
"""

from seealike.evaluation.comparison.compare import CompareOptions, compare
from seealike.evaluation.comparison.speed import Cost, Timing
from seealike.evaluation.comparison.values import CompareReport, Contested, EncoderResult
from seealike.evaluation.measure.evaluate import evaluate
from seealike.evaluation.options import EvalOptions
from seealike.evaluation.pages.comparison import compare_page, cost_cells, decisive, shown_metrics
from seealike.evaluation.pages.evaluation import eval_page
from seealike.evaluation.statistics.intervals import Estimate, Resampling
from seealike.evaluation.statistics.metrics import metric_names, query_values
from seealike.evaluation.values import (
    ApartReport,
    ClassResult,
    Confusion,
    CopyReport,
    CopyResult,
    EvalReport,
    Example,
    LabelReport,
    LostCopy,
    Neighbour,
    SmallerVectors,
)
from seealike.evaluation.words import apart_from, apart_remarks, describe, own_share, remarks, seen_note

__all__ = [
    "ApartReport",
    "ClassResult",
    "CompareOptions",
    "CompareReport",
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
    "SmallerVectors",
    "Timing",
    "apart_from",
    "apart_remarks",
    "compare",
    "compare_page",
    "cost_cells",
    "decisive",
    "describe",
    "eval_page",
    "evaluate",
    "metric_names",
    "own_share",
    "query_values",
    "remarks",
    "seen_note",
    "shown_metrics",
]
