"""The catalogue as its users hold it: what can be read of it, asked and changed, joined."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from seealike.catalog.asker import Asker
from seealike.catalog.changer import Changer
from seealike.catalog.reader import Reader
from seealike.catalog.session import Session
from seealike.encoders import EncoderSpec
from seealike.images import DecodeLimits
from seealike.protocols import Encoder
from seealike.store import FileSystem, SqliteStore


class Catalog(Reader, Asker, Changer):
    """A set of pictures that can be searched by likeness. Get one from ``create`` or ``open``.

    Any number of threads may read at once; each answer belongs to one committed generation. Changes are
    made one at a time, also across processes.
    """

    def __init__(
        self,
        store: SqliteStore,
        *,
        encoder: Encoder | EncoderSpec | None = None,
        files: FileSystem | None = None,
        limits: DecodeLimits = DecodeLimits(),
    ) -> None:
        """Use ``seealike.create`` or ``seealike.open`` instead."""
        self._session = Session(store, encoder, files or FileSystem(), limits)

    def __enter__(self) -> Self:
        """Use the catalogue in a ``with`` block."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """Free processes, models and files. The catalogue cannot be used afterwards."""
        self._session.close()
