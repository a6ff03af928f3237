"""A catalogue's own copy of the encoder that made its vectors, so that it needs no file outside.

Copies lie in ``encoders/`` below the catalogue's directory, by their content; the spaces below it share
them. What is there may be deleted as long as the encoder is still where it came from.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import replace

from seealike.catalog.options import EncoderPlace, Finding
from seealike.encoders import EncoderRecord, EncoderSpec, parse_spec, presets, record_for
from seealike.encoders.kept import KeptEncoder, KeptEncoders, identity_key, is_copied, origin_of
from seealike.errors import (
    CatalogError,
    EncoderError,
    MissingExtraError,
    StorageError,
    UnknownNameError,
)
from seealike.store import ENCODERS_NAME, FileSystem, WriterLock, is_catalog, read_manifest
from seealike.types import EncoderIdentity

SPACES = "spaces"
COPYING_WAIT_S = 60.0
# What keeps an original from being used: it has gone, another one is in its place, or a package is missing.
NOT_AT_HAND = (EncoderError, MissingExtraError, UnknownNameError)


class EncoderCopies:
    """The encoders that a catalogue, and the spaces below it, have copied or linked."""

    def __init__(self, directory: str, files: FileSystem | None = None) -> None:
        """Nothing is read yet. The copies of a space are its catalogue's."""
        above = os.path.dirname(os.path.abspath(directory))
        shared = os.path.basename(above) == SPACES and is_catalog(os.path.dirname(above))
        self.directory = os.path.dirname(above) if shared else os.path.abspath(directory)
        self._kept = KeptEncoders(os.path.join(self.directory, ENCODERS_NAME), files)

    def places(self, identity: EncoderIdentity) -> list[EncoderSpec]:
        """How an encoder is asked for here, best first; none where nothing is noted of it.

        A note that is damaged counts as none: the encoder may still be where it came from.
        """
        kept = self._noted(identity)
        if kept is None:
            return []
        return [self._copy(identity) if kept.record is not None else parse_spec(kept.spec)]

    def found(self, spec: str) -> EncoderSpec | None:
        """The copy of the encoder that was asked for as ``spec`` once, None where there is none."""
        return next((self._kept.spec(key) for key, _ in self._kept.copies_of(spec)), None)

    def is_linked(self, identity: EncoderIdentity) -> bool:
        """Whether the user wants no copy of an encoder."""
        kept = self._noted(identity)
        return kept is not None and kept.record is None

    def keep(
        self,
        identity: EncoderIdentity,
        asked: EncoderSpec | None,
        remembered: EncoderSpec,
        *,
        link: bool | None = None,
    ) -> None:
        """Make the copy of an encoder, or note that none is wanted, unless all is as it should be.

        Args:
            identity: which encoder it is.
            asked: how it was asked for just now, if somebody did.
            remembered: how it was asked for when the catalogue was made.
            link: whether it is only to be linked; None: as it was the last time, else copied.

        Raises:
            EncoderError: its original is needed for that, and is not there.
            CatalogBusyError: another process is copying.
            StorageError: the disk refused; what was there is as it was.
        """
        if not self._is_kept(identity, asked, link=link):
            origins = [asked or remembered, *self._links(identity), remembered]
            self._make(identity, origins, link=self.is_linked(identity) if link is None else link)

    def repair(self, identity: EncoderIdentity, remembered: EncoderSpec) -> list[Finding]:
        """``findings``, and the copy made anew if its original is at hand."""
        broken = self.findings(identity)
        if not broken:
            return []
        with contextlib.suppress(CatalogError, EncoderError):
            self._make(identity, [*self._links(identity), remembered], link=False)
        repaired = not self.findings(identity)
        return [replace(finding, repaired=repaired) for finding in broken]

    def _make(self, identity: EncoderIdentity, origins: list[EncoderSpec], *, link: bool) -> None:
        found = _at_hand(identity, [origin for origin in origins if origin != self._copy(identity)])
        if found is None:
            kept = self._noted(identity)
            if link and kept is not None and kept.record is not None:
                raise EncoderError(
                    f"{origins[0]} is gone, or another encoder now, so {self.directory} keeps its copy; if "
                    f"it lies elsewhere now, say so: --encoder onnx:FILE"
                )
            return  # whoever needs it later is told the reason
        origin, record = found
        if not is_copied(record):
            return
        self._kept.make_folder()
        lock = WriterLock(self._kept.folder)
        lock.acquire(COPYING_WAIT_S)
        try:
            if link:
                self._kept.link(identity_key(identity), str(origin))
            else:
                copied = replace(record, cached=False)
                self._kept.copy(identity_key(identity), copied, str(origin_of(origin)))
        except StorageError as exc:
            size = f"{record.size_bytes / 1e6:,.0f} MB"
            remedy = f"--link-encoder does without the encoder's copy ({size}) in the catalogue"
            raise StorageError(exc.path, exc.cause, "" if link else remedy) from exc
        finally:
            lock.release()

    def remove_unneeded(self) -> None:
        """Remove what neither the catalogue nor a space below it needs. The caller holds the writer lock.

        Where somebody is copying, or it is not known what a space needs, it is left for the next time.
        """
        try:
            needed = {identity_key(identity) for identity in self._identities()}
            if not self._kept.present:
                return
            lock = WriterLock(self._kept.folder)
            lock.acquire(0.0)
        except CatalogError:
            return
        try:
            kept = [self._kept.read(key) for key in needed]
            places = [self._kept.place(digests) for one in kept if one is not None for digests in one.sets()]
            self._kept.remove_all_but(needed, places)
        except EncoderError:
            return
        finally:
            lock.release()

    def place_of(self, identity: EncoderIdentity, spec: str) -> EncoderPlace:
        """Where an encoder is, for people."""
        kept = self._noted(identity)
        if kept is not None and kept.record is not None:
            folder = os.path.dirname(kept.record.file)
            return EncoderPlace("copy", folder, sum(map(self._kept.size_bytes, kept.sets())))
        place = parse_spec(kept.spec if kept is not None else spec or identity.name)
        if place.is_installed and place.scheme not in presets():
            return EncoderPlace("installed", None)
        return EncoderPlace("link", place.weights or place.target or place.scheme)

    def findings(self, identity: EncoderIdentity) -> list[Finding]:
        """What is wrong with the copy of an encoder, every byte of which is read."""
        key = identity_key(identity)
        while True:
            try:
                kept = self._kept.read(key)
            except EncoderError:
                return [Finding(self._kept.note_path(key), "checksum")]
            found = [Finding(*damage) for damage in self._kept.damage_of(kept)] if kept is not None else []
            if not found or self._noted(identity) == kept:  # else somebody gave it up meanwhile
                return found

    def holds(self, finding: Finding) -> bool:
        """Whether a finding is about what is kept here."""
        return finding.file.startswith(os.path.join(self._kept.folder, ""))

    def _noted(self, identity: EncoderIdentity) -> KeptEncoder | None:
        return self._kept.noted(identity_key(identity))

    def _copy(self, identity: EncoderIdentity) -> EncoderSpec:
        return self._kept.spec(identity_key(identity))

    def _is_kept(self, identity: EncoderIdentity, asked: EncoderSpec | None, *, link: bool | None) -> bool:
        """Whether there is nothing to do: the note says what is wanted, and the copy is whole."""
        kept = self._noted(identity)
        if kept is None or (asked is not None and kept.spec != str(origin_of(asked))):
            return False
        if kept.record is None:
            return link is not False
        return not link and _at_hand(identity, [self._copy(identity)]) is not None

    def _links(self, identity: EncoderIdentity) -> list[EncoderSpec]:
        kept = self._noted(identity)
        return [] if kept is None else [parse_spec(kept.spec)]

    def _identities(self) -> Iterator[EncoderIdentity]:
        folder = os.path.join(self.directory, SPACES)
        for name in os.listdir(folder) if os.path.isdir(folder) else ():
            if is_catalog(os.path.join(folder, name)):
                yield read_manifest(os.path.join(folder, name)).encoder
        yield read_manifest(self.directory).encoder  # last: a space may take the catalogue's place meanwhile


def _at_hand(
    identity: EncoderIdentity, origins: list[EncoderSpec]
) -> tuple[EncoderSpec, EncoderRecord] | None:
    """The first of several places where a model file of this identity is, and its record."""
    for origin in dict.fromkeys(origins):
        try:
            record = record_for(origin)
        except NOT_AT_HAND:
            continue
        if record is not None and record.identity == identity:
            return origin, record
    return None
