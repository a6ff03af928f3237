"""A process that forks after it has searched: the child starts anew, the parent goes on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.pictures import write_pictures

import seealike

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="processes that fork")

_PROGRAM = """
import json, os, signal, sys, warnings
import numpy as np
from PIL import Image
import seealike
from seealike.encoders import EncoderMode, load_encoder
from seealike.errors import EncoderError

warnings.simplefilter("ignore")
place, picture = sys.argv[1:]
pixels = np.asarray(Image.open(picture).convert("RGB"))
encoder = load_encoder("efficientnet-lite0", mode=EncoderMode.LATENCY)
square = np.zeros((1, 224, 224, 3), np.uint8)
encoder.encode(square)

def answers(catalog):
    found = catalog.search(picture, k=3), catalog.search(pixels, k=3), catalog.similar("001.png", k=3)
    return [[hit.id for hit in hits] for hits in found] + [len(catalog.thumbnail(picture, 20)) > 0]

with seealike.open(place) as catalog:
    before = answers(catalog)
    sys.stdout.flush()
    child = os.fork()
    signal.alarm(100)  # none of them is left behind
    told = {"before": before, "answers": answers(catalog)}
    if not child:
        try:
            encoder.encode(square)
        except EncoderError as exc:
            told["refused"] = str(exc)
        catalog.add("of the child", pixels)
        told["generation"] = catalog.generation
    else:
        told["child ended with"] = os.waitpid(child, 0)[1]
        told["generation"] = catalog.generation
        told["answers"] = answers(catalog)
        catalog.remove(["of the child"])
print(json.dumps(told), flush=True)
"""


def test_a_forked_child_searches_and_adds_and_ends_and_the_parent_goes_on(tmp_path: Path) -> None:
    paths = write_pictures(tmp_path / "photos", range(6), extension="png")
    place = tmp_path / "catalog"
    with seealike.create(place) as catalog:
        catalog.index(tmp_path / "photos")
    ran = subprocess.run(
        [sys.executable, "-c", _PROGRAM, str(place), str(paths[1])],
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    child, parent = map(json.loads, ran.stdout.splitlines())
    assert child["answers"] == child["before"] == parent["before"]
    assert "fork" in child["refused"]
    assert parent["child ended with"] == 0
    assert parent["generation"] == child["generation"]
    assert "of the child" in parent["answers"][0]
    with seealike.open(place) as catalog:
        assert len(catalog) == 6
        assert catalog.verify().ok
