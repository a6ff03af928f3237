"""What looks like what: ``/search``, ``/recommend``, ``/batch`` and ``/items/{id}/similar``."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Annotated, NamedTuple

import orjson
from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from seealike.catalog import Example, SearchOptions
from seealike.errors import SeealikeError, ServiceError, UsageError
from seealike.service.messages.bodies import (
    BodyRoute,
    json_body,
    json_in,
    media_type,
    picture_body,
    picture_in,
    pictures_in,
    remember,
)
from seealike.service.messages.models import (
    MOST_AT_ONCE,
    Answer,
    BatchIn,
    BatchOut,
    ExampleIn,
    RecommendIn,
    SearchIn,
    Wishes,
)
from seealike.service.messages.problems import problem_of
from seealike.service.messages.shown import Json, item_named, reply
from seealike.service.state import Answered, Service, Shown, ms_since

MOST_TOGETHER = 100  # results of a question that is answered together with others
MOST_EXPLAINED = 50  # results that are explained
EXPLAINED_AS = 4  # as so many questions, one that wants explanations counts


def questions(service: Service) -> APIRouter:
    """The routes of a service."""
    router = APIRouter(tags=["questions"], route_class=BodyRoute)

    @router.post(
        "/search",
        response_model=Answer,
        summary="What looks like a picture, an item, a product or words?",
        openapi_extra={"requestBody": {"required": True, "content": picture_body(SearchIn)}},
    )
    async def search(request: Request, asked: Annotated[SearchIn, Query()]) -> Response:
        """The body is the picture (``image/*``), a form with a file ``image``, or JSON as ``SearchIn``.

        With a picture or a form, wishes are in the address: ``/search?k=5&diversity=0.3``.
        """
        remember(request, asked)
        picture, asked = await _picture_or_question(request, asked)
        like = _examples(service, asked.liked()) if picture is None else (Example(image=picture),)
        return reply(await _answer(service, request, _Question(like, (), asked.k, asked.options())))

    @router.post(
        "/recommend",
        response_model=Answer,
        summary="What is like some things and unlike others?",
        openapi_extra={"requestBody": {"required": True, "content": json_body(RecommendIn)}},
    )
    async def recommend(request: Request) -> Response:
        """Any mixture of items, products, uploaded pictures and words, each with a weight."""
        asked = await json_in(request, RecommendIn)
        return reply(await _answer(service, request, _question(service, asked)))

    @router.post(
        "/batch",
        response_model=BatchOut,
        summary="Several questions at once",
        openapi_extra={
            "requestBody": {"required": True, "content": picture_body(BatchIn, most=MOST_AT_ONCE)}
        },
    )
    async def batch(request: Request, asked: Annotated[_Similar, Query()]) -> Response:
        """A form of pictures, with wishes in the address, or JSON. Each has its answer, or its problem."""
        remember(request, asked)
        started = time.perf_counter()
        if media_type(request) == "application/json":
            wanted = (await json_in(request, BatchIn)).queries
            questions = [_question(service, one) for one in wanted]
        else:
            options = asked.options()
            pictures = await pictures_in(request, MOST_AT_ONCE)
            questions = [_Question((Example(image=one),), (), asked.k, options) for one in pictures]
        answers = await asyncio.gather(*(_answer_or_problem(service, request, one) for one in questions))
        return reply({"took_ms": ms_since(started), "answers": answers})

    @router.get("/items/{item_id:path}/similar", response_model=Answer, summary="What looks like an item?")
    async def similar(request: Request, item_id: str, asked: Annotated[_Similar, Query()]) -> Response:
        """Without the item itself, and its product. A slash within an id may be written as ``%2F``."""
        remember(request, asked)
        item_id, k, options = item_named(item_id), asked.k, asked.options()
        return reply(await _answer(service, request, _Question((Example(item_id),), (), k, options)))

    return router


class _Similar(Wishes):
    k: Annotated[int, Query(ge=1, le=1000)] = 10


class _Question(NamedTuple):
    like: Sequence[Example]
    dislike: Sequence[Example]
    k: int
    options: SearchOptions

    def cost(self) -> int:
        """As how many pictures it counts.

        Raises:
            UsageError: that is too many.
        """
        if self.options.explain and self.k > MOST_EXPLAINED:
            raise UsageError(
                f"explain is for {MOST_EXPLAINED} results at most: ask for a smaller k, not {self.k}"
            )
        examples = (*self.like, *self.dislike)
        pictures = max(1, sum(one.image is not None or one.crop is not None for one in examples))
        return pictures * EXPLAINED_AS if self.options.explain else pictures

    def together(self) -> str | bytes | None:
        """The item or the picture that it is about, where it is answered together with others.

        Those keep nobody waiting who asks with them.
        """
        options = self.options
        dear = options.explain or options.crop is not None or options.focus or options.exact
        if dear or self.k > MOST_TOGETHER or self.dislike or len(self.like) != 1:
            return None
        (one,) = self.like
        if one.crop is not None:
            return None
        if one.id is not None and one.image is None:
            return one.id
        return one.image if isinstance(one.image, bytes) and not options.colour_share else None


async def _picture_or_question(request: Request, asked: SearchIn) -> tuple[bytes | None, SearchIn]:
    """The picture in a request's body, or the question that is there as JSON."""
    if media_type(request) == "application/json":
        return None, await json_in(request, SearchIn)
    if asked.liked():
        raise ServiceError("invalid_query", "the picture in the body is the question", status=422)
    return await picture_in(request), asked


def _question(service: Service, asked: RecommendIn) -> _Question | SeealikeError:
    """What is asked; or why it cannot be."""
    try:
        both = _examples(service, asked.like), _examples(service, asked.dislike)
        return _Question(*both, asked.k, asked.options())
    except SeealikeError as exc:
        return exc


def _examples(service: Service, given: Sequence[ExampleIn]) -> list[Example]:
    return [one.example(service.uploads) for one in given]


async def _answer(service: Service, request: Request, question: _Question | SeealikeError) -> Json:
    if isinstance(question, SeealikeError):
        raise question
    like, dislike, k, options = question
    if (wanted := question.together()) is not None:
        return _shown(await service.similar(request, wanted, k, options))
    found = await service.found(
        request,
        lambda: service.catalog.recommend(like, dislike, k, options=options),
        pictures=question.cost(),
    )
    return _shown(found)


async def _answer_or_problem(service: Service, request: Request, question: _Question | SeealikeError) -> Json:
    try:
        return await _answer(service, request, question)
    except SeealikeError as exc:
        return {"problem": orjson.loads(bytes(problem_of(exc).body))}


def _shown(found: Answered[Shown]) -> Json:
    return {
        "took_ms": found.took_ms,
        "generation": found.generation,
        "seen": found.value.seen,
        "hits": orjson.Fragment(found.value.hits),
    }
