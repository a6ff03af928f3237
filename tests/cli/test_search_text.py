"""Words find the pictures that they describe, on the command line and in Python."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.text_towers import BEGIN, END, SPACE, numbered, wanted_vectors, write_pair

import seealike
from seealike.cli.main import run
from seealike.errors import EncoderError, UsageError
from seealike.testing import FakeEncoder
from seealike.types import Float32Array

COLOURS = {
    "red": (250, 5, 5),
    "dark-red": (120, 10, 10),
    "green": (5, 250, 5),
    "blue": (5, 5, 250),
    "sky": (90, 120, 255),
    "white": (255, 255, 255),
}
Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def typed(capfd: pytest.CaptureFixture[str]) -> Call:
    def call(*arguments: str | Path) -> tuple[int, str, str]:
        code = run([str(argument) for argument in arguments])
        captured = capfd.readouterr()
        return code, captured.out, captured.err

    return call


@pytest.fixture(scope="module")
def painted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of plain pictures, with a catalogue that reads the names of colours."""
    folder = tmp_path_factory.mktemp("painted")
    for name, colour in COLOURS.items():
        Image.new("RGB", (40, 30), colour).save(folder / f"{name}.png")
    pair = write_pair(tmp_path_factory.mktemp("pair"))
    assert run(["index", str(folder), "--quiet", "--encoder", pair.spec]) == 0
    return folder


def wanted_scores(text: str) -> dict[str, float]:
    """The cosine of a text and every picture, by numpy alone."""
    words = wanted_vectors([[BEGIN, *numbered(text), END]])[0]
    colours: Float32Array = np.array(list(COLOURS.values()), np.float32) / 127.5 - 1
    pictures = colours @ SPACE
    scores = pictures @ words / np.linalg.norm(pictures, axis=1)
    return {f"{name}.png": float(score) for name, score in zip(COLOURS, scores, strict=True)}


@pytest.mark.parametrize("text", ["red", "a LIGHT blue dress", "green"])
def test_words_rank_pictures_by_the_cosine_of_both_towers(text: str, typed: Call, painted: Path) -> None:
    code, out, _ = typed("search", "--text", text, "-C", painted, "--format", "json")
    wanted = wanted_scores(text)
    (result,) = json.loads(out)["results"]
    hits: list[dict[str, Any]] = result["hits"]
    assert (code, result["query"]) == (0, text)
    assert [hit["id"] for hit in hits] == sorted(wanted, key=wanted.__getitem__, reverse=True)
    for hit in hits:
        assert hit["score"] == pytest.approx(wanted[hit["id"]], abs=0.01)  # the pictures' vectors are float16


def test_every_query_is_a_row_of_its_own_pictures_first(typed: Call, painted: Path) -> None:
    code, out, _ = typed(
        *("search", painted / "sky.png", "--text", "red", "--text", "green"),
        *("-C", painted, "-k", "2", "--format", "csv"),
    )
    rows = list(csv.DictReader(io.StringIO(out)))
    assert code == 0
    assert [(row["query"], row["id"]) for row in rows if row["rank"] == "1"] == [
        (str(painted / "sky.png"), "sky.png"),
        ("red", "red.png"),
        ("green", "green.png"),
    ]
    by_id = typed("search", "--id", "sky.png", "--text", "red", "-C", painted, "-k", "1", "--format", "paths")
    assert by_id[1].split() == [str(painted / "blue.png"), str(painted / "red.png")]


def test_a_table_says_what_was_looked_for(typed: Call, painted: Path) -> None:
    _, out, _ = typed("search", "--text", "red", "--text", "blue", "-C", painted, "--min-score", "0.9")
    assert "similar to red:" in out
    assert "similar to blue:" in out
    assert "nothing similar to red" in typed("search", "--text", "red", "-C", painted, "--min-score", "1")[1]


def test_the_page_shows_the_words_where_a_picture_would_be(
    typed: Call, painted: Path, tmp_path: Path
) -> None:
    page = tmp_path / "found.html"
    assert typed("search", "--text", "red <b>dress", "-C", painted, "--gallery", page, "-q")[0] == 0
    html = page.read_text(encoding="utf-8")
    assert '<q class="words" dir="auto">red &lt;b&gt;dress</q>' in html
    assert "What looks like these words?" in html
    assert "only the order tells" in html
    assert "the file is gone" not in html


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--text", "  "), "a text query needs at least one word"),
        ((), "FILE..., --id ID..., --text WORDS or --palette"),
    ],
)
def test_a_query_without_words_is_refused(
    arguments: tuple[str, ...], said: str, typed: Call, painted: Path
) -> None:
    code, out, err = typed("search", *arguments, "-C", painted)
    assert (code, out) == (2, "")
    assert said in err


def test_a_catalogue_that_reads_no_text_says_which_encoders_do(typed: Call, tmp_path: Path) -> None:
    seealike.create(tmp_path / "plain.catalog").close()
    code, _, err = typed("search", "--text", "red", "-C", tmp_path / "plain.catalog")
    assert code == 2
    assert len(err.splitlines()) == 1
    for part in ("efficientnet-lite0-v2 reads no text", "open_clip:NAME", "onnx:FILE?text=FILE", "reindex"):
        assert part in err


def test_python_takes_a_list_of_texts_and_nothing_else(painted: Path) -> None:
    with seealike.open(painted / ".seealike") as catalog:
        red, blue = catalog.search_text(["red", "blue"], k=1)
        assert (red[0].id, blue[0].id) == ("red.png", "blue.png")
        assert catalog.search_text([]) == []
        with pytest.raises(UsageError, match="a list of texts"):
            catalog.search_text("red")
        with pytest.raises(UsageError, match="not bytes"):
            catalog.search_text([b"red"])  # type: ignore[list-item]
    with pytest.raises(UsageError, match="closed"):
        catalog.search_text(["red"])


def test_a_pair_that_has_changed_since_is_refused(tmp_path: Path) -> None:
    pair = write_pair(tmp_path / "pair")
    with seealike.create(tmp_path / "catalog", encoder=pair.spec, link_encoder=True) as catalog:
        assert catalog.search_text(["red"]) == [[]]
    write_pair(tmp_path / "pair", space=SPACE * 2)
    with (
        seealike.open(tmp_path / "catalog") as catalog,
        pytest.raises(EncoderError, match=r"is no longer what .*catalog was made with"),
    ):
        catalog.search_text(["red"])


class _Reader(FakeEncoder):
    """A user's own encoder that also reads: every text looks like a wholly green picture."""

    def encode_texts(self, texts: Sequence[str]) -> Float32Array:
        green = np.zeros((1, 32, 32, 3), np.uint8)
        green[..., 1] = 255
        return np.repeat(self.encode(green), len(texts), axis=0)


def test_a_users_own_encoder_that_reads_text_is_asked(painted: Path, tmp_path: Path) -> None:
    reader = _Reader()
    with seealike.create(tmp_path / "own.catalog", encoder=reader) as catalog:
        catalog.index(painted)
        assert catalog.search_text(["anything"], k=1)[0][0].id == "green.png"
    assert reader.encode_texts(["still open: its user closes it"]).shape == (1, 32)
    reader.close()
    unread = FakeEncoder()
    with (
        seealike.create(tmp_path / "unread.catalog", encoder=unread) as catalog,
        pytest.raises(UsageError, match="the encoder fake reads no text"),
    ):
        catalog.search_text(["anything"])
    unread.close()
