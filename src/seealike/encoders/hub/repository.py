"""Any repository of a hub as an encoder: a file in it, used as the files beside it say.

    <cache>/hub/repositories/<owner>--<name>-<key>/    the model, and the weights that it keeps in other files
        taken.json                                     where it is from, what it is, how pictures are prepared

Which file, at which commit, is in the spec, and so is what no file says: the tensor that is taken, and how it
becomes one vector. The note is written last: without it nothing is here.
"""

from __future__ import annotations

import hashlib
import json
import os
import posixpath
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, replace

from seealike.encoders.card import EncoderCard, InputForm
from seealike.encoders.hub.download import disk_refused, download, one_writer
from seealike.encoders.hub.files import CutError, Hub, Pins, RemoteFile, hub_dir
from seealike.encoders.models import EncoderRecord
from seealike.encoders.onnx.file import external_files
from seealike.encoders.onnx.record import described_record, input_taken
from seealike.encoders.preprocessing import NAMES, preprocessing_of
from seealike.encoders.spec import HUB, ONNX, EncoderSpec, Pooling, on_bytes
from seealike.errors import EncoderError, NotOnHubError, StorageError
from seealike.files import FileSystem
from seealike.types import Fit, Preprocessing, ProgressCallback, unwatched

FOLDER, NOTE_NAME = "repositories", "taken.json"
_MOST_BYTES = 1_000_000  # of a file that describes the model
_UNSTATED = "size=, fit=, interpolation= and norm="


@dataclass(frozen=True, slots=True)
class Repository:
    """A model of a hub, before it is fetched.

    Args:
        spec: how it was asked for.
        hub: where from.
        model: its file.
        size_bytes: of that; None where the hub does not say. Weights in other files are not counted.
        licence: what the repository says.
        config: the file that says how pictures are prepared; empty where the spec does.
        preprocessing: what that file says.
    """

    spec: EncoderSpec
    hub: Hub
    model: RemoteFile
    size_bytes: int | None
    licence: str
    config: str
    preprocessing: Preprocessing | None


@dataclass(frozen=True, slots=True)
class TakenRepository:
    """What is noted of a model that is here. See ``Repository``; ``input``: what the model takes."""

    repository: str
    revision: str
    path: str
    licence: str
    config: str
    preprocessing: Preprocessing | None
    input: InputForm
    weights_sha256: str

    @property
    def spec(self) -> EncoderSpec:
        """How it is asked for, before anything is said of tensors."""
        return EncoderSpec(HUB, self.repository, path=self.path, revision=self.revision)


def look_up(spec: EncoderSpec, *, offline: bool = False, cache_dir: str | None = None) -> Repository:
    """Ask the hub what there is to fetch, and read what says how pictures are prepared.

    Raises:
        UsageError: the spec names no file of a commit.
        EncoderError: the hub does not answer, or has no such file; or how pictures are prepared is said
            nowhere, or in a way that is not known.
    """
    model, hub = _model(spec), Hub.from_environment()
    hub = replace(hub, offline=hub.offline or offline)
    folder, pins = _folder(model, cache_dir), Pins(hub_dir(cache_dir))

    def read(path: str) -> bytes | None:
        try:
            download([replace(model, path=path)], folder, hub=hub, pins=pins)
            with open(os.path.join(folder, posixpath.basename(path)), "rb") as file:
                return file.read(_MOST_BYTES)
        except NotOnHubError:
            return None
        except OSError as exc:
            raise disk_refused(folder, exc) from exc

    size = _size(model, folder, hub)
    config, preprocessing = ("", None) if _states_all(spec) else _stated_beside(model, read)
    return Repository(spec, hub, model, size, _licence(read("README.md") or b""), config, preprocessing)


def take_repository(
    found: Repository,
    trial: Callable[[EncoderRecord], None],
    *,
    cache_dir: str | None = None,
    progress: ProgressCallback = unwatched,
) -> EncoderRecord:
    """Fetch a model that was looked up, try it, and note it; its record.

    Raises:
        UsageError: the options of its spec make no sense for it.
        EncoderError: it cannot be had, or does not run as asked; what has come of it stays for the next time.
    """
    model = found.model
    folder, pins = _folder(model, cache_dir), Pins(hub_dir(cache_dir))
    path = os.path.join(folder, model.local_name)
    download([model], folder, hub=found.hub, pins=pins, progress=progress)
    beside = [_beside(model, name) for name in _external_files(path)]
    download(beside, folder, hub=found.hub, pins=pins, progress=progress)
    takes = input_taken(path, found.spec.layer)
    made = found.preprocessing
    if made is not None and found.spec.size is None and takes.side_px not in (None, made.crop_px):
        raise EncoderError(
            f"{model} takes pictures of {takes.side_px} px, and {found.config} says {made.crop_px}; say size="
        )
    note = TakenRepository(
        repository=model.repository,
        revision=model.revision,
        path=model.path,
        licence=found.licence,
        config=found.config,
        preprocessing=made,
        input=takes.form,
        weights_sha256="",
    )
    record = _record(note, found.spec, path, cache_dir)
    trial(record)
    with one_writer(folder):
        _write(folder, replace(note, weights_sha256=record.weights_sha256))
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
    if note is None:
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
    return [note for name in names if (note := _read(os.path.join(base, name))) is not None]


def remove_repository(spec: EncoderSpec, cache_dir: str | None = None) -> int:
    """Remove a model from this machine; how many bytes that frees. Catalogues keep their copies.

    Raises:
        UsageError: the spec names no file of a commit.
        EncoderError: it is not here, or another process is fetching it.
    """
    folder, files = _folder(_model(spec), cache_dir), FileSystem()
    if not os.path.isdir(folder):
        raise EncoderError(f"there is nothing of {spec} on this machine; `seealike encoders` lists what is")
    with one_writer(folder):
        files.remove(os.path.join(folder, NOTE_NAME))
        freed = sum(entry.stat().st_size for entry in os.scandir(folder))
    files.remove_tree(folder)
    return freed


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
    """How pictures are prepared, before what the spec says instead.

    Raises:
        EncoderError: nobody says.
    """
    if note.preprocessing is not None:
        return note.preprocessing
    if spec.size is None or spec.fit is None or spec.interpolation is None or spec.norm is None:
        raise EncoderError(
            f"{note.spec} was taken without what says how pictures are prepared; say {_UNSTATED}, or let "
            f"`seealike encoders get '{note.spec}'` look for it"
        )
    mean, std = on_bytes(spec.norm.mean), on_bytes(spec.norm.std)
    resize = spec.resize or spec.size
    return Preprocessing(resize, spec.size, mean, std, spec.interpolation, spec.fit, spec.norm.bgr)


def _record(note: TakenRepository, spec: EncoderSpec, path: str, cache_dir: str | None) -> EncoderRecord:
    card = EncoderCard(
        name=f"{HUB}:{note.repository}",
        preprocessing=_base(note, spec),
        layer="",
        pooling="none",
        input=note.input,
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
            os.path.join(folder, NOTE_NAME), json.dumps(asdict(note), indent=2).encode(), follow=False
        )
    except (OSError, StorageError) as exc:
        raise disk_refused(folder, exc) from exc


def _read(folder: str) -> TakenRepository | None:
    """The note in a folder; None where there is none, or it is damaged: then the model is taken anew."""
    try:
        with open(os.path.join(folder, NOTE_NAME), encoding="utf-8") as file:
            said = json.loads(file.read(_MOST_BYTES))
        made = said["preprocessing"]
        if made is not None:
            made |= {"mean": tuple(made["mean"]), "std": tuple(made["std"]), "fit": Fit(made["fit"])}
        read = {"preprocessing": None if made is None else Preprocessing(**made)}
        return TakenRepository(**{**said, **read, "input": InputForm(said["input"])})
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None
