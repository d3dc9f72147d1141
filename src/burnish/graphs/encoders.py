"""Text encoders, the graphs that join what several of them say, and the two halves of an autoencoder."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from burnish.graphs.wrapped import Wrapped


class TextEncoder(Wrapped):
    """The last hidden state, after the final layer norm: CLIP in Stable Diffusion, T5 in SD3 and Flux."""

    def forward(self, input_ids: Tensor) -> Tensor:
        """(b, tokens) -> (b, tokens, width)."""
        return self.model(input_ids).last_hidden_state


class MaskedTextEncoder(Wrapped):
    """T5 in PixArt: the last hidden state, padding left out of attention."""

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """(b, tokens), (b, tokens) of 0 and 1 -> (b, tokens, width)."""
        return self.model(input_ids, attention_mask=attention_mask).last_hidden_state


class PenultimateStates(Wrapped):
    """CLIP in Stable Diffusion XL: the states before the last layer, without the final layer norm."""

    def forward(self, input_ids: Tensor) -> Tensor:
        """(b, tokens) -> (b, tokens, width)."""
        return self.model(input_ids, output_hidden_states=True).hidden_states[-2]


class ProjectedStates(Wrapped):
    """CLIP with a projection (SDXL and SD3): the states before the last layer, and the text's own."""

    def forward(self, input_ids: Tensor) -> tuple[Tensor, Tensor]:
        """(b, tokens) -> (b, tokens, width), (b, projection width)."""
        found = self.model(input_ids, output_hidden_states=True)
        return found.hidden_states[-2], found.text_embeds


class PooledState(Wrapped):
    """CLIP in Flux: the state of the token that ends the text."""

    def forward(self, input_ids: Tensor) -> Tensor:
        """(b, tokens) -> (b, width)."""
        return self.model(input_ids).pooler_output


class SideBySide(nn.Module):
    """Stable Diffusion XL: the states of two encoders of equal length, one beside the other."""

    def forward(self, states: Tensor, states_2: Tensor) -> Tensor:
        """(b, tokens, width), (b, tokens, width 2) -> (b, tokens, width + width 2)."""
        return torch.cat([states, states_2], dim=-1)


class ThreeTexts(nn.Module):
    """Stable Diffusion 3: two CLIPs beside one another, zeros up to the width of T5, then T5 behind them.

    Without T5 its tokens are zeros, as diffusers has them.
    """

    def __init__(self, width: int, tokens: int) -> None:
        super().__init__()
        self.width = width
        self.tokens = tokens

    def forward(
        self,
        states: Tensor,
        states_2: Tensor,
        projected: Tensor,
        projected_2: Tensor,
        states_3: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Two (b, tokens, width), two (b, width), (b, tokens 3, width 3) -> (b, all, width 3), (b, both)."""
        clip = torch.cat([states, states_2], dim=-1)
        clip = nn.functional.pad(clip, (0, self.width - clip.shape[-1]))
        if states_3 is None:
            states_3 = clip[:, :1].expand(-1, self.tokens, -1) * 0.0
        return torch.cat([clip, states_3], dim=1), torch.cat([projected, projected_2], dim=-1)


class Decoder(Wrapped):
    """Unscaled latents to pixels in [-1, 1]."""

    def forward(self, sample: Tensor) -> Tensor:
        """(b, c, h, w) -> (b, 3, H, W)."""
        model: Any = self.model
        return model.decode(sample, return_dict=False)[0]


class ImageEncoder(Wrapped):
    """Pixels in [-1, 1] to unscaled latents: the mode of the posterior."""

    def forward(self, sample: Tensor) -> Tensor:
        """(b, 3, H, W) -> (b, c, h, w)."""
        model: Any = self.model
        return model.encode(sample).latent_dist.mode()
