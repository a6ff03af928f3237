"""Cookies that stand for keys: a browser sends them for pictures too, whose addresses carry no key."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping

from seealike.service.options import Access, Keys

MOST_COOKIES = 50  # of a request that are looked at


class Sessions:
    """One cookie for each key, for as long as the process lives. No key can be told from its cookie.

    Browsers send a cookie to all ports of a host: the port is part of its ``name``, so that services beside
    each other do not take each other's away.
    """

    def __init__(self, keys: Keys, port: int) -> None:
        self.name = f"seealike-{port}"
        self._keys, self._secret = keys, secrets.token_bytes(32)
        self._cookies = [(self._cookie_of(key), key) for key, _ in keys.access]

    def cookie(self, key: str, *, is_secure: bool) -> str | None:
        """What the header ``set-cookie`` says to who has a key; None for what is none."""
        if self._keys.access_of(key) is Access.NOTHING:
            return None
        return self._header(self._cookie_of(key), is_secure=is_secure)

    def no_cookie(self, *, is_secure: bool) -> str:
        """What it says to who leaves."""
        return self._header("", is_secure=is_secure) + "; Max-Age=0"

    def key_in(self, headers: Mapping[bytes, bytes]) -> str | None:
        """The key for which the cookie of a request stands. Every key is compared, in constant time."""
        found = None
        for one in headers.get(b"cookie", b"").decode("latin-1").split(";", MOST_COOKIES)[:MOST_COOKIES]:
            name, _, given = one.strip().partition("=")
            if name == self.name:
                for cookie, key in self._cookies:
                    if hmac.compare_digest(cookie.encode(), given.encode()):
                        found = key
        return found

    def _cookie_of(self, key: str) -> str:
        return hmac.new(self._secret, key.encode(errors="surrogatepass"), "sha256").hexdigest()

    def _header(self, value: str, *, is_secure: bool) -> str:
        return f"{self.name}={value}; Path=/; HttpOnly; SameSite=Strict{'; Secure' if is_secure else ''}"
