"""Fixtures that any test may ask for."""

from __future__ import annotations

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The real pictures beside the checkout, where they exist."""
    if not (SHARED / "data").is_dir():
        pytest.skip("no ../shared/data beside the checkout: real pictures are not here")
    return SHARED
