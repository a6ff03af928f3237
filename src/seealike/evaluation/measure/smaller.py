"""What vectors of fewer or smaller numbers would cost in quality: they are tried, and nothing is stored.

The queries and what is right are the same, so differences are told by pairs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from seealike.errors import UsageError
from seealike.evaluation.statistics.intervals import differences, estimates
from seealike.evaluation.statistics.metrics import metric_names
from seealike.evaluation.statistics.ranking import mean_overlap, rank
from seealike.evaluation.values import SmallerVectors
from seealike.rows import VectorFile, blocks
from seealike.vectors import VectorType, unit_rows

if TYPE_CHECKING:
    from seealike.evaluation.measure.selection import Selection
    from seealike.evaluation.options import EvalOptions
    from seealike.evaluation.statistics.ranking import Ranking
    from seealike.rows import Rows
    from seealike.types import ProgressCallback

_FORM = re.compile(r"(?:([1-9][0-9]{0,6})(?::int8)?|int8)")


@dataclass(frozen=True, slots=True)
class SmallerForm:
    """Vectors of the first ``dims`` numbers, or of all (0), kept in numbers of a type."""

    name: str
    dims: int
    type: VectorType

    def of(self, vectors: Rows) -> Rows:
        """The vectors as they would be read again, of norm 1; those in a file are in another.

        Shapes: (n, d) to (n, dims or d).
        """
        dimension = self.dims or vectors.shape[1]
        if isinstance(vectors, np.ndarray):
            rows = unit_rows(vectors[:, :dimension])
            return unit_rows(self.type.read(self.type.kept(rows), dimension))
        file = VectorFile(len(vectors), dimension, self.type)
        for first, block in blocks(vectors):
            file.write(np.arange(first, first + len(block)), unit_rows(block[:, :dimension]))
        return file


def smaller_forms(asked: Iterable[str], dimension: int | None = None) -> list[SmallerForm]:
    """The forms that texts such as ``256``, ``int8`` and ``256:int8`` ask for.

    ``dimension``: that of the vectors as they are, where it is known.

    Raises:
        UsageError: one of them is none, or is not smaller.
    """
    return [_form(text, dimension) for text in dict.fromkeys(asked)]


def _form(text: str, dimension: int | None) -> SmallerForm:
    found = _FORM.fullmatch(text)
    if found is None:
        raise UsageError(
            f"smaller vectors are a number of dimensions, int8, or both as in 256:int8; not {text!r}"
        )
    dims = int(found[1] or 0)
    if dimension is not None and dims >= dimension:
        raise UsageError(f"the vectors have {dimension:,} numbers, and {text} is no fewer; say fewer")
    return SmallerForm(text, dims, VectorType.INT8 if "int8" in text else VectorType.FLOAT16)


def cost_of_smaller(
    form: SmallerForm,
    chosen: Selection,
    vectors: tuple[Rows, Rows],
    answers: Ranking,
    options: EvalOptions,
    progress: ProgressCallback,
) -> SmallerVectors:
    """Answer the same queries with smaller vectors.

    Args:
        form: how they are made smaller.
        chosen: who asks whom.
        vectors: those of the items that are searched, and of the queries; (n, d) and (q, d).
        answers: what these answer.
        options: how much is looked at, and how intervals are made.
        progress: told how far it is.
    """
    searched, asked = vectors
    items = form.of(searched)
    queries = items if asked is searched else form.of(asked)
    tried = rank(chosen.task(items, queries), options.k, progress)
    names, clusters = metric_names(options.k), chosen.clusters[answers.asked]
    changes = differences(tried.values - answers.values, clusters, options.resampling)
    return SmallerVectors(
        name=form.name,
        dimension=items.shape[1],
        bytes=form.type.bytes_of(items.shape[1]),
        metrics=dict(zip(names, estimates(tried.values, clusters, options.resampling), strict=True)),
        changes=dict(zip(names, changes, strict=True)),
        overlap=mean_overlap(answers.nearest, tried.nearest),
    )
