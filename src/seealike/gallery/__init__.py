"""Pages of pictures that people look at: one self-contained HTML file, without scripts.

A page is a plain value; :func:`render_gallery` turns it into text that loads nothing from anywhere.
Nothing here opens a file of the catalogue or knows how a hit was found.
"""

from seealike.gallery.budget import picture_budget
from seealike.gallery.page import Command, Fact, GalleryPage, GalleryPicture, GallerySection
from seealike.gallery.render import render_gallery

__all__ = [
    "Command",
    "Fact",
    "GalleryPage",
    "GalleryPicture",
    "GallerySection",
    "picture_budget",
    "render_gallery",
]
