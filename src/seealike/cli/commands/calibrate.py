"""``seealike calibrate``."""

from __future__ import annotations

import click

from seealike.catalog.outputs.kinds import CALIBRATION_PAGE
from seealike.catalog.outputs.places import OutputFile
from seealike.cli.locate import opened_catalog
from seealike.cli.options.basic import FiniteFloat, catalog_option, format_option, number_option, quiet_option
from seealike.cli.options.decoding import limit_option
from seealike.cli.options.encoder import place_option
from seealike.cli.options.outputs import force_option, output_option, write_text
from seealike.cli.printing.progress import progress_printer
from seealike.cli.printing.text import echo
from seealike.errors import SeealikeError
from seealike.images import DecodeLimits


@click.command(name="calibrate")
@catalog_option
@place_option
@click.option(
    "--label",
    metavar="COLUMN",
    help="What is similar: a column of the metadata, or folder, or prefix (of the file).",
)
@click.option(
    "--ignore-label",
    "ignore",
    multiple=True,
    metavar="VALUE",
    help="A label that is no class: its items are left out. May be repeated.",
)
@click.option(
    "--split-by",
    metavar="COLUMN",
    help="Judge by items whose value of this column, such as a person, was held out.  [default: the group]",
)
@click.option(
    "--present",
    type=FiniteFloat(min=0.01, max=1.0),
    default=0.5,
    show_default=True,
    metavar="SHARE",
    help="Of all questions, the share that is for something the catalogue has.",
)
@number_option("-k", "--top", "k", default=10, least=1, metavar="K", text="How many answers to learn from.")
@number_option("--max-queries", default=2000, text="Draw a sample where more could ask; 0 takes all.")
@number_option("--sample", default=100, text="How many pictures to copy and disturb.")
@number_option("--seed", default=0, text="Of all draws.")
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
    label: str | None,
    ignore: tuple[str, ...],
    split_by: str | None,
    present: float,
    k: int,
    max_queries: int,
    sample: int,
    seed: int,
    forget: bool,
    form: str,
    page: OutputFile | None,
    force: bool,  # noqa: ARG001  the outputs know it
    limits: DecodeLimits,
    quiet: bool,
) -> None:
    """Learn what a score is worth: from which on is it a duplicate, the same product, similar?

    Duplicates are learnt from copies that are made for it, the same product from the groups, and what is
    similar from --label. What is learnt is judged on items that were held out, and kept in the catalogue.

    \b
    seealike calibrate
    seealike calibrate --label category --page scores.html
    seealike calibrate --label category --split-by photographer
    seealike calibrate --label category --present 1
    seealike calibrate --forget
    """
    from seealike.calibration import CalibrateOptions, calibrate
    from seealike.cli.printing.calibration import print_report
    from seealike.cli.printing.rows import print_json
    from seealike.evaluation import Resampling

    if forget and (label is not None or page is not None):
        raise click.UsageError("--forget learns nothing: leave out --label and --page")
    options = CalibrateOptions(
        label, ignore, split_by, present, k, max_queries, sample, Resampling(seed=seed)
    )
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
