"""Vectors to neighbours: exact search, and FAISS snapshots that propose what exact scoring then decides."""

from seealike.indexes.ann import FaissProposer, load_snapshot
from seealike.indexes.build import build_snapshot
from seealike.indexes.exact import ExactIndex
from seealike.indexes.faiss import THREADS, closest_to_each
from seealike.indexes.reverse import ReverseSearch
from seealike.indexes.rows import VectorRows
from seealike.indexes.scoring import exact_scores, pair_scores
from seealike.indexes.snapshot import SnapshotDamagedError, SnapshotRecord

__all__ = [
    "THREADS",
    "ExactIndex",
    "FaissProposer",
    "ReverseSearch",
    "SnapshotDamagedError",
    "SnapshotRecord",
    "VectorRows",
    "build_snapshot",
    "closest_to_each",
    "exact_scores",
    "load_snapshot",
    "pair_scores",
]
