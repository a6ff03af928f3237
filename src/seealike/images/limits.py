"""What one picture may cost, and the exception that says why it was refused."""

from __future__ import annotations

from dataclasses import dataclass

from seealike.types import SkipReason

MEGA = 1_000_000


@dataclass(frozen=True, slots=True)
class DecodeLimits:
    """The most one picture may cost.

    ``costly_pixels`` is the cap for formats whose decoders need many bytes a pixel (WebP, AVIF,
    HEIC). ``cpu_s`` and ``memory_bytes`` (above what an idle worker uses) hold in worker processes
    only. ``wall_s`` is the last resort, where a file system hangs or CPU time cannot be limited.
    """

    file_bytes: int = 200 * MEGA
    pixels: int = 50 * MEGA
    costly_pixels: int = 25 * MEGA
    cpu_s: float = 2.0
    wall_s: float = 60.0
    memory_bytes: int = 450 * MEGA


class DecodeError(Exception):
    """One picture cannot be used. Never leaves the images stage."""

    def __init__(self, reason: SkipReason, detail: str) -> None:
        self.reason, self.detail = reason, one_line(detail)
        super().__init__(f"{reason.value}: {self.detail}")


def one_line(text: str, limit: int = 160) -> str:
    """Make a library's message printable: one line, no control characters, not too long."""
    clean = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return clean if len(clean) <= limit else clean[: limit - 1] + "…"
