"""``manifest.json``: the catalogue's birth certificate, written once, as the last step of creation."""

from __future__ import annotations

import json
import os
import uuid
from dataclasses import asdict, dataclass, field

from seealike._version import __version__
from seealike.errors import DamagedCatalogError, NewerFormatError, NoCatalogError
from seealike.store import schema
from seealike.store.files import FileSystem
from seealike.store.records import text_checksum
from seealike.types import EncoderIdentity, Fit, Preprocessing

MANIFEST_NAME = "manifest.json"
DATABASE_NAME = "catalog.sqlite"
MANIFEST_FORMAT = 1


@dataclass(frozen=True, slots=True)
class Manifest:
    """What never changes in the life of a catalogue. The database repeats ``catalog_id``."""

    encoder: EncoderIdentity
    created_by: str = f"seealike {__version__}"
    format_version: int = MANIFEST_FORMAT
    catalog_id: str = field(default_factory=lambda: uuid.uuid4().hex)

    def to_bytes(self) -> bytes:
        """Serialise, with a checksum over the content."""
        content = asdict(self)
        return json.dumps({**content, "crc32": _checksum(content)}, indent=2).encode()


def is_catalog(path: str) -> bool:
    """Whether ``path`` looks like a catalogue's directory (its files may still be damaged).

    A creation that was cut off before its manifest leaves none.
    """
    if os.path.isfile(os.path.join(path, MANIFEST_NAME)):
        return True
    database = os.path.join(path, DATABASE_NAME)
    return os.path.isfile(database) and not schema.is_blank(database)


def write_manifest(files: FileSystem, directory: str, manifest: Manifest) -> None:
    """Write the manifest durably."""
    files.write(os.path.join(directory, MANIFEST_NAME), manifest.to_bytes())


def read_manifest(directory: str) -> Manifest:
    """Read and check the manifest.

    Raises:
        NoCatalogError: there is none, and no database either.
        DamagedCatalogError: it is not what was written, or it is missing beside a database.
        NewerFormatError: a newer seealike wrote it.
    """
    path = os.path.join(directory, MANIFEST_NAME)
    try:
        with open(path, "rb") as file:
            content = json.loads(file.read(1_000_000))
    except FileNotFoundError:
        if is_catalog(directory):
            raise DamagedCatalogError(directory, path, "missing") from None
        raise NoCatalogError(directory) from None
    except NotADirectoryError:
        raise NoCatalogError(directory) from None
    except (OSError, ValueError, RecursionError) as exc:
        raise DamagedCatalogError(directory, path, str(exc)) from exc
    if not isinstance(content, dict):
        raise DamagedCatalogError(directory, path, "no JSON object")
    checksum = content.pop("crc32", None)  # the same in every format, or damage would look like a newer one
    if checksum != _checksum(content):
        raise DamagedCatalogError(directory, path, "checksum")
    if content["format_version"] > MANIFEST_FORMAT:
        raise NewerFormatError(directory, content["format_version"], MANIFEST_FORMAT)
    return Manifest(**{**content, "encoder": identity_from_json(content["encoder"])})


def birth_to_json(manifest: Manifest) -> str:
    """What the database repeats of the manifest, so that neither can be another catalogue's."""
    return json.dumps(
        {"catalog_id": manifest.catalog_id, "encoder": asdict(manifest.encoder)}, sort_keys=True
    )


def birth_from_json(text: str) -> Manifest:
    """The manifest that belongs to a database which says ``text``."""
    fields = json.loads(text)
    return Manifest(identity_from_json(fields["encoder"]), catalog_id=fields["catalog_id"])


def identity_from_json(fields: dict[str, object]) -> EncoderIdentity:
    """An encoder's identity from the parsed JSON."""
    preprocessing = dict(fields["preprocessing"])  # type: ignore[call-overload]
    for name in ("mean", "std"):
        preprocessing[name] = tuple(preprocessing[name])
    preprocessing["fit"] = Fit(preprocessing.get("fit", Fit.CROP))
    return EncoderIdentity(**{**fields, "preprocessing": Preprocessing(**preprocessing)})  # type: ignore[arg-type]


def _checksum(content: dict[str, object]) -> int:
    return text_checksum(json.dumps(content, sort_keys=True))
