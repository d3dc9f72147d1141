"""FastSD CPU's settings: LCM's scheduler, 4 calls without guidance, OpenVINO or PyTorch, its extras.

It is an application, so its settings are set here on the libraries that it drives. Its distilled weights
(LCM-LoRA) and its tiny decoder lie on a hub and are of Stable Diffusion; a row that asks for them says what
the libraries say.
"""

from __future__ import annotations

from diffusers_pipeline import load_pipeline, maker
from optimum_openvino import open_model as open_openvino
from optimum_openvino import prepare as export
from serve import Make, Request, serve


def prepare(asked: Request) -> None:
    """Its OpenVINO mode runs an export."""
    if asked["options"]["mode"] == "openvino":
        export(asked)


def open_model(asked: Request) -> Make:
    """OpenVINO with a free batch and no cache, or PyTorch in fp32, channels-last: as it does."""
    options = asked["options"]
    if options["mode"] == "openvino":
        return open_openvino(asked)
    import torch

    pipeline = load_pipeline(asked)
    if options.get("lora"):
        weights = "pytorch_lora_weights.safetensors"
        pipeline.load_lora_weights(options["lora"], weight_name=weights, local_files_only=True)
    if options.get("tiny_decoder"):
        from diffusers import AutoencoderTiny

        pipeline.vae = AutoencoderTiny.from_pretrained(options["tiny_decoder"], local_files_only=True)
    pipeline.unet.to(memory_format=torch.channels_last)
    if options.get("token_merging"):
        import tomesd

        tomesd.apply_patch(pipeline, ratio=options["token_merging"])
    return maker(pipeline, asked)


if __name__ == "__main__":
    serve(open_model, prepare)
