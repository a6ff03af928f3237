"""``seealike recommend``."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import click

from seealike.catalog import (
    Asked,
    AskedWith,
    Catalog,
    Catalogs,
    Combine,
    Example,
    Hits,
    ResultsLook,
    SearchOptions,
    UpdatedLists,
)
from seealike.catalog.outputs.kinds import LISTS, LISTS_REPORT
from seealike.catalog.outputs.places import OutputFile
from seealike.cli.examples import read_examples
from seealike.cli.hints import (
    check_colours,
    check_not_empty,
    say_what_was_seen,
    say_where_it_is_explained,
    seen_of,
)
from seealike.cli.locate import opened_catalogs
from seealike.cli.options.basic import GatheringCommand, catalogs_option, quiet_option
from seealike.cli.options.decoding import limit_option
from seealike.cli.options.encoder import place_option
from seealike.cli.options.examples import TypedExamples, examples_options
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
from seealike.listing import lists_of_shards
from seealike.wording import counted

if TYPE_CHECKING:
    from seealike import SimilarList
    from seealike.types import ProgressCallback

GALLERY_LISTS = 1000


@click.command(name="recommend", cls=GatheringCommand)
@examples_options
@click.option("--all", "everybody", is_flag=True, help="The list of every item.")
@click.option(
    "--by",
    type=click.Choice(["item", "product"]),
    default="item",
    show_default=True,
    help="With --all: of what.",
)
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
@click.option(
    "--shards",
    metavar="DIR",
    help="With --all: of what `seealike embed` made; part by part, without a catalogue.",
)
@click.option(
    "--on",
    metavar="CLUSTER",
    help="With --shards: on a Ray cluster, ray (or RAY_ADDRESS) or ray://HEAD:10001.",
)
@report_option(
    kind=LISTS_REPORT,
    text="With --all: say who is in no list and who in too many, and how varied they are.",
)
@catalogs_option
@place_option
@search_options
@click.option(
    "--format",
    "form",
    type=click.Choice([form.value for form in OutputFormat]),
    default=None,
    help="How to print the results.  [default: table; with --all csv, or what -o ends in]",
)
@click.option(
    "--combine",
    type=click.Choice([way.value for way in Combine]),
    default=Combine.AVERAGE.value,
    show_default=True,
    help="average: close to the mean of what is liked; each: the neighbours of each in turns.",
)
@gallery_options(f"Also write a page of the results (--all: of up to {GALLERY_LISTS:,} items).")
@force_option
@limit_option
@quiet_option
def command(
    examples: TypedExamples,
    everybody: bool,
    by: str,
    output: OutputFile | None,
    update: OutputFile | None,
    shards: str | None,
    on: str | None,
    report: OutputFile | None,
    catalogs: tuple[str, ...],
    encoder: str | None,
    k: int,
    options: SearchOptions,
    form: str | None,
    combine: str,
    page: Gallery | None,
    force: bool,  # noqa: ARG001  the outputs know it
    limits: DecodeLimits,
    quiet: bool,
) -> None:
    """Recommend items for likes and dislikes, or for every item.

    Items are named by their ids, which `seealike ls` lists; W is a weight, 1 where none is said. With --all
    every item gets the list of what is most like it.

    \b
    seealike recommend --like shirts/12.jpg --like shirts/40.jpg --not shirts/7.jpg
    seealike recommend --like a.jpg:2 --like-text "in red" --combine each --diversity 0.3
    seealike recommend --all -k 10 -o similar.csv
    seealike recommend --all --by product -o similar.json
    seealike recommend --all -o similar.parquet --report
    seealike recommend --all --update similar.parquet
    seealike recommend --all --shards s3://shop/vectors --on ray://HEAD:10001 -o similar.parquet
    """
    by_product = by == "product"
    if everybody == examples.any_liked and (everybody or options.palette is None):
        raise click.UsageError("say either --all, or at least one --like ID, --like-file FILE or --palette")
    if (examples.any_disliked and everybody) or (
        (output or update or report or by_product) and not everybody
    ):
        raise click.UsageError("--not goes with --like; -o, --update, --report and --by product with --all")
    if output and update:
        raise click.UsageError("--update FILE writes the file; leave out -o")
    written = update or output
    list_format = format_of(written, form) if everybody else ListFormat.CSV
    if shards is not None:
        if not everybody or catalogs or update or report or page or by_product or form == "paths":
            raise click.UsageError(
                "--shards goes with --all, -o, -k and wishes; --catalog, --update, --report, --gallery, "
                "--by product and paths take a catalogue: `seealike index SHARDS` makes one"
            )
        _lists_of_shards(shards, on, _Lists(k, options), written, list_format, quiet=quiet)
        return
    if on is not None:
        raise click.UsageError("--on goes with --all --shards DIR, which `seealike embed` makes")
    outputs = (written, page.output if page else None, report if report and report.path else None)
    with opened_catalogs(catalogs, *outputs, encoder=encoder, limits=limits) as opened:
        check_not_empty(opened)
        check_colours(opened, options)
        if everybody:
            what = _Lists(k, options, by_product, update is not None)
            _lists(opened, what, written, list_format, page, report, quiet=quiet)
            return
        started = time.perf_counter()
        liked, disliked = read_examples(examples, opened, options.group_by)
        options, label = replace(options, combine=Combine(combine)), examples.label or options.palette or ""
        hits = opened.recommend(liked, disliked, k, options=options)
        took_s = time.perf_counter() - started
        if page:
            write_page(page, opened, [hits], ResultsLook("Recommended", took_s=took_s), quiet=quiet)
        say_what_was_seen([label], [hits], quiet=quiet)
        say_where_it_is_explained(options, form or "table", page, quiet=quiet)
        write_results(
            [QueryResult(label, tuple(hits), seen_of(hits), hits.asked.why_empty)],
            OutputFormat(form or "table"),
            sys.stdout,
        )


def _lists_of_shards(
    shards: str,
    on: str | None,
    what: _Lists,
    output: OutputFile | None,
    form: ListFormat,
    *,
    quiet: bool,
) -> None:
    started = time.perf_counter()
    if output:
        output.check(None, shards)
    with (
        progress_printer(quiet) as progress,
        lists_of_shards(shards, what.k, options=what.options, on=on, progress=progress) as lists,
    ):
        written = write_lists(lists, output, form, lists)
    if not quiet and output:
        took_s = time.perf_counter() - started
        echo(f"{output.path}: lists of {counted(written.lists, 'item')} in {took_s:.1f} s", err=True)


class _Lists(NamedTuple):
    """Which lists are made."""

    k: int
    options: SearchOptions
    by_product: bool = False
    update: bool = False

    @property
    def kind(self) -> str:
        """What each is of."""
        return "product" if self.by_product else "item"

    def made(
        self, catalog: Catalog | Catalogs, progress: ProgressCallback
    ) -> UpdatedLists | Iterator[SimilarList]:
        """The lists."""
        if self.update:
            return catalog.updated_lists(
                self.k, options=self.options, by_product=self.by_product, progress=progress
            )
        return catalog.recommend_all(
            self.k, options=self.options, by_product=self.by_product, progress=progress
        )

    def of(self, catalog: Catalog | Catalogs, names: Sequence[str]) -> list[Hits]:
        """Some of them, with what a page needs."""
        if not self.by_product:
            return catalog.similar_batch(names, self.k, options=self.options)
        column = self.options.group_by
        examples = [
            Example(product=name) if catalog.has_product(name, group_by=column) else Example(name)
            for name in names
        ]
        return [catalog.recommend([one], k=self.k, options=self.options) for one in examples]


def _lists(
    catalog: Catalog | Catalogs,
    what: _Lists,
    output: OutputFile | None,
    form: ListFormat,
    page: Gallery | None,
    report: OutputFile | None,
    *,
    quiet: bool,
) -> None:
    started = time.perf_counter()
    names: list[str] = []

    def named(lists: Iterable[SimilarList]) -> Iterator[SimilarList]:
        for entry in lists:
            names.extend([entry.id] * (len(names) < GALLERY_LISTS))
            yield entry

    with progress_printer(quiet) as progress:
        lists = what.made(catalog, progress)
        column = what.options.group_by
        reported = catalog.reported(lists, by_product=what.by_product, group_by=column) if report else None
        written = write_lists(named(reported or lists), output, form, catalog, by_product=what.by_product)
    took_s = time.perf_counter() - started
    if not quiet and output:
        changed = f", {lists.changed:,} of them changed," if isinstance(lists, UpdatedLists) else ""
        made = counted(written.lists, what.kind)
        echo(f"{output.path}: lists of {made}{changed} in {took_s:.1f} s", err=True)
        if isinstance(lists, UpdatedLists) and lists.always_whole:
            wishes = " and ".join(f"--{name.replace('_', '-')}" for name in lists.always_whole)
            echo(f"lists with {wishes} are made anew every time: they cannot be brought up to date", err=True)
    if not quiet and written.empty:
        each = AskedWith(product=what.kind) if what.by_product else AskedWith(id=what.kind)
        why = Asked((each,), options=what.options, among=len(catalog)).why_empty
        echo(f"{counted(written.empty, 'list is', 'lists are')} empty: {why}", err=True)
    if report and reported:
        write_report(reported.report(), report, catalog, of=what.kind, quiet=quiet)
    if page:
        answers = what.of(catalog, names)
        shown = lists_with_pictures(
            [name, *(hit.id for hit in hits)] for name, hits in zip(names, answers, strict=True)
        )
        order = "order of their names" if what.by_product else "id order"
        if isinstance(catalog, Catalogs) and not what.by_product:
            order = "order of the catalogues, then of ids"
        note = f"The lists of the first {shown:,} of {counted(written.lists, what.kind)}, in {order}."
        look = ResultsLook(f"Similar {what.kind}s", took_s=took_s, note=note)
        write_page(page, catalog, answers[:shown], look, quiet=quiet)
