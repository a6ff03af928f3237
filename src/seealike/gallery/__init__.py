"""Pages of pictures that people look at: one self-contained HTML file, without scripts.

A page is a plain value; :func:`render_gallery` turns it into text that loads nothing from anywhere.
Nothing here opens a file of the catalogue or knows how a hit was found.
"""

from seealike.gallery.described import SAME_GROUP, Describer, relative_link
from seealike.gallery.page import (
    Cell,
    Command,
    Fact,
    GalleryChart,
    GalleryList,
    GalleryPage,
    GalleryPicture,
    GallerySection,
    GalleryTable,
    Link,
    Mark,
    PageKind,
)
from seealike.gallery.picture import picture_strip
from seealike.gallery.render import base_style, render_gallery
from seealike.gallery.thumbnails import Thumbnails, lists_with_pictures, shown_with_pictures

__all__ = [
    "SAME_GROUP",
    "Cell",
    "Command",
    "Describer",
    "Fact",
    "GalleryChart",
    "GalleryList",
    "GalleryPage",
    "GalleryPicture",
    "GallerySection",
    "GalleryTable",
    "Link",
    "Mark",
    "PageKind",
    "Thumbnails",
    "base_style",
    "lists_with_pictures",
    "picture_strip",
    "relative_link",
    "render_gallery",
    "shown_with_pictures",
]
