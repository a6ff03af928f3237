"""What lies in the repository: nothing of the machine it was written on, and locks that fit the project."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import seealike

REPOSITORY = Path(__file__).resolve().parents[2]
# Backwards, so that this file does not hold them.
FORBIDDEN = tuple(
    word[::-1]
    for word in ("/krow/", "elpmis/gro.ipyp", "detsohnohtyp.selif", "lru-xedni--", "/emoh/", "///:elif")
)
LOCKS = ("core", "dev", "bench", "page", "schema", "cluster")
_PINNED = re.compile(
    r"^(?P<name>[A-Za-z0-9_.-]+)==(?P<version>[^ ;\\]+)(?P<rest>(?:.*\\\n)*.*)$", re.MULTILINE
)


def tracked() -> list[Path]:
    """Every file that is, or would be, committed."""
    git = shutil.which("git")
    if git is None or not (REPOSITORY / ".git").exists():
        pytest.skip("not a git checkout")
    command = [git, "-C", str(REPOSITORY), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, capture_output=True, check=True).stdout.decode("utf-8")
    return [path for name in listed.split("\0") if name and (path := REPOSITORY / name).is_file()]


def project() -> dict[str, object]:
    return tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))


def locked(name: str) -> dict[str, list[str]]:
    """Every package of a lock, with the versions it may have (one for each marker)."""
    versions: dict[str, list[str]] = {}
    for found in _PINNED.finditer((REPOSITORY / "requirements" / f"{name}.txt").read_text("utf-8")):
        versions.setdefault(canonicalize_name(found["name"]), []).append(found["version"])
    return versions


def test_no_file_names_a_path_of_a_machine_or_the_host_of_a_registry() -> None:
    for path in tracked():
        try:
            text = path.read_text("utf-8")
        except UnicodeDecodeError:
            continue
        assert not [word for word in FORBIDDEN if word in text], path.relative_to(REPOSITORY)


def test_no_file_is_larger_than_the_model() -> None:
    assert all(path.stat().st_size < 8_000_000 for path in tracked())


@pytest.mark.parametrize("name", LOCKS)
def test_every_line_of_a_lock_has_a_version_and_hashes(name: str) -> None:
    text = (REPOSITORY / "requirements" / f"{name}.txt").read_text("utf-8")
    entries = re.sub(r"\\\n\s*", " ", text).splitlines()
    for entry in (line for line in entries if line.strip() and not line.lstrip().startswith("#")):
        assert re.match(r"[A-Za-z0-9_.-]+==\S+ ", entry), entry
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", entry), entry


def test_the_core_lock_satisfies_the_project_and_holds_nothing_heavy() -> None:
    core = locked("core")
    for text in project()["project"]["dependencies"]:  # type: ignore[index]
        wanted = Requirement(text)
        versions = core.get(canonicalize_name(wanted.name), [])
        assert versions, f"{wanted.name} is not locked"
        assert all(wanted.specifier.contains(version) for version in versions), wanted.name
    assert not core.keys() & {"torch", "timm", "pyarrow", "pillow-heif", "opencv-python", "pandas", "scipy"}


@pytest.mark.parametrize("name", ["dev", "bench", "page", "schema", "engines", "cluster"])
def test_the_other_locks_satisfy_their_groups_and_agree_with_the_core(name: str) -> None:
    lock, core = locked(name), locked("core")
    for text in project()["dependency-groups"][name]:  # type: ignore[index]
        wanted = Requirement(text)
        versions = lock.get(canonicalize_name(wanted.name), [])
        assert versions, f"{wanted.name} is not locked"
        assert all(wanted.specifier.contains(version) for version in versions), wanted.name
    for package in lock.keys() & core.keys():
        assert lock[package] == core[package], package


def test_every_dependency_is_explained() -> None:
    explained = (
        (REPOSITORY / "docs" / "how-it-works.md").read_text("utf-8").partition("## Why these libraries")[2]
    )
    for text in project()["project"]["dependencies"]:  # type: ignore[index]
        assert f"`{Requirement(text).name}`" in explained, text
    for extra in project()["project"]["optional-dependencies"]:  # type: ignore[index]
        assert f"`{extra}`" in explained, extra


def test_the_licence_and_the_notice_of_the_model_are_there() -> None:
    assert "Apache License" in (REPOSITORY / "LICENSE").read_text("utf-8")
    assert list((REPOSITORY / "src" / "seealike" / "encoders" / "data").glob("NOTICE*"))
    assert project()["project"]["license"] == "Apache-2.0"  # type: ignore[index]


def test_the_changelog_knows_the_version() -> None:
    assert f"## [{seealike.__version__}]" in (REPOSITORY / "CHANGELOG.md").read_text("utf-8")
