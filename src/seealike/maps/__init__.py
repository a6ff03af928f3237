"""A catalogue as a map: every picture a point, look-alikes side by side. Works over the public catalogue.

:func:`make_map` lays the pictures out; a :class:`Map` can be drawn as a page (:func:`render_map_page`), as a
picture for print (:func:`draw_map`) and written as a table (:func:`map_csv`).
"""

from seealike.maps.drawing import DrawingOptions, draw_map
from seealike.maps.making import make_map
from seealike.maps.page import render_map_page
from seealike.maps.table import map_csv
from seealike.maps.tiles import Tiles, TilesOptions, make_tiles
from seealike.maps.value import Map, MapMethod, MapOptions

__all__ = [
    "DrawingOptions",
    "Map",
    "MapMethod",
    "MapOptions",
    "Tiles",
    "TilesOptions",
    "draw_map",
    "make_map",
    "make_tiles",
    "map_csv",
    "render_map_page",
]
