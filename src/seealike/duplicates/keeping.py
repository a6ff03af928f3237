"""Which picture of a group is kept, and why: rules in order of preference, or what somebody has decided."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

from seealike.duplicates.decisions import Content, Decisions
from seealike.duplicates.values import DuplicateGroup, DuplicateOptions, KeepRule, Level, Link, Member
from seealike.errors import UnknownItemError, UsageError
from seealike.images.limits import DecodeError
from seealike.images.sniff import sniff
from seealike.types import Item, Progress, ProgressCallback
from seealike.wording import counted

if TYPE_CHECKING:
    from seealike.catalog import Catalog

FORMATS = ("TIFF", "PNG", "BMP", "WEBP", "AVIF", "HEIF", "JPEG", "GIF")  # the best first
_HEAD_BYTES = 64 * 1024
_STRICTNESS = list(Level)
DECIDED = "decided"


@dataclass(frozen=True, slots=True)
class Facts:
    """What finding tells of a member."""

    link: Link
    sha256: bytes | None


def described(
    catalog: Catalog,
    found: Sequence[tuple[str, Mapping[str, Facts]]],
    options: DuplicateOptions,
    decisions: Decisions,
    progress: ProgressCallback,
) -> tuple[DuplicateGroup, ...]:
    """Groups with what their files are now, and who is kept; those with nothing to drop are left out."""
    groups = []
    for done, (centre, facts) in enumerate(found, start=1):
        group = _group(catalog, centre, facts, options, decisions)
        if group is not None:
            groups.append(group)
        progress(Progress("files", done, len(found)))
    return tuple(groups)


def _group(
    catalog: Catalog,
    centre: str,
    facts: Mapping[str, Facts],
    options: DuplicateOptions,
    decisions: Decisions,
) -> DuplicateGroup | None:
    candidates = []
    for item_id, known in facts.items():
        try:
            candidates.append(_candidate(catalog.item(item_id), known))
        except UnknownItemError:  # removed meanwhile
            continue
    if len(candidates) < 2 or centre not in {one.item.id for one in candidates}:
        return None
    contents: dict[str, Content] = {one.item.id: (one.item.id, one.facts.sha256) for one in candidates}
    kept = decisions.kept_of(contents.values())
    ordered = sorted(candidates, key=lambda one: _preference(one, options))
    if kept is None:
        members = [_by_rule(one, ordered, options) for one in ordered]
    else:
        members = [_member(one, contents[one.item.id] in kept, DECIDED) for one in ordered]
    if all(member.kept for member in members):
        return None
    members.sort(key=lambda m: (not m.kept, _STRICTNESS.index(m.link.level), -m.link.likeness, m.item.id))
    return DuplicateGroup(tuple(members), centre, decided=kept is not None)


@dataclass(frozen=True, slots=True)
class _Candidate:
    item: Item
    facts: Facts
    size_bytes: int | None
    format: str


def _candidate(item: Item, facts: Facts) -> _Candidate:
    size, kind = None, ""
    if item.path is not None:
        try:
            size = os.stat(item.path).st_size
            with open(item.path, "rb") as file:
                kind = str(sniff(file.read(_HEAD_BYTES)).value)
        except (OSError, ValueError, DecodeError):
            pass
    return _Candidate(item, facts, size, kind)


# -- rules -----------------------------------------------------------------------------------------

_Value: TypeAlias = "tuple[int, str]"  # what sorts, the least first; and how people say it


def _rules(options: DuplicateOptions) -> list[Callable[[_Candidate], _Value]]:
    """What each rule looks at."""

    def resolution(one: _Candidate) -> _Value:
        width, height = one.item.width_px, one.item.height_px
        return -width * height, f"{width} × {height} pixels"

    def size(one: _Candidate) -> _Value:
        return -(one.size_bytes or 0), counted(one.size_bytes or 0, "byte")

    def kind(one: _Candidate) -> _Value:
        return FORMATS.index(one.format) if one.format in FORMATS else len(FORMATS), one.format or "no format"

    def folder(one: _Candidate) -> _Value:
        inside = "" if one.item.path is None else os.path.realpath(os.path.dirname(one.item.path))
        places = [place for place, path in enumerate(options.folders) if _is_below(inside, path)]
        place = places[0] if places else len(options.folders)
        return place, f"folder {options.folders[place]}" if places else "in no folder that was named"

    def first(one: _Candidate) -> _Value:
        return 0, one.item.id

    looks = {
        KeepRule.RESOLUTION: resolution,
        KeepRule.SIZE: size,
        KeepRule.FORMAT: kind,
        KeepRule.FOLDER: folder,
        KeepRule.FIRST: first,
    }
    return [looks[rule] for rule in options.keep]


def with_real_folders(catalog: Catalog, options: DuplicateOptions) -> DuplicateOptions:
    """The options with their folders as they are compared: whatever links lead there.

    Raises:
        UsageError: no picture lies in one of them.
    """
    if not options.folders or KeepRule.FOLDER not in options.keep:
        return options
    used = {os.path.dirname(item.path) for item in catalog.items() if item.path is not None}
    places = set(map(os.path.realpath, used))
    real = tuple(map(os.path.realpath, options.folders))
    for named, folder in zip(options.folders, real, strict=True):
        if not os.path.isdir(folder):
            raise UsageError(f"there is no folder {named}, which was named as one to keep pictures of")
        if not any(_is_below(place, folder) for place in places):
            raise UsageError(f"no picture of the catalogue lies in {named}; name a folder that has some")
    return replace(options, folders=real)


def _is_below(inside: str, folder: str) -> bool:
    """Whether a folder is another or lies in it; both are real."""
    return os.path.join(inside, "").startswith(os.path.join(folder, ""))


def _preference(one: _Candidate, options: DuplicateOptions) -> tuple[object, ...]:
    """What sorts the one to keep to the front: a file that is there, then the rules, then the id."""
    ranks: list[object] = [one.size_bytes is None]
    for rule, look in zip(options.keep, _rules(options), strict=True):
        ranks.append(one.item.id if rule is KeepRule.FIRST else look(one)[0])
    return (*ranks, one.item.id)


def _by_rule(one: _Candidate, ordered: Sequence[_Candidate], options: DuplicateOptions) -> Member:
    kept = one is ordered[0]
    rival = ordered[1] if kept else ordered[0]
    if (one.size_bytes is None) != (rival.size_bytes is None):
        return _member(one, kept, "the other file is gone" if kept else "its file is gone")
    for look in _rules(options):
        ours, theirs = look(one), look(rival)
        if ours[0] != theirs[0]:
            return _member(one, kept, f"{ours[1]}, {'the other' if kept else 'the kept one'} {theirs[1]}")
    return _member(one, kept, "all equal: the first id" if kept else "all equal: a later id")


def _member(one: _Candidate, kept: bool, why: str) -> Member:
    return Member(one.item, one.facts.link, one.facts.sha256, one.size_bytes, one.format, kept, why)
