"""Duplicates as a shell script, which moves what is not kept. It checks before, and removes nothing."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from seealike.catalog.outputs.kinds import SCRIPT_MARK
from seealike.duplicates.moving import names_in_folder
from seealike.duplicates.values import DuplicateGroup, Member
from seealike.gallery.text import visible
from seealike.wording import counted

if TYPE_CHECKING:
    from seealike.catalog import Catalog

_HEAD = r"""#!/bin/sh
{mark}
# Moves {count} into a folder:   sh {name} FOLDER
# Without a folder it only says what it would move. It removes and overwrites nothing; a file moves only while
# it, and the one that is kept, still hold the bytes that they held when they were indexed.
into=${{1-}}
moved=0 left=0

digest() {{
    {{ if command -v sha256sum >/dev/null; then sha256sum; else shasum -a 256; fi; }} <"$1" | cut -c 1-64
}}

leads_elsewhere() {{ # whether a folder between $into and a file in it is a link
    part=${{1%/*}}
    while [ "$part" != "$into" ]; do
        [ ! -h "$part" ] || return 0
        part=${{part%/*}}
    done
    return 1
}}

move() {{ # the kept file, its digest, the other file, its digest, its name in the folder
    if [ ! -f "$1" ] || [ "$(digest "$1")" != "$2" ]; then
        printf 'left, the kept file has changed or is gone: %s\n' "$3" >&2
    elif [ -h "$3" ] || [ ! -f "$3" ] || [ "$(digest "$3")" != "$4" ]; then
        printf 'left, it has changed or is gone: %s\n' "$3" >&2
    elif [ "$1" -ef "$3" ]; then
        printf 'left, it is the kept file itself: %s\n' "$3" >&2
    elif [ -z "$into" ]; then
        printf 'would move: %s\n' "$3"
        return
    elif target=$into/$5 && {{ [ -e "$target" ] || [ -h "$target" ]; }}; then
        printf 'left, there is a file of that name already: %s\n' "$3" >&2
    elif leads_elsewhere "$target"; then
        printf 'left, a link in the folder leads elsewhere: %s\n' "$3" >&2
    elif mkdir -p -- "${{target%/*}}" && mv -n -- "$3" "$target" && [ ! -e "$3" ]; then
        moved=$((moved + 1))
        return
    fi
    left=$((left + 1))
}}
"""
_TAIL = r"""
if [ -n "$into" ]; then
    printf '%s moved, %s left; now run: seealike index\n' "$moved" "$left"
fi
[ "$left" -eq 0 ]
"""


def duplicates_script(catalog: Catalog, groups: Sequence[DuplicateGroup], name: str) -> bytes:
    """The script; ``name`` is what its file is called. It names files byte for byte."""
    lines = [line for group in groups for line in _moves(group, catalog)]
    count = counted(sum(line.startswith(b"move ") for line in lines), "picture")
    head = _HEAD.format(mark=SCRIPT_MARK, count=count, name=shlex.quote(visible(os.path.basename(name))))
    return b"\n".join([head.encode("utf-8", "backslashreplace"), *lines]) + _TAIL.encode("ascii")


def _moves(group: DuplicateGroup, catalog: Catalog) -> Iterator[bytes]:
    """A line of words a file, after one about the group."""
    name_of = names_in_folder(catalog)
    kept = next((member for member in group.kept if _is_in_a_file(member)), None)
    dropped = [member for member in group.dropped if _is_in_a_file(member)]
    if kept is None or kept.file is None or kept.sha256 is None or not dropped:
        return
    alike = f"{group.weakest.link.level.value}, {group.weakest.link.likeness:.3f} at least"
    yield f"\n# {visible(kept.item.id)}: {alike}".encode("utf-8", "backslashreplace")
    for member in dropped:
        if member.file is not None and member.sha256 is not None:
            words = (
                os.fsencode(kept.file),
                kept.sha256.hex().encode(),
                os.fsencode(member.file),
                member.sha256.hex().encode(),
                os.fsencode(name_of(member.file)),
            )
            yield b" ".join((b"move", *map(_quoted, words)))


def _is_in_a_file(member: Member) -> bool:
    return member.file is not None and member.sha256 is not None and member.size_bytes is not None


def _quoted(word: bytes) -> bytes:
    """A word that a shell takes as it is."""
    return b"'" + word.replace(b"'", b"'\\''") + b"'"
