"""How much noise each of the steps of training added, and at which of them sampling stops by.

A model learned to undo the noise of step `t` of `num_train_timesteps`. There a sample is
`sqrt(alpha_t) * clean + sqrt(1 - alpha_t) * noise`, where `alpha_t` is the product of all
`1 - beta` up to `t` (Ho et al., "Denoising Diffusion Probabilistic Models", 2020). Divided by
`sqrt(alpha_t)` it is `clean + sigma_t * noise` (Karras et al., "Elucidating the Design Space of
Diffusion-Based Generative Models", 2022).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from olivine.image.settings import Settings

# What stands in for the last alpha, 0, where a sigma is needed: its sigma is 4,096.
TINY = 2.0**-24


@dataclass
class NoiseSettings(Settings):
    """What the schedulers of diffusion models read from scheduler_config.json."""

    num_train_timesteps: int = 1000
    beta_start: float = 1e-4
    beta_end: float = 0.02
    beta_schedule: str = "linear"
    trained_betas: list | None = None
    prediction_type: str = "epsilon"
    timestep_spacing: str = "leading"
    steps_offset: float = 0  # a whole number, from 0
    rescale_betas_zero_snr: bool = False
    use_karras_sigmas: bool = False

    refused = (
        "thresholding",
        "use_exponential_sigmas",
        "use_beta_sigmas",
        "use_lu_lambdas",
        "use_flow_sigmas",
    )

    def __post_init__(self):
        super().__post_init__()
        self.require("beta_schedule", ("linear", "scaled_linear", "squaredcos_cap_v2"))
        self.require("prediction_type", ("epsilon", "v_prediction", "sample"))
        self.require("timestep_spacing", ("leading", "linspace", "trailing"))


def betas(settings: NoiseSettings) -> np.ndarray:
    """The variance that each step of training adds."""
    count = settings.num_train_timesteps
    first, last = settings.beta_start, settings.beta_end
    if settings.trained_betas is not None:
        return np.array(settings.trained_betas, np.float64)
    if settings.beta_schedule == "linear":
        return np.linspace(first, last, count)
    if settings.beta_schedule == "scaled_linear":
        return np.linspace(first**0.5, last**0.5, count) ** 2
    # Nichol and Dhariwal, "Improved Denoising Diffusion Probabilistic Models" (2021).
    level = np.cos((np.arange(count + 1) / count + 0.008) / 1.008 * math.pi / 2) ** 2
    return np.minimum(1 - level[1:] / level[:-1], 0.999)


def alphas(settings: NoiseSettings) -> np.ndarray:
    """The share of the clean sample's variance after each step."""
    out = np.cumprod(1 - betas(settings))
    if settings.rescale_betas_zero_snr:
        # Nothing of the sample is left at the last step. Source: Lin et al., "Common Diffusion
        # Noise Schedules and Sample Steps Are Flawed" (2023).
        root = np.sqrt(out)
        out = ((root - root[-1]) * root[0] / (root[0] - root[-1])) ** 2
    return out


def spaced(settings: NoiseSettings, count: int, extra: int = 0) -> np.ndarray:
    """`count` of the steps of training, from the last to the first.

    The three ways are those of table 2 of Lin et al. (2023); with `extra` the others than
    `trailing` lay out that many more and leave out the last.
    """
    total, laid = settings.num_train_timesteps, count + extra
    if settings.timestep_spacing == "linspace":
        steps = np.linspace(0, total - 1, laid)[::-1]
    elif settings.timestep_spacing == "leading":
        steps = np.arange(laid)[::-1] * (total // laid) + settings.steps_offset
    else:
        steps = np.round(np.arange(total, 0, -total / count)) - 1
    return steps[:count].astype(np.float64)


def karras(sigmas: np.ndarray, count: int, rho: float = 7.0) -> np.ndarray:
    """Sigmas from the largest to the smallest one, close together where they are small.

    Source: equation 5 of Karras et al. (2022).
    """
    first, last = sigmas[0] ** (1 / rho), sigmas[-1] ** (1 / rho)
    return (first + np.linspace(0, 1, count) * (last - first)) ** rho


def timestep_of(sigma: np.ndarray, sigmas: np.ndarray) -> np.ndarray:
    """Where among all `sigmas`, which grow, the logarithm of `sigma` lies."""
    return np.interp(np.log(sigma), np.log(sigmas), np.arange(len(sigmas)))
