"""What another machine must know to make shards."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from seealike.catalog import LocalEmbedder, NamedEncoder
from seealike.embedding.reading import PictureReader
from seealike.embedding.work import Made, ShardMaker, Task
from seealike.errors import SourceError
from seealike.images import DecodeLimits
from seealike.shards import open_place, read_manifest
from seealike.types import EncoderIdentity, SkipReason


@dataclass(frozen=True, slots=True)
class Setup:
    """How shards are made on a node.

    Args:
        encoder: how it is asked for.
        identity: what it must be.
        limits: what one picture may cost.
        output, earlier: the places of the shards, and of those of an earlier run.
        root, again: as for ``ShardMaker``.
        workers: decoding processes; None: one a core of the actor.
    """

    encoder: str
    identity: EncoderIdentity
    limits: DecodeLimits
    output: str
    earlier: str
    root: str
    again: frozenset[SkipReason]
    workers: int | None = None

    def prepared(self) -> Callable[[Task], Made]:
        """What makes shards here.

        Raises:
            SourceError: the place of the shards, or the encoder, is another one here.
        """
        place = open_place(self.output)
        if read_manifest(place) is None:
            raise SourceError(
                f"{place.label} is another folder on this node; name one that all share, or s3://"
            )
        named = NamedEncoder(self.encoder, self.limits)
        if named.identity != self.identity:
            raise SourceError(f"{self.encoder} is another encoder on this node; install the same")
        embedder = LocalEmbedder(named, workers=self.workers, limits=self.limits)
        reader = PictureReader(self.root, self.limits)
        return ShardMaker(embedder, place, open_place(self.earlier), reader, self.again).make
