"""The encoder that a catalogue works with: where it is, and whether it is the right one."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from typing import TypeVar

from seealike.catalog.encoder.copies import EncoderCopies
from seealike.encoders import (
    EncoderMode,
    EncoderSpec,
    identity_of,
    known_encoders,
    load_encoder,
    parse_spec,
)
from seealike.encoders.kept import origin_of
from seealike.errors import (
    EncoderError,
    EncoderMismatchError,
    MissingExtraError,
    NoPlacesError,
    PictureError,
    SeealikeError,
)
from seealike.images import DecodeLimits
from seealike.protocols import Encoder, MapEncoder, TextEncoder
from seealike.store import FileSystem, SqliteStore
from seealike.types import EncoderIdentity, Float32Array, SkipReason
from seealike.vectors import have_directions, unit_rows

Loaded = TypeVar("Loaded", bound=Encoder | MapEncoder | TextEncoder)


class NamedEncoder:
    """An encoder of no catalogue: by how it is asked for, or an object of the caller's.

    Args:
        asked: the object, or the spec.
        limits: what one picture that is decoded for it may cost.

    Raises:
        UnknownNameError, EncoderError, MissingExtraError: there is none.
    """

    def __init__(self, asked: str | Encoder, limits: DecodeLimits = DecodeLimits()) -> None:
        self._asked, self.limits = asked, limits
        self.identity = identity_of(asked) if isinstance(asked, str) else asked.identity

    @property
    def spec(self) -> str:
        """How it is asked for, also elsewhere; empty where it is an object."""
        return str(origin_of(parse_spec(self._asked))) if isinstance(self._asked, str) else ""

    @contextmanager
    def loaded(self, mode: EncoderMode) -> Iterator[Encoder]:
        """The encoder, ready; one that was loaded here is freed afterwards.

        Raises:
            EncoderError: it cannot be loaded.
        """
        if not isinstance(self._asked, str):
            yield self._asked
            return
        with closing(load_encoder(self._asked, mode=mode)) as encoder:
            yield encoder


class EncoderAtHand:
    """The encoder a catalogue works with: the one it was made with, wherever that is, or a user's object."""

    def __init__(
        self,
        store: SqliteStore,
        asked: Encoder | EncoderSpec | None = None,
        limits: DecodeLimits = DecodeLimits(),
    ) -> None:
        """Check that the encoder at hand is the catalogue's; nothing heavy is loaded, no model is opened.

        Args:
            store: remembers which encoder it was, and how it was asked for.
            asked: the encoder as an object, or how to ask for it now; None: as it was asked for then.
            limits: what one picture that is decoded for it may cost.

        A catalogue may be read without its encoder: an unknown name or a lost file is no error yet.

        Raises:
            EncoderMismatchError: it has another name, other weights or preprocessing.
        """
        self.identity, self.limits = store.identity, limits
        self._directory = store.directory
        self._given = None if asked is None or isinstance(asked, EncoderSpec) else asked
        self._asked = asked if isinstance(asked, EncoderSpec) else None
        self._remembered = remembered_spec(store)
        at_hand = self._given.identity if self._given is not None else self._known()
        if at_hand not in (None, self.identity):
            raise EncoderMismatchError(store.directory, described(self.identity), described(at_hand))

    @property
    def given(self) -> Encoder | None:
        """The object that its user made, if that is what it is."""
        return self._given

    def spec(self) -> EncoderSpec:
        """How it is asked for where it is now, if it is no object: the first way by which it is found."""
        places = self._places()
        for place in places[:-1]:
            with suppress(SeealikeError):
                if identity_of(place) == self.identity:
                    return place
        return places[-1]

    def keep(self, files: FileSystem, *, link: bool | None) -> None:
        """See that the catalogue has its copy, or a note that none is wanted; remove those it had before.

        The caller holds the writer lock.

        Raises:
            EncoderError, CatalogBusyError, StorageError: see ``EncoderCopies.keep``.
        """
        copies = EncoderCopies(self._directory, files)
        if self._given is None:
            copies.keep(self.identity, self._asked, self._remembered, link=link)
        copies.remove_unneeded()

    @contextmanager
    def loaded(self, mode: EncoderMode) -> Iterator[Encoder]:
        """The encoder, ready; one that was loaded here is freed afterwards.

        Raises:
            UnknownNameError: there is no encoder of this name, and none was given.
            EncoderError: its file has gone, or is another one now.
        """
        if self._given is not None:
            yield self._given
            return
        encoder = self.first(lambda place: load_encoder(place, mode=mode))
        if encoder is None:
            raise EncoderError(f"{self._remembered} makes no encoder")
        try:
            yield encoder
        finally:
            encoder.close()

    def first(self, load: Callable[[EncoderSpec], Loaded | None]) -> Loaded | None:
        """What ``load`` makes of the first place where the encoder is; None where it makes nothing of any.

        Raises:
            UnknownNameError, MissingExtraError, EncoderError: it is nowhere; the message says why.
            EncoderMismatchError: this version of seealike pools or focuses in another way.
        """
        problems: list[SeealikeError] = []
        for place in self._places():
            try:
                found = self._loaded_from(place, load)
            except (EncoderError, MissingExtraError) as exc:
                problems.append(exc)
                continue
            if found is not None:
                return found
        if len(problems) > 1 and not isinstance(problems[0], NoPlacesError):  # no copy of it has them
            raise EncoderError("; ".join(map(str, problems))) from problems[-1]
        if problems:
            raise problems[0]
        return None

    def _loaded_from(self, place: EncoderSpec, load: Callable[[EncoderSpec], Loaded | None]) -> Loaded | None:
        remedy = _remedy(place)
        if place.file is not None and not os.path.isfile(place.file):
            raise EncoderError(
                f"the model file {place.file} that {self._directory} was made with is not there; {remedy}"
            )
        try:
            encoder = load(place)
        except EncoderError as exc:
            if place.weights is None or os.path.exists(place.weights):
                raise
            raise EncoderError(f"{exc}; {remedy}") from exc
        if encoder is None or encoder.identity == self.identity:
            return encoder
        found = encoder.identity
        encoder.close()
        then, now = described(self.identity), described(found)
        if replace(found, pooling=self.identity.pooling) == self.identity:  # another version of seealike
            raise EncoderMismatchError(self._directory, then, now)
        raise EncoderError(
            f"{place.file or place} is no longer what {self._directory} was made "
            f"with ({then}, now {now}); {remedy}"
        )

    def _places(self) -> list[EncoderSpec]:
        """Where to look for it: where it was said to be just now, in the catalogue, where it came from."""
        asked = [] if self._asked is None else [self._asked]
        copies = EncoderCopies(self._directory).places(self.identity)
        return list(dict.fromkeys([*asked, *copies, self._remembered]))

    def _known(self) -> EncoderIdentity | None:
        """The identity of an encoder that is known by name and was asked for by nothing else."""
        known = {record.name: record.identity for record in known_encoders()}
        plain = (self._asked or self._remembered) == EncoderSpec(self.identity.name)
        return known.get(self.identity.name) if plain else None


def encoded_unit(vectors: Float32Array) -> Float32Array:
    """Vectors scaled to norm 1; (n, d)."""
    if not have_directions(vectors):
        raise PictureError("the query", SkipReason.NON_FINITE_VECTOR, "the encoder gave no usable vector")
    return unit_rows(vectors)


def _remedy(place: EncoderSpec) -> str:
    if place.file is not None:
        return "if it lies elsewhere now, say so: --encoder onnx:FILE"
    if place.weights is not None:
        moved = replace(place, weights="NEWPLACE")
        return f"if its weights lie elsewhere now, say so: --encoder '{moved}'"
    return "use the version it was made with, or index anew into another --catalog"


def remembered_spec(store: SqliteStore) -> EncoderSpec:
    """How the catalogue's encoder was asked for; an object's name is tried where it was an object."""
    return parse_spec(store.encoder_spec) if store.encoder_spec else EncoderSpec(store.identity.name)


def described(identity: EncoderIdentity) -> str:
    """An encoder for messages about a mismatch."""
    made = identity.preprocessing
    return (
        f"{identity.name} (weights {identity.weights_sha256[:12]}, layer {identity.layer}, "
        f"pooling {identity.pooling}, {identity.dimension} dimensions, {made.crop_px} of {made.resize_px} px)"
    )
