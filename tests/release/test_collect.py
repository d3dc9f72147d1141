"""Old versions go; what is in use stays."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import burnish
from burnish.core.errors import ReleaseError
from burnish.release.leases import free, lease
from burnish.release.registry import Registry
from tests.release.conftest import Released


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leases of the test's own."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def numbers(name: str) -> list[int]:
    """The versions that are left."""
    return [entry.version for entry in Registry().entries(name)]


def test_what_an_alias_means_or_a_server_holds_is_never_removed(judged: Released) -> None:
    """Stable, previous, candidate and what is leased stay, however few are kept; their files too."""
    for steps in (2, 3, 4, 5, 6):
        burnish.release(judged(steps=steps), "old")
    burnish.promote("old@2")
    burnish.promote("old@3")
    held = burnish.open_release("old@1")
    gone = Registry().fetch(Registry().entries("old")[3])
    with lease(held.release.digest):
        assert burnish.collect_releases("old", keep=0) == [4]
        assert numbers("old") == [1, 2, 3, 5]
    assert not gone.exists()
    burnish.open_release("old@previous")
    assert burnish.collect_releases("old", keep=0) == [1]
    assert numbers("old") == [2, 3, 5]


def test_the_newest_stay_and_numbers_are_not_given_again(judged: Released) -> None:
    """Without any alias the newest few are kept; the next release has a number of its own."""
    for steps in (2, 3, 4):
        burnish.release(judged(steps=steps), "newest")
    assert burnish.collect_releases("newest", keep=3) == []
    assert burnish.collect_releases("newest", keep=1) == [1, 2]
    assert burnish.release(judged(steps=5), "newest").version == 4


def test_collecting_where_nothing_was_released_says_so() -> None:
    """A name that there is not is an error, not an empty answer."""
    with pytest.raises(ReleaseError, match="no release of the name nothing"):
        burnish.collect_releases("nothing")


HOLD = """
import sys, time
from burnish.release.leases import lease
with lease(sys.argv[1]):
    print("held", flush=True)
    time.sleep(600)
"""


def test_a_lease_ends_with_its_process_however_that_ends() -> None:
    """A server that is killed holds nothing any more."""
    digest = "0" * 64
    with subprocess.Popen([sys.executable, "-c", HOLD, digest], stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        with free(digest) as unused:
            assert not unused
        process.kill()
    with free(digest) as unused:
        assert unused
