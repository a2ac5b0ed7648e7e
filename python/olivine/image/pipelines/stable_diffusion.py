"""Stable Diffusion 1, 2 and XL, with their Turbo and LCM relatives.

Sources: Rombach et al., "High-Resolution Image Synthesis with Latent Diffusion Models" (2021);
Podell et al., "SDXL" (2023); Ho and Salimans, "Classifier-Free Diffusion Guidance" (2022).
"""

from __future__ import annotations

from dataclasses import dataclass

import olivine.core as mx
from olivine.image.models.unet import Added
from olivine.image.pipelines.base import Pipeline


@dataclass
class Conditions:
    """Features of the texts, and what an SDXL needs beside them; of negatives before prompts."""

    memory: mx.array
    added: Added | None
    guided: bool


class StableDiffusion(Pipeline):
    @property
    def size(self) -> tuple[int, int]:
        side = (self.model.config.sample_size or 64) * self.vae.factor
        return side, side

    def _is_guided(self, guidance: float) -> bool:
        # A model that was distilled with guidance is told the weight instead.
        return guidance > 1 and not self.model.config.time_cond_proj_dim

    def conditions(self, prompts, negatives, size, guidance) -> Conditions:
        guided = self._is_guided(guidance)
        texts = list(prompts)
        if guided:
            texts = self._negatives(negatives, len(prompts)) + texts
        memory, vectors = self._encode(texts)
        memory, vectors = self._without(memory, vectors, negatives, len(prompts), guided)
        added = None
        if self.model.config.addition_embed_type:
            # The image was of this size, and nothing was cut off.
            sizes = mx.array([[*size, 0, 0, *size]], mx.float32)
            added = Added(vectors, mx.broadcast_to(sizes, (len(texts), 6)))
        mx.eval(memory, vectors)
        return Conditions(memory, added, guided)

    @staticmethod
    def _negatives(negatives, count: int) -> list[str]:
        if negatives is None or isinstance(negatives, str):
            return [negatives or ""] * count
        return negatives

    def _encode(self, texts: list[str]) -> tuple[mx.array, mx.array | None]:
        """Features `(batch, length, dims)`, and for an SDXL a vector of each text."""
        tokens = mx.array(self.tokenizers["tokenizer"](texts))
        return self.parts["text_encoder"](tokens).last, None

    def _without(self, memory, vectors, negatives, count: int, guided: bool):
        """The same, with another thing in place of negatives that were not given."""
        return memory, vectors

    def predict(self, x, index, conditions, guidance) -> mx.array:
        dtype = self.model.conv_in.weight.dtype
        step = self.scheduler.timesteps[index]
        weight = guidance - 1 if self.model.config.time_cond_proj_dim else None
        x = mx.concatenate([x, x]) if conditions.guided else x
        memory, added = conditions.memory.astype(dtype), conditions.added
        output = self.model(x.astype(dtype), step, memory, added, weight).astype(mx.float32)
        if not conditions.guided:
            return output
        without, with_ = mx.split(output, 2)
        return without + guidance * (with_ - without)


class StableDiffusionXL(StableDiffusion):
    """Two encoders of texts, whose last layer but one is used; the second gives the vectors."""

    guidance = 5.0
    zeros_for_empty = True  # no negative prompt: no features at all, not those of an empty text

    def read_index(self, index):
        name = "force_zeros_for_empty_prompt"
        self.zeros_for_empty = bool(index.get(name, self.zeros_for_empty))

    def _encode(self, texts):
        found = []
        for name in ("", "_2"):
            if f"text_encoder{name}" in self.parts:
                tokens = mx.array(self.tokenizers[f"tokenizer{name}"](texts))
                found.append(self.parts[f"text_encoder{name}"](tokens))
        memory = mx.concatenate([one.states[-2] for one in found], axis=-1)
        return memory, found[-1].projected

    def _without(self, memory, vectors, negatives, count, guided):
        if not guided or negatives is not None or not self.zeros_for_empty:
            return memory, vectors

        def zeroed(x):
            return mx.concatenate([mx.zeros_like(x[:count]), x[count:]])

        return zeroed(memory), zeroed(vectors)
