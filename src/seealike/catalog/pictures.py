"""Pictures given as queries: whatever form they come in, they become vectors here."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from seealike.catalog.encoder_copies import EncoderCopies
from seealike.encoders import (
    EncoderMode,
    EncoderSpec,
    identity_of,
    known_encoders,
    load_encoder,
    parse_spec,
)
from seealike.encoders.spec import ONNX
from seealike.errors import (
    EncoderError,
    EncoderMismatchError,
    MissingExtraError,
    PictureError,
    SeealikeError,
    UsageError,
)
from seealike.images import DecodedPixels, DecodeLimits, DecodePool, prepare
from seealike.images.pillow import orientation_of
from seealike.protocols import Encoder, TextEncoder
from seealike.store import FileSystem, SqliteStore
from seealike.types import EncoderIdentity, Float32Array, ImageInput, PixelArray, SkipReason
from seealike.vectors import have_directions, unit_rows

if TYPE_CHECKING:
    from PIL import Image

QUERY_WORKERS = 1
MOST_THUMBNAIL_PX = 10_000
Loaded = TypeVar("Loaded", bound=Encoder | TextEncoder)


class EncoderAtHand:
    """The encoder a catalogue works with: the one it was made with, wherever that is, or a user's object."""

    def __init__(
        self,
        store: SqliteStore,
        asked: Encoder | EncoderSpec | None = None,
        limits: DecodeLimits = DecodeLimits(),
    ) -> None:
        """Check that the encoder at hand is the catalogue's; nothing heavy is loaded, no model is opened.

        Args:
            store: remembers which encoder it was, and how it was asked for.
            asked: the encoder as an object, or how to ask for it now; None: as it was asked for then.
            limits: what one picture that is decoded for it may cost.

        A catalogue may be read without its encoder: an unknown name or a lost file is no error yet.

        Raises:
            EncoderMismatchError: it has another name, other weights or preprocessing.
        """
        self.identity, self.limits = store.identity, limits
        self._directory = store.directory
        self._given = None if asked is None or isinstance(asked, EncoderSpec) else asked
        self._asked = asked if isinstance(asked, EncoderSpec) else None
        self._remembered = remembered_spec(store)
        at_hand = self._given.identity if self._given is not None else self._known()
        if at_hand not in (None, self.identity):
            raise EncoderMismatchError(store.directory, described(self.identity), described(at_hand))

    @property
    def given(self) -> Encoder | None:
        """The object that its user made, if that is what it is."""
        return self._given

    def spec(self) -> EncoderSpec:
        """How it is asked for where it is now, if it is no object: the first way by which it is found."""
        places = self._places()
        for place in places[:-1]:
            with suppress(SeealikeError):
                if identity_of(place) == self.identity:
                    return place
        return places[-1]

    def keep(self, files: FileSystem, *, link: bool | None) -> None:
        """See that the catalogue has its copy, or a note that none is wanted; remove those it had before.

        The caller holds the writer lock.

        Raises:
            EncoderError, CatalogBusyError, StorageError: see ``EncoderCopies.keep``.
        """
        copies = EncoderCopies(self._directory, files)
        if self._given is None:
            copies.keep(self.identity, self._asked, self._remembered, link=link)
        copies.remove_unneeded()

    @contextmanager
    def loaded(self, mode: EncoderMode) -> Iterator[Encoder]:
        """The encoder, ready; one that was loaded here is freed afterwards.

        Raises:
            UnknownNameError: there is no encoder of this name, and none was given.
            EncoderError: its file has gone, or is another one now.
        """
        if self._given is not None:
            yield self._given
            return
        encoder = self.first(lambda place: load_encoder(place, mode=mode))
        if encoder is None:
            raise EncoderError(f"{self._remembered} makes no encoder")
        try:
            yield encoder
        finally:
            encoder.close()

    def first(self, load: Callable[[EncoderSpec], Loaded | None]) -> Loaded | None:
        """What ``load`` makes of the first place where the encoder is; None where it makes nothing of any.

        Raises:
            UnknownNameError, MissingExtraError, EncoderError: it is nowhere; the message says why.
        """
        problems: list[SeealikeError] = []
        for place in self._places():
            try:
                found = self._loaded_from(place, load)
            except (EncoderError, MissingExtraError) as exc:
                problems.append(exc)
                continue
            if found is not None:
                return found
        if len(problems) > 1:
            raise EncoderError("; ".join(map(str, problems))) from problems[-1]
        if problems:
            raise problems[0]
        return None

    def _loaded_from(self, place: EncoderSpec, load: Callable[[EncoderSpec], Loaded | None]) -> Loaded | None:
        remedy = _remedy(place)
        if place.scheme == ONNX and not os.path.isfile(place.target):
            raise EncoderError(
                f"the model file {place.target} that {self._directory} was made with is not there; {remedy}"
            )
        try:
            encoder = load(place)
        except EncoderError as exc:
            if place.weights is None or os.path.exists(place.weights):
                raise
            raise EncoderError(f"{exc}; {remedy}") from exc
        if encoder is None or encoder.identity == self.identity:
            return encoder
        now = described(encoder.identity)
        encoder.close()
        raise EncoderError(
            f"{place.target if place.scheme == ONNX else place} is no longer what {self._directory} was made "
            f"with ({described(self.identity)}, now {now}); {remedy}"
        )

    def _places(self) -> list[EncoderSpec]:
        """Where to look for it: where it was said to be just now, in the catalogue, where it came from."""
        asked = [] if self._asked is None else [self._asked]
        copies = EncoderCopies(self._directory).places(self.identity)
        return list(dict.fromkeys([*asked, *copies, self._remembered]))

    def _known(self) -> EncoderIdentity | None:
        """The identity of an encoder that is known by name and was asked for by nothing else."""
        known = {record.name: record.identity for record in known_encoders()}
        plain = (self._asked or self._remembered) == EncoderSpec(self.identity.name)
        return known.get(self.identity.name) if plain else None


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
        vectors = [self.encode_pixels([self.prepared(image).pixels]) for image in images]  # one at a time
        return np.concatenate([self.encode_pixels([]), *vectors])

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
            UsageError: it is neither a path nor bytes, the side is none, or the catalogue is closed.
        """
        if not isinstance(side_px, int) or not 1 <= side_px <= MOST_THUMBNAIL_PX:  # type: ignore[redundant-expr]
            raise UsageError(f"side_px must be a whole number of 1 to {MOST_THUMBNAIL_PX}, not {side_px!r}")
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
                    limits=self._at_hand.limits,
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
    if not have_directions(vectors):
        raise PictureError("the query", SkipReason.NON_FINITE_VECTOR, "the encoder gave no usable vector")
    return unit_rows(vectors)


def _remedy(place: EncoderSpec) -> str:
    if place.scheme == ONNX:
        return f"if it lies elsewhere now, say so: --encoder {ONNX}:FILE"
    if place.weights is not None:
        moved = replace(place, weights="NEWPLACE")
        return f"if its weights lie elsewhere now, say so: --encoder '{moved}'"
    return "use the version it was made with, or index anew into another --catalog"


def remembered_spec(store: SqliteStore) -> EncoderSpec:
    """How the catalogue's encoder was asked for; an object's name is tried where it was an object."""
    return parse_spec(store.encoder_spec) if store.encoder_spec else EncoderSpec(store.identity.name)


def described(identity: EncoderIdentity) -> str:
    """An encoder for messages about a mismatch."""
    made = identity.preprocessing
    return (
        f"{identity.name} (weights {identity.weights_sha256[:12]}, layer {identity.layer}, "
        f"pooling {identity.pooling}, {identity.dimension} dimensions, {made.crop_px} of {made.resize_px} px)"
    )
