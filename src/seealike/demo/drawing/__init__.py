"""The sample shop: product-like pictures drawn with Pillow, the same ones every time."""

from seealike.demo.drawing.catalogue import DEFAULT_SEED, DrawnCatalogue, draw_catalogue

__all__ = ["DEFAULT_SEED", "DrawnCatalogue", "draw_catalogue"]
