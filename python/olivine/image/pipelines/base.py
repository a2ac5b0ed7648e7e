"""What all pipelines have in common: the loop, and beginning from an image or a part of one."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import olivine.core as mx
import olivine.nn as nn
from olivine.image.pipelines.noise import Noise, SeededNoise
from olivine.image.pixels import as_images, as_masks, to_pixels
from olivine.image.schedulers import Scheduler, make

OnStep = Callable[[int, int, mx.array], None]


@dataclass
class Images:
    """`pixels` `(count, height, width, 3)` in uint8, `latents` that they were decoded from, and
    the seed of each."""

    pixels: mx.array
    latents: mx.array
    seeds: list[int] = field(default_factory=list)


@dataclass
class Start:
    """Latents to begin with, at which step, and for inpainting what to keep."""

    x: mx.array
    first: int = 0
    clean: mx.array | None = None  # latents of the given image
    noise: mx.array | None = None
    mask: mx.array | None = None  # 1 where the image is made anew
    seen: mx.array | None = None  # what inpainting models are shown beside the latents


class Pipeline:
    """A denoiser with its scheduler, autoencoder and encoders of texts.

    `parts` has the models by the names of their folders. Subclasses say how texts are encoded
    (`conditions`) and how the denoiser is called (`predict`).
    """

    steps, guidance = 30, 7.5  # unless others are given
    denoiser = "unet"
    cell = 1  # latents along each axis that belong together
    has_latents = True  # of an autoencoder, which `parts` has as "vae"

    def __init__(self, parts: dict[str, nn.Module], tokenizers: dict, scheduler: Scheduler):
        self.parts, self.tokenizers, self.scheduler = parts, tokenizers, scheduler
        self.folder: Path | None = None  # that it was loaded from
        self.vae = parts.get("vae")
        self.model = parts[self.denoiser]

    # ---- what subclasses have

    def read_index(self, index: dict) -> None:
        """Take what model_index.json says beside the names of parts."""

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of images unless others are given."""
        raise NotImplementedError

    def conditions(self, prompts, negatives, size: tuple[int, int], guidance: float) -> Any:
        """What `predict` needs of the texts."""
        raise NotImplementedError

    def predict(self, x: mx.array, index: int, conditions: Any, guidance: float) -> mx.array:
        """The denoiser's output for latents at step `index` of the scheduler, in float32."""
        raise NotImplementedError

    def set_steps(self, count: int, shape: tuple[int, ...]) -> None:
        self.scheduler.set_steps(count)

    def skipped(self, steps: int, strength: float) -> int:
        """How many steps an image saves: of all steps, the share `strength` is taken."""
        return steps - int(steps * strength)

    # ---- the loop

    def __call__(
        self,
        prompt: str | Sequence[str],
        negative: str | Sequence[str] | None = None,
        *,
        steps: int | None = None,
        guidance: float | None = None,
        size: tuple[int, int] | None = None,
        count: int = 1,
        seed: int | None = None,
        image=None,
        mask=None,
        strength: float | None = None,
        tile: int | None = None,
        on_step: OnStep | None = None,
        noise: Noise | None = None,
    ) -> Images:
        """Images of a prompt, or one for each of several prompts.

        negative: what the images should not show. guidance: how much the prompt counts; from 1
        down, negatives do not. size: height and width. count: how many images of each prompt; that
        of number `i` has the seed `seed + i` and is the same without the others.

        image: pixels `(height, width, 3)` in uint8, one or several, to begin with; `strength`,
        above 0 and up to 1, says how much of it is replaced (0.8). mask: pixels `(height, width)`;
        where it is above half of white the image is made anew, and elsewhere kept (`strength` is
        then 1).

        tile: decode in squares of so many latents, which takes less memory. `on_step(done, total,
        latents)` is called after each step. `noise(shape)` gives random numbers in place of a seed.
        """
        prompts = [prompt] if isinstance(prompt, str) else list(prompt)
        prompts = [text for text in prompts for _ in range(count)]
        negatives = negative
        if negative is not None and not isinstance(negative, str):
            negatives = [text for text in negative for _ in range(count)]
        guidance = self.guidance if guidance is None else guidance
        size = self._size(size, image)
        self._check(prompts, negatives, guidance, strength, mask, image)
        seeds = self._seeds(seed, len(prompts))
        noise = SeededNoise(seeds) if noise is None else noise
        conditions = self.conditions(prompts, negatives, size, guidance)
        start = self._start(len(prompts), size, steps, image, mask, strength, noise)
        x = self._run(start, conditions, guidance, noise, on_step)
        pixels = to_pixels(self.vae.decode(x, tile))
        mx.eval(pixels, x)
        return Images(pixels, x, seeds)

    def _run(self, start: Start, conditions, guidance: float, noise: Noise, on_step) -> mx.array:
        x, scheduler = start.x, self.scheduler
        total = len(scheduler.timesteps)
        for index in range(start.first, total):
            given = scheduler.scaled(x, index)
            if start.seen is not None:
                given = mx.concatenate([given, start.seen], axis=-1)
            output = self.predict(given, index, conditions, guidance)
            fresh = noise(x.shape) if scheduler.noisy else None
            x = scheduler.step(output, index, x, fresh)
            if start.mask is not None and start.seen is None:
                kept = start.clean
                if index + 1 < total:
                    kept = scheduler.noised(start.clean, start.noise, index + 1)
                x = (1 - start.mask) * kept + start.mask * x
            mx.eval(x)
            if on_step is not None:
                on_step(index + 1 - start.first, total - start.first, x)
        return x

    # ---- the beginning

    def _start(self, count, size, steps, image, mask, strength, noise: Noise) -> Start:
        factor, channels = self.vae.factor, self.vae.config.latent_channels
        shape = (count, size[0] // factor, size[1] // factor, channels)
        steps = self.steps if steps is None else steps
        self.set_steps(steps, shape)
        if image is None:
            return Start(self.scheduler.start(noise(shape)))
        strength = (0.8 if mask is None else 1.0) if strength is None else strength
        first = min(self.skipped(steps, strength), len(self.scheduler.timesteps) - 1)
        images, all_new = as_images(image, size, count), strength == 1.0 and mask is not None
        clean = None
        if not (all_new and self._is_inpainting):
            clean = self.vae.encode(images, noise(shape))
        drawn = noise(shape)
        if all_new:
            x = self.scheduler.start(drawn)
        else:
            x = self.scheduler.noised(clean, drawn, first)
        start = Start(x, first, clean, drawn)
        if mask is not None:
            start.mask, cells = as_masks(mask, size, count, factor)
            if self._is_inpainting:
                seen = self.vae.encode(images * (1 - cells), noise(shape))
                start.seen = mx.concatenate([start.mask, seen], axis=-1)
        return start

    @property
    def _is_inpainting(self) -> bool:
        """Whether the denoiser is shown a mask and what is kept beside the latents."""
        channels = self.vae.config.latent_channels
        return self.model.config.in_channels == 2 * channels + 1

    def _size(self, size, image) -> tuple[int, int]:
        unit = self.vae.factor * self.cell
        if size is None and image is not None:
            size = image.shape[-3:-1] if len(image.shape) > 2 else image.shape
        height, width = self.size if size is None else size
        if not (height > 0 and width > 0) or height % unit or width % unit:
            raise ValueError(
                f"[image] expected a height and a width of multiples of {unit}; "
                f"got {height} x {width}"
            )
        return height, width

    def _check(self, prompts, negatives, guidance, strength, mask, image) -> None:
        if not prompts:
            raise ValueError("[image] expected a prompt and a count of at least 1; got none")
        if isinstance(negatives, list) and len(negatives) != len(prompts):
            raise ValueError("[image] expected one negative prompt, or one for each prompt")
        if not 0 <= guidance < float("inf"):
            raise ValueError(f"[image] expected guidance from 0; got {guidance}")
        if strength is not None and not 0 < strength <= 1:
            raise ValueError(f"[image] expected a strength above 0 and up to 1; got {strength}")
        if mask is not None and image is None:
            raise ValueError("[image] expected an image with the mask; got a mask alone")
        if self._is_inpainting and mask is None:
            raise ValueError("[image] expected an image and a mask: this model fills in parts")

    @staticmethod
    def _seeds(seed: int | None, count: int) -> list[int]:
        first = random.SystemRandom().randrange(2**32) if seed is None else seed
        return [first + i for i in range(count)]

    # ---- changes to the models

    def use(self, name: str, **settings) -> None:
        """Another scheduler, with the settings of the one there where they go together."""
        old = {} if self.scheduler.config is None else self.scheduler.config
        self.scheduler = make(name, {"skip_prk_steps": True, **old, **settings})

    def quantize(self, bits: int = 8, group_size: int = 64, parts: Sequence[str] | None = None):
        """Pack the linear layers of the denoiser and of the encoders of texts.

        Rows that are no whole groups, and convolutions, stay as they are.
        """
        for name in parts or [p for p in self.parts if p != "vae"]:
            nn.quantize(
                self.parts[name],
                group_size=group_size,
                bits=bits,
                class_predicate=lambda _, m: (
                    isinstance(m, nn.Linear) and m.weight.shape[-1] % group_size == 0
                ),
            )
            mx.eval(self.parts[name].parameters())

    def save(self, target) -> None:
        """Write a pipeline that was loaded, as it is now, to a new folder that `load` reads."""
        from olivine.image.save import save

        if self.folder is None:
            raise ValueError("[image] expected a pipeline that was loaded from a folder")
        save(self.parts, self.folder, target)

    def add_lora(self, path, scale: float = 1.0) -> int:
        """Add a LoRA's weights, of a safetensors file, to the models; how many layers changed."""
        from olivine.image.lora import add

        return add(self.parts, path, scale)
