"""The space of plans: what each technique may be set to for this model, device and floor."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from burnish.build import check_plan
from burnish.core.errors import PlanError
from burnish.core.model import Device, ModelCard
from burnish.core.plan import EVERYWHERE, Floor, Plan, Precision, Weights

FITTED, OWN = "fitted", "own"
SOLVERS = ("UniPCMultistepScheduler", "DPMSolverMultistepScheduler")
STEPS = (8, 10, 12, 15, 20, 25, 30, 40)
# Of so few calls a fitted table is no worse than the best solver; what a fit takes grows with them. The same
# picture takes twice as many as another that is as good.
FITTED_STEPS: dict[Floor, tuple[int, ...]] = {"faithful": (8, 10, 12), "equivalent": (4, 5, 6, 8)}
# On which part of the calls there is guidance: the text decides the picture early, so late guidance is left
# out first.
INTERVALS = (EVERYWHERE, (0.0, 0.75), (0.0, 0.5))
# How much of the guidance is left, beyond the conditional pass. Few steps of high order overshoot under a
# guidance that many bear (Lu et al., DPM-Solver++, section 3): a weaker one, where another picture will do.
PARTS: dict[Floor, tuple[float, ...]] = {"faithful": (1.0,), "equivalent": (1.0, 0.6)}
PRECISIONS: tuple[Precision, ...] = ("int8", "bf16", "fp32")
FLOATING = (0.1, 0.0)  # of the most sensitive layers
CACHED_STEPS = 12  # of fewer calls, as few as take the time of cached ones are as near (decision 19)
FRESH = (1 / 5, 1 / 3, 1 / 2)  # of the calls, where the denoiser is cut
MERGED = (0.0, 0.5)  # of the tokens
MOST_CUTS = 2

Ask = Callable[[str, Sequence[Any]], Any]  # gives one of the choices that a name has


@dataclass(frozen=True, kw_only=True)
class Space:
    """Plans that may be worth trying. `cuts` are depths; `weights` more than "" where size is bounded."""

    card: ModelCard
    reference: Plan
    device: Device | None
    floor: Floor
    precisions: tuple[Precision, ...]
    cuts: tuple[int, ...] = ()
    weights: tuple[Weights, ...] = ("",)

    def propose(self, ask: Ask) -> Plan | None:
        """A plan of what `ask` chose; None where a technique does not apply, or the reference is cheaper."""
        changes = self._table(ask) | self._graphs(ask)
        if not changes.get("learned") and changes["num_inference_steps"] >= CACHED_STEPS:
            changes["cut"] = ask("cut", (0, *self.cuts))
        if changes.get("cut"):
            share = ask("fresh", FRESH)
            changes["fresh_calls"] = math.ceil(share * changes["num_inference_steps"])
        plan = self.reference.model_copy(update=changes)
        return plan if self.applies(plan) else None

    def applies(self, plan: Plan) -> bool:
        """Whether each of its techniques applies, and it calls the denoiser no more than the reference."""
        try:
            check_plan(plan, self.card, self.device)
        except PlanError:
            return False
        return plan.num_inference_steps <= self.reference.num_inference_steps

    def every(self) -> Iterator[Plan]:
        """All of them, once each."""
        seen: set[Plan] = set()
        for ask in _every_ask(self.propose):
            if ask is not None and ask not in seen:
                seen.add(ask)
                yield ask

    def first(self) -> Iterator[dict[str, Any]]:
        """What to ask first: fitted tables, of the weakest guidance first, and a good solver, nothing else.

        A fit takes as long as many tries: those of a stronger guidance, which need more calls, come later.
        """
        tables = [
            {"table": FITTED, "fitted_steps": steps, "guidance": part}
            for part in reversed(self._parts)
            for steps in (self._fitted_steps if part == self._parts[-1] else self._fitted_steps[-1:])
        ]
        solver = {"table": SOLVERS[0], "guidance": 1.0, "interval": 0}
        tables += [solver | {"steps": steps} for steps in STEPS[::2]]
        for precision in self.precisions:
            plain = {"precision": precision, "cut": 0, "floating": FLOATING[0], "token_merging": 0.0}
            yield from (plain | {"weights": self.weights[-1]} | table for table in tables)

    @property
    def _guided(self) -> bool:
        return self.card.guidance == "classifier-free" and self.reference.guidance_scale > 1.0

    @property
    def _parts(self) -> tuple[float, ...]:
        return PARTS[self.floor] if self._guided else (1.0,)

    @property
    def _fitted_steps(self) -> tuple[int, ...]:
        return FITTED_STEPS[self.floor]

    def _table(self, ask: Ask) -> dict[str, Any]:
        """Solver, calls and guidance. Of as many passes, fewer fitted calls that are all guided are nearer
        (decision 16), so that a fitted table has no interval.
        """
        name = ask("table", (FITTED, *SOLVERS, OWN))
        scale = self.reference.guidance_scale
        part = ask("guidance", self._parts)
        changes: dict[str, Any] = {"guidance_scale": scale - (1 - part) * (scale - 1)}
        if name == FITTED:
            steps = ask("fitted_steps", self._fitted_steps)
            return changes | {"learned": True, "scheduler": "", "num_inference_steps": steps}
        chosen = self.reference.scheduler if name == OWN else name
        changes |= {"scheduler": chosen, "num_inference_steps": ask("steps", STEPS)}
        if self._guided:
            changes["guidance_interval"] = INTERVALS[ask("interval", tuple(range(len(INTERVALS))))]
        return changes

    def _graphs(self, ask: Ask) -> dict[str, Any]:
        """What the denoiser's graphs are made of."""
        precision = ask("precision", self.precisions)
        merged = {"precision": precision, "token_merging": ask("token_merging", self._merged)}
        if precision == "int8":  # all weights have 8 bits
            return merged | {"floating": ask("floating", FLOATING), "weights": ""}
        return merged | {"floating": 0.0, "weights": ask("weights", self.weights)}

    @property
    def _merged(self) -> tuple[float, ...]:
        return tuple(
            share for share in MERGED if self.applies(Plan(num_inference_steps=1, token_merging=share))
        )


def spread(depths: int) -> tuple[int, ...]:
    """The cuts to try of as many as a denoiser has, spread evenly: neither all is deep nor nothing."""
    return tuple(sorted({-(-depths * k // (MOST_CUTS + 1)) for k in range(1, MOST_CUTS + 1)} - {0}))


def _every_ask(propose: Callable[[Ask], Plan | None]) -> Iterator[Plan | None]:
    """What `propose` gives for every row of answers."""
    waiting: list[tuple[Any, ...]] = [()]
    while waiting:
        given = waiting.pop()
        answers: list[Any] = []

        def ask(
            name: str, choices: Sequence[Any], given: tuple[Any, ...] = given, answers: list[Any] = answers
        ) -> Any:
            if len(answers) < len(given):
                answers.append(given[len(answers)])
            else:
                waiting.extend((*answers, choice) for choice in choices[1:])
                answers.append(choices[0])
            return answers[-1]

        yield propose(ask)
