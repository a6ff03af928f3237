"""What results are to be like: the options of every command that gives some, as one ``SearchOptions``."""

from __future__ import annotations

import click

from seealike.catalog import SearchOptions
from seealike.catalog.labels import check_conditions
from seealike.cli.options.basic import FiniteFloat, Function, Gathered, metric_option, number_option, together
from seealike.types import Crop, Relation

# Each is called as the field of ``SearchOptions`` is that it sets.
_OF = (
    *("min_score", "exact", "metric", "pictures", "group_by", "diversity", "dedup", "at_least"),
    *("where", "same", "other", "hub_correction", "boost", "recent", "color", "palette"),
    *("crop", "focus", "explain"),
)


def search_options(function: Function) -> Function:
    """What every command that gives hits takes: ``k``, and as ``options`` what else a search may be told."""
    return together(
        number_option("-k", "--top", "k", default=10, least=1, metavar="K", text="How many results."),
        click.option(
            "--min-score",
            type=FiniteFloat(min=-2.0, max=1.0),  # what any metric can give
            metavar="S",
            help="Leave out results below this score.",
        ),
        click.option(
            "--pictures",
            is_flag=True,
            help="Single pictures: also several of a product, and the query's own.",
        ),
        click.option(
            "--group-by",
            metavar="COLUMN",
            default="group",
            show_default=True,
            help="What says which product a picture shows.",
        ),
        click.option(
            "--diversity",
            type=FiniteFloat(min=0.0, max=1.0),
            default=0.0,
            metavar="D",
            help="0 to 1: how unlike each other results are to be.",
        ),
        click.option("--dedup", is_flag=True, help="Of nearly equal results, show the first."),
        click.option(
            "--at-least",
            type=click.Choice(
                [relation.value for relation in Relation if relation is not Relation.UNRELATED]
            ),
            help="Leave out what is less than this, as `seealike calibrate` has learnt it.",
        ),
        click.option(
            "--where",
            multiple=True,
            metavar="CONDITION",
            callback=_joined,
            help="Only what keeps this, such as \"category = 'shoes' and price < 100\". May be repeated.",
        ),
        click.option(
            "--same",
            multiple=True,
            metavar="COLUMN",
            help="Only what says the same there as a liked item. May be repeated.",
        ),
        click.option(
            "--other",
            multiple=True,
            metavar="COLUMN",
            help="Only what says something else there than the liked items. May be repeated.",
        ),
        click.option(
            "--hub-correction",
            is_flag=True,
            help="What is similar to everything is not to be in every list.",
        ),
        click.option(
            "--boost",
            multiple=True,
            metavar="COLUMN:WEIGHT",
            callback=_boosts,
            help="What also counts, such as `sold:0.1`, of numbers or dates. May be repeated.",
        ),
        click.option(
            "--recent",
            type=FiniteFloat(min=-1.0, max=1.0),
            default=0.0,
            metavar="WEIGHT",
            help="How much it counts to have come into the catalogue lately.",
        ),
        click.option(
            "--color",
            type=FiniteFloat(min=0.0, max=1.0),
            metavar="C",
            help="0 to 1: how much colours count. 0.5 is half.  [default: 0; with --palette 0.5]",
        ),
        click.option(
            "--palette",
            metavar="COLOURS",
            help="Colours to find, in place of the picture's own: '#c0392b', 'navy:2,white'.",
        ),
        click.option(
            "--crop",
            metavar="X,Y,W,H",
            callback=_crop,
            help="Look at this part of the picture: pixels, or with decimal points shares of it.",
        ),
        click.option("--focus", is_flag=True, help="Look at what the picture shows, not at the whole."),
        click.option("--explain", is_flag=True, help="Say why: which regions answer to which."),
        metric_option("cosine: similarity, up to 1. euclidean: minus the distance, up to 0."),
        click.option("--exact", is_flag=True, help="Compare with every picture, however many there are."),
        click.argument("options", cls=Gathered, of=_OF, into=lambda: SearchOptions),
    )(function)


def _boosts(
    ctx: click.Context, parameter: click.Parameter, given: tuple[str, ...]
) -> tuple[tuple[str, float], ...]:
    found = []
    for one in given:
        column, colon, weight = one.rpartition(":")
        if not column:
            lacks = "column" if colon else "weight"
            name, _, said = one.partition("=")  # `price=0.1` is what many try
            example = "sold:0.1" if colon or not name else f"{name}:{said or 0.1}"
            raise click.BadParameter(f"{one!r} has no {lacks}; say it as {example}", ctx, parameter)
        number = FiniteFloat(min=-1.0, max=1.0).convert(weight, parameter, ctx)
        found.append((column, number))
    return tuple(found)


def _joined(ctx: click.Context, parameter: click.Parameter, given: tuple[str, ...]) -> str | None:  # noqa: ARG001
    """Several conditions as one that keeps them all.

    Raises:
        UsageError: one is none by itself: its parentheses may fit those of the others.
    """
    if len(given) > 1:
        check_conditions(given)
    return " and ".join(f"({one})" for one in given) if len(given) > 1 else next(iter(given), None)


def _crop(ctx: click.Context, parameter: click.Parameter, value: str | None) -> Crop | None:
    try:
        return None if value is None else Crop.parse(value)
    except ValueError as exc:
        raise click.BadParameter(f"{exc}, not {value}", ctx, parameter) from None
