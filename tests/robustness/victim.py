"""A process that works on a catalogue as it is told, says what a reader sees, and waits to be killed.

Reads one JSON object a line: what to do. Writes one a line: ``{"committed": {...}}`` whenever something may
have been committed, ``{"done": ...}`` when a call has returned, ``{"ann": 0}`` when the approximate index is
about to be made.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable

from tests.robustness.herd import committed

import seealike
from seealike import Catalog, IndexOptions
from seealike.catalog import ann, opening
from seealike.catalog.encoder import at_hand
from seealike.catalog.sync import job as sync
from seealike.cli.main import run
from seealike.encoders import EncoderMode
from seealike.testing import FakeEncoder
from seealike.types import EncoderIdentity, Progress

ANN_THRESHOLD = 20


def hurry() -> None:
    """Commit often, and make an approximate index of few items, so that a kill finds something to disturb."""
    sync.COMMIT_ITEMS = 4
    ann.THRESHOLD = ANN_THRESHOLD


def fake_default_encoder(replace: Callable[[object, str, object], None] = setattr) -> None:
    """Let the commands work with the fake encoder under every name."""

    def identity_of(name: str) -> EncoderIdentity:
        return FakeEncoder().identity

    def load_encoder(name: str, *, mode: EncoderMode) -> FakeEncoder:
        return FakeEncoder()

    replace(opening, "identity_of", identity_of)
    replace(at_hand, "load_encoder", load_encoder)


def main(directory: str, folder: str) -> None:
    hurry()
    fake_default_encoder()
    with seealike.open(directory, encoder=FakeEncoder()) as catalog:
        say({"committed": committed(directory)})
        for line in sys.stdin:
            order = json.loads(line)
            ORDERS[order["do"]](catalog, folder, order)
            say({"committed": committed(directory)})
            say({"done": order["do"]})


def index(catalog: Catalog, folder: str, order: dict[str, str]) -> None:
    def progress(step: Progress) -> None:
        if step.stage == "index":
            say({"committed": committed(catalog.path)})
        elif step.stage == "ann":
            say({"ann": step.done})

    catalog.index(folder, options=IndexOptions(prune_missing=True, workers=2), progress=progress)


def index_by_command(catalog: Catalog, folder: str, order: dict[str, str]) -> None:
    arguments = ["index", folder, "--catalog", catalog.path, "--prune-missing", "--workers", "2", "--quiet"]
    if run(arguments) != 0:
        raise SystemExit(1)


def remove(catalog: Catalog, folder: str, order: dict[str, str]) -> None:
    catalog.remove(order["ids"])


def add(catalog: Catalog, folder: str, order: dict[str, str]) -> None:
    catalog.add(order["id"], order["path"])


def repair(catalog: Catalog, folder: str, order: dict[str, str]) -> None:
    if not catalog.verify(repair=True).ok:
        raise SystemExit("damaged")


ORDERS: dict[str, Callable[[Catalog, str, dict[str, str]], None]] = {
    "index": index,
    "command": index_by_command,
    "remove": remove,
    "add": add,
    "repair": repair,
}


def say(message: object) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
