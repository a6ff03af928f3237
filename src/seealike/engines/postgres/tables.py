"""The tables that hold a catalogue in a schema of PostgreSQL.

``catalogues`` has a row a build, of which one is live. The rows of a build are in tables that carry its
number: whoever reads an earlier build while another one becomes live reads that, or is told that it has gone.
The view ``items`` shows the live one to whoever asks in SQL.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import count

import psycopg
from psycopg import sql

from seealike.engines.facts import NESTED, OURS, Kind
from seealike.engines.postgres.database import Rows, quoted
from seealike.errors import CatalogError, NewerFormatError, NoCatalogError, UsageError
from seealike.recommend.columns import GROUP, ID
from seealike.store.manifest import Manifest, birth_from_json
from seealike.store.records import State

FORMAT = 1
MOST_INDEXED = 4000  # dimensions
MOST_COLUMNS = (
    150  # for metadata: of texts, so many fit into a row; what else there is has a key in one column
)
MOST_NAMES = 20_000
EXTENSION = "vector"
PGVECTOR = (0, 8)  # the first that follows its index on where a condition leaves too few
ITEM = "key, id, path, size, mtime, sha256, grp, metadata, width, height"
_TYPES = {
    Kind.TEXT: 'text COLLATE "C"',
    Kind.MOMENT: "bigint",
    Kind.NUMBER: "float8",
    Kind.WHOLE: "numeric",
    Kind.TRUTH: "boolean",
}
TYPE_NAMES = {Kind.TEXT: "text", Kind.MOMENT: "int8", Kind.NUMBER: "float8", Kind.WHOLE: "numeric"} | {
    Kind.TRUTH: "bool"
}
OWN = {  # what is stored anyway, under other names
    (ID, Kind.TEXT): "id",
    (GROUP, Kind.TEXT): "nullif(grp, '')",
    ("width_px", Kind.NUMBER): "width",
    ("height_px", Kind.NUMBER): "height",
    ("size_bytes", Kind.NUMBER): "size",
}
_LETTERS = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True, slots=True)
class Build:
    """One copy of a catalogue, and its tables."""

    schema: str
    number: int
    manifest: Manifest
    state: State
    calibration: str | None

    @property
    def items(self) -> str:
        """The table of items, in SQL."""
        return quoted(self.schema, f"items_{self.number}")

    @property
    def tombstones(self) -> str:
        """The table of what was removed when."""
        return quoted(self.schema, f"tombstones_{self.number}")

    @property
    def pictures(self) -> str:
        """The table of the pictures of items that came without a file."""
        return quoted(self.schema, f"pictures_{self.number}")

    @property
    def columns(self) -> str:
        """The table of what items say under which name, and which column has it."""
        return quoted(self.schema, f"columns_{self.number}")

    @property
    def is_indexed(self) -> bool:
        """Whether it has an approximate index."""
        return self.manifest.encoder.dimension <= MOST_INDEXED


def build_of(connection: Rows, schema: str, name: str, *, lock: bool = False) -> Build:
    """The live build, as it is now; ``lock``: and nobody else changes it in this transaction.

    Raises:
        NoCatalogError: there is none.
        NewerFormatError: a newer seealike made it.
    """
    found = found_build(connection, schema, name, live=True, lock=lock)
    if found is None and lock:  # it was waited for while another became live: look once more
        found = found_build(connection, schema, name, live=True, lock=lock)
    if found is None:
        raise NoCatalogError(name, f"{name} holds no catalogue; publish one with `seealike publish`")
    return found


def found_build(connection: Rows, schema: str, name: str, *, live: bool, lock: bool = False) -> Build | None:
    """The live build, or the one that is being made; ``None`` where there is none.

    Raises:
        NewerFormatError: a newer seealike made it.
    """
    catalogues = quoted(schema, "catalogues")
    there = connection.execute("SELECT to_regclass(%s) IS NOT NULL", (catalogues,)).fetchone()
    if there is None or not there[0]:
        return None
    return read_build(connection, schema, name, live=live, lock=lock)


def read_build(
    connection: Rows, schema: str, name: str, *, live: bool = True, lock: bool = False
) -> Build | None:
    """``found_build`` where the schema is known to be there."""
    row = connection.execute(
        f"SELECT format, build, birth, state, calibration FROM {quoted(schema, 'catalogues')} "
        f"WHERE live = %s ORDER BY build DESC LIMIT 1 {'FOR UPDATE' if lock else ''}",
        (live,),
    ).fetchone()
    if row is None:
        return None
    if row[0] > FORMAT:
        raise NewerFormatError(name, row[0], FORMAT)
    return Build(schema, row[1], birth_from_json(row[2]), State.from_json(row[3]), row[4])


def _make_extension(connection: Rows, name: str) -> None:
    needed = f"pgvector {'.'.join(map(str, PGVECTOR))} or newer"
    try:
        connection.execute(f"CREATE EXTENSION IF NOT EXISTS {EXTENSION}")
    except (psycopg.errors.FeatureNotSupported, psycopg.errors.UndefinedFile) as exc:
        raise CatalogError(name, f"{name}: the server has no pgvector; install {needed} there") from exc
    rows = connection.execute(
        "SELECT extversion FROM pg_extension WHERE extname = %s", (EXTENSION,)
    ).fetchall()
    for (version,) in rows:
        if tuple(map(int, version.split(".")[:2])) < PGVECTOR:
            hint = f"install {needed} there, then ALTER EXTENSION vector UPDATE"
            raise CatalogError(name, f"{name}: the database has pgvector {version}; {hint}")


def make_schema(connection: Rows, schema: str, name: str) -> None:
    """Make what all builds share, where it is not there yet.

    Raises:
        CatalogError: the server has no pgvector, or too old a one.
    """
    _make_extension(connection, name)
    connection.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted(schema)}")
    catalogues = quoted(schema, "catalogues")
    connection.execute(
        f"CREATE TABLE IF NOT EXISTS {catalogues} (build integer PRIMARY KEY, live boolean NOT NULL, "
        "format integer NOT NULL, birth text NOT NULL, state text NOT NULL, calibration text, "
        "replaced timestamptz)"
    )
    connection.execute(f"CREATE UNIQUE INDEX IF NOT EXISTS one_live ON {catalogues} (live) WHERE live")


def make_tables(connection: Rows, build: Build) -> None:
    """Make the tables of a build, which are empty."""
    dimension = build.manifest.encoder.dimension
    connection.execute(
        f"CREATE TABLE {build.items} (key bigint PRIMARY KEY, "
        'id text COLLATE "C" NOT NULL UNIQUE, path bytea, size bigint, mtime bigint, sha256 bytea, '
        'grp text COLLATE "C", metadata text NOT NULL, width integer NOT NULL, height integer NOT NULL, '
        "origin bigint UNIQUE, content bigint NOT NULL, colour bytea, coarse bytea, "
        f"more jsonb, vector halfvec({dimension}) NOT NULL) WITH (fillfactor = 90)"
    )
    # Conditions look through rows without their vectors, which lie elsewhere unless they are small.
    connection.execute(f"ALTER TABLE {build.items} ALTER COLUMN vector SET STORAGE EXTERNAL")
    connection.execute(
        f"CREATE TABLE {build.pictures} (key bigint PRIMARY KEY REFERENCES {build.items} ON DELETE CASCADE, "
        "data bytea NOT NULL)"
    )
    connection.execute(f"ALTER TABLE {build.pictures} ALTER COLUMN data SET STORAGE EXTERNAL")
    connection.execute(
        f"CREATE TABLE {build.tombstones} (generation bigint, key bigint, PRIMARY KEY (generation, key))"
    )
    connection.execute(
        f"CREATE TABLE {build.columns} (name text, kind text, expression text, PRIMARY KEY (name, kind))"
    )


def make_index(connection: Rows, build: Build) -> None:
    """Make the approximate index of a build that has none."""
    if build.is_indexed:
        name = quoted(f"vectors_{build.number}")
        connection.execute(
            f"CREATE INDEX IF NOT EXISTS {name} ON {build.items} USING hnsw (vector halfvec_cosine_ops)"
        )


def drop_tables(connection: Rows, schema: str, number: int) -> None:
    """Drop the tables of a build and forget it."""
    for table in ("pictures", "items", "tombstones", "columns"):
        connection.execute(f"DROP TABLE IF EXISTS {quoted(schema, f'{table}_{number}')} CASCADE")
    connection.execute(f"DELETE FROM {quoted(schema, 'catalogues')} WHERE build = %s", (number,))


def expressions_of(connection: Rows, build: Build) -> dict[tuple[str, Kind], str]:
    """The expression of every name and kind that any item has or had; empty for what only says nothing."""
    rows = connection.execute(f"SELECT name, kind, expression FROM {build.columns}").fetchall()
    return {**OWN, **{(name, Kind(kind)): expression for name, kind, expression in rows}}


def add_columns(connection: Rows, build: Build, wanted: set[tuple[str, Kind]]) -> dict[tuple[str, Kind], str]:
    """``expressions_of``, with columns for some names and kinds that had none."""
    known = expressions_of(connection, build)
    new = sorted(wanted - known.keys())
    if len(known) + len(new) > MOST_NAMES:
        raise UsageError(f"items say something under more than {MOST_NAMES:,} names, as {new[-1][0]!r}")
    taken = set(known.values())
    columns = sum(bool(one) and one != in_more(*pair) for pair, one in known.items())
    for name, kind in sorted(new, key=lambda pair: (pair[0] not in OURS, *pair)):
        expression = ""
        if kind is not Kind.NOTHING:
            expression = in_more(name, kind)
            if name in OURS or (columns < MOST_COLUMNS and not name.startswith(NESTED)):
                expression, columns = quoted(_free(name, kind, taken)), columns + 1
                connection.execute(f"ALTER TABLE {build.items} ADD COLUMN {expression} {_TYPES[kind]}")
            taken.add(expression)
        connection.execute(
            f"INSERT INTO {build.columns} (name, kind, expression) VALUES (%s, %s, %s)",
            (name, kind.value, expression),
        )
        known[name, kind] = expression
    if new:
        show(connection, build)
    return known


def key_in_more(name: str, kind: Kind) -> str:
    """Under which key the column ``more`` has what has no column of its own; no % is in it."""
    return f"{name}:{kind.value}".replace("\x01", "\x01\x01").replace("%", "\x01p")


def in_more(name: str, kind: Kind) -> str:
    """The expression of a value that has no column of its own."""
    return f"((more ->> {sql.Literal(key_in_more(name, kind)).as_string()})::{_TYPES[kind]})"


def show(connection: Rows, build: Build) -> None:
    """Let the view ``items`` show the live build, if this is it.

    Grants on it stay, and so does what others have built upon it: columns keep their places, and one that the
    build does not have is null. Only where a column becomes one of another type is the view made anew.

    Raises:
        psycopg.errors.DependentObjectsStillExist: and then something is built upon it.
    """
    live = connection.execute(
        f"SELECT live FROM {quoted(build.schema, 'catalogues')} WHERE build = %s", (build.number,)
    ).fetchone()
    if live is None or not live[0]:
        return
    view = quoted(build.schema, "items")
    before, now = _types_of(connection, view), _types_of(connection, build.items)
    if all(now.get(name, kind) == kind for name, kind in before.items()):
        listed = [name if name in now else f"NULL::{kind} AS {name}" for name, kind in before.items()]
        listed += [name for name in now if name not in before]
        connection.execute(f"CREATE OR REPLACE VIEW {view} AS SELECT {', '.join(listed)} FROM {build.items}")
        return
    grants = connection.execute(
        "SELECT privilege_type, CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END, "
        "is_grantable FROM pg_class, aclexplode(relacl) WHERE pg_class.oid = to_regclass(%s)",
        (view,),
    ).fetchall()
    connection.execute(f"DROP VIEW {view}")
    connection.execute(f"CREATE VIEW {view} AS SELECT * FROM {build.items}")
    for right, role, may_grant in grants:
        connection.execute(f"GRANT {right} ON {view} TO {role} {'WITH GRANT OPTION' if may_grant else ''}")


def _types_of(connection: Rows, table: str) -> dict[str, str]:
    """The columns of a table or view and their types, in SQL, in their order; none where there is none."""
    rows = connection.execute(
        "SELECT quote_ident(attname), format_type(atttypid, atttypmod) || "
        "coalesce(' COLLATE ' || quote_ident(collname), '') FROM pg_attribute "
        "LEFT JOIN pg_collation ON pg_collation.oid = attcollation "
        "WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
        (table,),
    ).fetchall()
    return dict(rows)


def _free(name: str, kind: Kind, taken: set[str]) -> str:
    """What a column is called in SQL: like its name, as far as that goes."""
    plain = _LETTERS.sub("_", name.rpartition("metadata.")[2].lower()).strip("_")[:40] or "column"
    for candidate in (f"m_{plain}", f"m_{plain}_{kind.value}"):
        if quoted(candidate) not in taken:
            return candidate
    number = next(n for n in count(2) if quoted(f"m_{plain}_{kind.value}_{n}") not in taken)
    return f"m_{plain}_{kind.value}_{number}"
