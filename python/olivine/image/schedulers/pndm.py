"""PNDM's linear multi-step method (PLMS): DDIM with the noise of up to four steps combined.

Source: Liu et al., "Pseudo Numerical Methods for Diffusion Models on Manifolds" (2022).
"""

from __future__ import annotations

from dataclasses import dataclass

import olivine.core as mx
from olivine.image.schedulers.base import Scheduler, whole
from olivine.image.schedulers.noise import NoiseSettings, spaced

# Adams-Bashforth's factors of the last outputs, the newest first.
_FACTORS = {
    2: (3 / 2, -1 / 2),
    3: (23 / 12, -16 / 12, 5 / 12),
    4: (55 / 24, -59 / 24, 37 / 24, -9 / 24),
}


@dataclass
class PNDMSettings(NoiseSettings):
    set_alpha_to_one: bool = False
    skip_prk_steps: bool = False

    def __post_init__(self):
        super().__post_init__()
        self.require("skip_prk_steps", (True,))
        self.require("prediction_type", ("epsilon", "v_prediction"))
        self.require("use_karras_sigmas", (False,))


class PNDM(Scheduler):
    """Begins with two outputs for the first step, so that there is one output more than steps."""

    Settings = PNDMSettings

    def set_steps(self, count: int) -> None:
        self._check(count)
        steps = whole(spaced(self.settings, count))
        self._stride = self.settings.num_train_timesteps // count
        self.timesteps = steps[:2] + steps[1:]  # of one step, that one
        self._outputs: list[mx.array] = []
        self._calls = 0  # of `step`, which may begin at a later index

    def step(self, output, index, x, noise=None) -> mx.array:
        step = self.timesteps[index]
        before = step - self._stride
        self._calls += 1
        if self._calls == 2:  # the first step again, with the mean of both ends
            step, before = step + self._stride, step
            output, x = (output + self._outputs[0]) / 2, self._first
        else:
            self._first = x if self._calls == 1 else None
            self._outputs = [output, *self._outputs[:3]]
            factors = _FACTORS.get(len(self._outputs))
            if factors:
                output = sum(f * o for f, o in zip(factors, self._outputs, strict=True))
        last = 1.0 if self.settings.set_alpha_to_one else self.levels[0]
        after = self.levels[before] if before >= 0 else last
        clean, seen = self._split(output, x, self.levels[step])
        return float(after**0.5) * clean + float((1 - after) ** 0.5) * seen
