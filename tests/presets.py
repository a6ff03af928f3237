"""A preset for tests: two small towers on a hub of this machine, in the place of the published ones."""

from __future__ import annotations

import hashlib
from pathlib import Path

import onnx
import pytest
from tests.hub_server import REPOSITORY, REVISION, HubServer, without_variables
from tests.text_towers import BEGIN, CONTEXT, END, PAD, SIDE_PX, Pair, write_pair

from seealike.encoders.hub import presets

NAME = "colours"
RECORD = """
[{name}]
about = "colours"
dimension = 4
gmac = 0.001
licence = "MIT"
upstream = "made for tests, CC0-1.0"
repository = "{repository}"
{revision}
outputs = ["not_there", "image_embeds"]
pooling = "none"
fit = "squash"
resize = {side}
size = {side}
interpolation = "bilinear"
norm = "half"
files = [{pictures}]
{conditions}
[{name}.text]
files = [{text}, {tokenizer}]
card = {{ context_length = {context}, pad_id = {pad}, begin_id = {begin}, end_id = {end}, {cleaning} }}
"""


def serve_preset(
    hub: HubServer,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    known: bool = True,
    revision: bool = True,
    conditions: str = "",
    padding: int = 0,
) -> Pair:
    """Let the hub have the towers and ours be the only presets.

    ``known``: with size and SHA-256. ``padding`` makes the file of the picture tower so much longer.
    """
    pair = write_pair(folder / "upstream")
    if padding:
        model = onnx.load(pair.pictures)
        model.doc_string = "x" * padding
        onnx.save(model, pair.pictures)
    files = {
        "onnx/vision_model.onnx": pair.pictures,
        "onnx/text_model.onnx": pair.text,
        "tokenizer.json": pair.text.with_name("tokenizer.json"),
    }
    for path, file in files.items():
        hub.add(path, file.read_bytes())
    names = dict(zip(files, ("model.onnx", "text.onnx", ""), strict=True))
    pictures, text, tokenizer = (_record(path, file, names[path], known) for path, file in files.items())
    record = RECORD.format(
        name=NAME,
        repository=REPOSITORY,
        revision=f'revision = "{REVISION}"' if revision else "",
        side=SIDE_PX,
        pictures=pictures,
        text=text,
        tokenizer=tokenizer,
        conditions=conditions,
        context=CONTEXT,
        pad=PAD,
        begin=BEGIN,
        end=END,
        cleaning='cleaning = "lower"',
    )
    (folder / "presets.toml").write_text(record)
    monkeypatch.setattr(presets, "_RECORDS", str(folder / "presets.toml"))
    without_variables(monkeypatch)
    monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
    monkeypatch.setenv("SEEALIKE_CACHE", str(folder / "cache"))
    return pair


def _record(path: str, file: Path, name: str, known: bool) -> str:
    content = file.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    size = f'bytes = {len(content)}, sha256 = "{digest}"' if known else f"mb = {len(content) / 1e6}"
    return f'{{ path = "{path}", name = "{name}", {size} }}'
