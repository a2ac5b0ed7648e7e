"""Euler's method on the sigmas, without and with fresh noise at every step (ancestral).

Sources: Karras et al., "Elucidating the Design Space of Diffusion-Based Generative Models" (2022);
for ancestral sampling Song et al., "Score-Based Generative Modeling" (2021).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

import olivine.core as mx
from olivine.image.schedulers.base import Scheduler, require
from olivine.image.schedulers.noise import NoiseSettings, karras, spaced, timestep_of


@dataclass
class EulerSettings(NoiseSettings):
    timestep_spacing: str = "linspace"
    final_sigmas_type: str = "zero"
    interpolation_type: str = "linear"

    def __post_init__(self):
        super().__post_init__()
        self.require("final_sigmas_type", ("zero", "sigma_min"))
        self.require("interpolation_type", ("linear",))


class Euler(Scheduler):
    """Samples are `clean + sigma * noise`; the model gets them with variance 1."""

    Settings = EulerSettings

    def __init__(self, settings: NoiseSettings):
        super().__init__(settings)
        self._all = self._sigmas()

    def set_steps(self, count: int) -> None:
        self._check(count)
        steps = spaced(self.settings, count)
        sigmas = np.interp(steps, np.arange(len(self._all)), self._all)
        if self.settings.use_karras_sigmas:
            sigmas = karras(sigmas, count)
            steps = timestep_of(sigmas, self._all)
        last = self._all[0] if self.settings.final_sigmas_type == "sigma_min" else 0.0
        self.sigmas = [*map(float, sigmas), float(last)]
        self.timesteps = [float(step) for step in steps]

    def start(self, noise: mx.array) -> mx.array:
        first = max(self.sigmas)
        if self.settings.timestep_spacing == "leading":
            first = (first**2 + 1) ** 0.5
        return noise * first

    def scaled(self, x, index) -> mx.array:
        return x / (self.sigmas[index] ** 2 + 1) ** 0.5

    def noised(self, clean, noise, index) -> mx.array:
        return clean + noise * self.sigmas[index]

    def _slope(self, output: mx.array, x: mx.array, sigma: float) -> mx.array:
        """How a sample changes with sigma: the noise that the model sees in it."""
        if self.settings.prediction_type == "epsilon":
            return output
        if self.settings.prediction_type == "sample":
            return (x - output) / sigma
        clean = x / (sigma**2 + 1) - output * (sigma / (sigma**2 + 1) ** 0.5)
        return (x - clean) / sigma

    def step(self, output, index, x, noise=None) -> mx.array:
        sigma, after = self.sigmas[index : index + 2]
        return x + self._slope(output, x, sigma) * (after - sigma)


class EulerAncestral(Euler):
    noisy = True

    def step(self, output, index, x, noise=None) -> mx.array:
        sigma, after = self.sigmas[index : index + 2]
        fresh = (after**2 * (sigma**2 - after**2) / sigma**2) ** 0.5
        down = (after**2 - fresh**2) ** 0.5
        x = x + self._slope(output, x, sigma) * (down - sigma)
        return x + require(noise) * fresh if fresh else x
