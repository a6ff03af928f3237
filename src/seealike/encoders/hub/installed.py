"""Presets that are on this machine: fetched, or taken from files, tried once, and used like any ONNX file.

    <cache>/hub/<name>/model.onnx  model.json      the picture tower and its card; what else belongs to it
                      text.onnx  text.json  tokenizer.json
                      installed.json               what it is, and under which licence it was taken
    <cache>/hub/pins/                              what files without a published SHA-256 were at first

The note is written last: without it nothing is installed. A catalogue keeps its own copy of what it uses.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from typing import TypeAlias

from seealike.encoders.cache import file_sha256
from seealike.encoders.card import EncoderCard, InputForm, write_card
from seealike.encoders.hub.files import Hub, Pins, RemoteFile, hub_dir
from seealike.encoders.hub.presets import PICTURES_FILE, TEXT_FILE, Preset
from seealike.encoders.models import EncoderRecord
from seealike.encoders.onnx.record import onnx_record
from seealike.encoders.spec import ONNX, EncoderSpec
from seealike.encoders.text_card import write_text_card
from seealike.errors import EncoderError, StorageError, UsageError
from seealike.files import FileSystem
from seealike.types import ProgressCallback, unwatched

NOTE_NAME = "installed.json"
_MOST_NOTE_BYTES = 100_000
Trial: TypeAlias = Callable[[EncoderRecord], None]


@dataclass(frozen=True, slots=True)
class PresetWish:
    """How somebody wants a preset.

    Args:
        revision: the commit to take; None: the one that the preset states.
        text: whether the text tower is wanted too.
        accepted: the licence with conditions that they accept.
        source: a file, or a folder of files, to take instead of fetching; None: the hub's.
        offline: never open a connection.
    """

    revision: str | None = None
    text: bool = False
    accepted: str | None = None
    source: str | None = None
    offline: bool = False


@dataclass(frozen=True, slots=True)
class InstalledPreset:
    """What is noted of a preset on this machine.

    ``files`` has the SHA-256 of each by its name here; ``accepted`` is the licence with conditions that was
    accepted for it, if it has one.
    """

    name: str
    repository: str
    revision: str
    licence: str
    accepted: str | None
    text: bool
    weights_sha256: str
    files: dict[str, str]


@dataclass(frozen=True, slots=True)
class PresetPlan:
    """What would be done for a wish.

    Args:
        preset: what is wanted.
        wish: how.
        hub: where from.
        files: all that belong to it.
        missing: those that are not here yet.
        lacking_bytes: the size of these, as far as it is known.
    """

    preset: Preset
    wish: PresetWish
    hub: Hub
    files: Sequence[RemoteFile]
    missing: Sequence[RemoteFile]
    lacking_bytes: int

    @property
    def unknown(self) -> list[RemoteFile]:
        """Those missing whose SHA-256 nobody has published."""
        return [file for file in self.missing if file.sha256 is None]


def plan_preset(preset: Preset, wish: PresetWish, cache_dir: str | None = None) -> PresetPlan:
    """What a wish needs. Files that are here are read.

    Raises:
        UsageError: a licence is to be accepted first, or the revision is none.
        EncoderError: no revision is known, or it has no text tower.
    """
    from seealike.encoders.hub.download import is_whole

    before = find_installed(preset.name, cache_dir)
    _check_accepted(preset, wish, before)
    text = wish.text or (before is not None and before.text)
    remembered = before.revision if before is not None and preset.revision is None else None
    files = preset.remote_files(wish.revision or remembered, text=text)
    folder, pins = preset_dir(preset.name, cache_dir), Pins(hub_dir(cache_dir))
    sizes = [file.size_bytes for file in (*preset.files, *preset.text_files)]
    missing = {
        file: size
        for file, size in zip(files, sizes, strict=False)
        if not is_whole(os.path.join(folder, file.local_name), file.sha256 or pins.get(file))
    }
    hub = Hub.from_environment()
    hub = replace(hub, offline=hub.offline or wish.offline)
    return PresetPlan(preset, wish, hub, files, tuple(missing), sum(missing.values()))


def install_preset(
    plan: PresetPlan,
    trial: Trial,
    *,
    cache_dir: str | None = None,
    progress: ProgressCallback = unwatched,
) -> InstalledPreset:
    """Fetch what is missing of a preset, or take it from files; try it; note it.

    ``trial`` raises where the encoder does not run.

    Raises:
        EncoderError: a file cannot be had, or is another one, or the model does not run; it is not installed.
    """
    from seealike.encoders.hub.download import disk_refused, fetch, one_writer

    preset = plan.preset
    folder, pins = preset_dir(preset.name, cache_dir), Pins(hub_dir(cache_dir))
    with one_writer(folder):
        try:
            if plan.wish.source is not None:
                _take(plan.missing, plan.wish.source, folder, pins)
            fetch(plan.missing, folder, hub=plan.hub, pins=pins, progress=progress)
            record = _described(preset, plan.files, folder, cache_dir)
            trial(record)
            noted = InstalledPreset(
                name=preset.name,
                repository=plan.files[0].repository,
                revision=plan.files[0].revision,
                licence=preset.licence,
                accepted=preset.conditions.accept if preset.conditions else None,
                text=record.text is not None,
                weights_sha256=record.weights_sha256,
                files={file.local_name: file.sha256 or pins.get(file) or "" for file in plan.files},
            )
            content = json.dumps(asdict(noted), indent=2).encode()
            FileSystem().write(os.path.join(folder, NOTE_NAME), content, follow=False)
        except StorageError as exc:
            raise disk_refused(folder, exc) from exc
    return noted


def preset_record(preset: Preset, spec: EncoderSpec, cache_dir: str | None = None) -> EncoderRecord:
    """The record of a preset that is on this machine, used as ``spec`` says.

    Raises:
        UsageError: its options make no sense for it.
        EncoderError: it is not here, or damaged.
    """
    if spec.target:
        raise UsageError(
            f"the encoder {preset.name} takes nothing after a colon, but options: {preset.name}?layer=.."
        )
    noted = find_installed(preset.name, cache_dir)
    if noted is None:
        raise EncoderError(
            f"{preset.name} is not on this machine; `seealike encoders get {preset.name}` fetches it from "
            f"{Hub.from_environment().host} ({preset.size_bytes() / 1e6:,.0f} MB, {preset.licence})"
        )
    path = os.path.join(preset_dir(preset.name, cache_dir), PICTURES_FILE)
    record = onnx_record(replace(spec, scheme=ONNX, target=path), cache_dir)
    if record.weights_sha256 != noted.weights_sha256:
        raise EncoderError(f"{path} is damaged; `seealike encoders get {preset.name}` fetches it again")
    return record


def find_installed(name: str, cache_dir: str | None = None) -> InstalledPreset | None:
    """What is noted of a preset on this machine; None where it is not, or not all of it, here."""
    folder = preset_dir(name, cache_dir)
    try:
        with open(os.path.join(folder, NOTE_NAME), encoding="utf-8") as file:
            noted = InstalledPreset(**json.loads(file.read(_MOST_NOTE_BYTES)))
        whole = all(os.path.isfile(os.path.join(folder, name)) for name in noted.files)
    except (OSError, ValueError, TypeError, AttributeError):
        return None
    return noted if whole and noted.name == name else None


def remove_preset(name: str, cache_dir: str | None = None) -> int:
    """Remove a preset from this machine, or what has come of it; how many bytes that frees.

    Catalogues keep their copies, and what was noted of its files stays: the next time they must be the same.

    Raises:
        EncoderError: there is nothing of it, or another process is fetching it.
    """
    from seealike.encoders.hub.download import one_writer

    folder, files = preset_dir(name, cache_dir), FileSystem()
    if not os.path.isdir(folder):
        raise EncoderError(f"there is nothing of {name} on this machine; `seealike encoders` lists what is")
    with one_writer(folder):
        files.remove(os.path.join(folder, NOTE_NAME))
        freed = sum(entry.stat().st_size for entry in os.scandir(folder))
    files.remove_tree(folder)
    return freed


def preset_dir(name: str, cache_dir: str | None = None) -> str:
    """The folder of a preset."""
    return os.path.join(hub_dir(cache_dir), name)


def _check_accepted(preset: Preset, wish: PresetWish, before: InstalledPreset | None) -> None:
    wanted = preset.conditions
    if wanted is None or wish.accepted == wanted.accept:
        return
    if before is not None and before.accepted == wanted.accept and wish.accepted is None:
        return
    raise UsageError(
        f"{preset.name} has a licence with conditions: {wanted.says}; read {wanted.url}, and accept it by "
        f"--accept-licence {wanted.accept}"
    )


def _described(
    preset: Preset, files: Sequence[RemoteFile], folder: str, cache_dir: str | None
) -> EncoderRecord:
    """Write the cards of what has come, and read it as it will be used.

    Raises:
        EncoderError: it is no such model.
    """
    path, text_path = os.path.join(folder, PICTURES_FILE), os.path.join(folder, TEXT_FILE)
    has_text = preset.text_card is not None and any(file.local_name == TEXT_FILE for file in files)
    card = EncoderCard(
        name=preset.name,
        preprocessing=preset.preprocessing,
        layer="output",
        pooling=preset.pooling,
        input=InputForm.TENSOR,
        licence=preset.licence,
        source=f"hub {files[0].repository}@{files[0].revision}; of {preset.upstream}",
        text=TEXT_FILE if has_text else None,
    )
    record = _read_with(path, card, preset.outputs, cache_dir)
    if record.dimension != preset.dimension:
        raise EncoderError(
            f"{path} gives vectors of {record.dimension:,} numbers, {preset.name} of {preset.dimension:,}: "
            "it is another model"
        )
    if preset.text_card is not None and has_text:
        write_text_card(text_path, replace(preset.text_card, pictures_sha256=record.weights_sha256))
    return record


def _read_with(path: str, card: EncoderCard, outputs: Sequence[str], cache_dir: str | None) -> EncoderRecord:
    """The record of a file with its card, the tensor being the first of these that there is.

    Raises:
        EncoderError: there is none of them, or it is no model.
    """
    for output in outputs[:-1]:
        write_card(path, replace(card, output=output))
        with suppress(EncoderError):
            return onnx_record(EncoderSpec.of_file(path), cache_dir)
    write_card(path, replace(card, output=outputs[-1] if outputs else None))
    return onnx_record(EncoderSpec.of_file(path), cache_dir)


def _take(files: Sequence[RemoteFile], source: str, folder: str, pins: Pins) -> None:
    """Copy files that somebody brought, if they are the right ones.

    Raises:
        EncoderError: one is missing or another one, or cannot be read.
        StorageError: the disk refused.
    """
    for file in files:
        path = _found(file, source, single=len(files) == 1)
        wanted, digest = file.sha256 or pins.get(file), file_sha256(path)
        if digest != wanted and wanted is not None:
            raise EncoderError(f"{path} is not {file}: its SHA-256 is {digest}, not {wanted}")
        if wanted is None:
            pins.put(file, digest)
        target = os.path.join(folder, file.local_name)
        with FileSystem().replacing(target, follow=False) as temporary:
            shutil.copyfile(path, temporary)


def _found(file: RemoteFile, source: str, *, single: bool) -> str:
    """Where a file is among those that somebody brought: by its path in the repository, or by its name."""
    if single and os.path.isfile(source):
        return source
    names = dict.fromkeys((file.path, file.local_name, os.path.basename(file.path)))
    for path in (os.path.join(source, *name.split("/")) for name in names):
        if os.path.isfile(path):
            return path
    digest = f", SHA-256 {file.sha256}" if file.sha256 else ""
    raise EncoderError(f"there is no {' and no '.join(names)} in {source}: {file}{digest}")
