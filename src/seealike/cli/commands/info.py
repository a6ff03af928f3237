"""``seealike info``."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

import seealike
from seealike.catalog import CatalogInfo, SourceInfo
from seealike.cli.locate import existing_catalog
from seealike.cli.options.basic import catalog_option, format_option
from seealike.cli.printing.text import echo
from seealike.wording import counted


@click.command(name="info")
@catalog_option
@format_option("How to print it.")
def command(catalog: str | None, form: str) -> None:
    """Say what is in a catalogue: counts, encoder, size, and more.

    \b
    seealike info
    seealike info --format json
    """
    with seealike.open(existing_catalog(catalog)) as opened:
        info = opened.info()
    if form == "json":
        click.echo(json.dumps(asdict(info), ensure_ascii=True))
    else:
        _print(info)


def _print(info: CatalogInfo) -> None:
    encoder = info.encoder
    lines = {
        "catalogue": info.path,
        "items": f"{info.items:,}",
        "skipped": f"{info.skipped:,}",
        "generation": str(info.generation),
        "encoder": f"{encoder.name}, {encoder.dimension} dimensions, weights {encoder.weights_sha256[:12]}",
        "model": _model_line(info),
        "vectors": f"{info.vectors}, {info.vector_bytes:,} bytes each",
        "size": f"{info.size_bytes / 1e6:,.1f} MB" if info.size_bytes else "the engine knows",
        "search": _search_line(info),
    }
    if info.calibration is not None:
        lines["scores"] = _scores_line(info)
    for name, value in lines.items():
        echo(f"{name:<12}{value}")
    for source in info.sources:
        echo(f"{'source':<12}{_source_line(source)}")
    if info.by_hand:
        echo(f"{'by hand':<12}{counted(info.by_hand, 'item')}")
    for reason, count in info.skipped_by_reason.items():
        echo(f"  {reason.value:<24}{count:,}")


def _scores_line(info: CatalogInfo) -> str:
    calibration = info.calibration
    if calibration is None:
        return ""
    told = ", ".join(relation.words for relation in calibration.relations)
    since = f"; since then {counted(info.changed_since, 'change')}" if info.changed_since else ""
    again = ": `seealike calibrate` again" if info.is_stale else ""
    of = counted(calibration.items, "item")
    return f"{told}: learnt on {calibration.learnt_on} from {of}{since}{again}"


def _source_line(source: SourceInfo) -> str:
    prefix = f", ids begin with {source.prefix}" if source.prefix else ""
    missing = f", {source.missing:,} of them missing there and kept" if source.missing else ""
    read = [f"{meaning}={name}" for meaning, name in source.columns.items()] + [source.encoding]
    layout = f", read with {' '.join(filter(None, read))}" if any(read) else ""
    items = counted(source.items, "item")
    return f"{source.label}: {items}{missing}, {source.skipped:,} skipped{prefix}{layout}"


def _model_line(info: CatalogInfo) -> str:
    place = info.encoder_place
    if place.state == "copy":
        return f"a copy of its own, {place.size_bytes / 1e6:,.1f} MB"
    return f"linked: {place.path}" if place.path is not None else "installed"


def _search_line(info: CatalogInfo) -> str:
    ann = info.ann
    if ann.state == "none":
        return "exact"
    if ann.state == "engine":
        return "by the engine, whose index proposes; scores are exact"
    if ann.state != "ready":
        return (
            f"exact (approximate index {ann.state}; `seealike index` or `seealike verify --repair` makes it)"
        )
    recall = "" if ann.recall_at_10 is None else f", recall@10 {ann.recall_at_10:.4f}"
    return f"approximate over {ann.items:,}{recall}, exact over the {ann.tail:,} newest"
