"""Run as a process: replaces every item of a catalogue by its next version, in one transaction each.

Until its input ends.
"""

from __future__ import annotations

import os
import sys
import threading

from tests.robustness.story import entry, new_item

from seealike.store import DATABASE_NAME, StoreWriter

IDS = [f"item {number:02}" for number in range(20)]


def main(directory: str) -> None:
    ended = threading.Event()

    def listen() -> None:
        sys.stdin.read()
        ended.set()

    threading.Thread(target=listen, daemon=True).start()
    writer, version = StoreWriter(os.path.join(directory, DATABASE_NAME)), 0
    while not ended.wait(0.1):
        writer.add([new_item(item_id, entry(item_id, version)) for item_id in IDS])
        version += 1
    writer.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
