"""``seealike ls``."""

from __future__ import annotations

import sys

import click

import seealike
from seealike.cli.formats import OutputFormat
from seealike.cli.item_rows import write_items, write_skipped
from seealike.cli.locate import existing_catalog
from seealike.cli.options import catalog_option


@click.command(name="ls")
@catalog_option
@click.option(
    "--skipped", is_flag=True, help="List the files that are not in the catalogue, with the reasons."
)
@click.option(
    "--format",
    "form",
    type=click.Choice([form.value for form in OutputFormat]),
    default="table",
    show_default=True,
    help="How to print them.",
)
@click.option("--null", "-0", is_flag=True, help="With --format paths: end each path with NUL, for xargs -0.")
def command(catalog: str | None, skipped: bool, form: str, null: bool) -> None:
    """List the items of a catalogue in the order of their ids: paths, groups and metadata.

    \b
    seealike ls
    seealike ls --format csv
    seealike ls --skipped
    seealike ls --skipped --format paths --null | xargs -0 file
    """
    if null and form != OutputFormat.PATHS:
        raise click.UsageError("--null goes with --format paths")
    with seealike.open(existing_catalog(catalog)) as opened:
        write = write_skipped if skipped else write_items
        write(opened, OutputFormat(form), sys.stdout, "\0" if null else "\n")
