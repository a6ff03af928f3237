"""``seealike eval``."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import click

from seealike.catalog.outputs.kinds import EVALUATION_PAGE
from seealike.catalog.outputs.places import OutputFile
from seealike.cli.locate import opened_catalog
from seealike.cli.options.basic import GatheringCommand, catalog_option, format_option, quiet_option
from seealike.cli.options.decoding import limit_option
from seealike.cli.options.encoder import place_option
from seealike.cli.options.evaluation import eval_options
from seealike.cli.options.outputs import force_option, output_option, write_text
from seealike.cli.printing.progress import progress_printer
from seealike.images import DecodeLimits

if TYPE_CHECKING:
    from seealike.evaluation import EvalOptions


@click.command(name="eval", cls=GatheringCommand)
@catalog_option
@place_option
@eval_options
@click.option(
    "--queries",
    metavar="SOURCE",
    help="A folder or table of pictures from outside that are the queries.",
)
@click.option(
    "--vectors",
    metavar="SIZE,...",
    default="",
    help="What smaller vectors would cost: 256 (the first 256 numbers), int8, 256:int8.",
)
@click.option("--copies", is_flag=True, help="With --label: also look for disturbed copies.")
@format_option("How to print the figures.", "csv")
@output_option(
    "--page",
    kind=EVALUATION_PAGE,
    metavar="FILE.html",
    text="Also write a page: the figures, and the worst mistakes with their pictures.",
)
@force_option
@limit_option
@quiet_option
def command(
    catalog: str | None,
    encoder: str | None,
    options: EvalOptions,
    queries: str | None,
    vectors: str,
    copies: bool,
    form: str,
    page: OutputFile | None,
    force: bool,  # noqa: ARG001  the outputs know it
    limits: DecodeLimits,
    quiet: bool,
) -> None:
    """Measure how well the encoder does on your own pictures.

    Every figure has its interval. With --label: do pictures of one class find each other? Without: does a
    picture find its own crops, mirrored, recompressed and other copies, and the other photos of its group?

    \b
    seealike eval
    seealike eval --label category --page quality.html
    seealike eval --label folder --ignore-label unsorted --format json
    seealike eval --label category --query-where split=test
    seealike eval --label category --queries snapshots.csv
    seealike eval --label category --apart photographer
    seealike eval --label category --vectors 640,320,int8
    """
    from seealike.cli.printing.evaluation import (
        print_report,
        print_report_rows,
        warn_of_hours,
        warn_of_unmatched,
    )
    from seealike.cli.printing.rows import print_json
    from seealike.evaluation import eval_page, evaluate
    from seealike.gallery import render_gallery

    sizes = tuple(size.strip() for size in vectors.split(",") if size.strip())
    options = replace(options, queries=queries, copies=copies or None, vectors=sizes)
    with opened_catalog(catalog, page, encoder=encoder, limits=limits) as opened:
        warn_of_hours(len(opened), options.max_queries, quiet=quiet)
        with progress_printer(quiet) as progress:
            report = evaluate(opened, options, progress=progress)
        if report.labels is not None:
            warn_of_unmatched(report.labels.unmatched, quiet=quiet)
        {"table": print_report, "json": print_json, "csv": print_report_rows}[form](report)
        if page:
            write_text(page, render_gallery(eval_page(report, opened.thumbnail)), opened, quiet=quiet)
