"""``seealike demo``."""

from __future__ import annotations

import os

import click

from seealike.cli.echo import echo
from seealike.cli.options import quiet_option
from seealike.cli.progress import progress_printer
from seealike.demo import run_demo
from seealike.gallery import render_gallery
from seealike.store import FileSystem

PAGE_NAME = "results.html"


@click.command(name="demo")
@click.argument("folder", default="seealike-demo", required=False)
@quiet_option
def command(folder: str, quiet: bool) -> None:
    """Draw a sample shop into FOLDER, index it, search it, and write a page that shows the results.

    Nothing is downloaded, and the same command again draws and indexes nothing twice. The last
    line printed is the path of the page.

    \b
    seealike demo
    seealike demo /tmp/shop
    """
    with progress_printer(quiet) as progress:
        result = run_demo(folder, progress=progress)
    page = os.path.abspath(os.path.join(folder, PAGE_NAME))
    FileSystem().write(page, render_gallery(result.page).encode("utf-8", "backslashreplace"))
    if not quiet:
        report, skipped = result.report, len(result.skipped)
        rate = f" ({report.added / report.took_s:,.0f} images/s)" if report.added else ""
        for line in (
            f"drew a shop of {result.items:,} pictures in {folder}, and {skipped} files spoilt on purpose",
            f"indexed {result.items:,} pictures in {report.took_s:.1f} s{rate}, skipped {skipped}",
            f"searched {result.searches} times, {result.search_ms:.1f} ms a search; open the page:",
        ):
            echo(line, err=True)
    echo(page)
