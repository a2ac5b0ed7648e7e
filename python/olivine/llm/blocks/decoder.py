"""The pre-norm decoder that most language models are, and its configuration."""

from __future__ import annotations

from dataclasses import MISSING, dataclass, fields

import olivine.core as mx
import olivine.nn as nn
from olivine.llm.blocks.attention import Attention
from olivine.llm.blocks.feed_forward import GatedMLP
from olivine.llm.cache import KVCache, attention_mask


@dataclass
class DecoderConfig:
    """Fields of config.json, under the names they have there."""

    vocab_size: int
    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    intermediate_size: int
    num_key_value_heads: int | None = None
    head_dim: int | None = None
    max_position_embeddings: int = 2048
    rms_norm_eps: float = 1e-6
    rope_theta: float = 10000.0
    rope_scaling: dict | None = None
    hidden_act: str = "silu"
    attention_bias: bool = False
    mlp_bias: bool = False
    tie_word_embeddings: bool = False
    sliding_window: int | None = None

    def __post_init__(self):
        if self.num_key_value_heads is None:
            self.num_key_value_heads = self.num_attention_heads
        if self.head_dim is None:
            self.head_dim = self.hidden_size // self.num_attention_heads

    @classmethod
    def from_dict(cls, config: dict):
        """From the dict of a config.json; fields that the architecture does not use are ignored."""
        config = dict(config)
        # transformers 5 writes one dict where earlier versions wrote two fields.
        rope = config.pop("rope_parameters", None)
        if rope is not None:
            config.setdefault("rope_theta", rope.get("rope_theta", 10000.0))
            config["rope_scaling"] = rope
        known = {field.name: field for field in fields(cls)}
        missing = [
            name
            for name, field in known.items()
            if field.default is MISSING and field.default_factory is MISSING and name not in config
        ]
        if missing:
            raise ValueError(f"[llm] expected config.json to have {', '.join(missing)}; it has not")
        return cls(**{name: value for name, value in config.items() if name in known})


class DecoderLayer(nn.Module):
    """Attention and feed-forward, each normalized on the way in and added to its input."""

    def __init__(self, config: DecoderConfig, index: int):
        super().__init__()
        self.self_attn = self.make_attention(config, index)
        self.mlp = self.make_mlp(config, index)
        self.input_layernorm = self.make_norm(config)
        self.post_attention_layernorm = self.make_norm(config)

    def make_attention(self, config, index: int) -> nn.Module:
        return Attention.from_config(config)

    def make_mlp(self, config, index: int) -> nn.Module:
        return GatedMLP(
            config.hidden_size, config.intermediate_size, config.hidden_act, config.mlp_bias
        )

    def make_norm(self, config) -> nn.Module:
        return nn.RMSNorm(config.hidden_size, eps=config.rms_norm_eps)

    def __call__(self, x: mx.array, mask=None, cache=None) -> mx.array:
        x = x + self.self_attn(self.input_layernorm(x), mask, cache)
        return x + self.mlp(self.post_attention_layernorm(x))


class Decoder(nn.Module):
    """Embedding, layers, norm: ids `(batch, length)` to features `(batch, length, hidden_size)`.

    An architecture that differs in its layers says so in `layer_class`; `window(index)` is how many
    positions a layer looks back on, None for all.
    """

    layer_class = DecoderLayer

    def __init__(self, config: DecoderConfig):
        super().__init__()
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = [self.layer_class(config, i) for i in range(config.num_hidden_layers)]
        self.norm = self.layers[0].make_norm(config)
        self._windows = [self.window(config, i) for i in range(config.num_hidden_layers)]

    def window(self, config, index: int) -> int | None:
        return config.sliding_window

    def embed(self, tokens: mx.array) -> mx.array:
        return self.embed_tokens(tokens)

    def __call__(self, tokens: mx.array, cache: list | None = None) -> mx.array:
        x = self.embed(tokens)
        caches = cache or [None] * len(self.layers)
        masks = {}  # one for all layers that look back equally far
        for layer, layer_cache, window in zip(self.layers, caches, self._windows, strict=True):
            if window not in masks:
                masks[window] = attention_mask(x.shape[1], layer_cache, window)
            x = layer(x, masks[window], layer_cache)
        return self.norm(x)


class CausalLM(nn.Module):
    """A decoder and the head that turns its features into logits."""

    decoder_class = Decoder

    def __init__(self, config: DecoderConfig):
        super().__init__()
        self.config = config
        self.model = self.decoder_class(config)
        if not config.tie_word_embeddings:
            self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)

    @property
    def layers(self) -> list[nn.Module]:
        return self.model.layers

    def make_cache(self) -> list:
        return [KVCache() for _ in self.layers]

    def head(self, x: mx.array) -> mx.array:
        """Logits of features."""
        if "lm_head" in self:
            return self.lm_head(x)
        return self.model.embed_tokens.as_linear(x)

    def __call__(self, tokens: mx.array, cache: list | None = None) -> mx.array:
        return self.head(self.model(tokens, cache))

    def sanitize(self, weights: dict[str, mx.array]) -> dict[str, mx.array]:
        """Drop what checkpoints keep and the model computes."""
        tied = self.config.tie_word_embeddings
        return {
            name: weight
            for name, weight in weights.items()
            if "rotary_emb" not in name and not (tied and name.startswith("lm_head."))
        }
