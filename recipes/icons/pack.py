"""Puts model, judge, suite and cards where the package ships them; `evaluate` adds the numbers.

python -m recipes.icons.pack [diffusion] [judge]

Without a name it packs both; what it does not pack stays as it is shipped.
"""

from __future__ import annotations

import argparse
import shutil

import torch

from burnish.core.evidence import Prompt, Suite
from recipes.icons import diffusion, judge, pupil, words
from recipes.icons.card import CARD, MODELS, card_numbers, data_card, model_card
from recipes.icons.evaluate import draw_prompts
from recipes.icons.training import Icons, averaged, read_icons

SELECTION, CONFIRMATION = 48, 100


def suite(icons: Icons) -> Suite:
    """Prompts of trained concepts, half of them with a style word."""
    asked = draw_prompts(icons.of("train"), SELECTION + CONFIRMATION, seed=21)
    prompts = tuple(Prompt(prompt=pair[k % 2]) for k, pair in enumerate(asked))
    return Suite(name="icons", selection=prompts[:SELECTION], confirmation=prompts[SELECTION:], seeds=(0, 1))


def pack_diffusion(vocabulary: torch.Tensor) -> dict[str, int]:
    """The pipeline directory; what its card says of its training."""
    model, steps = averaged(diffusion.NAME, diffusion.TextToLatent(vocabulary))
    shutil.rmtree(MODELS / "icons", ignore_errors=True)
    diffusion.pack(model, MODELS / "icons")
    return {"training_steps": steps, "samples": steps * diffusion.BATCH}


def pack_judge(vocabulary: torch.Tensor) -> dict[str, int]:
    """The CLIPModel directory; what the card says of its training."""
    clip, steps = averaged(pupil.NAME, judge.build(vocabulary))
    shutil.rmtree(MODELS / "icons-judge", ignore_errors=True)
    judge.save(clip, MODELS / "icons-judge")
    return {"judge_steps": steps}  # of the last of its three runs


PARTS = {diffusion.NAME: pack_diffusion, judge.NAME: pack_judge}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("parts", nargs="*", help=f"Of {', '.join(PARTS)}; both where none is named.")
    asked = parser.parse_args().parts or list(PARTS)
    icons = read_icons()
    vocabulary = torch.load(words.PATH / "embeddings.pt", weights_only=True)
    numbers = card_numbers() if CARD.exists() else {}
    for part in asked:
        numbers |= PARTS[part](vocabulary)
    trained = ("training_steps", "samples", "judge_steps")
    suite(icons).save(MODELS / "icons-suite.json")
    CARD.write_text(model_card({key: numbers[key] for key in trained if key in numbers}))
    (MODELS / "icons" / "DATA.md").write_text(data_card(icons))
    size = sum(p.stat().st_size for p in MODELS.rglob("*") if p.is_file()) / 2**20
    print(f"{size:.1f} MiB in {MODELS}")


if __name__ == "__main__":
    main()
