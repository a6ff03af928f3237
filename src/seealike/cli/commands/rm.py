"""``seealike rm``."""

from __future__ import annotations

import click

import seealike
from seealike.cli.locate import existing_catalog
from seealike.cli.options.basic import catalog_option, quiet_option
from seealike.cli.printing.text import echo
from seealike.wording import counted


@click.command(name="rm")
@click.argument("ids", metavar="ID...", nargs=-1, required=True)
@catalog_option
@quiet_option
def command(ids: tuple[str, ...], catalog: str | None, quiet: bool) -> None:
    """Take items out of the catalogue. No picture is deleted.

    An item whose picture is still in a source comes back with the next `seealike index`.

    \b
    seealike rm shirts/12.jpg shirts/13.jpg
    """
    path = existing_catalog(catalog)
    with seealike.open(path) as opened:
        removed = opened.remove(ids)
    if not quiet:
        # Anew: while it waited, the catalogue may have changed its encoder.
        with seealike.open(path) as opened:
            back = "; what is still in a source comes back with the next `seealike index`"
            left = counted(len(opened), "item")
            echo(f"removed {removed:,}; {left} left{back if opened.sources() else ''}", err=True)
