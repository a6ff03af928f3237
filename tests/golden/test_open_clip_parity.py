"""CLIP and SigLIP pairs against the reference library, open_clip, with small weights made here.

No published weights are at hand: what is checked is the loading, the tokenizing and the arithmetic.
"""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import sys
import unicodedata
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tests.pictures import write_pictures

from seealike.encoders import EncoderMode, load_encoder, load_text_encoder, parse_spec, record_for
from seealike.encoders.clip.tokenizer import TextTokenizer
from seealike.encoders.text_card import Cleaning, TextCard
from seealike.errors import EncoderError, UnknownNameError, UsageError
from seealike.testing import sample_pixels
from seealike.types import Fit, Float32Array, PixelArray

if TYPE_CHECKING:
    import torch

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore::DeprecationWarning:timm")]

SIDE_PX, SIGLIP_SIDE_PX = 32, 224
TEXTS = ["red summer dress", "a photo of a cat", "", "naïve café 🎄👗", "leather boots " * 60]
VISION = {"image_size": SIDE_PX, "layers": 2, "width": 64, "head_width": 32, "patch_size": 8}
CLIP_CONFIG = {
    "embed_dim": 24,
    "vision_cfg": VISION,
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2},
}
SIGLIP_CONFIG = {
    "embed_dim": 192,
    "init_logit_bias": -10,
    "custom_text": True,
    "vision_cfg": {
        "image_size": SIGLIP_SIDE_PX,
        "timm_model_name": "vit_tiny_patch16_224",
        "timm_model_pretrained": True,
        "timm_pool": "map",
        "timm_proj": "none",
    },
    "text_cfg": {
        "context_length": 16,
        "vocab_size": 60,
        "hf_tokenizer_name": "somebody/siglip",
        "tokenizer_kwargs": {"clean": "canonicalize"},
        "width": 32,
        "heads": 2,
        "layers": 2,
        "no_causal_mask": True,
        "proj_bias": True,
        "pool_type": "last",
    },
}
Made = tuple[str, "torch.nn.Module"]
SIGLIP_PREPARED = {"mean": [0.5] * 3, "std": [0.5] * 3, "resize_mode": "squash", "interpolation": "bicubic"}


@pytest.fixture(scope="module", autouse=True)
def _packages() -> None:
    pytest.importorskip("open_clip", reason="open_clip is not installed")
    pytest.importorskip("tokenizers", reason="tokenizers is not installed")


def made(
    folder: Path, config: dict[str, Any], prepared: dict[str, Any], extension: str = "pt"
) -> torch.nn.Module:
    """A model of open_clip with random weights, saved with its configuration; the model itself."""
    import open_clip
    import torch
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(3)
    kind = open_clip.CustomTextCLIP if config.get("custom_text") else open_clip.CLIP
    settings = json.loads(json.dumps({key: value for key, value in config.items() if key != "custom_text"}))
    settings["vision_cfg"].pop("timm_model_pretrained", None)
    model = kind(**settings).eval()
    state = {name: value.contiguous() for name, value in model.state_dict().items()}
    file = folder / f"weights.{extension}"
    save_file(state, file) if extension == "safetensors" else torch.save({"state_dict": state}, file)
    content = {"model_cfg": config, "preprocess_cfg": prepared}
    (folder / "open_clip_config.json").write_text(json.dumps(content))
    return model


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("clip")
    return f"open_clip:tiny?weights={folder}/weights.safetensors", made(
        folder, CLIP_CONFIG, {}, "safetensors"
    )


@pytest.fixture(scope="module")
def siglip(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("siglip")
    write_siglip_tokenizer(folder)
    model = made(folder, SIGLIP_CONFIG, SIGLIP_PREPARED)
    return f"open_clip:tiny-siglip?weights={folder}/weights.pt", model


def write_siglip_tokenizer(folder: Path) -> None:
    """A tokenizer file as SigLIP's: pieces of words, an end, and the end also fills up."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    pieces = ["<pad>", "</s>", "<unk>", *(f"▁{word}" for word in ("red", "summer", "dress", "a", "photo"))]
    tokenizer = Tokenizer(models.WordLevel({piece: n for n, piece in enumerate(pieces)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing("$A </s>", special_tokens=[("</s>", 1)])
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps({"pad_token": {"content": "</s>"}}))


def cosines(a: Float32Array, b: Float32Array) -> Float32Array:
    rows: Float32Array = (a * b).sum(axis=1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    return rows


def reference_pictures(
    model: torch.nn.Module, pixels: PixelArray, mean: list[float], std: list[float]
) -> Float32Array:
    """What open_clip makes of squares of pixels."""
    import torch

    scaled = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255
    scaled = (scaled - torch.tensor(mean).view(1, 3, 1, 1)) / torch.tensor(std).view(1, 3, 1, 1)
    with torch.no_grad():
        vectors: Float32Array = model.encode_image(scaled, normalize=True).numpy()
    return vectors


def texts_to_try() -> Iterator[str]:
    yield from TEXTS
    yield from ("   ", "don't DON'T I'LL we're", "12345 and 3.14 (50% off!)", "日本語 한국어 العربية हिन्दी")
    yield from ("“curly” ‘quotes’ — …", "ﬁne ＦＵＬＬ　width", "&amp;amp; &lt;b&gt; x<y", "a\nb\tc\r\nd")
    yield from ("👩‍👩‍👧‍👦 🇩🇪", "x" * 700, "e\u0301 ŉ ǅ", "____ ---- !!!???", "ﷺ ㎏ ² ½ Ⅷ ①")
    rng = random.Random(11)
    ranges = [range(32, 127)] * 4 + [range(0x370, 0x530), range(0x1F300, 0x1F600), range(0x4E00, 0x4F00)]
    letters = [chr(code) for part in ranges for code in part if unicodedata.category(chr(code)) != "Cn"]
    for _ in range(2000):
        yield "".join(rng.choice(letters) for _ in range(rng.randint(1, 60)))


def test_the_tokenizer_file_numbers_texts_as_open_clip_does(clip: Made, cache: str) -> None:
    from open_clip.tokenizer import SimpleTokenizer

    record = record_for(parse_spec(clip[0]), cache)
    assert record is not None
    assert record.text is not None
    card = TextCard(77, begin_id=49406, end_id=49407, cleaning=Cleaning.LOWER)
    ours = TextTokenizer(str(Path(record.text).with_name("tokenizer.json")), card)
    texts = list(texts_to_try())
    ids, mask = ours.encode(texts)
    wanted = SimpleTokenizer()(texts).numpy()
    different = [text for text, row, other in zip(texts, ids, wanted, strict=True) if (row != other).any()]
    assert different == []
    assert np.array_equal(mask, np.arange(77) <= wanted.argmax(axis=1)[:, None])


def test_a_special_piece_that_somebody_types_is_plain_text(clip: Made, cache: str) -> None:
    record = record_for(parse_spec(clip[0]), cache)
    assert record is not None
    assert record.text is not None
    card = TextCard(77, begin_id=49406, end_id=49407, cleaning=Cleaning.LOWER)
    ours = TextTokenizer(str(Path(record.text).with_name("tokenizer.json")), card)
    ids, _ = ours.encode(["<end_of_text> a cat"])
    assert np.count_nonzero(ids == 49407) == 1


def test_both_towers_of_a_clip_model_compute_what_open_clip_computes(clip: Made, cache: str) -> None:
    import open_clip
    import torch

    spec, model = clip
    texts, pictures = load_text_encoder(spec, cache_dir=cache), sample_pixels(6, SIDE_PX)
    assert texts is not None
    with torch.no_grad():
        wanted = model.encode_text(open_clip.tokenize(TEXTS), normalize=True).numpy()
    assert cosines(texts.encode_texts(TEXTS), wanted).min() >= 0.99999
    mean, std = list(open_clip.OPENAI_DATASET_MEAN), list(open_clip.OPENAI_DATASET_STD)
    encoder = load_encoder(spec, cache_dir=cache, mode=EncoderMode.THROUGHPUT)
    found = encoder.encode(pictures)
    assert cosines(found, reference_pictures(model, pictures, mean, std)).min() >= 0.999
    encoder.close()


def test_both_towers_of_a_siglip_model_compute_what_open_clip_computes(siglip: Made, cache: str) -> None:
    import torch

    spec, model = siglip
    record = record_for(parse_spec(spec), cache)
    texts = load_text_encoder(spec, cache_dir=cache)
    assert record is not None
    assert texts is not None
    assert record.preprocessing.fit is Fit.SQUASH
    # "a photo of a red dress", without punctuation, its end, and ends up to 16
    ids = [[6, 7, 2, 6, 3, 5] + [1] * 10, [1] * 16]
    with torch.no_grad():
        wanted = model.encode_text(torch.tensor(ids), normalize=True).numpy()
    assert cosines(texts.encode_texts(["A photo of: a red_dress!", ""]), wanted).min() >= 0.99999
    encoder, pictures = (
        load_encoder(spec, cache_dir=cache, mode=EncoderMode.LATENCY),
        sample_pixels(4, SIGLIP_SIDE_PX),
    )
    found = encoder.encode(pictures)
    assert cosines(found, reference_pictures(model, pictures, [0.5] * 3, [0.5] * 3)).min() >= 0.999
    encoder.close()


def test_a_search_by_words_ranks_pictures_as_open_clip_does(
    clip: Made, cache: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import open_clip
    import torch
    from PIL import Image

    import seealike

    monkeypatch.setenv("SEEALIKE_CACHE", cache)
    spec, model = clip
    paths = write_pictures(tmp_path / "photos", range(24), extension="png")
    prepare = open_clip.image_transform(SIDE_PX, is_train=False, resize_mode="shortest")
    batch = torch.stack([prepare(Image.open(path)) for path in paths])
    with torch.no_grad():
        pictures = model.encode_image(batch, normalize=True).numpy()
        words = model.encode_text(open_clip.tokenize(TEXTS[:2]), normalize=True).numpy()
    with seealike.create(tmp_path / "catalog", encoder=spec) as catalog:
        catalog.index(tmp_path / "photos")
        for found, scores in zip(catalog.search_text(TEXTS[:2], k=24), words @ pictures.T, strict=True):
            by_id = {path.name: float(score) for path, score in zip(paths, scores, strict=True)}
            assert len(found) == 24
            for hit, best in zip(found, sorted(by_id.values(), reverse=True), strict=True):
                # the reference's order, but for scores that differ by less than bfloat16 and resizing do
                assert by_id[hit.id] == pytest.approx(best, abs=2e-3)
                assert hit.score == pytest.approx(by_id[hit.id], abs=4e-3)


def test_an_exported_pair_runs_without_torch_and_without_open_clip(clip: Made, cache: str) -> None:
    code = f"""
import sys
sys.modules["torch"] = sys.modules["open_clip"] = sys.modules["timm"] = None
from seealike.encoders import EncoderMode, load_encoder, load_text_encoder
load_encoder({clip[0]!r}, cache_dir={cache!r}, mode=EncoderMode.LATENCY).close()
assert load_text_encoder({clip[0]!r}, cache_dir={cache!r}).encode_texts(["a cat"]).shape == (1, 24)
"""
    record_for(parse_spec(clip[0]), cache)
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


def test_the_identity_names_the_weights_and_not_the_exported_file(clip: Made, cache: str) -> None:
    record = record_for(parse_spec(clip[0]), cache)
    assert record is not None
    weights = Path(clip[0].partition("weights=")[2])
    assert record.identity.weights_sha256 == sha256(weights.read_bytes()).hexdigest()
    assert record.identity.name == "open_clip:tiny"


def test_another_activation_is_another_space_though_the_weights_are_the_same(
    tmp_path: Path, cache: str
) -> None:
    identities = []
    for quick in (False, True, False):
        folder = tmp_path / str(quick)
        made(folder, {**CLIP_CONFIG, "quick_gelu": quick}, {})
        record = record_for(parse_spec(f"open_clip:tiny?weights={folder}/weights.pt"), cache)
        assert record is not None
        identities.append(record.identity)
    assert identities[0].weights_sha256 == identities[1].weights_sha256
    assert re.fullmatch("image_embeds [0-9a-f]{8}", identities[0].layer)
    assert identities[0] == identities[2] != identities[1]


@pytest.mark.parametrize(
    ("file", "damage"),
    [
        ("model.onnx", "flipped"),
        ("text.onnx", "flipped"),
        ("text.onnx", "gone"),
        ("tokenizer.json", "flipped"),
        ("note", "gone"),
    ],
)
def test_a_damaged_pair_is_exported_anew(file: str, damage: str, tmp_path: Path) -> None:
    made(tmp_path, CLIP_CONFIG, {})
    spec, cache = parse_spec(f"open_clip:tiny?weights={tmp_path}/weights.pt"), str(tmp_path / "cache")
    first = record_for(spec, cache)
    assert first is not None
    assert first.text is not None
    (note,) = (tmp_path / "cache" / "exports").glob("*.json")
    path = (
        note if file == "note" else Path(first.file if file == "model.onnx" else first.text).with_name(file)
    )
    before = path.read_bytes()
    if damage == "flipped":
        path.write_bytes(before[:90] + bytes([before[90] ^ 128]) + before[91:])
    else:
        path.unlink()
    second = record_for(spec, cache)
    assert second is not None
    assert second.identity == first.identity
    assert sha256(Path(second.file).read_bytes()).hexdigest() == second.weights_sha256
    encoder = load_text_encoder(str(spec), cache_dir=cache)
    assert encoder is not None
    encoder.close()
    assert path.stat().st_size == len(before)
    assert not list(Path(cache).rglob(".writing-*"))


def test_once_exported_a_pair_needs_its_weights_no_more_and_hashes_nothing_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made(tmp_path, CLIP_CONFIG, {})
    text, cache = f"open_clip:tiny?weights={tmp_path}/weights.pt", str(tmp_path / "cache")
    first = record_for(parse_spec(text), cache)
    assert first is not None
    for path in (tmp_path / "weights.pt", *tmp_path.glob("*.json"), *(Path(cache) / "exports").rglob("*")):
        os.utime(path, ns=(0, 10**18))
    assert record_for(parse_spec(text), cache) == first
    with monkeypatch.context() as patched:
        patched.setattr("seealike.encoders.cache.file_sha256", None)
        assert record_for(parse_spec(text), cache) == first
    (tmp_path / "weights.pt").unlink()
    (tmp_path / "open_clip_config.json").unlink()
    assert record_for(parse_spec(text), cache) == first
    padded = record_for(parse_spec(text + "&fit=pad"), cache)
    assert padded is not None
    assert (padded.file, padded.preprocessing.fit) == (first.file, Fit.PAD)
    for other in (text + "&norm=half", text.replace("tiny", "small")):
        with pytest.raises(EncoderError, match=r"the weights .*weights\.pt cannot be read: No such file"):
            record_for(parse_spec(other), cache)


def test_a_tower_that_bfloat16_changes_runs_without_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for cosine in (0.989, 0.991):
        monkeypatch.setattr(
            "seealike.encoders.clip.export.least_cosine",
            lambda *asked, given=cosine: 1.0 if "f32" in asked[3:] else given,
        )
        made(tmp_path / str(cosine), CLIP_CONFIG, {})
        spec = parse_spec(f"open_clip:tiny?weights={tmp_path}/{cosine}/weights.pt")
        record = record_for(spec, str(tmp_path / str(cosine) / "cache"))
        assert record is not None
        assert record.precise == (cosine < 0.99)


def test_other_weights_of_the_same_name_are_another_space(tmp_path: Path, cache: str) -> None:
    import torch

    made(tmp_path, CLIP_CONFIG, {})
    spec = parse_spec(f"open_clip:tiny?weights={tmp_path}/weights.pt")
    first = record_for(spec, cache)
    state = torch.load(tmp_path / "weights.pt", weights_only=True)["state_dict"]
    torch.save({name: value * 1.01 for name, value in state.items()}, tmp_path / "weights.pt")
    second = record_for(spec, cache)
    assert first is not None
    assert second is not None
    assert first.file != second.file
    assert first.identity != second.identity


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("open_clip:ViT-B-32", r"open_clip:ViT-B-32\?weights=FILE, or with a network open_clip:ViT-B-32/TAG"),
        ("open_clip:ViT-B-32?layer=x", "takes no layer=, for both towers belong together"),
        ("open_clip:ViT-B-32/openai?weights=x.pt", "names weights and weights= too"),
    ],
)
def test_a_name_that_makes_no_sense_is_refused(name: str, said: str, cache: str) -> None:
    with pytest.raises(UsageError, match=said):
        record_for(parse_spec(name), cache)


def test_unknown_models_and_weights_are_listed(tmp_path: Path, cache: str) -> None:
    (tmp_path / "weights.pt").write_bytes(b"x")
    with pytest.raises(UnknownNameError, match=r"unknown open_clip model 'ViT-B-33'; known: .*ViT-B-32"):
        record_for(parse_spec(f"open_clip:ViT-B-33?weights={tmp_path}/weights.pt"), cache)
    with pytest.raises(UnknownNameError, match=r"unknown weights of ViT-B-32 'best'; known: .*laion2b"):
        record_for(parse_spec("open_clip:ViT-B-32/best"), cache)


def test_weights_that_cannot_be_downloaded_are_one_line_that_says_both_ways(cache: str) -> None:
    with pytest.raises(EncoderError, match=r"try again with a network, or fetch .*weights=FILE") as raised:
        record_for(parse_spec("open_clip:ViT-B-32/laion2b_s34b_b79k"), cache)
    assert "\n" not in str(raised.value)


def test_models_of_another_kind_are_refused_with_a_reason(tmp_path: Path, cache: str) -> None:
    for change, said in (
        ({"text_cfg": {"hf_model_name": "roberta-base"}}, "package transformers"),
        ({"multimodal_cfg": {}}, "CoCa"),
        ({"vision_cfg": {**VISION, "width": "wide"}}, "cannot make"),
        ({"vision_cfg": {**VISION, "timm_model_name": "hf-hub:some/body"}}, "elsewhere, which is refused"),
        ({"vision_cfg": {**VISION, "layers": 3}}, "it lacks visual.transformer.resblocks.2"),
    ):
        folder = tmp_path / said.split()[0]
        made(folder, CLIP_CONFIG, {})
        config = {"model_cfg": {**CLIP_CONFIG, **change}}
        (folder / "open_clip_config.json").write_text(json.dumps(config))
        with pytest.raises(EncoderError, match=said) as raised:
            record_for(parse_spec(f"open_clip:x?weights={folder}/weights.pt"), cache)
        assert "\n" not in str(raised.value)


def test_a_siglip_model_without_its_tokenizer_says_what_to_put_where(tmp_path: Path, cache: str) -> None:
    made(tmp_path, SIGLIP_CONFIG, SIGLIP_PREPARED)
    spec = parse_spec(f"open_clip:x?weights={tmp_path}/weights.pt")
    with pytest.raises(
        EncoderError, match=r"put tokenizer.json and tokenizer_config.json of somebody/siglip"
    ):
        record_for(spec, cache)
    write_siglip_tokenizer(tmp_path)
    (tmp_path / "tokenizer_config.json").unlink()
    with pytest.raises(EncoderError, match="says what fills up short texts"):
        record_for(spec, cache)
    assert not list(Path(cache).rglob("*.tmp"))


def known_to_open_clip(
    monkeypatch: pytest.MonkeyPatch, config: dict[str, Any], stated: dict[str, Any], weights: Path
) -> None:
    """Let open_clip know a model ``tiny`` with weights ``best``, which it "downloads"."""
    import open_clip

    for name, answer in (
        ("list_models", lambda: ["tiny"]),
        ("get_model_config", lambda _: json.loads(json.dumps(config))),
        ("list_pretrained_tags_by_model", lambda _: ["best"]),
        ("get_pretrained_cfg", lambda *_: {"hf_hub": "somebody/tiny/", **stated}),
        ("download_pretrained", lambda _: str(weights)),
    ):
        monkeypatch.setattr(open_clip, name, answer)


def test_weights_that_open_clip_knows_are_fetched_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import open_clip

    made(tmp_path / "hub", CLIP_CONFIG, {})
    stated = {"mean": (0.5, 0.25, 0.5), "std": (0.5, 0.5, 0.25), "resize_mode": "squash"}
    known_to_open_clip(monkeypatch, CLIP_CONFIG, stated, tmp_path / "hub" / "weights.pt")
    spec, cache = parse_spec("open_clip:tiny/best"), str(tmp_path / "cache")
    first = record_for(spec, cache)
    assert first is not None
    assert first.preprocessing.mean == (127.5, 63.75, 127.5)
    assert first.preprocessing.std == (127.5, 127.5, 63.75)
    assert first.preprocessing.fit is Fit.SQUASH
    assert first.name == "open_clip:tiny/best"
    monkeypatch.setattr(open_clip, "download_pretrained", None)
    assert record_for(spec, cache) == first


def test_a_tokenizer_is_fetched_with_weights_that_open_clip_knows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub

    made(tmp_path, SIGLIP_CONFIG, {})
    known_to_open_clip(monkeypatch, SIGLIP_CONFIG, {}, tmp_path / "weights.pt")
    cache = str(tmp_path / "cache")

    def offline(*_: str) -> str:
        raise ConnectionError("no network")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", offline)
    with pytest.raises(EncoderError, match=r"tokenizer.json of somebody/siglip cannot be downloaded"):
        record_for(parse_spec("open_clip:tiny/best"), cache)
    (tmp_path / "hub").mkdir()
    write_siglip_tokenizer(tmp_path / "hub")
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", lambda _, file: str(tmp_path / "hub" / file))
    found = load_text_encoder("open_clip:tiny/best", cache_dir=cache)
    assert found is not None
    assert found.encode_texts(["red"]).shape == (1, 192)


def test_weights_of_a_variant_are_refused_with_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known_to_open_clip(monkeypatch, CLIP_CONFIG, {"quick_gelu": True}, tmp_path / "none")
    with pytest.raises(UsageError, match="try open_clip:tiny-quickgelu/best"):
        record_for(parse_spec("open_clip:tiny/best"), str(tmp_path / "cache"))
