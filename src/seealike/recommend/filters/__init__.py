"""Conditions on items: a small language, read by a library, and which items of a generation keep them."""

from seealike.recommend.filters.among import Among
from seealike.recommend.filters.masks import mask_of
from seealike.recommend.filters.parsing import parse

__all__ = ["Among", "mask_of", "parse"]
