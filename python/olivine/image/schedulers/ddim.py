"""DDIM: steps along the straight line from a sample to the clean one that the model sees in it.

Source: Song et al., "Denoising Diffusion Implicit Models" (2020).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

import olivine.core as mx
from olivine.image.schedulers.base import Scheduler, require, whole
from olivine.image.schedulers.noise import NoiseSettings, spaced


@dataclass
class DDIMSettings(NoiseSettings):
    clip_sample: bool = True
    clip_sample_range: float = 1.0
    set_alpha_to_one: bool = True
    eta: float = 0.0  # 1 adds as much noise as DDPM does; not in diffusers' files

    def __post_init__(self):
        super().__post_init__()
        self.require("use_karras_sigmas", (False,))


class DDIM(Scheduler):
    Settings = DDIMSettings

    @property
    def noisy(self) -> bool:
        return self.settings.eta > 0

    def set_steps(self, count: int) -> None:
        self._check(count)
        self.timesteps = whole(spaced(self.settings, count))
        self._stride = self.settings.num_train_timesteps // count

    def _alphas(self, index: int) -> tuple[float, float]:
        """Alpha at step `index`, and after it."""
        step = self.timesteps[index]
        before = step - self._stride
        last = 1.0 if self.settings.set_alpha_to_one else self.levels[0]
        return self.levels[step], self.levels[before] if before >= 0 else last

    def step(self, output, index, x, noise=None) -> mx.array:
        alpha, after = self._alphas(index)
        clean, seen = self._split(output, x, alpha)
        if self.settings.clip_sample:
            most = self.settings.clip_sample_range
            clean = mx.clip(clean, -most, most)
        variance = (1 - after) / (1 - alpha) * (1 - alpha / after) * self.settings.eta**2
        x = float(np.sqrt(after)) * clean + float(np.sqrt(1 - after - variance)) * seen
        return x + float(np.sqrt(variance)) * require(noise) if self.noisy else x
