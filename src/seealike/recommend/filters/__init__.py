"""Conditions on items: a small language, read by a library, and which items of a generation keep them."""

from seealike.recommend.filters.among import Among
from seealike.recommend.filters.conditions import Condition
from seealike.recommend.filters.parsing import parse

__all__ = ["Among", "Condition", "parse"]
