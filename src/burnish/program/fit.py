"""A table of few calls fitted to a model's own trajectories of many: timesteps and every number of it.

Timesteps are chosen by the endpoint's error, as LD3 does (Tong et al. 2024, arXiv 2405.15506), and rows are
fitted to the teacher's states, as BNS and S4S fit solver coefficients (Shaul et al. 2024, arXiv 2403.01329;
Frankel et al. 2025, arXiv 2502.17423), but without backpropagation: with what came before it fixed, a row is
a linear least-squares problem. The student runs on the states that its own rows make, so later rows mend what
earlier ones miss, and what calls without guidance leave out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from pydantic import ValidationError

from burnish.core.errors import ProgramError
from burnish.core.program import Program
from burnish.program.places import Learn, descend, nearest, starts
from burnish.program.student import Lesson, Run, as_given, learned_by
from burnish.program.trajectories import Denoise, Report, Trajectories

SEARCHED = 24  # trajectories that timesteps are chosen on; rows are fitted to all in the end
STUDENTS = 12  # whole students that the search may run on them
RIDGES = (1e-4, 1e-2, 1.0)  # the first is for the search
MOST_CALLS = 64  # more are no job for a fit: the solvers themselves are exact by then


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """The table, and what is known of it.

    `error` and `seed_errors` are root mean square differences from the teacher's endpoints, relative to
    those, over the first SEARCHED trajectories, which the fit has seen. `chosen` is whether the table is a
    fitted one; if not, it is the best seed. `images` is what the fit cost, in denoiser calls x images.
    """

    program: Program
    error: float
    seed_errors: tuple[float, ...]
    images: int
    chosen: bool


def fit(
    trajectories: Trajectories,
    denoise: Denoise,
    guidance: Sequence[float],
    *,
    seeds: Sequence[Program] = (),
    report: Report = lambda what, share: None,
) -> Fitted:
    """The table of as many calls as `guidance` has weights whose endpoints are nearest to the teacher's.

    Its timesteps are some of the teacher's; `guidance[i]` is w_i of its call i, whatever the teacher's was.
    `seeds` are hand-made tables: the search begins at their timesteps too, and where one of them is nearer to
    the endpoints than what was fitted, it is the result. The same arguments give the same table.
    Raises ProgramError where the calls are none, more than the teacher's or than MOST_CALLS, for a seed that
    draws noise, and where the denoiser gives numbers that are not finite.
    """
    n, of = len(guidance), trajectories.program.calls
    if not 1 <= n <= min(of, MOST_CALLS):
        raise ProgramError(
            f"{n} calls cannot be fitted to {of}", f"Ask for 1 to {min(of, MOST_CALLS)}, or a longer teacher"
        )
    few = range(min(SEARCHED, len(trajectories.start)))
    # A row has a dozen numbers and each trajectory tells thousands, so few teach; which of two students is
    # nearer differs from picture to picture, so most judge.
    taught = np.arange(len(few)) % 3 == 0
    lesson = Lesson(
        trajectories=trajectories,
        denoise=denoise,
        guidance=tuple(float(w) for w in guidance),
        which=few,
        taught=taught,
        held=~taught if len(few) > 1 else taught,
    )
    begin = starts(n, of) + [
        nearest(seed.timesteps, trajectories.program.timesteps) for seed in seeds if seed.calls == n
    ]
    best, images = descend(_learn(lesson, RIDGES[0]), begin, of, STUDENTS * n * len(few), report)
    return _judged(lesson, best, images, seeds, report)


def _learn(lesson: Lesson, ridge: float) -> Learn:
    return lambda places, known: learned_by(lesson, places, ridge, known)


def _judged(lesson: Lesson, best: Run, images: int, seeds: Sequence[Program], report: Report) -> Fitted:
    """The ridge that does best on what is held, then rows fitted to all, with the seeds beside them."""
    tried = [best, *(learned_by(lesson, best.places, ridge) for ridge in RIDGES[1:])]
    ridge = RIDGES[min(range(len(tried)), key=lambda k: tried[k].error)]
    report("rows", 0.0)
    final = learned_by(_of_all(lesson, range(len(lesson.trajectories.start))), best.places, ridge)
    judge = _of_all(lesson, lesson.which)
    runs = [as_given(judge, program) for program in (_sound(final.program, lesson), *seeds)]
    report("rows", 1.0)
    first = min(runs, key=lambda run: run.error)  # the fitted one, of equals
    return Fitted(
        program=first.program,
        error=first.error,
        seed_errors=tuple(run.error for run in runs[1:]),
        images=images + sum(run.images for run in (*tried[1:], final, *runs)),
        chosen=first is runs[0],
    )


def _of_all(lesson: Lesson, which: range) -> Lesson:
    """The same lesson, taught by all of `which` and judged by all."""
    everything = np.ones(len(which), dtype=bool)
    return replace(lesson, which=which, taught=everything, held=everything)


def _sound(program: Program, lesson: Lesson) -> Program:
    """The program with its source, validated; raises ProgramError where no bundle may hold its numbers."""
    source = f"{program.calls} fitted calls after {lesson.trajectories.program.source}"
    try:
        return Program.model_validate(program.model_dump() | {"source": source})
    except ValidationError as error:
        raise ProgramError(f"No table was found: {error.errors()[0]['msg']}", "Ask for other calls") from None
