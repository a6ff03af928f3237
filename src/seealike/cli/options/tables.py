"""The options that say how a table is to be read."""

from __future__ import annotations

import click

from seealike.cli.options.basic import Function
from seealike.errors import UsageError


def root_option(function: Function) -> Function:
    """``--root``."""
    return click.option(
        "--root",
        metavar="DIR",
        help="For a table: the folder its paths are relative to, and must lie in. For shards: where the "
        "pictures are here.",
    )(function)


def column_option(function: Function) -> Function:
    """``--column``; the command gets ``columns``."""
    return click.option(
        "--column",
        "columns",
        metavar="MEANING=NAME",
        multiple=True,
        callback=lambda _context, _parameter, given: _read_columns(given),
        help="For a table: which column is the path, id or group, such as id=sku. May be repeated.",
    )(function)


def encoding_option(function: Function) -> Function:
    """``--encoding``."""
    return click.option(
        "--encoding",
        metavar="NAME",
        help="For CSV and JSONL: its encoding, such as cp1252.  [default: UTF-8]",
    )(function)


def _read_columns(given: tuple[str, ...]) -> dict[str, str] | None:
    """Read ``--column MEANING=NAME``.

    Raises:
        UsageError: there is no ``=``.
    """
    for text in given:
        if "=" not in text:
            raise UsageError(f"--column {text}: say which column it is, such as id=sku")
    return dict(text.split("=", 1) for text in given) or None
