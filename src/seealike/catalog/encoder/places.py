"""Places of pictures: what each adds to the vector, and which of them show what a picture is of."""

from __future__ import annotations

import io
import os
import threading
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from seealike.catalog.encoder.at_hand import EncoderAtHand
from seealike.catalog.encoder.embedder import name_of, parted
from seealike.encoders import load_map_encoder, shown_in
from seealike.errors import EncoderError, PictureError, UsageError
from seealike.images import DecodePool, DecodeTask, prepare, seen_area
from seealike.protocols import MapEncoder
from seealike.types import Area, Crop, Fit, Float32Array, ImageInput, PixelArray, WholeImage

if TYPE_CHECKING:
    from PIL import Image


@dataclass(frozen=True, slots=True, eq=False)
class SeenPlaces:
    """What each place of a picture adds to its vector, and where the places lie in it; maps is (h, w, d)."""

    maps: Float32Array
    area: Area


class Places:
    """Looks at places of pictures with the catalogue's encoder. Safe to use from several threads."""

    def __init__(self, at_hand: EncoderAtHand, decoder: DecodePool) -> None:
        """Nothing is loaded yet. ``decoder`` decodes as for the encoder."""
        self._at_hand, self._decoder = at_hand, decoder
        self._guard = threading.Lock()
        self._open = ExitStack()
        self._encoder: MapEncoder | None = None
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
            self._encoder = None

    def of(self, image: ImageInput) -> SeenPlaces:
        """The places of a picture, as the encoder sees it.

        Raises:
            PictureError: it cannot be used.
            EncoderError: the encoder pools otherwise than over places, or cannot be loaded.
            UsageError: the catalogue is closed.
        """
        identity = self._at_hand.identity
        if self.is_focused:
            raise EncoderError(f"what {identity.name} sees of a picture is not told place by place")
        encoder = self._loaded()
        whole, crop = parted(image)
        square, width, height = self._square(whole, crop)
        size = (width, height)
        if crop is not None and (box := crop.within(width, height)) is not None:
            size = (box[2] - box[0], box[3] - box[1])
        area = seen_area(*size, identity.preprocessing)
        if crop is not None:
            area = crop.as_shares(width, height).of_area(area)
        return SeenPlaces(encoder.encode_maps(square[None])[0], area)

    def shown(self, image: WholeImage) -> Crop | None:
        """The part of a picture that shows what it is of; None where that is all of it.

        Raises:
            PictureError, EncoderError, UsageError: see ``of``.
        """
        encoder = self._loaded()
        side = encoder.widest_px
        made = self._at_hand.identity.preprocessing
        squashed = replace(made, resize_px=side, crop_px=side, fit=Fit.SQUASH)
        area = shown_in(encoder.encode_maps(prepare(self._small(image, 2 * side), squashed).pixels[None])[0])
        return None if area is None else Crop(*area)

    def _small(self, image: WholeImage, side_px: int) -> Image.Image | PixelArray:
        """A picture that is decoded already, or a small copy of a file."""
        from PIL import Image

        if not isinstance(image, str | bytes | os.PathLike):
            return image
        return np.asarray(Image.open(io.BytesIO(self._decoder.thumbnail(image, side_px))))

    def _square(self, image: WholeImage, crop: Crop | None) -> tuple[PixelArray, int, int]:
        """What the encoder sees, and the whole picture's size."""
        if not isinstance(image, str | bytes | os.PathLike):
            made = prepare(image, self._at_hand.identity.preprocessing, crop)
            return made.pixels, made.width_px, made.height_px
        task = DecodeTask(0, crop=crop)
        if isinstance(image, bytes):
            task = replace(task, data=image)
        else:
            task = replace(task, path=os.path.abspath(os.fsdecode(image)))
        batch = self._decoder.decode_one(task)
        try:
            for refused in batch.refused:
                raise PictureError(name_of(image), refused.reason, refused.detail)
            seen = batch.pictures[0]
            return batch.pixels[0].copy(), seen.width_px, seen.height_px
        finally:
            batch.release()

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
                raise EncoderError(f"no places can be told apart by {name}: it gives no maps of them")
            return self._encoder
