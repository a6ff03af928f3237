"""The demonstration: draw a shop, index it, search it, and make a page that shows the result."""

from seealike.demo.drawing import DEFAULT_SEED, DrawnCatalogue, draw_catalogue
from seealike.demo.run import DemoCatalog, DemoResult, run_demo

__all__ = ["DEFAULT_SEED", "DemoCatalog", "DemoResult", "DrawnCatalogue", "draw_catalogue", "run_demo"]
