"""Any repository of a hub as an encoder: a file in it, used as the files beside it say.

    <cache>/hub/repositories/<owner>--<name>-<key>/    the model, and the weights that it keeps in other files
        taken.json                                     where it is from, what it is, how pictures are prepared

Which file, at which commit, is in the spec, and so is what no file says: the tensor that is taken, and how it
becomes one vector. The note has what the repository says, whatever the spec says instead: it holds for every
spec of that file. It is complete once the model was tried: only then is anything here.
"""

from __future__ import annotations

import hashlib
import json
import os
import posixpath
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, replace
from typing import TypeAlias

from seealike.encoders.cache import is_sha256
from seealike.encoders.card import EncoderCard
from seealike.encoders.hub.download import disk_refused, fetch, is_whole, one_writer, remove_model
from seealike.encoders.hub.files import READING, REPOSITORY_NOTE, CutError, Hub, RemoteFile, hub_dir
from seealike.encoders.hub.presets import conditional_preset
from seealike.encoders.models import EncoderRecord
from seealike.encoders.onnx.file import external_files, read_model_file
from seealike.encoders.onnx.openvino import read_model
from seealike.encoders.onnx.record import described_record, input_taken
from seealike.encoders.preprocessing import NAMES, preprocessing_of
from seealike.encoders.spec import HUB, ONNX, EncoderSpec, Pooling, on_bytes
from seealike.errors import EncoderError, NotOnHubError, SeealikeError, StorageError
from seealike.files import FileSystem
from seealike.types import Fit, Preprocessing, ProgressCallback, unwatched

FOLDER = "repositories"
_MOST_BYTES = 1_000_000  # of a file that describes the model
_UNSTATED = "size=, fit=, interpolation= and norm="
Told: TypeAlias = Callable[[Sequence[RemoteFile], int | None], None]


@dataclass(frozen=True, slots=True)
class Repository:
    """A model of a hub, before it is fetched.

    Args:
        spec: how it was asked for.
        hub: where from.
        model: its file.
        size_bytes: of that; None where the hub does not say. Weights in other files, which only the model's
            own file names, are not counted before it is here.
        licence: what the repository says.
        config: the file that says how pictures are prepared; empty where the spec does.
        preprocessing: what that file says.
        accepted: the licence with conditions that was accepted for it, if it has one.
    """

    spec: EncoderSpec
    hub: Hub
    model: RemoteFile
    size_bytes: int | None
    licence: str
    config: str
    preprocessing: Preprocessing | None
    accepted: str | None


@dataclass(frozen=True, slots=True)
class TakenRepository:
    """What is noted of a model that is here.

    Args:
        asked: the spec by which it was tried last.
        repository: see ``RemoteFile``.
        revision: see ``RemoteFile``.
        path: see ``RemoteFile``.
        licence: what the repository says.
        config: the file there that says how pictures are prepared; empty while nobody has asked for it.
        preprocessing: what that file says.
        accepted: the licence with conditions that was accepted for it, if it has one.
        files: the SHA-256 of the model's files by their names here.
        weights_sha256: of all of them; empty before the model was tried.
        dimension: of the vectors, as it was asked for.
        size_bytes: of all its files.
    """

    asked: str
    repository: str
    revision: str
    path: str
    licence: str
    config: str
    preprocessing: Preprocessing | None
    accepted: str | None
    files: dict[str, str]
    weights_sha256: str = ""
    dimension: int = 0
    size_bytes: int = 0

    @property
    def spec(self) -> EncoderSpec:
        """How it is asked for, before anything is said of tensors."""
        return EncoderSpec(HUB, self.repository, path=self.path, revision=self.revision)


def look_up(
    spec: EncoderSpec, *, accepted: str | None = None, offline: bool = False, cache_dir: str | None = None
) -> Repository:
    """Ask the hub what there is to fetch, and read what says how pictures are prepared.

    Raises:
        UsageError: the spec names no file of a commit, or a licence is to be accepted first.
        EncoderError: the hub does not answer, or has no such file; or how pictures are prepared is said
            nowhere, or in a way that is not known.
    """
    model, hub = _model(spec), Hub.from_environment()
    hub = replace(hub, offline=hub.offline or offline)
    folder, stated = _folder(model, cache_dir), _states_all(spec)
    note, preset = _read(folder), conditional_preset(model.repository)
    accepted = (accepted or (note.accepted if note else None)) if preset else None
    if preset is not None:
        preset.check_accepted(accepted, f"{HUB}:{model.repository}")
    if note is not None and note.weights_sha256 and (stated or note.preprocessing):
        said = ("", None) if stated else (note.config, note.preprocessing)
        return Repository(spec, hub, model, note.size_bytes, note.licence, *said, accepted)

    def read(path: str) -> bytes | None:
        file, place = replace(model, path=path, name=READING), os.path.join(folder, READING)
        try:
            with one_writer(folder):
                fetch([file], folder, hub=hub)
                with open(place, "rb") as opened:
                    content = opened.read(_MOST_BYTES)
                FileSystem().remove(place)
                return content
        except NotOnHubError:
            return None
        except OSError as exc:
            raise disk_refused(folder, exc) from exc

    size = _size(model, folder, hub)
    config, preprocessing = ("", None) if stated else _stated_beside(model, read)
    licence = _licence(read("README.md") or b"")
    return Repository(spec, hub, model, size, licence, config, preprocessing, accepted)


def take_repository(
    found: Repository,
    trial: Callable[[EncoderRecord], None],
    *,
    cache_dir: str | None = None,
    progress: ProgressCallback = unwatched,
    more: Told | None = None,
) -> EncoderRecord:
    """Fetch a model that was looked up, try it, and note it; its record.

    ``more`` is told of weights in other files, and how large they are as far as the hub says, before they
    are fetched; so it is of a licence that goes with them.

    Raises:
        UsageError: the options of its spec make no sense for it.
        EncoderError: it cannot be had, is no model, or does not run as asked.
    """
    folder = _folder(found.model, cache_dir)
    path = os.path.join(folder, found.model.local_name)
    with one_writer(folder):
        before = _read(folder)
        digests = _fetched(found, folder, before, progress, more)
        note = _note(found, digests, before)
        if before is None or not before.weights_sha256:
            _write(folder, note)
        _check_size(found, path)
        record = _record(note, found.spec, path, cache_dir)
        try:
            trial(record)
        except SeealikeError:
            if not note.weights_sha256:
                _forget(folder, digests)
            raise
        _write(
            folder,
            replace(
                note,
                asked=str(found.spec),
                weights_sha256=record.weights_sha256,
                dimension=record.dimension,
                size_bytes=record.size_bytes,
            ),
        )
    return record


def repository_record(spec: EncoderSpec, cache_dir: str | None = None) -> EncoderRecord:
    """The record of a model that was taken before, used as ``spec`` says. Nothing is asked of the hub.

    Raises:
        UsageError: the spec names no file of a commit, or its options make no sense for it.
        EncoderError: it is not here, is damaged, or is not usable as asked.
    """
    model = _model(spec)
    folder = _folder(model, cache_dir)
    note = _read(folder)
    if note is None or not note.weights_sha256:
        raise EncoderError(
            f"{HUB}:{model.repository} is not on this machine; `seealike encoders get '{spec}'` fetches it "
            f"from {Hub.from_environment().host}"
        )
    path = os.path.join(folder, model.local_name)
    record = _record(note, spec, path, cache_dir)
    if record.weights_sha256 != note.weights_sha256:
        raise EncoderError(f"{path} is damaged; `seealike encoders get '{spec}'` fetches it again")
    return record


def taken_repositories(cache_dir: str | None = None) -> list[TakenRepository]:
    """What was taken before, by name."""
    base = os.path.join(hub_dir(cache_dir), FOLDER)
    names = sorted(os.listdir(base)) if os.path.isdir(base) else []
    notes = (_read(os.path.join(base, name)) for name in names)
    return [note for note in notes if note is not None and note.weights_sha256]


def remove_repository(spec: EncoderSpec, cache_dir: str | None = None) -> int:
    """Remove a model from this machine; how many bytes that frees. Catalogues keep their copies.

    Raises:
        UsageError: the spec names no file of a commit.
        EncoderError: it is not here, or another process is fetching it.
    """
    return remove_model(_folder(_model(spec), cache_dir), str(spec), REPOSITORY_NOTE)


def _model(spec: EncoderSpec) -> RemoteFile:
    return RemoteFile(spec.target, spec.revision or "", spec.path or "")


def _folder(model: RemoteFile, cache_dir: str | None) -> str:
    key = hashlib.sha256(str(model).encode()).hexdigest()[:16]
    return os.path.join(hub_dir(cache_dir), FOLDER, f"{model.repository.replace('/', '--')}-{key}")


def _size(model: RemoteFile, folder: str, hub: Hub) -> int | None:
    """How large the model is, where anybody says so.

    Raises:
        EncoderError: the hub has no such file, or does not give it.
    """
    with suppress(OSError):
        return os.path.getsize(os.path.join(folder, model.local_name))
    if hub.offline:
        return None
    from seealike.encoders.hub.transport import ask  # slow to import

    with suppress(CutError):  # whoever fetches it asks again, and says why it failed
        answer = ask(hub, model, 0)
        if answer is not None:
            with closing(answer.body):
                return answer.total
    return None


def _fetched(
    found: Repository,
    folder: str,
    before: TakenRepository | None,
    progress: ProgressCallback,
    more: Told | None,
) -> dict[str, str]:
    """Have the files of a model; their SHA-256 by name. What is no model does not stay.

    Raises:
        EncoderError: one cannot be had, or they are no model.
    """
    path = os.path.join(folder, found.model.local_name)
    model = _as_noted(found.model, folder, before)
    digests = dict(
        zip([model.local_name], fetch([model], folder, hub=found.hub, progress=progress), strict=True)
    )
    try:
        preset = conditional_preset(model.repository)
        beside = [] if preset is None else preset.terms(model.revision)
        beside += [_beside(model, name) for name in _external_files(path)]
        beside = [_as_noted(file, folder, before) for file in beside]
        missing = [
            file for file in beside if not is_whole(os.path.join(folder, file.local_name), file.sha256)
        ]
        if missing and more is not None:
            sizes = [_size(file, folder, found.hub) for file in missing]
            more(missing, None if None in sizes else sum(size or 0 for size in sizes))
        came = fetch(beside, folder, hub=found.hub, progress=progress)
        digests |= {file.local_name: digest for file, digest in zip(beside, came, strict=True)}
        read_model(read_model_file(path))
    except EncoderError:
        if before is None or not before.weights_sha256:
            _forget(folder, digests)
        raise
    return digests


def _as_noted(file: RemoteFile, folder: str, note: TakenRepository | None) -> RemoteFile:
    """A file with its SHA-256, where that was noted; of a model that was not tried, only if it is here so."""
    digest = note.files.get(file.local_name) if note else None
    if note is None or digest is None or file.sha256 is not None:
        return file
    if not note.weights_sha256 and not is_whole(os.path.join(folder, file.local_name), digest):
        return file
    return replace(file, sha256=digest, noted=os.path.join(folder, REPOSITORY_NOTE))


def _forget(folder: str, names: Iterable[str]) -> None:
    """Remove what was fetched and is no model that runs: the next time it is fetched anew."""
    for name in (REPOSITORY_NOTE, *names):
        FileSystem().remove(os.path.join(folder, name))


def _note(found: Repository, digests: dict[str, str], before: TakenRepository | None) -> TakenRepository:
    """What is known of a model that is here now: what the repository said once stays known."""
    model = found.model
    note = before or TakenRepository(
        asked=str(found.spec),
        repository=model.repository,
        revision=model.revision,
        path=model.path,
        licence=found.licence,
        config=found.config,
        preprocessing=found.preprocessing,
        accepted=found.accepted,
        files=digests,
    )
    note = replace(note, licence=found.licence, accepted=found.accepted, files=digests)
    if found.preprocessing is None:
        return note
    return replace(note, config=found.config, preprocessing=found.preprocessing)


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
    return found if found and found.isprintable() else "not stated"


def _external_files(path: str) -> tuple[str, ...]:
    try:
        with open(path, "rb") as file:
            return external_files(path, file.read())
    except OSError as exc:
        raise disk_refused(os.path.dirname(path), exc) from exc


def _beside(model: RemoteFile, name: str) -> RemoteFile:
    if os.sep in name:
        raise EncoderError(f"{model} keeps weights in a folder below it ({name}), which is not supported")
    return replace(model, path=posixpath.join(posixpath.dirname(model.path), name))


def _states_all(spec: EncoderSpec) -> bool:
    """Whether the spec alone says how pictures are prepared."""
    return None not in (spec.size, spec.fit, spec.interpolation, spec.norm)


def _base(note: TakenRepository, spec: EncoderSpec) -> Preprocessing:
    """How pictures are prepared, before what the spec says instead. A spec that says all is heard alone.

    Raises:
        EncoderError: nobody says.
    """
    if (
        spec.size is not None
        and spec.fit is not None
        and spec.interpolation is not None
        and spec.norm is not None
    ):
        mean, std = on_bytes(spec.norm.mean), on_bytes(spec.norm.std)
        resize = spec.resize or spec.size
        return Preprocessing(resize, spec.size, mean, std, spec.interpolation, spec.fit, spec.norm.bgr)
    if note.preprocessing is not None:
        return note.preprocessing
    raise EncoderError(
        f"{note.spec} was taken without what says how pictures are prepared; say {_UNSTATED}, or let "
        f"`seealike encoders get '{note.spec}'` look for it"
    )


def _record(note: TakenRepository, spec: EncoderSpec, path: str, cache_dir: str | None) -> EncoderRecord:
    card = EncoderCard(
        name=f"{HUB}:{note.repository}",
        preprocessing=_base(note, spec),
        layer="",
        pooling="none",
        input=None,
        licence=note.licence,
        source=f"{HUB} {note.repository}@{note.revision}/{note.path}",
    )
    asked = replace(spec, scheme=ONNX, target=path, path=None, revision=None)
    record = described_record(path, card, asked, cache_dir)
    if record.pool is not Pooling.NONE and spec.pool is None:
        raise EncoderError(
            f"the output {record.layer} of {note.repository} is one vector for each of many places, and "
            "nobody says how they become one; say pool=cls, avg, max, gem or flatten"
        )
    return record


def _write(folder: str, note: TakenRepository) -> None:
    files = FileSystem()
    try:
        for name in os.listdir(folder):
            if name.endswith(".part"):  # of files that the hub does not have
                files.remove(os.path.join(folder, name))
        files.write(
            os.path.join(folder, REPOSITORY_NOTE), json.dumps(asdict(note), indent=2).encode(), follow=False
        )
    except (OSError, StorageError) as exc:
        raise disk_refused(folder, exc) from exc


def _read(folder: str) -> TakenRepository | None:
    """The note in a folder; None where there is none, or it is damaged: then the model is taken anew."""
    try:
        with open(os.path.join(folder, REPOSITORY_NOTE), encoding="utf-8") as file:
            said = json.loads(file.read(_MOST_BYTES))
        made = said["preprocessing"]
        if made is not None:
            made |= {"mean": tuple(made["mean"]), "std": tuple(made["std"]), "fit": Fit(made["fit"])}
        read = {"preprocessing": None if made is None else Preprocessing(**made)}
        note = TakenRepository(**{**said, **read})
        return note if all(map(is_sha256, note.files.values())) else None
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None
