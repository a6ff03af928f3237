"""``seealike`` with the fake encoder, slowed down, so that there is time to disturb it."""

from __future__ import annotations

import os
import time

from tests.robustness.victim import fake_default_encoder, hurry

from seealike.catalog.encoder import at_hand
from seealike.cli.main import main
from seealike.encoders import EncoderMode
from seealike.testing import FakeEncoder
from seealike.types import Float32Array, PixelArray


class SlowEncoder(FakeEncoder):
    """Takes its time for every batch."""

    def _project(self, pixels: PixelArray) -> Float32Array:
        time.sleep(float(os.environ.get("SLOW_S", "0.02")))
        return super()._project(pixels)


def load_encoder(name: str, *, mode: EncoderMode) -> FakeEncoder:
    return SlowEncoder()


if __name__ == "__main__":
    hurry()
    fake_default_encoder()
    setattr(at_hand, "load_encoder", load_encoder)  # noqa: B010 - not exported
    main()
