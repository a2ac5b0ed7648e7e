"""GPT-2: learned positions, layer norms with biases, every head with keys and values of its own.

Source: Radford et al., "Language Models are Unsupervised Multitask Learners" (2019).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import olivine.core as mx
import olivine.nn as nn
from olivine.llm.blocks.attention import rotate_and_attend, split_heads
from olivine.llm.blocks.config import Config as BaseConfig
from olivine.llm.blocks.decoder import LanguageModel, run_layers
from olivine.llm.blocks.feed_forward import PlainMLP


@dataclass
class Config(BaseConfig):
    vocab_size: int
    n_embd: int
    n_layer: int
    n_head: int
    n_positions: int = 1024
    n_inner: int | None = None
    activation_function: str = "gelu_new"
    layer_norm_epsilon: float = 1e-5
    scale_attn_weights: bool = True
    scale_attn_by_inverse_layer_idx: bool = False

    def __post_init__(self):
        super().__post_init__()
        self.require_divisible("n_embd", by="n_head")


class Attention(nn.Module):
    def __init__(self, config: Config, index: int):
        super().__init__()
        self.heads = config.n_head
        self.c_attn = nn.Linear(config.n_embd, 3 * config.n_embd)
        self.c_proj = nn.Linear(config.n_embd, config.n_embd)
        scale = (config.n_embd // config.n_head) ** -0.5 if config.scale_attn_weights else 1.0
        if config.scale_attn_by_inverse_layer_idx:
            scale /= index + 1
        self._attend = partial(rotate_and_attend, rope=None, scale=scale)

    def __call__(self, x: mx.array, mask=None, cache=None) -> mx.array:
        queries, keys, values = (
            split_heads(part, self.heads) for part in mx.split(self.c_attn(x), 3, axis=-1)
        )
        return self.c_proj(self._attend(queries, keys, values, cache, mask=mask))


class Layer(nn.Module):
    def __init__(self, config: Config, index: int):
        super().__init__()
        hidden = config.n_inner or 4 * config.n_embd
        self.ln_1 = nn.LayerNorm(config.n_embd, eps=config.layer_norm_epsilon)
        self.attn = Attention(config, index)
        self.ln_2 = nn.LayerNorm(config.n_embd, eps=config.layer_norm_epsilon)
        self.mlp = PlainMLP(config.n_embd, hidden, config.activation_function)

    def __call__(self, x: mx.array, mask=None, cache=None) -> mx.array:
        x = x + self.attn(self.ln_1(x), mask, cache)
        return x + self.mlp(self.ln_2(x))


class Transformer(nn.Module):
    def __init__(self, config: Config):
        super().__init__()
        self.n_positions = config.n_positions
        self.wte = nn.Embedding(config.vocab_size, config.n_embd)
        self.wpe = nn.Embedding(config.n_positions, config.n_embd)
        self.h = [Layer(config, i) for i in range(config.n_layer)]
        self.ln_f = nn.LayerNorm(config.n_embd, eps=config.layer_norm_epsilon)

    def positions(self, length: int, cache: list | None) -> mx.array:
        offset = cache[0].offset if cache else 0
        if isinstance(offset, mx.array):  # one for each row
            return mx.arange(length) + offset[:, None]
        if offset + length > self.n_positions:
            raise ValueError(
                f"[llm] expected a text of at most {self.n_positions} tokens, the model's context; "
                f"got {offset + length}"
            )
        return mx.arange(offset, offset + length)

    def __call__(self, tokens: mx.array, cache: list | None, windows: list) -> mx.array:
        x = self.wte(tokens) + self.wpe(self.positions(tokens.shape[1], cache))
        return self.ln_f(run_layers(self.h, x, cache, windows))


class Model(LanguageModel):
    def __init__(self, config: Config):
        super().__init__(config, [None] * config.n_layer)
        self.transformer = Transformer(config)

    @property
    def layers(self) -> list[nn.Module]:
        return self.transformer.h

    def features(self, tokens: mx.array, cache: list | None = None) -> mx.array:
        return self.transformer(tokens, cache, self._windows)

    def head(self, x: mx.array) -> mx.array:
        return self.transformer.wte.as_linear(x)

    def sanitize(self, weights: dict[str, mx.array]) -> dict[str, mx.array]:
        """Checkpoints have matrices transposed, and constant masks; the first name varies."""
        named = {
            f"transformer.{name.removeprefix('transformer.').removeprefix('model.')}": weight
            for name, weight in weights.items()
            if not name.startswith("lm_head.") and not name.endswith((".attn.bias", ".masked_bias"))
        }
        first = named.get("transformer.h.0.attn.c_attn.weight")
        if first is None or first.shape != (self.config.n_embd, 3 * self.config.n_embd):
            return named
        matrices = ("c_attn.weight", "c_proj.weight", "c_fc.weight")
        return {name: w.T if name.endswith(matrices) else w for name, w in named.items()}
