"""Lines for people, on stdout or stderr, whatever the names in them hold."""

from __future__ import annotations

import sys

import click

from seealike.cli.text import encodable, one_line


def echo(*cells: str, err: bool = False) -> None:
    """Print one line of cells with tabs between them; what the stream cannot show is escaped."""
    stream = sys.stderr if err else sys.stdout
    click.echo(encodable("\t".join(map(one_line, cells)), stream.encoding), err=err)
