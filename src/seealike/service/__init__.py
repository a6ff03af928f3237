"""seealike over HTTP: one catalogue that many ask at a time. Needs the extra ``serve``."""

from seealike.service.app import create_app
from seealike.service.options import Access, Keys, ServiceOptions
from seealike.service.running import serve

__all__ = ["Access", "Keys", "ServiceOptions", "create_app", "serve"]
