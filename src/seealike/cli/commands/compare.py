"""``seealike compare``."""

from __future__ import annotations

import click

from seealike.catalog.output_kinds import COMPARISON_PAGE
from seealike.catalog.outputs import OutputFile
from seealike.cli.encoder_options import place_option
from seealike.cli.eval_options import eval_options
from seealike.cli.limit_option import limit_option
from seealike.cli.options import catalog_option, format_option, quiet_option
from seealike.cli.outputs import force_option, opened_catalog, output_option, write_text
from seealike.cli.progress import progress_printer
from seealike.images import DecodeLimits


@click.command(name="compare")
@click.argument("encoders", metavar="ENCODER...", nargs=-1, required=True)
@catalog_option
@place_option
@eval_options
@click.option(
    "--show",
    type=click.IntRange(min=0),
    default=40,
    show_default=True,
    metavar="N",
    help="How many contested queries to give with their answers.",
)
@click.option(
    "--time",
    "timing",
    type=click.Choice(["once", "again", "off"]),
    default="once",
    show_default=True,
    help="Measure images/s and ms a query once and remember them, again, or not.",
)
@format_option("How to print the figures.", "csv")
@output_option(
    "--page",
    kind=COMPARISON_PAGE,
    metavar="FILE.html",
    text="Also write a page: the same queries under each encoder, disagreements first.",
)
@force_option
@limit_option
@quiet_option
def command(
    encoders: tuple[str, ...],
    catalog: str | None,
    encoder: str | None,
    label: str | None,
    ignore: tuple[str, ...],
    only: tuple[str, ...],
    query_where: tuple[str, ...],
    k: int,
    max_queries: int,
    resample_by: str | None,
    sample: int,
    seed: int,
    show: int,
    timing: str,
    form: str,
    page: OutputFile | None,
    force: bool,  # noqa: ARG001  the outputs know it
    limits: DecodeLimits,
    quiet: bool,
) -> None:
    """Compare encoders on your own pictures: quality with intervals, speed, size, and answers side by side.

    One ENCODER is compared with the catalogue's own. Each embeds the items once; the vectors are kept in the
    catalogue, so a second comparison is quick. With --label, what is right is the class; without, copies have
    to find their originals.

    \b
    seealike compare efficientnet-lite0 onnx:model.onnx --label category --page encoders.html
    seealike compare timm:resnet18 timm:resnet50 --label folder
    seealike compare onnx:model.onnx --format json
    """
    from seealike.cli.compare_report import print_rows, print_table
    from seealike.cli.eval_report import warn_of_unmatched
    from seealike.cli.tables import print_json
    from seealike.evaluation import (
        CompareOptions,
        EvalOptions,
        Resampling,
        Timing,
        compare,
        compare_page,
        parse_condition,
    )
    from seealike.gallery import render_gallery

    options = EvalOptions(
        label=label,
        ignore_labels=ignore,
        only=tuple(map(parse_condition, only)),
        query_where=tuple(map(parse_condition, query_where)),
        k=k,
        max_queries=max_queries,
        resample_by=resample_by,
        sample=sample,
        resampling=Resampling(seed=seed),
    )
    wanted = CompareOptions(options, show=show, timing=Timing(timing))
    with opened_catalog(catalog, page, encoder=encoder, limits=limits) as opened:
        with progress_printer(quiet) as progress:
            report = compare(opened, encoders, wanted, progress=progress)
        warn_of_unmatched(report.unmatched, quiet=quiet)
        {"table": print_table, "json": print_json, "csv": print_rows}[form](report)
        if page:
            write_text(page, render_gallery(compare_page(report, opened.thumbnail)), opened, quiet=quiet)
