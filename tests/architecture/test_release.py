"""What is released beside the code: how to cite and report, what other machines run, what packages hold."""

from __future__ import annotations

import re
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml
from tools import dist

import seealike

REPOSITORY = Path(__file__).resolve().parents[2]
WORKFLOWS = sorted((REPOSITORY / ".github" / "workflows").glob("*.yml"))
TARGETS = set(re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text("utf-8"), re.MULTILINE))
SYSTEMS = {"ubuntu-latest", "macos-latest", "windows-latest"}


def loaded(path: Path) -> dict[str, object]:
    found = yaml.load(
        path.read_text("utf-8"), yaml.BaseLoader
    )  # all texts: `on` stays a word, 3.10 a version
    assert isinstance(found, dict)
    return found


def project() -> dict[str, object]:
    table = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))["project"]
    assert isinstance(table, dict)
    return table


def test_the_citation_has_what_its_format_asks_for_and_names_this_version() -> None:
    citation = loaded(REPOSITORY / "CITATION.cff")
    assert citation.keys() >= {"cff-version", "message", "title", "authors"}
    assert citation["cff-version"] == "1.2.0"
    assert citation["type"] == "software"
    assert citation["version"] == seealike.__version__
    assert citation["license"] == project()["license"]
    authors = citation["authors"]
    assert isinstance(authors, list)
    assert all(set(author) <= {"name", "family-names", "given-names", "website"} for author in authors)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_only_calls_make_targets_that_there_are_and_says_that_it_has_not_run(path: Path) -> None:
    assert "have not run yet" in path.read_text("utf-8").splitlines()[0]
    jobs = loaded(path)["jobs"]
    assert isinstance(jobs, dict)
    for name, job in jobs.items():
        called = [step["run"] for step in job["steps"] if "run" in step]
        assert called, name
        for command in called:
            make, target, *settings = command.split()
            assert (make, settings) == ("make", ["PYTHON=python"])
            assert target in TARGETS, command


def test_the_default_tests_are_run_on_every_system_and_python_that_is_supported() -> None:
    jobs = loaded(REPOSITORY / ".github" / "workflows" / "tests.yml")["jobs"]
    assert isinstance(jobs, dict)
    matrix = jobs["test"]["strategy"]["matrix"]
    assert set(matrix["os"]) == SYSTEMS
    classifiers = project()["classifiers"]
    assert isinstance(classifiers, list)
    named = {found[1] for text in classifiers if (found := re.search(r"Python :: (3\.\d+)$", text))}
    assert set(matrix["python"]) == named
    assert project()["requires-python"] == ">=" + min(named, key=lambda text: int(text.split(".")[1]))


def test_how_to_report_a_weakness_is_said_and_true_of_what_it_names() -> None:
    text = (REPOSITORY / "SECURITY.md").read_text("utf-8")
    assert "## Reporting" in text
    assert {"--force", "--weights", "--version"} <= set(re.findall(r"--[a-z]+", text))


@pytest.mark.heavy
def test_the_sdist_builds_the_wheel_and_a_wheel_with_anything_else_in_it_is_refused(tmp_path: Path) -> None:
    wheel, sdist = (dist.build(REPOSITORY, tmp_path, target) for target in ("wheel", "sdist"))
    dist.check_wheel(wheel)
    (tmp_path / "unpacked").mkdir()
    dist.check_rebuilt(sdist, wheel, tmp_path / "unpacked")
    with zipfile.ZipFile(wheel, "a") as archive:
        archive.writestr("tests/test_it.py", "")
    with pytest.raises(dist.UnfitError, match=r"too much \['tests'\]"):
        dist.check_wheel(wheel)
