"""A training's progress on disk: one safetensors file, with JSON in its header, replaced whole or not."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from typing import TYPE_CHECKING

from seealike.catalog.outputs.kinds import CHECKPOINT_KEY
from seealike.errors import StorageError
from seealike.files import FileSystem, check_own_file, check_own_folder
from seealike.training.teach.loop import Point, Progressed

if TYPE_CHECKING:
    from seealike.training.teach.loop import Tensors

NAME = "checkpoint.safetensors"
_FORMAT = 1
_STATE, _BEST = "state/", "best/"


class Checkpoint:
    """The progress of one training. ``fingerprint`` names everything that it depends on."""

    def __init__(self, folder: str, fingerprint: str) -> None:
        """Use a folder, which is made when there is something to keep."""
        check_own_folder(folder)
        self._folder, self._fingerprint = folder, fingerprint
        self.path = os.path.join(folder, NAME)

    def load(self) -> Progressed | None:
        """The progress of an earlier run of this very training.

        Another training's, and a file that cannot be read, count as none: they are written over.

        Raises:
            ForeignFileError: it is a link or no plain file.
        """
        from safetensors import SafetensorError, safe_open

        check_own_file(self.path)
        try:
            with safe_open(self.path, framework="pt") as file:
                facts = json.loads((file.metadata() or {}).get(CHECKPOINT_KEY, "{}"))
                if (facts.get("format"), facts.get("fingerprint")) != (_FORMAT, self._fingerprint):
                    return None
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
                curve = tuple(Point(**point) for point in facts["curve"])
        except (OSError, ValueError, KeyError, TypeError, SafetensorError):
            return None
        return Progressed(curve, _under(_STATE, tensors), _under(_BEST, tensors))

    def save(self, progressed: Progressed) -> None:
        """Keep it, durably.

        Raises:
            StorageError: the disk refused.
        """
        from safetensors.torch import save

        files = FileSystem()
        files.make_directory(self._folder)
        tensors = {f"{_STATE}{name}": value for name, value in progressed.state.items()}
        tensors |= {f"{_BEST}{name}": value for name, value in progressed.best.items()}
        facts = {
            "format": _FORMAT,
            "fingerprint": self._fingerprint,
            "curve": [asdict(point) for point in progressed.curve],
        }
        plain = {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}
        content = save(plain, metadata={CHECKPOINT_KEY: json.dumps(facts)})
        files.write(self.path, content, follow=False)

    def remove(self) -> None:
        """Forget it."""
        FileSystem().remove(self.path)
        try:
            os.rmdir(self._folder)
        except FileNotFoundError:
            pass
        except OSError as exc:
            if os.listdir(self._folder):
                return  # somebody else's files
            raise StorageError(self._folder, exc.strerror or str(exc)) from exc


def _under(prefix: str, tensors: Tensors) -> Tensors:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
