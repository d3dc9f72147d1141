"""Suite, Measurement, Verdict: what was asked, what it cost, what follows."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from pydantic import Field, FiniteFloat, model_validator

from burnish.core.values import Part, Value

Outcome = Literal["PASS", "FAIL", "INCONCLUSIVE"]
EXIT_CODE: dict[Outcome, int] = {"PASS": 0, "FAIL": 1, "INCONCLUSIVE": 3}


class Prompt(Part):
    """One line of a suite: what is asked of the model, and the slices it belongs to.

    A `variant_of` another prompt (a typo, a translation) is judged by what that one asks for, and all its
    variants are one observation: they are not independent.
    """

    prompt: str = ""
    class_label: int | None = None
    tags: tuple[str, ...] = ()
    variant_of: str = ""

    @property
    def meant(self) -> str:
        """What the judge compares the picture with."""
        return self.variant_of or self.prompt

    @property
    def unit(self) -> str:
        """What all lines that are not independent of this one share."""
        alone = self.prompt if self.class_label is None else f"{self.class_label} {self.prompt}"
        return self.variant_of or alone


class Suite(Value):
    """Prompts, each with the same number of seeds; selection chooses, confirmation judges."""

    remedy: ClassVar[str] = "Correct the suite; the cookbook's page on guarding a change has one"

    name: str
    selection: tuple[Prompt, ...]
    confirmation: tuple[Prompt, ...]
    seeds: tuple[int, ...] = Field(default=(0,), min_length=1)

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        """The gate counts every line as an independent observation, so none may come twice."""
        seen = set()
        for p in (*self.selection, *self.confirmation):
            if (p.prompt, p.class_label) in seen:
                raise ValueError(f"the prompt {p.prompt or p.class_label!r} stands there twice")
            seen.add((p.prompt, p.class_label))
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError("a seed stands there twice")
        return self


class Interval(Part):
    """A mean with its two-sided confidence interval."""

    mean: FiniteFloat
    low: FiniteFloat
    high: FiniteFloat
    n: int
    confidence: float = 0.90  # two-sided: 95 % at each end


class Check(Part):
    """One paired comparison: a metric, its non-inferiority margin with its reason, and what follows."""

    metric: str
    unit: str
    interval: Interval
    bound: float  # for PASS the interval's worse end must be on the good side of this
    direction: Literal["higher", "lower"]
    tolerated: float | None = None  # for FAIL its better end must be beyond this; None: the bound
    why: str
    outcome: Outcome
    prompts_to_decide: int = 0  # for INCONCLUSIVE: about how many prompts would decide


class Verdict(Value):
    """What the gate says of a candidate against its reference, and every check behind it."""

    floor: str
    outcome: Outcome
    checks: tuple[Check, ...]
    slices: tuple[Check, ...] = ()  # one a slice, each of which must pass too
    watched: tuple[Check, ...] = ()  # what is looked at by name and decides nothing; FAIL is an alarm
    controls: tuple[Check, ...] = ()
    rival: Check | None = None  # what decides on the reference with the calls that the candidate's time pays
    advisory: dict[str, float] = Field(default_factory=dict)
    prompts: int = 0
    seeds: int = 0
    candidate: str = ""  # identity of the bundle that was judged
    reference: str = ""  # identity of the bundle that it was compared with
    suite: str = ""  # sha256 of the suite
    judge: str = ""  # sha256 of the judge's weights
    features: str = ""  # of the encoder's that sees distances; the judge's where it does


class Planned(Value):
    """How many prompts would decide, estimated on a few before the run; each check by its name."""

    floor: str
    pilot: int  # prompts that it was estimated on
    needed: dict[str, int]  # for a verdict in 80 % of runs, were the candidate as good as the reference
    there: dict[str, int]  # confirmation prompts of the suite that count for the check


class Quality(Value):
    """How good a bundle's pictures of a suite are, each metric a mean over prompts with its interval.

    Against a reference, pairs of pictures are compared too. Nothing is judged: that is the gate's.
    """

    bundle: str  # its identity
    against: str = ""  # the reference's; "" where there is none
    suite: str  # sha256 of the suite
    judge: str  # sha256 of the judge's weights
    metrics: dict[str, Interval]
    advisory: dict[str, float] = Field(default_factory=dict)  # of whole sets of pictures
    seeds: int


class Measurement(Value):
    """Costs of making pictures on one machine, per image unless it says otherwise."""

    bundle: str  # its identity, or the digest of the model where diffusers ran it
    batch: int = 1
    calls: int = 0
    passes: int = 0
    latency_s: float = 0.0
    cpu_s: float = 0.0
    peak_mib: float = 0.0
    disk_mib: float = 0.0
    cold_start_s: float = 0.0  # from the start of a process to its end, one batch of pictures
    first_peak_mib: float = 0.0  # the first time on a machine, when graphs are compiled
    first_start_s: float = 0.0
    energy_j: float = 0.0  # of one image
    energy_from: str = ""  # how that is known: a counter of the machine, or an estimate and its assumption
