"""Run under the file system double: tells the story, and marks in the journal what has returned."""

from __future__ import annotations

import sys

from tests.robustness.faultfs.double import Fault
from tests.robustness.story import STORY, Teller, choose_journal_mode


def main(directory: str, journal_mode: str) -> None:
    choose_journal_mode(journal_mode)
    fault = Fault()
    teller = Teller(directory)
    for number, step in enumerate(STORY, start=1):
        step.act(teller)
        fault.mark(str(number))
    teller.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
