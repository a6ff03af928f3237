"""Run as a process: replaces many items in one transaction, and says when it is in the midst of it."""

from __future__ import annotations

import os
import sys
import time

from seealike.store import DATABASE_NAME, NewItem, StoreWriter
from seealike.store.writer import Change

VECTOR_BYTES = 2560
COUNT = 20_000


def item(number: int, byte: int) -> NewItem:
    name = f"folder/{number:06}.jpg"
    vector = bytes([byte, number % 251]) * (VECTOR_BYTES // 2)
    return NewItem(name, name.encode(), 1, 2, bytes(32), None, "{}", 3, 4, True, vector)


def main(directory: str) -> None:
    def apply(change: Change) -> None:
        for start in range(0, COUNT, 500):
            items = [item(number, 1) for number in range(start, start + 500)]
            change.remove_ids([one.id for one in items])
            change.insert(items)
        sys.stdout.write("in the midst\n")
        sys.stdout.flush()
        time.sleep(60)

    StoreWriter(os.path.join(directory, DATABASE_NAME)).rewrite(apply)


if __name__ == "__main__":
    main(*sys.argv[1:])
