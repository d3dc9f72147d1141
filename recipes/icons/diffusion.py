"""Trains text encoder and UNet together on cached latents (v-prediction, min-SNR weights, Muon, EMA).

python -m recipes.icons.diffusion [--steps N]
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel

from recipes.icons import autoencoder, words
from recipes.icons.captions import caption_of
from recipes.icons.training import DEVICE, RUNS, Icons, Run, autocast, read_icons

NAME = "diffusion"
BATCH = 96
MIN_SNR = 5.0
NO_CAPTION, NO_STYLE = 0.1, 0.2  # how often a caption, or its style word, is left out


class TextToLatent(nn.Module):
    """What is trained together, so that one EMA and one checkpoint hold both."""

    def __init__(self, vocabulary: Tensor) -> None:
        super().__init__()
        size, width = vocabulary.shape
        self.text_encoder = CLIPTextModel(
            CLIPTextConfig(
                vocab_size=size,
                hidden_size=width,
                intermediate_size=4 * width,
                num_hidden_layers=3,
                num_attention_heads=4,
                max_position_embeddings=words.LENGTH,
                hidden_act="gelu",
                bos_token_id=size - 2,
                eos_token_id=size - 1,
                pad_token_id=size - 1,
            )
        )
        table = self.text_encoder.get_input_embeddings().weight
        table.data.copy_(0.02 * vocabulary)
        # The pooled caption joins the time embedding: a small model follows it sooner than
        # cross-attention alone would teach.
        self.unet = UNet2DConditionModel(
            sample_size=16,
            in_channels=4,
            out_channels=4,
            block_out_channels=(64, 128, 256),
            layers_per_block=1,
            cross_attention_dim=width,
            attention_head_dim=32,
            norm_num_groups=32,
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
            addition_embed_type="text",
            addition_embed_type_num_heads=8,
            resnet_time_scale_shift="scale_shift",
        )
        # Over sequences as short as these, fused attention's backward pass takes a third of a step
        # on CPUs; as plain products it takes a tenth of that.
        self.text_encoder.set_attn_implementation("eager")
        self.unet.set_attn_processor(AttnProcessor())

    def forward(self, noisy: Tensor, timesteps: Tensor, tokens: Tensor) -> Tensor:
        """The predicted velocity (b, 4, 16, 16)."""
        return self.unet(noisy, timesteps, self.text_encoder(tokens).last_hidden_state).sample


def scheduler() -> DDIMScheduler:
    """Stable Diffusion's noise schedule with v-prediction."""
    return DDIMScheduler(
        beta_schedule="scaled_linear",
        beta_start=0.00085,
        beta_end=0.012,
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
        prediction_type="v_prediction",
    )


@torch.no_grad()
def latents(icons: Icons) -> Tensor:
    """(n, 4, 16, 16) latents of the training icons, computed once."""
    path = RUNS / "data" / "latents.pt"
    weights = RUNS / autoencoder.NAME / "vae" / "diffusion_pytorch_model.safetensors"
    if not path.exists() or path.stat().st_mtime < weights.stat().st_mtime:
        vae = AutoencoderKL.from_pretrained(weights.parent).to(DEVICE).eval()
        parts = np.array_split(np.arange(len(icons.rows)), len(icons.rows) // 64)
        with autocast():
            encoded = [vae.encode(icons.batch(p)).latent_dist.mode().half().cpu() for p in parts]
        torch.save(torch.cat(encoded), path)
    return torch.load(path, weights_only=True).float().to(DEVICE)


class Captions:
    """Token ids of every icon's caption: with its style word, without, and the empty caption."""

    def __init__(self, icons: Icons) -> None:
        tokenizer = words.read_tokenizer()
        styled = [caption_of(r["concept"], r["tone"], r["style"]) for r in icons.rows]
        plain = [caption_of(r["concept"], r["tone"]) for r in icons.rows]
        self.table = torch.stack(
            [
                words.ids(tokenizer, styled),
                words.ids(tokenizer, plain),
                words.ids(tokenizer, [""]).expand(len(plain), -1),
            ]
        ).to(DEVICE)

    def draw(self, index: Tensor, generator: torch.Generator) -> Tensor:
        """(b, LENGTH) ids with captions and styles left out at random."""
        u = torch.rand(len(index), generator=generator).to(DEVICE)
        kind = (u < NO_CAPTION).long() * 2 + ((u >= NO_CAPTION) & (u < NO_CAPTION + NO_STYLE)).long()
        return self.table[kind, index]


def velocity_loss(
    model: nn.Module, x0: Tensor, tokens: Tensor, alphas: Tensor, generator: torch.Generator
) -> Tensor:
    """Squared error of v at stratified times, weighted min(SNR, 5) / (SNR + 1) (Hang et al., 2023)."""
    count = len(x0)
    strata = (torch.randperm(count, generator=generator) + torch.rand(count, generator=generator)) / count
    timesteps = (strata * len(alphas)).long().to(DEVICE)
    noise = torch.randn(x0.shape, generator=generator).to(DEVICE)
    a = alphas[timesteps][:, None, None, None]
    signal, sigma = a.sqrt(), (1 - a).sqrt()
    with autocast():
        predicted = model(signal * x0 + sigma * noise, timesteps, tokens)
    error = (predicted.float() - (signal * noise - sigma * x0)).square().mean(dim=(1, 2, 3))
    snr = alphas[timesteps] / (1 - alphas[timesteps])
    return (error * snr.clamp_max(MIN_SNR) / (snr + 1)).mean()


def pack(model: TextToLatent, path: Path) -> None:
    """Writes a StableDiffusionPipeline directory in half precision."""
    vae = AutoencoderKL.from_pretrained(RUNS / autoencoder.NAME / "vae")
    pipeline = StableDiffusionPipeline(
        vae=vae,
        text_encoder=model.text_encoder,
        tokenizer=words.read_tokenizer(),
        unet=model.unet,
        scheduler=scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.to(torch.float16).save_pretrained(path)
    for file in path.rglob("config.json"):  # diffusers notes whence a part was read: a path of this machine
        config = json.loads(file.read_text())
        if config.pop("_name_or_path", None):
            file.write_text(json.dumps(config, indent=2) + "\n")
    model.float()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=20_000)
    parser.add_argument("--decay-from", type=float, default=0.7)
    args = parser.parse_args()
    torch.manual_seed(0)
    icons = read_icons().of("train")
    data, captions = latents(icons), Captions(icons)
    alphas = scheduler().alphas_cumprod.to(DEVICE)
    model = TextToLatent(torch.load(words.PATH / "embeddings.pt", weights_only=True)).to(DEVICE)
    print(f"{sum(p.numel() for p in model.parameters()) / 1e6:.1f} M parameters, {len(data)} icons")

    def loss(step: int) -> Tensor:
        generator = torch.Generator().manual_seed(step)
        index = torch.from_numpy(icons.draw(step, BATCH)).to(DEVICE)
        return velocity_loss(model, data[index], captions.draw(index, generator), alphas, generator)

    run = Run(
        name=NAME,
        model=model,
        steps=args.steps,
        muon_lr=0.02,
        adam_lr=1e-3,
        ema_decay=0.998,
        save_every=100,
        decay_from=args.decay_from,
    )
    pack(run.train(loss), RUNS / NAME / "pipeline")


if __name__ == "__main__":
    main()
