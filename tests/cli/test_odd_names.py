"""Odd names, outputs, pictures and encoders: each is shown, written, or refused in one line."""

from __future__ import annotations

import csv
import io
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.pictures import picture, write_pictures

import seealike
from seealike.cli.main import run
from seealike.errors import EncoderMismatchError, UnknownNameError, UsageError
from seealike.testing import FakeEncoder
from seealike.types import ImageInput

ODD_IDS = ("=1+1", "+b", "-c", "@d", "\te", "\rf", "é.jpg", "日本.jpg")
UPRIGHT = (60, 90)


@pytest.fixture
def odd(tmp_path: Path) -> Iterator[str]:
    """A catalogue of items with odd ids, made with somebody's own encoder."""
    path = str(tmp_path / "odd")
    encoder = FakeEncoder()
    with seealike.create(path, encoder=encoder) as catalog:
        for number, item_id in enumerate(ODD_IDS):
            catalog.add(item_id, picture(number))
    yield path
    encoder.close()


class Stdout:
    """Standard output with an encoding that is strict, as under ``PYTHONIOENCODING``."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, encoding: str) -> None:
        self._bytes = io.BytesIO()
        self._encoding = encoding
        stream = io.TextIOWrapper(self._bytes, encoding=encoding, errors="strict", newline="")
        monkeypatch.setattr(sys, "stdout", stream)

    def text(self) -> str:
        return self._bytes.getvalue().decode(self._encoding)


@pytest.mark.skipif(sys.platform in {"win32", "darwin"}, reason="names are always Unicode there")
def test_a_folder_whose_name_is_not_utf8_is_indexed_and_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/p\xff"))
    write_pictures(folder, range(2))
    (folder / "n\x1b[31m\n.jpg").write_bytes(b"")
    stdout = Stdout(monkeypatch, "utf-8")
    assert run(["index", str(folder)]) == 0
    assert r"p\xff/.seealike: 2 items" in stdout.text()
    for command in (["info"], ["ls", "--skipped"], ["ls", "--format", "csv"], ["verify"], ["rm", "000.jpg"]):
        assert run([*command, "-C", str(folder)]) == 0
    assert rf"{tmp_path}/p\xff" in stdout.text()
    assert "empty_file  n\\x1b[31m\\n.jpg  " in stdout.text()
    assert "\x1b" not in stdout.text()


def test_rows_that_no_file_can_have_are_listed_and_stop_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_pictures(tmp_path, range(1))
    odd = [
        {"path": "a\0b"},
        {"path": "\ud800"},
        {"path": "000.jpg", "id": "\udfff\x1b[31m\n", "\ud800": "\udc00"},
    ]
    (tmp_path / "t.jsonl").write_text("".join(json.dumps(row) + "\n" for row in odd), encoding="utf-8")
    stdout = Stdout(monkeypatch, "utf-8")
    catalog, report = tmp_path / "catalog", tmp_path / "report.jsonl"
    for _ in range(2):
        assert run(["index", str(tmp_path / "t.jsonl"), "-C", str(catalog), "--report", str(report)]) == 0
    assert run(["ls", "--skipped", "-C", str(catalog)]) == 0
    assert "catalog: 1 item, in " in stdout.text()
    for line, shown in ((1, r"a\x00b"), (2, r"\ud800")):
        place = os.path.join(tmp_path, shown)
        assert f"line {line}: no file can be named so: {place}" in stdout.text()
    assert "\x1b" not in stdout.text()
    rows = [json.loads(line) for line in report.read_text("utf-8").splitlines()]
    assert {row["id"] for row in rows} == {"a\0b", "\\ud800"}
    with seealike.open(catalog) as opened:
        (item,) = opened.items()
    assert (item.id, item.metadata) == ("\\udfff\x1b[31m\n", {"\\ud800": "\\udc00"})


@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
def test_lists_can_be_printed_in_any_encoding(
    odd: str, encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stdout = Stdout(monkeypatch, encoding)
    assert run(["recommend", "--all", "-k", "1", "-C", odd]) == 0
    expected = "日本.jpg" if encoding == "utf-8" else r"\u65e5\u672c.jpg"
    assert expected in {row["id"] for row in csv.DictReader(io.StringIO(stdout.text(), newline=""))}

    stdout = Stdout(monkeypatch, encoding)
    assert run(["recommend", "--all", "-k", "1", "--format", "jsonl", "-C", odd]) == 0
    assert {json.loads(line)["id"] for line in stdout.text().splitlines()} == set(ODD_IDS)


def test_no_id_in_a_csv_list_is_a_formula(odd: str, tmp_path: Path) -> None:
    output = tmp_path / "x.csv"
    assert run(["recommend", "--all", "-o", str(output), "-q", "-C", odd]) == 0
    with output.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    guarded = {f"'{item_id}" if item_id[0] in "=+-@\t\r" else item_id for item_id in ODD_IDS}
    assert {row["id"] for row in rows} == {row["similar_id"] for row in rows} == guarded


@pytest.mark.parametrize(
    "command",
    [
        ("index", "{photos}", "--report"),
        ("recommend", "--all", "-C", "{odd}", "-o"),
        ("recommend", "--like", "+b", "-C", "{odd}", "--gallery"),
        ("search", "--id", "+b", "-C", "{odd}", "--gallery"),
    ],
)
def test_an_output_that_cannot_be_written_is_refused_before_the_run(
    odd: str, tmp_path: Path, command: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    photos = tmp_path / "photos"
    write_pictures(photos, range(1))
    arguments = [word.format(photos=photos, odd=odd) for word in command]
    for output, reason in ((tmp_path / "no" / "x.csv", "there is no folder"), (tmp_path, "is a folder")):
        assert run([*arguments, str(output)]) == 2
        shown = capsys.readouterr()
        assert reason in shown.err
        assert shown.err.count("\n") == 1
        assert shown.out == ""
    assert os.listdir(photos) == ["000.jpg"]


def test_lists_can_be_written_to_a_device(odd: str) -> None:
    assert run(["recommend", "--all", "--format", "csv", "-o", os.devnull, "-q", "-C", odd]) == 0
    assert not Path(os.devnull).is_file()


def test_a_pattern_that_matches_nothing_leaves_nothing_behind(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_pictures(tmp_path, range(1))
    assert run(["index", str(tmp_path / "*.nope")]) == 1
    assert "no file matches" in capsys.readouterr().err
    assert os.listdir(tmp_path) == ["000.jpg"]


@pytest.mark.parametrize("image", [None, bytearray(b"x"), 7, np.zeros(10), np.zeros((4, 4), np.uint8)])
def test_what_is_no_picture_is_refused_in_one_line(odd: str, image: ImageInput) -> None:
    encoder = FakeEncoder()
    with seealike.open(odd, encoder=encoder) as catalog, pytest.raises(UsageError) as caught:
        catalog.search(image)
    encoder.close()
    assert "uint8" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_size_of_a_turned_picture_is_the_upright_one(odd: str, orientation: int) -> None:
    turned = picture(1, UPRIGHT if orientation < 5 else UPRIGHT[::-1])
    turned.getexif()[0x0112] = orientation
    encoded = io.BytesIO()
    turned.save(encoded, "png", exif=turned.getexif())
    encoder = FakeEncoder()
    with seealike.open(odd, encoder=encoder) as catalog:
        catalog.add("turned", Image.open(encoded))
        item = catalog.item("turned")
    encoder.close()
    assert (item.width_px, item.height_px) == UPRIGHT


def test_a_closed_catalogue_starts_nothing(odd: str, tmp_path: Path) -> None:
    path = write_pictures(tmp_path, range(1))[0]
    encoder = FakeEncoder()
    catalog = seealike.open(odd, encoder=encoder)
    catalog.close()
    with pytest.raises(UsageError, match="the catalogue is closed"):
        catalog.thumbnail(str(path))
    for image in (str(path), picture(1)):
        with pytest.raises(UsageError, match=r"the catalogue (is|has been) closed"):
            catalog.search(image)
    encoder.close()


def test_a_catalogue_can_be_looked_after_without_its_encoder(
    odd: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for command in (["info"], ["verify"], ["rm", "+b"], ["search", "--id", "@d"]):
        assert run([*command, "-C", odd]) == 0, capsys.readouterr().err
    photos = tmp_path / "photos"
    path = write_pictures(photos, range(1))[0]
    for command in (["search", str(path)], ["index", str(photos)]):
        assert run([*command, "-C", odd]) == 2
        assert "unknown encoder 'fake'" in capsys.readouterr().err
    with seealike.open(odd) as catalog, pytest.raises(UnknownNameError):
        catalog.add("new", picture(1))


def test_another_encoder_than_the_catalogues_is_refused_at_opening(odd: str) -> None:
    other = FakeEncoder(dimension=16)
    with pytest.raises(EncoderMismatchError):
        seealike.open(odd, encoder=other)
    other.close()
