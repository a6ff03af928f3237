"""``seealike index``."""

from __future__ import annotations

import json
import os
from collections import Counter
from contextlib import AbstractContextManager
from dataclasses import asdict

import click

from seealike.catalog import DEFAULT_ENCODER, Catalog, IndexOptions, check_source, create, open, temporary
from seealike.cli.echo import echo
from seealike.cli.encoder_options import asked_encoder, encoder_options
from seealike.cli.locate import catalog_for_source
from seealike.cli.options import catalog_option, format_option, output_file, quiet_option
from seealike.cli.progress import progress_printer
from seealike.encoders import parse_spec, record_for
from seealike.store import FileSystem, is_catalog
from seealike.types import IndexReport, Skipped


@click.command(name="index")
@click.argument("source")
@catalog_option
@encoder_options(f"the catalogue's; {DEFAULT_ENCODER} for a new one")
@click.option(
    "--root", metavar="DIR", help="For a table: the folder its paths are relative to, and must lie in."
)
@click.option("--dry-run", is_flag=True, help="Say what would be done; change nothing.")
@click.option("--prune-missing", is_flag=True, help="Remove items even if most of the source is gone.")
@click.option(
    "--workers", type=click.IntRange(min=1), metavar="N", help="Decoding processes.  [default: one a core]"
)
@click.option(
    "--wait",
    "wait_s",
    type=click.FloatRange(min=0),
    default=0.0,
    metavar="SECONDS",
    help="Wait this long if another process is writing.",
)
@click.option(
    "--report",
    metavar="FILE.jsonl",
    callback=output_file,
    help="Write every skipped file with its reason.",
)
@format_option("How to print what was done.")
@quiet_option
def command(
    source: str,
    catalog: str | None,
    encoder: str | None,
    layer: str | None,
    pool: str | None,
    weights: str | None,
    root: str | None,
    dry_run: bool,
    prune_missing: bool,
    workers: int | None,
    wait_s: float,
    report: str | None,
    form: str,
    quiet: bool,
) -> None:
    """Make a catalogue equal to SOURCE: a folder, a quoted glob pattern, or a CSV, JSONL or Parquet table.

    New, changed, moved and removed pictures are found by themselves; run it again whenever the source has
    changed. It may be interrupted at any moment and goes on from there.

    \b
    seealike index photos/
    seealike index 'photos/**/*.jpg' --catalog jpegs.catalog
    seealike index products.csv --root /srv/images --report skipped.jsonl
    seealike index photos/ --encoder 'onnx:model.onnx?size=320&norm=imagenet' --layer features --pool gem
    """
    path = catalog_for_source(source, catalog)
    options = IndexOptions(root, dry_run, prune_missing, workers, wait_s)
    asked = asked_encoder(encoder, layer, pool, weights, DEFAULT_ENCODER)
    with _opened(source, path, asked, root, dry_run=dry_run) as opened:
        with progress_printer(quiet) as progress:
            result = opened.index(source, options=options, progress=progress)
        if report:
            FileSystem().write(report, b"".join(map(_report_line, result.skipped)))
        if form == "json":
            click.echo(json.dumps({**_counts(result), "catalog": None if dry_run else path}))
        elif not quiet:
            _print(result, source, path, len(opened))


def _opened(
    source: str, path: str, encoder: str | None, root: str | None, *, dry_run: bool
) -> AbstractContextManager[Catalog]:
    """The catalogue at ``path``; made if there is none, once the source has proved to be readable."""
    if is_catalog(path):
        return open(path, encoder=encoder)
    check_source(source, root=root)
    if encoder:
        _say_assumed(encoder)
    if dry_run:
        return temporary(encoder=encoder or DEFAULT_ENCODER)
    return create(path, encoder=encoder or DEFAULT_ENCODER)


def _say_assumed(encoder: str) -> None:
    """Say what a new catalogue will take for granted about a model that comes without a record."""
    record = record_for(parse_spec(encoder))
    if record and record.assumed:
        echo(f"{os.path.basename(record.file)}: taken for granted: {', '.join(record.assumed)}", err=True)


def _counts(result: IndexReport) -> dict[str, object]:
    counts = {key: value for key, value in asdict(result).items() if key != "skipped"}
    reasons = Counter(row.reason.value for row in result.skipped)
    return {**counts, "skipped": len(result.skipped), "skipped_by_reason": dict(sorted(reasons.items()))}


def _report_line(row: Skipped) -> bytes:
    content = {"id": row.id, "path": row.path, "reason": row.reason.value, "detail": row.detail}
    text = json.dumps(content, ensure_ascii=False)
    return text.encode("utf-8", "backslashreplace") + b"\n"


def _print(result: IndexReport, source: str, path: str, items: int) -> None:
    read = result.added + result.updated
    rate = (
        f" ({read / result.took_s:,.0f} images/s)"
        if read and result.took_s > 0 and not result.dry_run
        else ""
    )
    names = ("added", "updated", "moved", "removed", "unchanged")
    counts = "  ".join(f"{name} {getattr(result, name):,}" for name in names)
    echo(f"{'would be: ' if result.dry_run else ''}{counts}  skipped {len(result.skipped):,}")
    if result.skipped:
        reasons = Counter(row.reason.value for row in result.skipped)
        listed = ", ".join(f"{reason} {count:,}" for reason, count in reasons.most_common())
        echo(f"skipped: {listed}; --report FILE.jsonl lists them")
    if result.missing:
        echo(
            f"{result.missing:,} items are gone from {source} and were kept: so many at once look like an "
            "unmounted disk; --prune-missing removes them"
        )
    if not result.dry_run:
        echo(f"{path}: {items:,} items, in {result.took_s:.1f} s{rate}")
