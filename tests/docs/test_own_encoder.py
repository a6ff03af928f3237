"""The example of a package that brings an encoder, installed as its page says, is like any other encoder."""

from __future__ import annotations

import importlib
import tomllib
from pathlib import Path

import pytest
from tests.docs.markdown import REPOSITORY, blocks
from tests.pictures import write_pictures
from tests.plugin_package import install_plugin

import seealike
from seealike.cli.main import run
from seealike.encoders import EncoderMode, load_encoder
from seealike.testing import check_encoder

PAGE = REPOSITORY / "docs" / "how-to" / "own-encoder.md"


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = list(blocks(PAGE.read_text("utf-8")))
    (source,) = [block.text for block in found if "class GridEncoder" in block.text]
    (project,) = [tomllib.loads(block.text) for block in found if block.language == "toml"]
    (tmp_path / "site").mkdir()
    entries = project["project"]["entry-points"]["seealike.encoders"]
    install_plugin(tmp_path / "site", monkeypatch, source, entries, "grid_encoder")
    importlib.invalidate_caches()


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("spec", ["grid", "grid:4"])
def test_the_packages_encoder_keeps_the_contract(spec: str) -> None:
    check_encoder(load_encoder(spec, mode=EncoderMode.THROUGHPUT), tolerance=1e-6)


@pytest.mark.usefixtures("installed")
def test_the_packages_encoder_works_on_the_command_line(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "photos"
    paths = write_pictures(folder, range(5))
    assert run(["index", str(folder), "--encoder", "grid:4", "--quiet"]) == 0
    capfd.readouterr()
    assert run(["search", str(paths[3]), "-C", str(folder), "-k", "1", "--format", "paths"]) == 0
    assert capfd.readouterr().out.strip().endswith("003.jpg")
    with seealike.open(folder / ".seealike") as catalog:
        assert (catalog.encoder.name, catalog.encoder.dimension) == ("grid", 49)
