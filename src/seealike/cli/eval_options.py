"""The options that ``eval`` and ``compare`` share."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import click

Function = TypeVar("Function", bound=Callable[..., object])


def eval_options(function: Function) -> Function:
    """What says who asks whom, and what is right."""
    for option in reversed(
        (
            click.option(
                "--label",
                metavar="COLUMN",
                help="What is right: a column of the metadata, or folder, group, or prefix (of the file).",
            ),
            click.option(
                "--ignore-label",
                "ignore",
                multiple=True,
                metavar="VALUE",
                help="A label that is no class: its items are left out. May be repeated.",
            ),
            click.option(
                "--only",
                multiple=True,
                metavar="COLUMN=VALUE",
                help="Take only items whose column says this. May be repeated; all must hold.",
            ),
            click.option(
                "--query-where",
                multiple=True,
                metavar="COLUMN=VALUE",
                help="Items whose column says this are the queries, the others are searched.",
            ),
            click.option(
                "-k",
                "--top",
                "k",
                type=click.IntRange(min=1),
                default=10,
                show_default=True,
                metavar="K",
                help="How many results to look at.",
            ),
            click.option(
                "--max-queries",
                type=click.IntRange(min=0),
                default=10_000,
                show_default=True,
                metavar="N",
                help="Draw a sample where there are more queries; 0 takes all.",
            ),
            click.option(
                "--resample-by",
                metavar="COLUMN",
                help="For the intervals, draw queries of one value together.  [default: the group]",
            ),
            click.option(
                "--sample",
                type=click.IntRange(min=0),
                default=100,
                show_default=True,
                metavar="N",
                help="How many pictures to disturb and look for.",
            ),
            click.option(
                "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of all draws."
            ),
        )
    ):
        function = option(function)
    return function
