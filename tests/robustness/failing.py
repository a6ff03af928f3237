"""Run under the file system double: lets every single change of the story fail, one after the other.

Each step is told from a fresh copy of the catalogue before that step, so one failure costs one step.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import json
import shutil
from collections.abc import Iterator
from enum import Enum, auto
from pathlib import Path

from tests.robustness.faultfs.double import Fault
from tests.robustness.story import STORY, Known, Step, Teller, choose_journal_mode, observed, states

from seealike.errors import CatalogExistsError, StorageError


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--error", choices=["ENOSPC", "EIO"], required=True)
    parser.add_argument("--lasting", action="store_true")
    parser.add_argument("--cut", action="store_true")
    parser.add_argument("--journal-mode", default="TRUNCATE")
    chosen = parser.parse_args()
    choose_journal_mode(chosen.journal_mode)
    fault, known = Fault(), states()
    tried, refused, unclear = 0, 0, 0
    before = chosen.folder / "before"
    before.mkdir()
    for number, step in enumerate(STORY):
        error = getattr(errno, chosen.error)
        change = 0
        while True:
            change += 1
            with _copied(before) as copy:
                trial = Trial(fault, step, str(copy / "catalog"), known[number], known[number + 1])
                try:
                    outcome = trial.run(change, error, lasting=chosen.lasting, cut=chosen.cut)
                except BaseException as exc:
                    exc.add_note(f"change {change} of step {number} ({step.name})")
                    raise
            if outcome is None:
                break
            tried += 1
            refused += outcome is not Outcome.DONE
            unclear += outcome is Outcome.UNCLEAR
        _tell(step, before)
    print(json.dumps({"tried": tried, "refused": refused, "unclear": unclear}))


class Outcome(Enum):
    """What became of a step during which a change failed.

    ``UNCLEAR``: it was refused and yet is there, whole. The flush that ends a commit failed, and nobody can
    say whether the disk will remember it.
    """

    DONE = auto()
    REFUSED = auto()
    UNCLEAR = auto()


class Trial:
    """One step, told once with a failure and then again without."""

    def __init__(
        self, fault: Fault, step: Step, directory: str, before: Known | None, after: Known | None
    ) -> None:
        self._fault, self._step, self._directory = fault, step, directory
        self._before, self._after = before, after

    def run(self, change: int, error: int, *, lasting: bool, cut: bool) -> Outcome | None:
        """What became of it; ``None`` if the step has no such change."""
        teller = Teller(self._directory)
        if self._before is not None:
            teller.writer.connection.execute("PRAGMA user_version").fetchone()  # opened before the failure
        self._fault.arm(change, error, lasting=lasting, cut=cut)
        outcome = Outcome.DONE
        try:
            self._step.act(teller)
        except StorageError as exc:
            outcome = Outcome.REFUSED
            _check_message(str(exc))
        failures = self._fault.failures
        self._fault.disarm()
        if not failures:
            assert outcome is Outcome.DONE
            return None
        if outcome is Outcome.REFUSED:
            outcome = self._refused(teller)
        assert observed(self._directory) == self._after
        teller.close()
        assert observed(self._directory) == self._after
        return outcome

    def _refused(self, teller: Teller) -> Outcome:
        """Check that nothing has changed, and that it works now that there is space again."""
        outcome = Outcome.REFUSED
        if self._before is not None:
            found = observed(self._directory)
            outcome = Outcome.UNCLEAR if found == self._after else Outcome.REFUSED
            assert found in (self._before, self._after)
        try:
            self._step.act(teller)
        except CatalogExistsError:  # made all but a flush of the folder, and then not removable
            outcome = Outcome.UNCLEAR
        return outcome


def _check_message(message: str) -> None:
    assert "\n" not in message
    assert "what was committed before is safe" in message


@contextlib.contextmanager
def _copied(folder: Path) -> Iterator[Path]:
    copy = folder.with_name("copy")
    shutil.copytree(folder, copy)
    try:
        yield copy
    finally:
        shutil.rmtree(copy)


def _tell(step: Step, folder: Path) -> None:
    teller = Teller(str(folder / "catalog"))
    step.act(teller)
    teller.close()


if __name__ == "__main__":
    main()
