"""``seealike verify``."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from seealike.catalog import VerifyReport, verify
from seealike.cli.locate import existing_catalog
from seealike.cli.options.basic import catalog_option, format_option, number_option
from seealike.cli.printing.text import echo
from seealike.errors import repair_remedy
from seealike.wording import counted


@click.command(name="verify")
@catalog_option
@click.option(
    "--repair", is_flag=True, help="Put right what can be; damaged items come back with the next index."
)
@number_option("--sample", default=200, text="On how many items to compare approximate with exact search.")
@format_option("How to print the findings.")
def command(catalog: str | None, repair: bool, sample: int, form: str) -> None:
    """Check a catalogue for damage, and its approximate index.

    Every checksum is compared, orphans are looked for, and approximate search is compared with exact. Ends
    with exit code 1 if something is wrong.

    \b
    seealike verify
    seealike verify --repair
    """
    path = existing_catalog(catalog)
    report = verify(path, repair=repair, sample=sample)
    if form == "json":
        click.echo(json.dumps({**asdict(report), "ok": report.ok}))
    else:
        _print(report, path)
    if not report.ok:
        click.get_current_context().exit(1)


def _print(report: VerifyReport, path: str) -> None:
    for finding in report.findings:
        echo(f"{'repaired' if finding.repaired else 'damaged'}: {finding.file}: {finding.what}")
    if report.recall_at_10 is not None:
        echo(f"approximate search: recall@10 {report.recall_at_10:.4f} on {counted(report.sample, 'item')}")
    verdict = "ok" if report.ok else f"damaged; {repair_remedy(path)}"
    if report.ok and any(finding.repaired for finding in report.findings):
        verdict = "ok; `seealike index` reads again what was taken out"
    echo(f"{counted(report.items, 'item')}: {verdict}")
