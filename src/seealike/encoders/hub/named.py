"""Presets on this machine: what is to come for one, having it, and how it is used from then on."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from seealike.encoders.card import EncoderCard, InputForm, card_path, write_card
from seealike.encoders.hub.download import remove_model
from seealike.encoders.hub.files import Hub, RemoteFile, hub_dir
from seealike.encoders.hub.installed import (
    Announce,
    InstalledModel,
    Supply,
    Trial,
    arrival,
    check_undamaged,
    installed_in,
    read_note,
    unannounced,
)
from seealike.encoders.hub.presets import PICTURES_FILE, TEXT_FILE, Preset
from seealike.encoders.models import EncoderRecord
from seealike.encoders.onnx.record import onnx_record
from seealike.encoders.spec import ONNX, EncoderSpec
from seealike.encoders.text_card import text_card_path, write_text_card
from seealike.errors import EncoderError, UsageError
from seealike.types import ProgressCallback, unwatched


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


def install_preset(
    preset: Preset,
    wish: PresetWish,
    trial: Trial,
    *,
    cache_dir: str | None = None,
    progress: ProgressCallback = unwatched,
    announce: Announce = unannounced,
) -> InstalledModel:
    """Have what is missing of a preset; try it; put it where the one before was.

    ``trial`` raises where the encoder does not run. ``announce`` hears what is missing before it comes.

    Raises:
        UsageError: a licence is to be accepted first, or the revision is none.
        EncoderError: no revision is known, or it has no text tower; or a file cannot be had, or is another
            one, or the model does not run: what was installed is as it was, and of what came the files stay
            whose SHA-256 was known.
    """
    before = _noted(preset.name, cache_dir)
    preset.check_accepted(wish.accepted or (before.accepted if before else None), preset.name)
    text = wish.text or (before is not None and before.text is not None)
    remembered = before.revision if before is not None and preset.revision is None else None
    files = preset.remote_files(wish.revision or remembered, text=text)
    supply = Supply(Hub.from_environment(offline=wish.offline), wish.source, announce, progress)
    with arrival(preset_dir(preset.name, cache_dir), supply) as coming:
        coming.bring(files)
        with coming.trying():
            record = _described(preset, files, coming.place, cache_dir)
            trial(record)
        tower = next((file.path for file in files if file.local_name == TEXT_FILE), None)
        noted = InstalledModel(
            name=preset.name,
            repository=files[0].repository,
            revision=files[0].revision,
            files=coming.files,
            licence=preset.licence,
            accepted=preset.conditions.accept if preset.conditions else None,
            text=tower,
            weights_sha256=record.weights_sha256,
            dimension=record.dimension,
            size_bytes=record.size_bytes,
            path=files[0].path,
        )
        coming.keep(noted, [card_path(PICTURES_FILE), *([text_card_path(TEXT_FILE)] if tower else [])])
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
        size, host = f"{preset.size_bytes() / 1e6:,.0f} MB", Hub.from_environment().host
        raise EncoderError(
            f"{preset.name} is not on this machine; `seealike encoders get {preset.name}` fetches it from "
            f"{host} ({size}, {preset.licence}), or takes it from files with --from PATH"
        )
    path = os.path.join(preset_dir(preset.name, cache_dir), PICTURES_FILE)
    record = onnx_record(replace(spec, scheme=ONNX, target=path), cache_dir)
    own = {file.local_name for file in preset.remote_files(noted.revision)}
    check_undamaged(record, noted, noted.files.keys() - own, preset.name, cache_dir)
    return record


def find_installed(name: str, cache_dir: str | None = None) -> InstalledModel | None:
    """What is noted of a preset on this machine; None where it is not, or not all of it, here."""
    note = installed_in(preset_dir(name, cache_dir))
    return note if note is not None and note.name == name else None


def _noted(name: str, cache_dir: str | None) -> InstalledModel | None:
    """The note of a preset, whatever is left of its files."""
    note = read_note(preset_dir(name, cache_dir))
    return note if note is not None and note.name == name else None


def remove_preset(name: str, cache_dir: str | None = None) -> int:
    """Remove a preset from this machine, or what has come of it; how many bytes that frees.

    Catalogues keep their copies. What was noted of its files goes too.

    Raises:
        EncoderError: there is nothing of it, or another process is fetching it.
    """
    return remove_model(preset_dir(name, cache_dir), name)


def preset_dir(name: str, cache_dir: str | None = None) -> str:
    """The folder of a preset."""
    return os.path.join(hub_dir(cache_dir), name)


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
