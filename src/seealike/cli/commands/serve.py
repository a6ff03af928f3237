"""``seealike serve``."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import click

from seealike.catalog import DEFAULT_ENCODER, Catalogs, create, is_address, is_catalog
from seealike.cli.locate import DEFAULT_NAME, existing_catalog, opened_catalogs
from seealike.cli.options.basic import Gathered, GatheringCommand, catalogs_option, number_option
from seealike.cli.options.encoder import without_alias
from seealike.cli.printing.text import echo
from seealike.errors import MissingExtraError, NoCatalogError, UsageError

if TYPE_CHECKING:
    from seealike.service import Keys


class _Limits(NamedTuple):
    """How much of it is asked at most."""

    rate: float
    pictures: int
    body_mb: int
    deadline: float


@click.command(name="serve", cls=GatheringCommand)
@catalogs_option
@click.option(
    "--create", "makes", is_flag=True, help="Where there is no catalogue yet, begin with an empty one."
)
@click.option(
    "--encoder",
    metavar="SPEC",
    callback=lambda _context, _option, spec: spec and without_alias(spec),
    help=f"With --create: its encoder, see `seealike encoders`.  [default: {DEFAULT_ENCODER}]",
)
@click.option(
    "--host", default="127.0.0.1", show_default=True, metavar="ADDRESS", help="The address to listen on."
)
@number_option("--port", default=8765, least=0, metavar="PORT", text="The port; 0 takes a free one.")
@click.option("--key-file", metavar="FILE", help="Who may do what: lines such as `read KEY` or `write KEY`.")
@click.option(
    "--allow-host",
    "hosts",
    multiple=True,
    metavar="NAME",
    help="A name by which the service may be called, beside its address. May be repeated.",
)
@click.option(
    "--allow-origin",
    "origins",
    multiple=True,
    metavar="ORIGIN",
    help="Pages of this origin may ask, such as https://shop.example. May be repeated.",
)
@click.option(
    "--allow-urls",
    "takes_urls",
    is_flag=True,
    help="Fetch pictures from public addresses on the web that it is asked with.",
)
@click.option(
    "--rate",
    type=click.FloatRange(min=0),
    default=0.0,
    show_default=True,
    metavar="R",
    help="Requests a second that each key, or address, may make in the long run; 0: any number.",
)
@number_option(
    "--pictures",
    default=128,
    least=1,
    text="How many pictures may be under way before it says that it is full.",
)
@number_option("--body-mb", default=32, least=1, text="The largest body of a request, in MiB.")
@click.option(
    "--deadline",
    type=click.FloatRange(min=0, min_open=True),
    default=30.0,
    show_default=True,
    metavar="S",
    help="After so many seconds a request is answered that it took too long.",
)
@click.argument("limits", cls=Gathered, of=_Limits._fields, into=lambda: _Limits)
def command(
    catalogs: tuple[str, ...],
    makes: bool,
    encoder: str | None,
    host: str,
    port: int,
    key_file: str | None,
    hosts: tuple[str, ...],
    origins: tuple[str, ...],
    takes_urls: bool,
    limits: _Limits,
) -> None:
    """Answer over HTTP what looks like what, until Ctrl-C.

    It listens on this machine alone, unless --key-file says who may ask. /openapi.json says what there is.
    Whoever has no pictures yet says --create, and adds them on the page.

    \b
    seealike serve
    seealike serve --create -C shop.catalog
    seealike serve --create -C clothes.catalog --encoder clothing
    seealike serve -C shop.catalog --port 80 --host 0.0.0.0 --key-file keys.txt --allow-host shop.example
    curl --data-binary @photo.jpg -H 'content-type: image/jpeg' 'http://127.0.0.1:8765/search?k=5'
    """
    try:
        from seealike.service import LOOPBACK, Keys, ServiceOptions, serve
    except ModuleNotFoundError as exc:
        raise MissingExtraError("`seealike serve`", "serve") from exc
    keys = Keys() if key_file is None else _keys(key_file)
    if makes:
        catalogs = (_made(catalogs, encoder or DEFAULT_ENCODER),)
    elif encoder:
        raise click.UsageError("--encoder goes with --create: a catalogue that is there keeps its own")
    with opened_catalogs(
        catalogs, encoder=encoder
    ) as opened:  # what is wrong is said before anybody is told an address
        names = [one.path for one in (opened.catalogs if isinstance(opened, Catalogs) else [opened])]
        is_empty = len(opened) == 0
    paths = catalogs if any(map(is_address, catalogs)) else names
    body_bytes = limits.body_mb * 2**20
    options = ServiceOptions(
        host=host,
        port=port,
        keys=keys,
        hosts=hosts,
        origins=origins,
        takes_urls=takes_urls,
        rate=limits.rate,
        pictures=limits.pictures,
        body_bytes=body_bytes,
        body_memory=16 * body_bytes,
        deadline_s=limits.deadline,
    )

    def say(address: str) -> None:
        echo(f"{', '.join(names)}: serving at {address} (Ctrl-C ends it)", err=True)
        if is_empty:
            echo(f"there are no pictures yet: add some at {address}/?view=adding", err=True)
        if not hosts and host not in LOOPBACK:
            echo(f"only calls of {host} and localhost are answered; --allow-host NAME adds a name", err=True)

    try:
        serve(paths, options, say=say)
    except KeyboardInterrupt:  # it has answered what it had accepted
        echo("ended", err=True)


def _made(catalogs: tuple[str, ...], encoder: str) -> str:
    """The catalogue that is meant; made, without items, where there is none yet.

    Raises:
        CatalogExistsError: something else lies there.
        StorageError: the disk refused.
        UnknownNameError, UsageError, MissingExtraError, EncoderError: the encoder cannot be used.
    """
    if len(catalogs) > 1:
        raise click.UsageError("--create makes one catalogue: name one with -C")
    named = next(iter(catalogs), None)
    try:
        path = existing_catalog(named)
    except NoCatalogError:
        path = DEFAULT_NAME
    if not is_catalog(path):
        create(path, encoder=encoder).close()
    return path


def _keys(path: str) -> Keys:
    """The keys in a file.

    Raises:
        UsageError: it cannot be read, or is no key file.
    """
    from seealike.service import Keys

    try:
        with open(path, encoding="utf-8") as file:
            return Keys.parse(file.read())
    except (OSError, UnicodeDecodeError) as exc:
        raise UsageError(f"the key file {path} cannot be read: {exc}") from None
