"""The log of a name decides what its aliases mean."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from burnish.core.errors import ReleaseError
from burnish.core.release import Action, Event, Standing, reference_of, standing_of

Wish = tuple[Action, int, int]  # an action, a version, and by how much its writer's view is out of date
WISHES = st.lists(
    st.tuples(st.sampled_from(("release", "promote", "rollback")), st.integers(1, 5), st.integers(0, 2)),
    max_size=30,
)


def written(wishes: list[Wish]) -> list[Event]:
    """Events in the order that the registry numbered them; a writer may have seen less than there was."""
    events: list[Event] = []
    for number, (action, version, late) in enumerate(wishes, 1):
        seen = standing_of(events[: max(0, len(events) - late)]).last
        events.append(Event(number=number, seen=seen, action=action, version=version, who="a", when="now"))
    return events


@given(wishes=WISHES, order=st.randoms(use_true_random=False))
def test_all_who_read_the_log_find_the_same(wishes: list[Wish], order: random.Random) -> None:
    """In whatever order its lines come, they mean the same."""
    events = written(wishes)
    shuffled = list(events)
    order.shuffle(shuffled)
    assert standing_of(shuffled) == standing_of(events)


@given(WISHES)
def test_an_event_counts_where_its_writer_was_up_to_date(wishes: list[Wish]) -> None:
    """It counts exactly where its writer had seen the last that counted."""
    before = Standing()
    for event in written(wishes):
        after = before.after(event)
        assert (after.last == event.number) == (event.seen == before.last)
        before = after


@given(wishes=WISHES, version=st.integers(1, 5))
def test_a_rollback_undoes_a_promotion(wishes: list[Wish], version: int) -> None:
    """Afterwards stable and previous are what they were, unless the version had been stable before."""
    before = standing_of(written(wishes))
    promote = Event(number=99, seen=before.last, action="promote", version=version, who="a", when="now")
    back = Event(number=100, seen=99, action="rollback", version=version, who="a", when="now")
    after = before.after(promote).after(back)
    assert after.stack == tuple(v for v in before.stack if v != version)
    if version not in before.stack:
        assert after.aliases.get("stable") == before.aliases.get("stable")
        assert after.aliases.get("previous") == before.aliases.get("previous")


@given(WISHES)
def test_stable_and_previous_differ(wishes: list[Wish]) -> None:
    """Whatever was promoted how often: a rollback always changes something."""
    aliases = standing_of(written(wishes)).aliases
    assert aliases.get("stable") is None or aliases.get("stable") != aliases.get("previous")


def test_of_two_at_once_the_first_counts() -> None:
    """Both had seen the same; the one that the registry numbered first counts, whichever is read first."""
    first = Event(number=1, seen=0, action="promote", version=1, who="a", when="now")
    second = Event(number=2, seen=0, action="promote", version=2, who="b", when="now")
    assert standing_of([second, first]).counted == (first,)


@pytest.mark.parametrize(
    ("text", "name", "at"),
    [("icons", "icons", "stable"), ("icons@3", "icons", "3"), ("a-1@candidate", "a-1", "candidate")],
)
def test_a_name_alone_means_its_stable_release(text: str, name: str, at: str) -> None:
    """Versions and aliases are read as they are written."""
    assert reference_of(text) == (name, at)


@pytest.mark.parametrize(
    "text", ["", "@3", "icons@", "icons@0", "icons@newest", "Icons", "../icons", "a" * 64, "icons@3\n"]
)
def test_what_names_no_release_is_refused(text: str) -> None:
    """The error shows how one is written."""
    with pytest.raises(ReleaseError, match="icons@3"):
        reference_of(text)
