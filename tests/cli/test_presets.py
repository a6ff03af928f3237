"""Encoders of a hub by name: fetched, taken from files, indexed and searched with, removed."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests import hub_server
from tests.commands import Call
from tests.hub_server import REPOSITORY, REVISION, HubServer
from tests.presets import NAME, serve_preset
from tests.text_towers import BEGIN, CONTEXT, END, Pair, numbered, wanted_vectors, write_own_template

import seealike
from seealike import encoders
from seealike.encoders import (
    PresetWish,
    get_preset,
    identity_of,
    load_text_encoder,
    preset_of,
    speed_of,
)
from seealike.encoders.hub import presets as published
from seealike.encoders.hub.files import RemoteFile
from seealike.encoders.hub.named import preset_dir
from seealike.errors import EncoderError
from seealike.files import FileSystem
from seealike.types import Float32Array

pytestmark = pytest.mark.enable_socket
COLOURS = {"red": (230, 30, 30), "green": (30, 220, 40), "blue": (20, 40, 230)}


@pytest.fixture
def hub() -> Iterator[HubServer]:
    with hub_server.hub_server() as server:
        yield server


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a few photos, each of one colour."""
    (tmp_path / "photos").mkdir()
    for name, colour in COLOURS.items():
        pixels = np.full((40, 50, 3), colour, np.uint8)
        Image.fromarray(pixels).save(tmp_path / "photos" / f"{name}.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def listed(typed: Call) -> dict[str, object]:
    """What the list says of the preset."""
    rows = json.loads(typed("encoders", "--format", "json", "--time", "off").out)
    (row,) = (row for row in rows if row["name"] == NAME)
    assert isinstance(row, dict)
    return row


def test_an_encoder_is_fetched_used_for_pictures_and_words_and_removed(
    hub: HubServer, place: Path, typed: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve_preset(hub, place, monkeypatch)
    assert (listed(typed)["present"], listed(typed)["text_present"]) == (False, False)
    assert f"`seealike encoders get {NAME}` fetches it" in typed("encoders", NAME).out
    got = typed("encoders", "get", NAME, "--text")
    assert got.code == 0, got.err
    assert f"MB from 127.0.0.1:{hub.port}: {REPOSITORY} at {REVISION[:12]}" in got.err
    assert "MIT, made from made for tests, CC0-1.0" in got.err
    assert "colours, with words: 4 dimensions" in got.out
    assert f"--encoder {NAME}" in got.out
    assert (listed(typed)["present"], listed(typed)["text_present"]) == (True, True)
    assert "pooling none" in typed("encoders", NAME).out

    asked = len(hub.requests)
    assert typed("index", "photos", "--encoder", NAME, "--quiet").code == 0
    found = typed("search", "photos/red.png", "--format", "paths", "-k", "1")
    assert os.path.basename(found.out.strip()) == "red.png"
    for name in COLOURS:
        words = typed("search", "--text", f"light {name} dress", "--format", "paths", "-k", "1")
        assert os.path.basename(words.out.strip()) == f"{name}.png"
    assert len(hub.requests) == asked

    removed = typed("encoders", "rm", NAME)
    assert (removed.code, "catalogues keep their copies" in removed.err + removed.out) == (0, True)
    assert not Path(preset_dir(NAME)).exists()
    assert typed("search", "photos/blue.png", "--format", "paths", "-k", "1").out.strip().endswith("blue.png")
    assert typed("encoders", "rm", NAME).code == 1
    with seealike.open("photos/.seealike") as catalog:
        assert catalog.encoder.name == NAME


def test_the_vectors_are_those_of_the_same_file_asked_for_by_hand(
    hub: HubServer, place: Path, typed: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = serve_preset(hub, place, monkeypatch)
    assert typed("encoders", "get", NAME).code == 0
    assert typed("index", "photos", "--encoder", NAME, "-C", "a.catalog", "--quiet").code == 0
    by_hand = f"onnx:{pair.pictures}?norm=half&size=16&fit=squash&interpolation=bilinear"
    assert typed("index", "photos", "--encoder", by_hand, "-C", "b.catalog", "--quiet").code == 0
    with seealike.open("a.catalog") as ours, seealike.open("b.catalog") as theirs:
        assert np.array_equal(ours.vectors()[1], theirs.vectors()[1])
        assert ours.encoder.weights_sha256 == hashlib.sha256(pair.pictures.read_bytes()).hexdigest()


def test_words_can_be_added_later_and_searched_with_at_once(
    hub: HubServer, place: Path, typed: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve_preset(hub, place, monkeypatch)
    assert typed("encoders", "get", NAME).code == 0
    assert typed("index", "photos", "--encoder", NAME, "--quiet").code == 0
    assert typed("search", "--text", "red").code != 0
    hub.requests.clear()
    assert typed("encoders", "get", NAME, "--text").code == 0
    assert len(hub.requests) == 2  # the pictures' file is here
    assert typed("search", "--text", "red", "--format", "paths", "-k", "1").out.strip().endswith("red.png")
    again = typed("encoders", "get", NAME)
    assert (again.code, "all its files are here" in again.err) == (0, True)
    assert listed(typed)["text_present"] is True


def test_nothing_is_fetched_by_naming_it(
    hub: HubServer, place: Path, typed: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve_preset(hub, place, monkeypatch)
    refused = typed("index", "photos", "--encoder", NAME)
    assert refused.code == 1
    assert f"`seealike encoders get {NAME}` fetches it from 127.0.0.1:{hub.port} (0 MB, MIT)" in refused.err
    assert not Path("photos/.seealike").exists()
    for words in (["encoders"], ["encoders", NAME], ["compare", NAME, "-C", "photos"]):
        typed(*words)
    assert hub.requests == []


def test_an_alias_says_what_it_stands_for(place: Path, typed: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEEALIKE_CACHE", str(place / "cache"))
    told = typed("index", "photos", "--encoder", "clothing?fit=crop")
    assert told.err.splitlines()[0] == "clothing stands for fashion-siglip"
    assert "fashion-siglip is not on this machine" in told.err
    assert "stands for" not in typed("index", "photos", "--encoder", "clothing", "--quiet").err
    assert typed("encoders", "photos").err == "photos stands for dinov2-small\n"
    assert "shop                  stands for clip-b32-laion2b" in typed("encoders", "--time", "off").out


def test_the_bundled_encoder_needs_not_be_fetched(typed: Call) -> None:
    got = typed("encoders", "get", "efficientnet-lite0")
    assert (got.code, got.err) == (0, "efficientnet-lite0 comes with seealike: there is nothing to fetch\n")


def test_comparing_takes_presets(
    hub: HubServer, place: Path, typed: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve_preset(hub, place, monkeypatch)
    assert typed("encoders", "get", NAME).code == 0
    assert typed("index", "photos", "--quiet").code == 0
    report = typed("compare", NAME, "-C", "photos", "--time", "off", "--format", "json")
    assert report.code == 0, report.err
    assert [row["name"] for row in report.json()["encoders"]] == ["efficientnet-lite0-v2", NAME]


def test_a_catalogue_may_do_without_a_copy_and_says_so(
    hub: HubServer, place: Path, typed: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve_preset(hub, place, monkeypatch)
    assert typed("encoders", "get", NAME).code == 0
    assert typed("index", "photos", "--encoder", NAME, "--link-encoder", "--quiet").code == 0
    assert f"model       linked: {NAME}" in typed("info", "-C", "photos").out
    assert typed("search", "photos/red.png", "-C", "photos").code == 0
    assert typed("encoders", "rm", NAME).code == 0
    refused = typed("search", "photos/red.png", "-C", "photos")
    assert (refused.code, f"`seealike encoders get {NAME}` fetches it" in refused.err) == (1, True)


def test_any_file_of_a_hub_is_fetched_used_and_removed(
    hub: HubServer, place: Path, typed: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = serve_preset(hub, place, monkeypatch)
    prepared = "size=16&fit=squash&interpolation=bilinear&norm=half"
    spec = f"hub:{REPOSITORY}?{prepared}&file=onnx/vision_model.onnx&revision={REVISION}"
    assert "is not on this machine; `seealike encoders get 'hub:" in typed("encoders", spec).err
    assert hub.requests == []
    got = typed("encoders", "get", spec)
    assert got.code == 0, got.err
    assert f"from 127.0.0.1:{hub.port}: {REPOSITORY} at {REVISION[:12]}" in got.err
    assert f"{REPOSITORY}: licence not stated; pictures as you say" in got.err
    assert f"use it: --encoder '{spec}'" in got.out
    asked = len(hub.requests)
    assert typed("index", "photos", "--encoder", spec, "-C", "a.catalog", "--quiet").code == 0
    by_hand = f"onnx:{pair.pictures}?{prepared}"
    assert typed("index", "photos", "--encoder", by_hand, "-C", "b.catalog", "--quiet").code == 0
    with seealike.open("a.catalog") as ours, seealike.open("b.catalog") as theirs:
        assert np.array_equal(ours.vectors()[1], theirs.vectors()[1])
    (row,) = (row for row in json.loads(typed("encoders", "--format", "json").out) if row["kind"] == "hub")
    rate = speed_of(spec)
    told = [row[name] for name in ("name", "repository", "dimension", "size_bytes", "images_per_s")]
    assert told == [spec, REPOSITORY, 4, pair.pictures.stat().st_size, rate]
    (line,) = (line for line in typed("encoders").out.splitlines() if line.startswith(f"hub:{REPOSITORY}?"))
    assert line.split() == [spec, "4", "0.0", "MB", "not", "stated", "no", "yes", f"{rate:,.0f}"]
    assert typed("encoders", "get", spec, "--text").code == 2
    assert typed("encoders", "rm", spec).code == 0
    assert typed("search", "photos/red.png", "-C", "a.catalog", "--format", "paths", "-k", "1").code == 0
    assert len(hub.requests) == asked


# -- files that somebody brought ------------------------------------------------------------------------


def brought(place: Path, names: Sequence[str], *, flat: bool = False) -> Path:
    """A folder with some of the files, as in the repository or side by side."""
    upstream = {
        "onnx/vision_model.onnx": "colours.onnx",
        "onnx/text_model.onnx": "words.onnx",
        "tokenizer.json": "tokenizer.json",
    }
    for name in names:
        target = place / "brought" / (os.path.basename(name) if flat else name)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(place / "upstream" / upstream[name], target)
    return place / "brought"


@pytest.mark.parametrize("flat", [False, True])
def test_files_are_taken_from_a_folder_without_a_network(
    hub: HubServer, place: Path, typed: Call, monkeypatch: pytest.MonkeyPatch, flat: bool
) -> None:
    serve_preset(hub, place, monkeypatch)
    names = ["onnx/vision_model.onnx", "onnx/text_model.onnx", "tokenizer.json"]
    source = brought(place, names, flat=flat)
    got = typed("encoders", "get", NAME, "--text", "--from", source, "--offline")
    assert (got.code, hub.requests) == (0, [])
    assert f"from {source}" in got.err
    assert listed(typed)["present"] is True


def test_a_single_file_is_taken_and_another_one_is_refused(
    hub: HubServer, place: Path, typed: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve_preset(hub, place, monkeypatch)
    wrong = typed("encoders", "get", NAME, "--from", place / "upstream" / "words.onnx")
    assert wrong.code == 1
    digest = hashlib.sha256((place / "upstream" / "colours.onnx").read_bytes()).hexdigest()
    assert f"words.onnx is not {REPOSITORY}@{REVISION}/onnx/vision_model.onnx" in wrong.err
    assert f"not {digest}" in wrong.err
    assert listed(typed)["present"] is False
    assert typed("encoders", "get", NAME, "--from", place / "upstream" / "colours.onnx").code == 0
    assert hub.requests == []


def test_a_folder_that_lacks_a_file_is_told_which(
    hub: HubServer, place: Path, typed: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve_preset(hub, place, monkeypatch)
    got = typed("encoders", "get", NAME, "--text", "--from", brought(place, ["onnx/vision_model.onnx"]))
    assert got.code == 1
    assert "there is no onnx/text_model.onnx and no text.onnx and no text_model.onnx in " in got.err
    assert listed(typed)["present"] is False
    assert typed("encoders", "get", NAME, "--offline").code == 0  # what was there has been taken


PREPARED = "size=16&fit=squash&interpolation=bilinear&norm=half"
MODEL, WORDS_OF = "onnx/vision_model.onnx", "onnx/text_model.onnx"
PROCESSOR = {
    "image_processor_type": "SiglipImageProcessor",
    "size": {"height": 16, "width": 16},
    "resample": 2,
    "image_mean": [0.5, 0.5, 0.5],
    "image_std": [0.5, 0.5, 0.5],
    "do_rescale": True,
    "do_normalize": True,
    "do_resize": True,
}
TOKENIZER_CONFIG = {
    "tokenizer_class": "PreTrainedTokenizerFast",
    "model_max_length": CONTEXT,
    "pad_token": "[pad]",
}


def served_repository(hub: HubServer, place: Path, monkeypatch: pytest.MonkeyPatch) -> Pair:
    """Both towers and the files that say how they are used, on the hub and side by side here."""
    pair = serve_preset(hub, place, monkeypatch)
    write_own_template(pair)
    (pair.text.parent / "preprocessor_config.json").write_text(json.dumps(PROCESSOR))
    (pair.text.parent / "tokenizer_config.json").write_text(json.dumps(TOKENIZER_CONFIG))
    (pair.text.parent / "README.md").write_text("---\nlicense: mit\n---\n")
    for name in ("tokenizer.json", "tokenizer_config.json", "preprocessor_config.json", "README.md"):
        hub.add(name, (pair.text.parent / name).read_bytes())
    return pair


def of_hub(*options: str) -> str:
    return f"hub:{REPOSITORY}?file={MODEL}&revision={REVISION}{''.join(f'&{option}' for option in options)}"


def laid_out(place: Path, pair: Pair, *, flat: bool = False) -> Path:
    """The repository as somebody brought it."""
    files = {MODEL: pair.pictures, WORDS_OF: pair.text}
    beside = ("tokenizer.json", "tokenizer_config.json", "preprocessor_config.json", "README.md")
    files |= {name: pair.text.with_name(name) for name in beside}
    for name, file in files.items():
        target = place / "brought" / (os.path.basename(name) if flat else name)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target)
    return place / "brought"


def text_vectors(spec: str, texts: Sequence[str]) -> Float32Array:
    tower = load_text_encoder(spec)
    assert tower is not None
    try:
        return tower.encode_texts(texts)
    finally:
        tower.close()


def test_the_text_tower_of_any_repository_reads_as_its_tokenizer_says(
    hub: HubServer, place: Path, typed: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    served_repository(hub, place, monkeypatch)
    spec = of_hub(f"text={WORDS_OF}")
    got = typed("encoders", "get", spec)
    assert got.code == 0, got.err
    assert f"hub:{REPOSITORY}, with words: 4 dimensions" in got.out
    texts = ["red", "light blue dress", "green green green green green green green green"]
    rows = [[BEGIN, *numbered(text)[: CONTEXT - 2], END] for text in texts]
    np.testing.assert_allclose(text_vectors(spec, texts), wanted_vectors(rows), atol=1e-6)
    asked = len(hub.requests)
    assert typed("index", "photos", "--encoder", spec, "--quiet").code == 0
    for name in COLOURS:
        found = typed("search", "--text", f"light {name} dress", "--format", "paths", "-k", "1")
        assert os.path.basename(found.out.strip()) == f"{name}.png"
    assert len(hub.requests) == asked
    (row,) = (row for row in json.loads(typed("encoders", "--format", "json").out) if row["kind"] == "hub")
    assert (row["text"], row["licence"]) == (WORDS_OF, "mit")
    assert typed("encoders", "rm", spec).code == 0  # the catalogue has a copy, words and all
    assert typed("search", "--text", "red", "--format", "paths", "-k", "1").out.strip().endswith("red.png")


def test_words_of_a_repository_can_be_added_later_and_last(
    hub: HubServer, place: Path, typed: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    served_repository(hub, place, monkeypatch)
    assert typed("encoders", "get", of_hub()).code == 0
    with_words = of_hub(f"text={WORDS_OF}")
    refused = typed("index", "photos", "--encoder", with_words)
    assert f"hub:{REPOSITORY} is not on this machine with {WORDS_OF}; `seealike encoders get" in refused.err
    hub.requests.clear()
    assert typed("encoders", "get", with_words).code == 0
    assert not any(request.path.endswith(MODEL) for request in hub.requests)
    assert typed("encoders", "get", of_hub()).code == 0
    assert text_vectors(with_words, ["red"]).shape == (1, 4)


def test_another_text_tower_of_the_same_repository_has_its_own_tokenizer(
    hub: HubServer, place: Path, typed: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = served_repository(hub, place, monkeypatch)
    assert typed("encoders", "get", of_hub(f"text={WORDS_OF}")).code == 0
    hub.add("other/text_model.onnx", pair.text.read_bytes())
    hub.add("other/tokenizer_config.json", json.dumps(TOKENIZER_CONFIG).encode())
    swapped = pair.text.with_name("tokenizer.json").read_text().replace('"red"', '"rot"')
    hub.add("other/tokenizer.json", swapped.encode())
    other = of_hub("text=other/text_model.onnx")
    got = typed("encoders", "get", other)
    assert got.code == 0, got.err
    red = wanted_vectors([[BEGIN, *numbered("red"), END]])
    np.testing.assert_allclose(text_vectors(other, ["rot"]), red, atol=1e-6)
    np.testing.assert_allclose(text_vectors(of_hub(f"text={WORDS_OF}"), ["red"]), red, atol=1e-6)
    hub.requests.clear()
    assert typed("encoders", "get", of_hub(f"text={WORDS_OF}")).code == 0
    assert hub.requests == []


def test_a_text_tower_of_a_repository_that_changed_is_told(
    hub: HubServer, place: Path, typed: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    served_repository(hub, place, monkeypatch)
    spec = of_hub(f"text={WORDS_OF}")
    assert typed("encoders", "get", spec).code == 0
    (file,) = Path(os.environ["SEEALIKE_CACHE"]).rglob("text-*/tokenizer.json")
    file.write_bytes(file.read_bytes() + b" ")
    refused = typed("index", "photos", "--encoder", spec)
    assert (refused.code, "tokenizer.json is damaged; `seealike encoders get" in refused.err) == (1, True)
    assert typed("encoders", "get", spec).code == 0
    assert typed("index", "photos", "--encoder", spec, "--quiet").code == 0


@pytest.mark.parametrize("flat", [False, True])
def test_a_repository_is_taken_from_a_folder_without_a_network(
    hub: HubServer, place: Path, typed: Call, monkeypatch: pytest.MonkeyPatch, flat: bool
) -> None:
    source = laid_out(place, served_repository(hub, place, monkeypatch), flat=flat)
    spec = of_hub(f"text={WORDS_OF}")
    got = typed("encoders", "get", spec, "--from", source, "--offline")
    assert (got.code, hub.requests) == (0, []), got.err
    assert f"{REPOSITORY}: licence mit; pictures are prepared as" in got.err
    assert f"MB from {source}: {REPOSITORY} at {REVISION[:12]}: {MODEL}" in got.err
    assert typed("index", "photos", "--encoder", spec, "-C", "a.catalog", "--quiet").code == 0
    shutil.rmtree(Path(os.environ["SEEALIKE_CACHE"], "hub"))
    assert typed("encoders", "get", spec).code == 0
    assert typed("index", "photos", "--encoder", spec, "-C", "b.catalog", "--quiet").code == 0
    with seealike.open("a.catalog") as ours, seealike.open("b.catalog") as theirs:
        assert ours.encoder == theirs.encoder


def test_a_model_of_a_repository_is_taken_from_its_file_and_what_says_how_it_is_used_lies_beside(
    hub: HubServer, place: Path, typed: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = served_repository(hub, place, monkeypatch)
    assert typed("encoders", "get", of_hub(), "--from", pair.pictures).code == 0
    assert typed("encoders", "rm", of_hub()).code == 0
    alone = place / "alone.onnx"
    shutil.copyfile(pair.pictures, alone)
    refused = typed("encoders", "get", of_hub(), "--from", alone)
    assert (refused.code, "says nowhere how pictures are prepared" in refused.err) == (1, True)
    assert typed("encoders", "get", of_hub(PREPARED), "--from", alone).code == 0
    assert hub.requests == []


def test_a_folder_without_the_model_is_told_and_what_somebody_brought_is_noted_too(
    hub: HubServer, place: Path, typed: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = served_repository(hub, place, monkeypatch)
    refused = typed("encoders", "get", of_hub(PREPARED), "--from", place / "photos")
    assert f"there is no {MODEL} and no vision_model.onnx in {place / 'photos'}" in refused.err
    assert typed("encoders", "get", of_hub(PREPARED), "--from", pair.pictures).code == 0
    (file,) = Path(os.environ["SEEALIKE_CACHE"]).rglob("vision_model.onnx")
    file.unlink()
    for source in (["--from", pair.text], []):
        hub.add(MODEL, pair.text.read_bytes())
        wrong = typed("encoders", "get", of_hub(PREPARED), *source)
        assert (wrong.code, f"(which {file.with_name('installed.json')} says)" in wrong.err) == (1, True)


def test_what_is_to_come_names_the_way_without_a_network(
    hub: HubServer, place: Path, typed: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    served_repository(hub, place, monkeypatch)
    for name in (NAME, of_hub()):
        assert "; without a network: --from PATH" in typed("encoders", "get", name).err


# -- what is not known, and what must be accepted ----------------------------------------------------------


def test_without_a_revision_one_is_asked_for_and_the_digest_is_noted_at_first_use(
    hub: HubServer, place: Path, typed: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve_preset(hub, place, monkeypatch, known=False, revision=False)
    asked = typed("encoders", "get", NAME)
    assert (asked.code, hub.requests) == (1, [])
    assert f"`seealike encoders get {NAME} --revision COMMIT`" in asked.err
    assert typed("encoders", "get", NAME, "--revision", "main").code == 2
    got = typed("encoders", "get", NAME, "--revision", REVISION)
    assert got.code == 0, got.err
    assert "no SHA-256 of onnx/vision_model.onnx is known: what comes now is noted" in got.err
    assert typed("encoders", "get", NAME).code == 0  # the revision is remembered
    Path(preset_dir(NAME), "model.onnx").unlink()
    content = hub.files[f"/{REPOSITORY}/resolve/{REVISION}/onnx/vision_model.onnx"]
    hub.add("onnx/vision_model.onnx", content.replace(b"colours", b"colourz"))
    again = typed("encoders", "get", NAME, "--revision", REVISION)
    assert (again.code, "serves another file" in again.err) == (1, True)
    assert f"(which {Path(preset_dir(NAME), 'installed.json')} says)" in again.err
    assert typed("encoders", "rm", NAME).code == 0
    assert typed("encoders", "get", NAME, "--revision", REVISION).code == 0


BROKEN = [b"<html>log in</html>", b"", b"\x08\x08"]


@pytest.mark.parametrize("page", BROKEN)
@pytest.mark.parametrize("path", ["onnx/vision_model.onnx", "onnx/text_model.onnx", "tokenizer.json"])
@pytest.mark.parametrize("extra", [True, False])
def test_another_file_that_came_once_does_no_lasting_harm(
    hub: HubServer,
    place: Path,
    typed: Call,
    monkeypatch: pytest.MonkeyPatch,
    page: bytes,
    path: str,
    extra: bool,
) -> None:
    serve_preset(hub, place, monkeypatch, known=False)
    served = f"/{REPOSITORY}/resolve/{REVISION}/{path}"
    good, hub.files[served] = hub.files[served], page
    with monkeypatch.context() as without:
        if not extra:
            without.setitem(sys.modules, "tokenizers", None)
        failed = typed("encoders", "get", NAME, "--text")
        assert (failed.code, failed.err.count("seealike: ")) == (1, 1)
        assert listed(typed)["present"] is False
        hub.files[served] = good
        assert typed("encoders", "get", NAME, "--text").code == 0
    assert listed(typed)["text_present"] is True


def test_a_wrong_file_that_somebody_brought_does_no_lasting_harm(
    hub: HubServer, place: Path, typed: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = serve_preset(hub, place, monkeypatch, known=False)
    assert typed("encoders", "get", NAME, "--from", pair.text).code == 1
    assert typed("encoders", "get", NAME, "--from", pair.pictures).code == 0
    assert typed("encoders", "rm", NAME).code == 0
    assert typed("encoders", "get", NAME).code == 0


def test_words_that_cannot_be_added_leave_the_encoder_as_it_was(
    hub: HubServer, place: Path, typed: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve_preset(hub, place, monkeypatch, known=False)
    assert typed("encoders", "get", NAME).code == 0
    hub.files[f"/{REPOSITORY}/resolve/{REVISION}/onnx/text_model.onnx"] = b"no tower"
    assert typed("encoders", "get", NAME, "--text").code == 1
    assert (listed(typed)["present"], listed(typed)["text_present"]) == (True, False)
    assert typed("index", "photos", "--encoder", NAME, "--quiet").code == 0
    assert "reads no text" in typed("search", "--text", "red").err
    assert typed("search", "photos/red.png", "-k", "1").code == 0


def test_another_commit_that_does_not_run_leaves_the_one_that_does(
    hub: HubServer, place: Path, typed: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = serve_preset(hub, place, monkeypatch)
    assert typed("encoders", "get", NAME).code == 0
    file, other = Path(preset_dir(NAME), "model.onnx"), "f" * 40
    before = json.loads(file.with_name("installed.json").read_text())
    hub.files[f"/{REPOSITORY}/resolve/{other}/onnx/vision_model.onnx"] = b"no model"
    assert typed("encoders", "get", NAME, "--revision", other).code == 1
    assert file.read_bytes() == pair.pictures.read_bytes()
    assert json.loads(file.with_name("installed.json").read_text()) == before
    assert typed("index", "photos", "--encoder", NAME, "--quiet").code == 0


@pytest.mark.parametrize("name", ["text.onnx", "tokenizer.json"])
def test_a_text_tower_that_changed_is_told_before_it_answers_or_is_copied(
    hub: HubServer, place: Path, typed: Call, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    serve_preset(hub, place, monkeypatch)
    assert typed("encoders", "get", NAME, "--text").code == 0
    assert typed("index", "photos", "--encoder", NAME, "-C", "a.catalog", "--link-encoder", "-q").code == 0
    assert typed("search", "--text", "red", "-C", "a.catalog").code == 0
    file = Path(preset_dir(NAME), name)
    file.write_bytes(file.read_bytes().replace(b"red", b"der") + b" ")
    told = f"{name} is damaged; `seealike encoders get {NAME}` fetches it again"
    searched = typed("search", "--text", "red", "-C", "a.catalog")
    assert (searched.code, told in searched.err) == (1, True)
    assert told in typed("index", "photos", "--encoder", NAME, "-C", "b.catalog").err
    assert typed("encoders", "get", NAME).code == 0
    assert typed("search", "--text", "red", "-C", "a.catalog").code == 0


def test_what_is_damaged_is_announced_and_fetched_again(
    hub: HubServer, place: Path, typed: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = serve_preset(hub, place, monkeypatch)
    assert typed("encoders", "get", NAME).code == 0
    said: list[tuple[list[str], int | None]] = []

    def announce(files: Sequence[RemoteFile], size_bytes: int | None, whence: str) -> None:
        assert whence == f"127.0.0.1:{hub.port}"
        said.append(([file.local_name for file in files], size_bytes))

    get_preset(preset_of(NAME), PresetWish(), announce=announce)
    assert said == []
    file = Path(preset_dir(NAME), "model.onnx")
    file.write_bytes(pair.pictures.read_bytes().replace(b"colours", b"colourz"))
    noted = get_preset(preset_of(NAME), PresetWish(), announce=announce)
    assert said == [(["model.onnx"], pair.pictures.stat().st_size)]
    assert noted.files["model.onnx"] == noted.weights_sha256
    assert file.read_bytes() == pair.pictures.read_bytes()


def test_a_commit_that_is_here_is_not_fetched_again_when_a_release_names_another(
    hub: HubServer, place: Path, typed: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve_preset(hub, place, monkeypatch)
    assert typed("encoders", "get", NAME).code == 0
    records = place / "presets.toml"
    moved = place / "moved.toml"
    moved.write_text(records.read_text().replace(REVISION, "f" * 40))
    monkeypatch.setattr(published, "_RECORDS", str(moved))
    hub.requests.clear()
    got = typed("encoders", "get", NAME, "--revision", REVISION)
    assert (got.code, "all its files are here" in got.err, hub.requests) == (0, True, [])


def test_another_commit_is_taken_when_it_is_said_and_the_checked_one_otherwise(
    hub: HubServer, place: Path, typed: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = serve_preset(hub, place, monkeypatch)
    other = "f" * 40
    changed = pair.pictures.read_bytes().replace(b"colours", b"colourz")
    hub.files[f"/{REPOSITORY}/resolve/{other}/onnx/vision_model.onnx"] = changed
    got = typed("encoders", "get", NAME, "--revision", other)
    assert (got.code, "no SHA-256 of onnx/vision_model.onnx is known" in got.err) == (0, True)
    file = Path(preset_dir(NAME), "model.onnx")
    assert file.read_bytes() == changed
    assert typed("encoders", "get", NAME).code == 0
    assert file.read_bytes() == pair.pictures.read_bytes()


def test_a_licence_with_conditions_is_accepted_once_and_by_its_name(
    hub: HubServer, place: Path, typed: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    conditions = 'conditions = { accept = "Strict", url = "https://example.org/strict", says = "none may" }'
    serve_preset(hub, place, monkeypatch, conditions=conditions)
    for words in ([], ["--accept-licence", "MIT"]):
        refused = typed("encoders", "get", NAME, *words)
        assert (refused.code, hub.requests) == (2, [])
        assert (
            "none may; read https://example.org/strict, and accept it by --accept-licence Strict"
            in refused.err
        )
    assert typed("encoders", "get", NAME, "--accept-licence", "Strict").code == 0
    noted = json.loads(Path(preset_dir(NAME), "installed.json").read_text())
    assert (noted["accepted"], noted["licence"], noted["revision"]) == ("Strict", "MIT", REVISION)
    assert typed("encoders", "get", NAME).code == 0


def test_conditions_hold_also_by_the_hubs_name_and_the_licence_goes_with_every_copy(
    hub: HubServer, place: Path, typed: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    conditions = 'conditions = { accept = "Strict", url = "https://example.org/strict", says = "none may" }'
    serve_preset(hub, place, monkeypatch, conditions=conditions)
    terms, records = hub.add("LICENSE.md", b"none may"), place / "presets.toml"
    line = f', {{ path = "LICENSE.md", bytes = 8, sha256 = "{terms.sha256}" }}]\nconditions'
    records.write_text(records.read_text().replace("]\nconditions", line))
    prepared = "size=16&fit=squash&interpolation=bilinear&norm=half"
    spec = f"hub:{REPOSITORY}?{prepared}&file=onnx/vision_model.onnx&revision={REVISION}"
    for asked in (spec, spec.replace(REPOSITORY, REPOSITORY.upper())):
        for words in ([], ["--accept-licence", "MIT"]):
            refused = typed("encoders", "get", asked, *words)
            assert (refused.code, hub.requests) == (2, [])
            assert "has a licence with conditions: none may; read https://example.org/strict" in refused.err
    got = typed("encoders", "get", spec, "--accept-licence", "Strict")
    assert (got.code, ": LICENSE.md" in got.err) == (0, True)
    assert typed("encoders", "get", spec).code == 0  # it was accepted
    assert typed("encoders", "get", NAME, "--accept-licence", "Strict").code == 0
    for encoder, catalogue in ((spec, "a.catalog"), (NAME, "b.catalog")):
        assert typed("index", "photos", "--encoder", encoder, "-C", catalogue, "--quiet").code == 0
        (copy,) = Path(catalogue).rglob("LICENSE.md")
        assert copy.read_bytes() == b"none may"


def test_a_file_that_is_no_such_model_is_not_installed(
    hub: HubServer, place: Path, typed: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve_preset(hub, place, monkeypatch, known=False)
    path = f"/{REPOSITORY}/resolve/{REVISION}/onnx/vision_model.onnx"
    hub.files[path] = b"no model at all"
    got = typed("encoders", "get", NAME)
    assert (got.code, got.err.count("seealike: ")) == (1, 1)
    assert listed(typed)["present"] is False


def test_a_damaged_file_is_told_and_fetched_again(
    hub: HubServer, place: Path, typed: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = serve_preset(hub, place, monkeypatch)
    assert typed("encoders", "get", NAME).code == 0
    file = Path(preset_dir(NAME), "model.onnx")
    file.write_bytes(pair.pictures.read_bytes().replace(b"colours", b"colourz"))
    refused = typed("index", "photos", "--encoder", NAME)
    assert f"is damaged; `seealike encoders get {NAME}` fetches it again" in refused.err
    assert typed("encoders", "get", NAME).code == 0
    assert file.read_bytes() == pair.pictures.read_bytes()
    file.unlink()
    assert "is not on this machine" in typed("index", "photos", "--encoder", NAME).err


def test_without_its_card_an_encoder_is_damaged_and_not_used_in_another_way(
    hub: HubServer, place: Path, typed: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve_preset(hub, place, monkeypatch)
    assert typed("encoders", "get", NAME).code == 0
    Path(preset_dir(NAME), "model.json").unlink()
    refused = typed("index", "photos", "--encoder", NAME)
    assert (refused.code, f"is damaged; `seealike encoders get {NAME}`" in refused.err) == (1, True)
    hub.requests.clear()
    assert typed("encoders", "get", NAME).code == 0
    assert hub.requests == []
    assert typed("index", "photos", "--encoder", NAME, "--quiet").code == 0


@pytest.mark.skipif(os.name == "nt", reason="links need a right of their own there")
def test_a_file_that_was_moved_away_and_linked_is_used_where_it_is(
    hub: HubServer, place: Path, typed: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve_preset(hub, place, monkeypatch)
    assert typed("encoders", "get", NAME).code == 0
    file = Path(preset_dir(NAME), "model.onnx")
    file.rename(file.parent.parent / "elsewhere.onnx")
    file.symlink_to("../elsewhere.onnx")
    hub.requests.clear()
    assert typed("encoders", "get", NAME).code == 0
    assert hub.requests == []
    assert typed("index", "photos", "--encoder", NAME, "--quiet").code == 0


class _Killed(BaseException):
    """As if the process had ended there."""


@pytest.mark.heavy
@pytest.mark.parametrize("spec", [NAME, "hub"])
@pytest.mark.parametrize("known", [True, False])
def test_whenever_it_is_killed_what_is_used_is_right_or_told_and_the_next_run_mends_it(
    hub: HubServer, place: Path, typed: Call, monkeypatch: pytest.MonkeyPatch, spec: str, known: bool
) -> None:
    pair = serve_preset(hub, place, monkeypatch, known=known)
    hub.add("tokenizer_config.json", json.dumps(TOKENIZER_CONFIG).encode())
    asked = [of_hub(PREPARED, f"text={WORDS_OF}")] if spec == "hub" else [NAME, "--text"]
    right = hashlib.sha256(pair.pictures.read_bytes()).hexdigest()
    monkeypatch.setattr(encoders, "_SHORT_RUN_S", 0.0)
    names, done = ("rename", "write", "remove_tree"), 0
    changing = [(name, getattr(FileSystem, name)) for name in names]
    while True:
        shutil.rmtree(Path(os.environ["SEEALIKE_CACHE"], "hub"), ignore_errors=True)
        left = done
        with monkeypatch.context() as killing:
            for name, does in changing:

                def killed(*args: object, does: Callable[..., None] = does, **how: object) -> None:
                    nonlocal left
                    left -= 1
                    if left < 0:
                        raise _Killed
                    does(*args, **how)

                killing.setattr(FileSystem, name, killed)
            with suppress(_Killed):
                typed("encoders", "get", *asked)
        if left >= 0:
            break
        with suppress(EncoderError):
            assert identity_of(asked[0]).weights_sha256 == right
        again = typed("encoders", "get", *asked)
        assert (again.code, identity_of(asked[0]).weights_sha256) == (0, right), again.err
        assert text_vectors(asked[0], ["red"]).shape == (1, 4)
        done += 1
    assert done > 10


# -- speed --------------------------------------------------------------------------------------------------


def test_the_list_times_what_is_here_once(
    hub: HubServer, place: Path, typed: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve_preset(hub, place, monkeypatch)
    assert typed("encoders", "get", NAME).code == 0
    first = speed_of(NAME)
    rows = {row["name"]: row for row in json.loads(typed("encoders", "--format", "json").out)}
    assert rows[NAME]["images_per_s"] == first == speed_of(NAME)
    assert rows["efficientnet-lite0"]["images_per_s"] > 0
    line = next(line for line in typed("encoders").out.splitlines() if line.startswith(NAME))
    assert line.split() == [NAME, "4", "0.0", "MB", "MIT", "yes", "yes", f"{first:,.0f}"]
    assert speed_of(NAME, anew=True) != first


# -- processes ----------------------------------------------------------------------------------------------

RUN = """
import sys
from seealike.cli.main import run
from seealike.encoders.hub import presets
presets._RECORDS = sys.argv[1]
sys.exit(run(sys.argv[2:]))
"""


@pytest.mark.skipif(os.name == "nt", reason="there is no SIGKILL")
def test_a_download_that_is_killed_goes_on_and_a_second_one_meanwhile_is_refused(
    hub: HubServer, place: Path, typed: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve_preset(hub, place, monkeypatch, padding=4_000_000)
    hub.behaviours.append(hub_server.silent_after(3_000_000))
    command = [sys.executable, "-c", RUN, str(place / "presets.toml"), "encoders", "get", NAME]
    root, folder = Path(__file__).resolve().parents[2], Path(preset_dir(NAME))
    with subprocess.Popen(command, cwd=root, env=dict(os.environ), stderr=subprocess.PIPE) as running:
        until = time.monotonic() + 60
        while sum(part.stat().st_size for part in folder.rglob("*.part")) < 2_000_000:
            assert time.monotonic() < until
            assert running.poll() is None
            time.sleep(0.05)
        second = typed("encoders", "get", NAME)
        assert (second.code, "another process is fetching into" in second.err) == (1, True)
        running.send_signal(signal.SIGKILL)
    (part,) = folder.rglob("*.part")
    size = part.stat().st_size
    assert listed(typed)["present"] is False
    assert typed("encoders", "get", NAME).code == 0
    assert hub.ranges() == [None, f"bytes={size}-"]
    assert listed(typed)["present"] is True


@pytest.mark.skipif(os.name == "nt", reason="sizes of files cannot be limited there")
def test_a_disk_that_is_full_is_told_in_a_line(
    hub: HubServer, place: Path, typed: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve_preset(hub, place, monkeypatch, padding=4_000_000)
    full = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))\n{RUN}"
    command = [sys.executable, "-c", full, str(place / "presets.toml"), "encoders", "get", NAME, "--quiet"]
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(
        f"seealike: cannot write into {Path(preset_dir(NAME), 'arriving')}: File too large; make room"
    )
    assert done.stderr.count("\n") == 1
    assert typed("encoders", "get", NAME).code == 0
    assert hub.ranges() == [None, "bytes=1000000-"]
