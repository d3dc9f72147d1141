"""Trains the judge: a small CLIP on the same permissive icons, with embeddings and encoder of its own.

    python -m recipes.icons.judge [--steps N]

It shares neither weights nor text encoder with the model that it judges. This is its first form, from which
`recipes.icons.teacher` and then `recipes.icons.pupil` go on.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import CLIPConfig, CLIPImageProcessorPil, CLIPModel

from recipes.icons import words
from recipes.icons.captions import caption_of
from recipes.icons.training import DEVICE, RUNS, Icons, Run, autocast, read_icons

NAME = "judge"
BATCH = 160
WIDTH = 192
CAPTIONS = 200  # the question: which of so many captions does this picture show?
# Captions with one of these words say which way round the icon is, or show writing.
DIRECTED = frozenset(
    [
        "left",
        "right",
        "arrow",
        "arrows",
        "button",
        "flag",
        "clock",
        "symbol",
        "sign",
        "letter",
        "letters",
        "digit",
        "keycap",
        "latin",
        "input",
        "oclock",
        "thirty",
        "circled",
        "squared",
        "mark",
        "cl",
        "cool",
        "free",
        "id",
        "new",
        "ok",
        "sos",
        "up",
        "vs",
        "abc",
        "moon",
    ]
)


def build(vocabulary: Tensor) -> CLIPModel:
    """4 layers of vision over patches, 3 of text; 4.0 M parameters."""
    size = len(vocabulary)
    model = CLIPModel(
        CLIPConfig(
            text_config={
                "vocab_size": size,
                "hidden_size": WIDTH,
                "intermediate_size": 4 * WIDTH,
                "num_hidden_layers": 3,
                "num_attention_heads": 3,
                "projection_dim": 128,
                "max_position_embeddings": words.LENGTH,
                "hidden_act": "gelu",
                "bos_token_id": size - 2,
                "eos_token_id": size - 1,
                "pad_token_id": size - 1,
            },
            vision_config={
                "hidden_size": WIDTH,
                "intermediate_size": 4 * WIDTH,
                "num_hidden_layers": 4,
                "num_attention_heads": 3,
                "image_size": 64,
                "patch_size": 8,
                "hidden_act": "gelu",
                "projection_dim": 128,
            },
            projection_dim=128,
        )
    )
    model.text_model.embeddings.token_embedding.weight.data.copy_(0.02 * vocabulary[:, :WIDTH])
    model.set_attn_implementation("eager")  # fused attention is slower over sequences this short
    return model.to(DEVICE)


def mirrors(captions: list[str]) -> Tensor:
    """Whether the mirror image of an icon still shows its caption: the styles draw a goose both ways."""
    return torch.tensor([not DIRECTED & set(c.split()) and max(map(len, c.split())) > 2 for c in captions])


def augment(x: Tensor, mirrored: Tensor, generator: torch.Generator) -> Tensor:
    """Small shifts, scales and turns, colour and blur: what a generated picture may do to an icon.

    Half of those that `mirrored` allows are mirrored too.
    """
    count = len(x)
    turn = 0.15 * torch.randn(count, generator=generator)
    scale = 1.05 + 0.15 * torch.randn(count, generator=generator)
    shift = 0.08 * torch.randn(count, 2, generator=generator)
    flip = 1 - 2 * ((torch.rand(count, generator=generator) < 0.5) & mirrored.cpu()).float()
    cos, sin = turn.cos() * scale, turn.sin() * scale
    affine = torch.stack(
        [torch.stack([cos * flip, -sin, shift[:, 0]], 1), torch.stack([sin * flip, cos, shift[:, 1]], 1)], 1
    ).to(x.device)
    grid = functional.affine_grid(affine, list(x.shape), align_corners=False)
    x = functional.grid_sample(x - 1, grid, align_corners=False) + 1  # white outside
    gain = 1 + 0.1 * torch.randn(count, 3, 1, 1, generator=generator).to(x.device)
    x = 1 - (1 - x) * gain
    blurred = functional.interpolate(functional.avg_pool2d(x, 2), scale_factor=2, mode="bilinear")
    mix = 0.6 * torch.rand(count, 1, 1, 1, generator=generator).to(x.device)
    noise = 0.05 * torch.randn(x.shape, generator=generator).to(x.device)
    return (x.lerp(blurred, mix) + noise).clamp(-1, 1)


def contrastive_loss(model: nn.Module, x: Tensor, tokens: Tensor, same: Tensor) -> Tensor:
    """Symmetric InfoNCE; icons of the same caption are no negatives of each other."""
    with autocast():
        out = model(input_ids=tokens, pixel_values=x)
    image = functional.normalize(out.image_embeds.float(), dim=-1)
    text = functional.normalize(out.text_embeds.float(), dim=-1)
    logits = (image @ text.T) * model.logit_scale.exp().clamp_max(100.0)
    logits = logits.masked_fill(same & ~torch.eye(len(x), dtype=torch.bool, device=x.device), -1e4)
    target = torch.arange(len(x), device=x.device)
    return (
        functional.cross_entropy(logits, target, label_smoothing=0.05)
        + functional.cross_entropy(logits.T, target, label_smoothing=0.05)
    ) / 2


@torch.no_grad()
def accuracy(model: nn.Module, icons: Icons, rounds: int = 10) -> float:
    """Top-1 among 200 distinct captions of `icons`, mean over draws, in [0, 1]."""
    tokenizer, hits = words.read_tokenizer(), []
    captions = np.array([caption_of(r["concept"], r["tone"]) for r in icons.rows])
    for seed in range(rounds):
        order = np.random.default_rng(seed).permutation(len(captions))
        _, first = np.unique(captions[order], return_index=True)
        index = order[np.random.default_rng(seed).permutation(first)[:CAPTIONS]]
        out = model(
            input_ids=words.ids(tokenizer, list(captions[index])).to(DEVICE), pixel_values=icons.batch(index)
        )
        hits.append((out.logits_per_image.argmax(1).cpu() == torch.arange(len(index))).float().mean())
    return float(torch.stack(hits).mean())


def save(model: CLIPModel, path: Path) -> None:
    """Writes a CLIPModel directory in half precision with tokenizer and preprocessing."""
    model.half().save_pretrained(path)
    model.float()
    words.read_tokenizer().save_pretrained(path)
    CLIPImageProcessorPil(
        size={"shortest_edge": 64},
        crop_size={"height": 64, "width": 64},
        image_mean=[0.5] * 3,
        image_std=[0.5] * 3,
    ).save_pretrained(path)


@dataclass(frozen=True)
class Lessons:
    """Batch after batch of the training icons: mirrored where `turned` asks and the caption allows it."""

    icons: Icons
    tokens: Tensor  # (2, n, LENGTH): captions without and with their style word
    names: Tensor  # (n,) equal where the caption is
    mirrored: Tensor  # (n,) bool

    def loss(self, model: nn.Module, step: int, seed: int) -> Tensor:
        """The contrastive loss of batch number `step`, which depends on its arguments alone."""
        generator = torch.Generator().manual_seed(step)
        index = torch.from_numpy(self.icons.draw(step, BATCH, seed=seed)).to(DEVICE)
        kind = (torch.rand(BATCH, generator=generator) < 0.25).long().to(DEVICE)
        same = self.names[index][:, None] == self.names[index][None, :]
        x = augment(self.icons.batch(index.cpu().numpy()), self.mirrored[index], generator)
        return contrastive_loss(model, x, self.tokens[kind, index], same)


def lessons(icons: Icons, *, turned: bool) -> Lessons:
    """What there is to learn; `turned` lets icons be mirrored."""
    tokenizer = words.read_tokenizer()
    plain = [caption_of(r["concept"], r["tone"]) for r in icons.rows]
    styled = [caption_of(r["concept"], r["tone"], r["style"]) for r in icons.rows]
    tokens = torch.stack([words.ids(tokenizer, plain), words.ids(tokenizer, styled)]).to(DEVICE)
    names = torch.from_numpy(np.unique(plain, return_inverse=True)[1]).to(DEVICE)
    return Lessons(icons, tokens, names, (mirrors(plain) & turned).to(DEVICE))


def progress(pairs: Icons) -> Callable[[nn.Module, int], None]:
    """Prints the accuracy on the pairs; the held-out icons are `evaluate`'s, asked once at the end."""

    def show(averaged: nn.Module, step: int) -> None:
        print(
            f"  top-1 of {CAPTIONS} on pairs: {accuracy(averaged, pairs):.3f} after {step} steps", flush=True
        )

    return show


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=2500)
    steps = parser.parse_args().steps
    torch.manual_seed(0)
    icons = read_icons()
    taught = lessons(icons.of("train"), turned=False)
    model = build(torch.load(words.PATH / "embeddings.pt", weights_only=True))
    print(f"{sum(p.numel() for p in model.parameters()) / 1e6:.1f} M parameters")
    run = Run(
        name=NAME,
        model=model,
        steps=steps,
        muon_lr=0.02,
        adam_lr=1e-3,
        ema_decay=0.995,
        evaluate=progress(icons.of("pair")),
        save_every=100,
    )
    save(run.train(lambda step: taught.loss(model, step, seed=7)), RUNS / NAME / "clip")


if __name__ == "__main__":
    main()
