"""What decoding may cost: ``--limit NAME=VALUE`` a picture, and the processes and the wait of whole runs."""

from __future__ import annotations

import math
from collections.abc import Callable

import click

from seealike.cli.options.basic import FiniteFloat, Function
from seealike.errors import UnknownNameError, UsageError
from seealike.images import DecodeLimits

_MEGA, _MOST = 1_000_000, 1e9
# The name on the command line: the field, and how many of its units one of the option's is.
LIMITS: dict[str, tuple[str, int]] = {
    "megapixels": ("pixels", _MEGA),
    "memory-mb": ("memory_bytes", _MEGA),
    "file-mb": ("file_bytes", _MEGA),
    "cpu-s": ("cpu_s", 1),
    "stall-s": ("wall_s", 1),
}


def limit_option(function: Function) -> Function:
    """``--limit``; the command gets ``limits``."""
    return click.option(
        "--limit",
        "limits",
        metavar="NAME=VALUE",
        multiple=True,
        callback=lambda _context, _parameter, given: read_limits(given),
        help=f"What one picture may cost. May be repeated.  [default: {_usual()}]",
    )(function)


def _usual() -> str:
    usual = DecodeLimits()
    values = ((name, getattr(usual, field) / unit) for name, (field, unit) in LIMITS.items())
    return ", ".join(f"{name}={value:g}" for name, value in values)


def workers_option(function: Function) -> Function:
    """``--workers``."""
    return click.option(
        "--workers",
        type=click.IntRange(min=1),
        metavar="N",
        help="Decoding processes.  [default: one a core, at most 12]",
    )(function)


def wait_option(default: float, text: str) -> Callable[[Function], Function]:
    """``--wait``; the command gets ``wait_s``."""
    kind = FiniteFloat(min=0)
    return click.option(
        "--wait", "wait_s", type=kind, default=default, show_default=True, metavar="SECONDS", help=text
    )


def read_limits(given: tuple[str, ...]) -> DecodeLimits:
    """The limits that the options together set; the others are as usual.

    Raises:
        UnknownNameError: there is no limit of this name.
        UsageError: a value is no number above zero.
    """
    usual = DecodeLimits()
    numbers: dict[str, float] = {field: getattr(usual, field) for field, _ in LIMITS.values()}
    for text in given:
        name, _, value = text.partition("=")
        if name not in LIMITS:
            raise UnknownNameError("limit", name, LIMITS)
        field, unit = LIMITS[name]
        numbers[field] = _number(name, value) * unit
    return DecodeLimits(
        file_bytes=int(numbers["file_bytes"]),
        pixels=int(numbers["pixels"]),
        memory_bytes=int(numbers["memory_bytes"]),
        cpu_s=numbers["cpu_s"],
        wall_s=numbers["wall_s"],
    )


def _number(name: str, value: str) -> float:
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not 0 < number < _MOST:
        raise UsageError(f"--limit {name}: a number above 0 is needed, not {value!r}")
    return number
