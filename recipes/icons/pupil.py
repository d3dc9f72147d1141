"""Teaches the judge's eye to see what its teacher sees, and gives it the teacher's reader of captions.

    python -m recipes.icons.pupil [--steps N]

Embeddings are matched on pictures of which the teacher alone says what they show: icons turned, mirrored and
with a part of another icon in them. So there are many more of them than icons (Hinton et al., "Distilling the
Knowledge in a Neural Network", 2015; from convolutions to patches: Touvron et al., "DeiT", 2021).
"""

from __future__ import annotations

import argparse

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import CLIPModel

from recipes.icons import judge, teacher, words
from recipes.icons.captions import caption_of
from recipes.icons.training import DEVICE, RUNS, Icons, Run, autocast, averaged, read_icons

NAME = "judge-pupil"
AMONG = 1000  # captions between which teacher and pupil must decide alike
SHARPNESS = 20.0  # of that decision


def mixed(x: Tensor, generator: torch.Generator) -> Tensor:
    """Puts a box of another picture into half of the pictures (n, 3, 64, 64)."""
    count, side = len(x), x.shape[-1]
    other = torch.randperm(count, generator=generator)
    out = x.clone()
    for k in torch.nonzero(torch.rand(count, generator=generator) < 0.5).flatten().tolist():
        height, width = torch.randint(side // 4, side - 8, (2,), generator=generator).tolist()
        top = int(torch.randint(side - height + 1, (1,), generator=generator))
        left = int(torch.randint(side - width + 1, (1,), generator=generator))
        box = (slice(None), slice(top, top + height), slice(left, left + width))
        out[k][box] = x[other[k]][box]
    return out


def pupil_of(clip: CLIPModel, master: teacher.Teacher) -> CLIPModel:
    """`clip` reading as its teacher does; only its eye learns."""
    clip.text_model.load_state_dict(master.text_model.state_dict())
    clip.text_projection.load_state_dict(master.text_projection.state_dict())
    for part in (clip.text_model, clip.text_projection):
        part.requires_grad_(False)
    clip.logit_scale.requires_grad_(False)
    return clip.to(DEVICE)


def captions(icons: Icons, master: teacher.Teacher) -> Tensor:
    """(n, 128) embeddings of norm 1 of every caption there is."""
    names = sorted({caption_of(r["concept"], r["tone"]) for r in icons.rows})
    with torch.no_grad():
        read = master.read(words.ids(words.read_tokenizer(), names).to(DEVICE))
    return functional.normalize(read, dim=-1)


def difference(clip: nn.Module, master: teacher.Teacher, x: Tensor, known: Tensor) -> Tensor:
    """How differently both see pictures: their embeddings, and what they would call them."""
    with autocast():
        with torch.no_grad():
            theirs = functional.normalize(master.eye(x).float(), dim=-1)
        seen = clip.visual_projection(clip.vision_model(pixel_values=x).pooler_output)
        ours = functional.normalize(seen.float(), dim=-1)
    called = (SHARPNESS * ours @ known.T).log_softmax(-1)
    right = (SHARPNESS * theirs @ known.T).softmax(-1)
    apart = (1 - (ours * theirs).sum(-1)).mean()
    return 5 * apart + functional.kl_div(called, right, reduction="batchmean")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=1500)
    steps = parser.parse_args().steps
    torch.manual_seed(0)
    vocabulary = torch.load(words.PATH / "embeddings.pt", weights_only=True)
    every = read_icons()
    icons, pairs = every.of("train"), every.of("pair")
    master, _ = averaged(teacher.NAME, teacher.build(vocabulary))
    master = master.to(DEVICE).requires_grad_(False)
    print(f"the teacher's top-1 of {judge.CAPTIONS} on pairs: {judge.accuracy(master, pairs):.3f}")
    first, _ = averaged(judge.NAME, judge.build(vocabulary))
    clip = pupil_of(first, master).train()
    known = captions(icons, master)
    both_ways = torch.ones(judge.BATCH, dtype=torch.bool)

    def loss(step: int) -> Tensor:
        generator = torch.Generator().manual_seed(20_000 + step)
        x = icons.batch(icons.draw(step, judge.BATCH, seed=37))
        x = mixed(judge.augment(x, both_ways, generator), generator)
        some = torch.randperm(len(known), generator=generator)[:AMONG].to(DEVICE)
        return difference(clip, master, x, known[some])

    run = Run(
        name=NAME,
        model=clip,
        steps=steps,
        muon_lr=0.012,
        adam_lr=6e-4,
        ema_decay=0.99,
        decay_from=0.3,
        evaluate=judge.progress(pairs),
        save_every=100,
    )
    judge.save(run.train(loss), RUNS / NAME / "clip")


if __name__ == "__main__":
    main()
