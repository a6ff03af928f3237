"""``seealike ls``."""

from __future__ import annotations

import sys

import click

import seealike
from seealike.cli.locate import existing_catalog
from seealike.cli.options.basic import catalog_option, check_null, results_format_option
from seealike.cli.printing.items import write_items, write_skipped
from seealike.cli.printing.results import OutputFormat


@click.command(name="ls")
@catalog_option
@click.option(
    "--skipped", is_flag=True, help="List the files that are not in the catalogue, with the reasons."
)
@results_format_option("How to print them.")
def command(catalog: str | None, skipped: bool, form: str, null: bool) -> None:
    """List the items of a catalogue, or what was skipped.

    They come in the order of their ids, with paths, groups and metadata.

    \b
    seealike ls
    seealike ls --format csv
    seealike ls --skipped
    seealike ls --skipped --format paths --null | xargs -0 file
    """
    check_null(form, null=null)
    with seealike.open(existing_catalog(catalog)) as opened:
        write = write_skipped if skipped else write_items
        write(opened, OutputFormat(form), sys.stdout, "\0" if null else "\n")
