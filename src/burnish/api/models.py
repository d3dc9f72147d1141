"""Models and bundles, opened: what every verb begins with."""

from __future__ import annotations

from contextlib import suppress
from importlib.resources import files
from pathlib import Path

from burnish.build import GraphStore, reference_plan
from burnish.build import build as build_plan
from burnish.core.bundle import MANIFEST, Bundle
from burnish.core.errors import BundleError, ModelError, SuiteError
from burnish.core.files import cache_directory, make_room
from burnish.core.model import ModelCard
from burnish.core.source import Model, Source, source_of
from burnish.load import OpenedModel, check_directory, open_model, resolve
from burnish.load.card import card_of
from burnish.load.checkpoint import model_directory
from burnish.runtime import Pipeline

MOST_BYTES = 64 << 30  # of kept graphs in all; the least recently used models go first
MODELS = Path(str(files("burnish"))) / "models"


def load(model: Model) -> OpenedModel:
    """Opens a model directory, a checkpoint or an embedded model; raises ModelError."""
    source = source_of(model)
    return open_model(_resolved(source), size=source.size, lora=source.lora, config=source.config)


def inspect(model: Model) -> ModelCard:
    """What a model is; its parts are made only where adapters must fit them. Raises ModelError."""
    source = source_of(model)
    if source.lora:
        return load(source).card
    return card_of(check_directory(directory_of(source)), source.size)


def directory_of(model: Model) -> Path:
    """The diffusers directory of a model, made where it is a checkpoint; raises ModelError."""
    source = source_of(model)
    return model_directory(_resolved(source), source.config)


def _resolved(source: Source) -> Path:
    """The path that is meant; raises ModelError where there is none, or where `config` says nothing of it."""
    path = resolve(source.model)
    if source.config is not None and path.is_dir():
        raise ModelError(
            f"{source.model} has configs of its own, and --config is for a checkpoint in one file",
            "Leave out --config",
        )
    return path


def store_of(model: Model) -> GraphStore:
    """The graphs of a model, those that were used last kept with them."""
    store = GraphStore(load(model), cache_directory() / "graphs")
    store.root.mkdir(parents=True, exist_ok=True)
    store.root.touch()
    make_room(store.directory, MOST_BYTES)
    return store


def is_icons(card: ModelCard) -> bool:
    """Whether a model is the embedded one, weights and all."""
    return card.digest == inspect("icons").digest


def identity(bundle: Path) -> str:
    """The identity of the bundle in a directory; raises BundleError."""
    return Bundle.read(bundle / MANIFEST).identity


def is_bundle(against: Model) -> bool:
    """Whether this is a bundle's directory; raises ModelError where it is asked for as only a model is."""
    source = source_of(against)
    found = (Path(source.model) / MANIFEST).is_file()
    if found and source != Source(model=source.model):
        raise ModelError(
            f"{source.model} is a bundle, whose size and adapters are in it",
            "Leave out --size, --lora and --config",
        )
    return found


def open_bundle(against: Model) -> Pipeline:
    """A bundle, or the bundle of a model with its default plan, which is kept for the next time."""
    if is_bundle(against):
        return Pipeline(source_of(against).model)
    store = store_of(against)
    directory = store.root / "reference"
    with suppress(BundleError):
        return Pipeline(directory)
    build_plan(store, reference_plan(store.model), directory)
    return Pipeline(directory)


def require_alike(candidate: Pipeline, reference: Pipeline) -> None:
    """Raises SuiteError where two bundles' pictures cannot be compared."""
    ours, theirs = ((p.bundle.model.family, p.bundle.model.image_shape) for p in (candidate, reference))
    if ours != theirs:
        raise SuiteError(f"{candidate.directory} draws {ours}, the other {theirs}", "Take two alike")
