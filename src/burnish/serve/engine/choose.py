"""Which jobs are drawn next, together: by priority, then by how little a client was served, then by age."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from burnish.core.job import Job


def in_order(queued: Sequence[Job], served: Mapping[str, float]) -> list[Job]:
    """Queued jobs as they are to be drawn, were each drawn alone.

    `served` are seconds of work that each client has had lately. Of one client's jobs of one priority the
    oldest goes first; between clients, the one that was served least, counting what goes before as served.
    """
    waiting: dict[tuple[int, str], list[Job]] = {}
    for job in sorted(queued, key=lambda j: (j.created_at, j.id)):
        waiting.setdefault((job.priority, job.client), []).append(job)
    had = dict(served)
    each = _even_share(served)
    order: list[Job] = []
    for priority in sorted({p for p, _ in waiting}, reverse=True):
        lines = {client: jobs for (p, client), jobs in waiting.items() if p == priority}
        while lines:
            client = min(lines, key=lambda c: _turn(c, lines[c][0], had))
            job = lines[client].pop(0)
            for who in set(whose(client)):
                had[who] = had.get(who, 0.0) + each * len(job.ask.seeds)
            order.append(job)
            if not lines[client]:
                del lines[client]
    return order


def _turn(client: str, first: Job, had: Mapping[str, float]) -> tuple[object, ...]:
    return *(had.get(who, 0.0) for who in whose(client)), first.created_at, client


def whose(client: str) -> tuple[str, str]:
    """Between whom it is fair: first between keys, then between the users that a key speaks for."""
    return client.partition("/")[0], client


def next_batch(
    queued: Sequence[Job],
    served: Mapping[str, float],
    most_pictures: int,
    alone: Collection[str] = (),
) -> list[Job]:
    """The first job in order, and those after it that are alike, up to `most_pictures` pictures in all.

    The first goes whatever its number of pictures. One that a worker died of goes alone, so that it takes no
    other with it, and so do those whose ids are in `alone`.
    """
    order = in_order(queued, served)
    if not order:
        return []
    first = order[0]
    if first.crashes or first.id in alone:
        return [first]
    batch, count = [first], len(first.ask.seeds)
    for job in order[1:]:
        size = len(job.ask.seeds)
        fits = job.ask.alike == first.ask.alike and count + size <= most_pictures
        if fits and not job.crashes and job.id not in alone:
            batch.append(job)
            count += size
    return batch


def _even_share(served: Mapping[str, float]) -> float:
    """Seconds that a picture is counted as while its own are unknown; any positive number orders alike."""
    return max([1.0, *served.values()]) * 1e-3
