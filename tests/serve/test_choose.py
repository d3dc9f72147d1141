"""What is drawn next: by priority, fairly between clients, together where it is alike."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from burnish.core.job import Job
from burnish.serve.engine.choose import in_order, next_batch
from tests.serve.conftest import ask


@st.composite
def jobs(draw: st.DrawFn) -> list[Job]:
    """Jobs of three clients, some alike, some with a history."""
    count = draw(st.integers(0, 12))
    return [
        Job(
            id=str(k),
            client=draw(st.sampled_from("abc")),
            ask=ask(
                "x", *range(draw(st.integers(1, 5))), negative_prompt=draw(st.sampled_from(("", "blur")))
            ),
            priority=draw(st.integers(-1, 1)),
            created_at=float(draw(st.integers(0, 5))),
            crashes=draw(st.sampled_from((0, 0, 0, 1))),
        )
        for k in range(count)
    ]


SERVED = st.dictionaries(st.sampled_from("abc"), st.floats(0, 100))


@given(jobs(), SERVED)
def test_every_job_has_one_place_and_the_higher_priority_goes_first(
    queued: list[Job], served: dict[str, float]
) -> None:
    """And of one client's jobs of one priority the older goes first."""
    order = in_order(queued, served)
    assert sorted(job.id for job in order) == sorted(job.id for job in queued)
    assert [job.priority for job in order] == sorted((job.priority for job in order), reverse=True)
    for client in "abc":
        mine = [(-job.priority, job.created_at) for job in order if job.client == client]
        assert mine == sorted(mine)


@given(jobs(), SERVED, st.integers(1, 16))
def test_a_batch_is_alike_and_within_bounds(queued: list[Job], served: dict[str, float], most: int) -> None:
    """It begins with the first in order; what a worker died of goes alone."""
    batch = next_batch(queued, served, most)
    assert bool(batch) == bool(queued)
    if batch:
        assert batch[0] == in_order(queued, served)[0]
        assert len({job.ask.alike for job in batch}) == 1
        assert len(batch) == 1 or sum(len(job.ask.seeds) for job in batch) <= most
        assert len(batch) == 1 or not any(job.crashes for job in batch)


@given(jobs(), st.sets(st.sampled_from([str(k) for k in range(12)])))
def test_what_is_to_be_drawn_alone_is(queued: list[Job], alone: set[str]) -> None:
    """Whoever is first, no such job shares a batch."""
    batch = next_batch(queued, {}, 64, alone)
    assert len(batch) <= 1 or not {job.id for job in batch} & alone


def test_a_client_with_a_thousand_jobs_does_not_hold_up_another() -> None:
    """The other's first job is the second in line, whoever came first."""
    many = [Job(id=f"m{k}", client="many", ask=ask(), created_at=0.0) for k in range(1000)]
    one = Job(id="one", client="few", ask=ask(), created_at=1.0)
    assert in_order([*many, one], {}).index(one) <= 1


def test_who_was_served_least_goes_first() -> None:
    """Though the other asked before."""
    first = Job(id="1", client="a", ask=ask(), created_at=0.0)
    second = Job(id="2", client="b", ask=ask(), created_at=1.0)
    assert in_order([first, second], {"a": 5.0}) == [second, first]
