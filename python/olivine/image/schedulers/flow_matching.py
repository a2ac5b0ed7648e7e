"""Euler's method on the straight paths of flow matching, with sigmas moved towards noise.

Sources: Lipman et al., "Flow Matching for Generative Modeling" (2022); Esser et al., "Scaling
Rectified Flow Transformers for High-Resolution Image Synthesis" (2024), whose section 5.3.2 has
the shift.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

import olivine.core as mx
from olivine.image.schedulers.base import Scheduler
from olivine.image.settings import Settings


@dataclass
class FlowSettings(Settings):
    num_train_timesteps: int = 1000
    shift: float = 1.0
    use_dynamic_shifting: bool = False
    base_shift: float = 0.5
    max_shift: float = 1.15
    base_image_seq_len: int = 256
    max_image_seq_len: int = 4096
    time_shift_type: str = "exponential"

    refused = (
        "invert_sigmas",
        "shift_terminal",
        "stochastic_sampling",
        "use_beta_sigmas",
        "use_exponential_sigmas",
        "use_karras_sigmas",
    )

    def __post_init__(self):
        super().__post_init__()
        self.require("time_shift_type", ("exponential",))


class FlowMatching(Scheduler):
    """Samples are `(1 - sigma) * clean + sigma * noise`; the model predicts their difference."""

    Settings = FlowSettings

    def __init__(self, settings: FlowSettings):
        self.settings = settings
        self.timesteps = []

    def set_steps(self, count: int, length: int | None = None) -> None:
        """`length` is the number of an image's tokens, which dynamic shifts depend on."""
        self._check(count)
        sigmas = np.linspace(1.0, 1 / count, count)
        shift = self.settings.shift
        if self.settings.use_dynamic_shifting:
            shift = math.exp(self._logarithm(length))
        sigmas = shift * sigmas / (1 + (shift - 1) * sigmas)
        self.sigmas = [*map(float, sigmas), 0.0]
        self.timesteps = [sigma * self.settings.num_train_timesteps for sigma in self.sigmas[:-1]]

    def _logarithm(self, length: int | None) -> float:
        """Of the shift; it grows along a line through the two lengths of the settings."""
        own = self.settings
        if length is None:
            raise ValueError("[image] expected the number of tokens: shifts depend on it")
        slope = (own.max_shift - own.base_shift) / (own.max_image_seq_len - own.base_image_seq_len)
        return own.base_shift + slope * (length - own.base_image_seq_len)

    def noised(self, clean, noise, index) -> mx.array:
        sigma = self.sigmas[index]
        return (1 - sigma) * clean + sigma * noise

    def step(self, output, index, x, noise=None) -> mx.array:
        return x + output * (self.sigmas[index + 1] - self.sigmas[index])
