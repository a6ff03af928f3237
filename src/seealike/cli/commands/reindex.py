"""``seealike reindex``."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from seealike.catalog import REINDEX_WAIT_S, IndexOptions, ReindexReport, reindex
from seealike.cli.locate import existing_catalog
from seealike.cli.options.basic import Gathered, GatheringCommand, catalog_option, format_option, quiet_option
from seealike.cli.options.decoding import limit_option, wait_option, workers_option
from seealike.cli.options.encoder import AskedEncoder, encoder_options, link_option, vectors_option
from seealike.cli.printing.progress import progress_printer
from seealike.cli.printing.text import echo
from seealike.errors import UsageError
from seealike.wording import counted

_OPTIONS = ("workers", "wait_s", "link_encoder", "limits")


@click.command(name="reindex", cls=GatheringCommand)
@catalog_option
@encoder_options("the catalogue's own")
@link_option
@vectors_option("as they are kept")
@click.option("--drop-lost", is_flag=True, help="Drop items whose pictures cannot be read any more.")
@workers_option
@wait_option(REINDEX_WAIT_S, "Wait this long at the end if another process is writing.")
@format_option("How to print what was done.")
@limit_option
@click.argument("options", cls=Gathered, of=_OPTIONS, into=lambda: IndexOptions)
@quiet_option
def command(
    catalog: str | None,
    asked: AskedEncoder,
    vectors: str | None,
    drop_lost: bool,
    form: str,
    options: IndexOptions,
    quiet: bool,
) -> None:
    """Move a catalogue to another encoder, or to smaller vectors.

    The new vectors are made beside the old ones, which answer until the last moment; then they are swapped.
    It may be interrupted at any moment and goes on from there. Ids, groups and metadata stay.

    \b
    seealike reindex --encoder onnx:my-encoder.onnx
    seealike reindex --encoder timm:resnet50 --weights resnet50.safetensors
    seealike reindex --vectors int8
    """
    if not any(asked) and vectors is None:
        raise UsageError(
            "name the encoder to move to: --encoder SPEC (`seealike encoders` lists them); or other numbers "
            "for the vectors: --vectors int8"
        )
    path = existing_catalog(catalog)
    encoder = asked.of_catalogue(path)
    with progress_printer(quiet) as progress:
        report = reindex(
            path, encoder, vectors=vectors, drop_lost=drop_lost, options=options, progress=progress
        )
    if form == "json":
        click.echo(json.dumps({**asdict(report), "catalog": path, "lost": [row.id for row in report.lost]}))
    elif not quiet:
        _print(report, path)


def _print(report: ReindexReport, path: str) -> None:
    if not report.swapped:
        echo(f"{path}: has the encoder {report.after.name} and {report.vectors} already; nothing to do")
        return
    if report.lost:
        echo(f"dropped {counted(len(report.lost), 'item')} whose pictures cannot be read any more")
    rate = f" ({report.items / report.took_s:,.0f} images/s)" if report.encoded and report.took_s > 0 else ""
    changes = [f"{report.before.name} -> {report.after.name}"] if report.before != report.after else []
    if report.vectors_before != report.vectors:
        changes.append(f"{report.vectors_before} -> {report.vectors}")
    echo(f"{path}: {counted(report.items, 'item')}, {', '.join(changes)}")
    echo(f"{report.after.dimension} dimensions, in {report.took_s:.1f} s{rate}")
