"""Named encoders of hubs, as data: where their files are, how they are used, and under which licence.

The records are in ``presets.toml``. Nothing is fetched here, and nothing asked.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from seealike.encoders.card import LICENCE_NAMES
from seealike.encoders.hub.files import RemoteFile
from seealike.encoders.spec import NORMALISATIONS, on_bytes
from seealike.encoders.text_card import Cleaning, TextCard
from seealike.errors import EncoderError, UnknownNameError, UsageError
from seealike.types import Fit, Preprocessing

_RECORDS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "presets.toml")
PICTURES_FILE, TEXT_FILE = "model.onnx", "text.onnx"


@dataclass(frozen=True, slots=True)
class PresetFile:
    """A file of a preset; ``RemoteFile`` says what the fields mean.

    ``mb`` is its size, roughly, where nobody states ``bytes``. ``repository`` and ``revision`` are empty
    where they are those of the preset.
    """

    path: str
    name: str = ""
    bytes: int | None = None
    sha256: str | None = None
    mb: float = 0.0
    repository: str = ""
    revision: str = ""

    @property
    def size_bytes(self) -> int:
        """Its size, as far as it is known."""
        return int(self.mb * 1e6) if self.bytes is None else self.bytes


@dataclass(frozen=True, slots=True)
class Conditions:
    """A licence that must be accepted: what to type for that, where it is to be read, and what is in it."""

    accept: str
    url: str
    says: str


@dataclass(frozen=True, slots=True)
class Preset:
    """A model of a hub under a name of ours.

    Args:
        name: what is typed.
        about: what it is good for.
        dimension: how many numbers a picture becomes.
        gmac: what one picture costs, in thousand millions of multiplications.
        licence: of the file that is fetched.
        upstream: the model it was made from, with its licence.
        repository: where the files are.
        revision: the commit that was checked; None: none is known, and whoever fetches it says one.
        pinned: who says what the files must be.
        files: the picture tower, called ``PICTURES_FILE`` here, and what belongs to it.
        outputs: what the tensor to take is called, the first that the file has; empty: it has one alone.
        pooling: how it becomes one vector.
        preprocessing: how pictures are prepared.
        text_files: the text tower, called ``TEXT_FILE`` here, and its tokenizer; empty where there is none.
        text_card: how that is fed.
        figures: published ones, by what was measured.
        figures_of: what they were measured of, where it was another model or in another way.
        conditions: what must be accepted before it is fetched.
    """

    name: str
    about: str
    dimension: int
    gmac: float
    licence: str
    upstream: str
    repository: str
    revision: str | None
    pinned: str
    files: tuple[PresetFile, ...]
    outputs: tuple[str, ...]
    pooling: str
    preprocessing: Preprocessing
    text_files: tuple[PresetFile, ...]
    text_card: TextCard | None
    figures: Mapping[str, float]
    figures_of: str
    conditions: Conditions | None

    def remote_files(self, revision: str | None = None, *, text: bool = False) -> list[RemoteFile]:
        """Its files, with the text tower's if that is wanted, at its own revision or at another.

        Raises:
            EncoderError: it has no text tower; or no revision is known, and none was said.
            UsageError: the revision is none.
        """
        if text and not self.text_files:
            raise EncoderError(f"{self.name} has no text tower; leave --text out")
        return [self._remote(file, revision) for file in (*self.files, *(self.text_files if text else ()))]

    def check_accepted(self, accepted: str | None, asked: str) -> None:
        """Refuse to go on before its licence was accepted.

        Raises:
            UsageError: it has conditions, and was not; ``asked`` is what was typed.
        """
        wanted = self.conditions
        if wanted is not None and accepted != wanted.accept:
            raise UsageError(
                f"{asked} has a licence with conditions: {wanted.says}; read {wanted.url}, and accept it by "
                f"--accept-licence {wanted.accept}"
            )

    def terms(self, revision: str) -> list[RemoteFile]:
        """Those of its files that are passed on with it: the licence."""
        found = self.remote_files(revision)
        return [file for file in found if file.local_name in LICENCE_NAMES]

    def size_bytes(self, *, text: bool = False) -> int:
        """What is to be fetched, as far as it is known."""
        return sum(file.size_bytes for file in (*self.files, *(self.text_files if text else ())))

    def _remote(self, file: PresetFile, revision: str | None) -> RemoteFile:
        if file.repository:
            return RemoteFile(file.repository, file.revision, file.path, file.bytes, file.sha256, file.name)
        if revision is None and self.revision is None:
            raise EncoderError(
                f"no revision of {self.repository} is known here: look one up in the list of its commits at "
                f"the hub, and say it: `seealike encoders get {self.name} --revision COMMIT`"
            )
        if revision in (None, self.revision):
            return RemoteFile(
                self.repository, str(self.revision), file.path, file.bytes, file.sha256, file.name
            )
        return RemoteFile(self.repository, str(revision), file.path, name=file.name)


def presets() -> Mapping[str, Preset]:
    """All presets by their names, in the order in which they are shown."""
    return _read(_RECORDS)


@cache
def _read(path: str) -> Mapping[str, Preset]:
    import tomllib  # only who asks for a preset needs it

    with open(path, "rb") as file:
        return {name: _preset(name, record) for name, record in tomllib.load(file).items()}


def preset_of(name: str) -> Preset:
    """The preset of a name.

    Raises:
        UnknownNameError: there is none.
    """
    found = presets().get(name)
    if found is None:
        raise UnknownNameError("preset", name, presets())
    return found


def conditional_preset(repository: str) -> Preset | None:
    """The preset of a repository that has conditions; they hold however its files are asked for."""
    wanted = repository.lower()
    with_conditions = (preset for preset in presets().values() if preset.conditions is not None)
    return next((preset for preset in with_conditions if preset.repository.lower() == wanted), None)


def _preset(name: str, record: dict[str, object]) -> Preset:
    fields = {"revision": None, "pinned": "", "outputs": (), "figures": {}, "figures_of": "", **record}
    text = dict(fields.pop("text", {}))  # type: ignore[call-overload]
    conditions = fields.pop("conditions", None)
    norm = NORMALISATIONS[str(fields.pop("norm"))]
    preprocessing = Preprocessing(
        resize_px=int(str(fields.pop("resize"))),
        crop_px=int(str(fields.pop("size"))),
        mean=on_bytes(norm.mean),
        std=on_bytes(norm.std),
        interpolation=str(fields.pop("interpolation")),
        fit=Fit(str(fields.pop("fit"))),
    )
    return Preset(
        name=name,
        files=_files(fields.pop("files")),
        outputs=tuple(fields.pop("outputs")),  # type: ignore[arg-type]
        preprocessing=preprocessing,
        text_files=_files(text.get("files", ())),
        text_card=_text_card(text["card"]) if text else None,
        conditions=None if conditions is None else Conditions(**conditions),  # type: ignore[arg-type]
        **fields,  # type: ignore[arg-type]
    )


def _files(records: object) -> tuple[PresetFile, ...]:
    return tuple(PresetFile(**record) for record in records)  # type: ignore[attr-defined]


def _text_card(record: dict[str, object]) -> TextCard:
    return TextCard(**{**record, "cleaning": Cleaning(str(record["cleaning"]))})  # type: ignore[arg-type]
