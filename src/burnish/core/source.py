"""Source: what is to be opened as a model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

Lora = tuple[Path | str, float]  # a file, and how strongly it counts


@dataclass(frozen=True, kw_only=True)
class Source:
    """A model directory, a single-file checkpoint, or an embedded model's name, and what is asked of it.

    `size` is the side of a picture in pixels, None for the pipeline's own. `lora` are safetensors files that
    are fused into the weights. `config` is the directory whose configs and tokenizers a checkpoint needs.
    """

    model: str | Path
    size: int | None = None
    lora: tuple[Lora, ...] = ()
    config: Path | str | None = None

    @property
    def as_published(self) -> bool:
        """Whether it is drawn with its own weights at its own size."""
        return self.size is None and not self.lora

    def __str__(self) -> str:
        """As it is asked for on the command line."""
        said = [str(self.model)]
        said += [f"--size {self.size}"] if self.size is not None else []
        said += [f"--lora {file}:{weight:g}" for file, weight in self.lora]
        said += [f"--config {self.config}"] if self.config is not None else []
        return " ".join(said)


Model = str | Path | Source


def source_of(model: Model) -> Source:
    """A name or a path alone as a Source."""
    return model if isinstance(model, Source) else Source(model=model)
