"""``seealike encoders``."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from seealike.cli.options.basic import format_option, quiet_option, time_option
from seealike.cli.options.encoder import without_alias
from seealike.cli.printing.progress import progress_printer
from seealike.cli.printing.text import echo
from seealike.encoders import (
    ALIASES,
    EncoderRecord,
    Preset,
    PresetWish,
    find_installed,
    get_preset,
    get_repository,
    identity_of,
    known_encoders,
    parse_spec,
    plugin_names,
    preset_of,
    presets,
    record_for,
    remove_preset,
    speed_of,
)
from seealike.encoders.spec import HUB
from seealike.errors import SeealikeError
from seealike.types import EncoderIdentity, Preprocessing

if TYPE_CHECKING:
    from seealike.encoders import EncoderSpec, InstalledModel
    from seealike.encoders.hub.files import RemoteFile

SCHEMES = {
    "onnx:FILE": ("any ONNX file", "onnx:model.onnx?layer=NAME&pool=avg&size=320&norm=imagenet"),
    "timm:NAME": ("any timm model; extra torch", "timm:resnet50"),
    "open_clip:NAME": ("pictures and texts; extra clip", "open_clip:ViT-B-32?weights=FILE"),
    "hub:OWNER/NAME": ("any ONNX file of a hub", "hub:owner/name?file=model.onnx&revision=COMMIT&pool=cls"),
}
_MOST_SHOWN = 12
_DESCRIBE = "describe"


class _EncodersGroup(click.Group):
    """A few subcommands; whatever else is typed is the spec of an encoder."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The subcommand that the arguments begin with, or what describes an encoder."""
        return super().resolve_command(ctx, args if args[0] in self.commands else [_DESCRIBE, *args])


@click.group(
    name="encoders",
    cls=_EncodersGroup,
    invoke_without_command=True,
    subcommand_metavar="[SPEC | get NAME | rm NAME]",
)
@format_option("How to print them.")
@time_option("Measure images/s of those on this machine once and remember it, again, or not.")
@click.pass_context
def command(context: click.Context, form: str, timing: str) -> None:
    """List the encoders, describe one, fetch one or remove it.

    A SPEC is the name of a known, a fetched or an installed encoder, or onnx:FILE, timm:NAME, open_clip:NAME
    or hub:OWNER/NAME; options follow after a question mark: layer, pool, size, resize, fit, interpolation,
    norm, weights. Nothing of a hub is ever fetched but by get.

    \b
    seealike encoders
    seealike encoders 'onnx:model.onnx?size=320'
    seealike encoders efficientnet-lite0 --format json
    seealike encoders get fashion-siglip
    """
    if context.invoked_subcommand is not None:
        return
    speeds = {} if timing == "off" else _speeds(anew=timing == "again")
    if form == "json":
        click.echo(json.dumps(_listed(speeds), default=str))
    else:
        _list(speeds)


@command.command(_DESCRIBE, hidden=True)
@click.argument("spec")
@format_option("How to print it.")
@click.pass_context
def describe(context: click.Context, spec: str, form: str) -> None:
    """Say all about one encoder."""
    above = context.parent.params["form"] if context.parent else form
    _describe(without_alias(spec), above if form == "table" else form)


@command.command("get")
@click.argument("name")
@click.option("--revision", metavar="COMMIT", help="Take this commit of its repository: 40 digits.")
@click.option("--text", is_flag=True, help="Also take its text tower, for searches by words.")
@click.option("--from", "source", metavar="PATH", help="Take the files from this file or folder.")
@click.option("--accept-licence", "accepted", metavar="LICENCE", help="Accept a licence with conditions.")
@click.option("--offline", is_flag=True, help="Open no connection: only check what is here.")
@quiet_option
def get(
    name: str,
    revision: str | None,
    text: bool,
    source: str | None,
    accepted: str | None,
    offline: bool,
    quiet: bool,
) -> None:
    """Fetch the encoder NAME, check every file, try it, and say how quick it is here.

    NAME may also be hub:OWNER/NAME?file=FILE&revision=COMMIT, any ONNX file of a hub, with &text=FILE for its
    text tower. Who serves the files, how large they are and under which licence is said before. A run that
    was interrupted goes on where it was. HF_ENDPOINT names a mirror, HF_HUB_OFFLINE=1 allows no connection.

    \b
    seealike encoders get fashion-siglip
    seealike encoders get siglip-base --text
    seealike encoders get dinov2-small --from downloads/
    seealike encoders get 'hub:owner/name?file=model.onnx&revision=0123456789abcdef0123456789abcdef01234567'
    """
    wish = PresetWish(revision, text, accepted, source, offline)
    if parse_spec(name).scheme == HUB:
        _get_repository(parse_spec(name), wish, quiet=quiet)
        return
    if name in {record.name for record in known_encoders()}:
        echo(f"{name} comes with seealike: there is nothing to fetch", err=True)
        return
    preset = preset_of(without_alias(name))
    announce = _Announcing(fetched=source is None, quiet=quiet)
    announce.say(f"{preset.name}: {preset.about}; {preset.licence}, made from {preset.upstream}")
    with progress_printer(quiet, in_bytes=True) as progress:
        noted = get_preset(preset, wish, progress=progress, announce=announce)
    announce.say_if_nothing_came()
    words = ", with words" if noted.text is not None else ""
    rate = f"{speed_of(preset.name):,.0f} images/s here"
    echo(f"{preset.name}{words}: {preset.dimension} dimensions, {rate}; use it: --encoder {preset.name}")


def _get_repository(spec: EncoderSpec, wish: PresetWish, *, quiet: bool) -> None:
    from seealike.encoders.hub.repository import look_up

    if wish.revision is not None or wish.text:
        raise click.UsageError("for a file of a hub the spec says it: revision=COMMIT, text=FILE for words")
    found = look_up(spec, accepted=wish.accepted, offline=wish.offline, source=wish.source)
    announce = _Announcing(fetched=wish.source is None, quiet=quiet)
    how = f"pictures are prepared as {found.config} says" if found.config else "pictures as you say"
    announce.say(f"{spec.target}: licence {found.licence}; {how}")
    with progress_printer(quiet, in_bytes=True) as progress:
        record = get_repository(found, progress=progress, announce=announce)
    announce.say_if_nothing_came()
    words = ", with words" if record.text is not None else ""
    echo(f"{record.name}{words}: {record.dimension} dimensions, {speed_of(spec):,.0f} images/s here")
    echo(f"use it: --encoder {shlex.quote(str(spec))}")


class _Announcing:
    """Says which files are to come, how large they are and from where, before they do."""

    def __init__(self, *, fetched: bool, quiet: bool) -> None:
        self._quiet, self._came = quiet, False
        self._otherwise = "; without a network: --from PATH" if fetched else ""

    def __call__(self, files: Sequence[RemoteFile], size_bytes: int | None, whence: str) -> None:
        self._came = True
        size = "a size that is not stated" if size_bytes is None else f"{size_bytes / 1e6:,.1f} MB"
        paths: dict[str, list[str]] = {}
        for file in files:
            paths.setdefault(f"{file.repository} at {file.revision[:12]}", []).append(file.path)
        what = "; ".join(f"{origin}: {', '.join(names)}" for origin, names in paths.items())
        self.say(f"{size} from {whence}: {what}{self._otherwise}")
        if unknown := ", ".join(file.path for file in files if file.sha256 is None):
            self.say(
                f"no SHA-256 of {unknown} is known: what comes now is noted, and nothing else is taken later"
            )

    def say(self, line: str) -> None:
        if not self._quiet:
            echo(line, err=True)

    def say_if_nothing_came(self) -> None:
        if not self._came:
            self.say("all its files are here")


@command.command("rm")
@click.argument("name")
@quiet_option
def rm(name: str, quiet: bool) -> None:
    """Remove the encoder NAME that was fetched. Catalogues keep their copies.

    \b
    seealike encoders rm fashion-siglip
    """
    spec = parse_spec(name)
    if spec.scheme == HUB:
        from seealike.encoders.hub.repository import remove_repository

        freed = remove_repository(spec)
    else:
        name = preset_of(without_alias(name)).name
        freed = remove_preset(name)
    if not quiet:
        echo(f"removed {name}: {freed / 1e6:,.1f} MB; catalogues keep their copies")


def _speeds(*, anew: bool) -> dict[str, float]:
    """Images a second of every encoder that is here, as far as they run."""
    from seealike.encoders.hub.repository import taken_repositories

    names = [record.name for record in known_encoders() if record.present]
    names += [name for name in presets() if find_installed(name) is not None]
    names += [note.name for note in taken_repositories()]
    found: dict[str, float] = {}
    for name in names:
        with suppress(SeealikeError):
            found[name] = speed_of(name, anew=anew)
    return found


def _listed(speeds: Mapping[str, float]) -> list[dict[str, object]]:
    from seealike.encoders.hub.repository import taken_repositories

    known = [
        {
            "kind": "known",
            **asdict(record),
            "present": record.present,
            "example": record.name,
            "images_per_s": speeds.get(record.name),
        }
        for record in known_encoders()
    ]
    fetched = [_preset_row(preset, speeds.get(preset.name)) for preset in presets().values()]
    aliases = [{"kind": "alias", "name": name, "of": ALIASES[name], "example": name} for name in ALIASES]
    fetched += [
        {
            "kind": "hub",
            **asdict(note),
            "present": True,
            "example": note.name,
            "images_per_s": speeds.get(note.name),
        }
        for note in taken_repositories()
    ]
    installed = [{"kind": "installed", "name": name, "example": name} for name in plugin_names()]
    schemes = [
        {"kind": "scheme", "name": name, "what": what, "example": example}
        for name, (what, example) in SCHEMES.items()
    ]
    return [*known, *fetched, *aliases, *installed, *schemes]


def _preset_row(preset: Preset, images_per_s: float | None = None) -> dict[str, object]:
    noted = find_installed(preset.name)
    return {
        "kind": "preset",
        **asdict(preset),
        "size_bytes": preset.size_bytes(),
        "present": noted is not None,
        "text_present": noted is not None and noted.text is not None,
        "example": preset.name,
        "images_per_s": images_per_s,
    }


def _list(speeds: Mapping[str, float]) -> None:
    from seealike.encoders.hub.repository import taken_repositories

    echo(f"{'name':<22}{'dimension':>10}{'size':>10}  {'licence':<12}{'words':<7}{'present':<9}images/s")
    for record in known_encoders():
        _list_row(record.name, record, words=record.text is not None, present=record.present, speeds=speeds)
    for preset in presets().values():
        present = find_installed(preset.name) is not None
        _list_row(preset.name, preset, words=bool(preset.text_files), present=present, speeds=speeds)
    for note in taken_repositories():
        _list_row(note.name, note, words=note.text is not None, present=True, speeds=speeds)
    for name, meant in ALIASES.items():
        echo(f"{name:<22}stands for {meant}")
    for name in plugin_names():
        echo(f"{name:<22}of an installed package; `seealike encoders {name}` says more")
    for name, (what, example) in SCHEMES.items():
        echo(f"{name:<22}{what:<34}{example}")


def _list_row(
    name: str,
    encoder: EncoderRecord | Preset | InstalledModel,
    *,
    words: bool,
    present: bool,
    speeds: Mapping[str, float],
) -> None:
    bytes_ = encoder.size_bytes() if isinstance(encoder, Preset) else encoder.size_bytes
    size, rate = f"{bytes_ / 1e6:,.1f} MB", speeds.get(name)
    told = ["yes" if words else "no", "yes" if present else "no", "" if rate is None else f"{rate:,.0f}"]
    echo(
        f"{name:<22}{encoder.dimension:>10}{size:>10}  {encoder.licence:<12}"
        f"{told[0]:<7}{told[1]:<9}{told[2]}".rstrip()
    )


def _describe(text: str, form: str) -> None:
    spec = parse_spec(text)
    preset = presets().get(str(spec))
    if preset is not None and find_installed(preset.name) is None:
        _describe_absent(preset, form)
        return
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


def _describe_absent(preset: Preset, form: str) -> None:
    """Say what is known of a preset that is not here."""
    if form == "json":
        click.echo(json.dumps(_preset_row(preset), default=str))
        return
    revision = preset.revision or "(no revision is known; --revision says which)"
    layer = " or ".join(preset.outputs) or "its only output"
    lines = {
        "name": preset.name,
        "for": preset.about,
        "vectors": f"{preset.dimension} dimensions; layer {layer}, pooling {preset.pooling}",
        "pictures": _prepared(preset.preprocessing),
        "licence": f"{preset.licence}; made from {preset.upstream}",
        "source": f"hub {preset.repository} {revision}",
        "SHA-256": preset.pinned or "nobody states it; noted at first use",
        "published": ", ".join(f"{what} {value:g}" for what, value in preset.figures.items()) or "nothing",
    }
    if preset.figures_of:
        lines["published"] += f" ({preset.figures_of})"
    for name, value in lines.items():
        echo(f"{name:<12}{value}")
    for file in (*preset.files, *preset.text_files):
        echo(f"  {file.size_bytes / 1e6:>7,.1f} MB  {file.path:<26} {file.sha256 or 'no SHA-256 is known'}")
    echo(f"not on this machine; `seealike encoders get {preset.name}` fetches it")


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
