"""Where a Milvus is, and what in it holds a catalogue. Credentials are shown nowhere."""

from __future__ import annotations

import os
import re
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from seealike.errors import UnknownNameError, UsageError

DEFAULT_PORT = 19530
DEFAULT_DATABASE = "default"
DEFAULT_PREFIX = "seealike"
HNSW, DISKANN = INDEXES = ("hnsw", "diskann")
LITE = ".db"  # how the name of a file of milvus-lite ends
_NAME = re.compile(r"[a-z_][a-z0-9_]{0,40}")
_KNOWN = ("prefix", "index", "tls")
_HINT = "write milvus://HOST:PORT/DATABASE, or milvus:///PATH/TO/FILE.db for milvus-lite"


class Address:
    """A database of a Milvus, or a file of milvus-lite, and a catalogue in it.

    ``prefix`` is what the names of its collections begin with. ``name`` is how people call it, without what
    must stay secret. ``index`` is what a new copy is to have.
    """

    def __init__(self, url: str) -> None:
        """Take an address apart.

        Raises:
            UsageError: it is none.
        """
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError:
            raise UsageError(f"that is no address of a Milvus: {_HINT}") from None
        asked = dict(parse_qsl(parts.query, keep_blank_values=True))
        for one in asked:
            if one not in _KNOWN:
                raise UnknownNameError("option of the address", one, _KNOWN)
        self.prefix = asked.get("prefix", DEFAULT_PREFIX)
        if not _NAME.fullmatch(self.prefix):
            raise UsageError(f"{self.prefix!r} is no prefix of collections: use small letters, digits and _")
        self.index = asked.get("index", HNSW)
        if self.index not in INDEXES:
            raise UnknownNameError("index", self.index, INDEXES)
        self.file = "" if host else os.path.abspath(unquote(parts.path))
        if not host and (not self.file.endswith(LITE) or parts.path == LITE):
            raise UsageError(f"that is no address of a Milvus: {_HINT}")
        self._secure = asked.get("tls", "false") == "true"
        self._user, self._password = unquote(parts.username or ""), unquote(parts.password or "")
        place = f"[{host}]" if host and ":" in host else host
        self.place = f"{place}:{port or DEFAULT_PORT}"
        self.database = DEFAULT_DATABASE if self.file else unquote(parts.path.strip("/")) or DEFAULT_DATABASE
        shown = {} if self.prefix == DEFAULT_PREFIX else {"prefix": self.prefix}
        where = quote(self.file) if self.file else f"{self.place}/{quote(self.database)}"
        self.name = f"milvus://{where}{'?' + urlencode(shown) if shown else ''}"

    def connecting(self) -> dict[str, str]:
        """What the client is told, with credentials from the address or the environment as it is now."""
        if self.file:
            return {"uri": self.file}
        user = self._user or os.environ.get("MILVUS_USER", "")
        password = self._password or os.environ.get("MILVUS_PASSWORD", "")
        token = "" if self._user else os.environ.get("MILVUS_TOKEN", "")
        return {
            "uri": f"{'https' if self._secure else 'http'}://{self.place}",
            "db_name": self.database,
            "token": token or (f"{user}:{password}" if user else ""),
        }

    def without_secrets(self, text: str) -> str:
        """A text of the server's or the client's, in which no credential stands."""
        known = self.connecting().get("token", "")
        for secret in filter(None, (known, known.partition(":")[2], self._password)):
            text = text.replace(secret, "***")
        return text
