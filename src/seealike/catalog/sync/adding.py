"""Pictures added by hand, one or many: decoded and encoded as by ``index``, so that vectors are equal."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass, field
from itertools import chain

import numpy as np

from seealike.catalog.sync.job import COMMIT_ITEMS, COMMIT_S
from seealike.errors import UsageError
from seealike.protocols import Embedder
from seealike.store import NewItem, SqliteStore, StoreWriter
from seealike.store.records import BY_HAND, checked_text, metadata_to_json
from seealike.types import (
    Embedded,
    ImageInput,
    Metadata,
    Picture,
    Progress,
    ProgressCallback,
    Refused,
    SameFile,
    Skipped,
    SkipReason,
)


@dataclass(frozen=True, slots=True)
class NewPicture:
    """A picture to add: a path, the bytes of a file, a PIL image, or an (h, w, 3) uint8 array.

    Raises:
        UsageError: id, group or metadata cannot be stored.
    """

    id: str
    image: ImageInput
    group: str | None = None
    metadata: Metadata = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check what can be checked without opening the picture."""
        if not checked_text(self.id, "an id"):
            raise UsageError("an item needs an id that is not empty")
        if self.group is not None:
            checked_text(self.group, "a group")
        metadata_to_json(self.metadata)

    @property
    def path(self) -> str:
        """The absolute path; empty where it is no file."""
        return os.path.abspath(self.image) if isinstance(self.image, str | os.PathLike) else ""

    def skipped(self, reason: SkipReason, detail: str) -> Skipped:
        """The row that says why it could not be added."""
        return Skipped(checked_text(self.id, "an id"), self.path, reason, detail)

    def row(self, picture: Embedded, directory: str) -> NewItem:
        """The item that it becomes. ``index`` knows nothing of its file.

        A file within the catalogue's ``directory`` moves together with it.
        """
        path = self.path
        if path.startswith(os.path.join(directory, "")):
            path = os.path.relpath(path, directory)
        return NewItem(
            id=checked_text(self.id, "an id"),
            path=os.fsencode(path) if path else None,
            size_bytes=None,
            mtime_ns=None,
            sha256=None,
            group=None if self.group is None else checked_text(self.group, "a group"),
            metadata_json=metadata_to_json(self.metadata),
            width_px=picture.width_px,
            height_px=picture.height_px,
            source=BY_HAND,
            vector=picture.vector.astype(np.float16).tobytes(),
            signature=picture.signature,
        )


@dataclass(frozen=True, slots=True)
class AddReport:
    """What ``add_many`` did: how many ids are new, how many had an item before, and what could not be added.

    ``generation`` is that of the catalogue afterwards.
    """

    added: int
    replaced: int
    skipped: tuple[Skipped, ...]
    generation: int


def add_all(
    store_now: Callable[[], SqliteStore],
    embedder: Embedder,
    pictures: Iterable[NewPicture],
    writing: Callable[[], AbstractContextManager[StoreWriter]],
    progress: ProgressCallback,
) -> AddReport:
    """Embed pictures and commit them, some hundreds at a time, each time with a writer of ``writing``.

    Raises:
        UsageError: something is no picture at all.
        EncoderError: the encoder cannot be loaded.
    """
    rows = _Rows(pictures, os.path.abspath(store_now().directory))
    pending: list[NewItem] = []
    added = replaced = 0
    last_commit = time.monotonic()
    with closing(embedder.embed(rows.pictures())) as outcomes:
        for outcome in chain(outcomes, (None,)):
            if outcome is not None:
                pending += rows.of(outcome)
            due = len(pending) >= COMMIT_ITEMS or outcome is None or time.monotonic() - last_commit > COMMIT_S
            if due and pending:
                with writing() as writer:
                    before = writer.add(pending)
                added, replaced = added + len(pending) - before, replaced + before
                progress(Progress("add", added + replaced, None))
                pending, last_commit = [], time.monotonic()
    return AddReport(added, replaced, tuple(rows.skipped), store_now().state().generation)


class _Rows:
    """What becomes of the pictures of one call. ``skipped`` are those that cannot be added."""

    def __init__(self, pictures: Iterable[NewPicture], directory: str) -> None:
        self._given, self._directory = pictures, directory
        self._asked: dict[int, NewPicture] = {}
        self.skipped: list[Skipped] = []

    def pictures(self) -> Iterator[Picture]:
        """Number the pictures; a second one under an id is refused."""
        seen: set[str] = set()
        for token, picture in enumerate(self._given):
            if not isinstance(picture, NewPicture):
                raise UsageError(f"add_many takes NewPicture values, not {type(picture).__name__}")
            if picture.id in seen:
                detail = "an earlier picture of this call has the id"
                self.skipped.append(picture.skipped(SkipReason.DUPLICATE_ID, detail))
                continue
            seen.add(picture.id)
            self._asked[token] = picture
            yield Picture(token, picture.image)

    def of(self, outcome: Embedded | SameFile | Refused) -> list[NewItem]:
        """The item that a picture becomes, if it becomes one."""
        asked = self._asked.pop(outcome.token)
        if isinstance(outcome, Embedded):
            return [asked.row(outcome, self._directory)]
        assert isinstance(outcome, Refused)  # no content is known beforehand
        self.skipped.append(asked.skipped(outcome.reason, outcome.detail))
        return []
