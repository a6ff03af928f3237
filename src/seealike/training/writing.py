"""The encoder and its card on the disk: whether they may go there, and both at once or neither."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from seealike.catalog.spaces import SPACES
from seealike.encoders import EncoderCard, InputForm, card_path, parse_spec, read_card, record_for, write_card
from seealike.encoders.learnt import marks_to_text
from seealike.encoders.spec import ONNX, EncoderSpec
from seealike.errors import CatalogError, EncoderError, StorageError, UsageError
from seealike.store import FileSystem, read_manifest
from seealike.training.trial import Parity, compared

if TYPE_CHECKING:
    from seealike.catalog import Catalog
    from seealike.encoders import EncoderRecord
    from seealike.training.taught import Taught
    from seealike.types import Int64Array

_ENDING = ".onnx"


def check_output(catalog: Catalog, output: str) -> None:
    """Refuse a file that may not be written over, before anything is learnt.

    Raises:
        UsageError: it is no ONNX file's name, its card's place is taken, or vectors depend on it.
    """
    if not output.lower().endswith(_ENDING):
        raise UsageError(f"the encoder is an ONNX file: call it {output}{_ENDING}")
    if os.path.exists(output) and not os.path.isfile(output):
        raise UsageError(f"{output} is there and no file; choose another")
    if not os.path.isdir(os.path.dirname(os.path.abspath(output))):
        raise UsageError(f"there is no folder {os.path.dirname(output)}")
    try:
        read_card(output)
    except EncoderError as exc:
        raise UsageError(
            f"the encoder's card would take the place of {card_path(output)}, which is none; "
            "choose another --output"
        ) from exc
    for owner, file in _files_in_use(catalog):
        cards = card_path(file), card_path(output)
        if _same_file(file, output) or (os.path.isfile(cards[0]) and _same_file(*cards)):
            raise UsageError(f"{output} is the encoder of {owner}; choose another --output for the new one")


def write_encoder(output: str, taught: Taught, name: str, learnt: Int64Array) -> tuple[Parity, bool]:
    """Write what was learnt, once it is proved that the file computes it.

    At no moment is one file's card beside another file. The card says by their marks which pictures were
    ``learnt`` from.

    Shapes: learnt is (n,).

    Returns:
        How well the file and the network agree, and whether it runs in float32 only.

    Raises:
        EncoderError: the file does not compute what was learnt; nothing has changed.
        StorageError: the disk refused.
    """
    output = os.path.abspath(output)
    card = EncoderCard(
        name=name,
        preprocessing=taught.preprocessing,
        layer="embedding",
        pooling="none",
        input=InputForm.PICTURES,
        licence=taught.licence,
        source=taught.source,
        precise=taught.precise,
        learnt=marks_to_text(learnt),
    )
    with _folder_beside(output) as folder:
        aside = os.path.join(folder, os.path.basename(output))
        FileSystem().write(aside, taught.model)
        write_card(aside, card)
        parity = compared(_record(aside, folder), taught.trial())
        if parity.precise and not card.precise:
            card = replace(card, precise=True)
            write_card(aside, card)
        _put(aside, output)
    return parity, card.precise


def _put(aside: str, output: str) -> None:
    """Move a model and its card to where they belong; in between there is no model, never a wrong pair."""
    files = FileSystem()
    try:
        os.unlink(output)
    except FileNotFoundError:
        pass
    except OSError as exc:
        raise StorageError(output, exc.strerror or str(exc)) from exc
    files.rename(card_path(aside), card_path(output))
    files.rename(aside, output)


def _folder_beside(output: str) -> tempfile.TemporaryDirectory[str]:
    """A folder on the same disk, so that moving is renaming."""
    try:
        return tempfile.TemporaryDirectory(
            prefix=".writing-", dir=os.path.dirname(output), ignore_cleanup_errors=True
        )
    except OSError as exc:
        raise StorageError(output, exc.strerror or str(exc)) from exc


def _record(path: str, cache_dir: str) -> EncoderRecord:
    record = record_for(EncoderSpec(ONNX, path), cache_dir)
    if record is None:
        raise EncoderError(f"{path} is no encoder")
    return record


def _files_in_use(catalog: Catalog) -> Iterator[tuple[str, str]]:
    """Whose vectors depend on which file: the catalogue, and the spaces below it."""
    yield from _files_of("this catalogue", catalog.encoder_spec)
    try:
        spaces = [entry.path for entry in os.scandir(os.path.join(catalog.path, SPACES))]
    except OSError:
        return
    for path in spaces:
        try:
            spec = read_manifest(path).encoder_spec
        except CatalogError:
            continue  # a space is only a copy: a damaged one is made anew
        yield from _files_of(f"the space {path}", spec)


def _files_of(owner: str, text: str) -> Iterator[tuple[str, str]]:
    if not text:
        return
    spec = parse_spec(text)
    for file in (spec.target if spec.scheme == ONNX else None, spec.weights, spec.text):
        if file:
            yield owner, file


def _same_file(a: str, b: str) -> bool:
    try:
        return os.path.samefile(a, b)
    except OSError:  # one of them is not there
        return os.path.normcase(os.path.realpath(a)) == os.path.normcase(os.path.realpath(b))
