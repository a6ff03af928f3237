"""Texts cut and filled up as transformers itself does it with the same files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

from seealike.encoders.clip.tokenizer import TextTokenizer
from seealike.encoders.preprocessing.tokenizers import text_card_of

if TYPE_CHECKING:
    from tokenizers import Tokenizer

pytestmark = pytest.mark.torch
tokenizers = pytest.importorskip("tokenizers")
CORPUS = ["a red dress", "two light blue dresses, on a chair", "RED shoes!", "grüne Schuhe", "赤い ドレス"]
TEXTS = [*CORPUS, "", " ", "red", "a " * 30, "nothing_like_it <end> here", "<pad>"]
LENGTH = 12


def _made(kind: str) -> Tokenizer:
    """A tokenizer of the kind that CLIP, SigLIP or BERT has, learnt from a few lines."""
    special = ["<pad>", "<unk>", "<begin>", "<end>"]
    if kind == "bpe":
        made = tokenizers.Tokenizer(tokenizers.models.BPE(unk_token="<unk>", end_of_word_suffix="</w>"))
        made.normalizer = tokenizers.normalizers.Lowercase()
        made.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
        trainer = tokenizers.trainers.BpeTrainer(
            vocab_size=90, special_tokens=special, end_of_word_suffix="</w>", show_progress=False
        )
    elif kind == "unigram":
        made = tokenizers.Tokenizer(tokenizers.models.Unigram())
        made.pre_tokenizer = tokenizers.pre_tokenizers.Metaspace()
        trainer = tokenizers.trainers.UnigramTrainer(
            vocab_size=60, special_tokens=special, unk_token="<unk>", show_progress=False
        )
    else:
        made = tokenizers.Tokenizer(tokenizers.models.WordPiece(unk_token="<unk>"))
        made.normalizer = tokenizers.normalizers.BertNormalizer()
        made.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
        trainer = tokenizers.trainers.WordPieceTrainer(
            vocab_size=90, special_tokens=special, show_progress=False
        )
    made.train_from_iterator(CORPUS * 3, trainer)
    around = [(token, made.token_to_id(token)) for token in ("<begin>", "<end>")]
    template = "$A <end>" if kind == "unigram" else "<begin> $A <end>"
    made.post_processor = tokenizers.processors.TemplateProcessing(single=template, special_tokens=around)
    return cast("Tokenizer", made)


@pytest.mark.parametrize("kind", ["bpe", "unigram", "wordpiece"])
@pytest.mark.parametrize("pad", ["<pad>", "<end>"])
def test_the_numbers_of_texts_are_those_of_transformers(kind: str, pad: str, tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    file = tmp_path / "tokenizer.json"
    _made(kind).save(str(file))
    theirs = transformers.PreTrainedTokenizerFast(
        tokenizer_file=str(file), pad_token=pad, model_max_length=LENGTH
    )
    theirs.save_pretrained(tmp_path / "saved")
    config = (tmp_path / "saved" / "tokenizer_config.json").read_bytes()
    assert json.loads(config)["model_max_length"] == LENGTH
    saved = tmp_path / "saved" / "tokenizer.json"
    card = text_card_of("made/model", config, saved.read_bytes())
    ids, mask = TextTokenizer(str(saved), card).encode(TEXTS)
    wanted = theirs(TEXTS, padding="max_length", truncation=True)
    assert ids.tolist() == wanted["input_ids"]
    assert mask.tolist() == wanted["attention_mask"]
