"""Which picture of a group is kept, and why: rules in order of preference, or what somebody has decided."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

from seealike.catalog import EngineCatalog, is_address
from seealike.duplicates.decisions import Content, Decisions
from seealike.duplicates.stars import strength
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


Alike: TypeAlias = Callable[[str, Sequence[str]], Mapping[str, Link]]
_ITSELF = Link(Level.EXACT, 1.0)
_NOT_ALIKE = Link(Level.PRODUCT, 0.0)


def described(
    catalog: Catalog,
    found: Sequence[Mapping[str, bytes | None]],
    alike: Alike,
    options: DuplicateOptions,
    decisions: Decisions,
    progress: ProgressCallback,
) -> tuple[DuplicateGroup, ...]:
    """Groups round the one to keep, with what their files are now, the surest first.

    Args:
        catalog: whose pictures.
        found: ids and digests of pictures that are alike one of them, not necessarily each other.
        alike: which pictures are duplicates of one, and how.
        options: with the rules.
        decisions: that count more than rules.
        progress: called after each of ``found``.
    """
    groups: list[DuplicateGroup] = []
    for done, digests in enumerate(found, start=1):
        rest = _ordered(catalog, digests, options)
        while len(rest) > 1:
            links = alike(rest[0].item.id, [one.item.id for one in rest[1:]])
            part = [rest[0], *(one for one in rest if one.item.id in links)]
            group = _group(part, links, alike, options, decisions)
            if group is not None:
                groups.append(group)
            rest = [one for one in rest[1:] if one.item.id not in links]
        progress(Progress("files", done, len(found)))
    return tuple(sorted(groups, key=_uncertainty))


def _uncertainty(group: DuplicateGroup) -> tuple[int, float, int, str]:
    """What is less for a group that is surer, then larger, then earlier."""
    weakest = group.weakest.link
    return _STRICTNESS.index(weakest.level), -weakest.likeness, -len(group.members), group.centre


def _ordered(
    catalog: Catalog, digests: Mapping[str, bytes | None], options: DuplicateOptions
) -> list[_Candidate]:
    """Pictures, the one to keep first; without those that were removed meanwhile."""
    candidates = []
    for item_id, sha256 in digests.items():
        try:
            candidates.append(_candidate(catalog, catalog.item(item_id), sha256))
        except UnknownItemError:
            continue
    return sorted(candidates, key=lambda one: _preference(one, options))


def _group(
    ordered: Sequence[_Candidate],
    links: Mapping[str, Link],
    alike: Alike,
    options: DuplicateOptions,
    decisions: Decisions,
) -> DuplicateGroup | None:
    """The first of some pictures with those that are alike it; ``None`` if there is nothing to drop."""
    contents: dict[str, Content] = {one.item.id: (one.item.id, one.sha256) for one in ordered}
    kept = decisions.kept_of(contents.values())
    if kept is None:
        members = [_by_rule(one, ordered, links.get(one.item.id, _ITSELF), options) for one in ordered]
    else:
        members = _decided(ordered, {item_id for item_id, _ in kept}, alike)
    if all(member.kept for member in members):
        return None
    members.sort(key=lambda m: (not m.kept, _STRICTNESS.index(m.link.level), -m.link.likeness, m.item.id))
    return DuplicateGroup(tuple(members), ordered[0].item.id, decided=kept is not None)


def _decided(ordered: Sequence[_Candidate], kept: set[str], alike: Alike) -> list[Member]:
    members = []
    for one in ordered:
        links = {} if one.item.id in kept else alike(one.item.id, sorted(kept))
        best = max(links.values(), key=strength, default=_NOT_ALIKE)
        stays = one.item.id in kept
        members.append(_member(one, _ITSELF if stays else best, stays, DECIDED))
    return members


@dataclass(frozen=True, slots=True)
class _Candidate:
    item: Item
    sha256: bytes | None
    size_bytes: int | None
    format: str


def _candidate(catalog: Catalog, item: Item, sha256: bytes | None) -> _Candidate:
    size, head = _seen(catalog, item)
    try:
        kind = str(sniff(head).value)
    except DecodeError:
        kind = ""
    return _Candidate(item, sha256, size, kind)


def _seen(catalog: Catalog, item: Item) -> tuple[int | None, bytes]:
    """How large a picture is now, and how it begins: its file, or what an engine keeps; ``None``: gone."""
    size = None
    if item.path is None:
        return size, b""
    if is_address(item.path):
        kept = catalog.kept_picture(item.id) if isinstance(catalog, EngineCatalog) else None
        return (size, b"") if kept is None else (len(kept), kept[:_HEAD_BYTES])
    try:
        size = os.stat(item.path).st_size
        with open(item.path, "rb") as file:
            return size, file.read(_HEAD_BYTES)
    except (OSError, ValueError):
        return size, b""


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

    def known(one: _Candidate) -> _Value:
        """A copy that nobody has named goes, rather than the product."""
        if one.item.group is not None:
            return 0, "with a group"
        return (1, "with metadata alone") if one.item.metadata else (2, "without group and metadata")

    def first(one: _Candidate) -> _Value:
        return 0, one.item.id

    looks = {
        KeepRule.RESOLUTION: resolution,
        KeepRule.SIZE: size,
        KeepRule.FORMAT: kind,
        KeepRule.FOLDER: folder,
        KeepRule.FIRST: first,
    }
    return [*(looks[rule] for rule in options.keep), *(() if KeepRule.FIRST in options.keep else (known,))]


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
    before = options.keep.index(KeepRule.FIRST) if KeepRule.FIRST in options.keep else None
    return (one.size_bytes is None, *(look(one)[0] for look in _rules(options)[:before]), one.item.id)


def _by_rule(one: _Candidate, ordered: Sequence[_Candidate], link: Link, options: DuplicateOptions) -> Member:
    kept = one is ordered[0]
    rival = ordered[1] if kept else ordered[0]
    if (one.size_bytes is None) != (rival.size_bytes is None):
        return _member(one, link, kept, "the other file is gone" if kept else "its file is gone")
    for look in _rules(options):
        ours, theirs = look(one), look(rival)
        if ours[0] != theirs[0]:
            return _member(
                one, link, kept, f"{ours[1]}, {'the other' if kept else 'the kept one'} {theirs[1]}"
            )
    return _member(one, link, kept, "all equal: the first id" if kept else "all equal: a later id")


def _member(one: _Candidate, link: Link, kept: bool, why: str) -> Member:
    return Member(one.item, link, one.sha256, one.size_bytes, one.format, kept, why)
