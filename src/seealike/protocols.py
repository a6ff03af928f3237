"""The seams of seealike: what a stage needs from the next one, and nothing about who provides it.

Array letters: n items, q queries, k neighbours, d dimensions, h, w pixels, c channels.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from seealike.types import (
    Embedded,
    EncoderIdentity,
    Picture,
    Preprocessing,
    Proposal,
    Refused,
    SameFile,
    Skipped,
    SourceItem,
)

if TYPE_CHECKING:
    from seealike.types import Float32Array, Int64Array, PixelArray


class Source(Protocol):
    """Where pictures come from: a folder, a pattern, a table."""

    @property
    def root(self) -> str:
        """The absolute directory that every item's path lies in."""

    @property
    def label(self) -> str:
        """How people call this source in messages, for instance ``photos/``."""

    def scan(self) -> Iterator[SourceItem | Skipped]:
        """Yield every picture on offer, and every entry that cannot be one, with its reason.

        No picture is opened. Ids are unique among the yielded items: a second use of an id is
        yielded as ``Skipped`` with ``DUPLICATE_ID``. What could not be looked at, because of permissions
        or a failing disk, is yielded as ``Unseen``: what the catalogue knows of it stays. Every ``path``
        can be encoded by ``os.fsencode``.

        Raises:
            SourceError: the source as a whole cannot be read.
        """


class Encoder(Protocol):
    """Pixels to vectors.

    Shapes: pixels are (n, crop_px, crop_px, 3) uint8, RGB; vectors are (n, d) float32.
    Units: vectors have Euclidean norm 1.
    """

    @property
    def identity(self) -> EncoderIdentity:
        """The embedding space's name."""

    @property
    def preprocessing(self) -> Preprocessing:
        """How pictures must be prepared."""

    @property
    def batch_size(self) -> int:
        """The number of pictures ``submit`` likes best at once."""

    @property
    def concurrency(self) -> int:
        """How many submitted batches can be under way before ``submit`` blocks."""

    def encode(self, pixels: PixelArray) -> Float32Array:
        """Encode any number of pictures, now.

        Raises:
            EncoderError: the runtime failed.
        """

    def submit(self, pixels: PixelArray) -> Future[Float32Array]:
        """Start to encode at most ``batch_size`` pictures; blocks while ``concurrency`` are under way.

        ``pixels`` is read until the future is done: its memory must stay untouched that long.
        """

    def close(self) -> None:
        """Release the runtime. The encoder cannot be used afterwards."""


@runtime_checkable
class TextEncoder(Protocol):
    """Texts to vectors in the space of pictures. An :class:`Encoder` that keeps this too answers texts.

    Units: vectors have Euclidean norm 1.
    """

    @property
    def identity(self) -> EncoderIdentity:
        """The embedding space's name, which is that of the pictures' encoder."""

    def encode_texts(self, texts: Sequence[str]) -> Float32Array:
        """Encode any number of texts, now; the result is (n, d) float32.

        Raises:
            EncoderError: the runtime failed.
        """

    def close(self) -> None:
        """Release the runtime. The encoder cannot be used afterwards."""


@runtime_checkable
class MapEncoder(Protocol):
    """Pixels to what each place of them adds to the vector.

    An :class:`Encoder` that keeps this too says why pictures are alike, and finds what one shows.

    Shapes: pixels are (n, side, side, 3) uint8, RGB, of the ``crop_px`` of ``preprocessing`` or of
    ``widest_px``; maps are (n, h, w, d) float32.
    Units: the mean over the places of a picture of ``crop_px`` is its vector, but for the vector's length.
    """

    @property
    def identity(self) -> EncoderIdentity:
        """The embedding space's name, which is that of the encoder."""

    @property
    def preprocessing(self) -> Preprocessing:
        """How pictures of its own side are prepared; for an encoder that focuses, how the parts are."""

    @property
    def widest_px(self) -> int:
        """The largest side that it takes; small things are found best there."""

    def encode_maps(self, pixels: PixelArray) -> Float32Array:
        """Encode any number of pictures, now.

        Raises:
            EncoderError: the runtime failed.
        """

    def close(self) -> None:
        """Release the runtime. The encoder cannot be used afterwards."""


class Embedder(Protocol):
    """Pictures to vectors: decoding and encoding as one step, wherever that is done."""

    @property
    def identity(self) -> EncoderIdentity:
        """The embedding space's name."""

    def embed(
        self, pictures: Iterable[Picture], *, urgent: bool = False
    ) -> Generator[Embedded | SameFile | Refused, None, None]:
        """Yield what becomes of every picture, once, in no order and in bounded memory.

        ``pictures`` is read as it is needed. No picture stops the others: what cannot be decoded or encoded,
        or has no finite vector, is ``Refused`` with its reason.

        Args:
            pictures: any number of them.
            urgent: somebody waits for them: a few are embedded for the shortest wait. Vectors may then differ
                in the last bits of the runtime's arithmetic.

        Raises:
            UsageError: something is no picture at all, or the embedder is closed.
            EncoderError: the encoder cannot be loaded.
        """

    def close(self) -> None:
        """Release processes and models. The embedder cannot be used afterwards."""


class Proposer(Protocol):
    """Some of a catalogue's vectors, in one immutable snapshot, and which of them may be close to a query.

    It may miss neighbours, never lie: whatever it proposes is scored from the stored vectors. Whoever keeps
    it up to date makes another one. Keys are the catalogue's item keys, which grow and are never used twice.
    """

    def __len__(self) -> int:
        """The number of vectors."""

    @property
    def last_key(self) -> int:
        """The greatest key it may propose; vectors of later ones are compared without it."""

    def candidates(self, queries: Float32Array, k: int, allowed: Int64Array | None = None) -> list[Proposal]:
        """For every query, keys among which its ``k`` closest are; score them.

        At least ``k`` keys each, or all there are. A query's candidates do not depend on the others asked
        with it. Where fewer are given though more are allowed, the caller compares with everything.

        Args:
            queries: (q, d), unit norm.
            k: how many of the candidates are wanted at most.
            allowed: keys that may be proposed, ascending, also some that are not in here; all, if not given.
        """
