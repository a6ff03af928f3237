"""A folder for a part of the lists, of which nothing is left when a worker is killed and others follow."""

from __future__ import annotations

import glob
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from seealike.errors import SeealikeError
from seealike.store.lock import BUILDER_LOCK_NAME, builder_lock

PREFIX = "seealike-part-"
_YOUNG_S = 60  # whoever made it may not hold it yet


@contextmanager
def room() -> Iterator[str]:
    """A folder that is gone afterwards, and with it those of workers that were killed on this machine."""
    with tempfile.TemporaryDirectory(prefix=PREFIX) as folder, builder_lock(folder):
        sweep()
        yield folder


def sweep() -> None:
    """Remove the folders that nobody holds any more."""
    for folder in glob.glob(os.path.join(glob.escape(tempfile.gettempdir()), f"{PREFIX}*")):
        try:
            since_s = time.time() - os.stat(os.path.join(folder, BUILDER_LOCK_NAME)).st_mtime
        except OSError:  # it is none of ours
            continue
        if since_s < _YOUNG_S:
            continue
        with suppress(SeealikeError), builder_lock(folder) as is_left:
            if is_left:
                shutil.rmtree(folder, ignore_errors=True)
