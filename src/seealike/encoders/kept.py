"""Encoders of which a copy is kept: all files that one needs, and a note that says how they are used.

``kept:FOLDER/<key>.json`` asks for one. A catalogue's key is the digest of the encoder's identity, so whoever
knows which encoder it was finds it wherever the folder lies now; the cache's is the digest of what an export
depends on. A note without files says where the encoder is that its owner wants no copy of.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace

from seealike.encoders.cache import default_cache_dir, remembered_sha256
from seealike.encoders.card import LICENCE_NAMES, InputForm, card_path
from seealike.encoders.models import DATA_DIR, EncoderRecord
from seealike.encoders.onnx.file import external_files, joint_sha256
from seealike.encoders.spec import KEPT, EncoderSpec, Pooling, parse_spec
from seealike.encoders.text_card import read_text_card
from seealike.errors import EncoderError, UsageError
from seealike.filesets import ChangedFileError, FileSets
from seealike.types import EncoderIdentity, Fit, Preprocessing

_FORMAT_KEY, _FORMAT = "kept_encoder", 1
_PICTURES, _TEXT = "model", "text"


@dataclass(frozen=True, slots=True)
class KeptEncoder:
    """What a note says.

    Args:
        spec: how the encoder was asked for; of one that is only linked, where it is.
        record: how the copy is used; None where there is none, by its owner's wish.
        pictures: the digests of the model's files, by name.
        text: those of its text tower, empty where it has none.
    """

    spec: str
    record: EncoderRecord | None = None
    pictures: Mapping[str, str] | None = None
    text: Mapping[str, str] | None = None

    def sets(self) -> list[Mapping[str, str]]:
        """The sets of files that are kept of it."""
        return [digests for digests in (self.pictures, self.text) if digests]


class KeptEncoders(FileSets):
    """The encoders that are kept in one folder."""

    def read(self, key: str) -> KeptEncoder | None:
        """What is noted under a key, with the files where they are now; None where nothing is.

        Raises:
            EncoderError: the note is damaged.
        """
        path = self.note_path(key)
        try:
            content = self.note(key)
            return None if content is None else self._parsed(key, json.loads(content))
        except OSError as exc:
            raise EncoderError(f"{path} cannot be read: {exc.strerror or exc}") from exc
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as exc:
            raise EncoderError(f"{path} is damaged") from exc

    def noted(self, key: str) -> KeptEncoder | None:
        """The same, but a note that is damaged counts as none."""
        try:
            return self.read(key)
        except EncoderError:
            return None

    def copies_of(self, spec: str) -> Iterator[tuple[str, EncoderRecord]]:
        """Keys and records of the copies of what was asked for as ``spec``, the note written last first."""
        times = {key: os.lstat(self.note_path(key)).st_mtime_ns for key in self.notes()}
        for key in sorted(times, key=lambda key: -times[key]):
            kept = self.noted(key)
            if kept is not None and kept.record is not None and kept.spec == spec:
                yield key, kept.record

    def spec(self, key: str) -> EncoderSpec:
        """How the copy under a key is asked for."""
        return EncoderSpec(KEPT, os.path.abspath(self.note_path(key)))

    def link(self, key: str, spec: str) -> None:
        """Note that no copy of an encoder is wanted, and where it is.

        Raises:
            StorageError: the disk refused.
        """
        self._write(key, KeptEncoder(spec))

    def copy(self, key: str, record: EncoderRecord, spec: str) -> None:
        """Copy the files of an encoder, unless they were copied before, and note how they are used.

        Raises:
            EncoderError: one of them cannot be read, or changes meanwhile.
            StorageError: the disk refused; what was kept before is as it was.
        """
        pictures, beside = _files(_PICTURES, record.file)
        text: dict[str, str] = {}
        if record.text is not None:
            text, _ = _files(_TEXT, record.text, [read_text_card(record.text).tokenizer])
        try:
            digests = self.keep(pictures)
            text_digests = self.keep(text) if text else {}
        except OSError as exc:
            reason = f"{exc.filename or exc}: {exc.strerror}"
            raise EncoderError(f"{record.file} cannot be copied: {reason}") from exc
        except ChangedFileError as exc:
            raise EncoderError(f"{exc} changed while it was copied; run this again") from exc
        file = next(iter(pictures))
        whole = joint_sha256(digests[file], {name: digests[_portable(name)] for name in beside})
        if whole != record.weights_sha256:
            raise EncoderError(f"{record.file} changed while it was copied; run this again")
        placed = replace(record, file=file, text=next(iter(text), None))
        self._write(key, KeptEncoder(spec, placed, digests, text_digests))

    def damage_of(
        self, kept: KeptEncoder, digest_of: Callable[[str], str] | None = None
    ) -> list[tuple[str, str]]:
        """What is wrong with the files of a copy; every byte is read unless ``digest_of`` knows better."""
        found = [self.damage(digests, digest_of) for digests in kept.sets()]
        return [damage for damage in found if damage is not None]

    def _write(self, key: str, kept: KeptEncoder) -> None:
        content = {_FORMAT_KEY: _FORMAT, **asdict(kept)}
        said = json.dumps({**content, "sha256": _checksum(content)}, indent=2)
        self.write_note(key, said.encode())

    def _parsed(self, key: str, content: dict[str, object]) -> KeptEncoder:
        """What a note says, if it is what was written, with the files where they are now.

        Raises:
            ValueError, TypeError, KeyError, AttributeError: it is not.
        """
        checksum = content.pop("sha256")
        if checksum != _checksum(content) or content.pop(_FORMAT_KEY) != _FORMAT:
            raise ValueError("checksum")
        kept = KeptEncoder(**content)  # type: ignore[arg-type]
        if kept.record is None:
            return kept
        for name in (name for digests in kept.sets() for name in digests):
            if name.startswith("/") or {"", ".", ".."} & set(name.split("/")) or os.path.splitdrive(name)[0]:
                raise ValueError(f"{name!r} is no name of a file")
        record = _record(dict(kept.record))  # type: ignore[call-overload]
        another = not record.cached and identity_key(record.identity) != key
        if another or record.file not in (kept.pictures or {}):
            raise ValueError("another encoder")
        placed = replace(record, file=os.path.join(self.place(kept.pictures or {}), record.file))
        if record.text is not None:
            placed = replace(placed, text=os.path.join(self.place(kept.text or {}), record.text))
        return replace(kept, record=placed)


def identity_key(identity: EncoderIdentity) -> str:
    """The key of an encoder in a catalogue."""
    return hashlib.sha256(json.dumps(asdict(identity), sort_keys=True).encode()).hexdigest()


def is_copied(record: EncoderRecord | None) -> bool:
    """Whether an encoder is made of files that may go: not an object, and not part of this package."""
    return record is not None and os.path.dirname(record.file) != DATA_DIR


def kept_record(spec: EncoderSpec, cache_dir: str | None = None) -> EncoderRecord:
    """The record of a copy, every file of which is what was copied; its text tower is not looked at.

    Raises:
        UsageError: it was asked for with options.
        EncoderError: it is missing or damaged.
    """
    record, sets, kept = _kept(spec)
    _check(sets, kept.pictures or {}, cache_dir)
    return record


def check_kept_text(spec: EncoderSpec, cache_dir: str | None = None) -> None:
    """Check the text tower of a copy.

    Raises:
        EncoderError: a file of it is missing or damaged.
    """
    _, sets, kept = _kept(spec)
    _check(sets, kept.text or {}, cache_dir)


def origin_of(spec: EncoderSpec) -> EncoderSpec:
    """How an encoder was asked for when it was copied; any other spec is its own origin.

    Raises:
        EncoderError: there is no such copy.
    """
    return parse_spec(_kept(spec)[2].spec) if spec.scheme == KEPT else spec


def _kept(spec: EncoderSpec) -> tuple[EncoderRecord, KeptEncoders, KeptEncoder]:
    if spec != EncoderSpec(KEPT, spec.target):
        raise UsageError(f"{KEPT}: takes no options; it is used as it was when it was copied")
    folder, name = os.path.split(spec.target)
    sets = KeptEncoders(folder)
    kept = sets.read(os.path.splitext(name)[0])
    if kept is None or kept.record is None:
        raise EncoderError(f"there is no copy of an encoder in {folder} called {os.path.splitext(name)[0]}")
    return kept.record, sets, kept


def _check(sets: FileSets, digests: Mapping[str, str], cache_dir: str | None) -> None:
    folder = cache_dir or default_cache_dir()
    damage = sets.damage(digests, lambda path: remembered_sha256(path, folder))
    if damage is not None:
        raise EncoderError(f"{damage[0]}, the catalogue's copy of its encoder, is damaged ({damage[1]})")


def _files(name: str, path: str, others: Iterable[str] = ()) -> tuple[dict[str, str], tuple[str, ...]]:
    """The files of a model by the name each gets, the model's own first; and what it calls the others.

    Raises:
        EncoderError: it cannot be read, or refers to files that are not beside it.
    """
    try:
        with open(path, "rb") as file:
            beside = external_files(path, file.read())
    except OSError as exc:
        raise EncoderError(f"the model file {path} cannot be read: {exc.strerror or exc}") from exc
    found = {_portable(other): os.path.join(os.path.dirname(path), other) for other in (*beside, *others)}
    while f"{name}.onnx" in found or f"{name}.json" in found:
        name = f"_{name}"
    found = {f"{name}.onnx": path, **found}
    licences = (os.path.join(os.path.dirname(path), licence) for licence in LICENCE_NAMES)
    found |= {os.path.basename(licence): licence for licence in licences if os.path.isfile(licence)}
    if os.path.isfile(card_path(path)):
        found[f"{name}.json"] = card_path(path)
    return found, beside


def _portable(name: str) -> str:
    return name.replace(os.sep, "/")


def _checksum(content: dict[str, object]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def preprocessing_from(fields: object) -> Preprocessing:
    """How pictures are prepared, from what ``asdict`` made of it.

    Raises:
        ValueError, TypeError, KeyError: it is nothing of the kind.
    """
    made = dict(fields)  # type: ignore[call-overload]
    made |= {"mean": tuple(made["mean"]), "std": tuple(made["std"]), "fit": Fit(made["fit"])}
    return Preprocessing(**made)


def _record(fields: dict[str, object]) -> EncoderRecord:
    focus = fields.get("focus")
    read: dict[str, object] = {
        "preprocessing": preprocessing_from(fields["preprocessing"]),
        "focus": None if focus is None else preprocessing_from(focus),
        "input": InputForm(str(fields["input"])),
        "pool": Pooling(str(fields["pool"])),
        "assumed": tuple(fields["assumed"]),  # type: ignore[arg-type]
    }
    return EncoderRecord(**{**fields, **read})  # type: ignore[arg-type]
