"""Pictures given as queries: whatever form they come in, they become vectors here."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

import numpy as np

from seealike.encoders import EncoderMode, identity_of, load_encoder
from seealike.errors import EncoderMismatchError, PictureError
from seealike.images import DecodedPixels, DecodePool, prepare
from seealike.protocols import Encoder
from seealike.types import EncoderIdentity, Float32Array, ImageInput, PixelArray, SkipReason

QUERY_WORKERS = 1


class EncoderAtHand:
    """The encoder a catalogue works with: one known by name, or an object its user made."""

    def __init__(self, catalog_path: str, wanted: EncoderIdentity, given: Encoder | None = None) -> None:
        """Check that the encoder at hand is the catalogue's; nothing heavy is loaded.

        Raises:
            EncoderMismatchError: it has another name, other weights or preprocessing.
            UnknownNameError: there is no encoder of this name, and none was given.
        """
        at_hand = given.identity if given is not None else identity_of(wanted.name)
        if at_hand != wanted:
            raise EncoderMismatchError(catalog_path, _described(wanted), _described(at_hand))
        self.identity = wanted
        self._given = given

    @contextmanager
    def loaded(self, mode: EncoderMode) -> Iterator[Encoder]:
        """The encoder, ready; one that was loaded here is freed afterwards."""
        if self._given is not None:
            yield self._given
            return
        encoder = load_encoder(self.identity.name, mode=mode)
        try:
            yield encoder
        finally:
            encoder.close()


class PictureEncoder:
    """Holds the encoder and the decoding processes that queries need, made at first use.

    Safe to use from several threads: one query is encoded at a time.
    """

    def __init__(self, at_hand: EncoderAtHand) -> None:
        """Nothing heavy is loaded yet."""
        self._at_hand = at_hand
        self._identity = at_hand.identity
        self._guard = threading.RLock()
        self._open = ExitStack()
        self._encoder: Encoder | None = None
        self._pool: DecodePool | None = None

    def start_decoding(self) -> None:
        """Start the decoding process, which gets ready while the caller does something else."""
        with self._guard:
            self._decoders().start()

    def encode(self, images: Sequence[ImageInput]) -> Float32Array:
        """Encode pictures, in order. Result is (n, d), unit norm.

        Raises:
            PictureError: one of them cannot be used.
        """
        return self.encode_pixels([self.prepared(image).pixels for image in images])

    def encode_pixels(self, pixels: Sequence[PixelArray]) -> Float32Array:
        """Encode prepared pictures, in order. Result is (n, d), unit norm."""
        if not pixels:
            return np.empty((0, self._identity.dimension), np.float32)
        with self._guard:
            encoder = self._query_encoder()
            return encoded_unit(np.concatenate([encoder.encode(square[None]) for square in pixels]))

    def prepared(self, image: ImageInput) -> DecodedPixels:
        """The square of pixels that the encoder sees; pixels is (crop_px, crop_px, 3).

        Raises:
            PictureError: the picture cannot be used.
        """
        if isinstance(image, str | bytes | os.PathLike):
            batch = self._decoders().decode_one(image)
            picture = batch.pictures[0]
            return DecodedPixels(batch.pixels[0], picture.width_px, picture.height_px)
        width, height = image.shape[1::-1] if isinstance(image, np.ndarray) else image.size
        return DecodedPixels(prepare(image, self._identity.preprocessing), width, height)

    def thumbnail(self, image: str | bytes | os.PathLike[str], side_px: int) -> bytes:
        """A small re-encoded copy without metadata.

        Raises:
            PictureError: the picture cannot be used.
        """
        return self._decoders().thumbnail(image, side_px)

    def close(self) -> None:
        """End the decoding process and free the encoder."""
        with self._guard:
            self._open.close()
            self._pool, self._encoder = None, None

    def _query_encoder(self) -> Encoder:
        if self._encoder is None:
            self._decoders().start()  # gets ready while the model is loaded
            self._encoder = self._open.enter_context(self._at_hand.loaded(EncoderMode.LATENCY))
        return self._encoder

    def _decoders(self) -> DecodePool:
        with self._guard:
            if self._pool is None:
                pool = DecodePool(
                    self._identity.preprocessing,
                    workers=QUERY_WORKERS,
                    batch_size=1,
                    buffers=QUERY_WORKERS + 1,
                )
                self._pool = self._open.enter_context(pool)
            return self._pool


def encoded_unit(vectors: Float32Array) -> Float32Array:
    """Vectors scaled to norm 1; (n, d)."""
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    if not np.isfinite(norms).all() or (norms == 0).any():
        raise PictureError("the query", SkipReason.NON_FINITE_VECTOR, "the encoder gave no usable vector")
    return np.asarray(vectors / norms, dtype=np.float32)


def _described(identity: EncoderIdentity) -> str:
    return f"{identity.name} (weights {identity.weights_sha256[:12]}, layer {identity.layer})"
