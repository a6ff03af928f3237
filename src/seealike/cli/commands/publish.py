"""``seealike publish``."""

from __future__ import annotations

import time
from typing import NamedTuple

import click

from seealike.catalog import Catalog, PublishReport, publish
from seealike.cli.locate import opened_catalog
from seealike.cli.options.basic import catalog_option, quiet_option
from seealike.cli.printing.progress import progress_printer
from seealike.cli.printing.text import echo
from seealike.errors import CatalogBusyError, UnreachableError

_LOOKS_S = 1.0


class _Published(NamedTuple):
    """What was published last, and what its scores were worth then."""

    report: PublishReport
    calibration: object


@click.command(name="publish")
@catalog_option
@click.option(
    "--to",
    "address",
    required=True,
    metavar="URL",
    help="Where to: postgresql://USER@HOST/DATABASE or milvus://HOST:PORT/DATABASE. Credentials come from "
    "the environment: PGPASSWORD, or MILVUS_TOKEN.",
)
@click.option("--rebuild", is_flag=True, help="Copy everything anew beside what is there, then swap.")
@click.option("--follow", is_flag=True, help="Go on: publish each change until Ctrl-C.")
@quiet_option
def command(catalog: str | None, address: str, rebuild: bool, follow: bool, quiet: bool) -> None:
    """Copy a catalogue to a database, or bring the copy up to date.

    The database is PostgreSQL with pgvector, or Milvus. Only what changed is written. Then `-C URL` asks the
    copy, in every command and service.

    \b
    seealike publish --to postgresql://me@db/shop
    seealike publish --to postgresql://me@db/shop --follow
    seealike publish --to milvus://milvus:19530/shop
    """
    with opened_catalog(catalog) as opened:
        calibration = opened.calibration
        with progress_printer(quiet) as progress:
            report = publish(opened, address, rebuild=rebuild, progress=progress)
        _tell(report, quiet)
        last = _Published(report, calibration)
        while follow:
            time.sleep(_LOOKS_S)
            last = _followed(opened, address, last, quiet)


def _followed(opened: Catalog, address: str, before: _Published, quiet: bool) -> _Published:
    """Publish what has changed since; an engine that does not answer is tried again."""
    calibration = opened.calibration
    if opened.generation == before.report.generation and calibration == before.calibration:
        return before
    try:
        report = publish(opened, address, since=before.report)
    except (CatalogBusyError, UnreachableError) as exc:
        if not quiet:
            echo(str(exc), err=True)
        return before
    _tell(report, quiet)
    return _Published(report, calibration)


def _tell(report: PublishReport, quiet: bool) -> None:
    if not quiet:
        counts = f"added {report.added:,}  updated {report.updated:,}  removed {report.removed:,}"
        rebuilt = "; all copied, and answering from now on" if report.rebuilt else ""
        echo(f"{counts}  unchanged {report.unchanged:,}{rebuilt}", err=True)
    if report.lost:
        echo(f"{report.lost:,} items that were put into the copy of another catalogue are gone", err=True)
