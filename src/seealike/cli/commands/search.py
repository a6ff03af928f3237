"""``seealike search``."""

from __future__ import annotations

import sys
import time

import click

import seealike
from seealike.catalog import SearchOptions
from seealike.cli.formats import OutputFormat, QueryResult, write_results
from seealike.cli.locate import existing_catalog
from seealike.cli.options import catalog_option, output_file, quiet_option, search_options
from seealike.cli.pages import Page, Query, write_page
from seealike.types import Metric


@click.command(name="search")
@click.argument("pictures", metavar="FILE...", nargs=-1, required=True)
@click.option("--id", "by_id", is_flag=True, help="The arguments are ids of items, not files.")
@catalog_option
@search_options
@click.option(
    "--format",
    "form",
    type=click.Choice([form.value for form in OutputFormat]),
    default="table",
    show_default=True,
    help="How to print the results.",
)
@click.option("--null", "-0", is_flag=True, help="With --format paths: end each path with NUL, for xargs -0.")
@click.option(
    "--gallery",
    metavar="FILE.html",
    callback=output_file,
    help="Also write a page that shows the results.",
)
@quiet_option
def command(
    pictures: tuple[str, ...],
    by_id: bool,
    catalog: str | None,
    k: int,
    min_score: float | None,
    metric: str,
    exact: bool,
    form: str,
    null: bool,
    gallery: str | None,
    quiet: bool,
) -> None:
    """Find what looks like each FILE, a picture from anywhere; `-` reads one from standard input.

    With --id the arguments are ids of items in the catalogue; an item never finds itself.

    \b
    seealike search photo.jpg
    seealike search photo.jpg -k 20 --min-score 0.7 --gallery found.html
    seealike search --id shirts/12.jpg --format json
    seealike search *.jpg --format paths --null | xargs -0 ls
    """
    started = time.perf_counter()
    images: list[str | bytes] = []
    options = SearchOptions(min_score, exact, Metric(metric))
    with seealike.open(existing_catalog(catalog)) as opened:
        if by_id:
            found = opened.similar_batch(pictures, k, options=options)
        else:
            images = [_picture(name) for name in pictures]
            found = opened.search_batch(images, k, options=options)
        results = [QueryResult(name, tuple(hits)) for name, hits in zip(pictures, found, strict=True)]
        took_s = time.perf_counter() - started
        if gallery:
            shown = [opened.item(name).path for name in pictures] if by_id else images
            queries = [Query(((name, image),)) for name, image in zip(pictures, shown, strict=True)]
            answers = tuple(zip(queries, found, strict=True))
            page = Page("What else looks like this?", answers, took_s, min_score, options.metric)
            write_page(gallery, opened, page, quiet=quiet)
        write_results(results, OutputFormat(form), sys.stdout, null=null)


def _picture(name: str) -> str | bytes:
    return sys.stdin.buffer.read() if name == "-" else name
