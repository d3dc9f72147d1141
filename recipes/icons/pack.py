"""Puts model, judge, suite and data card where the package ships them.

python -m recipes.icons.pack
"""

from __future__ import annotations

import json
import shutil

import torch

from burnish.core.evidence import Prompt, Suite
from recipes.icons import diffusion, judge, words
from recipes.icons.evaluate import draw_prompts
from recipes.icons.sets import HERE, SETS
from recipes.icons.training import RUNS, Icons, averaged, read_icons

MODELS = HERE.parents[1] / "src" / "burnish" / "models"
SELECTION, CONFIRMATION = 20, 64


def data_card(icons: Icons) -> str:
    """Per set: how many icons, which licence, whose, from where, used for what."""
    lines = ["# Data of the icons model", "",
             "Icons rendered at 64 pixels on white; captions are the icons' names.", "",
             "| set | style word | icons | trained on | held out | licence | author | source |",
             "|---|---|---|---|---|---|---|---|"]
    for s in SETS:
        info, rows = s.info(), [r for r in icons.rows if r["set"] == s.name]
        trained = sum(r["split"] == "train" for r in rows)
        held = sum(r["split"] in ("held_out", "pair") for r in rows)
        author = info["author"]["name"]
        lines.append(f"| {s.name} | {s.style if s.train else '-'} | {len(rows)} | {trained} | {held} "
                     f"| {s.spdx} | {author} | {info['author'].get('url', '')} |")
    lines += ["", "Held out are 5 % of the icons of each trained set, by a hash of their names, and "
              f"{sum(r['split'] == 'pair' for r in icons.rows)} icons whose concept the other styles teach:",
              "", ", ".join(sorted(f"{r['concept']} ({r['style']})" for r in icons.rows
                                   if r["split"] == "pair")) + ".",
              "", "Variants of people by skin tone and gender are half of the icons; training draws each an "
              "eighth as often as other icons. Known limits: names are English; emoji carry their makers' "
              "choices of who does what, and the model repeats them.", ""]
    return "\n".join(lines)


def model_card(results: dict) -> str:
    """README.md of the model directory, with the numbers that `evaluate` measured."""
    return "\n".join([
        "---", "license: apache-2.0", "source: recipes/icons of Burnish", "tags:", "- text-to-image",
        "---", "# icons", "",
        "Text to a 64-pixel icon, in the layout of Stable Diffusion. Trained from scratch on icon sets under "
        "MIT and Apache-2.0; see DATA.md.", "", "Measured by the recipe's own evaluation:", "",
        "```json", json.dumps(results, indent=2), "```", "",
        'Prompts are an object, then a style: "red apple, noto style". Styles: '
        + ", ".join(s.style for s in SETS if s.train) + ".", ""])


def suite(icons: Icons) -> Suite:
    """Prompts of trained concepts, half of them with a style word; none that `evaluate` asks for tuning."""
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
    judge.save(averaged(judge.NAME, judge.build(vocabulary))[0], MODELS / "icons-judge")
    suite(icons).save(MODELS / "icons-suite.json")
    evaluation = RUNS / "evaluation.json"
    results = json.loads(evaluation.read_text()) if evaluation.is_file() else {}
    trained = {"training_steps": steps, "samples": steps * diffusion.BATCH}
    (target / "README.md").write_text(model_card(results | trained))
    (target / "DATA.md").write_text(data_card(icons))
    size = sum(p.stat().st_size for p in MODELS.rglob("*") if p.is_file()) / 2**20
    print(f"{size:.1f} MiB in {MODELS}")


if __name__ == "__main__":
    main()
