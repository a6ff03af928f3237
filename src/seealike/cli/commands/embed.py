"""``seealike embed``."""

from __future__ import annotations

import builtins
import json
from dataclasses import asdict

import click

from seealike.catalog import DEFAULT_ENCODER, is_address
from seealike.catalog.outputs.kinds import SKIP_REPORT, report_line
from seealike.catalog.outputs.places import OutputFile
from seealike.cli.options.basic import Gathered, GatheringCommand, format_option, quiet_option
from seealike.cli.options.decoding import limit_option, workers_option
from seealike.cli.options.encoder import AskedEncoder, encoder_options
from seealike.cli.options.outputs import force_option, output_option
from seealike.cli.options.tables import column_option, encoding_option, root_option
from seealike.cli.printing.progress import progress_printer
from seealike.cli.printing.text import echo
from seealike.embedding import EmbedOptions, EmbedReport, embed, encoder_there, skipped_in
from seealike.errors import SourceError
from seealike.wording import counted

_OPTIONS = ("root", "columns", "encoding", "since", "on", "dry_run", "workers", "limits")


@click.command(name="embed", cls=GatheringCommand)
@click.argument("source", metavar="SOURCE")
@click.option(
    "--output",
    "-o",
    required=True,
    metavar="DIR",
    help="Where the shards go, also s3://BUCKET/PREFIX; the next run goes on there.",
)
@encoder_options(f"that of the shards that are there, or of --since; else {DEFAULT_ENCODER}")
@root_option
@column_option
@encoding_option
@click.option(
    "--since", metavar="DIR", help="Shards of an earlier run: what is unchanged is taken from there."
)
@click.option(
    "--on", metavar="CLUSTER", help="Embed on a Ray cluster: ray (or RAY_ADDRESS), or ray://HEAD:10001."
)
@click.option("--dry-run", is_flag=True, help="Say what would be done; change nothing.")
@workers_option
@output_option(
    "--report", kind=SKIP_REPORT, metavar="FILE.jsonl", text="Write every skipped file with its reason."
)
@force_option
@format_option("How to print what was done.")
@limit_option
@click.argument("options", cls=Gathered, of=_OPTIONS, into=lambda: EmbedOptions)
@quiet_option
def command(
    source: str,
    output: str,
    asked: AskedEncoder,
    report: OutputFile | None,
    force: bool,  # noqa: ARG001  the report knows it
    form: str,
    options: EmbedOptions,
    quiet: bool,
) -> None:
    """Turn the pictures of SOURCE into vectors, without a catalogue.

    They go to Parquet files, called shards. SOURCE is what `index` takes: a folder, a quoted pattern, or a
    table, whose paths may be addresses of the web here. Or it is a prefix of object storage (s3://, gs://,
    az://), tar files, or Parquet files that hold the pictures (--column picture=NAME). `seealike index DIR`
    then takes the vectors from the shards, on this machine or another, and decodes nothing. It may be
    interrupted at any moment and goes on from there; only what is new or has changed is read.

    \b
    seealike embed photos/ -o vectors/
    seealike embed products.csv --root /srv/images -o vectors/ --report skipped.jsonl
    seealike embed photos/ -o november/ --since october/
    seealike embed links.csv --column path=image_url -o vectors/
    seealike embed s3://shop/photos -o s3://shop/vectors
    seealike embed 'train-*.tar' -o vectors/ --on ray
    seealike index vectors/ --catalog shop.catalog
    """
    if report:
        report.check(None, source)
    encoder = asked.spec(encoder_there(output, options.since) or DEFAULT_ENCODER)
    with progress_printer(quiet) as progress:
        result = embed(source, output, encoder=encoder, options=options, progress=progress)
    if report and not options.dry_run:
        with report.replacing(None, source) as place, builtins.open(place, "ab") as file:
            file.writelines(map(report_line, skipped_in(output)))
    if form == "json":
        reasons = {reason.value: count for reason, count in result.skipped_by_reason.items()}
        click.echo(json.dumps({**asdict(result), "skipped_by_reason": reasons, "output": output}))
    elif not quiet:
        _print(result, output)
    if not result.dry_run and not result.embedded + result.unchanged:
        files = counted(result.skipped_count, "file")
        raise SourceError(f"nothing in {source} could be used, out of {files}; --report FILE.jsonl says why")


def _print(result: EmbedReport, output: str) -> None:
    counts = f"embedded {result.embedded:,}  unchanged {result.unchanged:,}  skipped {result.skipped_count:,}"
    echo(f"would be: {counts}" if result.dry_run else counts)
    if result.skipped_by_reason:
        most = sorted(result.skipped_by_reason.items(), key=lambda pair: -pair[1])
        listed = ", ".join(f"{reason.value} {count:,}" for reason, count in most)
        echo(f"skipped: {listed}; --report FILE.jsonl lists them")
    if not result.dry_run:
        rate = (
            f" ({result.embedded / result.took_s:,.0f} images/s)" if result.embedded and result.took_s else ""
        )
        shards = counted(result.shards, "shard")
        echo(f"{output}: {shards}, {result.written:,} of them new, in {result.took_s:.1f} s{rate}")
        where = " --catalog DIR" if is_address(output) else ""
        echo(f"`seealike index {output}{where}` makes a catalogue of them")
