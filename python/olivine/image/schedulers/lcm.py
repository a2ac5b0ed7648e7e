"""Latent consistency models: every step goes to a clean sample, and all but the last back.

Source: Luo et al., "Latent Consistency Models: Synthesizing High-Resolution Images with Few-Step
Inference" (2023).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

import olivine.core as mx
from olivine.image.schedulers.base import Scheduler, require
from olivine.image.schedulers.noise import NoiseSettings

SIGMA_DATA = 0.5


@dataclass
class LCMSettings(NoiseSettings):
    beta_start: float = 0.00085
    beta_end: float = 0.012
    beta_schedule: str = "scaled_linear"
    original_inference_steps: int = 50
    clip_sample: bool = False
    clip_sample_range: float = 1.0
    set_alpha_to_one: bool = True
    timestep_scaling: float = 10.0

    def __post_init__(self):
        super().__post_init__()
        self.require_no_more("original_inference_steps", "num_train_timesteps")
        self.require("use_karras_sigmas", (False,))


class LCM(Scheduler):
    noisy = True
    Settings = LCMSettings

    def set_steps(self, count: int) -> None:
        taught = self.settings.original_inference_steps
        if not 1 <= count <= taught:
            raise ValueError(f"[image] expected from 1 to {taught} steps; got {count}")
        stride = self.settings.num_train_timesteps // taught
        places = np.linspace(0, taught, count, endpoint=False).astype(int)
        self.timesteps = [int(taught - place) * stride - 1 for place in places]

    def step(self, output, index, x, noise=None) -> mx.array:
        step = self.timesteps[index]
        scaled = step * self.settings.timestep_scaling
        keep = SIGMA_DATA**2 / (scaled**2 + SIGMA_DATA**2)
        use = scaled / (scaled**2 + SIGMA_DATA**2) ** 0.5
        clean, _ = self._split(output, x, self.levels[step])
        if self.settings.clip_sample:
            most = self.settings.clip_sample_range
            clean = mx.clip(clean, -most, most)
        clean = use * clean + keep * x
        if index == len(self.timesteps) - 1:
            return clean
        level = self.levels[self.timesteps[index + 1]]
        return float(level**0.5) * clean + float((1 - level) ** 0.5) * require(noise)
