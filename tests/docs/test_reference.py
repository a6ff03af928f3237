"""The reference pages against the code: every name, every reason, every limit that the text states."""

from __future__ import annotations

import dataclasses
import re

import pytest
from tests.docs.markdown import REPOSITORY, pages

import seealike
from seealike import errors
from seealike.catalog import ann
from seealike.catalog.sync import job as sync
from seealike.cli.options import decoding
from seealike.images import DecodeLimits
from seealike.images.limits import CPU_PIXELS
from seealike.indexes import build, effort
from seealike.recommend import searcher
from seealike.recommend.lists import making
from seealike.store import writer

LIMITS = DecodeLimits()
COMMIT_S = sync.COMMIT_S  # before a test sets it
_FIGURE = re.compile(r"<!-- (figure:[\w-]+|/figure) -->")


def page(name: str) -> str:
    return (REPOSITORY / name).read_text("utf-8")


def one_line(name: str) -> str:
    """A page without its line ends, so that a sentence can be looked for."""
    return " ".join(page(name).split())


def test_every_reason_for_skipping_a_file_is_explained_once() -> None:
    rows = re.findall(r"^\| `(\w+)` \|", page("docs/how-to/skipped-files.md"), re.MULTILINE)
    assert sorted(rows) == sorted(reason.value for reason in seealike.SkipReason)


@pytest.mark.parametrize("name", [name for name in seealike.__all__ if not name.startswith("_")])
def test_every_public_name_is_in_the_reference(name: str) -> None:
    assert re.search(rf"`(seealike\.)?{name}\b", page("docs/api.md"))


@pytest.mark.parametrize("name", [name for name in vars(seealike.Catalog) if not name.startswith("_")])
def test_every_method_of_the_catalogue_is_in_the_reference(name: str) -> None:
    section = page("docs/api.md").partition("## Catalog")[2].partition("## Values")[0]
    assert re.search(rf"^(\| )?`{name}\b|\. `{name}\(", section, re.MULTILINE)


@pytest.mark.parametrize("name", seealike.__all__)
def test_the_fields_of_every_value_are_in_the_reference(name: str) -> None:
    thing = getattr(seealike, name)
    if not dataclasses.is_dataclass(thing):
        return
    row = re.search(rf"^\| `{name}` \| (.*) \|$", page("docs/api.md"), re.MULTILINE)
    assert row is not None
    fields = [field.name for field in dataclasses.fields(thing)]
    assert re.findall(r"`(\w+)`", row[1])[: len(fields)] == fields


def test_every_error_and_what_it_carries_is_in_the_reference() -> None:
    rows = dict(re.findall(r"^\| `(\w+Error)` \| [^|]* \| ?([^|]*)\|$", page("docs/api.md"), re.MULTILINE))
    known = {
        name for name, thing in vars(errors).items() if isinstance(thing, type) and name.endswith("Error")
    }
    assert rows.keys() == known - {"SeealikeError"}
    unknown = errors.UnknownNameError("encoder", "x", ["y"])
    assert set(re.findall(r"`(\w+)`", rows["UnknownNameError"])) == set(vars(unknown))


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("docs/how-it-works.md", f"{LIMITS.memory_bytes // 10**6} MB of memory, its file included; "),
        (
            "docs/how-it-works.md",
            f"{LIMITS.pixels // 10**6} megapixels; {LIMITS.cpu_s:.0f} s of",
        ),
        (
            "docs/how-it-works.md",
            f"each {CPU_PIXELS // 10**6} megapixels; {LIMITS.file_bytes // 10**6} MB of",
        ),
        ("docs/how-it-works.md", f"{LIMITS.wall_s:.0f} s in which nothing moves"),
        ("docs/how-it-works.md", f"transaction of at most {sync.COMMIT_ITEMS} pictures"),
        ("docs/how-it-works.md", f"Up to {ann.THRESHOLD:,} items, search is **exact**"),
        (
            "docs/how-it-works.md",
            f"{build.DIMENSIONS_TRIED[0]} are tried first, then {build.DIMENSIONS_TRIED[1]}",
        ),
        ("docs/how-it-works.md", f"{build.DIMENSIONS_TRIED[2]} and all"),
        ("docs/how-it-works.md", f"The target is {effort.TARGET_RECALL} of the true neighbours"),
        ("docs/how-it-works.md", f"Up to {making.MATRIX_BYTES / 2**30} GiB of float16 vectors"),
        ("docs/how-it-works.md", f"above {searcher.IN_MEMORY_BYTES // 2**30} GiB of vectors"),
        ("docs/how-it-works.md", f"the last {writer.MOST_TOMBSTONES:,} deletions are on record"),
        ("docs/decisions/006-approximate-proposes-exact-decides.md", f"Below {ann.THRESHOLD:,} items"),
        ("docs/benchmarks.md", f"The threshold of {ann.THRESHOLD:,} items"),
        ("README.md", f"above {ann.THRESHOLD:,} items"),
        ("docs/how-to/skipped-files.md", f"more than {LIMITS.file_bytes // 10**6} MB"),
        ("docs/how-to/skipped-files.md", f"more than {LIMITS.pixels // 10**6} megapixels, or decoding would"),
        ("docs/how-to/skipped-files.md", f"take more than {LIMITS.memory_bytes // 10**6} MB of memory"),
        ("docs/how-to/skipped-files.md", f"{LIMITS.cpu_s:.0f} s of processor time for each "),
        ("docs/how-to/skipped-files.md", f"stood still for {LIMITS.wall_s:.0f} s, twice"),
    ],
)
def test_a_limit_that_a_page_states_is_the_one_in_the_code(name: str, sentence: str) -> None:
    assert sentence in one_line(name)


def test_the_default_of_every_limit_is_in_the_table_of_their_risks() -> None:
    rows = re.findall(r"^\| `([\w-]+)=([\d.]+)` \|", page("docs/how-to/skipped-files.md"), re.MULTILINE)
    assert {name: float(value) for name, value in rows} == {
        name: getattr(LIMITS, field) / unit for name, (field, unit) in decoding.LIMITS.items()
    }


def test_shares_that_are_told_in_words_are_those_of_the_code() -> None:
    assert sync.MISSING_SHARE == 0.5
    assert "more than half of the items" in one_line("docs/how-to/keep-up-to-date.md")
    assert ann.STALE_SHARE == 0.2
    assert "a fifth of the snapshot has changed" in one_line("docs/how-it-works.md")
    assert COMMIT_S == 2.0
    assert "about every two seconds" in one_line("docs/how-it-works.md")


def test_the_make_targets_in_contributing_are_those_of_the_makefile() -> None:
    told = set(re.findall(r"^\| `make ([\w-]+)` \|", page("CONTRIBUTING.md"), re.MULTILINE))
    assert told == set(re.findall(r"^([a-z-]+):.*## ", page("Makefile"), re.MULTILINE))


def test_places_for_figures_have_a_name_and_an_end() -> None:
    for path in pages():
        marks = _FIGURE.findall(path.read_text("utf-8"))
        assert marks[1::2] == ["/figure"] * (len(marks) // 2), path.name
        assert len(set(marks[::2])) == len(marks[::2]) == len(marks) / 2, path.name


def test_decisions_are_numbered_and_short() -> None:
    found = sorted((REPOSITORY / "docs" / "decisions").glob("*.md"))
    assert [int(path.name[:3]) for path in found] == list(range(1, len(found) + 1))
    for path in found:
        text = path.read_text("utf-8")
        assert text.startswith(f"# {path.name[:3]} ")
        assert "**Decision.**" in text
        assert len(text.splitlines()) < 45, path.name
