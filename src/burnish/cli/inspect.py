"""`burnish inspect MODEL`: what a model directory is."""

from __future__ import annotations

from typing import Annotated

import typer

from burnish.cli.console import print_json, print_table
from burnish.cli.options import ConfigOption, JsonOption, LoraOption, SizeOption, read_source
from burnish.core.units import show_mib


def command(
    model: Annotated[str, typer.Argument(help="A diffusers model directory, a checkpoint, or icons.")],
    size: SizeOption = None,
    lora: LoraOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say what a model is: family, components, sizes, licence, digests. Runs nothing in it."""
    from burnish import api

    card = api.inspect(read_source(model, size, lora, config))
    if as_json:
        print_json(card)
        return
    facts = {
        "family": card.family,
        "pipeline": card.pipeline,
        "parameters": f"{card.parameters / 1e6:.1f} M",
        "prediction type": card.prediction_type,
        "scheduler": card.scheduler,
        "latents": " x ".join(map(str, card.latent_shape)),
        "picture": " x ".join(map(str, card.image_shape)),
        "licence": card.licence,
        "source": card.source or "not stated",
        "digest": card.digest,
    }
    facts |= {f"adapter {a.name}": f"weight {a.weight:g}, {a.digest[:12]}" for a in card.adapters}
    from rich.table import Table

    table = Table(title=card.name, show_header=False)
    for name, value in facts.items():
        table.add_row(name, value)
    print_table(table)
    parts = Table("component", "class", "parameters", "size", "type", "sha256")
    for c in card.components:
        parts.add_row(
            c.name, c.class_name, f"{c.parameters:,}", show_mib(c.size_bytes / 2**20), c.dtype, c.digest[:12]
        )
    print_table(parts)
