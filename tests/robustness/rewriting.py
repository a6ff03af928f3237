"""Run as a process: replaces every item of a catalogue by its next version, in one transaction each."""

from __future__ import annotations

import os
import sys
import time

from tests.robustness.story import entry, new_item

from seealike.store import DATABASE_NAME, StoreWriter

IDS = [f"item {number:02}" for number in range(20)]


def main(directory: str, seconds: str) -> None:
    writer = StoreWriter(os.path.join(directory, DATABASE_NAME))
    deadline, version = time.monotonic() + float(seconds), 0
    while time.monotonic() < deadline:
        writer.add([new_item(item_id, entry(item_id, version)) for item_id in IDS])
        version += 1
        time.sleep(0.1)
    writer.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
