"""What PostgreSQL proposes: by its index, or by comparing everything, whichever is quicker."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from seealike.engines.postgres.database import Halfvec, Statement, Vector
from seealike.engines.proposer import EFFORT, FEW, EngineProposer, proposal_of
from seealike.types import Float32Array, Int64Array, Proposal

if TYPE_CHECKING:
    from seealike.engines.postgres.conditions import Sql
    from seealike.engines.postgres.store import PostgresStore

MOST_EFFORT = 1000
WORTH = 4.0  # so many vectors along the index take as long as one read by its key
MOST_SCANNED = 1_000_000
MARGIN = 1e-5  # by which distances in single precision may be wrong


class PostgresProposer(EngineProposer):
    """Proposes the items of one generation."""

    def __init__(self, store: PostgresStore, generation: int, keys: Int64Array, *, exact: bool) -> None:
        """Nothing is asked yet."""
        super().__init__(generation, keys, exact=exact)
        self._store = store

    def candidates(self, queries: Float32Array, k: int, allowed: Int64Array | None = None) -> list[Proposal]:
        """See ``Proposer``.

        Raises:
            StaleViewError: the database has another generation by now.
        """
        if not len(self._keys) or (allowed is not None and not len(allowed)):
            return [proposal_of([]) for _ in queries]
        count = len(self._keys if allowed is None else allowed)
        if self._exact or not self._store.build.is_indexed or self._is_few(count, k):
            statements = [self._nearest(query, k, allowed) for query in queries]
        else:
            statements = self._by_index(queries, k, allowed)
        found = self._store.of_generation(self._generation, statements)
        return [proposal_of([row[0] for row in rows]) for rows in found[-len(queries) :]]

    def _is_few(self, count: int, k: int) -> bool:
        """Whether comparing all that are allowed is quicker than following the index until k are found."""
        followed = max(EFFORT, 2 * k) * len(self._keys) / count
        return count <= FEW or count * WORTH <= followed

    def _nearest(self, query: Float32Array, k: int, allowed: Int64Array | None) -> Statement:
        """What gives the nearest of all that are allowed, and those that may be as near."""
        table = self._store.build.items
        among = "" if allowed is None else "WHERE key = ANY(%s)"
        keys = () if allowed is None else (allowed.tolist(),)
        return (
            (
                "WITH compared AS MATERIALIZED "
                f"(SELECT key, vector::vector <=> %s AS far FROM {table} {among}) "
                "SELECT key FROM compared WHERE far <= coalesce((SELECT far FROM compared ORDER BY far "
                f"LIMIT 1 OFFSET %s), 3) + {MARGIN}"
            ),
            (Vector.of(query), *keys, k - 1),
        )

    def _by_index(self, queries: Float32Array, k: int, allowed: Int64Array | None) -> list[Statement]:
        """What has the index followed for every query, after what says how."""
        kept = None if allowed is None else self._store.condition_of(allowed)
        effort = min(MOST_EFFORT, max(EFFORT, 2 * k))
        settings = {
            "hnsw.ef_search": str(effort),
            "hnsw.iterative_scan": "relaxed_order",
            "hnsw.max_scan_tuples": str(MOST_SCANNED),
            "enable_seqscan": "off",
            "enable_sort": "off",
        }
        setting = ", ".join("set_config(%s, %s, true)" for _ in settings)
        condition, parameters = _narrowed(kept, allowed)
        wanted = k + max(10, k // 2)
        statement = (  # all that are as near as the last: which of them come first is said by their ids
            f"SELECT key FROM {self._store.build.items} {condition} ORDER BY vector <=> %s "
            "FETCH FIRST (%s::bigint) ROWS WITH TIES"
        )
        return [
            (f"SELECT {setting}", [text for pair in settings.items() for text in pair]),
            *((statement, (*parameters, Halfvec.of(query), wanted)) for query in queries),
        ]


def _narrowed(kept: Sql | None, allowed: Int64Array | None) -> tuple[str, Sequence[object]]:
    if kept is not None:
        return f"WHERE {kept.text}", kept.parameters
    return ("", ()) if allowed is None else ("WHERE key = ANY(%s)", (allowed.tolist(),))
