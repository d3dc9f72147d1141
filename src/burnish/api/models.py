"""Models and bundles, opened: what every verb begins with."""

from __future__ import annotations

from contextlib import suppress
from importlib.resources import files
from pathlib import Path

from burnish.build import GraphStore, reference_plan
from burnish.build import build as build_plan
from burnish.core.bundle import MANIFEST, Bundle
from burnish.core.errors import BundleError, SuiteError
from burnish.core.files import cache_directory, make_room
from burnish.core.model import ModelCard
from burnish.load import OpenedModel, open_model, resolve
from burnish.load import inspect as inspect_directory
from burnish.runtime import Pipeline

MOST_BYTES = 64 << 30  # of kept graphs in all; the least recently used models go first
MODELS = Path(str(files("burnish"))) / "models"


def load(model: str | Path) -> OpenedModel:
    """Opens a model directory or an embedded model; raises ModelError."""
    return open_model(resolve(model))


def inspect(model: str | Path) -> ModelCard:
    """What a model directory is, without making any of its parts; raises ModelError."""
    return inspect_directory(resolve(model))


def store_of(model: str | Path) -> GraphStore:
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


def open_bundle(against: str | Path) -> Pipeline:
    """A bundle, or the bundle of a model with its default plan, which is kept for the next time."""
    if (Path(against) / MANIFEST).is_file():
        return Pipeline(against)
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
