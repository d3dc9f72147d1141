"""What optimization changed beside quality; parts that lack what they need are left out and say so."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from burnish.api.models import MODELS, is_icons, open_bundle, require_alike
from burnish.api.verdicts import default_judge
from burnish.audit.bias import audit_bias
from burnish.audit.data import Item, Matched, TrainingData, read_data, read_matched
from burnish.audit.folder import read_folder
from burnish.audit.membership import audit_membership
from burnish.audit.memorisation import audit_memorisation
from burnish.audit.novelty import audit_novelty
from burnish.audit.pair import Pair
from burnish.audit.robustness import audit_robustness
from burnish.core.evidence import Prompt, Suite
from burnish.core.findings import Audit, AuditPart, Finding
from burnish.core.model import ModelCard
from burnish.core.source import Model
from burnish.core.suites import SHIPPED, read_suite
from burnish.measure.arena import Report
from burnish.measure.judge import Judge, open_judge
from burnish.measure.suite import general_suite
from burnish.runtime import Pipeline

AUDIT_DATA = MODELS / "icons-audit"
PROMPTS = 40
NEEDS_DATA: tuple[AuditPart, ...] = ("novelty", "bias", "memorisation")


@dataclass(frozen=True, kw_only=True)
class Material:
    """What the parts ask and compare with; what is not at hand is empty."""

    prompts: dict[str, tuple[Prompt, ...]]  # by the name of a suite
    data: TrainingData | None = None
    matched: Matched | None = None

    def of(self, *names: str) -> tuple[Prompt, ...]:
        """The prompts of some suites, each once."""
        found = {p.prompt or p.class_label: p for name in names for p in self.prompts.get(name, ())}
        return tuple(found.values())


PARTS: dict[AuditPart, Callable[[Pair, Material], Finding]] = {
    "robustness": lambda pair, m: audit_robustness(pair, m.of("perturbed")),
    "novelty": lambda pair, m: audit_novelty(pair, m.data, m.of("trained", "held-out", "unseen")),
    "bias": lambda pair, m: audit_bias(pair, m.data, m.of("people")),
    "memorisation": lambda pair, m: audit_memorisation(pair, m.data, m.of("duplicates"), m.of("held-out")),
    "membership": lambda pair, m: audit_membership(pair, m.matched),
}
WITHOUT_TEXT: tuple[AuditPart, ...] = ("memorisation",)  # what can be asked of a model that reads none


def audit(
    bundle: Path,
    against: Model,
    *,
    only: Sequence[AuditPart] = tuple(PARTS),
    suite: Suite | None = None,
    data: Path | None = None,
    judge: Path | None = None,
    prompts: int = PROMPTS,
    seeds: tuple[int, ...] = (0,),
    report: Report = lambda what, fraction: None,
) -> Audit:
    """What `bundle` does otherwise than `against` (a bundle, or a model with its default plan).

    `suite` replaces the icons model's own; `data` is a folder of training pictures (see `audit.folder`).
    A part draws at most `prompts` prompts, but robustness every form of so many. Raises BundleError,
    ModelError, SuiteError.
    """
    optimized, original = Pipeline(bundle), open_bundle(against)
    require_alike(optimized, original)
    card = original.bundle.model
    opened = open_judge(judge) if judge else default_judge(card, "equivalent")
    pair = Pair(
        original=original, optimized=optimized, judge=opened, seeds=seeds, most=prompts, report=report
    )
    material = _material(card, opened, only, suite, data, report)
    return Audit(
        bundle=optimized.bundle.identity,
        against=original.bundle.identity,
        judge=opened.digest,
        data=material.data.name if material.data else "",
        prompts=prompts,
        seeds=len(seeds),
        findings=tuple(_found(part, pair, material) for part in PARTS if part in only),
    )


def _found(part: AuditPart, pair: Pair, material: Material) -> Finding:
    if not pair.original.bundle.model.reads_text and part not in WITHOUT_TEXT:
        return Finding(part=part, left_out="the model reads no text")
    return PARTS[part](pair, material)


def _material(
    card: ModelCard,
    judge: Judge,
    only: Sequence[AuditPart],
    suite: Suite | None,
    folder: Path | None,
    report: Report,
) -> Material:
    training: TrainingData | None = None
    if folder is not None:
        training = read_folder(
            folder, judge, lambda done, of: report(f"training pictures {done}/{of}", done / of)
        )
    elif is_icons(card) and set(only) & set(NEEDS_DATA):
        training = read_data(AUDIT_DATA, judge)
    asked = _prompts(card, suite, training if folder else None)
    shipped = is_icons(card) and "membership" in only
    return Material(prompts=asked, data=training, matched=read_matched(AUDIT_DATA) if shipped else None)


def _prompts(
    card: ModelCard, suite: Suite | None, folder: TrainingData | None
) -> dict[str, tuple[Prompt, ...]]:
    """A suite of the user's is asked for everything; captions of a folder are what was trained on."""
    if suite is None and folder is None and is_icons(card):
        return {path.stem: read_suite(path).confirmation for path in sorted(SHIPPED.glob("*.yaml"))}
    given = suite or general_suite(card)
    found = dict.fromkeys(("perturbed", "people", "unseen"), given.confirmation)
    if not card.reads_text:
        return found | {"duplicates": given.confirmation}  # without text, all that is drawn is recited or not
    if folder is not None:
        trained, held_out = (_captions(folder.items_of(trained=t)) for t in (True, False))
        return found | {"trained": trained, "duplicates": trained, "held-out": held_out}
    return found | {"duplicates": given.confirmation}


def _captions(items: Sequence[Item]) -> tuple[Prompt, ...]:
    texts = dict.fromkeys(item.caption for item in items if item.caption)
    return tuple(Prompt(prompt=text) for text in texts)
