"""seealike: what else looks like this?"""

from seealike._version import __version__

__all__ = ["__version__"]
