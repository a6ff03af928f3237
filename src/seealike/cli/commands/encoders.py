"""``seealike encoders``."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from seealike.cli.options.basic import format_option
from seealike.cli.printing.text import echo
from seealike.encoders import EncoderRecord, identity_of, known_encoders, parse_spec, plugin_names, record_for
from seealike.types import EncoderIdentity, Preprocessing

SCHEMES = {
    "onnx:FILE": ("any ONNX file", "onnx:model.onnx?layer=NAME&pool=avg&size=320&norm=imagenet"),
    "timm:NAME": ("any timm model; extra torch", "timm:resnet50"),
    "open_clip:NAME": ("pictures and texts; extra clip", "open_clip:ViT-B-32?weights=FILE"),
}
_MOST_SHOWN = 12


@click.command(name="encoders")
@click.argument("spec", required=False)
@format_option("How to print them.")
def command(spec: str | None, form: str) -> None:
    """List the encoders there are, or say all about the one that SPEC asks for.

    A SPEC is the name of a known or an installed encoder, or onnx:FILE, timm:NAME or open_clip:NAME; options
    follow after a question mark: layer, pool, size, resize, fit, interpolation, norm, weights.

    \b
    seealike encoders
    seealike encoders 'onnx:model.onnx?size=320'
    seealike encoders efficientnet-lite0 --format json
    """
    if spec is not None:
        _describe(spec, form)
    elif form == "json":
        click.echo(json.dumps(_listed(), default=str))
    else:
        _list()


def _listed() -> list[dict[str, object]]:
    known = [
        {"kind": "known", **asdict(record), "present": record.present, "example": record.name}
        for record in known_encoders()
    ]
    installed = [{"kind": "installed", "name": name, "example": name} for name in plugin_names()]
    schemes = [
        {"kind": "scheme", "name": name, "what": what, "example": example}
        for name, (what, example) in SCHEMES.items()
    ]
    return [*known, *installed, *schemes]


def _list() -> None:
    echo(f"{'name':<22}{'dimension':>10}{'size':>10}  {'licence':<12}present")
    for record in known_encoders():
        size = f"{record.size_bytes / 1e6:.1f} MB"
        present = "yes" if record.present else "no"
        echo(f"{record.name:<22}{record.dimension:>10}{size:>10}  {record.licence:<12}{present}")
    for name in plugin_names():
        echo(f"{name:<22}of an installed package; `seealike encoders {name}` says more")
    for name, (what, example) in SCHEMES.items():
        echo(f"{name:<22}{what:<34}{example}")


def _describe(text: str, form: str) -> None:
    spec = parse_spec(text)
    record = record_for(spec)
    identity = record.identity if record else identity_of(spec)
    computed = _tensors(record) if record else []
    if form == "json":
        content = {"spec": str(spec), **asdict(identity)}
        if record:
            content |= {**asdict(record), "present": record.present}
        content["tensors"] = [{"name": name, "shape": shape} for name, shape in computed]
        click.echo(json.dumps(content, default=str))
        return
    lines = {"spec": str(spec), **_identity_lines(identity)}
    if record:
        lines |= _record_lines(record)
    if computed:
        lines["layers"] = f"{len(computed):,} to take, each by name; --format json lists all, the last are"
    for name, value in lines.items():
        echo(f"{name:<12}{value}")
    for tensor, shape in computed[-_MOST_SHOWN:]:
        echo(f"  layer={tensor:<28} {' x '.join(map(str, shape))}")


def _identity_lines(identity: EncoderIdentity) -> dict[str, str]:
    return {
        "name": identity.name,
        "weights": f"SHA-256 {identity.weights_sha256}",
        "vectors": f"{identity.dimension} dimensions; layer {identity.layer}, pooling {identity.pooling}",
        "pictures": _prepared(identity.preprocessing),
    }


def _prepared(made: Preprocessing) -> str:
    side = {
        "crop": f"shorter side to {made.resize_px} px",
        "crop-floor": f"shorter side to {made.resize_px} px",
        "squash": f"squashed to {made.resize_px} x {made.resize_px} px",
        "pad": f"longer side to {made.resize_px} px, filled up to a square",
    }[made.fit]
    floor = ", rounded down" if made.fit == "crop-floor" else ""
    return f"{side}, {made.interpolation}; the centre {made.crop_px} x {made.crop_px} px{floor}"


def _record_lines(record: EncoderRecord) -> dict[str, str]:
    made = record.preprocessing
    order = ", then B, G, R" if made.bgr else ""
    means, deviations = (", ".join(f"{value:g}" for value in triple) for triple in (made.mean, made.std))
    lines = {
        "file": f"{record.file}, {record.size_bytes / 1e6:.1f} MB",
        "licence": record.licence,
        "source": record.source,
        "scaled": f"mean {means}; deviation {deviations}{order}",
    }
    if record.input == "pictures":
        lines["scaled"] = "by the model itself"
    if record.text:
        lines["text"] = record.text
    if record.assumed:
        lines["assumed"] = (
            f"{', '.join(record.assumed)}: nothing says otherwise; name it in the spec if it does"
        )
    return lines


def _tensors(record: EncoderRecord) -> list[tuple[str, list[int | None]]]:
    """What ``layer=`` can name, with the shapes for one picture."""
    from seealike.encoders import tensors_of

    return [(tensor.name, list(tensor.shape[1:])) for tensor in tensors_of(record)]
