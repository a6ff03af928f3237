"""The options of what measures: those that ``eval`` and ``compare`` share, and those of ``calibrate``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from seealike.cli.options.basic import FiniteFloat, Function, Gathered, number_option, together

if TYPE_CHECKING:
    from seealike.calibration import CalibrateOptions
    from seealike.evaluation import EvalOptions, Resampling

_OF_EVAL = (
    *("label", "ignore_labels", "only", "query_where", "k"),
    *("max_queries", "apart", "resample_by", "sample", "resampling"),
)
_OF_CALIBRATE = ("label", "ignore_labels", "split_by", "present", "k", "max_queries", "sample", "resampling")


def eval_options(function: Function) -> Function:
    """What says who asks whom, and what is right; the command gets ``options``."""
    return together(
        click.option(
            "--label",
            metavar="COLUMN",
            help="What is right: a column of the metadata, or folder, group, or prefix (of the file).",
        ),
        _ignore_label,
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
            "--apart",
            metavar="COLUMN",
            help="Also among items of another value alone, such as other senders' or other photographers'.",
        ),
        click.option(
            "--resample-by",
            metavar="COLUMN",
            help="For the intervals, draw queries of one value together.  [default: --apart, else the group]",
        ),
        number_option("--sample", default=100, text="How many pictures to disturb and look for."),
        _seed,
        click.argument("options", cls=Gathered, of=_OF_EVAL, into=_eval_options),
    )(function)


def calibrate_options(function: Function) -> Function:
    """What is learnt from what; the command gets ``options``."""
    return together(
        click.option(
            "--label",
            metavar="COLUMN",
            help="What is similar: a column of the metadata, or folder, or prefix (of the file).",
        ),
        _ignore_label,
        click.option(
            "--split-by",
            metavar="COLUMN",
            help="Judge by items whose value of this column, such as a person, was held out.  "
            "[default: the group]",
        ),
        click.option(
            "--present",
            type=FiniteFloat(min=0.01, max=1.0),
            default=0.5,
            show_default=True,
            metavar="SHARE",
            help="Of all questions, the share that is for something the catalogue has.",
        ),
        number_option(
            "-k", "--top", "k", default=10, least=1, metavar="K", text="How many answers to learn from."
        ),
        number_option("--max-queries", default=2000, text="Draw a sample where more could ask; 0 takes all."),
        number_option("--sample", default=100, text="How many pictures to copy and disturb."),
        _seed,
        click.argument("options", cls=Gathered, of=_OF_CALIBRATE, into=_calibrate_options),
    )(function)


def _ignore_label(function: Function) -> Function:
    return click.option(
        "--ignore-label",
        "ignore_labels",
        multiple=True,
        metavar="VALUE",
        help="A label that is no class: its items are left out. May be repeated.",
    )(function)


def _seed(function: Function) -> Function:
    return click.option(
        "--seed",
        "resampling",
        type=click.IntRange(min=0),
        default=0,
        show_default=True,
        callback=_resampling,
        help="Of all draws.",
    )(function)


def _resampling(_: click.Context, __: click.Parameter, seed: int) -> Resampling:
    from seealike.evaluation import Resampling

    return Resampling(seed=seed)


def _eval_options() -> type[EvalOptions]:
    from seealike.evaluation import EvalOptions

    return EvalOptions


def _calibrate_options() -> type[CalibrateOptions]:
    from seealike.calibration import CalibrateOptions

    return CalibrateOptions
