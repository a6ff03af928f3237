"""The options that say which encoder: a spec, and its most usual settings as options of their own."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import click

from seealike.catalog import DEFAULT_ENCODER, open
from seealike.cli.options.basic import Function, Gathered, together
from seealike.cli.printing.text import echo
from seealike.encoders.spec import ALIASES, Pooling, parse_spec, with_options
from seealike.vectors import VectorType

_SETTINGS = ("encoder", "layer", "pool", "weights", "focus")


class AskedEncoder(NamedTuple):
    """The encoder that was named, if one was, and its settings."""

    encoder: str | None
    settings: dict[str, str]

    def spec(self, own: str = DEFAULT_ENCODER) -> str | None:
        """The spec that they stand for, of ``own`` where no encoder was named; None where nothing was said.

        Raises:
            UsageError: they make no sense.
            UnknownNameError: there is no such option or value.
        """
        if self.encoder is None and not self.settings:
            return None
        return str(with_options(parse_spec(self.encoder or own), self.settings))

    def of_catalogue(self, path: str) -> str | None:
        """The same, where settings alone are of the encoder that the catalogue at ``path`` has.

        Raises:
            NoCatalogError, DamagedCatalogError and others: see ``seealike.open``.
        """
        if self.encoder is not None or not self.settings:
            return self.spec()
        with open(path) as opened:
            return self.spec(opened.encoder_spec or DEFAULT_ENCODER)


def encoder_options(default: str) -> Callable[[Function], Function]:
    """``--encoder``, ``--layer``, ``--pool``, ``--weights``, ``--focus``, for a command that embeds pictures.

    The command gets them as ``asked``, an ``AskedEncoder``.
    ``default`` says in the help what is taken without them.
    """
    return together(
        click.option("--encoder", metavar="SPEC", help=f"See `seealike encoders`.  [default: {default}]"),
        click.option(
            "--layer", metavar="NAME", help="Take this layer or tensor of the model, not its output."
        ),
        click.option(
            "--pool",
            type=click.Choice([pool.value for pool in Pooling]),
            help="How what comes out becomes one vector.  [default: avg, of maps and tokens]",
        ),
        click.option("--weights", metavar="FILE", help="With timm: or open_clip: the weights, from a file."),
        click.option("--focus", is_flag=True, help="Look at what a picture shows, not at the whole."),
        click.argument("asked", cls=Gathered, of=_SETTINGS, into=lambda: _asked),
    )


def place_option(function: Function) -> Function:
    """``--encoder``, for a command that works with the catalogue's own encoder."""
    return click.option(
        "--encoder",
        metavar="SPEC",
        callback=lambda _context, _option, spec: spec and without_alias(spec),
        help="Where the catalogue's encoder lies now, if it has been moved: onnx:FILE.",
    )(function)


def link_option(function: Function) -> Function:
    """``--link-encoder``, for a command that gives a catalogue its encoder."""
    return click.option(
        "--link-encoder/--copy-encoder",
        default=None,
        help="Do without a copy of the encoder in the catalogue, or have one.  [default: as last time; copy]",
    )(function)


def vectors_option(default: str) -> Callable[[Function], Function]:
    """``--vectors``, for a command that makes vectors; ``default`` says what is taken without it."""
    return click.option(
        "--vectors",
        type=click.Choice([kept.value for kept in VectorType]),
        help=f"In which numbers to keep vectors: int8 takes half the room.  [default: {default}]",
    )


def _asked(
    encoder: str | None, layer: str | None, pool: str | None, weights: str | None, *, focus: bool
) -> AskedEncoder:
    given = {"layer": layer, "pool": pool, "weights": weights, "focus": "1" if focus else None}
    settings = {name: value for name, value in given.items() if value is not None}
    return AskedEncoder(encoder and without_alias(encoder), settings)


def without_alias(spec: str) -> str:
    """A spec with the name of an encoder in the place of what it is good for; people are told which."""
    name, question, options = spec.partition("?")
    if name not in ALIASES:
        return spec
    if not click.get_current_context().params.get("quiet"):
        echo(f"{name} stands for {ALIASES[name]}", err=True)
    return f"{ALIASES[name]}{question}{options}"
