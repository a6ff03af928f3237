"""One training from a catalogue to an encoder: read, divide, teach, judge, and write it if it is better."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import time
from collections.abc import Callable
from dataclasses import asdict
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

from seealike.catalog import refuse_address
from seealike.catalog.labels import GROUP, numbered
from seealike.catalog.outputs.kinds import CHECKPOINT, ENCODER
from seealike.catalog.outputs.places import OutputFile, check_outside
from seealike.errors import EncoderMismatchError, MissingExtraError
from seealike.evaluation.seen import NOTHING, learnt_marks
from seealike.evaluation.specs import own_spec, spec_at_hand
from seealike.files import check_own_folder
from seealike.rows import blocks, chosen
from seealike.training.data.lesson import Lesson, read_lesson
from seealike.training.data.split import Split, split
from seealike.training.judge import gather, judge, with_head
from seealike.training.options import Method, Recipe, TrainOptions
from seealike.training.report import TrainReport
from seealike.training.teach.checkpoint import Checkpoint
from seealike.training.writing import check_output, write_encoder
from seealike.types import ProgressCallback, unwatched

if TYPE_CHECKING:
    from seealike.catalog import Catalog
    from seealike.training.teach.loop import Point
    from seealike.training.teach.taught import Taught
    from seealike.types import Int64Array


FOLDER = "training"
_LEAST_KNOWN = 0.5
_NEEDED = ("torch", "pytorch_metric_learning", "onnx", "safetensors")


def train(
    catalog: Catalog,
    output: str,
    options: TrainOptions,
    *,
    progress: ProgressCallback | None = None,
    passed: Callable[[Point], None] | None = None,
    force: bool = False,
) -> TrainReport:
    """Teach a catalogue's encoder what its owner calls alike.

    The encoder is written to ``output`` with its card beside it, but only if it is better on items that it
    has not seen, and only if the file computes what was learnt. The catalogue stays as it is. A training that
    was interrupted goes on from its last pass.

    Args:
        catalog: whose items, vectors and labels are learnt from.
        output: the ONNX file.
        options: what to learn, and how.
        progress: hears how far the work is.
        passed: hears of every pass.
        force: replace the file ``output`` even if seealike did not write it.

    Raises:
        MissingExtraError: torch or another optional package is not installed.
        UsageError: the labels or the division make no training possible, or ``output`` must not be written.
        EncoderMismatchError: the catalogue's encoder is not what it was.
        EncoderError: the encoder cannot be built on.
        StorageError: the disk refused.
        ForeignFileError: the folder for the work is a link in the catalogue.
    """
    if not options.work_dir:
        refuse_address(catalog.path, "train on the catalogue in its directory")
    _require(*(("timm",) if options.recipe.method is Method.FULL else ()))
    start = time.monotonic()
    target = OutputFile(os.fspath(output), ENCODER, force)
    check_output(catalog, target)
    lesson = read_lesson(catalog, options.labelling, options.splitting, progress or unwatched)
    parts = split(lesson, options.splitting.column, options.recipe.seed)
    folder = options.work_dir or os.path.join(catalog.path, FOLDER)
    if not options.work_dir:
        check_own_folder(folder)
    mark = fingerprint(lesson, parts, options, own_spec(catalog))
    checkpoint = Checkpoint(os.path.join(folder, mark[:16]), mark)
    if options.work_dir:
        check_outside(checkpoint.path, catalog.path)
        if os.path.isdir(folder):
            OutputFile(checkpoint.path, CHECKPOINT, force).check(catalog.path)
    taught = _teach(
        catalog, lesson, parts, options.recipe, checkpoint, progress or unwatched, passed or _unheard
    )
    known = voters(lesson, parts)
    targets = lesson.targets[parts.test]
    groups = groups_of_test(lesson, parts, options.labelling.column)
    old, new = chosen(lesson.vectors, parts.train), taught.voters
    judged = chosen(lesson.vectors, parts.test)
    before = gather(judged, targets, None if known is None else (old, known), groups)
    after = gather(taught.vectors, targets, None if known is None else (new, known), groups)
    if known is not None:
        after = with_head(after, taught.scores, targets)
    verdict = judge(before, after, lesson.units[parts.test])
    written = output if verdict.better or options.keep_anyway else None
    parity, precise = None, False
    if written is not None:
        learnt = learnt_from(lesson, parts, options.recipe, spec_at_hand(catalog))
        parity, precise = write_encoder(target, catalog.path, taught, options.name, learnt)
    checkpoint.remove()
    return TrainReport(
        options=options,
        lesson=lesson,
        split=parts,
        base=catalog.encoder.name,
        curve=taught.outcome.curve,
        best_epoch=taught.outcome.best_point.epoch,
        resumed=taught.outcome.resumed,
        start_score=taught.start_score,
        before=before,
        after=after,
        verdict=verdict,
        train_s=taught.train_s,
        took_s=time.monotonic() - start,
        parity=parity,
        precise=precise,
        encoder=written,
        dimension=taught.vectors.shape[1],
    )


def _teach(
    catalog: Catalog,
    lesson: Lesson,
    parts: Split,
    recipe: Recipe,
    keeper: Checkpoint,
    progress: ProgressCallback,
    passed: Callable[[Point], None],
) -> Taught:
    if recipe.method is Method.HEAD:
        from seealike.training.teach.head import base_record, teach_head

        spec = spec_at_hand(catalog)
        identity = base_record(spec).identity
        if identity != catalog.encoder:  # its vectors would teach a head for another encoder
            raise EncoderMismatchError(catalog.path, catalog.encoder.name, identity.name)
        return teach_head(lesson, parts, spec, recipe, keeper, passed)
    from seealike.training.teach.full import teach_full

    return teach_full(lesson, parts, recipe, keeper, progress, passed)


def groups_of_test(lesson: Lesson, parts: Split, column: str) -> Int64Array | None:
    """Which product each test item shows; None where that is what is learnt, or nobody knows it."""
    groups = [lesson.items[row].group for row in parts.test]
    return numbered(groups)[1] if column != GROUP and any(groups) else None


def learnt_from(lesson: Lesson, parts: Split, recipe: Recipe, spec: str) -> Int64Array:
    """The marks of what a new encoder has seen: what taught it, what stopped it, and what taught its base."""
    rows = np.concatenate([parts.train, parts.validation])
    base = learnt_marks(spec) if recipe.method is Method.HEAD else None
    return np.union1d(lesson.marks[rows], NOTHING if base is None else base)


def voters(lesson: Lesson, parts: Split) -> Int64Array | None:
    """The training items' classes, where the test items' classes are among them; None where most are not."""
    classes = lesson.targets[parts.train]
    known = np.isin(lesson.targets[parts.test], classes).mean()
    return classes if known >= _LEAST_KNOWN else None


def fingerprint(lesson: Lesson, parts: Split, options: TrainOptions, spec: str) -> str:
    """Name everything that the weights depend on: another training must not go on from them."""
    digest = hashlib.sha256()
    facts = {"recipe": asdict(options.recipe), "spec": spec, "classes": lesson.classes}
    digest.update(json.dumps(facts, sort_keys=True).encode())
    for item in lesson.items:
        digest.update(f"{item.id}\0".encode("utf-8", "surrogatepass"))
    vectors = (block for _, block in blocks(lesson.vectors))
    for rows in chain([lesson.targets], vectors, [parts.train, parts.validation, parts.test]):
        digest.update(np.ascontiguousarray(rows).data)
    return digest.hexdigest()


def _unheard(_: Point) -> None:
    """A pass that nobody wants to hear of."""


def _require(*more: str) -> None:
    """Make sure that the optional packages are there, without importing them.

    Raises:
        MissingExtraError: one of them is not.
    """
    if any(importlib.util.find_spec(name) is None for name in (*_NEEDED, *more)):
        raise MissingExtraError("training", "torch")
