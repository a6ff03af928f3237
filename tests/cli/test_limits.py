"""``--limit``: what one picture may cost, for every command that decodes pictures."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image
from tests.commands import Call
from tests.pictures import picture, write_pictures

import seealike
from seealike.cli.main import cli
from seealike.cli.options.decoding import LIMITS, read_limits
from seealike.errors import UnknownNameError, UsageError
from seealike.types import SkipReason

DECODING = ("index", "search", "recommend", "reindex", "map", "eval", "compare", "train")


def test_every_command_that_decodes_pictures_has_the_option() -> None:
    for name in DECODING:
        command = cli.get_command(None, name)  # type: ignore[arg-type]
        assert command is not None
        assert "limits" in {parameter.name for parameter in command.params}, name


def test_every_limit_can_be_set() -> None:
    usual = seealike.DecodeLimits()
    assert read_limits(()) == usual
    given = ("megapixels=0.5", "memory-mb=900", "file-mb=1", "cpu-s=0.25", "stall-s=7")
    assert read_limits(given) == seealike.DecodeLimits(
        file_bytes=1_000_000, pixels=500_000, memory_bytes=900_000_000, cpu_s=0.25, wall_s=7.0
    )
    assert {field for field, _ in LIMITS.values()} == set(seealike.DecodeLimits.__dataclass_fields__)


def test_limits_that_are_none_are_refused() -> None:
    with pytest.raises(UnknownNameError, match="megapixels"):
        read_limits(("megapixel=3",))
    for wrong in (
        "cpu-s",
        "cpu-s=",
        "cpu-s=0",
        "cpu-s=-1",
        "cpu-s=nan",
        "cpu-s=inf",
        "cpu-s=1e99",
        "cpu-s=x",
    ):
        with pytest.raises(UsageError, match="above 0"):
            read_limits((wrong,))


def test_a_lower_limit_refuses_pictures_and_queries_and_a_higher_one_admits_them(
    tmp_path: Path,
    typed: Call,
) -> None:
    photos = tmp_path / "photos"
    write_pictures(photos, range(3))
    picture(7, (700, 500)).save(photos / "large.png")
    few = ("--limit", "megapixels=0.2")
    done = typed("index", photos, "--format", "json", *few)
    assert done.json()["skipped_by_reason"] == {SkipReason.TOO_MANY_PIXELS.value: 1}
    refused = typed("search", photos / "large.png", "-C", photos, *few)
    assert refused.code == 1
    assert "the limit is" in refused.err
    assert typed("search", photos / "large.png", "-C", photos).code == 0


def test_every_way_to_decode_keeps_the_limits_of_the_catalogue(tmp_path: Path) -> None:
    write_pictures(tmp_path / "photos", range(2))
    Image.new("RGB", (300, 200)).save(tmp_path / "photos" / "large.png")
    limits = seealike.DecodeLimits(pixels=50_000)
    options = seealike.IndexOptions(limits=seealike.DecodeLimits())
    with seealike.create(tmp_path / "catalog", limits=limits) as catalog:
        assert catalog.limits == limits
        report = catalog.index(tmp_path / "photos")
        assert {row.id: row.reason for row in report.skipped} == {"large.png": SkipReason.TOO_MANY_PIXELS}
        for asked in (catalog.search, catalog.thumbnail, lambda path: catalog.add("x", path)):
            with pytest.raises(seealike.SeealikeError, match="megapixels, the limit is"):
                asked(str(tmp_path / "photos" / "large.png"))
    with seealike.open(tmp_path / "catalog") as catalog:
        assert catalog.search(tmp_path / "photos" / "large.png", k=1)
    with seealike.create(tmp_path / "other", limits=limits) as catalog:
        assert catalog.index(tmp_path / "photos", options=options).added == 3
