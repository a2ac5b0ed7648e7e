"""Diffusion on the pixels themselves, without an autoencoder: images of classes, or of one kind.

Source: Ho and Salimans, "Classifier-Free Diffusion Guidance" (2022).
"""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace

import olivine.core as mx
from olivine.image.pipelines.base import Pipeline
from olivine.llm.formats.checkpoint import ModelError


class Pixels:
    """Stands where other pipelines have an autoencoder; models of one channel make grey images."""

    factor = 1

    def __init__(self, channels: int):
        self.config = SimpleNamespace(latent_channels=channels)

    def encode(self, images: mx.array, noise: mx.array) -> mx.array:
        return images if self.config.latent_channels == 3 else images.mean(axis=-1, keepdims=True)

    def decode(self, x: mx.array, tile: int | None = None) -> mx.array:
        return mx.broadcast_to(x, (*x.shape[:-1], 3))


@dataclass
class Conditions:
    """Classes of the samples, those to lead away from before those to lead to."""

    classes: mx.array | None
    guided: bool


class PixelDiffusion(Pipeline):
    """The prompt is the name of a class, or its number; of models without classes it is empty.

    A model with one class more than there are names learned with it to make images of any class:
    the empty prompt, and what guidance leads away from.
    """

    steps, guidance = 25, 1.5
    has_latents = False

    def __init__(self, parts, tokenizers, scheduler):
        super().__init__(parts, tokenizers, scheduler)
        self.vae = Pixels(self.model.config.in_channels)
        self.cell = 2 ** (len(self.model.config.widths) - 1)
        self.names: list[str] = []  # of classes; other names of the same follow a comma

    def read_index(self, index: dict) -> None:
        count = self.model.config.num_class_embeds
        names = index.get("id2label", {})
        if not isinstance(names, dict) or not all(isinstance(n, str) for n in names.values()):
            raise ModelError("[image] expected id2label in model_index.json to name classes")
        if [*names] != [str(i) for i in range(len(names))] or len(names) > (count or 0):
            raise ModelError(
                f"[image] expected id2label to name the classes from 0, {count or 0} at most; "
                f"got {', '.join(names) or 'none'}"
            )
        self.names = [*names.values()]

    @property
    def size(self) -> tuple[int, int]:
        side = self.model.config.sample_size or 64
        return (side, side) if isinstance(side, int) else (side[0], side[1])

    @property
    def _any(self) -> int | None:
        """The class that stands for all, if the model has one."""
        count = self.model.config.num_class_embeds
        return len(self.names) if self.names and count == len(self.names) + 1 else None

    def class_of(self, text: str) -> int:
        """The class that a prompt names."""
        text, count = text.strip().casefold(), self.model.config.num_class_embeds or 0
        for i, names in enumerate(self.names):
            if text in (name.strip().casefold() for name in names.split(",")):
                return i
        if text == "" and self._any is not None:
            return self._any
        if text.isdecimal() and int(text) < (len(self.names) or count):
            return int(text)
        known = self.names or [f"numbers from 0 to {count - 1}"]
        more = f" … {len(known)} in all" if len(known) > 12 else ""
        raise ModelError(
            f"[image] expected a class as the prompt: {'; '.join(known[:12])}{more}; got {text!r}"
        )

    def conditions(self, prompts, negatives, size, guidance) -> Conditions:
        if self.model.config.num_class_embeds is None:
            texts = [*prompts, *([negatives] if isinstance(negatives, str) else negatives or [])]
            if any(text.strip() for text in texts):
                raise ModelError(
                    f"[image] expected an empty prompt: this model has no classes; got {texts[0]!r}"
                )
            return Conditions(None, False)
        classes = [self.class_of(text) for text in prompts]
        if guidance <= 1 or (negatives is None and self._any is None):
            return Conditions(mx.array(classes), False)
        if negatives is None or isinstance(negatives, str):
            negatives = [negatives or ""] * len(prompts)
        return Conditions(mx.array([self.class_of(text) for text in negatives] + classes), True)

    def predict(self, x, index, conditions, guidance) -> mx.array:
        x = mx.concatenate([x, x]) if conditions.guided else x
        step = self.scheduler.timesteps[index]
        x = x.astype(self.model.conv_in.weight.dtype)
        output = self.model(x, step, conditions.classes).astype(mx.float32)
        if not conditions.guided:
            return output
        without, with_ = mx.split(output, 2)
        return without + guidance * (with_ - without)

    @property
    def _is_inpainting(self) -> bool:
        return False
