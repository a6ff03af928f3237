"""``seealike`` with the fake encoder, slowed down, so that there is time to disturb it.

The first batches are quick. Each later one waits for ``SLOW_S`` seconds, or until the file ``SLOW_UNTIL`` is
there.
"""

from __future__ import annotations

import itertools
import os
import time

from tests.robustness.victim import fake_default_encoder, hurry

from seealike.__main__ import main
from seealike.catalog.encoder import at_hand
from seealike.encoders import EncoderMode
from seealike.testing import FakeEncoder
from seealike.types import Float32Array, PixelArray

QUICK_BATCHES = 12
"""Of four pictures each, so three times what is decoded at once: by then the first are surely committed."""


class SlowEncoder(FakeEncoder):
    """Takes its time for a batch."""

    batches = itertools.count()

    def _project(self, pixels: PixelArray) -> Float32Array:
        if next(self.batches) >= QUICK_BATCHES:
            until = time.monotonic() + float(os.environ.get("SLOW_S", "0"))
            while time.monotonic() < until and not os.path.exists(os.environ.get("SLOW_UNTIL", "")):
                time.sleep(0.01)
        return super()._project(pixels)


def load_encoder(name: str, *, mode: EncoderMode) -> FakeEncoder:
    return SlowEncoder()


if __name__ == "__main__":
    hurry()
    fake_default_encoder()
    setattr(at_hand, "load_encoder", load_encoder)  # noqa: B010 - not exported
    main()
