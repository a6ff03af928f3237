"""A condition in an engine is true, false or neither of the same items as the same one in memory."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.counting import commit, made_store, new_item, searcher_of
from tests.engines.places import Place

from seealike.catalog.engine import engine_at
from seealike.engines.publishing import Publication, publish
from seealike.engines.store import Engine
from seealike.errors import UsageError
from seealike.recommend import Columns, SearchOptions
from seealike.recommend.filters import Among, mask_of
from seealike.store.manifest import Manifest
from seealike.types import MetadataValue, unwatched

pytestmark = pytest.mark.engine

TEXTS = ["", "a", "b", "Äb", "äB", "ж", "a%b", "a_b", "a\\b", "σςΣ", "ſSs", "ıİiI", "n\0l",
    "2024-01-31", "2024-02-01T10:00:00Z",
    "2024-02-01 12:00+02:00", "2024-02-30", "9", "é\U0001f600", "line\nline",
]  # fmt: skip
NUMBERS = [0, 1, -3, 2.5, 1e300, 2**53, 2**53 + 1, -(2**60), 10**30, 0.1, float(2**60), 10**400, -(10**400)]
VALUES: list[MetadataValue] = [*TEXTS, *NUMBERS, True, False, None]
OBJECTS = ['{"in": 1}', '{"in": "a", "deep": {"er": true}}', '{"in": [1, 2]}', "{broken", '{"in": NaN}',
    '{"in": Infinity}',
    '{"in": "x\\ud800y"}', '{"100%": 1}',
]  # fmt: skip


def rows() -> list[dict[str, MetadataValue]]:
    """Items that say everything: a column a kind, one of all kinds, one of objects, one that hides ours."""
    rng = np.random.default_rng(5)

    def one_of(some: list[MetadataValue]) -> MetadataValue:
        return some[int(rng.integers(len(some)))]

    found: list[dict[str, MetadataValue]] = []
    for number in range(120):
        row: dict[str, MetadataValue] = {
            "text": one_of([*TEXTS, None]),
            "number": one_of([*NUMBERS, None]),
            "day": one_of(["2024-01-31", "2024-02-01", "2024-02-01T10:00:00Z", None]),
            "truth": one_of([True, False, None]),
            "mixed": one_of(VALUES),
            "object": one_of([*OBJECTS, None]),
            "group": one_of(["x", "y"]),
            "never": None,
        }
        found.append({name: value for name, value in row.items() if number % 7 or name != "mixed"})
    return found


NAMES = ["text", "number", "day", "truth", "mixed", "object.in", "object.deep.er", "object.100%", "group",
    "metadata.group", "id", "width_px", "never", "size_bytes", "prefix", "folder",
]  # fmt: skip


def written(value: MetadataValue) -> str:
    return json.dumps(value) if not isinstance(value, str) else "'" + value.replace("'", "''") + "'"


VALUE = st.sampled_from([one for one in VALUES if one is not None]).map(written)
NAME = st.sampled_from(NAMES)
PATTERN = st.text("aÄbж%_\\éσςsſiı", max_size=4).map(written)
PREDICATE = st.one_of(
    st.builds("{} {} {}".format, NAME, st.sampled_from(["=", "!=", "<", "<=", ">", ">="]), VALUE),
    st.builds("{} {}in ({}, {})".format, NAME, st.sampled_from(["", "not "]), VALUE, VALUE),
    st.builds("{} {} {}".format, NAME, st.sampled_from(["like", "ilike", "not like", "not ilike"]), PATTERN),
    st.builds("{} {}between {} and {}".format, NAME, st.sampled_from(["", "not "]), VALUE, VALUE),
    st.builds("{} is {}null".format, NAME, st.sampled_from(["", "not "])),
)
CONDITION = st.recursive(
    PREDICATE,
    lambda part: (
        st.builds("({} and {})".format, part, part)
        | st.builds("({} or {})".format, part, part)
        | st.builds("not ({})".format, part)
    ),
    max_leaves=4,
)


@pytest.fixture(scope="module")
def both(server: Place, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Columns, Engine]]:
    store = made_store(tmp_path_factory.mktemp("conditions") / "catalog")
    commit(
        store,
        [
            replace(
                new_item(f"folder{n % 3}/{'ab'[n % 2]}{n:03}", n + 1),
                metadata_json=json.dumps(row),
                group=(None, "x", "")[n % 3],
                size_bytes=n if n % 2 else None,
            )
            for n, row in enumerate(rows())
        ],
    )
    engine = engine_at(server.address("conditions"))
    manifest = Manifest(store.identity, catalog_id=store.catalog_id)
    publish(Publication(store, manifest, lambda _: None), engine, unwatched, rebuild=True)
    searcher = searcher_of(store)
    yield searcher.columns(searcher.view()), engine
    engine.close()
    store.close()


@given(CONDITION)
@settings(max_examples=600)
@example(f"number < {10**400}")
@example(f"number >= {-(10**401)} and mixed != {10**400}")
@example(f"number in ({10**400}, {10**500}, {10**30})")
@example("number like 5")
@example("nothing like 5")
def test_a_condition_holds_in_the_database_for_the_items_for_which_it_holds_in_memory(
    both: tuple[Columns, Engine], condition: str
) -> None:
    columns, engine = both
    store = engine.opened()

    def in_memory() -> list[int]:
        kept: list[int] = columns.keys[mask_of(condition, columns)].tolist()
        return kept

    def in_the_database() -> list[int]:
        among = store.among(SearchOptions(where=condition), ())
        kept: list[int] = store.matching(among, store.state().generation).tolist()
        return kept

    assert told(in_the_database) == told(in_memory)


def told(ask: Callable[[], list[int]]) -> list[int] | str:
    """What is found, or why it is refused."""
    try:
        return ask()
    except UsageError as refused:
        return f"{type(refused).__name__}: {refused}"


@pytest.mark.parametrize("name", ["group", "mixed", "day", "object.in", "number"])
def test_the_same_and_another_value_are_those_of_the_items_that_are_liked(
    both: tuple[Columns, Engine], name: str
) -> None:
    columns, engine = both
    store = engine.opened()
    generation = store.state().generation
    for liked in ([1], [2, 3], [5, 8, 9], [7]):
        for same, other in (((name,), ()), ((), (name,)), ((name,), ("truth",))):
            options = SearchOptions(same=same, other=other)
            expected = Among.of(options, columns, np.array(liked)).keys(columns)
            assert store.matching(store.among(options, liked), generation).tolist() == expected.tolist()
