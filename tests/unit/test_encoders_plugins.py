"""Encoders that other installed packages bring, found by their entry points."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.plugin_package import install_plugin

import seealike
from seealike.encoders import EncoderMode, identity_of, load_encoder, plugin_names
from seealike.errors import EncoderError, SeealikeError, UnknownNameError, UsageError

SOURCE = """
from seealike.errors import UsageError
from seealike.testing import FakeEncoder

def colours(argument):
    return FakeEncoder(dimension=int(argument or 32))

def broken(argument):
    raise OSError("no such\\n  device")

def picky(argument):
    raise UsageError("colours:N takes a number")

def odd(argument):
    return argument
"""
ENTRIES = {name: f"made_colours:{name}" for name in ("colours", "broken", "picky", "odd", "missing")}


@pytest.fixture(autouse=True)
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "site").mkdir()
    install_plugin(tmp_path / "site", monkeypatch, SOURCE, ENTRIES, "made_colours")


def test_installed_encoders_are_known_by_name_and_take_an_argument() -> None:
    assert set(ENTRIES) <= set(plugin_names())
    assert identity_of("colours").dimension == 32
    encoder = load_encoder("colours:12", mode=EncoderMode.LATENCY)
    assert encoder.identity.dimension == 12
    encoder.close()


def test_an_unknown_name_lists_what_is_installed_and_the_schemes() -> None:
    with pytest.raises(
        UnknownNameError, match=r"known: efficientnet-lite0, .*colours.*, onnx:FILE, timm:NAME"
    ):
        identity_of("colors")


@pytest.mark.parametrize(
    ("spec", "kind", "message"),
    [
        ("broken", EncoderError, "of made-colours cannot be made: OSError: no such device"),
        ("missing", EncoderError, "of made-colours cannot be made: AttributeError: "),
        ("odd:thing", EncoderError, "makes no encoder, but str"),
        ("picky", UsageError, "colours:N takes a number"),
        ("colours?size=64", UsageError, "takes no options"),
    ],
)
def test_whatever_is_wrong_with_an_installed_encoder_is_one_line(
    spec: str, kind: type[SeealikeError], message: str
) -> None:
    with pytest.raises(kind) as caught:
        load_encoder(spec, mode=EncoderMode.LATENCY)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_catalogue_of_an_installed_encoder_opens_by_itself(tmp_path: Path) -> None:
    from tests.pictures import write_pictures

    paths = write_pictures(tmp_path / "photos", range(5))
    with seealike.create(tmp_path / "catalog", encoder="colours:16") as catalog:
        catalog.index(tmp_path / "photos")
    with seealike.open(tmp_path / "catalog") as catalog:
        assert catalog.encoder.dimension == 16
        assert catalog.search(paths[2], k=1)[0].id == "002.jpg"
