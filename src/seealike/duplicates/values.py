"""What duplicates are, and what may be asked about them: plain values."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from seealike.errors import check_between, known_member
from seealike.objects import is_address
from seealike.types import Item

LEAST_LIKENESS = 0.87  # of near duplicates; docs/benchmarks.md has what was measured
LEAST_SCORE = 0.9  # of pictures of one product, where no column says which product they show


class Level(StrEnum):
    """How alike two pictures are; what is alike at one level is so at the ones that follow.

    ``EXACT``: their files hold the same bytes.
    ``NEAR``: one shows the other: smaller, compressed anew, cut, framed, flipped, tinted or marked.
    ``PRODUCT``: they have the same group, or are very similar.
    """

    EXACT = "exact"
    NEAR = "near"
    PRODUCT = "product"


class KeepRule(StrEnum):
    """What makes one picture of a group the one to keep.

    ``RESOLUTION``: the most pixels. ``SIZE``: the largest file. ``FORMAT``: one that keeps every pixel rather
    than one that does not. ``FOLDER``: the folder named first. ``FIRST``: the first id.
    """

    RESOLUTION = "resolution"
    SIZE = "size"
    FORMAT = "format"
    FOLDER = "folder"
    FIRST = "first"


DEFAULT_RULES = (KeepRule.RESOLUTION, KeepRule.SIZE, KeepRule.FORMAT, KeepRule.FOLDER)


@dataclass(frozen=True, slots=True)
class DuplicateOptions:
    """What counts as a duplicate, and which one of a group is kept.

    Args:
        level: the loosest level that counts.
        min_likeness: of near duplicates; see ``Link``.
        min_score: of pictures of one product that have no group: their cosine similarity.
        keep: rules in order of preference; where all are equal, the first id is kept.
        folders: for ``KeepRule.FOLDER``: absolute, the best first; each has pictures.
    """

    level: Level = Level.NEAR
    min_likeness: float = LEAST_LIKENESS
    min_score: float = LEAST_SCORE
    keep: tuple[KeepRule, ...] = DEFAULT_RULES
    folders: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Take names as well; refuse what would find everything, or nothing."""
        object.__setattr__(self, "level", known_member(Level, self.level, "level"))
        rules = tuple(known_member(KeepRule, rule, "rule") for rule in self.keep)
        object.__setattr__(self, "keep", rules)
        check_between(self.min_likeness, "min_likeness", 0, 1)
        check_between(self.min_score, "min_score", -1, 1)


@dataclass(frozen=True, slots=True)
class Link:
    """How a picture that is not kept is alike the one that is kept for it.

    Args:
        level: the strictest that holds.
        likeness: of the same bytes 1; of near duplicates, how well one agrees with a window of the other,
            their cosine similarity, and how alike their colours are, weighted 80, 12 and 8; else the cosine
            similarity, or 0 where only their group, or a person, says that they show one product.
    """

    level: Level
    likeness: float


@dataclass(frozen=True, slots=True)
class Member:
    """A picture of a group.

    Args:
        item: the picture.
        link: to the kept one; to the most alike where a person kept several. Of a kept one, exact.
        sha256: of its file as it was indexed; ``None`` where it was no file's.
        size_bytes: of its file now, or of what an engine keeps; ``None`` where that is gone.
        format: what its file is by its first bytes, such as ``JPEG``; empty where nobody knows.
        kept: whether it is to be kept.
        why: what decided that, for people.
    """

    item: Item
    link: Link
    sha256: bytes | None
    size_bytes: int | None
    format: str
    kept: bool
    why: str

    @property
    def file(self) -> str | None:
        """Where its file is, or was; ``None`` where the picture is in no file."""
        return None if self.item.path is None or is_address(self.item.path) else self.item.path


@dataclass(frozen=True, slots=True)
class DuplicateGroup:
    """Pictures each of which is alike the one that the rules keep; not necessarily each other.

    Args:
        members: the kept ones first, then by how alike they are; two at least.
        centre: the id of the one that all others are alike; it is kept unless a person decided else.
        decided: whether somebody has said which ones are kept; else a rule has.
    """

    members: tuple[Member, ...]
    centre: str
    decided: bool = False

    @property
    def weakest(self) -> Member:
        """The member that is the least alike the kept one."""
        strictness = list(Level)
        return min(self.members, key=lambda m: (-strictness.index(m.link.level), m.link.likeness))

    @property
    def kept(self) -> tuple[Member, ...]:
        """Those to keep."""
        return tuple(member for member in self.members if member.kept)

    @property
    def dropped(self) -> tuple[Member, ...]:
        """The others."""
        return tuple(member for member in self.members if not member.kept)


@dataclass(frozen=True, slots=True)
class DuplicateReport:
    """What was found.

    Args:
        groups: the surest first: those whose weakest link is the strongest.
        items: how many items were compared.
        unsigned: how many of them have no signature yet, and so no near duplicates; ``index`` makes it.
        settled: how many pairs were left out because both were kept on purpose.
        took_s: how long it took.
        emptied: groups of the catalogue that would lose all their pictures.
    """

    groups: tuple[DuplicateGroup, ...]
    items: int
    unsigned: int
    settled: int
    took_s: float
    emptied: tuple[str, ...] = ()
