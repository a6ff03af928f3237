"""``seealike calibrate``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from seealike.catalog.outputs.kinds import CALIBRATION_PAGE
from seealike.catalog.outputs.places import OutputFile
from seealike.cli.locate import opened_catalog
from seealike.cli.options.basic import GatheringCommand, catalog_option, format_option, quiet_option
from seealike.cli.options.decoding import limit_option
from seealike.cli.options.encoder import place_option
from seealike.cli.options.evaluation import calibrate_options
from seealike.cli.options.outputs import force_option, output_option, write_text
from seealike.cli.printing.progress import progress_printer
from seealike.cli.printing.text import echo
from seealike.errors import SeealikeError
from seealike.images import DecodeLimits

if TYPE_CHECKING:
    from seealike.calibration import CalibrateOptions


@click.command(name="calibrate", cls=GatheringCommand)
@catalog_option
@place_option
@calibrate_options
@click.option("--forget", is_flag=True, help="Forget what was learnt instead.")
@format_option("How to print the figures.")
@output_option(
    "--page",
    kind=CALIBRATION_PAGE,
    metavar="FILE.html",
    text="Also write a page: the curves, and what scores say of some of your pictures.",
)
@force_option
@limit_option
@quiet_option
def command(
    catalog: str | None,
    encoder: str | None,
    options: CalibrateOptions,
    forget: bool,
    form: str,
    page: OutputFile | None,
    force: bool,  # noqa: ARG001  the outputs know it
    limits: DecodeLimits,
    quiet: bool,
) -> None:
    """Learn from which score on pictures are the same, or similar.

    Duplicates are learnt from copies that are made for it, the same product from the groups, and what is
    similar from --label. What is learnt is judged on items that were held out, and kept in the catalogue.

    \b
    seealike calibrate
    seealike calibrate --label category --page scores.html
    seealike calibrate --label category --split-by photographer
    seealike calibrate --label category --present 1
    seealike calibrate --forget
    """
    from seealike.calibration import calibrate
    from seealike.cli.printing.calibration import print_report
    from seealike.cli.printing.rows import print_json

    if forget and (options.label is not None or page is not None):
        raise click.UsageError("--forget learns nothing: leave out --label and --page")
    with opened_catalog(catalog, page, encoder=encoder, limits=limits) as opened:
        if forget:
            opened.keep_calibration(None)
            if not quiet:
                echo("forgotten", err=True)
            return
        with progress_printer(quiet) as progress:
            report = calibrate(opened, options, progress=progress)
        print_json(report) if form == "json" else print_report(report)
        if page and report.calibration is not None:
            from seealike.calibration.page import calibration_page
            from seealike.gallery import render_gallery

            write_text(page, render_gallery(calibration_page(report, opened)), opened, quiet=quiet)
    if report.calibration is None:
        raise SeealikeError("nothing was learnt, and nothing is changed: the lines above say why")
