"""Options that name a file to write, the catalogue opened with them checked, and the writing itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import click

import seealike
from seealike.catalog import Catalog
from seealike.catalog.output_kinds import OutputKind
from seealike.catalog.outputs import OutputFile
from seealike.cli.echo import echo
from seealike.cli.locate import existing_catalog
from seealike.images import DecodeLimits

Function = TypeVar("Function", bound=Callable[..., object])


class OutputParameter(click.ParamType):  # type: ignore[type-arg]  # generic in some versions only
    """A file to write: refused, if it must not be, before any work is done."""

    name = "file"

    def __init__(self, kind: OutputKind) -> None:
        """``kind``: what will be in the file."""
        self.kind = kind

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> OutputFile:
        """The file; what takes a catalogue to know is checked when that is open."""
        option = max(param.opts, key=len) if param else ""
        output = OutputFile(str(value), self.kind, bool(ctx and ctx.params.get("force")), option)
        output.check_name()
        return output


def output_option(
    *names: str, kind: OutputKind, metavar: str, text: str, default: str | None = None
) -> Callable[[Function], Function]:
    """An option that names a file to write; its command has ``--force`` too."""
    return click.option(
        *names,
        type=OutputParameter(kind),
        metavar=metavar,
        default=default,
        show_default=default is not None,
        help=text,
    )


def force_option(function: Function) -> Function:
    """``--force``, for commands with outputs."""
    return click.option(
        "--force",
        is_flag=True,
        is_eager=True,
        help="Write over a file of somebody else. Never over a picture or table of the catalogue.",
    )(function)


@contextmanager
def opened_catalog(
    catalog: str | None,
    *outputs: OutputFile | None,
    encoder: str | None = None,
    limits: DecodeLimits = DecodeLimits(),
) -> Iterator[Catalog]:
    """The catalogue that a command means, once it is sure that the outputs are none of its files.

    Raises:
        UsageError: an output must not be written.
        NoCatalogError, DamagedCatalogError and others: see ``seealike.open``.
    """
    path = existing_catalog(catalog)
    for output in filter(None, outputs):
        output.check(path)
    with seealike.open(path, encoder=encoder, limits=limits) as opened:
        yield opened


def write_text(output: OutputFile, text: str, catalog: Catalog, *, quiet: bool) -> None:
    """Write a file whole or not at all, and say so.

    Raises:
        UsageError: it must not be written.
        StorageError: the disk refused.
    """
    output.write(text.encode("utf-8", "backslashreplace"), catalog.path)
    if not quiet:
        echo(f"wrote {output.path}", err=True)
