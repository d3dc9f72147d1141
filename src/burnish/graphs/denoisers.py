"""Denoisers as functions of named wires: state, projected time, condition to the predicted output.

Each takes latents (b, c, h, w) and the projection of the timestep (b, time width), and gives (b, c, h, w).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from burnish.graphs.projections import projected, size_projections, time_projections
from burnish.graphs.wrapped import Wrapped


class PlainDenoiser(Wrapped):
    """UNet2DModel: state and projected time."""

    def forward(self, sample: Tensor, time_proj: Tensor) -> Tensor:
        """(b, c, h, w), (b, time width) -> (b, c, h, w)."""
        with projected(time_projections(self.model), time_proj):
            return self.model(sample, time_proj[:, 0], return_dict=False)[0]


class ConditionalDenoiser(Wrapped):
    """UNet2DConditionModel of Stable Diffusion: text states."""

    def forward(self, sample: Tensor, time_proj: Tensor, condition: Tensor) -> Tensor:
        """(b, c, h, w), (b, time width), (b, tokens, width) -> (b, c, h, w)."""
        with projected(time_projections(self.model), time_proj):
            return self.model(sample, time_proj[:, 0], encoder_hidden_states=condition, return_dict=False)[0]


class ClassDenoiser(Wrapped):
    """DiTTransformer2DModel: class label; a learned variance is cut off."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__(model)
        config: Any = model.config
        self.channels = int(config.in_channels)

    def forward(self, sample: Tensor, time_proj: Tensor, condition: Tensor) -> Tensor:
        """(b, c, h, w), (b, time width), (b,) -> (b, c, h, w)."""
        with projected(time_projections(self.model), time_proj):
            out = self.model(sample, timestep=time_proj[:, 0], class_labels=condition, return_dict=False)[0]
        return out[:, : self.channels]


class SizedDenoiser(Wrapped):
    """UNet2DConditionModel of Stable Diffusion XL: text states, the text's own, sizes."""

    def forward(
        self, sample: Tensor, time_proj: Tensor, condition: Tensor, pooled: Tensor, time_ids_proj: Tensor
    ) -> Tensor:
        """Latents, (b, time width), (b, tokens, width), (b, width), (b, 6 * size width) -> latents."""
        added = {"text_embeds": pooled, "time_ids": time_ids_proj}
        with (
            projected(time_projections(self.model), time_proj),
            projected(size_projections(self.model), time_ids_proj),
        ):
            return self.model(
                sample,
                time_proj[:, 0],
                encoder_hidden_states=condition,
                added_cond_kwargs=added,
                return_dict=False,
            )[0]


class MaskedDenoiser(Wrapped):
    """PixArtTransformer2DModel: text states and their mask, and sizes where the model has them.

    A learned variance is cut off.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__(model)
        config: Any = model.config
        self.channels = int(config.in_channels)

    def forward(
        self,
        sample: Tensor,
        time_proj: Tensor,
        condition: Tensor,
        attention_mask: Tensor,
        resolution_proj: Tensor | None = None,
        aspect_ratio_proj: Tensor | None = None,
    ) -> Tensor:
        """(b, c, h, w), (b, time width), (b, tokens, width), (b, tokens) -> (b, c, h, w)."""
        added = {"resolution": resolution_proj, "aspect_ratio": aspect_ratio_proj}
        # The model flattens its sizes before it projects them, and embeds one row a number.
        rows = [_rows(x, time_proj) for x in added.values() if x is not None]
        with (
            projected(time_projections(self.model), time_proj),
            projected(size_projections(self.model), *rows),
        ):
            out = self.model(
                sample,
                encoder_hidden_states=condition,
                encoder_attention_mask=attention_mask,
                timestep=time_proj[:, 0],
                added_cond_kwargs=added,
                return_dict=False,
            )[0]
        return out[:, : self.channels]


def _rows(sizes: Tensor, time_proj: Tensor) -> Tensor:
    """(b, n * width) -> (b * n, width); PixArt projects sizes as wide as the time."""
    return sizes.reshape(-1, time_proj.shape[-1])


class PooledDenoiser(Wrapped):
    """SD3Transformer2DModel: text states and the text's own."""

    def forward(self, sample: Tensor, time_proj: Tensor, condition: Tensor, pooled: Tensor) -> Tensor:
        """(b, c, h, w), (b, time width), (b, tokens, width), (b, width) -> (b, c, h, w)."""
        with projected(time_projections(self.model), time_proj):
            return self.model(
                sample,
                encoder_hidden_states=condition,
                pooled_projections=pooled,
                timestep=time_proj[:, 0],
                return_dict=False,
            )[0]


class PackedDenoiser(Wrapped):
    """FluxTransformer2DModel on latents as everywhere: two by two of them are packed into a token within it.

    Positions are constants of the graph, so they fix the size of the picture and the number of text tokens.
    """

    img_ids: Tensor
    txt_ids: Tensor

    def __init__(self, model: nn.Module, latent_shape: tuple[int, int, int], tokens: int) -> None:
        super().__init__(model)
        self.channels, self.rows, self.columns = latent_shape[0], latent_shape[1] // 2, latent_shape[2] // 2
        row, column = torch.meshgrid(torch.arange(self.rows), torch.arange(self.columns), indexing="ij")
        ids = torch.stack([torch.zeros_like(row), row, column], dim=-1).reshape(-1, 3).float()
        self.register_buffer("img_ids", ids, persistent=False)
        self.register_buffer("txt_ids", torch.zeros(tokens, 3), persistent=False)

    def forward(
        self,
        sample: Tensor,
        time_proj: Tensor,
        condition: Tensor,
        pooled: Tensor,
        guidance_proj: Tensor | None = None,
    ) -> Tensor:
        """(b, c, h, w), (b, time width), (b, tokens, width), (b, width), (b, width) -> (b, c, h, w)."""
        c, h, w = self.channels, self.rows, self.columns
        packed = sample.reshape(-1, c, h, 2, w, 2).permute(0, 2, 4, 1, 3, 5).reshape(-1, h * w, 4 * c)
        values = [x for x in (time_proj, guidance_proj) if x is not None]
        with projected(time_projections(self.model), *values):
            out = self.model(
                packed,
                encoder_hidden_states=condition,
                pooled_projections=pooled,
                timestep=time_proj[:, 0],
                img_ids=self.img_ids,
                txt_ids=self.txt_ids,
                guidance=None if guidance_proj is None else guidance_proj[:, 0],
                return_dict=False,
            )[0]
        return out.reshape(-1, h, w, c, 2, 2).permute(0, 3, 1, 4, 2, 5).reshape(-1, c, 2 * h, 2 * w)
