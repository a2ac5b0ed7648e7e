"""What decoders are made of besides attention: layers in a row, embedding, head."""

from __future__ import annotations

import olivine.core as mx
import olivine.nn as nn
from olivine.llm.blocks.config import DecoderConfig as DecoderConfig
from olivine.llm.cache import KVCache, attention_mask


class PreNormLayer(nn.Module):
    """Attention and feed-forward, each normalized on the way in and added to its input."""

    def __init__(self, attention: nn.Module, mlp: nn.Module, norm):
        super().__init__()
        self.self_attn = attention
        self.mlp = mlp
        self.input_layernorm = norm()
        self.post_attention_layernorm = norm()

    def __call__(self, x: mx.array, mask=None, cache=None) -> mx.array:
        x = x + self["self_attn"](self["input_layernorm"](x), mask, cache)
        return x + self["mlp"](self["post_attention_layernorm"](x))


def run_layers(layers: list, x: mx.array, cache: list | None, windows: list) -> mx.array:
    """`x` through all layers, each with its cache and a mask for its window."""
    caches = cache or [None] * len(layers)
    if len(caches) != len(layers):
        raise ValueError(f"[llm] expected {len(layers)} caches, one per layer; got {len(caches)}")
    masks = {}  # one for all layers that look back equally far
    for layer, layer_cache, window in zip(layers, caches, windows, strict=True):
        if window not in masks:
            masks[window] = attention_mask(x.shape[1], layer_cache, window)
        x = layer(x, masks[window], layer_cache)
    return x


class LanguageModel(nn.Module):
    """Ids `(batch, length)` to logits. A model defines `layers`, `features` and `head`.

    `windows` has how many positions each layer looks back on, None for all: caches may forget more.
    `cache_dtype` is what caches keep keys and values in; None: as they come.
    """

    cache_dtype: mx.Dtype | None = None

    def __init__(self, config, windows: list[int | None]):
        super().__init__()
        self.config = config
        self._windows = windows

    @property
    def windows(self) -> list[int | None]:
        return self._windows

    def make_cache(self) -> list:
        return [KVCache(self.cache_dtype) for _ in self.layers]

    def __call__(self, tokens: mx.array, cache: list | None = None) -> mx.array:
        return self.head(self.features(tokens, cache))


class Decoder(nn.Module):
    """Embedding, layers, norm: ids to features `(batch, length, hidden_size)`."""

    def __init__(self, config, layers: list, norm: nn.Module, windows: list, embed_scale: float):
        super().__init__()
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = layers
        self.norm = norm
        self.embed_scale = embed_scale
        self._windows = windows

    def embed(self, tokens: mx.array) -> mx.array:
        x = self.embed_tokens(tokens)
        return x if self.embed_scale == 1 else x * self.embed_scale

    def run(self, embeddings: mx.array, cache: list | None = None) -> mx.array:
        """Features of embeddings, `(batch, length, hidden_size)`."""
        return self.norm(run_layers(self.layers, embeddings, cache, self._windows))

    def __call__(self, tokens: mx.array, cache: list | None = None) -> mx.array:
        return self.run(self.embed(tokens), cache)


class CausalLM(LanguageModel):
    """`layers` between an embedding and a head, which may share their table, as in Llama."""

    def __init__(
        self,
        config,
        layers: list[nn.Module],
        norm: nn.Module,
        *,
        windows: list[int | None] | None = None,
        embed_scale: float = 1.0,
    ):
        windows = windows or config.windows
        super().__init__(config, windows)
        self.model = Decoder(config, layers, norm, windows, embed_scale)
        if not config.tie_word_embeddings:
            self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)

    @property
    def layers(self) -> list[nn.Module]:
        return self.model.layers

    def features(self, tokens: mx.array, cache: list | None = None) -> mx.array:
        """What the head sees, `(batch, length, hidden_size)`."""
        return self.model(tokens, cache)

    def head(self, x: mx.array) -> mx.array:
        """Logits of features."""
        if "lm_head" in self:
            return self.lm_head(x)
        return self.model.embed_tokens.as_linear(x)

    def sanitize(self, weights: dict[str, mx.array]) -> dict[str, mx.array]:
        """Drop what checkpoints keep and the model computes."""
        tied = self.config.tie_word_embeddings
        return {
            name: weight
            for name, weight in weights.items()
            if "rotary_emb" not in name and not (tied and name.startswith("lm_head."))
        }
