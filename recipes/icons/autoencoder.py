"""Trains the KL autoencoder: 64x64x3 pixels to 16x16x4 latents of zero mean and unit variance.

python -m recipes.icons.autoencoder [--steps N]
"""

from __future__ import annotations

import argparse

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import Tensor
from torch.nn import functional

from recipes.icons.training import DEVICE, RUNS, Icons, Run, autocast, read_icons

BATCH = 16
KL_WEIGHT = 2e-4
NAME = "autoencoder"


def build() -> AutoencoderKL:
    """2.6 M parameters; no attention, so that its cost grows with the pixels alone."""
    return AutoencoderKL(
        block_out_channels=(32, 64, 128),
        layers_per_block=1,
        norm_num_groups=8,
        latent_channels=4,
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        mid_block_add_attention=False,
        sample_size=64,
        scaling_factor=1.0,
    ).to(DEVICE)


def edges(x: Tensor) -> tuple[Tensor, Tensor]:
    """Differences to the right and downwards."""
    return x[..., :, 1:] - x[..., :, :-1], x[..., 1:, :] - x[..., :-1, :]


def reconstruction_loss(y: Tensor, x: Tensor) -> Tensor:
    """L1, L1 of the edges and a squared term for PSNR."""
    sharp = sum((a - b).abs().mean() for a, b in zip(edges(y), edges(x), strict=True))
    return (y - x).abs().mean() + 0.5 * sharp + 4.0 * functional.mse_loss(y, x)


@torch.no_grad()
def psnr(model: AutoencoderKL, icons: Icons) -> float:
    """Mean PSNR in dB over icons, pixels in [0, 1]."""
    values = []
    for part in np.array_split(np.arange(len(icons.rows)), max(1, len(icons.rows) // 64)):
        x = icons.batch(part)
        with autocast():
            y = model.decode(model.encode(x).latent_dist.mode()).sample
        error = ((y.float().clamp(-1, 1) - x) / 2).square().mean(dim=(1, 2, 3))
        values.append(-10 * error.clamp_min(1e-10).log10())
    return float(torch.cat(values).mean())


@torch.no_grad()
def whiten(model: AutoencoderKL, icons: Icons) -> AutoencoderKL:
    """Folds each latent channel's mean and deviation into quant_conv, so that latents are standard.

    StableDiffusionPipeline knows one scale and no mean; here it needs neither.
    """
    rng = np.random.default_rng(0)
    picked = rng.choice(len(icons.rows), size=min(2048, len(icons.rows)), replace=False)
    parts = [model.encode(icons.batch(p)).latent_dist.mode() for p in np.array_split(picked, 32)]
    latents = torch.cat(parts)
    mean, deviation = latents.mean(dim=(0, 2, 3)), latents.std(dim=(0, 2, 3))
    into, out = model.quant_conv, model.post_quant_conv
    out.bias += out.weight[:, :, 0, 0] @ mean
    out.weight *= deviation[None, :, None, None]
    into.weight[:4] /= deviation[:, None, None, None]
    into.bias[:4] = (into.bias[:4] - mean) / deviation
    into.bias[4:] -= 2 * deviation.log()  # the second half is a log-variance
    return model


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=1400)
    steps = parser.parse_args().steps
    if (RUNS / NAME / "vae").exists():  # latents, and what is trained on them, are of this very one
        print(f"{RUNS / NAME / 'vae'} is there already")
        return
    torch.manual_seed(0)
    icons = read_icons()
    train, held_out = icons.of("train"), icons.of("held_out")
    model = build()

    def loss(step: int) -> Tensor:
        x = train.batch(train.draw(step, BATCH))
        if step % 2:
            x = x.flip(-1)
        with autocast():
            posterior = model.encode(x).latent_dist
            y = model.decode(posterior.sample()).sample
        kl = posterior.kl().mean() / posterior.mean[0].numel()
        return reconstruction_loss(y.float(), x) + KL_WEIGHT * kl.float()

    def report(averaged: AutoencoderKL, step: int) -> None:
        print(f"  held-out PSNR {psnr(averaged, held_out):.2f} dB after {step} steps", flush=True)

    run = Run(
        name=NAME, model=model, steps=steps, muon_lr=0.02, adam_lr=2e-3, evaluate=report, save_every=500
    )
    final = whiten(run.train(loss), train)
    print(f"held-out PSNR {psnr(final, held_out):.2f} dB")
    final.save_pretrained(RUNS / NAME / "vae")


if __name__ == "__main__":
    main()
