"""Groups round a centre: every member is directly alike it, so nothing is chained.

Source: Aslam, Pelekhov and Rus, "The star clustering algorithm for static and dynamic information
organization", 2004: of those not in a group yet, whoever has the most links is a centre, and takes all that
it has a link to.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from seealike.duplicates.values import Level, Link

Links = dict[int, dict[int, Link]]
_STRICTNESS = {level: place for place, level in enumerate(Level)}


def strength(link: Link) -> tuple[int, float]:
    """What is greater for a link that says more."""
    return -_STRICTNESS[link.level], link.likeness


def linked(links: Links, one: int, other: int, link: Link) -> None:
    """Note a link, unless there is a stronger one."""
    known = links.setdefault(one, {}).get(other)
    if known is None or strength(link) > strength(known):
        links[one][other] = links.setdefault(other, {})[one] = link


def stars(
    links: Links, deepened: Callable[[int, Callable[[int], bool]], None] = lambda _row, _is_free: None
) -> list[tuple[int, Mapping[int, Link]]]:
    """Groups as their centre and, by member, its link to the centre. Every row is in one group at most.

    Args:
        links: both ways.
        deepened: told of every new centre, and of which rows are still free; may add links of that centre.
    """
    order = sorted(links, key=lambda row: (-len(links[row]), -_sum(links[row]), row))
    taken: set[int] = set()
    groups: list[tuple[int, Mapping[int, Link]]] = []
    for centre in order:
        if centre in taken:
            continue
        deepened(centre, lambda row: row not in taken)
        members = {row: link for row, link in sorted(links[centre].items()) if row not in taken}
        if members:
            taken.update((centre, *members))
            groups.append((centre, members))
    return groups


def _sum(links: Mapping[int, Link]) -> float:
    return sum(sorted(link.likeness for link in links.values()))
