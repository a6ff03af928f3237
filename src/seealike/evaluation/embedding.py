"""Pictures that are no items, as vectors of a catalogue's encoder.

They are indexed into a catalogue that is gone afterwards. So they go the way of every picture: decoded in
processes of their own, within limits, in batches.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from seealike.catalog import Catalog, create
from seealike.errors import EncoderMismatchError
from seealike.protocols import Encoder, Source
from seealike.types import PathInput, Progress

Told = Callable[[Progress], None]


def own_spec(catalog: Catalog) -> str:
    """How the catalogue's own encoder is asked for; the name of one that is an object of somebody's."""
    return catalog.encoder_spec or catalog.encoder.name


@contextmanager
def embedded(
    catalog: Catalog, source: PathInput | Source, told: Told, *, encoder: str | Encoder
) -> Iterator[Catalog]:
    """The pictures of ``source`` in the space of ``catalog``.

    Raises:
        SourceError: the source cannot be read.
        EncoderMismatchError: ``encoder`` is not the one that the catalogue was made with.
    """
    with (
        tempfile.TemporaryDirectory(prefix="seealike-", ignore_cleanup_errors=True) as folder,
        create(folder, encoder=encoder) as made,
    ):
        if made.encoder != catalog.encoder:
            raise EncoderMismatchError(catalog.path, catalog.encoder.name, made.encoder.name)
        made.index(source, progress=told)
        yield made
