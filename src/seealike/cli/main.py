"""The entry point: commands are loaded when used, and errors become one line and an exit code."""

from __future__ import annotations

import importlib
import os
import sys

import click

from seealike._version import __version__
from seealike.cli.printing.text import echo
from seealike.cli.topics import MORE
from seealike.errors import SeealikeError, UnknownItemError, UsageError
from seealike.wording import closest, did_you_mean

COMMANDS = (
    "demo",
    "index",
    "embed",
    "search",
    "recommend",
    "duplicates",
    "info",
    "ls",
    "verify",
    "rm",
    "encoders",
    "reindex",
    "eval",
    "compare",
    "calibrate",
    "serve",
    "publish",
    "map",
    "train",
    "help",
)
EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130
EXIT_CODES: tuple[tuple[type[SeealikeError], int], ...] = (
    (UnknownItemError, EXIT_FAILED),
    (UsageError, EXIT_USAGE),
    (SeealikeError, EXIT_FAILED),
)


class LazyGroup(click.Group):
    """Imports a command's module only when that command is asked for: `search` must start quickly."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The commands, in the order a newcomer needs them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command called ``cmd_name``."""
        if cmd_name not in COMMANDS:
            return None
        command = importlib.import_module(f"seealike.cli.commands.{cmd_name}").command
        if not isinstance(command, click.Command):
            return None
        command.epilog = ", ".join(f"`seealike help {topic}`" for topic in MORE.get(cmd_name, ())) or None
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that the arguments begin with, or what was probably meant."""
        name = args[0] if args else ""
        if name and not name.startswith("-") and name not in COMMANDS:
            meant = did_you_mean(closest(name, COMMANDS)) or "`seealike --help` lists the commands"
            raise click.UsageError(f"there is no command {name!r}; {meant}", ctx)
        return super().resolve_command(ctx, args)


@click.command(
    cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(__version__, prog_name="seealike")
def cli() -> None:
    """What else looks like this? Visually similar pictures, from a folder or a product table.

    \b
    seealike demo                            see what it does, on pictures it draws itself
    seealike index photos/                   make a catalogue of a folder
    seealike search photo.jpg                find what looks like a picture
    seealike recommend --all -o similar.csv  lists for every item
    seealike help                            pages that explain: tutorial, tables, scores
    """


def run(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    _open_closed_streams()
    try:
        result = cli.main(args=arguments, prog_name="seealike", standalone_mode=False)
        sys.stdout.flush()
    except BaseException as exc:
        if os.environ.get("SEEALIKE_DEBUG") and not isinstance(exc, click.ClickException):
            raise
        return _failed(exc)
    return result if isinstance(result, int) else 0


def _open_closed_streams() -> None:
    """Where a standard stream is closed, put what swallows all: its number must not become another file's."""
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free: this one
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115  for the whole run


def _failed(exc: BaseException) -> int:
    """Say what went wrong, in one line; returns the exit code."""
    match exc:
        case SystemExit():
            code = exc.code if isinstance(exc.code, int) else EXIT_FAILED
        case click.ClickException():
            exc.show()
            code = exc.exit_code
        case click.Abort() | KeyboardInterrupt():
            _say("interrupted; what was committed is safe, and the same command goes on from there")
            code = EXIT_INTERRUPTED
        case BrokenPipeError():  # the reader of our output has seen enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            code = 0
        case SeealikeError():
            _say(str(exc))
            code = next(code for kind, code in EXIT_CODES if isinstance(exc, kind))
        case OSError():
            gone = "the working directory is gone; change into one that exists"
            _say(
                gone if _is_working_directory_gone() else f"{exc.filename or 'output'}: {exc.strerror or exc}"
            )
            code = EXIT_FAILED
        case _:
            _say(
                f"internal error: {type(exc).__name__}: {exc}; SEEALIKE_DEBUG=1 shows where; please report it"
            )
            code = EXIT_FAILED
    return code


def _is_working_directory_gone() -> bool:
    try:
        return not os.path.isdir(os.getcwd())
    except OSError:
        return True


def _say(message: str) -> None:
    echo(f"seealike: {' '.join(message.split())}", err=True)
