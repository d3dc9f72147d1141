"""Puts model, judge, suite and cards where the package ships them; `evaluate` adds the numbers.

python -m recipes.icons.pack
"""

from __future__ import annotations

import shutil

import torch

from burnish.core.evidence import Prompt, Suite
from recipes.icons import diffusion, judge, words
from recipes.icons.card import CARD, MODELS, data_card, model_card
from recipes.icons.evaluate import draw_prompts
from recipes.icons.training import Icons, averaged, read_icons

SELECTION, CONFIRMATION = 20, 64


def suite(icons: Icons) -> Suite:
    """Prompts of trained concepts, half of them with a style word."""
    asked = draw_prompts(icons.of("train"), SELECTION + CONFIRMATION, seed=21)
    prompts = tuple(Prompt(prompt=pair[k % 2]) for k, pair in enumerate(asked))
    return Suite(name="icons", selection=prompts[:SELECTION], confirmation=prompts[SELECTION:],
                 seeds=(0, 1))


def main() -> None:
    icons = read_icons()
    vocabulary = torch.load(words.PATH / "embeddings.pt", weights_only=True)
    model, steps = averaged(diffusion.NAME, diffusion.TextToLatent(vocabulary))
    target = MODELS / "icons"
    shutil.rmtree(target, ignore_errors=True)
    diffusion.pack(model, target)
    shutil.rmtree(MODELS / "icons-judge", ignore_errors=True)
    clip, judge_steps = averaged(judge.NAME, judge.build(vocabulary))
    judge.save(clip, MODELS / "icons-judge")
    suite(icons).save(MODELS / "icons-suite.json")
    CARD.write_text(model_card({"training_steps": steps, "samples": steps * diffusion.BATCH,
                                "judge_steps": judge_steps}))
    (target / "DATA.md").write_text(data_card(icons))
    size = sum(p.stat().st_size for p in MODELS.rglob("*") if p.is_file()) / 2**20
    print(f"{size:.1f} MiB in {MODELS}")


if __name__ == "__main__":
    main()
