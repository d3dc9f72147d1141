"""Which of the teacher's calls a student keeps: coordinate descent from spacings that solvers use."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise, product

from burnish.program.student import Places, Run
from burnish.program.trajectories import Report, Single

# k/N is raised to these, 1 is even: above it calls are dense in noise, below it dense near the picture.
POWERS = (1.0, 1.3, 1.6, 0.75)
Learn = Callable[[Places, Sequence[Single]], Run]


def starts(calls: int, of: int) -> list[Places]:
    """`calls` places of a table `of` so many calls, even and by powers; all different, rising from 0."""
    found = [_apart([round(of * (k / calls) ** p) for k in range(calls)], of) for p in POWERS]
    return list(dict.fromkeys(found))


def nearest(timesteps: Sequence[float], grid: Sequence[float]) -> Places:
    """The places of the grid (falling) nearest to some timesteps, moved apart where two would be one."""
    near = [min(range(len(grid)), key=lambda k: abs(grid[k] - t)) for t in timesteps]
    return _apart(near, len(grid))


def _apart(places: Sequence[int], of: int) -> Places:
    """The same places, each moved by no more than it takes for all to rise and stay below `of`."""
    rising: list[int] = []
    for k, place in enumerate(places):
        rising.append(max(place, rising[-1] + 1 if k else 0))
    for k in range(len(rising) - 1, -1, -1):
        rising[k] = min(rising[k], of - len(rising) + k)
    return tuple(rising)


def descend(
    learn: Learn, begin: Sequence[Places], of: int, most_images: int, report: Report
) -> tuple[Run, int]:
    """The best student found, and the denoiser calls x images that finding it took.

    First each of `begin`; then the best one's places are moved one at a time, by a third of the mean gap
    until that helps no more, by a ninth, and so on down to 1. Outputs of the calls before the one that
    moves are used again. No more are tried once `most_images` are spent.
    """
    spent, seen = 0, set[Places]()

    def better(best: Run | None, places: Places, known: Sequence[Single] = ()) -> Run:
        nonlocal spent
        run = learn(places, known)
        seen.add(places)
        spent += run.images
        report("timesteps", min(1.0, spent / most_images))
        return run if best is None or run.error < best.error else best

    best: Run | None = None
    for places in dict.fromkeys(begin):
        best = better(best, places)
    if best is None:
        raise ValueError("a search begins somewhere")
    stride = max(1, round(of / len(best.places) / 3))
    while stride:
        before = best
        for k, way in product(range(len(best.places)), (stride, -stride)):
            moved = (*best.places[:k], best.places[k] + way, *best.places[k + 1 :])
            if spent < most_images and moved not in seen and _fits(moved, of):
                best = better(best, moved, best.outputs[:k])
        stride = stride if best is not before and spent < most_images else stride // 3
    return best, spent


def _fits(places: Places, of: int) -> bool:
    return places[0] >= 0 and places[-1] < of and all(a < b for a, b in pairwise(places))
