"""The options that ``eval`` and ``compare`` share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from seealike.cli.options.basic import Function, Gathered, number_option, together

if TYPE_CHECKING:
    from seealike.evaluation import EvalOptions, Resampling

_FIELDS = (
    *("label", "ignore_labels", "only", "query_where", "k"),
    *("max_queries", "resample_by", "sample", "resampling"),
)


def eval_options(function: Function) -> Function:
    """What says who asks whom, and what is right; the command gets ``options``."""
    return together(
        click.option(
            "--label",
            metavar="COLUMN",
            help="What is right: a column of the metadata, or folder, group, or prefix (of the file).",
        ),
        click.option(
            "--ignore-label",
            "ignore_labels",
            multiple=True,
            metavar="VALUE",
            help="A label that is no class: its items are left out. May be repeated.",
        ),
        click.option(
            "--only",
            multiple=True,
            metavar="CONDITION",
            help="Take only items that keep this, such as split=test. May be repeated; all must hold.",
        ),
        click.option(
            "--query-where",
            multiple=True,
            metavar="CONDITION",
            help="Items that keep this are the queries, the others are searched.",
        ),
        number_option(
            "-k", "--top", "k", default=10, least=1, metavar="K", text="How many results to look at."
        ),
        number_option(
            "--max-queries", default=10_000, text="Draw a sample where there are more queries; 0 takes all."
        ),
        click.option(
            "--resample-by",
            metavar="COLUMN",
            help="For the intervals, draw queries of one value together.  [default: the group]",
        ),
        number_option("--sample", default=100, text="How many pictures to disturb and look for."),
        click.option(
            "--seed",
            "resampling",
            type=click.IntRange(min=0),
            default=0,
            show_default=True,
            callback=_resampling,
            help="Of all draws.",
        ),
        click.argument("options", cls=Gathered, of=_FIELDS, into=_eval_options),
    )(function)


def _resampling(_: click.Context, __: click.Parameter, seed: int) -> Resampling:
    from seealike.evaluation import Resampling

    return Resampling(seed=seed)


def _eval_options() -> type[EvalOptions]:
    from seealike.evaluation import EvalOptions

    return EvalOptions
