"""What only a server of Milvus is asked, asked of a stand-in: half precision, parameters, rows at once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("milvus_lite", reason="no milvus-lite: make test-engines installs it")
from tests.engines import stand_in
from tests.engines.places import Place, milvus_lite
from tests.engines.test_answers import (  # noqa: F401
    engine,
    test_the_nearest_are_found_at_every_selectivity,
    test_what_proposes_keeps_the_contract,
)
from tests.engines.test_conditions import (  # noqa: F401
    both,
    test_a_condition_holds_in_the_database_for_the_items_for_which_it_holds_in_memory,
)
from tests.engines.test_publishing import (  # noqa: F401
    test_a_copy_has_every_item_vector_and_signature_of_the_catalogue,
    test_metadata_of_any_width_and_any_text_are_published_and_found,
    test_only_what_changed_is_written_again,
    test_what_was_only_put_into_the_copy_stays,
)

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """The stand-in, of the engines."""
    with milvus_lite(str(tmp_path_factory.mktemp("stand-in")), program=Path(stand_in.__file__)) as (place, _):
        yield place


def test_it_refuses_what_a_server_would_not_be_asked() -> None:
    for text in ('a == "x"', "a == 'x'", "a < 5", "a in [1]", "a < -5"):
        with pytest.raises(ValueError, match="a value stands in"):
            stand_in.filled(text, {})
    assert stand_in.filled("a1 < m_x2 and not (exists m_3)", {}) == "a1 < m_x2 and not (exists m_3)"
