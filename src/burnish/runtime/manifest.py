"""Opens a bundle directory: every file it names must lie inside it and match its digest."""

from __future__ import annotations

from pathlib import Path

from burnish.core.bundle import MANIFEST, Bundle, Graph
from burnish.core.errors import BundleError
from burnish.core.files import digest


def inside(directory: Path, name: str) -> Path:
    """The file `name` of a bundle; raises BundleError when it would lie outside, or can be no file."""
    path = directory / name
    try:
        within = path.resolve().is_relative_to(directory.resolve())
    except ValueError:  # a name with a zero byte
        raise BundleError(
            f"{directory} names {name!r:.80}, which is no file", "Do not use this bundle"
        ) from None
    if not within:
        raise BundleError(f"{directory} names {name!r:.80}, which lies outside it", "Do not use this bundle")
    return path


def files_of(graph: Graph) -> tuple[str, ...]:
    """The names of a graph's files in its bundle: what it computes, and weights where they are its own."""
    if graph.file.endswith(".json"):  # of PyTorch, whose modules are checked when they are opened
        return (graph.file,)
    return graph.file, Path(graph.file).with_suffix(".bin").as_posix()


def open_manifest(directory: Path, *, verify: bool = True) -> Bundle:
    """The manifest of a bundle; raises BundleError naming the first file that is missing or altered."""
    if not (directory / MANIFEST).is_file():
        raise BundleError(f"{directory} is no bundle: it has no {MANIFEST}", "burnish optimize MODEL -o DIR")
    bundle = Bundle.read(directory / MANIFEST)
    for name, expected in (bundle.files | bundle.evidence).items():
        path = inside(directory, name)
        if not path.is_file():
            if name in bundle.evidence:
                continue  # a bundle runs without; what is there must be what was found
            raise BundleError(f"{path} is missing", "Build the bundle again")
        if verify and digest(path) != expected:
            raise BundleError(f"{path} does not match its digest", "Build the bundle again, or fetch it anew")
    named = {
        bundle.program,
        *filter(None, (bundle.starts,)),
        *bundle.tokenizers,
        *(name for graph in bundle.graphs for name in files_of(graph)),
    }
    unsigned = sorted(name for name in named if name not in bundle.files)
    if unsigned:
        raise BundleError(f"{directory}: {unsigned[0]} has no digest", "Build the bundle again")
    if bundle.verdict is not None and bundle.verdict.candidate != bundle.identity:
        raise BundleError(f"{directory}: its verdict is of another bundle", "Build the bundle again")
    _require_parts(directory, bundle)
    return bundle


def _require_parts(directory: Path, bundle: Bundle) -> None:
    """What a bundle of its family cannot be without; that its graphs are joined it has checked itself."""
    card = bundle.model
    there = {graph.role for graph in bundle.graphs}
    needed: list[str] = ["time_proj", *bundle.denoiser]
    needed += ["decoder"] if card.image_shape != card.latent_shape else []
    needed += ["text_encoder"] if card.reads_text else []
    needed += ["image_encoder"] if bundle.starts and "decoder" in there else []
    lacking = [role for role in needed if role not in there]
    lacking += ["tokenizer"] if card.reads_text and not bundle.tokenizers else []
    if lacking:
        raise BundleError(f"{directory} has no {lacking[0]}", "Build the bundle again")
