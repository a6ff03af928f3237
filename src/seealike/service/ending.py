"""How a service that runs comes to its end: what its process and its application tell each other."""

from __future__ import annotations

from dataclasses import dataclass

from seealike.errors import SeealikeError


@dataclass
class Ending:
    """Whether a service ends, and why where it was not told to.

    Args:
        has_begun: it is told to end; who asks is still answered, and sent elsewhere.
        failed: why it cannot go on.
    """

    has_begun: bool = False
    failed: SeealikeError | None = None
