"""Presets that are on this machine: fetched, or taken from files, tried once, and used like any ONNX file.

    <cache>/hub/<name>/model.onnx  model.json      the picture tower and its card; what else belongs to it
                      text.onnx  text.json  tokenizer.json
                      installed.json               what it is, every file of it, and under which licence
                      arriving/                    the same while it comes and is tried

What was there before stays until the new has been tried. The note is written last: without it nothing is
installed. It is also what knows the SHA-256 of files of which nobody has published one. A catalogue keeps its
own copy of what it uses.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from typing import TypeAlias

from seealike.encoders.cache import default_cache_dir, file_sha256, is_sha256, remembered_sha256
from seealike.encoders.card import EncoderCard, InputForm, card_path, write_card
from seealike.encoders.hub.files import ARRIVING, PRESET_NOTE, Hub, RemoteFile, hub_dir
from seealike.encoders.hub.presets import PICTURES_FILE, TEXT_FILE, Preset
from seealike.encoders.models import EncoderRecord
from seealike.encoders.onnx.record import onnx_record
from seealike.encoders.spec import ONNX, EncoderSpec
from seealike.encoders.text_card import text_card_path, write_text_card
from seealike.errors import EncoderError, SeealikeError, StorageError, UsageError
from seealike.files import FileSystem
from seealike.types import ProgressCallback, unwatched

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
        missing: those that are not here yet, when it was made.
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
    folder = preset_dir(preset.name, cache_dir)
    before = _noted(preset.name, folder)
    preset.check_accepted(wish.accepted or (before.accepted if before else None), preset.name)
    text = wish.text or (before is not None and before.text)
    remembered = before.revision if before is not None and preset.revision is None else None
    files = preset.remote_files(wish.revision or remembered, text=text)
    sizes = [file.size_bytes for file in (*preset.files, *preset.text_files)]
    files = [_as_noted(file, before, folder) for file in files]
    missing = {file: size for file, size in zip(files, sizes, strict=False) if not _place(file, folder)}
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
    """Fetch what is missing of a preset, or take it from files; try it; put it where the one before was.

    ``trial`` raises where the encoder does not run.

    Raises:
        EncoderError: a file cannot be had, or is another one, or the model does not run: what was installed
            is as it was, and of what came the files stay whose SHA-256 was known.
    """
    from seealike.encoders.hub.download import disk_refused, one_writer

    preset, folder = plan.preset, preset_dir(plan.preset.name, cache_dir)
    arriving = os.path.join(folder, ARRIVING)
    with one_writer(folder):
        try:
            digests = _bring(plan, folder, progress)
            record = _tried(plan, arriving, trial, cache_dir)
            noted = InstalledPreset(
                name=preset.name,
                repository=plan.files[0].repository,
                revision=plan.files[0].revision,
                licence=preset.licence,
                accepted=preset.conditions.accept if preset.conditions else None,
                text=record.text is not None,
                weights_sha256=record.weights_sha256,
                files=digests,
            )
            cards = [card_path(PICTURES_FILE), *([text_card_path(TEXT_FILE)] if noted.text else [])]
            _put_in_place([*digests, *cards], arriving, folder)
            content = json.dumps(asdict(noted), indent=2).encode()
            FileSystem().write(os.path.join(folder, PRESET_NOTE), content, follow=False)
        except (OSError, StorageError) as exc:
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
    damaged = path if record.weights_sha256 != noted.weights_sha256 else None
    if noted.text and damaged is None:
        own = {file.local_name for file in preset.remote_files(noted.revision)}
        texts = {name: digest for name, digest in noted.files.items() if name not in own}
        damaged = _changed(texts, path, cache_dir)
    if damaged is not None:
        raise EncoderError(f"{damaged} is damaged; `seealike encoders get {preset.name}` fetches it again")
    return record


def _changed(digests: dict[str, str], beside: str, cache_dir: str | None) -> str | None:
    """Which of the files beside a model is not what was noted of it; each is read once."""
    for name, digest in digests.items():
        path = os.path.join(os.path.dirname(beside), name)
        if remembered_sha256(path, cache_dir or default_cache_dir()) != digest:
            return path
    return None


def find_installed(name: str, cache_dir: str | None = None) -> InstalledPreset | None:
    """What is noted of a preset on this machine; None where it is not, or not all of it, here."""
    folder = preset_dir(name, cache_dir)
    noted = _noted(name, folder)
    whole = noted is not None and all(os.path.isfile(os.path.join(folder, file)) for file in noted.files)
    return noted if whole else None


def _noted(name: str, folder: str) -> InstalledPreset | None:
    """The note of a preset, whatever is left of its files."""
    try:
        with open(os.path.join(folder, PRESET_NOTE), encoding="utf-8") as file:
            noted = InstalledPreset(**json.loads(file.read(_MOST_NOTE_BYTES)))
        if noted.name != name or not all(map(is_sha256, noted.files.values())):
            return None
    except (OSError, ValueError, TypeError, AttributeError):
        return None
    return noted


def _as_noted(file: RemoteFile, before: InstalledPreset | None, folder: str) -> RemoteFile:
    """A file with the SHA-256 that it had when it was tried here, where nobody has published one."""
    known = before is not None and (before.repository, before.revision) == (file.repository, file.revision)
    digest = before.files.get(file.local_name) if before is not None and known else None
    if file.sha256 is not None or not digest:
        return file
    return replace(file, sha256=digest, noted=os.path.join(folder, PRESET_NOTE))


def remove_preset(name: str, cache_dir: str | None = None) -> int:
    """Remove a preset from this machine, or what has come of it; how many bytes that frees.

    Catalogues keep their copies. What was noted of its files goes too.

    Raises:
        EncoderError: there is nothing of it, or another process is fetching it.
    """
    from seealike.encoders.hub.download import remove_model

    return remove_model(preset_dir(name, cache_dir), name, PRESET_NOTE)


def preset_dir(name: str, cache_dir: str | None = None) -> str:
    """The folder of a preset."""
    return os.path.join(hub_dir(cache_dir), name)


def _place(file: RemoteFile, folder: str) -> str | None:
    """Where a file is here already, whole: as it is used, or as it came for a try that failed."""
    from seealike.encoders.hub.download import is_whole

    places = (os.path.join(within, file.local_name) for within in (os.path.join(folder, ARRIVING), folder))
    return next((place for place in places if is_whole(place, file.sha256)), None)


def _bring(plan: PresetPlan, folder: str, progress: ProgressCallback) -> dict[str, str]:
    """Have all files of a preset side by side; their SHA-256 by name. What the plan found is looked at anew.

    Raises:
        EncoderError: one cannot be had, or is another.
        OSError, StorageError: the disk refused.
    """
    from seealike.encoders.hub.download import fetch

    arriving, digests = os.path.join(folder, ARRIVING), {}
    FileSystem().make_directory(arriving)
    missing = []
    for file in plan.files:
        place, target = _place(file, folder), os.path.join(arriving, file.local_name)
        if place is None:
            missing.append(file)
            continue
        digests[file.local_name] = str(file.sha256)
        if place != target:
            FileSystem().remove(target)
            _linked(place, target)
    if plan.wish.source is not None:
        missing = _taken(missing, plan.wish.source, arriving)
    came = fetch(missing, arriving, hub=plan.hub, progress=progress)
    return digests | {file.local_name: digest for file, digest in zip(missing, came, strict=True)}


def _linked(place: str, target: str) -> None:
    try:
        os.link(place, target)
    except OSError:  # some file systems have one name for a file
        shutil.copyfile(place, target)


def _tried(plan: PresetPlan, arriving: str, trial: Trial, cache_dir: str | None) -> EncoderRecord:
    """Read and run what has come; where it is no such model, files of which nobody knew the SHA-256 go.

    Raises:
        EncoderError: it does not run.
    """
    try:
        record = _described(plan.preset, plan.files, arriving, cache_dir)
        trial(record)
    except SeealikeError:
        for file in plan.files:
            if file.sha256 is None:
                FileSystem().remove(os.path.join(arriving, file.local_name))
        raise
    return record


def _put_in_place(names: Iterable[str], arriving: str, folder: str) -> None:
    """Let what was tried be what is used."""
    for name in names:
        FileSystem().rename(os.path.join(arriving, name), os.path.join(folder, name))
    FileSystem().remove_tree(arriving)


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


def _taken(files: Sequence[RemoteFile], source: str, into: str) -> list[RemoteFile]:
    """Copy files that somebody brought, if they are the right ones; the same with what they are.

    Raises:
        EncoderError: one is missing or another one, or cannot be read.
        StorageError: the disk refused.
    """
    taken = []
    for file in files:
        path = _found(file, source, single=len(files) == 1)
        digest = file_sha256(path)
        if file.sha256 not in (None, digest):
            noted = f" (which {file.noted} says)" if file.noted else ""
            raise EncoderError(f"{path} is not {file}: its SHA-256 is {digest}, not {file.sha256}{noted}")
        with FileSystem().replacing(os.path.join(into, file.local_name), follow=False) as temporary:
            shutil.copyfile(path, temporary)
        taken.append(replace(file, sha256=digest))
    return taken


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
