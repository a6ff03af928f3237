"""``seealike demo``."""

from __future__ import annotations

import os

import click

from seealike.catalog.output_kinds import RESULTS_PAGE
from seealike.catalog.outputs import OutputFile, check_outside
from seealike.cli.echo import echo
from seealike.cli.options import quiet_option
from seealike.cli.outputs import force_option
from seealike.cli.progress import progress_printer
from seealike.demo import run_demo
from seealike.demo.run import CATALOG_NAME, PAGE_NAME
from seealike.gallery import render_gallery
from seealike.wording import counted


@click.command(name="demo")
@click.argument("folder", default="seealike-demo", required=False)
@force_option
@quiet_option
def command(folder: str, force: bool, quiet: bool) -> None:
    """Draw a sample shop into FOLDER, index it, search it, and write a page that shows the results.

    Nothing is downloaded, and the same command again draws and indexes nothing twice. The last
    line printed is the path of the page.

    \b
    seealike demo
    seealike demo /tmp/shop
    """
    page = os.path.abspath(os.path.join(folder, PAGE_NAME))
    output, catalog = OutputFile(page, RESULTS_PAGE, force), os.path.join(folder, CATALOG_NAME)
    check_outside(page)
    if os.path.isdir(folder):
        output.check(catalog)
    with progress_printer(quiet) as progress:
        result = run_demo(folder, progress=progress)
    output.write(render_gallery(result.page).encode("utf-8", "backslashreplace"), catalog)
    if not quiet:
        report, skipped = result.report, len(result.skipped)
        rate = f" ({report.added / report.took_s:,.0f} images/s)" if report.added else ""
        for line in (
            f"drew a shop of {counted(result.items, 'picture')} in {folder}, and {skipped} spoilt files",
            f"indexed {counted(result.items, 'picture')} in {report.took_s:.1f} s{rate}, skipped {skipped}",
            f"searched {result.searches} times, {result.search_ms:.1f} ms a search; open the page:",
        ):
            echo(line, err=True)
    echo(page)
