"""Trains the judge's teacher: the judge's reader of captions, with a convolutional eye.

    python -m recipes.icons.teacher [--steps N]

From some ten thousand icons convolutions learn to see better than attention over patches does, but a
CLIPModel has none. So this one is not shipped: `recipes.icons.pupil` teaches the judge what it sees.
"""

from __future__ import annotations

import argparse
from types import SimpleNamespace

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import CLIPModel

from recipes.icons import judge, words
from recipes.icons.training import DEVICE, RUNS, Run, averaged, read_icons

NAME = "judge-teacher"
STEM = 48
BLOCKS = ((64, 1), (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (384, 2), (384, 1))  # channels, stride


class Block(nn.Module):
    """Two 3x3 convolutions and a shortcut that averages where it shrinks (He et al., 2016 and 2019)."""

    def __init__(self, given: int, channels: int, stride: int) -> None:
        super().__init__()
        self.a = nn.Conv2d(given, channels, 3, stride, 1, bias=False)
        self.na = nn.BatchNorm2d(channels)
        self.b = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.nb = nn.BatchNorm2d(channels)
        shrink = [nn.AvgPool2d(stride)] if stride > 1 else []
        self.skip = (
            nn.Identity()
            if given == channels and stride == 1
            else nn.Sequential(*shrink, nn.Conv2d(given, channels, 1, bias=False), nn.BatchNorm2d(channels))
        )

    def forward(self, x: Tensor) -> Tensor:
        y = functional.relu(self.na(self.a(x)))
        return functional.relu(self.nb(self.b(y)) + self.skip(x))


class Eye(nn.Module):
    """(n, 3, 64, 64) pictures to (n, 128) embeddings; 7.6 M parameters."""

    def __init__(self, dimension: int = 128) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, STEM, 3, 2, 1, bias=False), nn.BatchNorm2d(STEM), nn.ReLU())
        given = (STEM, *(channels for channels, _ in BLOCKS))
        self.body = nn.Sequential(*(Block(i, *block) for i, block in zip(given, BLOCKS, strict=False)))
        self.drop = nn.Dropout(0.2)
        self.head = nn.Linear(BLOCKS[-1][0], dimension, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.drop(self.body(self.stem(x)).mean((2, 3))))


class Teacher(nn.Module):
    """Called as a CLIPModel is; its reader of captions is that of `clip`."""

    def __init__(self, clip: CLIPModel) -> None:
        super().__init__()
        self.text_model, self.text_projection = clip.text_model, clip.text_projection
        self.logit_scale = clip.logit_scale
        self.eye = Eye()

    def read(self, input_ids: Tensor) -> Tensor:
        """(n, 128) embeddings of captions (n, LENGTH)."""
        return self.text_projection(self.text_model(input_ids=input_ids).pooler_output)

    def forward(self, input_ids: Tensor, pixel_values: Tensor) -> SimpleNamespace:
        text, image = self.read(input_ids), self.eye(pixel_values)
        cosine = functional.normalize(image.float(), dim=-1) @ functional.normalize(text.float(), dim=-1).T
        return SimpleNamespace(text_embeds=text, image_embeds=image, logits_per_image=cosine)


def build(vocabulary: Tensor) -> Teacher:
    """A teacher that reads as a judge does that has learnt nothing."""
    return Teacher(judge.build(vocabulary)).to(DEVICE)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=1500)
    steps = parser.parse_args().steps
    torch.manual_seed(0)
    icons = read_icons()
    taught = judge.lessons(icons.of("train"), turned=True)
    first, _ = averaged(judge.NAME, judge.build(torch.load(words.PATH / "embeddings.pt", weights_only=True)))
    model = Teacher(first.train()).to(DEVICE)
    run = Run(
        name=NAME,
        model=model,
        steps=steps,
        muon_lr=0.015,
        adam_lr=6e-4,
        ema_decay=0.99,
        decay_from=0.3,
        evaluate=judge.progress(icons.of("pair")),
        save_every=100,
    )
    run.train(lambda step: taught.loss(model, step, seed=27))
    print(f"the teacher is in {RUNS / NAME}")


if __name__ == "__main__":
    main()
