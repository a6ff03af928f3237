"""``seealike duplicates``."""

from __future__ import annotations

import os
import sys

import click

from seealike.catalog.outputs.kinds import DUPLICATES_PAGE, DUPLICATES_SCRIPT
from seealike.catalog.outputs.places import OutputFile
from seealike.cli.hints import check_not_empty
from seealike.cli.locate import opened_catalog
from seealike.cli.options.basic import (
    FiniteFloat,
    Gathered,
    GatheringCommand,
    catalog_option,
    check_null,
    quiet_option,
    results_format_option,
)
from seealike.cli.options.decoding import limit_option
from seealike.cli.options.outputs import force_option, output_option
from seealike.cli.printing.duplicates import (
    say_found,
    say_moved,
    write_duplicates,
    write_moves,
)
from seealike.cli.printing.progress import progress_printer
from seealike.cli.printing.results import OutputFormat
from seealike.cli.printing.text import echo
from seealike.duplicates import (
    Decisions,
    DuplicateOptions,
    KeepRule,
    Level,
    duplicates_script,
    find_duplicates,
    move_back,
    move_duplicates,
    read_decisions,
    write_duplicates_page,
)
from seealike.duplicates.values import DEFAULT_RULES, LEAST_LIKENESS, LEAST_SCORE
from seealike.images import DecodeLimits

EXIT_LEFT = 1


def _options(
    level: str, min_likeness: float, min_score: float, rules: tuple[str, ...], folders: tuple[str, ...]
) -> DuplicateOptions:
    keep = tuple(map(KeepRule, rules)) or DEFAULT_RULES
    if folders and KeepRule.FOLDER not in keep:
        raise click.UsageError("--folder goes with --keep folder, or with the usual rules")
    return DuplicateOptions(Level(level), min_likeness, min_score, keep, tuple(map(os.path.abspath, folders)))


@click.command(name="duplicates", cls=GatheringCommand)
@catalog_option
@click.option(
    "--level",
    type=click.Choice([level.value for level in Level]),
    default=Level.NEAR.value,
    show_default=True,
    help="exact: the same bytes. near: also cut, framed, smaller, tinted. product: also of one product.",
)
@click.option(
    "--min-likeness",
    type=FiniteFloat(min=0, max=1),
    default=LEAST_LIKENESS,
    show_default=True,
    metavar="L",
    help="How alike near duplicates are at least.",
)
@click.option(
    "--min-score",
    type=FiniteFloat(min=-1, max=1),
    default=LEAST_SCORE,
    show_default=True,
    metavar="S",
    help="With --level product: the similarity of pictures without a group.",
)
@click.option(
    "--keep",
    "rules",
    multiple=True,
    type=click.Choice([rule.value for rule in KeepRule]),
    help="What decides which one is kept, the weightiest rule first.  "
    "[default: resolution, size, format, folder]",
)
@click.option(
    "--folder",
    "folders",
    multiple=True,
    metavar="DIR",
    help="For --keep folder: the best first. May be repeated.",
)
@click.option(
    "--decisions",
    "decided",
    metavar="FILE.json",
    help="What you decided on a page: these are not asked again, and only they are moved or in the script.",
)
@results_format_option("How to print the pictures; paths: of those that are not kept.")
@output_option(
    "--page", kind=DUPLICATES_PAGE, metavar="FILE.html", text="Also write a page to look them through."
)
@output_option(
    "--script",
    kind=DUPLICATES_SCRIPT,
    metavar="FILE.sh",
    text="Also write a script that moves those not kept.",
)
@click.option("--move-to", "folder", metavar="DIR", help="Move those that are not kept into this folder.")
@click.option("--dry-run", is_flag=True, help="With --move-to: only list what would be moved, and where.")
@click.option(
    "--undo", metavar="FILE.jsonl", help="Move back what a list of moved pictures names; do nothing else."
)
@force_option
@limit_option
@quiet_option
@click.argument(
    "options",
    cls=Gathered,
    of=("level", "min_likeness", "min_score", "rules", "folders"),
    into=lambda: _options,
)
def command(
    catalog: str | None,
    options: DuplicateOptions,
    decided: str | None,
    form: str,
    null: bool,
    page: OutputFile | None,
    script: OutputFile | None,
    folder: str | None,
    dry_run: bool,
    undo: str | None,
    force: bool,  # noqa: ARG001  the outputs know it
    limits: DecodeLimits,
    quiet: bool,
) -> int:
    """Find pictures that are there twice, and move the spare ones.

    First say which to keep; nothing is deleted.

    \b
    seealike duplicates
    seealike duplicates --page duplicates.html
    seealike duplicates --level exact --keep folder --folder originals --move-to ../duplicates --dry-run
    seealike duplicates --decisions decisions.json --script move.sh
    """
    check_null(form, null=null)
    end = "\0" if null else "\n"
    if dry_run and folder is None:
        raise click.UsageError("--dry-run goes with --move-to DIR")
    if folder == "":
        raise click.UsageError("--move-to needs the name of a folder; for the current one write .")
    if undo is not None:
        report = move_back(undo)
        say_moved(report, quiet=quiet)
        return EXIT_LEFT if report.left else 0
    decisions = Decisions() if decided is None else read_decisions(decided)
    with opened_catalog(catalog, page, script, limits=limits) as opened:
        check_not_empty(opened)
        with progress_printer(quiet) as progress:
            found = find_duplicates(opened, options, decisions=decisions, progress=progress)
        chosen = [group for group in found.groups if group.decided or decided is None]
        if page is not None:
            with progress_printer(quiet) as progress:
                write_duplicates_page(opened, page, found, decisions=decisions, progress=progress)
        if script is not None:
            script.write(duplicates_script(opened, chosen, script.path), opened.path)
        say_found(found, quiet=quiet)
        if not quiet:
            for output in filter(None, (page, script)):
                echo(f"wrote {output.path}", err=True)
        if folder is None:
            write_duplicates(found, OutputFormat(form), sys.stdout, end)
            return 0
        with progress_printer(quiet) as progress:
            report = move_duplicates(opened, chosen, folder, dry_run=dry_run, progress=progress)
    write_moves(report, OutputFormat(form), sys.stdout, end)
    say_moved(report, quiet=quiet)
    return EXIT_LEFT if report.left else 0
