"""Which catalogue a command means: said by the user, or found where ``index`` puts it; and opening it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click

import seealike
from seealike.catalog import Catalog, Catalogs, is_address, is_catalog, refuse_address
from seealike.catalog.outputs.places import OutputFile
from seealike.cli.printing.text import echo
from seealike.errors import NoCatalogError, UsageError
from seealike.images import DecodeLimits

DEFAULT_NAME = ".seealike"


def catalog_for_source(source: str, catalog: str | None) -> str:
    """Where ``index SOURCE`` keeps its catalogue: ``--catalog``, or ``.seealike`` in the source's folder.

    ``--catalog`` may name the catalogue, which need not be there yet, or a folder that holds ``.seealike``.

    Raises:
        UsageError: it is the address of an engine, or that of the source says nothing of a folder.
    """
    if catalog:
        refuse_address(catalog, "index the catalogue in its directory")
        return _inside(catalog)
    if is_address(source):
        raise UsageError("say where the catalogue of what is at that address goes: --catalog DIR")
    folder = source if os.path.isdir(source) else os.path.dirname(_without_wildcards(source))
    return os.path.join(folder or ".", DEFAULT_NAME)


def existing_catalog(catalog: str | None) -> str:
    """The catalogue to read.

    ``--catalog`` may name the catalogue or a folder that holds ``.seealike``. Without it: the one in the
    working directory or a folder above it, else the one and only in a folder right below. People are told of
    one that does not lie in the working directory.

    Raises:
        NoCatalogError: there is none.
        UsageError: there are several below, and none was named.
    """
    if catalog is not None:
        return _inside(catalog)
    folder = os.getcwd()
    while True:
        if is_catalog(os.path.join(folder, DEFAULT_NAME)):
            return _told(os.path.relpath(os.path.join(folder, DEFAULT_NAME)))
        if os.path.dirname(folder) == folder:
            break
        folder = os.path.dirname(folder)
    below = sorted(
        os.path.join(entry.name, DEFAULT_NAME)
        for entry in os.scandir(".")
        if entry.is_dir() and is_catalog(os.path.join(entry.path, DEFAULT_NAME))
    )
    if len(below) > 1:
        raise UsageError(f"several catalogues here; name one: --catalog {' or '.join(below[:4])}")
    if not below:
        raise NoCatalogError(DEFAULT_NAME, "there is no catalogue here, above, or in a folder right below")
    return _told(below[0])


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


@contextmanager
def opened_catalogs(
    catalogs: tuple[str, ...],
    *outputs: OutputFile | None,
    encoder: str | None = None,
    limits: DecodeLimits = DecodeLimits(),
) -> Iterator[Catalog | Catalogs]:
    """The catalogue that a command means, or several that are to answer together.

    Raises:
        EncoderMismatchError: two of them have different encoders.
        UsageError: an output must not be written.
        NoCatalogError, DamagedCatalogError and others: see ``seealike.open``.
    """
    if len(catalogs) < 2:
        with opened_catalog(*(catalogs or (None,)), *outputs, encoder=encoder, limits=limits) as opened:
            yield opened
        return
    paths = [existing_catalog(one) for one in catalogs]
    for output in filter(None, outputs):
        for path in paths:
            output.check(path)
    with seealike.open_several(paths, encoder=encoder, limits=limits) as several:
        yield several


def _told(place: str) -> str:
    """Say which catalogue was found elsewhere: to people alone, and not where they asked for quiet."""
    context = click.get_current_context(silent=True)
    quiet = context is not None and context.params.get("quiet")
    if place != DEFAULT_NAME and not quiet and sys.stderr.isatty():
        echo(f"in {place}:", err=True)
    return place


def _inside(catalog: str) -> str:
    if is_address(catalog):
        return catalog
    inside = os.path.join(catalog, DEFAULT_NAME)
    return inside if not is_catalog(catalog) and is_catalog(inside) else catalog


def _without_wildcards(source: str) -> str:
    parts = source.replace("\\", "/").split("/") if os.sep == "\\" else source.split("/")
    for place, part in enumerate(parts):
        if any(mark in part for mark in "*?["):
            return "/".join([*parts[:place], ""])
    return source
