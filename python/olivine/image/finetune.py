"""Teaching a Stable Diffusion something new from a few images, as a LoRA of its U-Net.

Sources: Ruiz et al., "DreamBooth: Fine Tuning Text-to-Image Diffusion Models for Subject-Driven
Generation" (2022), for a rare word that names the subject and for images of its class that keep
the model from forgetting it; Hu et al., "LoRA" (2021).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import olivine.core as mx
import olivine.nn as nn
from olivine.image.models.unet import Added
from olivine.image.pipelines.base import Pipeline
from olivine.image.pixels import as_images
from olivine.llm.adapters.model import adapter_layers, add_adapters
from olivine.llm.atomic import whole_file
from olivine.optimizers import AdamW

ATTENTION = ("to_q", "to_k", "to_v", "to_out.0")


@dataclass
class Examples:
    """Latents `(count, height, width, channels)` as mean and deviation, and the features of their
    text, once."""

    mean: mx.array
    deviation: mx.array
    memory: mx.array
    added: Added | None

    @classmethod
    def of(cls, pipeline: Pipeline, images, prompt: str) -> Examples:
        """Of pixels in uint8, `(height, width, 3)` each, all of one size."""
        pixels = np.stack([np.asarray(image) for image in images])
        size = pipeline._size(pixels.shape[1:3], None)
        made = [pipeline.vae.moments(as_images(one, size, 1)) for one in pixels]
        mean, deviation = (mx.concatenate(part) for part in zip(*made, strict=True))
        texts = pipeline.conditions([prompt], None, size, 1.0)
        mx.eval(mean, deviation, texts.memory)
        return cls(mean, deviation, texts.memory, texts.added)


class LoRATrainer:
    """Adapters in the U-Net's attention, and steps that teach them.

    `images` show what `prompt` names, with a rare word in it ("a photo of sks dog");
    `class_images`, if there are any, what `class_prompt` does ("a photo of a dog"), and count
    `prior_weight` as much. Every step draws one image, a step of the diffusion, and noise from
    `seed`.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        images: Sequence,
        prompt: str,
        *,
        class_images: Sequence = (),
        class_prompt: str | None = None,
        prior_weight: float = 1.0,
        rank: int = 4,
        scale: float = 1.0,
        targets: Sequence[str] = ATTENTION,
        learning_rate: float = 1e-4,
        seed: int = 0,
    ):
        of_unet = pipeline.denoiser == "unet" and pipeline.has_latents
        if not of_unet or pipeline._is_inpainting:
            raise ValueError("[image] expected a Stable Diffusion that makes whole images")
        if not len(images) or (len(class_images) > 0) != (class_prompt is not None):
            raise ValueError("[image] expected images, and a class's images with its prompt")
        self.pipeline, self.model = pipeline, pipeline.model
        self.sets = [(Examples.of(pipeline, images, prompt), 1.0)]
        if class_prompt is not None:
            self.sets.append((Examples.of(pipeline, class_images, class_prompt), prior_weight))
        mx.random.seed(seed)
        add_adapters(self.model, rank=rank, scale=scale, targets=targets)
        self._chance = np.random.RandomState(seed % 2**32)
        self._key = mx.random.key(seed)
        self._optimizer = AdamW(learning_rate=learning_rate)
        self._slope = nn.value_and_grad(self.model, self._loss)

    def _loss(self, draws: list[tuple]) -> mx.array:
        """How far the U-Net is from what was mixed into latents, over all that were drawn."""
        total = mx.array(0.0)
        for (examples, weight), (x, step, target) in zip(self.sets, draws, strict=True):
            dtype = self.model.conv_in.weight.dtype
            memory = examples.memory.astype(dtype)
            output = self.model(x.astype(dtype), float(step), memory, examples.added)
            total = total + weight * (output.astype(mx.float32) - target).square().mean()
        return total

    def _draw(self, examples: Examples) -> tuple[mx.array, int, mx.array]:
        """Noisy latents of one image, the step they belong to, and what the U-Net should say."""
        i = self._chance.randint(len(examples.mean))
        step = self._chance.randint(self.pipeline.scheduler.settings.num_train_timesteps)
        self._key, first, second = mx.random.split(self._key, 3)
        mean, config = examples.mean[i : i + 1], self.pipeline.vae.config
        clean = mean + examples.deviation[i : i + 1] * mx.random.normal(mean.shape, key=first)
        clean = (clean - (config.shift_factor or 0.0)) * config.scaling_factor
        noise = mx.random.normal(mean.shape, key=second)
        x, target = self.pipeline.scheduler.taught(clean, noise, mx.array([step]))
        return x, step, target

    def step(self) -> float:
        """One step; returns the loss before it."""
        loss, slopes = self._slope([self._draw(examples) for examples, _ in self.sets])
        self._optimizer.update(self.model, slopes)
        mx.eval(loss, self.model.trainable_parameters(), self._optimizer.state)
        return loss.item()

    def run(self, steps: int) -> Iterator[float]:
        """The losses of so many steps, as they are taken."""
        for _ in range(steps):
            yield self.step()

    def save(self, path: str | os.PathLike) -> None:
        """Write what was learned as a safetensors file that diffusers and `add_lora` read."""
        arrays = {}
        for name, layer in adapter_layers(self.model).items():
            arrays[f"unet.{name}.lora_A.weight"] = mx.contiguous(layer.lora_a.T)
            arrays[f"unet.{name}.lora_B.weight"] = mx.contiguous(layer.scale * layer.lora_b.T)
        with whole_file(Path(path), overwrite=True) as draft:
            mx.save_safetensors(str(draft), arrays, {"format": "pt"})
