"""What options are made of, and those that most commands have."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from typing import TypeVar

import click

from seealike.cli.printing.results import OutputFormat
from seealike.types import Metric

Function = TypeVar("Function", bound=Callable[..., object])


class Gathered(click.Argument):
    """Several parameters as one value, for a ``GatheringCommand``. Nobody can type it."""

    def __init__(
        self, param_decls: list[str], of: tuple[str, ...], into: Callable[[], Callable[..., object]]
    ) -> None:
        """``of``: the parameters' names. ``into`` gives what takes them by name, when a command runs."""
        super().__init__(param_decls, required=False, expose_value=False)
        self._of, self._into = of, into

    def add_to_parser(self, parser: object, ctx: click.Context) -> None:
        """Nothing: it is not typed."""

    def get_usage_pieces(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  click's signature
        """Nothing: it is not typed."""
        return []

    def gather(self, parameters: dict[str, object]) -> None:
        """Put the value in the place of what it is made of."""
        values = {name: parameters.pop(name) for name in self._of}
        parameters[str(self.name)] = self._into()(**values)


class GatheringCommand(click.Command):
    """A command whose callback gets values for the options that belong together."""

    def invoke(self, ctx: click.Context) -> object:
        """Run the callback, once what was typed is complete and gathered."""
        for parameter in self.params:
            if isinstance(parameter, Gathered):
                parameter.gather(ctx.params)
        return super().invoke(ctx)


def together(*decorators: Callable[[Function], Function]) -> Callable[[Function], Function]:
    """Several options as one decorator, in the order in which help lists them."""

    def decorated(function: Function) -> Function:
        for decorator in reversed(decorators):
            function = decorator(function)
        return function

    return decorated


def number_option(
    *names: str, default: int, text: str, least: int = 0, most: int | None = None, metavar: str = "N"
) -> Callable[[Function], Function]:
    """An option that is a whole number."""
    kind = click.IntRange(min=least, max=most)
    return click.option(*names, type=kind, default=default, show_default=True, metavar=metavar, help=text)


def time_option(text: str) -> Callable[[Function], Function]:
    """``--time``: when the speed of encoders is measured."""
    kind = click.Choice(["once", "again", "off"])
    return click.option("--time", "timing", type=kind, default="once", show_default=True, help=text)


def catalog_option(function: Function) -> Function:
    """``--catalog DIR``."""
    return click.option(
        "--catalog",
        "-C",
        multiple=True,  # so that a second one is seen, and refused
        callback=_single,
        metavar="DIR",
        default=_usual_catalogs,
        help="The catalogue, or the folder of .seealike  [default: SEEALIKE_CATALOG, or found nearby]",
    )(function)


def _single(ctx: click.Context, parameter: click.Parameter, given: tuple[str, ...]) -> str | None:  # noqa: ARG001
    if len(given) > 1:
        raise click.UsageError(f"{ctx.info_name} works on one catalogue; say --catalog once", ctx)
    return next(iter(given), None)


def _usual_catalogs() -> list[str]:
    return list(filter(None, [os.environ.get("SEEALIKE_CATALOG")]))


def catalogs_option(function: Function) -> Function:
    """``--catalog DIR``, which may be repeated; see ``opened_catalogs``."""
    return click.option(
        "--catalog",
        "-C",
        "catalogs",
        multiple=True,
        metavar="DIR",
        default=_usual_catalogs,
        help="The catalogue, or the folder of .seealike; several are asked together  "
        "[default: SEEALIKE_CATALOG, or found nearby]",
    )(function)


def quiet_option(function: Function) -> Function:
    """``--quiet``."""
    return click.option("--quiet", "-q", is_flag=True, help="No progress and no messages.")(function)


class FiniteFloat(click.FloatRange):
    """A number that is one, and finite: NaN passes every test of a range."""

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The number."""
        number = float(click.FLOAT.convert(value, param, ctx))  # type: ignore[arg-type]  # the stub narrows it
        if not math.isfinite(number):
            self.fail(f"{value} is no finite number", param, ctx)
        return float(super().convert(number, param, ctx))


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


def metric_option(text: str) -> Callable[[Function], Function]:
    """``--metric``."""
    choice, usual = click.Choice([metric.value for metric in Metric]), Metric.COSINE.value
    return click.option("--metric", type=choice, default=usual, show_default=True, help=text)
