"""Command lines as they are typed, and what comes of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any


class Typed:
    """What a command line printed, and how it ended."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    def json(self) -> dict[str, Any]:
        parsed: dict[str, Any] = json.loads(self.out)
        return parsed


Call = Callable[..., Typed]
