"""Places of pictures: what each adds to the vector, and which of them show what a picture is of."""

from __future__ import annotations

import os
import threading
from contextlib import ExitStack
from dataclasses import dataclass, replace

import numpy as np

from seealike.catalog.encoder.at_hand import EncoderAtHand
from seealike.catalog.encoder.embedder import decoder_of_few, name_of, parted
from seealike.encoders import focused_maps, load_map_encoder, quiet_of, shown_in, without_ground
from seealike.errors import NoPlacesError, PictureError, UsageError
from seealike.images import DecodedPixels, DecodePool, DecodeTask, prepare, seen_area
from seealike.protocols import MapEncoder
from seealike.types import (
    Area,
    Crop,
    Cropped,
    Fit,
    Float32Array,
    ImageInput,
    Preprocessing,
    Signature,
    WholeImage,
)

WHOLE = Crop(0.0, 0.0, 1.0, 1.0)


@dataclass(frozen=True, slots=True, eq=False)
class SeenPlaces:
    """What each place of a picture adds to its vector, and where the places lie in it; maps is (h, w, d)."""

    maps: Float32Array
    area: Area


@dataclass(frozen=True, slots=True)
class Focused(Cropped):
    """What a picture shows, as if embedded: its ground counts for less. The size is that of the whole."""

    seen: SeenPlaces
    width_px: int
    height_px: int
    signature: Signature | None

    @property
    def vector(self) -> Float32Array:
        """What its places add together, of any length; (d,)."""
        return np.asarray(self.seen.maps.mean(axis=(0, 1)))


class Places:
    """Looks at places of pictures with the catalogue's encoder. Safe to use from several threads."""

    def __init__(self, at_hand: EncoderAtHand, decoder: DecodePool) -> None:
        """Nothing is loaded yet. ``decoder`` decodes as for the encoder."""
        self._at_hand, self._decoder = at_hand, decoder
        self._guard = threading.Lock()
        self._open = ExitStack()
        self._encoder: MapEncoder | None = None
        self._wide_decoder: DecodePool | None = None
        self._closed = False

    @property
    def is_focused(self) -> bool:
        """Whether the encoder itself looks at what a picture shows."""
        return self._at_hand.identity.name.endswith("?focus=1")

    def close(self) -> None:
        """Free the model."""
        with self._guard:
            self._closed = True
            self._open.close()
            self._encoder = self._wide_decoder = None

    def of(self, image: ImageInput) -> SeenPlaces:
        """The places of a picture, as the encoder sees it.

        Raises:
            PictureError: it cannot be used.
            EncoderError: the encoder pools otherwise than over places, or cannot be loaded.
            UsageError: the catalogue is closed.
        """
        if isinstance(image, Focused):
            return image.seen
        whole, crop = parted(image)
        if self.is_focused:
            return self._by_focused_encoder(whole, crop).seen
        made = self._decoded(whole, crop)
        maps = self._loaded().encode_maps(made.pixels[None])[0]
        return self._seen(maps, crop or WHOLE, made)

    def focused(self, image: WholeImage) -> Focused:
        """What a picture shows, cut out at its full size; all of it where nothing stands out.

        Raises:
            PictureError, EncoderError, UsageError: see ``of``.
        """
        if self.is_focused:
            return self._by_focused_encoder(image, None)
        encoder = self._loaded()
        side = encoder.widest_px
        squashed = replace(encoder.preprocessing, resize_px=side, crop_px=side, fit=Fit.SQUASH)
        whole = encoder.encode_maps(self._decoded(image, None, squashed).pixels[None])[0]
        shown = shown_in(whole, quiet_of(encoder.identity))
        crop = None if shown is None else Crop(*shown)
        made = self._decoded(image, crop)
        maps = without_ground(encoder.encode_maps(made.pixels[None])[0], whole, shown)
        return self._focused(image, maps, crop or WHOLE, made)

    def _by_focused_encoder(self, image: WholeImage, crop: Crop | None) -> Focused:
        """What the catalogue's own encoder takes of a picture, or of a part of it."""
        encoder = self._loaded()
        made = self._decoded(image, crop)
        quiet = quiet_of(encoder.identity)
        maps, shown = focused_maps(made.pixels[None], encoder.preprocessing, encoder.encode_maps, quiet)[0]
        part = WHOLE if crop is None else crop.as_shares(made.width_px, made.height_px)
        return self._focused(image, maps, part if shown is None else Crop(*part.of_area(shown)), made)

    def _focused(self, image: WholeImage, maps: Float32Array, part: Crop, made: DecodedPixels) -> Focused:
        seen = self._seen(maps, part, made)
        return Focused(image, part, seen, made.width_px, made.height_px, made.signature)

    def _seen(self, maps: Float32Array, part: Crop, made: DecodedPixels) -> SeenPlaces:
        """Places, and what the encoder sees of a part of a picture, as shares of the whole."""
        size = made.width_px, made.height_px
        left, top, right, bottom = part.within(*size) or (0, 0, *size)
        area = seen_area(right - left, bottom - top, self._loaded().preprocessing)
        return SeenPlaces(maps, part.as_shares(*size).of_area(area))

    def _decoded(
        self, image: WholeImage, crop: Crop | None, squashed: Preprocessing | None = None
    ) -> DecodedPixels:
        """What the encoder sees, or all of it, ``squashed``."""
        if not isinstance(image, str | bytes | os.PathLike):
            return prepare(image, squashed or self._at_hand.identity.preprocessing, crop)
        task = DecodeTask(0, crop=crop)
        if isinstance(image, bytes):
            task = replace(task, data=image)
        else:
            task = replace(task, path=os.path.abspath(os.fsdecode(image)))
        batch = (self._decoder if squashed is None else self._wide(squashed)).decode_one(task)
        for refused in batch.refused:
            raise PictureError(name_of(image), refused.reason, refused.detail)
        seen = batch.pictures[0]
        return DecodedPixels(batch.pixels[0], seen.width_px, seen.height_px, seen.signature)

    def _wide(self, squashed: Preprocessing) -> DecodePool:
        """Decodes whole pictures to look for what they show; started for the first of them."""
        with self._guard:
            if self._closed:
                raise UsageError("the catalogue is closed")
            if self._wide_decoder is None:
                pool = decoder_of_few(squashed, self._at_hand.limits)
                self._wide_decoder = self._open.enter_context(pool)
            return self._wide_decoder

    def _loaded(self) -> MapEncoder:
        with self._guard:
            if self._closed:
                raise UsageError("the catalogue is closed")
            if self._encoder is None:
                given = self._at_hand.given
                if given is None:
                    self._encoder = self._at_hand.first(load_map_encoder)
                    if self._encoder is not None:
                        self._open.callback(self._encoder.close)
                elif isinstance(given, MapEncoder):
                    self._encoder = given
            if self._encoder is None:
                name = self._at_hand.identity.name
                raise NoPlacesError(name, "it gives no maps of them")
            return self._encoder
