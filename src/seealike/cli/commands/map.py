"""``seealike map``."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence

import click

from seealike.catalog import Catalog
from seealike.catalog.outputs.kinds import MAP_DRAWING, MAP_PAGE, MAP_TABLE
from seealike.catalog.outputs.places import OutputFile
from seealike.cli.locate import opened_catalog
from seealike.cli.options.basic import (
    FiniteFloat,
    catalog_option,
    format_option,
    metric_option,
    number_option,
    quiet_option,
)
from seealike.cli.options.decoding import limit_option
from seealike.cli.options.outputs import force_option, output_option
from seealike.cli.printing.progress import progress_printer
from seealike.cli.printing.rows import safe_cell
from seealike.cli.printing.text import echo
from seealike.images import DecodeLimits
from seealike.maps import (
    Map,
    MapMethod,
    MapOptions,
    Tiles,
    TilesOptions,
    draw_map,
    make_map,
    make_tiles,
    map_csv,
    render_map_page,
)
from seealike.maps.value import SAMPLE
from seealike.types import Metric
from seealike.wording import counted

DEFAULT_PAGE = "map.html"


@click.command(name="map")
@catalog_option
@output_option(
    "-o",
    "--output",
    kind=MAP_PAGE,
    metavar="FILE.html",
    text=f"The page.  [default: {DEFAULT_PAGE}, unless --csv or --png is asked for]",
)
@output_option("--csv", "table", kind=MAP_TABLE, metavar="FILE.csv", text="Write id, x, y, cluster, label.")
@output_option("--png", "drawing", kind=MAP_DRAWING, metavar="FILE.png", text="Draw it for print, 300 dpi.")
@force_option
@click.option(
    "--png-pictures", is_flag=True, help="With --png: pictures over the points where there is room."
)
@click.option(
    "--method",
    type=click.Choice([method.value for method in MapMethod]),
    default=MapMethod.TSNE.value,
    show_default=True,
    help="The layout.",
)
@click.option("--label", metavar="COLUMN", help="Colour by a metadata column, or folder, group or prefix.")
@click.option(
    "--clusters", type=click.IntRange(min=1), metavar="K", help="How many clusters.  [default: by size]"
)
@number_option("--sample", default=SAMPLE, least=1, text="At most so many items, drawn at random.")
@number_option("--seed", default=0, most=2**32 - 1, text="The same seed gives the same map.")
@metric_option("How pictures are compared.")
@click.option("--no-pictures", is_flag=True, help="A page of points alone: smaller, and made faster.")
@click.option(
    "--budget",
    "budget_mb",
    type=FiniteFloat(min=0),
    default=40.0,
    show_default=True,
    metavar="MB",
    help="What the pictures on the page may take.",
)
@format_option("How to print what was done.")
@limit_option
@quiet_option
def command(
    catalog: str | None,
    output: OutputFile | None,
    table: OutputFile | None,
    drawing: OutputFile | None,
    force: bool,
    png_pictures: bool,
    method: str,
    label: str | None,
    clusters: int | None,
    sample: int,
    seed: int,
    metric: str,
    no_pictures: bool,
    budget_mb: float,
    form: str,
    limits: DecodeLimits,
    quiet: bool,
) -> None:
    """Draw a map of the catalogue, look-alikes side by side.

    Every picture is a point. The page is one file that loads nothing: move, zoom, find, draw a lasso and
    save the ids within.

    \b
    seealike map
    seealike map --label category -o shop.html --csv shop.csv
    seealike map --method umap --png figure.png --png-pictures
    """
    if png_pictures and not drawing:
        raise click.UsageError("--png-pictures goes with --png")
    page = output or (None if table or drawing else OutputFile(DEFAULT_PAGE, MAP_PAGE, force, "--output"))
    options = MapOptions(MapMethod(method), label, sample, seed, Metric(metric), clusters)
    started = time.perf_counter()
    with opened_catalog(catalog, page, table, drawing, limits=limits) as opened:
        with progress_printer(quiet) as progress:
            made = make_map(opened, options, progress=progress)
            tiles = Tiles()
            if (page and not no_pictures) or png_pictures:
                budget = TilesOptions(round(budget_mb * 1e6))
                tiles = make_tiles(opened, made, budget, progress=progress)
        title, place = f"Map of {_name(opened)}", opened.path
    if page:
        shown = Tiles() if no_pictures else tiles
        page.write(render_map_page(made, shown, title=title).encode("ascii"), place)
    if table:
        table.write(map_csv(made, safe_cell).encode("utf-8", "backslashreplace"), place)
    if drawing:
        drawing.write(draw_map(made, tiles if png_pictures else Tiles()), place)
    written = [output.path for output in (page, table, drawing) if output]
    _report(made, tiles, written, time.perf_counter() - started, form, quiet=quiet)


def _name(catalog: Catalog) -> str:
    """What people call the catalogue: its own name, or that of the folder it lies in."""
    folder, name = os.path.split(os.path.abspath(catalog.path))
    return os.path.splitext(name)[0] if not name.startswith(".") else os.path.basename(folder) or name


def _report(
    made: Map, tiles: Tiles, written: Sequence[str], took_s: float, form: str, *, quiet: bool
) -> None:
    clusters = len(set(made.clusters.tolist()))
    if form == "json":
        facts = {
            "items": len(made),
            "of": made.total,
            "method": made.options.method.value,
            "clusters": clusters,
            "labels": len({label for label in made.labels if label is not None}),
            "pictures": len(tiles.pictures),
            "picture_px": tiles.side_px if tiles.pictures else None,
            "unreadable": tiles.unreadable,
            "files": list(written),
            "took_s": round(took_s, 3),
        }
        click.echo(json.dumps(facts))
    elif not quiet:
        sizes = ", ".join(f"{name} ({_megabytes(name)})" for name in written)
        of = f" of {made.total:,}, drawn at random with seed {made.options.seed}" if made.sampled else ""
        shown = counted(len(tiles.pictures), "picture")
        pictures = f", {shown} of {tiles.side_px} px" if tiles.pictures else ""
        groups = counted(clusters, "cluster")
        echo(f"{counted(len(made), 'item')}{of}, {groups}{pictures}, in {took_s:.1f} s: {sizes}")
        if tiles.unreadable:
            unread = counted(tiles.unreadable, "picture")
            echo(f"{unread} could not be read, and a point without a picture stands for each", err=True)


def _megabytes(path: str) -> str:
    try:
        size = os.stat(path).st_size
    except OSError:
        return "written"
    return f"{size / 1e6:.1f} MB" if size >= 100_000 else f"{size / 1e3:.0f} kB"
