"""seealike over HTTP: a catalogue, or several as one, that many ask at a time. Needs the extra ``serve``."""

from seealike.service.app import create_app
from seealike.service.options import LOOPBACK, Access, Keys, ServiceOptions
from seealike.service.running import serve

__all__ = ["LOOPBACK", "Access", "Keys", "ServiceOptions", "create_app", "serve"]
