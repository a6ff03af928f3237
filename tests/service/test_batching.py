"""Pictures of many callers in batches: an idle service waits for nothing, a busy one gathers."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from tests.pictures import write_pictures

from seealike.catalog.encoder.at_hand import EncoderAtHand
from seealike.catalog.encoder.embedder import LocalEmbedder
from seealike.errors import EncoderError, ServiceError, UsageError
from seealike.service.batching.embedder import FEEDERS, MOST, SHARED, BatchingEmbedder, Ticket, current_ticket
from seealike.store import FileSystem, SqliteStore
from seealike.testing import FakeEncoder, check_embedder
from seealike.types import Embedded, EncoderIdentity, Picture, Refused, SameFile

AT_WORK = FEEDERS + 1  # whoever comes first embeds its picture itself
Outcome = Embedded | SameFile | Refused


class _Held:
    """An embedder that says what it is asked, and answers once it may."""

    def __init__(self) -> None:
        self.identity: EncoderIdentity = FakeEncoder().identity
        self.asked: list[tuple[list[int], bool]] = []
        self.may_answer = threading.Event()
        self.changed = threading.Condition()
        self.error: Exception | None = None

    def embed(self, pictures: Iterable[Picture], *, urgent: bool = False) -> Generator[Outcome, None, None]:
        listed = [*pictures]
        with self.changed:
            self.asked.append(([int(np.asarray(one.image)[0, 0, 0]) for one in listed], urgent))
            self.changed.notify_all()
        self.may_answer.wait()
        if self.error is not None:
            raise self.error
        for one in reversed(listed):
            vector = np.asarray(one.image, dtype=np.float32)[0, :, 0]
            yield Embedded(one.token, vector, b"", 1, 1, 0, 0)

    def close(self) -> None:
        self.may_answer.set()

    def wait_for(self, batches: int) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.asked) >= batches, 30)


@pytest.fixture
def held() -> Iterator[tuple[_Held, BatchingEmbedder, ThreadPoolExecutor]]:
    inner = _Held()
    batching = BatchingEmbedder(inner)
    with ThreadPoolExecutor(64) as callers:
        yield inner, batching, callers
        inner.may_answer.set()
    batching.close()


def _picture(number: int, token: int = 0) -> Picture:
    return Picture(token, np.full((1, 2, 3), number, np.uint8))


def _ask(batching: BatchingEmbedder, *numbers: int, ticket: Ticket | None = None) -> list[int]:
    current_ticket.set(ticket)
    pictures = [_picture(number, 100 + place) for place, number in enumerate(numbers)]
    found = list(batching.embed(pictures, urgent=True))
    assert [one.token for one in found] == [picture.token for picture in pictures]
    return [int(one.vector[0]) for one in found if isinstance(one, Embedded)]


def _all_at_work(
    inner: _Held, batching: BatchingEmbedder, callers: ThreadPoolExecutor
) -> list[Future[list[int]]]:
    """One picture for its caller, and one for each feeder, one after the other: each finds somebody free."""
    return _all_at_work_after(inner, batching, callers, 0)


def _all_at_work_after(
    inner: _Held, batching: BatchingEmbedder, callers: ThreadPoolExecutor, batches: int
) -> list[Future[list[int]]]:
    asked = []
    for number in range(AT_WORK):
        asked.append(callers.submit(_ask, batching, number))
        inner.wait_for(batches + number + 1)
    return asked


def test_the_first_goes_at_once_and_what_comes_meanwhile_is_the_next_batches(
    held: tuple[_Held, BatchingEmbedder, ThreadPoolExecutor],
) -> None:
    inner, batching, callers = held
    results = dict(enumerate(_all_at_work(inner, batching, callers)))
    assert inner.asked == [([number], True) for number in range(AT_WORK)]
    later = range(AT_WORK, AT_WORK + 40)
    results |= {number: callers.submit(_ask, batching, number) for number in later}
    while batching.waiting < len(later):
        pass
    inner.may_answer.set()
    assert {number: result.result(30) for number, result in results.items()} == {n: [n] for n in results}
    sizes = [len(numbers) for numbers, _ in inner.asked[AT_WORK:]]
    assert sizes == [MOST, MOST, 40 - 2 * MOST]
    assert sorted(number for numbers, _ in inner.asked for number in numbers) == sorted(results)


def test_a_request_that_is_given_up_costs_no_embedding(
    held: tuple[_Held, BatchingEmbedder, ThreadPoolExecutor],
) -> None:
    inner, batching, callers = held
    first = _all_at_work(inner, batching, callers)
    given_up, stays = Ticket(), Ticket()
    gone = callers.submit(_ask, batching, 50, 51, ticket=given_up)
    here = callers.submit(_ask, batching, 60, ticket=stays)
    while batching.waiting < 3:
        pass
    given_up.given_up.set()
    inner.may_answer.set()
    with pytest.raises(ServiceError, match="given up"):
        gone.result(30)
    assert here.result(30) == [60]
    assert [one.result(30) for one in first] == [[number] for number in range(AT_WORK)]
    assert not {50, 51} & {number for numbers, _ in inner.asked for number in numbers}


def test_who_waits_for_a_batch_that_fails_hears_of_it_and_the_next_is_embedded(
    held: tuple[_Held, BatchingEmbedder, ThreadPoolExecutor],
) -> None:
    inner, batching, _ = held
    inner.error = EncoderError("it burns")
    inner.may_answer.set()
    with pytest.raises(EncoderError, match="it burns"):
        _ask(batching, 1)
    inner.error = None
    assert _ask(batching, 2, 3) == [2, 3]


def test_what_is_not_urgent_goes_its_own_way(
    held: tuple[_Held, BatchingEmbedder, ThreadPoolExecutor],
) -> None:
    inner, batching, _ = held
    inner.may_answer.set()
    assert len(list(batching.embed([_picture(n, n) for n in range(50)]))) == 50
    assert [len(numbers) for numbers, _ in inner.asked] == [50]


def test_a_closed_one_embeds_what_waits_and_then_says_so(
    held: tuple[_Held, BatchingEmbedder, ThreadPoolExecutor],
) -> None:
    inner, batching, callers = held
    waiting = [callers.submit(_ask, batching, number) for number in range(30)]
    while batching.waiting + sum(len(numbers) for numbers, _ in inner.asked) < 30:
        pass
    closing = callers.submit(batching.close)
    inner.may_answer.set()
    assert [one.result(30) for one in waiting] == [[number] for number in range(30)]
    closing.result(30)
    with pytest.raises(UsageError, match="closed"):
        _ask(batching, 1)


def test_it_keeps_the_contract_of_embedders_and_answers_as_the_one_behind_it(tmp_path: Path) -> None:
    paths = write_pictures(tmp_path / "photos", range(60))
    store = SqliteStore.create(str(tmp_path / "catalog"), FakeEncoder().identity, FileSystem())
    local = LocalEmbedder(EncoderAtHand(store, FakeEncoder()), workers=2)
    expected = {one.token: one for one in local.embed(Picture(n, path) for n, path in enumerate(paths))}
    batching = BatchingEmbedder(local)

    def ask(number: int) -> np.ndarray:
        (found,) = batching.embed([Picture(number, paths[number])], urgent=True)
        assert isinstance(found, Embedded)
        return found.vector

    with ThreadPoolExecutor(30) as callers:
        for number, vector in enumerate(callers.map(ask, range(60))):
            wanted = expected[number]
            assert isinstance(wanted, Embedded)
            assert np.array_equal(vector, wanted.vector)
    check_embedder(batching)
    store.close()


def test_a_single_picture_that_is_stored_goes_with_the_others_and_is_never_hurried(
    held: tuple[_Held, BatchingEmbedder, ThreadPoolExecutor],
) -> None:
    inner, batching, callers = held
    inner.may_answer.set()
    assert len(list(batching.embed([_picture(7, 7)]))) == 1
    assert inner.asked == [([7], False)]
    inner.may_answer.clear()
    first = _all_at_work_after(inner, batching, callers, 1)
    many = [callers.submit(_ask, batching, number) for number in range(100, 100 + MOST)]
    while batching.waiting < MOST:
        pass
    stored = callers.submit(lambda: list(batching.embed([_picture(8, 8)])))
    while batching.waiting < MOST + 1:
        pass
    assert len(inner.asked) == 1 + AT_WORK  # it waits for those, and starts nothing of its own
    inner.may_answer.set()
    assert [one.token for one in stored.result(30)] == [8]
    assert inner.asked[1 + AT_WORK][0][0] == 8
    assert [one.result(30) for one in many] == [[number] for number in range(100, 100 + MOST)]
    assert [one.result(30) for one in first] == [[number] for number in range(AT_WORK)]


def test_what_was_given_up_while_it_was_embedded_goes_no_further(
    held: tuple[_Held, BatchingEmbedder, ThreadPoolExecutor],
) -> None:
    inner, batching, callers = held
    ticket = Ticket()
    asked = callers.submit(_ask, batching, 1, ticket=ticket)
    inner.wait_for(1)
    ticket.given_up.set()
    inner.may_answer.set()
    with pytest.raises(ServiceError, match="given up"):
        asked.result(30)


def test_no_batch_is_filled_up_with_nothing(
    held: tuple[_Held, BatchingEmbedder, ThreadPoolExecutor],
) -> None:
    inner, batching, callers = held
    first = _all_at_work(inner, batching, callers)
    many = [callers.submit(_ask, batching, number) for number in range(100, 107)]
    while batching.waiting < len(many):
        pass
    inner.may_answer.set()
    assert [one.result(30) for one in many] == [[number] for number in range(100, 107)]
    assert [one.result(30) for one in first] == [[number] for number in range(AT_WORK)]
    sizes = [(len(numbers), urgent) for numbers, urgent in inner.asked[AT_WORK:]]
    assert sorted(sizes) == [(SHARED - 1, True), (SHARED, False)]
