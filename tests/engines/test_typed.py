"""What is typed: a catalogue is published, and its copy asked as the catalogue is."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.engines.places import Place
from tests.made_models import save_model
from tests.pictures import write_pictures

import seealike
from seealike import NewPicture

pytestmark = pytest.mark.engine


def typed(*arguments: str, fails: bool = False) -> str:
    """What a command says on stdout, or if it fails on stderr."""
    command = [sys.executable, "-m", "seealike", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode != 0) == fails, done.stderr
    return done.stderr if fails else done.stdout


@pytest.fixture
def shop(tmp_path: Path) -> str:
    """A catalogue of 12 pictures, two a product."""
    paths = write_pictures(tmp_path / "photos", range(12))
    model = save_model(tmp_path / "model.onnx")
    with seealike.create(tmp_path / "catalog", encoder=f"onnx:{model}") as made:
        made.add_many(NewPicture(f"{n:02}", path, f"p{n // 2}", {"price": n}) for n, path in enumerate(paths))
    return str(tmp_path / "catalog")


def test_the_copy_answers_commands_as_the_catalogue_does(shop: str, address: str, tmp_path: Path) -> None:
    assert typed("publish", "-C", shop, "--to", address) == ""
    asked = (
        ("search", "--id", "03", "--format", "json"),
        (
            "search",
            str(sorted((tmp_path / "photos").iterdir())[4]),
            "--where",
            "price < 9",
            "--format",
            "csv",
        ),
        ("recommend", "--like", "03", "--not", "07", "--diversity", "0.3", "--format", "jsonl"),
        ("recommend", "--all", "-k", "3", "--format", "csv"),
        ("ls", "--format", "csv"),
    )
    for question in asked:
        assert typed(*question, "-C", address) == typed(*question, "-C", shop), question
    told = typed("info", "-C", address)
    assert "MB" not in told, "the catalogue's own size would be no engine's"
    assert "by the engine" in told
    typed("rm", "03", "-C", address)
    assert "no item has the id '03'" in typed("search", "--id", "03", "-C", address, fails=True)
    for command in (
        ("index", str(tmp_path / "photos")),
        ("verify",),
        ("reindex", "--encoder", "efficientnet-lite0"),
    ):
        refused = typed(*command, "-C", address, fails=True)
        assert refused.count("\n") == 1
        assert "is in an engine" in refused
        assert "`seealike publish`" in refused


def test_a_publisher_that_follows_publishes_each_change(shop: str, address: str) -> None:
    command = [sys.executable, "-m", "seealike", "publish", "-C", shop, "--to", address, "--follow"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as running:
        assert running.stderr is not None
        assert running.stderr.readline().startswith("added 12  updated 0  removed 0  unchanged 0; all copied")
        with seealike.open(shop) as catalog, seealike.open(address) as copy:
            catalog.remove(["05"])
            assert running.stderr.readline() == "added 0  updated 0  removed 1  unchanged 11\n"
            assert "05" not in copy
        running.send_signal(signal.SIGINT)
        assert running.wait() == 130


def test_a_password_is_in_nothing_that_is_said(shop: str, address: str, server: Place) -> None:
    secret = server.secret(address, "hunter22")
    typed("publish", "-C", shop, "--to", secret)
    for question in (("info",), ("info", "--format", "json"), ("search", "--id", "03", "--format", "json")):
        assert "hunter22" not in typed(*question, "-C", secret)
    environment = {**os.environ, "SEEALIKE_CATALOG": secret}
    command = [sys.executable, "-m", "seealike", "serve", "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as serving:
        assert serving.stderr is not None
        said = serving.stderr.readline()
        time.sleep(0.5)
        serving.send_signal(signal.SIGINT)
        said += serving.stderr.read()
    assert "serving at" in said
    assert "hunter22" not in said
