"""``seealike help``."""

from __future__ import annotations

import sys

import click

from seealike.cli.printing.text import echo, encodable
from seealike.cli.topics import read_page, title_of, topics
from seealike.errors import UsageError
from seealike.wording import closest, did_you_mean


@click.command(name="help")
@click.argument("topic", required=False)
@click.pass_context
def command(context: click.Context, topic: str | None) -> None:
    """Show a page of the documentation, or a command's options.

    Without TOPIC list the pages.

    \b
    seealike help
    seealike help tables
    """
    pages = topics()
    group = context.parent.command if context.parent else None
    commands = group.list_commands(context) if isinstance(group, click.Group) else []
    if topic is None:
        width = max(map(len, pages))
        for name, file in pages.items():
            echo(f"{name:<{width}}  {title_of(file)}")
    elif topic in pages:
        click.echo_via_pager(encodable(read_page(pages[topic]), sys.stdout.encoding))
    elif topic in commands and isinstance(group, click.Group):
        named = group.get_command(context, topic)
        if named is not None:
            click.echo(named.get_help(click.Context(named, parent=context.parent, info_name=topic)))
    else:
        meant = did_you_mean(closest(topic, [*pages, *commands])) or "`seealike help` lists the pages"
        raise UsageError(f"there is no page {topic!r}; {meant}")
