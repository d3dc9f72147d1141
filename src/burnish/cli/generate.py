"""`burnish generate BUNDLE "a red apple"`: pictures from a bundle, with nothing but the runtime loaded."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from burnish.cli.console import print_json, say
from burnish.cli.options import JsonOption
from burnish.core.errors import RequestError


def command(
    bundle: Annotated[Path, typer.Argument(help="A bundle directory.")],
    prompt: Annotated[str | None, typer.Argument(help="What to draw, for models that read text.")] = None,
    num_images: Annotated[int, typer.Option("-n", min=1, max=64, help="How many pictures.")] = 1,
    seed: Annotated[int, typer.Option(help="Seed of the first picture; the others count up.")] = 0,
    negative_prompt: Annotated[str, typer.Option(help="What to keep out of the picture.")] = "",
    class_label: Annotated[int | None, typer.Option(help="Class, for class-conditional models.")] = None,
    height: Annotated[int | None, typer.Option(help="Pixels.")] = None,
    width: Annotated[int | None, typer.Option(help="Pixels.")] = None,
    image: Annotated[Path | None, typer.Option(help="A picture to start from.")] = None,
    mask: Annotated[Path | None, typer.Option(help="White where the picture may change.")] = None,
    strength: Annotated[float, typer.Option(help="How much of --image to change, 0 to 1.")] = 0.8,
    output: Annotated[Path, typer.Option("-o", help="File; of several, -1, -2, ...")] = Path("picture.png"),
    as_json: JsonOption = False,
) -> None:
    """Make pictures."""
    _require_png(output)
    # OpenVINO imports its converter, with telemetry and TLS, unless there is none; a bundle needs none.
    sys.modules.setdefault("openvino.tools.ovc", None)  # type: ignore[arg-type]  # as the import system reads it
    from burnish.cli.pictures import read_mask, read_picture, write_png
    from burnish.runtime import Pipeline, Request

    pipeline = Pipeline(bundle)
    card = pipeline.bundle.model
    if card.reads_text and prompt is None:
        raise RequestError("no prompt was given", f'burnish generate {bundle} "a red apple"')
    if prompt == "":
        say("Warning: the prompt is empty; the model draws what it likes.")
    request = Request(
        seeds=tuple(range(seed, seed + num_images)),
        prompts=(prompt,) if prompt is not None else (),
        negative_prompt=negative_prompt,
        class_labels=(class_label,) if class_label is not None else (),
        height=height,
        width=width,
        image=read_picture(image) if image else None,
        mask=read_mask(mask) if mask else None,
        strength=strength,
    )
    written = []
    for k, picture in enumerate(pipeline.generate(request)):
        path = output if num_images == 1 else _numbered(output, k + 1)
        write_png(path, picture, {"prompt": prompt or "", "seed": str(seed + k), "model": card.name})
        written.append({"path": str(path), "seed": seed + k})
        if not as_json:
            typer.echo(path)
    if as_json:
        print_json({"prompt": prompt, "pictures": written})


def _require_png(output: Path) -> None:
    if not output.name or output.is_dir():
        raise RequestError(f"{output} is a directory", f"Name a file: -o {output / 'picture.png'}")
    if output.suffix.lower() not in ("", ".png"):
        raise RequestError(f"{output} does not end in .png", f"Pictures are PNG: -o {output.stem}.png")


def _numbered(output: Path, number: int) -> Path:
    return output.with_name(f"{output.stem}-{number}{output.suffix or '.png'}")
