"""What a catalogue holds, in numbers: counted once for every generation."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Mapping, Sequence

from seealike.catalog import Catalog, Catalogs
from seealike.sources.ids import printable


class Described:
    """Counts. Columns take seconds to read: they are told once they are there. Safe to use from threads."""

    def __init__(self) -> None:
        """Nothing is counted yet."""
        self._guard = threading.Lock()
        self._counted: Mapping[str, object] = {}
        self._generation = self._read = -1
        self._places: object = None
        self._columns: Sequence[str] | None = None
        self._is_reading = False

    def of(self, catalog: Catalog | Catalogs, places: object) -> Mapping[str, object]:
        """What there is to say of a catalogue; see ``StatsOut``, and ``Service.places``."""
        generation, indexing = catalog.generation, catalog.indexing()
        with self._guard:
            if self._places != places:
                self._places, self._read, self._generation = places, -1, -1
            if self._generation != generation:
                self._counted, self._generation = _counted(catalog), generation
            if self._read != generation and not self._is_reading:
                self._is_reading = True
                threading.Thread(target=self._read_columns, args=(catalog,), daemon=True).start()
            at = None if indexing is None else dataclasses.asdict(indexing)
            return {**self._counted, "columns": self._columns, "indexing": at}

    def _read_columns(self, catalog: Catalog | Catalogs) -> None:
        """Read what is said of all items; whoever filters then need not."""
        generation, columns = -1, None
        try:
            generation = catalog.generation
            catalog.facets(most=1)
            columns = [*map(printable, catalog.column_names())]
        except Exception:  # noqa: BLE001, S110  it may be closed by now; whoever needs it is told why not
            pass
        finally:
            with self._guard:
                self._is_reading = False
                if columns is not None:
                    self._read, self._columns = generation, columns


def _counted(catalog: Catalog | Catalogs) -> Mapping[str, object]:
    info = catalog.info()
    return {
        "items": info.items,
        "skipped": info.skipped,
        "skipped_by_reason": {reason.value: count for reason, count in info.skipped_by_reason.items()},
        "encoder": info.encoder.name,
        "dimension": info.encoder.dimension,
        "reads_text": catalog.reads_text,
        "groups": catalog.has_groups(),
        "signed": catalog.unsigned < info.items,
    }
