"""Where a database is, connections to it, and its errors as ours.

Credentials come from the address, the environment (PGPASSWORD) or ~/.pgpass, as everywhere with
PostgreSQL; the name by which the catalogue goes has none.
"""

from __future__ import annotations

import os
import re
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, TypeAlias, TypeVar
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

import numpy as np
import psycopg
from psycopg import Connection, sql
from psycopg.adapt import Dumper, Loader
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.pq import Format
from psycopg.types import TypeInfo

from seealike.errors import CatalogBusyError, CatalogError, UnreachableError, UsageError
from seealike.types import Float16Array, Float32Array

Result = TypeVar("Result")
Row: TypeAlias = tuple[Any, ...]
Rows: TypeAlias = Connection[Row]
Statement: TypeAlias = tuple[str, Sequence[object]]  # and its parameters

DEFAULT_SCHEMA = "seealike"
MOST_CONNECTIONS = 16
CONNECT_TIMEOUT_S = 10
STATEMENT_TIMEOUT_S = 60
MARGIN_S = 15.0  # after which a server has not ended a statement that took too long: it hangs
_ALIVE = {"keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3, "tcp_user_timeout": 60_000}
_OF_ONE_MOMENT = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"
WAIT_S = 10.0  # for a connection that others have
_REPLICA = "{} takes no changes: it is a replica; name the server itself"
_NO_ROOM = (
    psycopg.errors.ProgramLimitExceeded,
    psycopg.errors.StatementTooComplex,
    psycopg.errors.TooManyColumns,
    psycopg.errors.TooManyArguments,
)
_SCHEMA = re.compile(r"[a-z_][a-z0-9_]{0,40}")
_PORTS = re.compile(r"[\d,]*")
_AMBIGUOUS = (
    "that is no address of a PostgreSQL database: in a password write %40 for @, %2F for / and %3F for ?, "
    "or leave it to PGPASSWORD"
)
_PARTS = ("host", "hostaddr", "port", "dbname", "user")


class Halfvec(bytes):
    """A vector of half precision, as PostgreSQL sends it."""

    @classmethod
    def of(cls, row: Float16Array | Float32Array) -> Halfvec:
        """From numbers, which are rounded to half precision. Shapes: row is (d,)."""
        return cls(struct.pack(">HH", len(row), 0) + row.astype(">f2").tobytes())


class Vector(bytes):
    """The same of single precision."""

    @classmethod
    def of(cls, row: Float32Array) -> Vector:
        """From numbers. Shapes: row is (d,)."""
        return cls(struct.pack(">HH", len(row), 0) + row.astype(">f4").tobytes())


class _BytesDumper(Dumper):
    format = Format.BINARY

    def dump(self, obj: bytes) -> bytes:
        return obj


class _HalfvecLoader(Loader):
    format = Format.BINARY

    def load(self, data: bytes | bytearray | memoryview) -> bytes:
        return bytes(data[4:])


def matrix(rows: list[bytes], dimension: int) -> Float16Array:
    """Vectors as they are read, as rows of an array. Shapes: the result is (m, dimension)."""
    wide = np.frombuffer(b"".join(rows), dtype=">f2").reshape(len(rows), dimension)
    return wide.astype(np.float16)


class Address:
    """A database and the schema in it that holds a catalogue.

    ``name`` is how people call it, without what must stay secret.
    """

    def __init__(self, url: str) -> None:
        """Take an address apart.

        Raises:
            UsageError: it is none.
        """
        try:
            parts = urlsplit(url)
        except ValueError:
            raise UsageError(_AMBIGUOUS) from None
        asked = parse_qsl(parts.query, keep_blank_values=True)
        schema = dict(asked).get("schema", DEFAULT_SCHEMA)
        if not _SCHEMA.fullmatch(schema):
            raise UsageError(f"{schema!r} is no schema's name: use small letters, digits and _")
        query = urlencode([pair for pair in asked if pair[0] != "schema"], quote_via=quote)
        try:
            known = conninfo_to_dict(urlunsplit(parts._replace(query=query)))
        except psycopg.Error as exc:
            if "@" in url and "@" not in parts.netloc:
                raise UsageError(_AMBIGUOUS) from None
            told = " ".join(str(exc).split())
            for secret in filter(None, (parts.password, dict(asked).get("password"))):
                told = told.replace(secret, "***")
            raise UsageError(f"that is no address of a PostgreSQL database: {told}") from None
        if "@" in str(known.get("host")) or not _PORTS.fullmatch(str(known.get("port", ""))):
            raise UsageError(_AMBIGUOUS)  # a part of the password, which must not be shown
        self.schema, self._known = schema, known
        shown = {name: str(known[name]) for name in _PARTS if known.get(name)}
        self.name = _shown(shown, schema)

    def connect(self, *, to_write: bool) -> Rows:
        """A connection; ``to_write`` to a server that takes changes, where several are named.

        Raises:
            psycopg.Error: there is none.
        """
        known: dict[str, Any] = {"connect_timeout": CONNECT_TIMEOUT_S, **self._known}
        if to_write:
            known["target_session_attrs"] = "read-write"
        for name, value in _ALIVE.items():
            known.setdefault(name, value)
        known.setdefault("application_name", "seealike")
        timeout_ms = STATEMENT_TIMEOUT_S * 1000
        known["options"] = f"-c statement_timeout={timeout_ms} {known.get('options', '')}".strip()
        return psycopg.connect(make_conninfo("", **known), autocommit=True)


def _shown(known: dict[str, str], schema: str) -> str:
    host = known.get("host", known.get("hostaddr", ""))
    user = f"{known['user']}@" if "user" in known else ""
    port = f":{known['port']}" if "port" in known and not host.startswith("/") else ""
    query = {}
    if host.startswith("/"):
        query["host"], host = host, ""
    if schema != DEFAULT_SCHEMA:
        query["schema"] = schema
    asked = f"?{urlencode(query, safe='/')}" if query else ""
    return f"postgresql://{user}{host}{port}/{known.get('dbname', '')}{asked}"


class Database:
    """Connections to a database. Safe to use from several threads; a forked child opens its own.

    ``to_write``: all of them are to a server that takes changes.
    """

    def __init__(self, url: str, *, to_write: bool = False) -> None:
        """Nothing is opened yet."""
        self._to_write = to_write
        self.address = Address(url)
        self.name, self.schema = self.address.name, self.address.schema
        self._begin()

    def _begin(self) -> None:
        self._process_id = os.getpid()
        self._guard = threading.Lock()
        self._room = threading.BoundedSemaphore(MOST_CONNECTIONS)
        self._idle: list[Rows] = []
        self._closed = False
        self._types: tuple[TypeInfo, TypeInfo] | None = None

    def close(self) -> None:
        """Close what is idle; nothing is opened afterwards."""
        if self._process_id != os.getpid():
            self._begin()  # what is idle is the parent's
        self._closed = True
        with self._guard:
            idle, self._idle = self._idle, []
        for one in idle:
            one.close()

    def run(self, ask: Callable[[Rows], Result], statements: int = 4) -> Result:
        """What ``ask`` reads. Where a connection that lay idle was lost, it is asked again over a new one.

        ``statements``: it sends no more.

        Raises:
            UnreachableError: the database cannot be reached.
            CatalogBusyError: it took too long, or all connections are in use.
        """
        with self._translated():
            with self._connection() as (connection, was_idle):
                try:
                    with _answering(connection, statements):
                        return ask(connection)
                except psycopg.OperationalError:
                    if not (was_idle and connection.broken):
                        raise
            self._drop_idle()
            with self._connection() as (connection, _), _answering(connection, statements):
                return ask(connection)

    def snapshot(self, ask: Callable[[Rows], Result]) -> Result:
        """``run``, where all that is read is of one moment."""

        def asked(connection: Rows) -> Result:
            with connection.transaction():
                connection.execute(_OF_ONE_MOMENT)
                return ask(connection)

        return self.run(asked)

    def at_once(self, statements: Sequence[Statement]) -> list[list[Row]]:
        """What each of several statements gives, of one moment, in one journey there and back."""

        def asked(connection: Rows) -> list[list[Row]]:
            with connection.pipeline(), connection.transaction():
                connection.execute(_OF_ONE_MOMENT)
                cursors = [connection.execute(*one, binary=True) for one in statements]
            return [cursor.fetchall() for cursor in cursors]

        return self.run(asked, len(statements) + 1)

    @contextmanager
    def writing(self) -> Iterator[Rows]:
        """A connection of its own to a server that takes changes, closed afterwards.

        Raises:
            UnreachableError, CatalogBusyError: see ``run``.
        """
        with self._translated():
            connection = self._prepared(self._connected(to_write=True))
            try:
                yield connection
            finally:
                connection.close()

    @contextmanager
    def _connection(self) -> Iterator[tuple[Rows, bool]]:
        """A connection, and whether it was there already."""
        if self._process_id != os.getpid():
            self._begin()
        if self._closed:
            raise UsageError("the catalogue has been closed")
        if not self._room.acquire(timeout=WAIT_S):
            raise CatalogBusyError(self.name, f"{MOST_CONNECTIONS} other questions", doing="read")
        try:
            with self._guard:
                idle = self._idle.pop() if self._idle else None
            connection = idle or self._prepared(self._connected(to_write=self._to_write))
            try:
                yield connection, idle is not None
            finally:
                self._put_back(connection)
        finally:
            self._room.release()

    def _connected(self, *, to_write: bool) -> Rows:
        try:
            return self.address.connect(to_write=to_write)
        except psycopg.OperationalError as exc:
            tried, refused = (str(exc).count(one) for one in ("connection to server", "session is read-only"))
            if tried == refused > 0:
                raise CatalogError(self.name, _REPLICA.format(self.name)) from None
            raise

    def _put_back(self, connection: Rows) -> None:
        if not connection.closed and connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE:
            with self._guard:
                if not self._closed:
                    self._idle.append(connection)
                    return
        connection.close()

    def _drop_idle(self) -> None:
        with self._guard:
            idle, self._idle = self._idle, []
        for one in idle:
            one.close()

    def _prepared(self, connection: Rows) -> Rows:
        """With vectors read and written as bytes, where the database knows them."""
        if self._types is None:
            found = [TypeInfo.fetch(connection, name) for name in ("halfvec", "vector")]
            if found[0] is not None and found[1] is not None:
                self._types = found[0], found[1]
        for info, kind in zip(self._types or (), (Halfvec, Vector), strict=False):
            dumper = type(f"{kind.__name__}Dumper", (_BytesDumper,), {"oid": info.oid})
            info.register(connection)
            connection.adapters.register_dumper(kind, dumper)
            connection.adapters.register_loader(info.oid, _HalfvecLoader)
        return connection

    def forget_types(self, connection: Rows) -> None:
        """Look again what vectors are called: the extension has just been made."""
        self._types = None
        self._prepared(connection)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        with translated(self.name):
            yield


@contextmanager
def translated(name: str) -> Iterator[None]:
    """Turn the library's errors into ours, by what the caller can do about them."""
    try:
        yield
    except (psycopg.errors.QueryCanceled, psycopg.errors.LockNotAvailable) as exc:
        raise CatalogBusyError(name, "somebody for long, or the question takes too long") from exc
    except (psycopg.errors.SerializationFailure, psycopg.errors.DeadlockDetected) as exc:
        raise CatalogBusyError(name, "another process") from exc
    except psycopg.errors.InsufficientPrivilege as exc:
        raise CatalogError(name, f"{name}: {_line(exc)}; ask for the right to do it") from exc
    except (*_NO_ROOM, psycopg.DataError, UnicodeEncodeError) as exc:
        raise UsageError(f"{name} cannot store that, or compare with it: {_line(exc)}") from exc
    except psycopg.errors.DependentObjectsStillExist as exc:
        hint = "drop what depends on it, publish, and make that anew"
        raise CatalogError(name, f"{name}: a column of the view items has another type now; {hint}") from exc
    except psycopg.OperationalError as exc:
        raise UnreachableError(name, _line(exc)) from exc
    except psycopg.errors.ReadOnlySqlTransaction as exc:
        raise CatalogError(name, _REPLICA.format(name)) from exc
    except psycopg.Error as exc:
        raise CatalogError(name, f"{name} refused: {_line(exc)}") from exc


@contextmanager
def _answering(connection: Rows, statements: int) -> Iterator[None]:
    """Cut the connection where no answer comes although the server must have ended what takes too long."""

    def cut() -> None:
        with suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(connection.fileno())) as line:
            line.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(STATEMENT_TIMEOUT_S * statements + MARGIN_S, cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _line(exc: BaseException) -> str:
    return " ".join(str(exc).split())[:300]


def quoted(*names: str) -> str:
    """A name in SQL."""
    return sql.Identifier(*names).as_string()


@contextmanager
def held_alone(connection: Rows, schema: str, name: str) -> Iterator[None]:
    """Be the only publisher for the block; the database forgets it when the process dies.

    Raises:
        CatalogBusyError: another one is.
    """
    lock = f"seealike publish {schema}"
    got = connection.execute("SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", (lock,)).fetchone()
    if got is None or not got[0]:
        raise CatalogBusyError(name, "another `seealike publish`")
    try:
        yield
    finally:
        with suppress(psycopg.Error):
            connection.execute("SELECT pg_advisory_unlock(hashtextextended(%s, 0))", (lock,))
