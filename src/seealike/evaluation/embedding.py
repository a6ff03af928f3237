"""Pictures that are no items, as vectors of a catalogue's encoder.

They are indexed into a catalogue that is gone afterwards. So they go the way of every picture: decoded in
processes of their own, within limits, in batches.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from seealike.catalog import Catalog, create
from seealike.catalog.opening import placed_spec
from seealike.encoders import parse_spec
from seealike.encoders.spec import ONNX
from seealike.errors import EncoderError, EncoderMismatchError
from seealike.protocols import Encoder, Source
from seealike.types import PathInput, Progress

Told = Callable[[Progress], None]


def own_spec(catalog: Catalog) -> str:
    """How the catalogue's own encoder is asked for; the name of one that is an object of somebody's."""
    return catalog.encoder_spec or catalog.encoder.name


def encoder_at_hand(catalog: Catalog, encoder: str | Encoder | None) -> str | Encoder:
    """The catalogue's encoder: an object, or how it is asked for now.

    Args:
        catalog: remembers how it was asked for then.
        encoder: the object, or where its model lies now, ``onnx:FILE``; None: where it is now.

    Raises:
        EncoderMismatchError: it is not the catalogue's.
        EncoderError: it cannot be used.
    """
    if encoder is None:
        return catalog.placed_spec or own_spec(catalog)
    return placed_spec(catalog.path, encoder) if isinstance(encoder, str) else encoder


@contextmanager
def embedded(
    catalog: Catalog, source: PathInput | Source, told: Told, *, encoder: str | Encoder
) -> Iterator[Catalog]:
    """The pictures of ``source`` in the space of ``catalog``.

    Raises:
        SourceError: the source cannot be read.
        EncoderMismatchError: ``encoder`` is not the one that the catalogue was made with.
        EncoderError: its model file has gone.
    """
    _check_there(catalog, encoder)
    with (
        tempfile.TemporaryDirectory(prefix="seealike-", ignore_cleanup_errors=True) as folder,
        create(folder, encoder=encoder, link_encoder=True) as made,
    ):
        if made.encoder != catalog.encoder:
            raise EncoderMismatchError(catalog.path, catalog.encoder.name, made.encoder.name)
        made.index(source, progress=told)
        yield made


def _check_there(catalog: Catalog, encoder: str | Encoder) -> None:
    spec = parse_spec(encoder) if isinstance(encoder, str) else None
    if spec is not None and spec.scheme == ONNX and not os.path.isfile(spec.target):
        raise EncoderError(
            f"the model file {spec.target} that {catalog.path} was made with is not there; "
            f"if it lies elsewhere now, say so: --encoder {ONNX}:FILE"
        )
