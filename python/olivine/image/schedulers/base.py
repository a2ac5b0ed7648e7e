"""What all schedulers have in common."""

from __future__ import annotations

import numpy as np

import olivine.core as mx
from olivine.image.schedulers.noise import TINY, NoiseSettings, alphas
from olivine.llm.formats.checkpoint import ModelError


class Scheduler:
    """Leads from noise to a sample, step by step.

    `set_steps(count)` lays out the steps; `timesteps` then has what the model is told at each.
    Sampling is::

        x = scheduler.start(noise)
        for i, t in enumerate(scheduler.timesteps):
            x = scheduler.step(model(scheduler.scaled(x, i), t), i, x, noise_i)

    `noisy` says whether `step` needs fresh noise of the sample's shape. A step may remember
    earlier ones, so that steps are taken in order.
    """

    noisy = False
    Settings = NoiseSettings
    config: dict | None = None  # what the settings were read from

    def __init__(self, settings: NoiseSettings):
        self.settings = settings
        self.timesteps: list[float] = []
        self.levels = alphas(settings)

    def _sigmas(self) -> np.ndarray:
        """Sigmas of all steps of training; the last one is 4,096 where it has no end."""
        if self.settings.rescale_betas_zero_snr:
            self.levels[-1] = TINY
        return np.sqrt((1 - self.levels) / self.levels)

    @classmethod
    def from_dict(cls, config: dict):
        """From the dict of a scheduler_config.json."""
        made = cls(cls.Settings.from_dict(config))
        made.config = dict(config)
        return made

    def set_steps(self, count: int) -> None:
        raise NotImplementedError

    def _check(self, count: int) -> None:
        most = self.settings.num_train_timesteps
        if not 1 <= count <= most:
            raise ValueError(f"[image] expected from 1 to {most} steps; got {count}")

    def start(self, noise: mx.array) -> mx.array:
        """The first sample, made of noise of variance 1."""
        return noise

    def scaled(self, x: mx.array, index: int) -> mx.array:
        """A sample as the model takes it."""
        return x

    def noised(self, clean: mx.array, noise: mx.array, index: int) -> mx.array:
        """A clean sample with the noise that it has before step `index`."""
        level = self.levels[int(self.timesteps[index])]
        return float(level**0.5) * clean + float((1 - level) ** 0.5) * noise

    def taught(
        self, clean: mx.array, noise: mx.array, steps: mx.array
    ) -> tuple[mx.array, mx.array]:
        """For training: samples with the noise of `steps` `(batch,)`, and what the model should
        say of each."""
        level = mx.array(self.levels, mx.float32)[steps].reshape(-1, 1, 1, 1)
        signal, spread = mx.sqrt(level), mx.sqrt(1 - level)
        target = {
            "epsilon": noise,
            "sample": clean,
            "v_prediction": signal * noise - spread * clean,
        }[self.settings.prediction_type]
        return signal * clean + spread * noise, target

    def step(
        self, output: mx.array, index: int, x: mx.array, noise: mx.array | None = None
    ) -> mx.array:
        """The next sample, from the model's output at step `index`."""
        raise NotImplementedError

    def _split(self, output: mx.array, x: mx.array, level: float) -> tuple[mx.array, mx.array]:
        """The clean sample and the noise that the model sees in `x`, which has alpha `level`.

        The model predicts either of them, or `v`, a mixture of both (Salimans and Ho,
        "Progressive Distillation for Fast Sampling of Diffusion Models", 2022).
        """
        signal, spread = float(level**0.5), float((1 - level) ** 0.5)
        if self.settings.prediction_type == "epsilon":
            return (x - spread * output) / signal, output
        if self.settings.prediction_type == "sample":
            return output, (x - signal * output) / spread
        return signal * x - spread * output, signal * output + spread * x


def whole(steps: np.ndarray) -> list[int]:
    """Steps of training as whole numbers."""
    return [int(step) for step in np.round(steps)]


def require(x: mx.array | None) -> mx.array:
    """The noise of a step that needs some."""
    if x is None:
        raise ModelError("[image] expected noise: this scheduler adds some at every step")
    return x
