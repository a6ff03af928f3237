"""``seealike search``."""

from __future__ import annotations

import sys
import time

import click

from seealike.catalog import Example, ResultsLook, SearchOptions
from seealike.cli.hints import (
    check_colours,
    check_files,
    check_not_empty,
    file_hint,
    say_what_was_seen,
    say_where_it_is_explained,
    seen_of,
)
from seealike.cli.locate import opened_catalogs
from seealike.cli.options.basic import (
    GatheringCommand,
    catalogs_option,
    check_null,
    quiet_option,
    results_format_option,
)
from seealike.cli.options.decoding import limit_option
from seealike.cli.options.encoder import place_option
from seealike.cli.options.outputs import Gallery, force_option, gallery_options, write_page
from seealike.cli.options.wishes import search_options
from seealike.cli.printing.results import OutputFormat, QueryResult, write_results
from seealike.errors import PictureError
from seealike.images import DecodeLimits
from seealike.types import SkipReason

_STANDARD_INPUT = "-"


@click.command(name="search", cls=GatheringCommand)
@click.argument("files", metavar="[FILE]...", nargs=-1)
@click.option("--id", "by_id", is_flag=True, help="The arguments are ids of items, not files.")
@click.option("--product", "by_product", is_flag=True, help="The arguments are products: all their pictures.")
@click.option(
    "--text",
    "texts",
    metavar="WORDS",
    multiple=True,
    help="Find what these words describe, if the encoder reads text. May be repeated.",
)
@catalogs_option
@place_option
@search_options
@results_format_option("How to print the results.")
@gallery_options("Also write a page that shows the results.")
@force_option
@limit_option
@quiet_option
def command(
    files: tuple[str, ...],
    by_id: bool,
    by_product: bool,
    texts: tuple[str, ...],
    catalogs: tuple[str, ...],
    encoder: str | None,
    k: int,
    options: SearchOptions,
    form: str,
    null: bool,
    page: Gallery | None,
    force: bool,  # noqa: ARG001  the page knows it
    limits: DecodeLimits,
    quiet: bool,
) -> None:
    """Find what looks like each FILE, a picture from anywhere.

    `-` reads one from standard input. With --id the arguments are ids of items in the catalogue; an item
    never finds itself. With --text what words describe is found, if the catalogue's encoder reads text;
    their scores are much lower.

    \b
    seealike search photo.jpg
    seealike search photo.jpg -k 20 --min-score 0.7 --gallery found.html
    seealike search --id shirts/12.jpg --format json
    seealike search --product SKU-17 --pictures
    seealike search street.jpg --crop 0.5,0.2,0.3,0.6
    seealike search street.jpg --focus --explain --gallery why.html
    seealike search --text "red summer dress" --text "leather boots"
    seealike search photo.jpg -C summer.catalog -C winter.catalog
    seealike search dress.jpg --palette '#c0392b'
    seealike search *.jpg --format paths --null | xargs -0 ls
    """
    if not files and not texts and options.palette is None:
        raise click.UsageError("say what to look for: FILE..., --id ID..., --text WORDS or --palette COLOURS")
    if (by_id or by_product) and not files:
        raise click.UsageError("--id goes with the ids of items, as arguments, --product with products")
    if by_id and by_product:
        raise click.UsageError("the arguments are ids or products: leave out --id or --product")
    check_null(form, null=null)
    if not (by_id or by_product) and files.count(_STANDARD_INPUT) > 1:
        raise click.UsageError("standard input (-) can be read once")
    started = time.perf_counter()
    with opened_catalogs(catalogs, page.output if page else None, encoder=encoder, limits=limits) as opened:
        check_colours(opened, options)
        if by_id:
            with file_hint(opened, "it is a file: leave out --id", "--product"):
                answers = opened.similar_batch(files, k, options=options)
        elif by_product:
            answers = [opened.recommend([Example(product=name)], k=k, options=options) for name in files]
        else:
            check_files(opened, files, "--id")
            images = [_picture(name, limits.file_bytes) for name in files]
            answers = opened.search_batch(images, k, options=options) if images else []
        answers += opened.search_text(texts, k, options=options) if texts else []
        if not files and not texts:
            answers = [opened.recommend(k=k, options=options)]
        check_not_empty(opened)
        names = files + texts or (options.palette or "",)
        results = [
            QueryResult(name, tuple(hits), seen_of(hits), hits.asked.why_empty)
            for name, hits in zip(names, answers, strict=True)
        ]
        took_s = time.perf_counter() - started
        say_what_was_seen(names, answers, quiet=quiet)
        say_where_it_is_explained(options, form, page, quiet=quiet)
        if page:
            kind = "words" if texts else "colours"
            title = "What else looks like this?" if files else f"What looks like these {kind}?"
            note = "Words and pictures score low together: only the order tells." if texts else ""
            look = ResultsLook(title, took_s=took_s, note=note)
            write_page(page, opened, answers, look, quiet=quiet)
        write_results(results, OutputFormat(form), sys.stdout, null=null)


def _picture(name: str, most: int) -> str | bytes:
    if name != _STANDARD_INPUT:
        return name
    read = sys.stdin.buffer.read(most + 1)
    if len(read) > most:
        detail = f"more than {most / 1e6:,.0f} MB came from standard input"
        raise PictureError(name, SkipReason.FILE_TOO_LARGE, detail)
    return read
