"""Result pages: hits of the facade as a gallery page, with thumbnails made on the spot."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import click

from seealike.catalog import Catalog, Hits, ResultsLook, write_results_page
from seealike.catalog.output_kinds import RESULTS_PAGE
from seealike.catalog.outputs import OutputFile
from seealike.cli.echo import echo
from seealike.cli.outputs import output_option
from seealike.cli.progress import progress_printer

Function = TypeVar("Function", bound=Callable[..., object])


@dataclass(frozen=True, slots=True)
class Gallery:
    """Where a page goes, which column its items are called by, and whether it links to their files."""

    output: OutputFile
    caption: str | None
    links: bool


def gallery_options(text: str) -> Callable[[Function], Function]:
    """``--gallery FILE.html``, ``--caption COLUMN`` and ``--no-links``; see ``asked_gallery``."""
    file = output_option("--gallery", kind=RESULTS_PAGE, metavar="FILE.html", text=text)
    caption = click.option(
        "--caption",
        metavar="COLUMN",
        help="With --gallery: what pictures are called by.  [default: name or title]",
    )
    links = click.option("--no-links", is_flag=True, help="With --gallery: no links to the files.")
    return lambda function: file(caption(links(function)))


def asked_gallery(output: OutputFile | None, caption: str | None, *, no_links: bool) -> Gallery | None:
    """What the options of ``gallery_options`` ask for.

    Raises:
        click.UsageError: they say how a page looks, but not where it goes.
    """
    if output is not None:
        return Gallery(output, caption, not no_links)
    if caption is not None or no_links:
        raise click.UsageError("--caption and --no-links go with --gallery FILE.html")
    return None


def write_page(
    gallery: Gallery, catalog: Catalog, answers: Sequence[Hits], look: ResultsLook, *, quiet: bool
) -> None:
    """Write the page, whole or not at all, and say so; raises as ``write_results_page`` does."""
    look = replace(look, caption=gallery.caption, links=gallery.links)
    with progress_printer(quiet) as progress:
        write_results_page(catalog, gallery.output, answers, look, progress=progress)
    if not quiet:
        echo(f"wrote {gallery.output.path}", err=True)
