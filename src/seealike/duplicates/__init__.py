"""Duplicates: finding them, which one to keep, and what to do with the others. Nothing is ever deleted.

An application over the facade: it knows catalogues, and nothing of how they are stored.
"""

from seealike.duplicates.decisions import Decision, Decisions, read_decisions
from seealike.duplicates.finding import find_duplicates
from seealike.duplicates.moving import Left, MoveReport, move_back, move_duplicates
from seealike.duplicates.page import render_duplicates_page, write_duplicates_page
from seealike.duplicates.script import duplicates_script
from seealike.duplicates.values import (
    DuplicateGroup,
    DuplicateOptions,
    DuplicateReport,
    KeepRule,
    Level,
    Link,
    Member,
)

__all__ = [
    "Decision",
    "Decisions",
    "DuplicateGroup",
    "DuplicateOptions",
    "DuplicateReport",
    "KeepRule",
    "Left",
    "Level",
    "Link",
    "Member",
    "MoveReport",
    "duplicates_script",
    "find_duplicates",
    "move_back",
    "move_duplicates",
    "read_decisions",
    "render_duplicates_page",
    "write_duplicates_page",
]
