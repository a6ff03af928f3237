"""The files of deploy/, which are not run here: what they call exists, and what must agree does."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

import click
import pytest
import yaml
from tests.docs.markdown import REPOSITORY

from seealike.cli.main import COMMANDS, cli
from seealike.engines.postgres.tables import PGVECTOR
from seealike.service.guard.door import OPEN

Tree: TypeAlias = Any  # what YAML holds

FOLDER = REPOSITORY / "deploy"
FILES = sorted(path for path in FOLDER.iterdir() if path.suffix != ".md")
YAML = [path for path in FILES if path.suffix == ".yaml"]
COMPOSE = [path for path in YAML if "services" in next(yaml.safe_load_all(path.read_text("utf-8")))]
# What other images read, and this command line's own.
FOREIGN = {"POSTGRES_USER", "POSTGRES_DB", "POSTGRES_PASSWORD_FILE"}
FOREIGN |= {"ETCD_USE_EMBED", "ETCD_DATA_DIR", "ETCD_CONFIG_PATH", "COMMON_STORAGETYPE", "DEPLOY_MODE"}
_VARIABLE = re.compile(r"\b(?:[A-Z]+_[A-Z_]+|PGPASSWORD)\b")
_CHECKED = (click.Choice, click.types.IntParamType, click.types.FloatParamType)


def tree(path: Path) -> list[Tree]:
    return list(yaml.safe_load_all(path.read_text("utf-8")))


def remarks(path: Path) -> str:
    lines = path.read_text("utf-8").splitlines()
    return "\n".join(line.lstrip(" #") for line in lines if line.lstrip().startswith("#"))


def values(found: Tree, name: str) -> Iterator[Tree]:
    """What stands under a name, wherever that is."""
    if isinstance(found, dict):
        for key, value in found.items():
            if key == name:
                yield value
            yield from values(value, name)
    elif isinstance(found, list):
        for one in found:
            yield from values(one, name)


def typed(path: Path) -> Iterator[list[str]]:
    """The arguments of every ``seealike`` that a file starts."""
    text = path.read_text("utf-8")
    if path.suffix == ".yaml":
        for document in tree(path):
            for line in values(document, "entrypoint"):
                if isinstance(line, str):
                    yield shlex.split(line)[1:]
            for service in document.get("services", {}).values():
                if any("seealike" in part for part in service.get("entrypoint", ())):
                    yield service["command"]
    for line in re.findall(r"^ExecStart=\S*/seealike (.*)$", text, re.MULTILINE):
        yield shlex.split(line)
    for line in re.findall(r"^ENTRYPOINT (.*)$", text, re.MULTILINE):
        yield json.loads(line)[1:]


TYPED = [pytest.param(line, id=f"{path.name}: {line[0]}") for path in FILES for line in typed(path)]


def test_every_way_to_start_is_read() -> None:
    assert sorted({line[0] for path in FILES for line in typed(path)}) == [
        "embed",
        "publish",
        "recommend",
        "serve",
    ]
    started = {path.name for path in FILES if any(typed(path))}
    assert started == {path.name for path in FILES} - {"Containerfile.ray"}


@pytest.mark.parametrize("line", TYPED)
def test_every_command_line_is_one_that_seealike_takes(line: list[str]) -> None:
    name, *rest = line
    assert name in COMMANDS
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    context = click.Context(command, info_name=name)
    given, left, _ = command.make_parser(context).parse_args([*rest])  # it refuses unknown options
    assert not left
    for parameter in command.params:
        value = given.get(str(parameter.name))
        assert value is not None or not parameter.required, parameter.name
        if value is not None and isinstance(parameter.type, _CHECKED):
            parameter.type_cast_value(context, value)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_file_that_was_not_run_says_so_first(path: Path) -> None:
    first = path.read_text("utf-8").splitlines()[0]
    assert first.startswith("# Not run by us")
    assert f"[`{path.name}`]({path.name})" in (FOLDER / "README.md").read_text("utf-8")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_variable_is_one_that_the_pages_explain(path: Path) -> None:
    explained = "".join(page.read_text("utf-8") for page in (REPOSITORY / "docs").rglob("*.md"))
    text = path.read_text("utf-8")
    own = set(re.findall(r"\$\{(\w+)", text))  # of Compose, which the remark above it gives
    assert all(f"{name}=" in remarks(path) for name in own)
    for name in set(_VARIABLE.findall(text)) - own - FOREIGN:
        assert f"`{name}`" in explained, name


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_health_is_asked_where_the_service_tells_it_to_everybody(path: Path) -> None:
    text = path.read_text("utf-8")
    asked = re.findall(
        r"http://127\.0\.0\.1:8765(/\w+)|http-check send meth GET uri (/\w+) ver HTTP/1.1 hdr Host localhost",
        text,
    )
    assert {name for pair in asked for name in pair if name} <= OPEN - {"/"}
    if "serve," in text or '"serve"' in text:
        assert asked


def test_one_ray_everywhere_and_the_tested_one() -> None:
    (locked,) = re.findall(
        r"^ray==(\S+)", (REPOSITORY / "requirements/cluster.txt").read_text(), re.MULTILINE
    )
    image = re.search(
        r"rayproject/ray:([\d.]+)-py3(\d+)$", (FOLDER / "Containerfile.ray").read_text(), re.MULTILINE
    )
    assert image is not None
    assert (image[1], *values(tree(FOLDER / "ray.yaml"), "rayVersion")) == (locked, locked)
    assert f"Python :: 3.{image[2]}" in (REPOSITORY / "pyproject.toml").read_text("utf-8")


def test_the_nodes_of_the_cluster_are_equal_and_its_jobs_find_it() -> None:
    documents = tree(FOLDER / "ray.yaml")
    cluster, *jobs = documents
    assert len(set(values(cluster, "image"))) == 1
    assert {f"-l step={one['metadata']['labels']['step']}" for one in documents} == set(
        re.findall(r"-l step=\w+", remarks(FOLDER / "ray.yaml"))
    )
    for job in jobs:
        assert job["spec"]["clusterSelector"] == {"ray.io/cluster": cluster["metadata"]["name"]}
        assert "--on ray" in job["spec"]["entrypoint"], "which is the cluster that RAY_ADDRESS names there"
    for secret in values(cluster, "secretRef"):
        assert f"secret generic {secret['name']}" in remarks(FOLDER / "ray.yaml")


def test_the_database_is_the_one_that_the_page_asks_for() -> None:
    page = (REPOSITORY / "docs/how-to/scale.md").read_text("utf-8")
    (document,) = tree(FOLDER / "postgres.yaml")
    image = re.search(r"pgvector/pgvector:(\d+\.\d+\.\d+)-pg(\d+)$", document["services"]["db"]["image"])
    assert image is not None
    assert f"pgvector {image[1]}" in page
    assert tuple(map(int, image[1].split(".")[:2])) >= PGVECTOR
    gigabytes = re.search(r"maintenance_work_mem=(\d+)GB", document["services"]["db"]["command"])
    assert gigabytes is not None
    assert f"maintenance_work_mem = '{gigabytes[1]}GB'" in page
    assert int(gigabytes[1]) < int(document["services"]["db"]["shm_size"].removesuffix("gb"))


def test_the_milvus_is_one_that_the_page_asks_for_and_its_image_has_the_client() -> None:
    (document,) = tree(FOLDER / "milvus.yaml")
    (version,) = re.findall(r"milvusdb/milvus:v(\d+\.\d+)\.\d+$", document["services"]["milvus"]["image"])
    assert f"Milvus ({version} or newer)" in (REPOSITORY / "docs/how-to/scale.md").read_text("utf-8")
    for build in values(document["services"]["service"], "build"):
        lock = REPOSITORY / "requirements" / f"{build['args']['LOCK']}.txt"
        assert re.search("^pymilvus==", lock.read_text("utf-8"), re.MULTILINE)
    assert "ARG LOCK=" in (FOLDER / "Containerfile").read_text("utf-8")


@pytest.mark.parametrize("path", COMPOSE, ids=lambda path: path.name)
def test_what_a_service_of_compose_names_is_there(path: Path) -> None:
    (document,) = tree(path)
    for service in document["services"].values():
        assert set(service.get("depends_on", ())) <= set(document["services"])
        assert set(service.get("secrets", ())) <= set(document["secrets"])
        assert {one["source"] for one in service.get("configs", ())} <= set(document["configs"])
        used = {name for name, _, _ in (one.partition(":") for one in service.get("volumes", ()))}
        assert {name for name in used if not name.startswith(("$", ".", "/"))} <= set(document["volumes"])
    for content in values(document, "content"):
        named = re.findall(r"server-template \w+ \d+ (\w+):8765 check", content)
        assert named or "listen " not in content
        assert set(named) <= set(document["services"])
