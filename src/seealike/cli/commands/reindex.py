"""``seealike reindex``."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from seealike.catalog import DEFAULT_ENCODER, IndexOptions
from seealike.catalog.spaces.reindexing import WAIT_S, ReindexReport, reindex
from seealike.cli.echo import echo
from seealike.cli.encoder_options import asked_encoder, encoder_options, link_option
from seealike.cli.limit_option import limit_option
from seealike.cli.locate import existing_catalog
from seealike.cli.options import FiniteFloat, catalog_option, format_option, quiet_option
from seealike.cli.progress import progress_printer
from seealike.errors import UsageError
from seealike.images import DecodeLimits
from seealike.wording import counted


@click.command(name="reindex")
@catalog_option
@encoder_options("none; it must be given")
@link_option
@click.option("--drop-lost", is_flag=True, help="Drop items whose pictures cannot be read any more.")
@click.option(
    "--workers", type=click.IntRange(min=1), metavar="N", help="Decoding processes.  [default: one a core]"
)
@click.option(
    "--wait",
    "wait_s",
    type=FiniteFloat(min=0),
    default=WAIT_S,
    show_default=True,
    metavar="SECONDS",
    help="Wait this long at the end if another process is writing.",
)
@format_option("How to print what was done.")
@limit_option
@quiet_option
def command(
    catalog: str | None,
    encoder: str | None,
    layer: str | None,
    pool: str | None,
    weights: str | None,
    link_encoder: bool | None,
    drop_lost: bool,
    workers: int | None,
    wait_s: float,
    form: str,
    limits: DecodeLimits,
    quiet: bool,
) -> None:
    """Give every item of a catalogue a vector of another encoder.

    The new vectors are made beside the old ones, which answer until the last moment; then they are swapped.
    It may be interrupted at any moment and goes on from there. Ids, groups and metadata stay.

    \b
    seealike reindex --encoder onnx:my-encoder.onnx
    seealike reindex --encoder timm:resnet50 --weights resnet50.safetensors
    """
    asked = asked_encoder(encoder, layer, pool, weights, DEFAULT_ENCODER)
    if asked is None:
        raise UsageError("name the encoder to move to: --encoder SPEC; `seealike encoders` lists them")
    path = existing_catalog(catalog)
    with progress_printer(quiet) as progress:
        report = reindex(
            path,
            asked,
            drop_lost=drop_lost,
            options=IndexOptions(workers=workers, wait_s=wait_s, link_encoder=link_encoder, limits=limits),
            progress=progress,
        )
    if form == "json":
        click.echo(json.dumps({**asdict(report), "catalog": path, "lost": [row.id for row in report.lost]}))
    elif not quiet:
        _print(report, path)


def _print(report: ReindexReport, path: str) -> None:
    if not report.swapped:
        echo(f"{path}: has the encoder {report.after.name} already; nothing to do")
        return
    if report.lost:
        echo(f"dropped {counted(len(report.lost), 'item')} whose pictures cannot be read any more")
    rate = f" ({report.items / report.took_s:,.0f} images/s)" if report.took_s > 0 else ""
    echo(f"{path}: {counted(report.items, 'item')}, {report.before.name} -> {report.after.name}")
    echo(f"{report.after.dimension} dimensions, in {report.took_s:.1f} s{rate}")
