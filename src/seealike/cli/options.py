"""Options that several commands share, each defined once."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from typing import TypeVar

import click

from seealike.cli.formats import OutputFormat
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


class FiniteFloat(click.FloatRange):
    """A number that is one, and finite: NaN passes every test of a range."""

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The number."""
        number = float(super().convert(value, param, ctx))  # type: ignore[arg-type]  # the stub narrows it
        if not math.isfinite(number):
            self.fail(f"{value} is no finite number", param, ctx)
        return number


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


def results_format_option(purpose: str) -> Callable[[Function], Function]:
    """``--format`` with all formats of results, and ``--null``; see ``check_null``."""
    null = click.option(
        "--null", "-0", is_flag=True, help="With --format paths: end each path with NUL, for xargs -0."
    )
    more = [form.value for form in OutputFormat if form not in {OutputFormat.TABLE, OutputFormat.JSON}]
    formatted: Callable[[Function], Function] = format_option(purpose, *more)
    return lambda function: formatted(null(function))


def check_null(form: str, *, null: bool) -> None:
    """Refuse ``--null`` where no paths are printed."""
    if null and form != OutputFormat.PATHS:
        raise click.UsageError("--null goes with --format paths")


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
            click.option(
                "--min-score", type=FiniteFloat(), metavar="S", help="Leave out results below this score."
            ),
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
