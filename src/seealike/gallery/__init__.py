"""Pages of pictures that people look at: one self-contained HTML file, without scripts.

A page is a plain value; :func:`render_gallery` turns it into text that loads nothing from anywhere.
Nothing here opens a file of the catalogue or knows how a hit was found.
"""

from seealike.gallery.budget import picture_budget
from seealike.gallery.page import (
    Cell,
    Command,
    Fact,
    GalleryList,
    GalleryPage,
    GalleryPicture,
    GallerySection,
    GalleryTable,
    Mark,
    PageKind,
)
from seealike.gallery.render import render_gallery

__all__ = [
    "Cell",
    "Command",
    "Fact",
    "GalleryList",
    "GalleryPage",
    "GalleryPicture",
    "GallerySection",
    "GalleryTable",
    "Mark",
    "PageKind",
    "picture_budget",
    "render_gallery",
]
