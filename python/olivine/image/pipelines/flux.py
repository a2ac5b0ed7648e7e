"""FLUX.1 schnell and dev. Source: Black Forest Labs, "FLUX.1" (2024), the models' own settings."""

from __future__ import annotations

from dataclasses import dataclass

import olivine.core as mx
from olivine.image.models.flux import pack, unpack
from olivine.image.pipelines.base import Pipeline
from olivine.llm.formats.checkpoint import ModelError


@dataclass
class Conditions:
    text: mx.array
    pooled: mx.array


class Flux(Pipeline):
    """Guidance is something the model is told, so that there are no negative prompts."""

    steps, guidance = 28, 3.5
    denoiser = "transformer"
    cell = 2
    words = 512  # T5's tokens; schnell has half of them

    @property
    def size(self) -> tuple[int, int]:
        return 1024, 1024

    def set_steps(self, count, shape) -> None:
        self.scheduler.set_steps(count, shape[1] * shape[2] // 4)

    def skipped(self, steps, strength) -> int:
        return int(steps - steps * strength)  # a part of a step is taken whole

    def conditions(self, prompts, negatives, size, guidance) -> Conditions:
        if negatives is not None:
            raise ModelError("[image] expected no negative prompt: FLUX knows none")
        tokens = mx.array(self.tokenizers["tokenizer"](list(prompts)))
        pooled = self.parts["text_encoder"](tokens).pooled
        t5 = self.tokenizers["tokenizer_2"]
        rows = [_filled(ids, self.words, t5) for ids in t5.encode_batch(list(prompts))]
        text = self.parts["text_encoder_2"](mx.array(rows))
        mx.eval(text, pooled)
        return Conditions(text, pooled)

    def predict(self, x, index, conditions, guidance) -> mx.array:
        dtype = self.model.proj_out.bias.dtype
        tokens, places = pack(x.astype(dtype))
        text, pooled = conditions.text.astype(dtype), conditions.pooled.astype(dtype)
        sigma = self.scheduler.timesteps[index] / self.scheduler.settings.num_train_timesteps
        output = self.model(tokens, places, sigma, text, pooled, guidance)
        return unpack(output.astype(mx.float32), *x.shape[1:3])

    @property
    def _is_inpainting(self) -> bool:
        return False


def _filled(ids: list[int], length: int, tokenizer) -> list[int]:
    """Ids cut to a length, with the end kept, or filled up."""
    if len(ids) > length:
        ids = [*ids[: length - 1], ids[-1]]
    pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else 0
    return ids + [pad] * (length - len(ids))
