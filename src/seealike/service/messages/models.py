"""What requests and replies look like: the schema that programs are written against.

The names are those of the command line and of Python; ``Wishes`` has a field for each of ``SearchOptions``.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Annotated, Literal, Self, TypeAlias

import orjson
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    ValidationError,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError

from seealike.catalog import Combine, Example, SearchOptions
from seealike.duplicates import Level
from seealike.errors import UsageError
from seealike.service.kept.uploads import Uploads
from seealike.service.messages.problems import MOST_ERRORS
from seealike.types import Crop, MetadataValue, Metric, Relation, SkipReason
from seealike.wording import closest, did_you_mean


def _whole(number: object) -> object:
    """JSON has one kind of numbers: 10.0 is the integer 10."""
    return int(number) if isinstance(number, float) and number.is_integer() else number


Value: TypeAlias = str | int | float | bool | None
Count = Annotated[int, Field(ge=1, le=1000), BeforeValidator(_whole)]
MOST_EXAMPLES = 100
MOST_COLUMNS = 50  # that one wish names
MOST_LETTERS = 2000  # of one text
MOST_NAME = 64  # of a name that is compared with those there are
MOST_CURSOR = 16_000  # of what says where a list goes on: it may hold a long path
MOST_AT_ONCE = 100  # questions in a batch
AtLeast = Literal[Relation.DUPLICATE, Relation.SAME_PRODUCT, Relation.SIMILAR]
Text = Annotated[str, Field(max_length=MOST_LETTERS)]
Columns = Annotated[list[Text], Field(max_length=MOST_COLUMNS, fail_fast=True)]
CropText = Annotated[
    str,
    Field(
        max_length=MOST_LETTERS,
        description="The part of a picture that counts: `x,y,width,height`, as pixels or as shares of it.",
        examples=["0.1,0.2,0.5,0.5"],
    ),
]


class _Strict(BaseModel):
    """A misspelt field is an error, not a wish that is not granted."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="wrap")
    @classmethod
    def _say_what_was_meant(cls, said: object, validate: ModelWrapValidatorHandler[Self]) -> Self:
        try:
            return validate(said)
        except ValidationError as exc:
            found = [
                InitErrorDetails(type=_meant(one, cls), loc=one["loc"], input=None)
                for one in islice(exc.errors(include_url=False, include_input=False), MOST_ERRORS)
            ]
            raise ValidationError.from_exception_data(exc.title, found) from None


def _meant(error: ErrorDetails, model: type[BaseModel]) -> PydanticCustomError:
    """The same error; of a field that there is not, with those that there are."""
    told = error["msg"]
    if error["type"] == "extra_forbidden" and len(error["loc"]) == 1:
        meant = did_you_mean(closest(str(error["loc"][0])[:MOST_NAME], model.model_fields))
        told = f"there is no such field{meant and f'; {meant}'}"
    return PydanticCustomError(error["type"], "{told}", {"told": told})


class Wishes(_Strict):
    """What results are to be like."""

    min_score: Annotated[float | None, Field(description="Leave out hits below this score.")] = None
    exact: Annotated[bool, Field(description="Compare with every picture, however many there are.")] = False
    metric: Metric = Metric.COSINE
    pictures: Annotated[bool, Field(description="Single pictures, not one result a product.")] = False
    group_by: Annotated[Text, Field(description="The column that says which product an item shows.")] = (
        "group"
    )
    diversity: Annotated[float, Field(ge=0, le=1, description="How unlike each other results are to be.")] = (
        0.0
    )
    dedup: Annotated[bool | float | None, Field(description="Nearly equal results once.")] = None
    at_least: Annotated[AtLeast | None, Field(description="Leave out what is less than this.")] = None
    combine: Combine = Combine.AVERAGE
    where: Annotated[
        Text | None,
        Field(description="A condition that hits keep.", examples=["category = 'shoes' and price < 100"]),
    ] = None
    same: Annotated[Columns, Field(description="Columns in which hits say the same as a liked item.")] = []
    other: Annotated[Columns, Field(description="Columns in which they say something else.")] = []
    hub_correction: Annotated[
        bool, Field(description="What is similar to everything is not to be in every list.")
    ] = False
    boost: Annotated[
        Columns, Field(description="What also counts: a column and its weight.", examples=[["sold:0.1"]])
    ] = []
    recent: Annotated[float, Field(ge=-1, le=1, description="How much it counts to have come lately.")] = 0.0
    color: Annotated[float | None, Field(ge=0, le=1, description="How much colours count, of 1.")] = None
    palette: Annotated[
        Text | None, Field(description="Colours to find.", examples=["#c0392b", "navy:2,white"])
    ] = None
    crop: CropText | None = None
    focus: Annotated[bool, Field(description="Look at what the picture shows, not at the whole.")] = False
    explain: Annotated[bool, Field(description="Say of each hit why it has its score.")] = False

    def options(self) -> SearchOptions:
        """The same as the library says it.

        Raises:
            UsageError: it cannot be meant.
        """
        said = {name: getattr(self, name) for name in Wishes.model_fields}
        said |= {"boost": [_boost(one) for one in self.boost], "crop": crop_of(self.crop)}
        return SearchOptions(**said)


def _boost(text: str) -> tuple[str, float]:
    column, colon, weight = text.rpartition(":")
    try:
        number = float(weight)
    except ValueError:
        colon = ""
    if not (colon and column):
        raise UsageError(f"a boost is a column and its weight, such as sold:0.1, not {text!r}")
    return column, number


def crop_of(text: str | None) -> Crop | None:
    """A crop that was given as text.

    Raises:
        UsageError: it is none.
    """
    try:
        return None if text is None else Crop.parse(text)
    except ValueError as exc:
        raise UsageError(f"{exc}, not {text}") from None


class ExampleIn(_Strict):
    """One thing that hits are to be like, or unlike: one of ``id``, ``product``, ``image``, ``text``."""

    id: Annotated[Text | None, Field(description="An item of the catalogue.")] = None
    product: Annotated[Text | None, Field(description="A product, by all its pictures.")] = None
    image: Annotated[Text | None, Field(description="The token of an uploaded picture.")] = None
    text: Annotated[Text | None, Field(description="Words, if the encoder reads them.")] = None
    crop: CropText | None = None
    weight: Annotated[float, Field(gt=0, le=1000, description="How much it counts beside the others.")] = 1.0

    def example(self, uploads: Uploads) -> Example:
        """The same as the library says it.

        Raises:
            UsageError: it says nothing, or several things.
            ServiceError: there is no such uploaded picture.
        """
        image = None if self.image is None else uploads.picture(self.image)
        return Example(self.id, self.product, image, self.text, weight=self.weight, crop=crop_of(self.crop))


Examples_ = Annotated[list[ExampleIn], Field(max_length=MOST_EXAMPLES, fail_fast=True)]


class SearchIn(Wishes):
    """One question: what is like this?"""

    k: Count = 10
    id: Annotated[Text | None, Field(description="An item of the catalogue.")] = None
    product: Annotated[Text | None, Field(description="A product, by all its pictures.")] = None
    image: Annotated[Text | None, Field(description="The token of an uploaded picture.")] = None
    text: Annotated[Text | None, Field(description="Words, if the encoder reads them.")] = None

    def liked(self) -> list[ExampleIn]:
        """What is asked with; nothing where only colours are."""
        said = {name: getattr(self, name) for name in ("id", "product", "image", "text")}
        return [ExampleIn(**said)] if any(value is not None for value in said.values()) else []


class RecommendIn(Wishes):
    """What is like some things and unlike others?"""

    k: Count = 10
    like: Examples_ = []
    dislike: Examples_ = []


class BatchIn(_Strict):
    """Several questions at once; each is answered, or has its problem, on its own."""

    queries: Annotated[list[RecommendIn], Field(min_length=1, max_length=MOST_AT_ONCE, fail_fast=True)]


class ItemIn(_Strict):
    """What is said of an item that is put."""

    group: Annotated[Text | None, Field(description="The product it shows.")] = None
    metadata: Annotated[str, Field(description="JSON: an object.", examples=['{"price": 19.9}'])] = "{}"

    def read_metadata(self) -> dict[str, MetadataValue]:
        """The metadata as values.

        Raises:
            UsageError: it is no object of texts, numbers, truths and nulls.
        """
        try:
            said = orjson.loads(self.metadata)
        except orjson.JSONDecodeError as exc:
            raise UsageError(f"the metadata is no JSON: {exc}") from None
        if not isinstance(said, dict):
            raise UsageError('the metadata is an object, such as {"price": 19.9}')
        for name, value in said.items():
            if isinstance(value, list | dict):
                raise UsageError(
                    f"metadata is texts, numbers, true, false and null; {name!r} is none of them"
                )
        return said


class UrlIn(_Strict):
    """A picture that is somewhere on the web."""

    url: Annotated[Text, Field(examples=["https://shop.example/bag.jpg"])]


# Those that routes read themselves, because the body may be a picture instead.
JSON_MODELS: Sequence[tuple[type[BaseModel], Literal["validation"]]] = (
    (SearchIn, "validation"),
    (RecommendIn, "validation"),
    (BatchIn, "validation"),
    (UrlIn, "validation"),
)


class SessionIn(_Strict):
    """Who begins a session."""

    key: Annotated[Text, Field(description="A key of the service.")]


class HitOut(BaseModel):
    """One result."""

    rank: int
    id: str
    score: Annotated[float, Field(description="Higher is closer.")]
    group: str | None
    metadata: dict[str, Value]
    others: Annotated[int, Field(description="How many further items show the same product.")]
    near: Annotated[int, Field(description="How many nearly equal ones were left out for this one.")]
    relation: Relation | None
    probability: float | None
    colour: float | None
    image: Annotated[Text | None, Field(description="Where its picture is; `?size=` makes it smaller.")]
    width_px: int
    height_px: int
    catalog: Annotated[Text | None, Field(description="Of several catalogues, which one it is in.")] = None
    explanation: Annotated[object, WithJsonSchema({"type": ["object", "null"]})] = None


class Answer(BaseModel):
    """What was found. ``generation`` is the state of the catalogue that all of it is of."""

    took_ms: float
    generation: int
    seen: Annotated[
        list[tuple[float, float, float, float] | None],
        Field(description="Of each liked example which part counted: left, top, width, height; null: all."),
    ]
    hits: list[HitOut]


class BatchOut(BaseModel):
    """Answers, each with its generation, or problems, in the order of the questions."""

    took_ms: float
    answers: list[dict[str, object]]


class ItemOut(BaseModel):
    """One item."""

    id: str
    group: str | None
    metadata: dict[str, Value]
    width_px: int
    height_px: int
    image: str | None


class ItemsOut(BaseModel):
    """Some items, in id order. ``next`` goes on after them; null at the end."""

    took_ms: float
    generation: int
    items: list[ItemOut]
    next: str | None


class ValueOut(BaseModel):
    """A value of a column, and how many items have it."""

    value: Value
    count: int


class FacetOut(BaseModel):
    """What some items say in a column."""

    name: str
    kind: Literal["text", "number", "truth"]
    distinct: Annotated[int, Field(description="How many different values they have.")]
    missing: Annotated[int, Field(description="How many of them have none.")]
    least: Annotated[int | float | None, Field(description="Of numbers, the least.")] = None
    most: Annotated[int | float | None, Field(description="Of numbers, the greatest.")] = None
    values: Annotated[list[ValueOut], Field(description="The most frequent first.")]
    more: Annotated[int, Field(description="How many further values there are.")]


class FacetsOut(BaseModel):
    """What the items say that keep a condition: ``total`` items ``of`` all there are."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "took_ms": 1.4,
                "generation": 4,
                "total": 160,
                "of": 480,
                "columns": [
                    {
                        "name": "category",
                        "kind": "text",
                        "distinct": 2,
                        "missing": 1,
                        "values": [{"value": "bag", "count": 120}, {"value": "shoe", "count": 39}],
                        "more": 0,
                    },
                    {
                        "name": "price",
                        "kind": "number",
                        "distinct": 143,
                        "missing": 0,
                        "least": 9.9,
                        "most": 180,
                        "values": [],
                        "more": 143,
                    },
                ],
            }
        }
    )

    took_ms: float
    generation: int
    total: int
    of: int
    columns: list[FacetOut]


class IndexingOut(BaseModel):
    """Where a run is that changes the catalogue now, in whatever process."""

    stage: str
    done: int
    total: int | None
    rate: Annotated[float | None, Field(description="How many a second.")]
    left_s: Annotated[float | None, Field(description="How long the rest of the stage will take.")]


class WorkingOut(BaseModel):
    """Where work on the whole catalogue is that this service has done now."""

    name: Annotated[str, Field(description="`map`, or `duplicates-` and the level.")]
    stage: str
    done: int
    total: int | None
    left_s: Annotated[float | None, Field(description="About how long it will take; null: nobody knows.")]


class StatsOut(BaseModel):
    """What the catalogue holds, and what can be asked of it."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "took_ms": 0.9,
                "generation": 4,
                "name": "seealike-demo",
                "items": 480,
                "skipped": 1,
                "skipped_by_reason": {"not_an_image": 1},
                "encoder": "efficientnet-lite0-v2",
                "dimension": 1280,
                "reads_text": False,
                "groups": True,
                "columns": ["category", "price", "id", "path", "folder", "prefix", "group"],
                "signed": True,
                "access": "read",
                "takes_urls": False,
                "indexing": {"stage": "index", "done": 40, "total": 480, "rate": 220.0, "left_s": 2.0},
                "working": {"name": "map", "stage": "layout", "done": 100, "total": 480, "left_s": 1.5},
                "version": "0.1.0",
            }
        }
    )

    took_ms: float
    generation: int
    name: Annotated[str, Field(description="What to call the catalogue: the name of its folder.")]
    items: int
    skipped: int
    skipped_by_reason: dict[str, int]
    encoder: str
    dimension: int
    reads_text: Annotated[bool, Field(description="Whether words can be asked with.")]
    groups: Annotated[bool, Field(description="Whether any item is said to show a product.")]
    columns: Annotated[
        list[str] | None, Field(description="What conditions may name; null while that is being read.")
    ]
    signed: Annotated[bool, Field(description="Whether colours are known.")]
    access: Annotated[Literal["read", "write", "admin"], Field(description="What you may do.")]
    takes_urls: Annotated[bool, Field(description="Whether a picture may be named by its address.")]
    indexing: IndexingOut | None
    working: WorkingOut | None
    version: str


OfEarlier = Annotated[bool, Field(description="It is of an earlier state; a newer one is made: see /stats.")]


class UnderWayOut(BaseModel):
    """Where work is that takes long: how much is done of its stage."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "status": "finding",
                "stage": "compare",
                "done": 4096,
                "total": 19_200,
                "left_s": 12.5,
            }
        }
    )

    status: Literal["finding", "laying out"]
    stage: Annotated[str, Field(description="Empty while other such work is done first.")]
    done: int
    total: int | None
    left_s: Annotated[float | None, Field(description="About how long it will take; null: nobody knows.")]


class MemberOut(BaseModel):
    """A picture of a group of duplicates."""

    id: str
    group: str | None = None
    image: str | None
    width_px: int
    height_px: int
    size_bytes: Annotated[int | None, Field(description="Of its file; null where that is gone.")]
    format: str
    sha256: str | None = None
    level: Level
    likeness: Annotated[float, Field(description="To the one that is kept for it, from 0 to 1.")]
    kept: bool
    why: Annotated[str, Field(description="What decided whether it is to be kept.")]


class GroupOut(BaseModel):
    """Pictures that are alike the one called ``centre``, not necessarily each other; the kept ones first."""

    centre: str
    decided: Annotated[bool, Field(description="Whether a person has said which ones are kept.")]
    members: list[MemberOut]


class DuplicatesOut(BaseModel):
    """Some of ``total`` groups among so many ``items``; ``unsigned`` ones could only be compared exactly."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "status": "ready",
                "generation": 4,
                "stale": False,
                "total": 1,
                "items": 480,
                "unsigned": 0,
                "next": "50",
                "groups": [
                    {
                        "centre": "bag-101-front",
                        "decided": False,
                        "members": [
                            {
                                "id": "bag-101-front",
                                "group": "bag-101",
                                "image": "/images/bag-101-front",
                                "width_px": 640,
                                "height_px": 800,
                                "size_bytes": 48213,
                                "format": "JPEG",
                                "level": "exact",
                                "likeness": 1.0,
                                "kept": True,
                                "why": "640 × 800 pixels, the other 320 × 400 pixels",
                            }
                        ],
                    }
                ],
            }
        }
    )

    status: Literal["ready"]
    generation: int
    stale: OfEarlier
    total: int
    items: int
    unsigned: int
    next: str | None
    groups: list[GroupOut]


class MapOut(BaseModel):
    """Items in the plane, in id order; where there are very many, a sample of ``total``."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "status": "ready",
                "generation": 4,
                "stale": False,
                "method": "tsne",
                "total": 480,
                "ids": ["bag-101-front", "bag-101-side"],
                "x": [-3.2, -3.1],
                "y": [7.25, 7.5],
                "clusters": [0, 0],
                "ratios": [0.8, 0.8],
            }
        }
    )

    status: Literal["ready"]
    generation: int
    stale: OfEarlier
    method: Annotated[
        str, Field(description="`tsne`; `components` where the extra `map` is not installed: no clusters.")
    ]
    total: int
    ids: list[str]
    x: list[float]
    y: list[float]
    clusters: Annotated[list[int], Field(description="0 is the largest.")]
    ratios: Annotated[list[float], Field(description="Width by height.")]


class SkippedOut(BaseModel):
    """A file that is not in the catalogue."""

    id: str
    reason: SkipReason
    detail: Annotated[str, Field(description="For people; without absolute paths.")]


class SkippedFilesOut(BaseModel):
    """Some files that are left out, of ``total`` in all. ``next`` goes on after them; null at the end."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "took_ms": 0.4,
                "generation": 4,
                "total": 2,
                "skipped": [{"id": "shoes/4.jpg", "reason": "empty_file", "detail": "the file has no bytes"}],
                "next": "WzEsInNob2VzLzQuanBnIiwiNzMiXQ",
            }
        }
    )

    took_ms: float
    generation: int
    total: int
    skipped: list[SkippedOut]
    next: str | None


class UploadOut(BaseModel):
    """The token under which an uploaded picture can be asked with."""

    image: str
    expires_s: float


class ChangeOut(BaseModel):
    """What became of an item. It is on the disk."""

    id: str
    change: Literal["added", "replaced", "unchanged", "removed"]
    generation: int


class ProblemOut(BaseModel):
    """Problem details, RFC 9457. ``code`` stays the same; ``detail`` is for people."""

    type: str
    title: str
    status: int
    code: str
    detail: str
