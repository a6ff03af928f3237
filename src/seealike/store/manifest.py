"""``manifest.json``: which database is the catalogue's, what made its vectors, and how they are kept.

Written as the last step of creation, and replaced in one step when a catalogue moves to another encoder:
whoever reads it sees the old catalogue or the new one, whole.
"""

from __future__ import annotations

import json
import os
import re
import uuid
from dataclasses import asdict, dataclass, field

from seealike._version import __version__
from seealike.errors import (
    DamagedCatalogError,
    NewerFormatError,
    NoCatalogError,
    UnknownNameError,
    known_member,
)
from seealike.files import FileSystem, check_own_file, read_own_file
from seealike.store import schema
from seealike.store.records import text_checksum
from seealike.types import EncoderIdentity, Fit, Preprocessing
from seealike.vectors import VectorType

MANIFEST_NAME = "manifest.json"
DATABASE_NAME = "catalog.sqlite"
ENCODERS_NAME = "encoders"  # the folder with the encoders that the catalogue has copies of
PROGRESS_NAME = "progress.json"  # where a run is that goes on now
MANIFEST_FORMAT = 3
MANIFEST_LIMIT = 1_000_000  # bytes; one of a catalogue is far smaller
_DATABASE = re.compile(r"catalog(-[0-9a-f]{16})?\.sqlite")


@dataclass(frozen=True, slots=True)
class Manifest:
    """What is fixed for one database, which repeats ``catalog_id``, ``encoder`` and ``vectors``.

    ``encoder_spec`` is how the encoder was asked for, empty where it is an object of the caller's.
    ``database`` is the name of the file.
    """

    encoder: EncoderIdentity
    created_by: str = f"seealike {__version__}"
    format_version: int = MANIFEST_FORMAT
    catalog_id: str = field(default_factory=lambda: uuid.uuid4().hex)
    encoder_spec: str = ""
    database: str = DATABASE_NAME
    vectors: VectorType = VectorType.FLOAT16

    def to_bytes(self) -> bytes:
        """Serialise, with a checksum over the content."""
        content = asdict(self)
        return json.dumps({**content, "crc32": _checksum(content)}, indent=2).encode()


def is_catalog(path: str) -> bool:
    """Whether ``path`` looks like a catalogue's directory (its files may still be damaged).

    A creation that was cut off before its manifest leaves none.
    """
    manifest = os.path.join(path, MANIFEST_NAME)
    if os.path.islink(manifest) or (os.path.exists(manifest) and not os.path.isdir(manifest)):
        return True
    return any(not schema.is_blank(os.path.join(path, name)) for name in databases_in(path))


def is_database_name(name: str) -> bool:
    """Whether a catalogue's database may be called so."""
    return _DATABASE.fullmatch(name) is not None


def databases_in(directory: str) -> list[str]:
    """All names in a directory that may be a catalogue's database, the usual one first.

    What lies there may be a link or a folder: whoever opens it looks first.
    """
    try:
        names = [name for name in os.listdir(directory) if is_database_name(name)]
    except OSError:
        return []
    return sorted(names, key=lambda name: (name != DATABASE_NAME, name))


def write_manifest(files: FileSystem, directory: str, manifest: Manifest) -> None:
    """Write the manifest durably."""
    files.write(os.path.join(directory, MANIFEST_NAME), manifest.to_bytes(), follow=False)


def read_manifest(directory: str) -> Manifest:
    """Read and check the manifest.

    Raises:
        NoCatalogError: there is none, and no database either.
        DamagedCatalogError: it is not what was written, or it is missing beside a database.
        NewerFormatError: a newer seealike wrote it.
        ForeignFileError: it is a link or no plain file, or it is missing beside a database that is none.
        StorageError: it cannot be read.
    """
    path = os.path.join(directory, MANIFEST_NAME)
    try:
        content = json.loads(read_own_file(path, MANIFEST_LIMIT))
    except FileNotFoundError:
        for name in databases_in(directory):
            check_own_file(os.path.join(directory, name))
        if is_catalog(directory):
            raise DamagedCatalogError(directory, path, "missing") from None
        raise NoCatalogError(directory) from None
    except NotADirectoryError:
        raise NoCatalogError(directory) from None
    except (ValueError, RecursionError) as exc:
        raise DamagedCatalogError(directory, path, str(exc)) from exc
    return _checked(directory, path, content)


def _checked(directory: str, path: str, content: object) -> Manifest:
    if not isinstance(content, dict):
        raise DamagedCatalogError(directory, path, "no JSON object")
    checksum = content.pop("crc32", None)  # the same in every format, or damage would look like a newer one
    if checksum != _checksum(content):
        raise DamagedCatalogError(directory, path, "checksum")
    if content["format_version"] > MANIFEST_FORMAT:
        raise NewerFormatError(directory, content["format_version"], MANIFEST_FORMAT)
    if content["format_version"] < 2:  # catalogues of that time had encoders that are known by name
        content["encoder_spec"] = content["encoder"]["name"]
    content["format_version"] = MANIFEST_FORMAT
    identity = identity_from_json(content["encoder"])
    try:
        manifest = Manifest(**{**content, "encoder": identity, "vectors": _kept(content)})
    except UnknownNameError as exc:
        raise DamagedCatalogError(directory, path, str(exc)) from exc
    if os.path.basename(manifest.database) != manifest.database or not is_database_name(manifest.database):
        raise DamagedCatalogError(directory, path, f"names {manifest.database!r} as its database")
    return manifest


def birth_to_json(manifest: Manifest) -> str:
    """What the database repeats of the manifest, so that neither can be another catalogue's."""
    fields = {
        "catalog_id": manifest.catalog_id,
        "encoder": asdict(manifest.encoder),
        "encoder_spec": manifest.encoder_spec,
        "vectors": manifest.vectors,
    }
    return json.dumps(fields, sort_keys=True)


def birth_from_json(text: str) -> Manifest:
    """The manifest that belongs to a database which says ``text``.

    Raises:
        UnknownNameError: its vectors are kept in numbers that are not known here.
    """
    fields = json.loads(text)
    identity = identity_from_json(fields["encoder"])
    spec = fields.get("encoder_spec", identity.name)
    return Manifest(identity, catalog_id=fields["catalog_id"], encoder_spec=spec, vectors=_kept(fields))


def identity_from_json(fields: dict[str, object]) -> EncoderIdentity:
    """An encoder's identity from the parsed JSON."""
    preprocessing = dict(fields["preprocessing"])  # type: ignore[call-overload]
    for name in ("mean", "std"):
        preprocessing[name] = tuple(preprocessing[name])
    preprocessing["fit"] = Fit(preprocessing.get("fit", Fit.CROP))
    return EncoderIdentity(**{**fields, "preprocessing": Preprocessing(**preprocessing)})  # type: ignore[arg-type]


def _kept(fields: dict[str, str]) -> VectorType:
    """How vectors are kept; earlier formats did not say, for there was one way."""
    return known_member(VectorType, fields.get("vectors", VectorType.FLOAT16), "type of vectors")


def _checksum(content: dict[str, object]) -> int:
    return text_checksum(json.dumps(content, sort_keys=True))
