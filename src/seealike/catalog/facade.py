"""The catalogue as its users hold it: what can be read of it, asked and changed, joined."""

from __future__ import annotations

import os
from collections.abc import Sequence

from seealike.catalog.asker import Asker
from seealike.catalog.changer import Changer
from seealike.catalog.hits import Hits
from seealike.catalog.items import listed
from seealike.catalog.outputs.exporting import export_vectors
from seealike.catalog.outputs.kinds import RESULTS_PAGE, VECTORS
from seealike.catalog.outputs.places import OutputFile
from seealike.catalog.outputs.results import ResultsLook, write_results_page
from seealike.catalog.overview import Overview
from seealike.catalog.reader import Reader
from seealike.catalog.session import Session
from seealike.encoders import EncoderSpec
from seealike.errors import UsageError
from seealike.images import DecodeLimits
from seealike.protocols import Embedder, Encoder
from seealike.store import FileSystem, SqliteStore
from seealike.types import PathInput
from seealike.wording import counted


class Catalog(Reader, Asker, Overview, Changer):
    """A set of pictures that can be searched by likeness. Get one from ``create`` or ``open``.

    Any number of threads may read at once; each answer belongs to one committed generation. Changes are
    made one at a time, also across processes.
    """

    _session: Session

    def __init__(
        self,
        store: SqliteStore,
        *,
        encoder: Encoder | EncoderSpec | None = None,
        files: FileSystem | None = None,
        limits: DecodeLimits = DecodeLimits(),
        embedder: Embedder | None = None,
    ) -> None:
        """Use ``seealike.create`` or ``seealike.open`` instead."""
        self._session = Session(store, encoder, files or FileSystem(), limits, embedder)

    def __repr__(self) -> str:
        """Where it is and what it holds."""
        if self._session.closed:
            return f"<Catalog {self.path}, closed>"
        held = counted(len(self), "item")
        return f"<Catalog {self.path}: {held}, {self.encoder.name}, generation {self.generation}>"

    def results_page(
        self,
        path: PathInput,
        answers: Hits | Sequence[Hits],
        *,
        look: ResultsLook = ResultsLook(),
        force: bool = False,
    ) -> None:
        """Write answers of this catalogue as a page of pictures: one HTML file that needs nothing else.

        Args:
            path: the file, which ends in ``.html``.
            answers: what a search or recommendation gave, one or several; slices and copies will do.
            look: its title, what pictures are called by, links.
            force: write over a file that seealike did not make. Never over one of the catalogue's.

        Raises:
            UsageError: the file must not be written, no item on the page has the column asked for, or the
                answers are no ``Hits``.
            StorageError: the disk refused.
        """
        several = [answers] if isinstance(answers, Hits) else listed(answers, "answers")
        for answer in several:
            if not isinstance(answer, Hits):
                raise UsageError(
                    f"an answer is what a search gave, not {type(answer).__name__}; "
                    "make `Hits` of a list of hits"
                )
        write_results_page(self, OutputFile(os.fspath(path), RESULTS_PAGE, force), several, look)

    def export(self, path: PathInput, *, force: bool = False) -> int:
        """Write every item with its vector to a Parquet file, in bounded memory. The number of items.

        Columns: ``id``, ``path``, ``group``, ``metadata`` (JSON) and ``vector`` (d float32, norm 1). The
        file's metadata says which encoder made the vectors. Others may change the catalogue meanwhile: the
        file is written once, in id order, and every vector is that of its row; items that are removed while
        it is written are left out, unless their turn was before.

        Args:
            path: the file, which ends in ``.parquet``.
            force: write over a file that seealike did not make. Never over one of the catalogue's.

        Raises:
            MissingExtraError: pyarrow, which Parquet takes, is not installed.
            UsageError: the file must not be written.
            StorageError: the disk refused.
        """
        return export_vectors(self._session.store, OutputFile(os.fspath(path), VECTORS, force))
