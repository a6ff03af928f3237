"""The encoder and its card on the disk: whether they may go there, and both at once or neither."""

from __future__ import annotations

import os
import tempfile
from dataclasses import replace
from typing import TYPE_CHECKING

from seealike.catalog import model_files
from seealike.catalog.outputs.places import OutputFile
from seealike.encoders import (
    EncoderCard,
    InputForm,
    card_path,
    marks_to_text,
    read_card,
    record_for,
    write_card,
)
from seealike.encoders.spec import EncoderSpec
from seealike.errors import EncoderError, StorageError, UsageError
from seealike.files import FileSystem
from seealike.training.trial import Parity, compared

if TYPE_CHECKING:
    from seealike.catalog import Catalog
    from seealike.encoders import EncoderRecord
    from seealike.training.teach.taught import Taught
    from seealike.types import Int64Array


def check_output(catalog: Catalog, output: OutputFile) -> None:
    """Refuse a file that may not be written over, before anything is learnt.

    Raises:
        UsageError: it may not be written at all, its card's place is taken, or vectors depend on it.
    """
    _check_vectors_need_it_not(catalog, output.path)
    output.check(catalog.path)
    if output.is_stream:
        raise UsageError(f"{output.path} is no place for an encoder: it is a file, with a card beside it")
    _check_card(output)


def _check_card(output: OutputFile) -> None:
    """Refuse to write over what lies where the card is to lie, unless it is that of an encoder of ours."""
    path = card_path(output.path)
    try:
        card = read_card(output.path)
    except EncoderError as exc:
        raise UsageError(
            f"the encoder's card would take the place of {path}, which is none; choose another --output"
        ) from exc
    if card is not None and not output.force and not os.path.exists(output.path):
        raise UsageError(
            f"the encoder's card would take the place of {path}, a card without its encoder; choose another "
            "--output, or add --force (force=True) to replace it"
        )


def _check_vectors_need_it_not(catalog: Catalog, output: str) -> None:
    for owner, file in model_files(catalog):
        cards = card_path(file), card_path(output)
        if _same_file(file, output) or (os.path.isfile(cards[0]) and _same_file(*cards)):
            raise UsageError(f"{output} is the encoder of {owner}; choose another --output for the new one")


def write_encoder(
    output: OutputFile, catalog: str, taught: Taught, name: str, learnt: Int64Array
) -> tuple[Parity, bool]:
    """Write what was learnt, once it is proved that the file computes it.

    At no moment is one file's card beside another file. The card says by their marks which pictures were
    ``learnt`` from.

    Shapes: learnt is (n,).

    Returns:
        How well the file and the network agree, and whether it runs in float32 only.

    Raises:
        EncoderError: the file does not compute what was learnt; nothing has changed.
        UsageError: the file may not be written any more.
        StorageError: the disk refused.
    """
    place = os.path.abspath(output.path)
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
    with _folder_beside(place) as folder:
        aside = os.path.join(folder, os.path.basename(place))
        FileSystem().write(aside, taught.model)
        write_card(aside, card)
        parity = compared(_record(aside, folder), taught.trial())
        if parity.precise and not card.precise:
            card = replace(card, precise=True)
            write_card(aside, card)
        output.check(catalog)
        _check_card(output)
        _put(aside, place)
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
    record = record_for(EncoderSpec.of_file(path), cache_dir)
    if record is None:
        raise EncoderError(f"{path} is no encoder")
    return record


def _same_file(a: str, b: str) -> bool:
    try:
        return os.path.samefile(a, b)
    except OSError:  # one of them is not there
        return os.path.normcase(os.path.realpath(a)) == os.path.normcase(os.path.realpath(b))
