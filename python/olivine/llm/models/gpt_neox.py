"""GPT-NeoX and Pythia: attention and feed-forward side by side, rotary positions on a quarter.

Source: Black et al., "GPT-NeoX-20B" (2022).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import olivine.core as mx
import olivine.nn as nn
from olivine.llm.blocks.attention import rotate_and_attend
from olivine.llm.blocks.config import DecoderConfig
from olivine.llm.blocks.decoder import LanguageModel, run_layers
from olivine.llm.blocks.feed_forward import activation
from olivine.llm.blocks.rope import rope_of


@dataclass
class Config(DecoderConfig):
    hidden_act: str = "gelu"
    attention_bias: bool = True
    layer_norm_eps: float = 1e-5
    use_parallel_residual: bool = True
    partial_rotary_factor: float = 0.25

    @classmethod
    def normalized(cls, config: dict) -> dict:
        old = {"rotary_pct": "partial_rotary_factor", "rotary_emb_base": "rope_theta"}
        renamed = {new: config[name] for name, new in old.items() if name in config}
        return super().normalized({**renamed, **config})


class Attention(nn.Module):
    """One matrix makes, head by head, a query, a key and a value."""

    def __init__(self, config: Config):
        super().__init__()
        dims, self.heads = config.hidden_size, config.num_attention_heads
        self.query_key_value = nn.Linear(dims, 3 * dims, bias=config.attention_bias)
        self.dense = nn.Linear(dims, dims, bias=config.attention_bias)
        self._attend = partial(rotate_and_attend, rope=rope_of(config), scale=config.head_dim**-0.5)

    def __call__(self, x: mx.array, mask=None, cache=None) -> mx.array:
        batch, length, _ = x.shape
        mixed = self.query_key_value(x).reshape(batch, length, self.heads, -1)
        queries, keys, values = mx.split(mixed.transpose(0, 2, 1, 3), 3, axis=-1)
        return self.dense(self._attend(queries, keys, values, cache, mask=mask))


class MLP(nn.Module):
    def __init__(self, config: Config):
        super().__init__()
        self.dense_h_to_4h = nn.Linear(config.hidden_size, config.intermediate_size)
        self.dense_4h_to_h = nn.Linear(config.intermediate_size, config.hidden_size)
        self._act = activation(config.hidden_act)

    def __call__(self, x: mx.array) -> mx.array:
        return self.dense_4h_to_h(self._act(self.dense_h_to_4h(x)))


class Layer(nn.Module):
    def __init__(self, config: Config):
        super().__init__()
        self.parallel = config.use_parallel_residual
        self.input_layernorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.post_attention_layernorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.attention = Attention(config)
        self.mlp = MLP(config)

    def __call__(self, x: mx.array, mask=None, cache=None) -> mx.array:
        attended = x + self.attention(self.input_layernorm(x), mask, cache)
        return attended + self.mlp(self.post_attention_layernorm(x if self.parallel else attended))


class GPTNeoX(nn.Module):
    def __init__(self, config: Config):
        super().__init__()
        self.embed_in = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = [Layer(config) for _ in range(config.num_hidden_layers)]
        self.final_layer_norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)

    def __call__(self, tokens: mx.array, cache: list | None, windows: list) -> mx.array:
        x = run_layers(self.layers, self.embed_in(tokens), cache, windows)
        return self.final_layer_norm(x)


class Model(LanguageModel):
    def __init__(self, config: Config):
        super().__init__(config, config.windows)
        self.gpt_neox = GPTNeoX(config)
        if not config.tie_word_embeddings:
            self.embed_out = nn.Linear(config.hidden_size, config.vocab_size, bias=False)

    @property
    def layers(self) -> list[nn.Module]:
        return self.gpt_neox.layers

    def features(self, tokens: mx.array, cache: list | None = None) -> mx.array:
        return self.gpt_neox(tokens, cache, self._windows)

    def head(self, x: mx.array) -> mx.array:
        if "embed_out" in self:
            return self.embed_out(x)
        return self.gpt_neox.embed_in.as_linear(x)

    def sanitize(self, weights: dict[str, mx.array]) -> dict[str, mx.array]:
        """Without the masks and wave lengths that checkpoints store; MLX has other names."""
        stored = ("attention.bias", "attention.masked_bias", "rotary_emb.inv_freq")
        tied = ("embed_out.",) if self.config.tie_word_embeddings else ()
        return {
            name.replace("model.h.", "gpt_neox.layers.").replace("model.", "gpt_neox."): weight
            for name, weight in weights.items()
            if not name.endswith(stored) and not name.startswith(tied)
        }
