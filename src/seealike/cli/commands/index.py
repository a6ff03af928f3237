"""``seealike index``."""

from __future__ import annotations

import builtins
import json
import os
from contextlib import AbstractContextManager
from dataclasses import asdict
from typing import NamedTuple

import click

from seealike.catalog import (
    DEFAULT_ENCODER,
    Catalog,
    IndexOptions,
    check_source,
    create,
    encoder_of,
    is_catalog,
    open,
    temporary,
)
from seealike.catalog.outputs.kinds import SKIP_REPORT, report_line
from seealike.catalog.outputs.places import OutputFile
from seealike.cli.locate import catalog_for_source, existing_catalog
from seealike.cli.options.basic import Gathered, GatheringCommand, catalog_option, format_option, quiet_option
from seealike.cli.options.decoding import limit_option, wait_option, workers_option
from seealike.cli.options.encoder import AskedEncoder, encoder_options, link_option, vectors_option
from seealike.cli.options.outputs import force_option, output_option
from seealike.cli.options.tables import column_option, encoding_option, root_option
from seealike.cli.printing.progress import progress_printer
from seealike.cli.printing.text import echo
from seealike.encoders import parse_spec, record_for
from seealike.errors import ReplacedCatalogError, SourceError, UnreadSourcesError, UsageError
from seealike.sources import is_table_name
from seealike.types import IndexReport
from seealike.vectors import VectorType
from seealike.wording import counted

_OPTIONS = (
    *("root", "prefix", "columns", "encoding", "dry_run", "prune_missing"),
    *("workers", "wait_s", "link_encoder", "limits"),
)


@click.command(name="index", cls=GatheringCommand)
@click.argument("sources", metavar="[SOURCE]", nargs=-1)
@catalog_option
@encoder_options(f"the catalogue's; {DEFAULT_ENCODER} for a new one")
@link_option
@vectors_option("as the catalogue has them; float16 in a new one")
@root_option
@column_option
@encoding_option
@click.option(
    "--prefix",
    metavar="TEXT",
    help="What the ids of this source begin with, such as `summer/`: put before them as it is.",
)
@click.option("--forget", is_flag=True, help="Drop SOURCE and its items from the catalogue instead.")
@click.option("--dry-run", is_flag=True, help="Say what would be done; change nothing.")
@click.option("--prune-missing", is_flag=True, help="Remove items even if most of the source is gone.")
@workers_option
@wait_option(0.0, "Wait this long if another process is writing.")
@output_option(
    "--report", kind=SKIP_REPORT, metavar="FILE.jsonl", text="Write every skipped file with its reason."
)
@force_option
@format_option("How to print what was done.")
@limit_option
@click.argument("options", cls=Gathered, of=_OPTIONS, into=lambda: IndexOptions)
@quiet_option
def command(
    sources: tuple[str, ...],
    catalog: str | None,
    asked: AskedEncoder,
    vectors: str | None,
    forget: bool,
    report: OutputFile | None,
    force: bool,  # noqa: ARG001  the report knows it
    form: str,
    options: IndexOptions,
    quiet: bool,
) -> None:
    """Make a catalogue equal to SOURCE, a folder or a table.

    SOURCE may also be a quoted pattern, or shards of `seealike embed`. Tables are CSV, JSONL or Parquet.

    New, changed, moved and removed pictures are found by themselves; run it again whenever the source has
    changed. It may be interrupted at any moment and goes on from there. A catalogue may have several sources:
    each has its own items, and without SOURCE all of them are brought up to date.

    \b
    seealike index photos/
    seealike index 'photos/**/*.jpg' --catalog jpegs.catalog
    seealike index products.csv --root /srv/images --report skipped.jsonl
    seealike index export.csv --column path=image --column id=sku --encoding cp1252
    seealike index winter/ -C shop.catalog --prefix winter/
    seealike index -C shop.catalog
    seealike index vectors/ -C shop.catalog      what `seealike embed` made
    seealike index --forget winter/ -C shop.catalog
    seealike index photos/ --encoder 'onnx:model.onnx?size=320&norm=imagenet' --layer features --pool gem
    """
    if len(sources) > 1:
        raise click.UsageError(
            "one SOURCE at a time: put a pattern in quotes, and add several sources one after the other"
        )
    source = next(iter(sources), None)
    if forget and options.dry_run:
        raise click.UsageError("--forget has no --dry-run; `seealike info` says how many items a source has")
    if forget:
        _forget(source, catalog, form, quiet=quiet)
        return
    path = existing_catalog(catalog) if source is None else catalog_for_source(source, catalog)
    prefix = options.prefix
    if prefix and prefix[-1].isalnum() and not quiet:
        echo(f"ids become {prefix}NAME; for {prefix}/NAME say --prefix {prefix}/", err=True)
    if report:
        report.check(path, source)
    wanted = _Wanted(asked, vectors)
    result, items, unread = _indexed(source, path, wanted, options, report, quiet=quiet)
    if form == "json":
        click.echo(json.dumps({**_counts(result), "catalog": None if options.dry_run else path}))
    elif not quiet:
        _print(result, source or "the sources", path, items)
    if unread is not None:
        raise unread
    _refuse_nothing(result, source)


def _indexed(
    source: str | None,
    path: str,
    wanted: _Wanted,
    options: IndexOptions,
    report: OutputFile | None,
    *,
    quiet: bool,
) -> tuple[IndexReport, int, UnreadSourcesError | None]:
    """Do it, and write the report where one is wanted.

    Where the catalogue moved to another encoder while this waited for its turn, it is opened again.

    Returns:
        What was done, how many items there are then, and which of several sources could not be read.
    """
    while True:
        try:
            with _opened(source, path, wanted, options) as opened:
                unread: UnreadSourcesError | None = None
                with progress_printer(quiet) as progress:
                    try:
                        result = opened.index(source, options=options, progress=progress)
                    except UnreadSourcesError as exc:
                        if exc.report is None:
                            raise
                        result, unread = exc.report, exc
                if result.ann_refused:
                    why = f"the approximate index could not be made: {result.ann_refused}"
                    echo(f"{why}; searches do without it, and the next change tries again", err=True)
                if report:
                    _write_report(report, opened, result, source)
                return result, len(opened), unread
        except ReplacedCatalogError:
            continue


def _write_report(report: OutputFile, opened: Catalog, result: IndexReport, source: str | None) -> None:
    listed = len(result.skipped) == result.skipped_count or result.dry_run
    rows = result.skipped if listed else opened.iter_skipped()
    with report.replacing(opened.path, source) as place, builtins.open(place, "ab") as file:
        file.writelines(map(report_line, rows))
    if result.dry_run and len(result.skipped) < result.skipped_count:
        first = f"the first {len(result.skipped):,} of {counted(result.skipped_count, 'file')}"
        echo(f"{report.path}: {first}", err=True)


def _forget(source: str | None, catalog: str | None, form: str, *, quiet: bool) -> None:
    if source is None:
        raise click.UsageError("say which source: seealike index --forget SOURCE")
    path = catalog_for_source(source, catalog)
    with open(path if is_catalog(path) else existing_catalog(catalog)) as opened:
        removed = opened.forget(source)
        if form == "json":
            click.echo(json.dumps({"removed": removed, "catalog": opened.path}))
        elif not quiet:
            left = counted(len(opened), "item")
            echo(f"{source} is forgotten: removed {removed:,} of its items; {left} left")


def _refuse_nothing(result: IndexReport, source: str | None) -> None:
    """Say why not one picture of a source that has files could be used.

    Raises:
        SourceError: that is so.
    """
    if not result.offered or result.usable:
        return
    first = next(iter(result.skipped), None)
    why = f": the first is {first.id} ({first.reason.value}: {first.detail})" if first else ""
    remedy = ""
    if source is not None and is_table_name(source) and "--root" not in why:
        remedy = "; --root DIR names the folder that the paths are relative to"
    name = source or "the sources"
    files = counted(result.offered, "file")
    raise SourceError(f"nothing in {name} could be used, out of {files}{why}{remedy}")


class _Wanted(NamedTuple):
    """What a catalogue is to have; None: as it is, or as usual in a new one."""

    asked: AskedEncoder
    vectors: str | None


def _opened(
    source: str | None, path: str, wanted: _Wanted, options: IndexOptions
) -> AbstractContextManager[Catalog]:
    """The catalogue at ``path``; made if there is none, once the source has proved to be readable.

    Raises:
        UsageError: it keeps its vectors in other numbers than are wanted.
    """
    if source is None or is_catalog(path):
        opened = open(path, encoder=wanted.asked.of_catalogue(path))
        if wanted.vectors not in (None, opened.vector_type):
            opened.close()
            change = f"`seealike reindex -C {path} --vectors {wanted.vectors}` changes that"
            raise UsageError(f"{path} keeps its vectors as {opened.vector_type}; {change}")
        return opened
    own = encoder_of(source, options) or DEFAULT_ENCODER
    encoder = wanted.asked.spec(own)
    check_source(source, options, encoder)
    if encoder:
        _say_assumed(encoder)
    encoder = encoder or own
    if options.dry_run:
        return temporary(encoder=encoder)
    vectors = wanted.vectors or VectorType.FLOAT16
    return create(path, encoder=encoder, link_encoder=bool(options.link_encoder), vectors=vectors)


def _say_assumed(encoder: str) -> None:
    """Say what a new catalogue will take for granted about a model that comes without a record."""
    record = record_for(parse_spec(encoder))
    if record and record.assumed:
        echo(f"{os.path.basename(record.file)}: taken for granted: {', '.join(record.assumed)}", err=True)


def _counts(result: IndexReport) -> dict[str, object]:
    counts = {key: value for key, value in asdict(result).items() if key != "skipped"}
    reasons = {reason.value: count for reason, count in result.skipped_by_reason.items()}
    return {**counts, "skipped": result.skipped_count, "skipped_by_reason": reasons}


def _print(result: IndexReport, source: str, path: str, items: int) -> None:
    read = result.added + result.updated
    rate = (
        f" ({read / result.took_s:,.0f} images/s)"
        if read and result.took_s > 0 and not result.dry_run
        else ""
    )
    names = ("added", "updated", "moved", "removed", "unchanged")
    counts = "  ".join(f"{name} {getattr(result, name):,}" for name in names)
    echo(f"{'would be: ' if result.dry_run else ''}{counts}  skipped {result.skipped_count:,}")
    if result.skipped_by_reason:
        most = sorted(result.skipped_by_reason.items(), key=lambda pair: -pair[1])
        listed = ", ".join(f"{reason.value} {count:,}" for reason, count in most)
        echo(f"skipped: {listed}; --report FILE.jsonl lists them")
    if result.signed:
        made = counted(result.signed, "signature")
        echo(f"made {made} of colour and shape that items of an earlier version lacked")
    if result.missing:
        echo(
            f"{counted(result.missing, 'item is', 'items are')} gone from {source} and kept: so many at once "
            "look like an unmounted disk; --prune-missing removes what is missing"
        )
    if not result.dry_run:
        echo(f"{path}: {counted(items, 'item')}, in {result.took_s:.1f} s{rate}")
