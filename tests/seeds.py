"""Chance in the tests: a new seed in every run, said at its end, and taken from the environment."""

from __future__ import annotations

import os
import random

VARIABLE = "SEEALIKE_TEST_SEED"
# Left in the environment, so that the processes which pytest starts draw the same.
SEED = int(os.environ.setdefault(VARIABLE, str(random.SystemRandom().randrange(1 << 32))))
