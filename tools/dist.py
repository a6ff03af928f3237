"""Build the wheel and the sdist, check them, and use the wheel where nothing else of this repository is.

    make dist

What is built depends on the committed files alone: hatchling writes fixed times (``SOURCE_DATE_EPOCH`` where
it is set), and the wheel that the sdist builds must be the same, byte for byte. The wheel is then installed
into a new environment outside the repository, with the locked dependencies, and draws, indexes and searches
the demo's pictures there without a network.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import venv
import zipfile
from email.parser import BytesParser
from pathlib import Path

from packaging.metadata import Metadata
from trove_classifiers import classifiers

from seealike.cli.topics import topics

REPOSITORY = Path(__file__).resolve().parents[1]
MODELS = tuple(f"seealike/encoders/data/efficientnet_lite0{version}.onnx" for version in ("", "_v2"))
# Nothing answers here; beside, where the system can do it, the commands run without any network at all.
NOWHERE = {
    **dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9"),
    "PIP_NO_INDEX": "1",
    "HF_HUB_OFFLINE": "1",
}


class UnfitError(Exception):
    """What was built must not be published."""


def build(project: Path, into: Path, target: str) -> Path:
    """Build ``wheel`` or ``sdist`` of a project; the file."""
    command = [sys.executable, "-m", "hatchling", "build", "--target", target, "--directory", str(into)]
    before = set(into.glob("*"))
    subprocess.run(command, cwd=project, check=True, stdout=subprocess.DEVNULL)
    (made,) = set(into.glob("*")) - before
    return made


def check_wheel(wheel: Path) -> None:
    """The package's own files, all of them, and nothing else; metadata that a registry takes."""
    with zipfile.ZipFile(wheel) as archive:
        held = {name: archive.read(name) for name in archive.namelist()}
    package = {name: data for name, data in held.items() if name.startswith("seealike/")}
    expected = package_files()
    expect_equal("the wheel's package", set(package), set(expected))
    changed = [name for name in package if package[name] != expected[name].read_bytes()]
    expect_equal("the files of the wheel's package that differ", set(changed), set())
    expect_equal(
        "what is beside the package", {name.split("/")[0] for name in held}, {"seealike", info(wheel)}
    )
    if min(len(held[model]) for model in MODELS) < 1_000_000 or "seealike/py.typed" not in held:
        raise UnfitError("the wheel lacks the encoder or py.typed")
    licences = [name for name in held if name.startswith(f"{info(wheel)}/licenses/")]
    expect_equal("the licence files", {name.split("/")[-1] for name in licences}, {"LICENSE", "NOTICE.txt"})
    local = [name for name, data in held.items() if os.fsencode(REPOSITORY) in data]
    expect_equal("files that name this folder", set(local), set())
    check_metadata(held[f"{info(wheel)}/METADATA"])


def info(wheel: Path) -> str:
    """The folder of the wheel's metadata."""
    return "-".join(wheel.name.split("-")[:2]) + ".dist-info"


def package_files() -> dict[str, Path]:
    """What belongs into the wheel's package, by its place there."""
    sources = REPOSITORY / "src"
    found = (path for path in (sources / "seealike").rglob("*") if path.is_file() and path.suffix != ".pyc")
    pages = [Path(page) for page in topics().values()]
    return {
        **{path.relative_to(sources).as_posix(): path for path in found},
        **{f"seealike/help/{os.path.relpath(page, REPOSITORY / 'docs')}": page for page in pages},
    }


def check_metadata(content: bytes) -> None:
    """Every field is valid, the classifiers exist, and the description is the README, as Markdown."""
    metadata = Metadata.from_email(content, validate=True)
    expect_equal("classifiers nobody knows", set(metadata.classifiers or ()) - classifiers, set())
    message = BytesParser().parsebytes(content)
    expect_equal("the description's type", str(message["Description-Content-Type"]), "text/markdown")
    readme = (REPOSITORY / "README.md").read_text("utf-8")
    expect_equal("the description", (metadata.description or "").strip(), readme.strip())


def check_sdist(sdist: Path) -> None:
    """It holds exactly what is committed."""
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    git = shutil.which("git")
    if git and (REPOSITORY / ".git").exists():
        listed = subprocess.run(
            [git, "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, check=True
        ).stdout
        expect_equal("the sdist", names, {*filter(None, listed.decode().split("\0")), "PKG-INFO"})


def check_rebuilt(sdist: Path, wheel: Path, folder: Path) -> None:
    """The sdist builds the wheel."""
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    (project,) = folder.iterdir()
    (folder / "dist").mkdir()
    rebuilt = build(project, folder / "dist", "wheel")
    if rebuilt.read_bytes() != wheel.read_bytes():
        raise UnfitError("the wheel that the sdist builds differs from the one of the repository")


def expect_equal(what: str, found: object, expected: object) -> None:
    """Refuse what is not as it must be; of sets, say what is missing and what is too much."""
    if found == expected:
        return
    if isinstance(found, set) and isinstance(expected, set):
        raise UnfitError(f"{what}: missing {sorted(expected - found)}, too much {sorted(found - expected)}")
    raise UnfitError(f"{what}: {str(found)[:200]!r} instead of {str(expected)[:200]!r}")


def use(wheel: Path, folder: Path) -> int:
    """Install the wheel in an empty folder, draw the demo and search it offline; the bytes installed."""
    venv.create(folder / "env", with_pip=True)
    programs = folder / "env" / ("Scripts" if os.name == "nt" else "bin")
    pip = [str(programs / "python"), "-m", "pip", "--disable-pip-version-check"]
    install = [*pip, "install", "-q", "--only-binary", ":all:"]
    lock = str(REPOSITORY / "requirements" / "core.txt")
    for command in (
        [*install, "--require-hashes", "-r", lock],
        [*install, "--no-deps", "--no-index", str(wheel)],
        [*pip, "check"],
    ):
        subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)

    def seealike(*arguments: str) -> str:
        command = [*without_network(), str(programs / "seealike"), *arguments]
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "SEEALIKE"))
        }
        environment = {**kept, **NOWHERE, "SEEALIKE_CACHE": str(folder / "cache")}
        done = subprocess.run(command, cwd=folder, env=environment, check=True, stdout=subprocess.PIPE)
        return done.stdout.decode()

    page = Path(seealike("demo", "--quiet").strip())
    if page.stat().st_size < 100_000:
        raise UnfitError(f"the demo's page has {page.stat().st_size} bytes only")
    item = json.loads(seealike("ls", "-C", "seealike-demo", "--format", "json"))[0]
    found = json.loads(seealike("search", item["path"], "-C", "seealike-demo", "--format", "json"))
    best = found["results"][0]["hits"][0]
    if best["id"] != item["id"] or best["score"] < 0.99:
        raise UnfitError(f"a picture of the demo finds {best}, not itself")
    seealike("search", "--id", item["id"], "-C", "seealike-demo")
    expect_equal("the pages of help", seealike("help").split()[:3:2], ["tutorial", "change-encoder"])
    expect_equal("a page", seealike("help", "tables").splitlines()[0], "# Index a table")
    return sum(path.stat().st_size for path in (folder / "env").rglob("*") if path.is_file())


def without_network() -> list[str]:
    """What runs a command in a namespace that has no network, where the system lets us."""
    for words in (["unshare", "-n"], ["unshare", "-r", "-n"]):
        if (
            shutil.which(words[0])
            and not subprocess.run([*words, "true"], check=False, capture_output=True).returncode
        ):
            return words
    return []


def main() -> None:
    """Build into ``dist/``; ends with 1 and one line where something is not as it must be."""
    dist = REPOSITORY / "dist"
    shutil.rmtree(dist, ignore_errors=True)
    dist.mkdir()
    try:
        wheel, sdist = build(REPOSITORY, dist, "wheel"), build(REPOSITORY, dist, "sdist")
        check_wheel(wheel)
        check_sdist(sdist)
        with tempfile.TemporaryDirectory() as folder:
            check_rebuilt(sdist, wheel, Path(folder))
        with tempfile.TemporaryDirectory() as folder:
            installed = use(wheel, Path(folder))
    except UnfitError as exc:
        sys.exit(f"make dist: {exc}")
    how = "without a network" if without_network() else "with proxies that lead nowhere"
    for file in (wheel, sdist):
        print(f"{file.name}: {file.stat().st_size / 1e6:.1f} MB")
    print(f"installed with what it needs: {installed / 1e6:.0f} MB; the demo and searches ran {how}")


if __name__ == "__main__":
    main()
