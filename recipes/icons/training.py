"""What every training run here shares: data, Muon, EMA, checkpoints that resume, a progress line."""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from recipes.icons.render import DATA

RUNS = DATA.parent
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")


@dataclass(frozen=True)
class Icons:
    """Rendered icons (n, 64, 64, 3; uint8) with their rows of icons.jsonl."""

    images: np.ndarray
    rows: list[dict]

    def of(self, *splits: str) -> Icons:
        """The icons of these splits, in order."""
        keep = [k for k, row in enumerate(self.rows) if row["split"] in splits]
        return Icons(self.images[keep], [self.rows[k] for k in keep])

    def batch(self, index: np.ndarray | list[int]) -> Tensor:
        """(b, 3, 64, 64) in [-1, 1] on the training device."""
        pixels = torch.from_numpy(np.ascontiguousarray(self.images[index])).to(DEVICE)
        return pixels.permute(0, 3, 1, 2).float().div_(127.5).sub_(1.0)

    def draw(self, step: int, batch: int, seed: int = 0) -> np.ndarray:
        """The indices of batch number `step`: by sampling weight, each epoch shuffled anew.

        A function of its arguments alone, so that a resumed run sees what it would have seen.
        """
        weights = np.array([row["weight"] for row in self.rows])
        edges = np.cumsum(weights / weights.sum())
        per_epoch = max(1, int(weights.sum()) // batch)
        epoch, number = divmod(step, per_epoch)
        rng = np.random.default_rng((seed, epoch))
        points = (np.arange(per_epoch * batch) + rng.random(per_epoch * batch)) / (per_epoch * batch)
        drawn = rng.permutation(np.minimum(np.searchsorted(edges, points), len(edges) - 1))
        return drawn[number * batch : (number + 1) * batch]


def read_icons() -> Icons:
    """Everything that `render` wrote; raises FileNotFoundError before it has run."""
    rows = [json.loads(line) for line in (DATA / "icons.jsonl").read_text().splitlines()]
    return Icons(np.load(DATA / "images.npy", mmap_mode="r"), rows)


class Muon(torch.optim.Optimizer):
    """Momentum with orthogonalised updates for weights of two or more dimensions.

    Convolutions count as matrices (out, in*k*k). Source: K. Jordan et al., "Muon", 2024; the
    update is scaled by sqrt(max(1, rows/columns)), as in that note.
    """

    def __init__(self, params: list[nn.Parameter], lr: float, momentum: float = 0.95) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self) -> None:  # type: ignore[override]  # takes no closure
        """One update; parameters without a gradient stay."""
        for group in self.param_groups:
            shapes: dict[tuple[int, int], list[tuple[nn.Parameter, Tensor]]] = {}
            for p in group["params"]:
                if p.grad is None:
                    continue
                state = self.state[p]
                buffer = state.setdefault("momentum", torch.zeros_like(p))
                buffer.lerp_(p.grad, 1 - group["momentum"])
                update = p.grad.lerp(buffer, group["momentum"]).flatten(1)
                shapes.setdefault((update.shape[0], update.shape[1]), []).append((p, update))
            for (rows, columns), members in shapes.items():
                whitened = orthogonalise(torch.stack([u for _, u in members]))
                scale = group["lr"] * max(1.0, rows / columns) ** 0.5
                for (p, _), update in zip(members, whitened, strict=True):
                    p.add_(update.view_as(p).to(p.dtype), alpha=-scale)


def orthogonalise(matrices: Tensor, steps: int = 5) -> Tensor:
    """The nearest half-orthogonal matrices of (n, rows, columns), by a quintic Newton-Schulz iteration."""
    x = matrices.bfloat16()
    tall = x.shape[1] > x.shape[2]
    if tall:
        x = x.mT
    x = x / (x.float().norm(dim=(1, 2), keepdim=True).clamp_min(1e-7)).bfloat16()
    for _ in range(steps):
        gram = x @ x.mT
        x = 3.4445 * x + (-4.7750 * gram + 2.0315 * gram @ gram) @ x
    return x.mT if tall else x


def optimizers(model: nn.Module, muon_lr: float, adam_lr: float) -> list[torch.optim.Optimizer]:
    """Muon for weights with two or more dimensions but embeddings, AdamW for the rest."""
    embeddings = {id(m.weight) for m in model.modules() if isinstance(m, nn.Embedding)}
    named = [p for p in model.parameters() if p.requires_grad]
    matrices = [p for p in named if p.ndim >= 2 and id(p) not in embeddings]
    others = [p for p in named if p.ndim < 2 or id(p) in embeddings]
    return [
        Muon(matrices, lr=muon_lr),
        torch.optim.AdamW(others, lr=adam_lr, betas=(0.9, 0.98), weight_decay=0.0),
    ]


class EMA:
    """A running average of a model's weights, warmed up as (1 + n) / (10 + n)."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.model = copy.deepcopy(model).eval().requires_grad_(False)
        self.decay, self.updates = decay, 0

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Moves the average towards `model`."""
        self.updates += 1
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        mine, theirs = list(self.model.parameters()), list(model.parameters())
        torch._foreach_lerp_(mine, theirs, 1 - decay)
        for own, live in zip(self.model.buffers(), model.buffers(), strict=True):
            own.copy_(live)  # running statistics are averages already


@dataclass
class Run:
    """A resumable training run: `loss(step)` gives a scalar; everything else is here."""

    name: str
    model: nn.Module
    steps: int
    muon_lr: float
    adam_lr: float
    ema_decay: float = 0.999
    decay_from: float = 0.5  # the learning rate is constant until here, then falls to zero
    save_every: int = 250
    evaluate: Callable[[nn.Module, int], None] | None = None

    @property
    def path(self) -> Path:
        return RUNS / self.name / "checkpoint.pt"

    def rate(self, step: int) -> float:
        """Factor of the learning rate: warm-up, plateau, linear fall."""
        done = step / self.steps
        return min(1.0, (step + 1) / 100) * min(1.0, max(0.0, (1 - done) / (1 - self.decay_from)))

    def train(self, loss: Callable[[int], Tensor]) -> nn.Module:
        """Trains to `steps` from the last checkpoint and returns the averaged model."""
        ema = EMA(self.model, self.ema_decay)
        optims = optimizers(self.model, self.muon_lr, self.adam_lr)
        first = self._resume(ema, optims)
        started, mean = time.monotonic(), 0.0
        for step in range(first, self.steps):
            for o, lr in zip(optims, (self.muon_lr, self.adam_lr), strict=True):
                for g in o.param_groups:
                    g["lr"] = lr * self.rate(step)
            value = loss(step)
            if not torch.isfinite(value):
                raise FloatingPointError(f"{self.name}: loss is not finite at step {step}")
            value.backward()
            nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
            for o in optims:
                o.step()
                o.zero_grad(set_to_none=True)
            ema.update(self.model)
            mean = value.item() if step == first else 0.98 * mean + 0.02 * value.item()
            last = step + 1 == self.steps
            if (step + 1) % 20 == 0 or last:
                pace = (time.monotonic() - started) / (step + 1 - first)
                print(
                    f"{self.name} {step + 1}/{self.steps} loss {mean:.4f} {pace:.2f} s/step "
                    f"{pace * (self.steps - step - 1) / 60:.0f} min left",
                    flush=True,
                )
            if (step + 1) % self.save_every == 0 or last:
                self._save(step + 1, ema, optims)
                if self.evaluate:
                    self.evaluate(ema.model, step + 1)
        return ema.model

    def _save(self, step: int, ema: EMA, optims: list[torch.optim.Optimizer]) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        aside = self.path.with_suffix(".part")
        torch.save(
            {
                "step": step,
                "model": self.model.state_dict(),
                "ema": ema.model.state_dict(),
                "updates": ema.updates,
                "optims": [o.state_dict() for o in optims],
            },
            aside,
        )
        aside.replace(self.path)

    def _resume(self, ema: EMA, optims: list[torch.optim.Optimizer]) -> int:
        if not self.path.exists():
            return 0
        kept = torch.load(self.path, map_location=DEVICE, weights_only=True)
        self.model.load_state_dict(kept["model"])
        ema.model.load_state_dict(kept["ema"])
        ema.updates = kept["updates"]
        for o, state in zip(optims, kept["optims"] or [], strict=bool(kept["optims"])):
            o.load_state_dict(state)
        return int(kept["step"])


def averaged(name: str, model: nn.Module) -> tuple[nn.Module, int]:
    """`model` with the averaged weights of the run's last checkpoint, and the steps behind them."""
    kept = torch.load(RUNS / name / "checkpoint.pt", map_location="cpu", weights_only=True)
    model.load_state_dict(kept["ema"])
    return model.cpu().eval(), int(kept["step"])


def autocast() -> torch.autocast:
    """bf16 where the device has it in hardware."""
    fast = DEVICE.type == "cuda" or torch.cpu._is_avx512_bf16_supported()
    return torch.autocast(DEVICE.type, torch.bfloat16, enabled=fast)
