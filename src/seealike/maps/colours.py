"""Colours for kinds of points: the same on the page and on paper."""

from __future__ import annotations

import math

NONE_LIGHT, NONE_DARK = "#a9a49c", "#6f6b65"
_HUES = (28, 255, 145, 325, 85, 200, 300, 55, 175, 350, 115, 230)  # degrees; neighbours in the list far apart
_TONES = ((0.66, 0.155), (0.48, 0.125))  # lightness and chroma: a bright round, then a deep one
_DARK_TONES = ((0.74, 0.14), (0.87, 0.085))
COLOURS = len(_HUES) * len(_TONES)


def palette(*, dark: bool) -> tuple[str, ...]:
    """``COLOURS`` colours as ``#rrggbb`` that can be told apart, the most different first."""
    tones = _DARK_TONES if dark else _TONES
    return tuple(_hex(lightness, chroma, hue) for lightness, chroma in tones for hue in _HUES)


def _hex(lightness: float, chroma: float, hue: float) -> str:
    """A colour of the OKLCH space; chroma is lowered until a screen can show it.

    Source: Ottosson, "A perceptual color space for image processing", 2020.
    """
    while True:
        a = chroma * math.cos(math.radians(hue))
        b = chroma * math.sin(math.radians(hue))
        channels = _linear(lightness, a, b)
        if all(-1e-6 <= channel <= 1 + 1e-6 for channel in channels) or chroma < 1e-3:
            break
        chroma *= 0.97
    return "#" + "".join(f"{_byte(channel):02x}" for channel in channels)


def _linear(lightness: float, a: float, b: float) -> tuple[float, float, float]:
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    medium = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    return (
        4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short,
        -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short,
        -0.0041960863 * long - 0.7034186147 * medium + 1.7076147010 * short,
    )


def _byte(channel: float) -> int:
    value = min(1.0, max(0.0, channel))
    curved = 12.92 * value if value <= 0.0031308 else 1.055 * value ** (1 / 2.4) - 0.055
    return round(255 * curved)
