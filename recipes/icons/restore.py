"""Makes the shipped model the starting point of further training, where its checkpoints are gone.

python -m recipes.icons.restore

Run `make render` first, then this, then `make further`. Autoencoder and tokenizer come back whole, text
encoder and UNet as their averaged weights in half precision, without the optimizers' state, at the step that
the model card tells. The judge stays as it is shipped.
"""

from __future__ import annotations

import shutil

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from transformers import CLIPTextModel

from recipes.icons import autoencoder, diffusion, words
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
    keep(
        diffusion.NAME,
        both | {f"unet.{k}": v for k, v in unet.state_dict().items()},
        numbers["training_steps"],
    )


if __name__ == "__main__":
    main()
