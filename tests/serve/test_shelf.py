"""What is offered verifies, is held, and follows the registry."""

from __future__ import annotations

from pathlib import Path

import pytest

import burnish
from burnish.core.errors import ReleaseError
from burnish.core.release import reference_of
from burnish.release.registry import Registry
from burnish.release.signing import trusted
from burnish.serve.shelf import Shelf
from tests.conftest import SD, Bundles


@pytest.fixture(scope="module")
def registry(bundle: Bundles, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Three releases of one name: the second is stable, the first was."""
    uri = f"sqlite:///{tmp_path_factory.mktemp('shelf')}/registry.db"
    for steps in (2, 3, 4):
        burnish.release(bundle(SD, num_inference_steps=steps), "tiny", unproven=True, registry=uri)
    for version in (1, 2):
        burnish.promote(f"tiny@{version}", unproven=True, registry=uri)
    return uri


def shelf(registry: str, text: str = "tiny") -> Shelf:
    """One that has looked."""
    made = Shelf(Registry(registry), [reference_of(text)], trusted())
    made.look()
    return made


def test_aliases_and_what_was_asked_for_are_offered_and_held(registry: str) -> None:
    """By alias and by number; what is held is not collected."""
    held = shelf(registry, "tiny@1")
    try:
        assert [str(held.find(text).reference) for text in ("tiny", "tiny@candidate", "tiny@1")] == [
            "tiny@2",
            "tiny@3",
            "tiny@1",
        ]
        assert burnish.collect_releases("tiny", keep=0, registry=registry) == []
        with pytest.raises(ReleaseError, match="tiny@stable"):
            held.find("tiny@7")
    finally:
        held.close()


def test_what_does_not_verify_is_not_offered_and_stable_falls_back(registry: str) -> None:
    """A bit of a weight: the alias means the release before, and the damaged one is refused by number too."""
    place = Registry(registry).fetch(Registry(registry).entries("tiny")[1]) / "bundle" / "denoiser.bin"
    data = place.read_bytes()
    try:
        damage(place, data)
        held = shelf(registry)
        assert str(held.find("tiny@stable").reference) == "tiny@1"
        with pytest.raises(ReleaseError, match="not served"):
            held.find("tiny@2")
        held.close()
    finally:
        place.write_bytes(data)


def damage(path: Path, data: bytes) -> None:
    """One bit."""
    path.write_bytes(data[:100] + bytes([data[100] ^ 1]) + data[101:])
