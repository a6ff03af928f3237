"""Any repository of a hub as an encoder: a file in it, used as the files beside it say.

Which file, at which commit, is in the spec, and so is what no file says: the tensor that is taken, and how it
becomes one vector. The note has what the repository says, whatever the spec says instead: it holds for every
spec of that file.
"""

from __future__ import annotations

import hashlib
import os
import posixpath
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from seealike.encoders.card import EncoderCard
from seealike.encoders.hub.download import disk_refused, fetch, found_among, one_writer, remove_model
from seealike.encoders.hub.files import ARRIVING, READING, Hub, RemoteFile, hub_dir
from seealike.encoders.hub.installed import (
    Announce,
    Arrival,
    InstalledModel,
    Supply,
    Trial,
    arrival,
    check_undamaged,
    installed_in,
    read_note,
    unannounced,
)
from seealike.encoders.hub.presets import conditional_preset
from seealike.encoders.models import EncoderRecord
from seealike.encoders.onnx.file import external_files, read_model_file
from seealike.encoders.onnx.openvino import read_model
from seealike.encoders.onnx.record import described_record, input_taken
from seealike.encoders.preprocessing import NAMES, preprocessing_of
from seealike.encoders.preprocessing.tokenizers import CONFIG, TOKENIZER, text_card_of
from seealike.encoders.spec import HUB, ONNX, EncoderSpec, Pooling, on_bytes
from seealike.encoders.text_card import read_text_card, text_card_path, write_text_card
from seealike.errors import EncoderError, NotOnHubError, StorageError
from seealike.files import FileSystem
from seealike.types import Preprocessing, ProgressCallback, unwatched

FOLDER = "repositories"
_OUTPUTS_OF_TEXT = ("text_embeds", "pooler_output")
_MOST_BYTES = 10_000_000  # of a file that describes the model
_MOST_LETTERS = 100  # of the name of a licence
_UNSTATED = "size=, fit=, interpolation= and norm="


@dataclass(frozen=True, slots=True)
class Repository:
    """A model of a hub, before it is fetched.

    Args:
        spec: how it was asked for.
        hub: where from.
        source: a file or a folder to take it from instead; None: the hub's.
        model: its file.
        licence: what the repository says.
        config: the file that says how pictures are prepared; empty where the spec does.
        preprocessing: what that file says.
        accepted: the licence with conditions that was accepted for it, if it has one.
    """

    spec: EncoderSpec
    hub: Hub
    source: str | None
    model: RemoteFile
    licence: str
    config: str
    preprocessing: Preprocessing | None
    accepted: str | None


def look_up(
    spec: EncoderSpec,
    *,
    accepted: str | None = None,
    offline: bool = False,
    source: str | None = None,
    cache_dir: str | None = None,
) -> Repository:
    """Read what says how pictures are prepared: of the hub, or in ``source``, unless it is known already.

    Raises:
        UsageError: the spec names no file of a commit, or a licence is to be accepted first.
        EncoderError: the hub does not answer; or how pictures are prepared is said nowhere, or in a way that
            is not known.
    """
    model, hub = _model(spec), Hub.from_environment(offline=offline)
    folder, stated = _folder(model, cache_dir), _stated(spec) is not None
    note, preset = read_note(folder), conditional_preset(model.repository)
    accepted = (accepted or (note.accepted if note else None)) if preset else None
    if preset is not None:
        preset.check_accepted(accepted, f"{HUB}:{model.repository}")
    if note is not None and (stated or note.preprocessing):
        said = ("", None) if stated else (note.config, note.preprocessing)
        return Repository(spec, hub, source, model, note.licence, *said, accepted)

    def read(path: str) -> bytes | None:
        file = replace(model, path=path, name=READING, bytes=None)
        try:
            return _content(file, hub, folder) if source is None else _brought(file, source)
        except NotOnHubError:
            return None

    here = [os.path.join(folder, part, model.local_name) for part in ("", ARRIVING)]
    if source is None and not hub.offline and not any(map(os.path.isfile, here)):
        from seealike.encoders.hub.transport import size_of  # slow to import

        model = replace(model, bytes=size_of(hub, model))
    config, preprocessing = ("", None) if stated else _stated_beside(model, read)
    licence = _licence(read("README.md") or b"")
    return Repository(spec, hub, source, model, licence, config, preprocessing, accepted)


def _content(file: RemoteFile, hub: Hub, folder: str) -> bytes:
    """What a small file of the hub says; it does not stay.

    Raises:
        NotOnHubError: there is none.
        EncoderError: it cannot be had.
    """
    arriving = os.path.join(folder, ARRIVING)
    try:
        with one_writer(folder):
            FileSystem().make_directory(arriving)
            fetch([file], arriving, hub=replace(hub, most_bytes=_MOST_BYTES))
            path = os.path.join(arriving, file.local_name)
            content = _read(path)
            FileSystem().remove(path)
            return content
    except (OSError, StorageError) as exc:
        raise disk_refused(folder, exc) from exc


def _brought(file: RemoteFile, source: str) -> bytes:
    """The same of what somebody brought; beside the model, if that was named alone."""
    beside = os.path.dirname(source) or "." if os.path.isfile(source) else source
    return _read(found_among(file, beside))


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as exc:
        raise EncoderError(f"{path} cannot be read: {exc.strerror or exc}") from exc


def take_repository(
    found: Repository,
    trial: Trial,
    *,
    cache_dir: str | None = None,
    progress: ProgressCallback = unwatched,
    announce: Announce = unannounced,
) -> EncoderRecord:
    """Have the files of a model that was looked up, try it, and note it; its record.

    ``announce`` hears what is missing before it comes.

    Raises:
        UsageError: the options of its spec make no sense for it.
        EncoderError: it cannot be had, is no model, or does not run as asked: what was there is as it was.
    """
    folder, model, spec = _folder(found.model, cache_dir), found.model, found.spec
    with arrival(folder, Supply(found.hub, found.source, announce, progress)) as coming:
        path = _bring_pictures(coming, model)
        text = None if spec.text is None else _bring_text(coming, replace(model, path=spec.text))
        note = _note(found, coming.files, folder)
        _check_size(found, path)
        record = _record(note, spec, path, text, cache_dir)
        if text is not None:
            card = replace(read_text_card(text), pictures_sha256=record.weights_sha256)
            write_text_card(text, card)
        with coming.trying():
            trial(record)
        tried = replace(
            note,
            name=str(spec),
            weights_sha256=record.weights_sha256,
            dimension=record.dimension,
            size_bytes=record.size_bytes,
        )
        cards = [] if text is None else [text_card_path(os.path.relpath(text, coming.place))]
        coming.keep(tried, cards)
    return repository_record(spec, cache_dir)


def repository_record(spec: EncoderSpec, cache_dir: str | None = None) -> EncoderRecord:
    """The record of a model that was taken before, used as ``spec`` says. Nothing is asked of the hub.

    Raises:
        UsageError: the spec names no file of a commit, or its options make no sense for it.
        EncoderError: it is not here, is damaged, or is not usable as asked.
    """
    model = _model(spec)
    folder = _folder(model, cache_dir)
    note = installed_in(folder)
    tower = None if spec.text is None else replace(model, path=spec.text)
    texts = [] if note is None or tower is None else _texts_of(tower, note.files)
    if note is None or (tower is not None and not texts):
        what = "" if note is None else f" with {spec.text}"
        raise EncoderError(
            f"{HUB}:{model.repository} is not on this machine{what}; `seealike encoders get '{spec}'` "
            f"fetches it from {Hub.from_environment().host}, or takes it from files with --from PATH"
        )
    text = None if tower is None else os.path.join(folder, _of_text(tower, tower).name)
    record = _record(note, spec, os.path.join(folder, model.local_name), text, cache_dir)
    check_undamaged(record, note, texts, f"'{spec}'", cache_dir)
    return record


def taken_repositories(cache_dir: str | None = None) -> list[InstalledModel]:
    """What was taken before, by name."""
    base = os.path.join(hub_dir(cache_dir), FOLDER)
    names = sorted(os.listdir(base)) if os.path.isdir(base) else []
    notes = (installed_in(os.path.join(base, name)) for name in names)
    return [note for note in notes if note is not None]


def remove_repository(spec: EncoderSpec, cache_dir: str | None = None) -> int:
    """Remove a model from this machine; how many bytes that frees. Catalogues keep their copies.

    Raises:
        UsageError: the spec names no file of a commit.
        EncoderError: it is not here, or another process is fetching it.
    """
    return remove_model(_folder(_model(spec), cache_dir), str(spec))


def _model(spec: EncoderSpec) -> RemoteFile:
    return RemoteFile(spec.target, spec.revision or "", spec.path or "")


def _folder(model: RemoteFile, cache_dir: str | None) -> str:
    key = hashlib.sha256(str(model).encode()).hexdigest()[:16]
    return os.path.join(hub_dir(cache_dir), FOLDER, f"{model.repository.replace('/', '--')}-{key}")


def _text_folder(tower: RemoteFile) -> str:
    """Where a text tower is here: hubs call both towers ``model.onnx``, and may have several of them."""
    return f"text-{hashlib.sha256(tower.path.encode()).hexdigest()[:8]}/"


def _texts_of(tower: RemoteFile, files: Iterable[str]) -> list[str]:
    return [name for name in files if name.startswith(_text_folder(tower))]


def _of_text(tower: RemoteFile, file: RemoteFile) -> RemoteFile:
    """A file of a text tower, by its name here."""
    return replace(file, name=_text_folder(tower) + file.path.rpartition("/")[2], bytes=None)


def _bring_pictures(coming: Arrival, model: RemoteFile) -> str:
    """Have the picture tower, the weights that it keeps in other files, and a licence that goes with it.

    Raises:
        EncoderError: one cannot be had, or it is no model: then it does not stay.
    """
    coming.bring([model])
    coming.from_folder()
    preset = conditional_preset(model.repository)
    return _bring_weights(coming, model, [] if preset is None else preset.terms(model.revision))


def _bring_weights(coming: Arrival, model: RemoteFile, more: Sequence[RemoteFile] = ()) -> str:
    path = os.path.join(coming.place, *model.local_name.split("/"))
    with coming.trying():
        beside = [_beside(model, name) for name in external_files(path, _read(path))]
    coming.bring([*more, *beside])
    with coming.trying():
        read_model(read_model_file(path))
    return path


def _bring_text(coming: Arrival, tower: RemoteFile) -> str:
    """Have a text tower with its tokenizer, and write the card that they say.

    Raises:
        EncoderError: one cannot be had, or they do not say how texts are prepared.
    """
    for folder in _folders(tower.path):
        beside = (replace(tower, path=posixpath.join(folder, name)) for name in (CONFIG, TOKENIZER))
        files = [_of_text(tower, file) for file in beside]
        with suppress(NotOnHubError):
            coming.bring(files)
            break
    else:
        raise EncoderError(f"{tower.repository} has no {CONFIG} with a {TOKENIZER} beside {tower.path}")
    with coming.trying():
        config, tokenizer = (_read(os.path.join(coming.place, *file.name.split("/"))) for file in files)
        card = text_card_of(folder or tower.repository, config, tokenizer)
    coming.bring([_of_text(tower, tower)])
    path = _bring_weights(coming, _of_text(tower, tower))
    write_text_card(path, replace(card, output=_text_output(tower, path)))
    return path


def _text_output(tower: RemoteFile, path: str) -> str | None:
    """The tensor of a text tower that is its vector, as exports of transformers call it.

    Raises:
        EncoderError: it is called otherwise, and is not the only one.
    """
    outputs = [port.get_names() for port in read_model(read_model_file(path)).outputs]
    found = next((name for name in _OUTPUTS_OF_TEXT if any(name in names for names in outputs)), None)
    if found is None and len(outputs) > 1:
        there = ", ".join(min(names, default="a nameless one") for names in outputs)
        raise EncoderError(
            f"{tower} has the outputs {there}, none called {' or '.join(_OUTPUTS_OF_TEXT)}; use the "
            "files by onnx:FILE and text=FILE, with a card of your own"
        )
    return found


def _note(found: Repository, files: dict[str, str], folder: str) -> InstalledModel:
    """What is known of a model that is here now: what the repository said once stays known, and is here."""
    before = read_note(folder)
    text, config, preprocessing = found.spec.text, found.config, found.preprocessing
    if before is not None:
        text = text or before.text
        files = {
            name: before.files[name] for name in before.files if os.path.isfile(os.path.join(folder, name))
        } | files
        if preprocessing is None:
            config, preprocessing = before.config, before.preprocessing
    model = found.model
    return InstalledModel(
        name=str(found.spec),
        repository=model.repository,
        revision=model.revision,
        files=files,
        licence=found.licence,
        accepted=found.accepted,
        text=text,
        path=model.path,
        config=config,
        preprocessing=preprocessing,
    )


def _check_size(found: Repository, path: str) -> None:
    """Refuse a model for pictures of another size than is said of it.

    Raises:
        EncoderError: it is one, or has no such layer, or takes no pictures.
    """
    takes, made = input_taken(path, found.spec.layer), found.preprocessing
    if made is not None and found.spec.size is None and takes.side_px not in (None, made.crop_px):
        raise EncoderError(
            f"{found.model} takes pictures of {takes.side_px} px, and {found.config} says {made.crop_px}; "
            "say size="
        )


def _stated_beside(
    model: RemoteFile, read: Callable[[str], bytes | None]
) -> tuple[str, Preprocessing | None]:
    """The nearest file that says how pictures are prepared, and what it says.

    Raises:
        EncoderError: there is none, or it says something that is not known.
    """
    for folder in _folders(model.path):
        for name in NAMES:
            path = posixpath.join(folder, name)
            content = read(path)
            found = None if content is None else preprocessing_of(path, content)
            if found is not None:
                return path, found
    raise EncoderError(
        f"{model.repository} says nowhere how pictures are prepared (in {', '.join(NAMES)}); "
        f"say it with {_UNSTATED}"
    )


def _folders(path: str) -> Iterator[str]:
    """The folders that a file is in, the innermost first."""
    while path:
        path = posixpath.dirname(path)
        yield path


def _licence(readme: bytes) -> str:
    """What the head of a repository's README states, as hubs read it."""
    lines = iter(readme.decode(errors="replace").splitlines())
    if next(lines, "").strip() != "---":
        return "not stated"
    said = {}
    for line in lines:
        if line.strip() == "---":
            break
        key, _, value = line.partition(":")
        said[key] = value.strip().strip("'\"")
    found = said.get("license_name") or said.get("license") or ""
    return found if 0 < len(found) <= _MOST_LETTERS and found.isprintable() else "not stated"


def _beside(model: RemoteFile, name: str) -> RemoteFile:
    if os.sep in name:
        raise EncoderError(f"{model} keeps weights in a folder below it ({name}), which is not supported")
    beside = os.path.join(os.path.dirname(model.local_name), name) if model.name else ""
    folder = posixpath.dirname(model.path)
    return replace(model, path=posixpath.join(folder, name), name=beside, bytes=None)


def _stated(spec: EncoderSpec) -> Preprocessing | None:
    """How pictures are prepared, where the spec alone says it all: then that is heard alone."""
    if spec.size is None or spec.fit is None or spec.interpolation is None or spec.norm is None:
        return None
    mean, std = on_bytes(spec.norm.mean), on_bytes(spec.norm.std)
    resize = spec.resize or spec.size
    return Preprocessing(resize, spec.size, mean, std, spec.interpolation, spec.fit, spec.norm.bgr)


def _base(note: InstalledModel, spec: EncoderSpec) -> Preprocessing:
    """How pictures are prepared, before what the spec says instead.

    Raises:
        EncoderError: nobody says.
    """
    made = _stated(spec) or note.preprocessing
    if made is not None:
        return made
    plain = EncoderSpec(HUB, note.repository, path=note.path, revision=note.revision)
    raise EncoderError(
        f"{plain} was taken without what says how pictures are prepared; say {_UNSTATED}, or let "
        f"`seealike encoders get '{plain}'` look for it"
    )


def _record(
    note: InstalledModel, spec: EncoderSpec, path: str, text: str | None, cache_dir: str | None
) -> EncoderRecord:
    card = EncoderCard(
        name=f"{HUB}:{note.repository}",
        preprocessing=_base(note, spec),
        layer="",
        pooling="none",
        input=None,
        licence=note.licence,
        source=f"{HUB} {note.repository}@{note.revision}/{note.path}",
    )
    asked = replace(spec, scheme=ONNX, target=path, path=None, revision=None, text=text)
    record = described_record(path, card, asked, cache_dir)
    if record.pool is not Pooling.NONE and spec.pool is None:
        raise EncoderError(
            f"the output {record.layer} of {note.repository} is one vector for each of many places, and "
            "nobody says how they become one; say pool=cls, avg, max, gem or flatten"
        )
    return record
