"""``kill -9`` at random moments of ``embed``: the next run goes on, and nothing is lost or there twice."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.pictures import write_pictures
from tests.seeds import SEED

import seealike
from seealike.shards import Shards
from seealike.testing import FakeEncoder

pytest.importorskip("pyarrow", reason="the extra 'parquet' is not installed")
pytestmark = [
    pytest.mark.heavy,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no kill -9 here"),
]
KILLS = 20
CHILD = """
import sys
import time
import seealike
from seealike.embedding import parts
from seealike.testing import FakeEncoder
parts.LEAST, parts.USUAL, parts.MOST = 4, 20, 40
print("ready", flush=True)
pause_s = float(sys.argv[3])
seealike.embed(sys.argv[1], sys.argv[2], encoder=FakeEncoder(), progress=lambda _: time.sleep(pause_s))
"""


def run(photos: Path, shards: Path, *, kill_after_s: float | None) -> int:
    """One run, killed some time after it has begun."""
    pause_s = "0.02" if kill_after_s is not None else "0"
    command = [sys.executable, "-c", CHILD, str(photos), str(shards), pause_s]
    with subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True) as child:
        assert child.stdout is not None
        child.stdout.readline()
        if kill_after_s is not None:
            time.sleep(kill_after_s)
            os.killpg(child.pid, signal.SIGKILL)
        return child.wait()


def test_a_killed_run_goes_on_and_ends_with_what_one_that_was_not_killed_makes(tmp_path: Path) -> None:
    rng = random.Random(SEED)
    photos, shards = tmp_path / "photos", tmp_path / "shards"
    write_pictures(photos, range(400))
    (photos / "empty.jpg").touch()
    seen = set()
    for _ in range(KILLS):
        code = run(photos, shards, kill_after_s=rng.uniform(0.0, 1.2))
        seen.add(len(list(shards.glob("*.parquet"))) if code else -1)
        if code == 0:
            (shards / "shards.json").unlink()
            for shard in shards.iterdir():
                shard.unlink()
    assert len(seen) > 3, "the kills came before any shard, or after all"
    assert run(photos, shards, kill_after_s=None) == 0
    rows = list(Shards(str(shards)))
    assert sorted(row.id for row in rows) == sorted(os.listdir(photos))
    with seealike.create(tmp_path / "c", encoder=FakeEncoder()) as catalog:
        assert catalog.index(shards).added == 400
        with seealike.create(tmp_path / "direct", encoder=FakeEncoder()) as direct:
            direct.index(photos)
            ids, vectors = direct.vectors()
        assert catalog.vectors(ids)[1].tobytes() == vectors.tobytes()
        assert catalog.verify().ok
    assert len(list(shards.glob("*.parquet"))) == len(Shards(str(shards)).entries)
