"""``seealike train``."""

from __future__ import annotations

import click

from seealike.catalog.outputs.kinds import ENCODER, TRAINING_LOG, TRAINING_PAGE
from seealike.catalog.outputs.places import OutputFile
from seealike.cli.locate import opened_catalog
from seealike.cli.options.basic import catalog_option, format_option, quiet_option
from seealike.cli.options.decoding import limit_option
from seealike.cli.options.outputs import force_option, output_option, write_text
from seealike.cli.printing.progress import progress_printer
from seealike.errors import SeealikeError, UsageError
from seealike.images import DecodeLimits

_LOSSES = ("proxy", "supcon", "multi-similarity", "proxy-anchor", "softmax")


@click.command(name="train")
@catalog_option
@click.option(
    "--label",
    metavar="COLUMN",
    help="What is alike: a column of the metadata, or folder, group, or prefix (of the file).",
)
@click.option("--group", is_flag=True, help="What is alike: photos of the same product; as --label group.")
@click.option(
    "--ignore-label",
    "ignore",
    multiple=True,
    metavar="VALUE",
    help="A label that is no class: its items are left out of everything. May be repeated.",
)
@click.option(
    "--method",
    type=click.Choice(["head", "full"]),
    default="head",
    show_default=True,
    help="head: a small network on the vectors there are. full: the whole encoder, on the pictures.",
)
@output_option(
    "--output",
    "-o",
    kind=ENCODER,
    metavar="FILE.onnx",
    default="my-encoder.onnx",
    text="The encoder; its card is written beside it.",
)
@click.option(
    "--split",
    metavar="COLUMN",
    help="A column that says train, val or test.  [default: drawn]",
)
@click.option(
    "--split-by",
    metavar="COLUMN",
    help="Items with one value of this column, such as a person, stay on one side.  [default: the group]",
)
@click.option("--loss", type=click.Choice(_LOSSES), help="What is minimised.  [default: proxy]")
@click.option(
    "--dimension", type=click.IntRange(min=2), metavar="D", help="Of the new vectors.  [default: 256]"
)
@click.option("--epochs", type=click.IntRange(min=1), metavar="N", help="The most passes over the items.")
@click.option(
    "--patience", type=click.IntRange(min=1), metavar="N", help="End after so many passes without a gain."
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of all draws.")
@click.option(
    "--backbone",
    metavar="ENCODER",
    help="With --method full: start from efficientnet-lite0 or timm:NAME.  [default: efficientnet-lite0]",
)
@click.option("--name", metavar="NAME", help="What the new space is called.  [default: the file's name]")
@click.option("--keep-anyway", is_flag=True, help="Write the encoder even if it is no better.")
@output_option(
    "--page",
    kind=TRAINING_PAGE,
    metavar="FILE.html",
    text="Also write a page: before and after, the curve, and the same queries side by side.",
)
@output_option(
    "--log",
    kind=TRAINING_LOG,
    metavar="FILE.jsonl",
    text="Also add a line of JSON after every pass.",
)
@force_option
@format_option("How to print the figures.")
@limit_option
@quiet_option
def command(
    catalog: str | None,
    label: str | None,
    group: bool,
    ignore: tuple[str, ...],
    method: str,
    output: OutputFile,
    split: str | None,
    split_by: str | None,
    loss: str | None,
    dimension: int | None,
    epochs: int | None,
    patience: int | None,
    seed: int,
    backbone: str | None,
    name: str | None,
    keep_anyway: bool,
    page: OutputFile | None,
    log: OutputFile | None,
    force: bool,
    form: str,
    limits: DecodeLimits,
    quiet: bool,
) -> None:
    """Teach the encoder what you call alike, and see if that helped.

    Items that it never saw judge the new encoder. If it is no better, nothing is written and the exit code
    is 1. Otherwise `seealike reindex --encoder onnx:my-encoder.onnx` puts it to use. Needs the extra torch.

    \b
    seealike train --label category
    seealike train --label category --split-by photographer --page before-after.html
    seealike train --group -o products.onnx
    seealike train --label category --method full --log curve.jsonl
    """
    if (label is None) == (not group):
        raise UsageError("say what is alike: --label COLUMN, or --group")
    if backbone is not None and method != "full":
        raise UsageError("--backbone is for --method full; the head is put on the catalogue's own encoder")
    from seealike.cli.printing.training import curve_log, name_of, print_json_report, print_report
    from seealike.training import Labelling, Loss, Method, Recipe, Splitting, TrainOptions, plan_for, train

    options = TrainOptions(
        labelling=Labelling(label or "group", ignore),
        splitting=Splitting(split, split_by),
        recipe=Recipe(
            method=Method(method),
            loss=None if loss is None else Loss(loss),
            dimension=dimension,
            epochs=epochs,
            patience=patience,
            seed=seed,
            backbone=backbone,
        ),
        name=name or name_of(output.path),
        keep_anyway=keep_anyway,
    )
    with (
        opened_catalog(catalog, output, page, log, limits=limits) as opened,
        curve_log(log, opened.path, plan_for(options.recipe).epochs, quiet=quiet) as passed,
        progress_printer(quiet) as progress,
    ):
        report = train(opened, output.path, options, progress=progress, passed=passed, force=force)
        if page:
            from seealike.training.page import train_page

            write_text(page, train_page(report, opened.thumbnail), opened, quiet=quiet)
    print_json_report(report) if form == "json" else print_report(report)
    if report.encoder is None:
        reasons = "; ".join(report.verdict.objections)
        raise SeealikeError(f"no encoder was written: {reasons}; to have it all the same, add --keep-anyway")
