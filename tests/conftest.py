"""Fixtures that any test may ask for."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

# A shell lets what it starts in the background ignore Ctrl-C, and children inherit that. The commands that
# the tests interrupt are to notice it all the same.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The real pictures beside the checkout, where they exist."""
    if not (SHARED / "data").is_dir():
        pytest.skip("no ../shared/data beside the checkout: real pictures are not here")
    return SHARED
