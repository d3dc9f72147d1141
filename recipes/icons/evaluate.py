"""Judges the packed icons model: which of 200 captions does the judge see in the generated picture?

    python -m recipes.icons.evaluate [--model DIR] [--judge DIR]

Prints JSON; writes a contact sheet. Prompts are drawn once, by a seed that training never uses.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from diffusers import DPMSolverMultistepScheduler, StableDiffusionPipeline

from burnish.measure.interval import rate_interval
from burnish.measure.judge import Judge, open_judge
from burnish.report.sheet import contact_sheet
from recipes.icons.autoencoder import psnr
from recipes.icons.captions import caption_of
from recipes.icons.card import CARD, MODELS, card_numbers, model_card
from recipes.icons.training import DEVICE, RUNS, Icons, autocast, read_icons

ASKED = 200
DRAWS = 20  # of real icons: one draw of 200 swings by three points either way
STEPS, GUIDANCE = 20, 5.0
SHEET = RUNS / "sheet.png"


def draw_prompts(icons: Icons, count: int, seed: int) -> list[tuple[str, str]]:
    """(caption without style, caption with style) of `count` distinct captions, by sampling weight."""
    rng = np.random.default_rng(seed)
    weights = np.array([r["weight"] for r in icons.rows])
    order = rng.choice(len(icons.rows), size=len(icons.rows), replace=False, p=weights / weights.sum())
    found: dict[str, str] = {}
    for k in order:
        row = icons.rows[k]
        found.setdefault(
            caption_of(row["concept"], row["tone"]), caption_of(row["concept"], row["tone"], row["style"])
        )
    return list(found.items())[:count]


def generate(pipeline: StableDiffusionPipeline, prompts: list[str], seed: int) -> np.ndarray:
    """(n, 64, 64, 3) uint8."""
    images = []
    for first in range(0, len(prompts), 20):
        part = prompts[first : first + 20]
        generators = [torch.Generator().manual_seed(seed + first + k) for k in range(len(part))]
        with autocast():
            out = pipeline(
                part,
                num_inference_steps=STEPS,
                guidance_scale=GUIDANCE,
                generator=generators,
                output_type="np",
            ).images
        images.append((out * 255).round().astype(np.uint8))
    return np.concatenate(images)


def ranks(judge: Judge, images: np.ndarray, captions: list[str]) -> np.ndarray:
    """Rank of the right caption among all, 0 is first, for each picture."""
    similarity = judge.image_features(images) @ judge.text_features(captions).T
    return (similarity > np.diagonal(similarity)[:, None]).sum(axis=1)


def rates(found: np.ndarray, pictures: int = ASKED) -> dict[str, float | list[float]]:
    """Top-1 with its 90 % interval, and top-5, of ranks among 200; each of `pictures` counts once."""
    top1 = float((found == 0).mean())
    interval = rate_interval(round(top1 * pictures), pictures)
    return {
        "top1": top1,
        "top1_interval": [interval.low, interval.high],
        "top5": float((found < 5).mean()),
        "captions": ASKED,
    }


def judged(judge: Judge, icons: Icons) -> dict[str, float | list[float]]:
    """The judge's own `rates` on real icons, over many draws of 200."""
    first: dict[str, int] = {}
    for k, row in enumerate(icons.rows):
        first.setdefault(caption_of(row["concept"], row["tone"]), k)
    place = {caption: k for k, caption in enumerate(first)}
    images = judge.image_features(icons.images[list(first.values())])
    similarity = images @ judge.text_features(list(first)).T
    found = []
    for seed in range(DRAWS):
        drawn = [place[caption] for caption, _ in draw_prompts(icons, ASKED, seed=11 + seed)]
        part = similarity[np.ix_(drawn, drawn)]
        found.append((part > np.diagonal(part)[:, None]).sum(axis=1))
    return rates(np.concatenate(found), len(first)) | {"icons": len(first), "draws": DRAWS}


def evaluate(model: Path, judge: Judge) -> dict[str, object]:
    """Every bar of the recipe, measured."""
    icons = read_icons()
    pipeline = StableDiffusionPipeline.from_pretrained(model, torch_dtype=torch.float32).to(DEVICE)
    pipeline.scheduler = DPMSolverMultistepScheduler.from_config(pipeline.scheduler.config)
    pipeline.set_progress_bar_config(disable=True)
    held_out = icons.of("held_out")
    results: dict[str, object] = {
        "autoencoder_psnr_db": psnr(pipeline.vae, held_out),
        "judge_on_held_out_icons": judged(judge, held_out),
    }
    for name, split in (("trained_prompts", "train"), ("held_out_pairs", "pair")):
        asked = draw_prompts(icons.of(split), ASKED, seed=12)
        images = generate(pipeline, [styled for _, styled in asked], seed=13)
        results[name] = rates(ranks(judge, images, [plain for plain, _ in asked]))
        rows = [
            (asked[k][1], (images[k], images[k + 1], images[k + 2], images[k + 3])) for k in range(0, 48, 4)
        ]
        captioned = [
            (" | ".join(asked[k + j][1] for j in range(4)), r[1])
            for k, r in zip(range(0, 48, 4), rows, strict=True)
        ]
        contact_sheet(captioned, ("1", "2", "3", "4"), scale=2).save(SHEET.with_name(f"sheet-{split}.png"))
    return results


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", type=Path, default=MODELS / "icons")
    parser.add_argument("--judge", type=Path, default=MODELS / "icons-judge")
    args = parser.parse_args()
    results = evaluate(args.model, open_judge(args.judge))
    if args.model == MODELS / "icons":
        CARD.write_text(model_card(card_numbers() | results))
    print(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
