"""Options that name a file to write, how a results page looks, and the writing itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import click

from seealike.catalog import Catalog, Catalogs, Hits, ResultsLook, write_results_page
from seealike.catalog.outputs.kinds import RESULTS_PAGE, OutputKind
from seealike.catalog.outputs.places import OutputFile
from seealike.cli.options.basic import Function, Gathered, together
from seealike.cli.printing.progress import progress_printer
from seealike.cli.printing.text import echo


class OutputParameter(click.ParamType):  # type: ignore[type-arg]  # generic in some versions only
    """A file to write: refused, if it must not be, before any work is done."""

    name = "file"

    def __init__(self, kind: OutputKind) -> None:
        """``kind``: what will be in the file."""
        self.kind = kind

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> OutputFile:
        """The file; what takes a catalogue to know is checked when that is open."""
        option = max(param.opts, key=len) if param else ""
        output = OutputFile(str(value), self.kind, bool(ctx and ctx.params.get("force")), option)
        output.check_name()
        return output


def output_option(
    *names: str, kind: OutputKind, metavar: str, text: str, default: str | None = None
) -> Callable[[Function], Function]:
    """An option that names a file to write; its command has ``--force`` too."""
    return click.option(
        *names,
        type=OutputParameter(kind),
        metavar=metavar,
        default=default,
        show_default=default is not None,
        help=text,
    )


class ReportParameter(OutputParameter):
    """A file for a report; without a path where the option has no value: then it is shown to people."""

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> OutputFile:
        """The file."""
        return super().convert(value, param, ctx) if value else OutputFile("", self.kind)


def report_option(*, kind: OutputKind, text: str) -> Callable[[Function], Function]:
    """``--report [FILE.json]``."""
    return click.option(
        "--report",
        type=ReportParameter(kind),
        is_flag=False,
        flag_value="",
        metavar="[FILE.json]",
        help=text,
    )


def force_option(function: Function) -> Function:
    """``--force``, for commands with outputs."""
    return click.option(
        "--force",
        is_flag=True,
        is_eager=True,
        help="Write over a file of somebody else. Never over a picture or table of the catalogue.",
    )(function)


def write_text(output: OutputFile, text: str, catalog: Catalog, *, quiet: bool) -> None:
    """Write a file whole or not at all, and say so.

    Raises:
        UsageError: it must not be written.
        StorageError: the disk refused.
    """
    output.write(text.encode("utf-8", "backslashreplace"), catalog.path)
    if not quiet:
        echo(f"wrote {output.path}", err=True)


@dataclass(frozen=True, slots=True)
class Gallery:
    """Where a page goes, which column its items are called by, and whether it links to their files."""

    output: OutputFile
    caption: str | None
    links: bool


def gallery_options(text: str) -> Callable[[Function], Function]:
    """``--gallery FILE.html``, ``--caption COLUMN`` and ``--no-links``; the command gets ``page``."""
    return together(
        output_option("--gallery", kind=RESULTS_PAGE, metavar="FILE.html", text=text),
        click.option(
            "--caption",
            metavar="COLUMN",
            help="With --gallery: what pictures are called by.  [default: name or title]",
        ),
        click.option("--no-links", is_flag=True, help="With --gallery: no links to the files."),
        click.argument(
            "page", cls=Gathered, of=("gallery", "caption", "no_links"), into=lambda: _asked_gallery
        ),
    )


def _asked_gallery(gallery: OutputFile | None, caption: str | None, no_links: bool) -> Gallery | None:
    """What the options of ``gallery_options`` ask for.

    Raises:
        click.UsageError: they say how a page looks, but not where it goes.
    """
    if gallery is not None:
        return Gallery(gallery, caption, not no_links)
    if caption is not None or no_links:
        raise click.UsageError("--caption and --no-links go with --gallery FILE.html")
    return None


def write_page(
    gallery: Gallery, catalog: Catalog | Catalogs, answers: Sequence[Hits], look: ResultsLook, *, quiet: bool
) -> None:
    """Write the page, whole or not at all, and say so; raises as ``write_results_page`` does."""
    look = replace(look, caption=gallery.caption, links=gallery.links)
    with progress_printer(quiet) as progress:
        write_results_page(catalog, gallery.output, answers, look, progress=progress)
    if not quiet:
        echo(f"wrote {gallery.output.path}", err=True)
