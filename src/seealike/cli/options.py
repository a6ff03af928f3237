"""Options that several commands share, each defined once."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TypeVar

import click

from seealike.errors import UsageError
from seealike.types import Metric

Function = TypeVar("Function", bound=Callable[..., object])


def catalog_option(function: Function) -> Function:
    """``--catalog DIR``."""
    return click.option(
        "--catalog",
        "-C",
        metavar="DIR",
        default=lambda: os.environ.get("SEEALIKE_CATALOG") or None,
        help="The catalogue, or the folder of .seealike  [default: SEEALIKE_CATALOG, or found nearby]",
    )(function)


def quiet_option(function: Function) -> Function:
    """``--quiet``."""
    return click.option("--quiet", "-q", is_flag=True, help="No progress and no messages.")(function)


def output_file(_: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """Refuse a file that could not be written in the end, before any work is done for it.

    Raises:
        UsageError: it is a folder, or its folder does not exist.
    """
    if not value:
        return value
    name = parameter.opts[-1]
    if os.path.isdir(value):
        raise UsageError(f"{name}: {value} is a folder, not a file")
    folder = os.path.dirname(os.path.realpath(value))
    if not os.path.exists(value) and not os.path.isdir(folder):
        raise UsageError(f"{name}: there is no folder {folder}")
    return value


def format_option(purpose: str, *more: str) -> Callable[[Function], Function]:
    """``--format table|json`` and what ``more`` there is, for commands that report other things than hits."""
    return click.option(
        "--format",
        "form",
        type=click.Choice(["table", "json", *more]),
        default="table",
        show_default=True,
        help=purpose,
    )


def search_options(function: Function) -> Function:
    """What every command that gives hits takes."""
    for option in reversed(
        (
            click.option(
                "-k",
                "--top",
                "k",
                type=click.IntRange(min=1),
                default=10,
                show_default=True,
                metavar="K",
                help="How many results.",
            ),
            click.option("--min-score", type=float, metavar="S", help="Leave out results below this score."),
            click.option(
                "--metric",
                type=click.Choice([metric.value for metric in Metric]),
                default=Metric.COSINE.value,
                show_default=True,
                help="cosine: similarity, up to 1. euclidean: minus the distance, up to 0.",
            ),
            click.option("--exact", is_flag=True, help="Compare with every picture, however many there are."),
        )
    ):
        function = option(function)
    return function
