"""DPM-Solver++ with up to two steps remembered (2M): the noise's decay is solved exactly.

Source: Lu et al., "DPM-Solver++: Fast Solver for Guided Sampling of Diffusion Probabilistic Models"
(2022), algorithm 2. With `lambda = log(alpha / sigma)`, a step of size `h` in lambda is exact but
for how the clean sample that the model sees changes during it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

import olivine.core as mx
from olivine.image.schedulers.base import Scheduler
from olivine.image.schedulers.noise import NoiseSettings, karras, spaced, timestep_of


@dataclass
class DPMSolverSettings(NoiseSettings):
    timestep_spacing: str = "linspace"
    solver_order: int = 2
    solver_type: str = "midpoint"
    algorithm_type: str = "dpmsolver++"
    lower_order_final: bool = True
    euler_at_final: bool = False
    final_sigmas_type: str = "zero"

    def __post_init__(self):
        super().__post_init__()
        self.require("solver_order", (1, 2))
        self.require("solver_type", ("midpoint", "heun"))
        self.require("algorithm_type", ("dpmsolver++",))
        self.require("final_sigmas_type", ("zero", "sigma_min"))


class DPMSolver(Scheduler):
    Settings = DPMSolverSettings

    def __init__(self, settings: DPMSolverSettings):
        super().__init__(settings)
        self._all = self._sigmas()

    def set_steps(self, count: int) -> None:
        self._check(count)
        steps = np.round(spaced(self.settings, count, extra=1))
        sigmas = np.interp(steps, np.arange(len(self._all)), self._all)
        if self.settings.use_karras_sigmas:
            sigmas = karras(self._all[::-1], count)
            steps = np.round(timestep_of(sigmas, self._all))
        last = self._all[0] if self.settings.final_sigmas_type == "sigma_min" else 0.0
        self.timesteps = [int(step) for step in steps]
        self._points = [_point(float(sigma)) for sigma in (*sigmas, last)]
        self._seen: mx.array | None = None

    def noised(self, clean, noise, index) -> mx.array:
        alpha, sigma, _ = self._points[index]
        return alpha * clean + sigma * noise

    def _is_first_order(self, index: int) -> bool:
        settings, count = self.settings, len(self.timesteps)
        final = index == count - 1 and (
            settings.euler_at_final
            or (settings.lower_order_final and count < 15)
            or settings.final_sigmas_type == "zero"
        )
        return settings.solver_order == 1 or self._seen is None or final

    def step(self, output, index, x, noise=None) -> mx.array:
        (alpha, sigma, place), (alpha_to, sigma_to, place_to) = self._points[index : index + 2]
        clean, _ = self._split(output, x, alpha**2)
        decay = math.expm1(place - place_to)  # exp(-h) - 1
        x = (sigma_to / sigma) * x - alpha_to * decay * clean
        if not self._is_first_order(index):
            h, before = place_to - place, place - self._points[index - 1][2]
            change = (clean - self._seen) * (h / before)
            if self.settings.solver_type == "midpoint":
                x = x - (0.5 * alpha_to * decay) * change
            else:
                x = x + alpha_to * (decay / h + 1) * change
        self._seen = clean
        return x


def _point(sigma: float) -> tuple[float, float, float]:
    """Alpha, sigma and lambda where samples are `alpha * clean + sigma * noise`."""
    alpha = 1 / math.sqrt(sigma**2 + 1)
    return alpha, sigma * alpha, -math.log(sigma) if sigma else math.inf
