"""An installed package that brings an encoder: a real distribution, with an entry point, on ``sys.path``."""

from __future__ import annotations

from pathlib import Path

import pytest

METADATA = "Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n"


def install_plugin(
    folder: Path, monkeypatch: pytest.MonkeyPatch, source: str, entries: dict[str, str], module: str
) -> None:
    """Put a package with one module on ``sys.path``; ``entries`` are names and ``module:object``."""
    package = module.replace("_", "-")
    (folder / f"{module}.py").write_text(source, encoding="utf-8")
    info = folder / f"{module}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(METADATA.format(package=package), encoding="utf-8")
    lines = [f"{name} = {target}" for name, target in entries.items()]
    (info / "entry_points.txt").write_text("\n".join(["[seealike.encoders]", *lines, ""]), encoding="utf-8")
    monkeypatch.syspath_prepend(str(folder))
