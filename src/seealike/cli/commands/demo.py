"""``seealike demo``."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import click

import seealike
from seealike.catalog import Catalog
from seealike.catalog.outputs.kinds import LISTS, MAP_PAGE, RESULTS_PAGE
from seealike.catalog.outputs.places import OutputFile, check_outside
from seealike.cli.options.basic import quiet_option
from seealike.cli.options.outputs import force_option
from seealike.cli.printing.lists import ListFormat, write_lists
from seealike.cli.printing.progress import progress_printer
from seealike.cli.printing.text import echo
from seealike.demo import DemoResult, run_demo
from seealike.demo.run import CATALOG_NAME, PAGE_NAME
from seealike.errors import MissingExtraError
from seealike.gallery import Link, render_gallery
from seealike.maps import MapOptions, make_map, make_tiles, render_map_page
from seealike.wording import counted

if TYPE_CHECKING:
    from seealike.types import ProgressCallback

MAP_NAME, LISTS_NAME = "map.html", "similar.csv"
_LABEL = "kind"
_PAGE = "http://127.0.0.1:8765"
_TOP = 10


@click.command(name="demo")
@click.argument("folder", default="seealike-demo", required=False)
@force_option
@quiet_option
def command(folder: str, force: bool, quiet: bool) -> None:
    """Draw a sample shop into FOLDER, and show what seealike finds.

    The shop is indexed and searched, and a page shows the results. Beside the page lie a map of the shop,
    if the extra for maps is installed, and the lists of all items. Nothing is downloaded, and the same
    command again does nothing twice. What is printed on standard output is the path of the page; the last
    line says how to search the shop in a browser.

    \b
    seealike demo
    seealike demo /tmp/shop
    """
    catalog = os.path.join(folder, CATALOG_NAME)
    page, map_page, lists = (
        OutputFile(os.path.abspath(os.path.join(folder, name)), kind, force)
        for name, kind in ((PAGE_NAME, RESULTS_PAGE), (MAP_NAME, MAP_PAGE), (LISTS_NAME, LISTS))
    )
    check_outside(page.path)
    if os.path.isdir(folder):
        for output in (page, map_page, lists):
            output.check(catalog)
    with progress_printer(quiet) as progress:
        result = run_demo(folder, progress=progress)
        with seealike.open(result.catalog_path) as opened:
            _write_lists(opened, result, lists, progress)
            no_map = _write_map(opened, result, map_page, progress)
    links = [Link(LISTS_NAME, f"The {_TOP} most similar of every picture, as a table")]
    if no_map is None:
        links.insert(0, Link(MAP_NAME, f"All {result.items:,} pictures on a map"))
    shown = replace(result.page, links=tuple(links))
    page.write(render_gallery(shown).encode("utf-8", "backslashreplace"), catalog)
    if not quiet:
        for line in _said(result, folder, no_map):
            echo(line, err=True)
    echo(page.path)
    if not quiet:
        echo(
            f"or search it in a browser: {_typed()} serve -C {shlex.quote(folder)}, then open {_PAGE}",
            err=True,
        )


def _typed() -> str:
    """How the command is typed here: an environment that is not active has it in its own folder alone."""
    found, own = shutil.which("seealike"), sys.argv[0]
    is_own = found is not None and os.path.exists(own) and os.path.samefile(found, own)
    return "seealike" if is_own or os.path.basename(own) != "seealike" else own


def _write_lists(opened: Catalog, result: DemoResult, lists: OutputFile, progress: ProgressCallback) -> None:
    if result.report.changed or not lists.kind.wrote(lists.path):
        write_lists(opened.recommend_all(_TOP, progress=progress), lists, ListFormat.CSV, opened)


def _write_map(
    opened: Catalog, result: DemoResult, page: OutputFile, progress: ProgressCallback
) -> MissingExtraError | None:
    """Write the map, or say which extra that would take."""
    if not result.report.changed and page.kind.wrote(page.path):
        return None
    try:
        made = make_map(opened, MapOptions(label=_LABEL), progress=progress)
    except MissingExtraError as exc:
        return exc
    tiles = make_tiles(opened, made, progress=progress)
    page.write(render_map_page(made, tiles, title="Map of the shop").encode("ascii"), opened.path)
    return None


def _said(result: DemoResult, folder: str, no_map: MissingExtraError | None) -> Iterator[str]:
    """What was done, in a few lines."""
    report, skipped = result.report, len(result.skipped)
    pictures = counted(result.items, "picture")
    if result.drawn.drawn:
        yield f"drew a shop of {pictures} in {folder}, and {skipped} spoilt files"
    if report.changed:
        rate = f" ({report.added / report.took_s:,.0f} images/s)" if report.added else ""
        yield f"indexed {pictures} in {report.took_s:.1f} s{rate}, skipped {skipped}"
    else:
        yield f"nothing changed: the shop in {folder} and its {pictures} are indexed already"
    if no_map is not None:
        yield f"wrote {LISTS_NAME}, but no map: {no_map}"
    elif report.changed:
        yield f"wrote {LISTS_NAME} and {MAP_NAME}"
    yield f"searched {result.searches} times, {result.search_ms:.1f} ms a search; open the page:"
