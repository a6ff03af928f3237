"""What one picture may cost, and the exception that says why it was refused."""

from __future__ import annotations

from dataclasses import dataclass, fields

from seealike.errors import UsageError
from seealike.types import SkipReason

MEGA = 1_000_000


CPU_PIXELS = 10 * MEGA
"""``cpu_s`` is for pictures of up to this many pixels; larger ones have more, in proportion."""


@dataclass(frozen=True, slots=True)
class DecodeLimits:
    """The most one picture may cost. Whoever raises a limit lets a hostile file cost as much.

    Args:
        file_bytes: a larger file is not read. It counts in the memory as well.
        pixels: what a header may state, for every format.
        memory_bytes: what one decoding process may take for a picture, its file included. Foretold from the
            header, so that a JPEG which is decoded at an eighth costs little; and enforced where the
            operating system can. Each process may come to need it: ``workers`` times this is needed at worst.
        cpu_s: processor time, for each 10 megapixels that the header states, and for at least as many.
            A hostile file can keep a core busy for so long.
        wall_s: time without progress, as on a disk that hangs. While it runs a process does nothing else.

    Raises:
        UsageError: one of them is not above zero.
    """

    file_bytes: int = 200 * MEGA
    pixels: int = 100 * MEGA
    memory_bytes: int = 450 * MEGA
    cpu_s: float = 2.0
    wall_s: float = 60.0

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not 0 < value < float("inf"):
                raise UsageError(f"the limit {field.name} must be a number above 0, not {value}")

    def cpu_s_for(self, pixels: int) -> float:
        """The processor time of a picture of so many pixels."""
        return self.cpu_s * max(1.0, pixels / CPU_PIXELS)


class DecodeError(Exception):
    """One picture cannot be used. Never leaves the images stage."""

    def __init__(self, reason: SkipReason, detail: str) -> None:
        self.reason, self.detail = reason, one_line(detail)
        super().__init__(f"{reason.value}: {self.detail}")


def too_large(size_bytes: int, limits: DecodeLimits) -> DecodeError:
    """The refusal of a file by its size."""
    said = f"{size_bytes / MEGA:.3g} MB, the limit is {limits.file_bytes / MEGA:g} MB"
    return DecodeError(SkipReason.FILE_TOO_LARGE, said)


def one_line(text: str, limit: int = 160) -> str:
    """Make a library's message printable: one line, no control characters, not too long."""
    clean = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return clean if len(clean) <= limit else clean[: limit - 1] + "…"
