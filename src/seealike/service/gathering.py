"""Questions with items, answered together: many lists at once cost a fraction of as many single ones.

As with pictures, nobody waits while there is nothing to do: the first question goes at once, and those that
come while it is answered are answered together next, if they have the same wishes.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from typing import Generic, NamedTuple, TypeVar

from seealike.catalog import SearchOptions
from seealike.errors import SeealikeError

MOST = 64  # questions that are answered at once
AT_ONCE = 2  # such answers under way

Answer = TypeVar("Answer")
Wish = tuple[int, SearchOptions]


class _Waiting(NamedTuple, Generic[Answer]):
    item_id: str
    answer: asyncio.Future[Answer]


class Gathering(Generic[Answer]):
    """Gathers questions that differ in their item alone. Used by the event loop alone."""

    def __init__(
        self, executor: Executor, answers: Callable[[list[str], int, SearchOptions], list[Answer]]
    ) -> None:
        """Begin with nothing to do.

        Args:
            executor: where questions are answered.
            answers: answers several, in their order.
        """
        self._executor, self._answers = executor, answers
        self._waiting: dict[Wish, deque[_Waiting[Answer]]] = {}
        self._under_way: set[asyncio.Task[None]] = set()

    async def ask(self, item_id: str, k: int, options: SearchOptions) -> Answer:
        """The answer to one question.

        Raises:
            SeealikeError: what is wrong with it, and not what is wrong with others.
        """
        one = _Waiting(item_id, asyncio.get_running_loop().create_future())
        self._waiting.setdefault((k, options), deque()).append(one)
        if len(self._under_way) < AT_ONCE:
            self._start(self._answer_all())
        answer: Answer = await one.answer
        return answer

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.ensure_future(work)
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _answer_all(self) -> None:
        """Answer whatever waits, the wishes that have waited longest first."""
        loop = asyncio.get_running_loop()
        while self._waiting:
            wish, waiting = next(iter(self._waiting.items()))
            del self._waiting[wish]
            batch = [waiting.popleft() for _ in range(min(MOST, len(waiting)))]
            if waiting:
                self._waiting[wish] = waiting  # behind the others now
            batch = [one for one in batch if not one.answer.done()]  # without those who have left
            found: list[Answer | BaseException]
            try:
                found = await loop.run_in_executor(self._executor, self._each, batch, wish)
            except Exception as exc:  # noqa: BLE001 - whoever waits must hear of it
                found = [exc] * len(batch)
            for one, answer in zip(batch, found, strict=True):
                if one.answer.done():  # whoever asked has left
                    continue
                if isinstance(answer, BaseException):
                    one.answer.set_exception(answer)
                else:
                    one.answer.set_result(answer)

    def _each(self, batch: list[_Waiting[Answer]], wish: Wish) -> list[Answer | BaseException]:
        try:
            return [*self._answers([one.item_id for one in batch], *wish)]
        except SeealikeError as exc:
            if len(batch) == 1:
                return [exc]
            return [answer for one in batch for answer in self._each([one], wish)]  # one spoils it for all
        except Exception as exc:  # noqa: BLE001 - whoever waits must hear of it
            return [exc] * len(batch)
