"""``seealike compare``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from seealike.catalog.outputs.kinds import COMPARISON_PAGE
from seealike.catalog.outputs.places import OutputFile
from seealike.cli.locate import opened_catalog
from seealike.cli.options.basic import (
    GatheringCommand,
    catalog_option,
    format_option,
    number_option,
    quiet_option,
    time_option,
)
from seealike.cli.options.decoding import limit_option
from seealike.cli.options.encoder import place_option, without_alias
from seealike.cli.options.evaluation import eval_options
from seealike.cli.options.outputs import force_option, output_option, write_text
from seealike.cli.printing.progress import progress_printer
from seealike.images import DecodeLimits

if TYPE_CHECKING:
    from seealike.evaluation import EvalOptions


@click.command(name="compare", cls=GatheringCommand)
@click.argument("encoders", metavar="ENCODER...", nargs=-1, required=True)
@catalog_option
@place_option
@eval_options
@number_option("--show", default=40, text="How many contested queries to give with their answers.")
@time_option("Measure images/s and ms a query once and remember them, again, or not.")
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
    options: EvalOptions,
    show: int,
    timing: str,
    form: str,
    page: OutputFile | None,
    force: bool,  # noqa: ARG001  the outputs know it
    limits: DecodeLimits,
    quiet: bool,
) -> None:
    """Compare encoders on your own pictures.

    Quality with intervals, speed and size are told, and a page shows answers side by side. One ENCODER is
    compared with the catalogue's own. Each embeds the items once; the vectors are kept in the catalogue, so
    a second comparison is quick. With --label, what is right is the class; without, copies have to find
    their originals.

    \b
    seealike compare efficientnet-lite0 onnx:model.onnx --label category --page encoders.html
    seealike compare clip-b32-laion2b fashion-siglip --label folder
    seealike compare onnx:model.onnx --label category --apart photographer
    seealike compare onnx:model.onnx --format json
    """
    from seealike.cli.printing.evaluation import (
        print_comparison,
        print_comparison_rows,
        warn_of_hours,
        warn_of_unmatched,
    )
    from seealike.cli.printing.rows import print_json
    from seealike.evaluation import CompareOptions, Timing, compare, compare_page
    from seealike.gallery import render_gallery

    encoders = tuple(map(without_alias, encoders))
    wanted = CompareOptions(options, show=show, timing=Timing(timing))
    with opened_catalog(catalog, page, encoder=encoder, limits=limits) as opened:
        warn_of_hours(len(opened), options.max_queries, quiet=quiet)
        with progress_printer(quiet) as progress:
            report = compare(opened, encoders, wanted, progress=progress)
        warn_of_unmatched(report.unmatched, quiet=quiet)
        {"table": print_comparison, "json": print_json, "csv": print_comparison_rows}[form](report)
        if page:
            write_text(page, render_gallery(compare_page(report, opened.thumbnail)), opened, quiet=quiet)
