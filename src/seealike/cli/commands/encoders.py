"""``seealike encoders``."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from seealike.cli.echo import echo
from seealike.cli.options import format_option
from seealike.encoders import known_encoders


@click.command(name="encoders")
@format_option("How to print them.")
def command(form: str) -> None:
    """List the encoders: licence, size, dimension, and whether they are at hand.

    \b
    seealike encoders
    seealike encoders --format json
    """
    records = known_encoders()
    if form == "json":
        click.echo(
            json.dumps([{**asdict(record), "present": record.present} for record in records], default=str)
        )
        return
    echo(f"{'name':<22}{'dimension':>10}{'size':>10}  {'licence':<12}present")
    for record in records:
        size = f"{record.size_bytes / 1e6:.1f} MB"
        present = "yes" if record.present else "no"
        echo(f"{record.name:<22}{record.dimension:>10}{size:>10}  {record.licence:<12}{present}")
