"""All items at once, of one generation: their sizes, what is said of them, and those from some place on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from seealike.catalog.items import listed, public_item
from seealike.catalog.joined import JoinedSession
from seealike.catalog.session import Session
from seealike.errors import UsageError, check_count
from seealike.recommend import Facets, StaleViewError, View, facets_of
from seealike.recommend.columns import GROUP
from seealike.recommend.query import check_condition
from seealike.types import Int64Array, Item

MOST_VALUES = 50  # of a column


class ItemsAt(NamedTuple):
    """Some items, and the state of the catalogue that they are of; of several catalogues, the sum."""

    generation: int
    items: list[Item]


class Sizes(NamedTuple):
    """How wide and high every item is, in the order of ``items``. Shapes: both are (n,)."""

    generation: int
    width_px: Int64Array
    height_px: Int64Array


class Overview:
    """The part of ``Catalog`` that tells of all items at once."""

    _session: Session | JoinedSession

    @property
    def reads_text(self) -> bool:
        """Whether words can be asked with."""
        return self._session.texts.reads

    def items_at(self, place: int, count: int, step: int = 1) -> ItemsAt:
        """At most ``count`` items in id order, without the first ``place``; of those each ``step``-th.

        Of several catalogues in the order of the catalogues, then of ids.

        Raises:
            CatalogBusyError: the catalogue changes faster than it can be read.
        """
        check_count(count, "count")
        check_count(step, "step")
        if place < 0:
            raise UsageError(f"a place is a whole number of 0 or more, not {place!r}")
        store, searcher = self._session.reading()

        def at(view: View) -> ItemsAt:
            keys = view.keys[view.living.id_order[place : place + count * step : step]].tolist()
            rows = store.items_of(keys)
            if store.state().rewritten > view.generation or len(rows) < len(keys):
                raise StaleViewError
            path_of = searcher.path_of()
            return ItemsAt(view.generation, [public_item(rows[key], path_of) for key in keys])

        return searcher.answered(at)

    def sizes(self) -> Sizes:
        """How wide and high the picture of every item is, upright.

        Raises:
            CatalogBusyError: the catalogue changes faster than it can be read.
        """
        _, searcher = self._session.reading()

        def of(view: View) -> Sizes:
            columns, order = searcher.columns(view), view.living.id_order
            return Sizes(view.generation, columns.width_px[order], columns.height_px[order])

        return searcher.answered(of)

    def facets(
        self, where: str | None = None, *, columns: Sequence[str] | None = None, most: int = MOST_VALUES
    ) -> Facets:
        """How often each value of each column occurs, among the items that keep a condition.

        Args:
            where: the condition; ``None``: all items.
            columns: their names; ``None``: those in which items differ and that are no names of items.
            most: how many values of each are listed.

        Raises:
            UsageError: the condition is none, or does not fit the columns.
            UnknownNameError: there is no such column.
            CatalogBusyError: the catalogue changes faster than it can be read.
        """
        check_count(most, "most")
        if where is not None:
            check_condition(where)
        names = None if columns is None else listed(columns, "columns")
        _, searcher = self._session.reading()
        return searcher.answered(
            lambda view: facets_of(view.generation, searcher.columns(view), where, names, most)
        )

    def column_names(self) -> tuple[str, ...]:
        """What conditions may name; see ``SearchOptions.where``."""
        _, searcher = self._session.reading()
        return searcher.answered(lambda view: searcher.columns(view).names)

    def has_groups(self) -> bool:
        """Whether any item is said to show a product."""
        _, searcher = self._session.reading()
        return bool(searcher.answered(lambda view: searcher.products(view, GROUP)).counts.any())
