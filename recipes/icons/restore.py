"""Makes the shipped model the starting point of further training, where its checkpoints are gone.

python -m recipes.icons.restore

Run `render` first, then this; make goes on from there. Autoencoder and tokenizer come back whole; text
encoder, UNet and judge as their averaged weights in half precision, without the optimizers' state, at the
step that the model card tells.
"""

from __future__ import annotations

import shutil

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from transformers import CLIPModel, CLIPTextModel

from recipes.icons import autoencoder, diffusion, pupil, words
from recipes.icons.card import MODELS, card_numbers
from recipes.icons.training import RUNS


def keep(name: str, weights: dict[str, torch.Tensor], step: int) -> None:
    """A checkpoint of these weights; raises FileExistsError where the run has one of its own."""
    path = RUNS / name / "checkpoint.pt"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as file:
        torch.save({"step": step, "model": weights, "ema": weights, "updates": step, "optims": []}, file)


def main() -> None:
    source, numbers = MODELS / "icons", card_numbers()
    vae = AutoencoderKL.from_pretrained(source / "vae").float()
    vae.save_pretrained(RUNS / autoencoder.NAME / "vae")
    shutil.rmtree(words.PATH, ignore_errors=True)
    shutil.copytree(source / "tokenizer", words.PATH)
    text = CLIPTextModel.from_pretrained(source / "text_encoder").float()
    unet = UNet2DConditionModel.from_pretrained(source / "unet").float()
    # The runs read the table's shape here; its values are those of the weights below.
    torch.save(text.get_input_embeddings().weight.detach() / 0.02, words.PATH / "embeddings.pt")
    both = {f"text_encoder.{k}": v for k, v in text.state_dict().items()}
    keep(diffusion.NAME, both | {f"unet.{k}": v for k, v in unet.state_dict().items()},
         numbers["training_steps"])
    clip = CLIPModel.from_pretrained(MODELS / "icons-judge").float()
    keep(pupil.NAME, clip.state_dict(), numbers["judge_steps"])


if __name__ == "__main__":
    main()
