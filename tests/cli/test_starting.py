"""Before a command runs: it can be interrupted while it is being imported, and what runs it is named."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import seealike
from seealike import errors
from seealike.cli import main

SCRIPT = "from seealike.__main__ import main; main()"  # what an installed script does


@pytest.mark.parametrize("package", ["click", "numpy"])
@pytest.mark.parametrize("start", [["-m", "seealike"], ["-c", SCRIPT]], ids=["module", "script"])
def test_ctrl_c_while_it_is_being_imported_is_one_line(
    start: list[str], package: str, tmp_path: Path
) -> None:
    (tmp_path / f"{package}.py").write_text("raise KeyboardInterrupt\n", encoding="utf-8")
    run = f"import sys, runpy; sys.path.insert(0, {str(tmp_path)!r}); "
    run += "runpy.run_module('seealike', run_name='__main__')" if start[0] == "-m" else SCRIPT
    done = subprocess.run(
        [sys.executable, "-c", run, "info"], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 130
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("seealike: interrupted")


def test_importing_seealike_imports_nothing_large_until_a_name_is_asked_for() -> None:
    tell = "import sys, seealike; print('numpy' in sys.modules); seealike.Crop; print('numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", tell], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]


@pytest.mark.parametrize("name", seealike.__all__)
def test_every_public_name_is_there_when_it_is_asked_for(name: str) -> None:
    assert getattr(seealike, name) is not None


def test_another_name_is_none_of_seealikes() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'nonesuch'"):
        seealike.nonesuch  # type: ignore[attr-defined]  # noqa: B018


@pytest.mark.parametrize(
    ("has_pip", "command"),
    [
        (True, "'{python}' -m pip install 'seealike[map]'"),
        (False, "uv pip install 'seealike[map]' --python '{python}'"),
    ],
)
def test_a_missing_package_is_installed_for_the_python_that_runs(
    has_pip: bool, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: object() if has_pip else None)
    monkeypatch.setattr(sys, "executable", "/a shop/bin/python")
    assert str(errors.MissingExtraError("a map", "map")) == (
        f"a map needs an optional package: {command.format(python='/a shop/bin/python')}"
    )


def test_a_service_that_begins_without_pictures_may_be_given_its_encoder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("seealike.service.serve", lambda *_arguments, **_named: None)
    place = tmp_path / "new.catalog"
    serve = ["serve", "-C", str(place), "--encoder"]
    assert main.run([*serve, "efficientnet-lite0?dims=640", "--create"]) == 0
    with seealike.open(place) as made:
        assert (made.encoder.name, made.encoder.dimension) == ("efficientnet-lite0", 640)
    capfd.readouterr()
    assert main.run([*serve, "efficientnet-lite0-v2", "--create"]) == 1
    assert "seealike reindex" in capfd.readouterr().err
    assert main.run([*serve, "efficientnet-lite0"]) == 2
    assert "--encoder goes with --create" in capfd.readouterr().err
