"""Questions of many callers, answered together: many lists at once cost a fraction of as many single ones.

As with pictures, nobody waits while there is nothing to do: the first question goes at once, and those that
come while it is answered are answered together next, if they have the same wishes.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import Generic, NamedTuple, TypeVar

from seealike.catalog import SearchOptions
from seealike.errors import SeealikeError

Question = TypeVar("Question")
Answer = TypeVar("Answer")
Wish = tuple[int, SearchOptions]


class Most(NamedTuple):
    """How many ``questions`` are answered at once, by how many ``batches`` under way.

    While there is one, another begins only with so many questions as are ``worth`` it: as long as the machine
    is busy, nobody loses by waiting for others.
    """

    questions: int
    batches: int
    worth: int


class _Waiting(NamedTuple, Generic[Question, Answer]):
    question: Question
    answer: asyncio.Future[Answer]


class Gathering(Generic[Question, Answer]):
    """Gathers questions that have the same wishes. Used by the event loop alone."""

    def __init__(
        self,
        executor: Executor,
        answers: Callable[[list[Question], int, SearchOptions], Sequence[Answer | BaseException]],
        most: Most,
    ) -> None:
        """Begin with nothing to do.

        Args:
            executor: where questions are answered.
            answers: answers several, in their order, or says what is wrong with one of them. An error that it
                raises is of all, unless each has another when it is asked alone.
            most: how many at once.
        """
        self._executor, self._answers, self._most = executor, answers, most
        self._waiting: dict[Wish, deque[_Waiting[Question, Answer]]] = {}
        self._under_way: set[asyncio.Task[None]] = set()
        self._worked_on: set[asyncio.Future[Answer]] = set()
        self.waiting = 0

    def ask(self, question: Question, k: int, options: SearchOptions) -> asyncio.Future[Answer]:
        """What becomes the answer to one question, or what is wrong with it, and not with others."""
        one = _Waiting[Question, Answer](question, asyncio.get_running_loop().create_future())
        self._waiting.setdefault((k, options), deque()).append(one)
        self.waiting += 1
        self._begin()
        return one.answer

    def give_up(self, answer: asyncio.Future[Answer]) -> None:
        """Nobody waits for an answer any more: it is not begun, and over when it was."""
        if answer not in self._worked_on:
            answer.cancel()

    def _begin(self) -> None:
        """Begin another batch where that is worth it."""
        under_way = len(self._under_way)
        if self.waiting and (not under_way or (under_way < self._most.batches and self._is_worth_it())):
            task = asyncio.ensure_future(self._answer_some(*self._next()))
            self._under_way.add(task)
            task.add_done_callback(self._ended)

    def _is_worth_it(self) -> bool:
        return self.waiting >= self._most.worth

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        self._begin()

    def _next(self) -> tuple[Wish, list[_Waiting[Question, Answer]]]:
        """What is answered next: the wish that has waited longest, without those who have left."""
        wish, waiting = next(iter(self._waiting.items()))
        del self._waiting[wish]
        batch = [waiting.popleft() for _ in range(min(self._most.questions, len(waiting)))]
        self.waiting -= len(batch)
        if waiting:
            self._waiting[wish] = waiting  # behind the others now
        return wish, [one for one in batch if not one.answer.done()]

    async def _answer_some(self, wish: Wish, batch: list[_Waiting[Question, Answer]]) -> None:
        answers = {one.answer for one in batch}
        self._worked_on |= answers
        found: Sequence[Answer | BaseException] = ()
        try:
            if batch:
                found = await asyncio.get_running_loop().run_in_executor(
                    self._executor, self._each, [one.question for one in batch], wish
                )
        except Exception as exc:  # noqa: BLE001 - whoever waits must hear of it
            found = [exc] * len(batch)
        self._worked_on -= answers
        for one, answer in zip(batch, found, strict=True):
            if one.answer.done():
                continue
            if isinstance(answer, BaseException):
                one.answer.set_exception(answer)
            else:
                one.answer.set_result(answer)

    def _each(self, questions: list[Question], wish: Wish) -> Sequence[Answer | BaseException]:
        try:
            return self._answers(questions, *wish)
        except SeealikeError as exc:
            if len(questions) == 1:
                return [exc]
            return [
                answer for one in questions for answer in self._each([one], wish)
            ]  # one spoils it for all
