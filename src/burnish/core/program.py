"""Program: a sampler as a triangular table. Data only; `burnish.program` reads it, the runtime runs it.

x_i = W[i,0] x_T + sum_{j<i} W[i,1+j] m_j + sum_{j<i} W[i,1+N+j] z_j      i = 0 .. N
m_i = denoiser(input_scale[i] * x_i, timestep[i], condition)              m = u + w_i (c - u)
deep_i = sum_{j<=i} E[i,j] d_j                  E[i,i] = 1 alone: call i computes its own deep features d_i
"""

from __future__ import annotations

from typing import Self

from pydantic import model_validator

from burnish.core.values import Part, Value

# A scheduler that begins in nearly pure noise divides by what is left of the picture: 2e4 on the cosine
# schedule, 6e8 on a linear one stretched to 4000 timesteps, the most that diffusers' schedulers gave. Three
# numbers within this bound multiply to 1e36, which is still a float32.
MOST = 1e12


class Row(Part):
    """One state x_i: a combination of the start, the i outputs before it, and the i fresh noises."""

    start: float
    outputs: tuple[float, ...] = ()
    noises: tuple[float, ...] = ()  # empty in a deterministic program


class Program(Value):
    """N denoiser calls and the N + 1 states they make. The last row is the picture (or its latents).

    `timesteps[i]` is what call i gives the denoiser; `guidance[i]` is w_i, 1.0 = conditional pass alone.
    `estimate[i]` = (a, b): the clean picture as call i sees it is a * x_i + b * m_i.
    `deep[i]` = E[i, 0 .. i]: of which calls' deep features call i's are made; () where each computes its own.
    `image_scale`: the start is image_scale * image + rows[0].start * noise; 0 for text-to-image.
    `source` says in words where the table comes from.
    """

    timesteps: tuple[float, ...]
    input_scale: tuple[float, ...]
    guidance: tuple[float, ...]
    estimate: tuple[tuple[float, float], ...]
    rows: tuple[Row, ...]
    deep: tuple[tuple[float, ...], ...] = ()
    image_scale: float = 0.0
    source: str = ""

    @property
    def calls(self) -> int:
        """N, the number of denoiser calls."""
        return len(self.timesteps)

    @property
    def passes(self) -> int:
        """Denoiser passes an image costs: a guided call is two, a conditional call one."""
        return sum(1 if w == 1.0 else 2 for w in self.guidance)

    def fresh(self, i: int) -> bool:
        """Whether call i computes its deep features; otherwise it combines those of earlier calls."""
        return not self.deep or self.deep[i][i] == 1.0

    @property
    def fresh_passes(self) -> int:
        """Of the passes, those that compute deep features."""
        return sum((1 if w == 1.0 else 2) * self.fresh(i) for i, w in enumerate(self.guidance))

    @property
    def stochastic(self) -> bool:
        """Whether any step draws fresh noise."""
        return any(z != 0.0 for row in self.rows for z in row.noises)

    @model_validator(mode="after")
    def _triangular(self) -> Self:
        n = self.calls
        if n == 0:
            raise ValueError("a program has at least one call")
        if not len(self.input_scale) == len(self.guidance) == len(self.estimate) == n:
            raise ValueError(f"timesteps, input_scale, guidance and estimate must all have {n} entries")
        if len(self.rows) != n + 1:
            raise ValueError(f"{n} calls need {n + 1} rows, found {len(self.rows)}")
        for i, row in enumerate(self.rows):
            if len(row.outputs) != i or len(row.noises) not in (0, i):
                raise ValueError(f"row {i} must have {i} outputs and {i} or no noises")
        numbers = [x for r in self.rows for x in (r.start, *r.outputs, *r.noises)]
        numbers += [*self.timesteps, *self.input_scale, *self.guidance, self.image_scale]
        numbers += [x for pair in (*self.estimate, *self.deep) for x in pair]
        if not all(abs(x) <= MOST for x in numbers):  # nor is NaN
            raise ValueError(f"every number of a program must be finite, and no further than {MOST:g} from 0")
        self._check_deep()
        if self.image_scale and not self.rows[0].start:
            raise ValueError("image_scale is given, but the start of row 0, which divides it, is 0")
        return self

    def _check_deep(self) -> None:
        """Raises ValueError where a row of E uses features that no pass has computed by then."""
        if self.deep and len(self.deep) != self.calls:
            raise ValueError(f"deep must have {self.calls} rows or none, found {len(self.deep)}")
        if self.deep and self.deep[0] != (1.0,):
            raise ValueError("row 0 of deep must be a 1: nothing is kept before the first call")
        for i, row in enumerate(self.deep):
            if len(row) != i + 1 or (row[i] != 0.0 and row[i] != 1.0) or (row[i] == 1.0 and any(row[:i])):
                raise ValueError(f"row {i} of deep must be {i} zeros and a 1, or {i} numbers and a 0")
            for j in (j for j, e in enumerate(row[:i]) if e):
                if self.deep[j][j] != 1.0:
                    raise ValueError(f"row {i} of deep uses call {j}, which computes no deep features")
                if self.guidance[j] == 1.0 != self.guidance[i]:
                    raise ValueError(f"row {i} of deep is guided, but uses call {j}, which is not")
