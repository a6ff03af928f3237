"""Pictures given as queries: whatever form they come in, they become vectors here."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import numpy as np

from seealike.encoders import EncoderMode, known_encoders, load_encoder
from seealike.errors import EncoderMismatchError, PictureError, UsageError
from seealike.images import DecodedPixels, DecodePool, prepare
from seealike.images.pillow import orientation_of
from seealike.protocols import Encoder
from seealike.types import EncoderIdentity, Float32Array, ImageInput, PixelArray, SkipReason

if TYPE_CHECKING:
    from PIL import Image

QUERY_WORKERS = 1


class EncoderAtHand:
    """The encoder a catalogue works with: one known by name, or an object its user made."""

    def __init__(self, catalog_path: str, wanted: EncoderIdentity, given: Encoder | None = None) -> None:
        """Check that the encoder at hand is the catalogue's; nothing heavy is loaded.

        A catalogue may be read without the object its encoder was: an unknown name is no error yet.

        Raises:
            EncoderMismatchError: it has another name, other weights or preprocessing.
        """
        known = {record.name: record.identity for record in known_encoders()}
        at_hand = given.identity if given is not None else known.get(wanted.name, wanted)
        if at_hand != wanted:
            raise EncoderMismatchError(catalog_path, _described(wanted), _described(at_hand))
        self.identity = wanted
        self._given = given

    @contextmanager
    def loaded(self, mode: EncoderMode) -> Iterator[Encoder]:
        """The encoder, ready; one that was loaded here is freed afterwards.

        Raises:
            UnknownNameError: there is no encoder of this name, and none was given.
        """
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
        self._closed = False

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
            UsageError: it is no kind of picture, or the catalogue is closed.
        """
        self._check_open()
        if isinstance(image, str | bytes | os.PathLike):
            batch = self._decoders().decode_one(image)
            picture = batch.pictures[0]
            return DecodedPixels(batch.pixels[0], picture.width_px, picture.height_px)
        _check_kind(image)
        pixels = prepare(image, self._identity.preprocessing)
        return DecodedPixels(pixels, *_upright_size(image))

    def thumbnail(self, image: str | bytes | os.PathLike[str], side_px: int) -> bytes:
        """A small re-encoded copy without metadata.

        Raises:
            PictureError: the picture cannot be used.
            UsageError: it is neither a path nor bytes, or the catalogue is closed.
        """
        if not isinstance(image, str | bytes | os.PathLike):
            raise UsageError(f"a thumbnail is made of a path or bytes, not {type(image).__name__}")
        return self._decoders().thumbnail(image, side_px)

    def close(self) -> None:
        """End the decoding process and free the encoder."""
        with self._guard:
            self._closed = True
            self._open.close()
            self._pool, self._encoder = None, None

    def _check_open(self) -> None:
        if self._closed:
            raise UsageError("the catalogue is closed")

    def _query_encoder(self) -> Encoder:
        self._check_open()
        if self._encoder is None:
            self._decoders().start()  # gets ready while the model is loaded
            self._encoder = self._open.enter_context(self._at_hand.loaded(EncoderMode.LATENCY))
        return self._encoder

    def _decoders(self) -> DecodePool:
        with self._guard:
            self._check_open()
            if self._pool is None:
                pool = DecodePool(
                    self._identity.preprocessing,
                    workers=QUERY_WORKERS,
                    batch_size=1,
                    buffers=QUERY_WORKERS + 1,
                )
                self._pool = self._open.enter_context(pool)
            return self._pool


def _check_kind(image: object) -> None:
    from PIL import Image

    if not isinstance(image, np.ndarray | Image.Image):
        raise UsageError(
            f"a picture is a path, bytes, a PIL image or an (h, w, 3) uint8 array, not {type(image).__name__}"
        )


def _upright_size(image: Image.Image | PixelArray) -> tuple[int, int]:
    """Width and height, after the orientation that a PIL image states."""
    if isinstance(image, np.ndarray):
        return image.shape[1], image.shape[0]
    width, height = image.size
    return (height, width) if orientation_of(image) >= 5 else (width, height)


def encoded_unit(vectors: Float32Array) -> Float32Array:
    """Vectors scaled to norm 1; (n, d)."""
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    if not np.isfinite(norms).all() or (norms == 0).any():
        raise PictureError("the query", SkipReason.NON_FINITE_VECTOR, "the encoder gave no usable vector")
    return np.asarray(vectors / norms, dtype=np.float32)


def _described(identity: EncoderIdentity) -> str:
    return f"{identity.name} (weights {identity.weights_sha256[:12]}, layer {identity.layer})"
