"""A folder for a part of the lists, of which nothing stays when a worker is killed and others follow."""

from __future__ import annotations

import glob
import os
import platform
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from seealike.errors import SeealikeError
from seealike.files import check_own_file
from seealike.store.lock import held_if_free

LOCK_NAME = "room.lock"
_YOUNG_S = 60  # whoever made it may not hold it yet


def prefix() -> str:
    """How the folders of this machine's workers begin, as others may share the place."""
    return f"seealike-part-{re.sub('[^A-Za-z0-9.]', '-', platform.node())}-"


@contextmanager
def room() -> Iterator[str]:
    """A place that is gone afterwards, and with it those of workers that were killed on this machine."""
    with tempfile.TemporaryDirectory(prefix=prefix(), ignore_cleanup_errors=True) as folder:
        lock, inside = os.path.join(folder, LOCK_NAME), os.path.join(folder, "part")
        with held_if_free(lock) as is_held:
            if not is_held:  # nobody may take it for one that was left
                os.unlink(lock)
            sweep()
            try:
                yield inside
            finally:
                shutil.rmtree(inside, ignore_errors=True)


def sweep() -> None:
    """Remove what is in the folders that nobody holds any more, their locks last."""
    for folder in glob.glob(os.path.join(glob.escape(tempfile.gettempdir()), f"{prefix()}*")):
        lock = os.path.join(folder, LOCK_NAME)
        with suppress(SeealikeError, OSError):
            if time.time() - os.stat(lock).st_mtime < _YOUNG_S:
                continue
            check_own_file(lock, alone=True)
            with held_if_free(lock) as is_left:
                if is_left:
                    shutil.rmtree(os.path.join(folder, "part"), ignore_errors=True)
            if is_left:
                shutil.rmtree(folder, ignore_errors=True)
