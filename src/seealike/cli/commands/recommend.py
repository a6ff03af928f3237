"""``seealike recommend``."""

from __future__ import annotations

import sys
import time
from itertools import islice

import click

from seealike.catalog import Catalog, ResultsLook, SearchOptions, UpdatedLists
from seealike.catalog.output_kinds import LISTS, LISTS_REPORT
from seealike.catalog.outputs import OutputFile
from seealike.cli.hints import check_files, check_not_empty, file_hint
from seealike.cli.locate import opened_catalog
from seealike.cli.options.basic import GatheringCommand, catalog_option, quiet_option
from seealike.cli.options.decoding import limit_option
from seealike.cli.options.encoder import place_option
from seealike.cli.options.outputs import (
    Gallery,
    force_option,
    gallery_options,
    output_option,
    report_option,
    write_page,
)
from seealike.cli.options.wishes import search_options
from seealike.cli.printing.lists import ListFormat, format_of, write_lists, write_report
from seealike.cli.printing.progress import progress_printer
from seealike.cli.printing.results import OutputFormat, QueryResult, write_results
from seealike.cli.printing.text import echo
from seealike.gallery import lists_with_pictures
from seealike.images import DecodeLimits
from seealike.wording import counted

GALLERY_LISTS = 1000


@click.command(name="recommend", cls=GatheringCommand)
@click.option("--like", "likes", multiple=True, metavar="ID", help="An item that is liked; may be repeated.")
@click.option("--not", "dislikes", multiple=True, metavar="ID", help="An item that is not; may be repeated.")
@click.option("--like-file", "files", multiple=True, metavar="FILE", help="A liked picture from anywhere.")
@click.option("--all", "everybody", is_flag=True, help="The list of every item.")
@output_option(
    "-o",
    "--output",
    kind=LISTS,
    metavar="FILE",
    text="With --all: a .csv, .json, .jsonl or .parquet file, written atomically.",
)
@output_option(
    "--update",
    kind=LISTS,
    metavar="FILE",
    text="As -o, but only lists that changed since the last --update are made anew.",
)
@report_option(
    kind=LISTS_REPORT,
    text="With --all: say who is in no list and who in too many, and how varied they are.",
)
@catalog_option
@place_option
@search_options
@click.option(
    "--format",
    "form",
    type=click.Choice([form.value for form in OutputFormat]),
    default=None,
    help="How to print the results.  [default: table; with --all csv, or what -o ends in]",
)
@gallery_options(f"Also write a page of the results (--all: of up to {GALLERY_LISTS:,} items).")
@force_option
@limit_option
@quiet_option
def command(
    likes: tuple[str, ...],
    dislikes: tuple[str, ...],
    files: tuple[str, ...],
    everybody: bool,
    output: OutputFile | None,
    update: OutputFile | None,
    report: OutputFile | None,
    catalog: str | None,
    encoder: str | None,
    k: int,
    options: SearchOptions,
    form: str | None,
    page: Gallery | None,
    force: bool,  # noqa: ARG001  the outputs know it
    limits: DecodeLimits,
    quiet: bool,
) -> None:
    """Recommend items for somebody who likes some and not others, or make the lists of all items.

    \b
    seealike recommend --like shirts/12.jpg --like shirts/40.jpg --not shirts/7.jpg
    seealike recommend --all -k 10 -o similar.csv
    seealike recommend --all -o similar.parquet --report
    seealike recommend --all --update similar.parquet
    """
    if everybody == bool(likes or files):
        raise click.UsageError("say either --all, or at least one --like ID (or --like-file FILE)")
    if (dislikes and everybody) or ((output or update or report) and not everybody):
        raise click.UsageError("--not goes with --like; -o, --update and --report go with --all")
    if output and update:
        raise click.UsageError("--update FILE writes the file; leave out -o")
    list_format = format_of(update or output, form) if everybody else ListFormat.CSV
    outputs = (update or output, page.output if page else None, report if report and report.path else None)
    with opened_catalog(catalog, *outputs, encoder=encoder, limits=limits) as opened:
        check_not_empty(opened)
        if everybody:
            _lists(
                opened,
                k,
                options,
                update or output,
                list_format,
                page,
                report,
                update=bool(update),
                quiet=quiet,
            )
            return
        started = time.perf_counter()
        check_files(opened, files, "--like")
        with file_hint(opened, "it is a file: say --like-file"):
            hits = opened.recommend(likes, dislikes, k, like_images=files, options=options)
        took_s = time.perf_counter() - started
        if page:
            write_page(page, opened, [hits], ResultsLook("Recommended", took_s=took_s), quiet=quiet)
        label = " ".join((*likes, *files, *(f"not {item_id}" for item_id in dislikes)))
        write_results([QueryResult(label, tuple(hits))], OutputFormat(form or "table"), sys.stdout)


def _lists(
    catalog: Catalog,
    k: int,
    options: SearchOptions,
    output: OutputFile | None,
    form: ListFormat,
    page: Gallery | None,
    report: OutputFile | None,
    *,
    update: bool,
    quiet: bool,
) -> None:
    started = time.perf_counter()
    with progress_printer(quiet) as progress:
        make = catalog.updated_lists if update else catalog.recommend_all
        lists = make(k, options=options, progress=progress)
        reported = catalog.reported(lists) if report else None
        count = write_lists(reported or lists, output, form, catalog)
    took_s = time.perf_counter() - started
    if not quiet and output:
        anew = f", {lists.changed:,} of them changed," if isinstance(lists, UpdatedLists) else ""
        echo(f"{output.path}: lists of {counted(count, 'item')}{anew} in {took_s:.1f} s", err=True)
        if isinstance(lists, UpdatedLists) and lists.always_whole:
            wishes = " and ".join(f"--{name.replace('_', '-')}" for name in lists.always_whole)
            echo(f"lists with {wishes} are made anew every time: they cannot be brought up to date", err=True)
    if report and reported:
        write_report(reported.report(), report, catalog, quiet=quiet)
    if page:
        chosen = list(islice(catalog.items(), GALLERY_LISTS))
        answers = catalog.similar_batch([item.id for item in chosen], k, options=options)
        shown = lists_with_pictures(
            [item.id, *(hit.id for hit in hits)] for item, hits in zip(chosen, answers, strict=True)
        )
        note = f"The lists of the first {shown:,} of {counted(len(catalog), 'item')}, in id order."
        look = ResultsLook("Similar items", took_s=took_s, note=note)
        write_page(page, catalog, answers[:shown], look, quiet=quiet)
