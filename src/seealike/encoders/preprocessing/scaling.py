"""Bytes to the numbers that a model takes, in whatever steps a file describes it: a line for each channel."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from seealike.encoders.spec import Triple
from seealike.encoders.stated import WrongError


@dataclass(frozen=True, slots=True)
class Scaling:
    """``(value * factor - mean) / std`` for each of R, G and B."""

    factor: float
    mean: Triple = (0.0, 0.0, 0.0)
    std: Triple = (1.0, 1.0, 1.0)

    def less(self, mean: Triple) -> Scaling:
        """The same, and less ``mean``."""
        red, green, blue = (
            before + more * std for before, more, std in zip(self.mean, mean, self.std, strict=True)
        )
        return replace(self, mean=(red, green, blue))

    def over(self, std: Triple, key: str) -> Scaling:
        """The same, and over ``std``, which stands under ``key``.

        Raises:
            WrongError: one is not positive.
        """
        if min(std) <= 0:
            raise WrongError(f"{key} has a number that is not positive")
        red, green, blue = (before * more for before, more in zip(self.std, std, strict=True))
        return replace(self, std=(red, green, blue))

    def times(self, factor: float) -> Scaling:
        """The same, and times ``factor``.

        Raises:
            WrongError: it is not positive.
        """
        if factor <= 0:
            raise WrongError("rescale_factor is not positive")
        red, green, blue = (before / factor for before in self.std)
        return replace(self, std=(red, green, blue))

    def on_bytes(self) -> tuple[Triple, Triple]:
        """Mean and deviation as in ``Preprocessing``, to six decimals: identities are compared by them.

        Raises:
            WrongError: they are beyond what bytes can become.
        """
        (r, g, b), (u, v, w) = (
            [round(value / self.factor, 6) for value in triple] for triple in (self.mean, self.std)
        )
        if not all(map(math.isfinite, (r, g, b, u, v, w))) or min(u, v, w) <= 0:
            raise WrongError(
                "the factor, the means and the deviations come to nothing that bytes could become"
            )
        return (r, g, b), (u, v, w)
