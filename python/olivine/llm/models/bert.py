"""BERT, RoBERTa and their kin such as MiniLM: encoders, and sentence embeddings from them.

Sources: Devlin et al., "BERT" (2018); Liu et al., "RoBERTa" (2019); Reimers and Gurevych,
"Sentence-BERT" (2019).
"""

from __future__ import annotations

from dataclasses import dataclass

import olivine.core as mx
import olivine.nn as nn
from olivine.llm.blocks.attention import attend, join_heads, split_heads
from olivine.llm.blocks.config import Config as BaseConfig
from olivine.llm.blocks.feed_forward import activation


@dataclass
class Config(BaseConfig):
    vocab_size: int
    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    intermediate_size: int
    hidden_act: str = "gelu"
    max_position_embeddings: int = 512
    type_vocab_size: int = 2
    layer_norm_eps: float = 1e-12
    # RoBERTa counts positions from here, and padding has this one.
    pad_token_id: int | None = None
    model_type: str = "bert"

    def __post_init__(self):
        super().__post_init__()
        self.require_divisible("hidden_size", by="num_attention_heads")

    @property
    def first_position(self) -> int | None:
        """RoBERTa's number of padding's position; None if positions count from 0."""
        return None if self.model_type == "bert" else self.pad_token_id or 0


class Embeddings(nn.Module):
    def __init__(self, config: Config):
        super().__init__()
        dims = config.hidden_size
        self.word_embeddings = nn.Embedding(config.vocab_size, dims)
        self.position_embeddings = nn.Embedding(config.max_position_embeddings, dims)
        self.token_type_embeddings = nn.Embedding(config.type_vocab_size, dims)
        self.LayerNorm = nn.LayerNorm(dims, eps=config.layer_norm_eps)
        self._first = config.first_position
        self.most = config.max_position_embeddings - (0 if self._first is None else self._first + 1)

    def __call__(self, tokens: mx.array, mask: mx.array | None, kinds: mx.array | None):
        if tokens.shape[1] > self.most:
            raise ValueError(
                f"[llm] expected a text of at most {self.most} tokens, the model's context; "
                f"got {tokens.shape[1]}"
            )
        positions = mx.arange(tokens.shape[1])
        if self._first is not None and mask is None:
            positions = positions + self._first + 1
        elif self._first is not None:
            counted = mask.astype(mx.int32)
            positions = mx.cumsum(counted, axis=1) * counted + self._first
        kinds = mx.zeros_like(tokens) if kinds is None else kinds
        x = self.word_embeddings(tokens) + self.token_type_embeddings(kinds)
        return self.LayerNorm(x + self.position_embeddings(positions))


class SelfAttention(nn.Module):
    def __init__(self, config: Config):
        super().__init__()
        dims, self.heads = config.hidden_size, config.num_attention_heads
        self.query, self.key, self.value = (nn.Linear(dims, dims) for _ in range(3))
        self.scale = (dims // self.heads) ** -0.5

    def __call__(self, x: mx.array, mask: mx.array | None) -> mx.array:
        queries = split_heads(self.query(x), self.heads)
        keys = split_heads(self.key(x), self.heads)
        values = split_heads(self.value(x), self.heads)
        return join_heads(attend(queries, keys, values, None, scale=self.scale, mask=mask))


class Output(nn.Module):
    """Back to `hidden_size`, added to what came before, normalized."""

    def __init__(self, dims: int, config: Config):
        super().__init__()
        self.dense = nn.Linear(dims, config.hidden_size)
        self.LayerNorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)

    def __call__(self, x: mx.array, before: mx.array) -> mx.array:
        return self.LayerNorm(self.dense(x) + before)


class Attention(nn.Module):
    def __init__(self, config: Config):
        super().__init__()
        self.self = SelfAttention(config)  # the checkpoints' name
        self.output = Output(config.hidden_size, config)

    def __call__(self, x: mx.array, mask: mx.array | None) -> mx.array:
        return self.output(self["self"](x, mask), x)


class Intermediate(nn.Module):
    def __init__(self, config: Config):
        super().__init__()
        self.dense = nn.Linear(config.hidden_size, config.intermediate_size)
        self._act = activation(config.hidden_act)

    def __call__(self, x: mx.array) -> mx.array:
        return self._act(self.dense(x))


class Layer(nn.Module):
    def __init__(self, config: Config):
        super().__init__()
        self.attention = Attention(config)
        self.intermediate = Intermediate(config)
        self.output = Output(config.intermediate_size, config)

    def __call__(self, x: mx.array, mask: mx.array | None) -> mx.array:
        x = self.attention(x, mask)
        return self.output(self.intermediate(x), x)


class Encoder(nn.Module):
    def __init__(self, config: Config):
        super().__init__()
        self.layer = [Layer(config) for _ in range(config.num_hidden_layers)]

    def __call__(self, x: mx.array, mask: mx.array | None) -> mx.array:
        for layer in self.layer:
            x = layer(x, mask)
        return x


class Model(nn.Module):
    """Features of every token, or with `embed` one vector for a text."""

    def __init__(self, config: Config):
        super().__init__()
        self.config = config
        self.embeddings = Embeddings(config)
        self.encoder = Encoder(config)

    @property
    def layers(self) -> list[nn.Module]:
        return self.encoder.layer

    def __call__(
        self, tokens: mx.array, mask: mx.array | None = None, kinds: mx.array | None = None
    ) -> mx.array:
        """Ids `(batch, length)` to features `(batch, length, hidden_size)`.

        `mask` is 1 (or true) for tokens and 0 for padding; `kinds` are token type ids.
        """
        seen = None if mask is None else mask.astype(mx.bool_)[:, None, None]
        return self.encoder(self.embeddings(tokens, mask, kinds), seen)

    def embed(
        self,
        tokens: mx.array,
        mask: mx.array | None = None,
        pooling: str = "mean",
        normalize: bool = True,
    ) -> mx.array:
        """One vector per text, `(batch, hidden_size)`: the mean of its tokens' features, or the
        first one's with `pooling="cls"`; of length 1 with `normalize`."""
        x = self(tokens, mask)
        if pooling == "cls":
            x = x[:, 0]
        elif pooling == "mean" and mask is None:
            x = x.mean(axis=1)
        elif pooling == "mean":
            weights = mask.astype(x.dtype)[..., None]
            x = (x * weights).sum(axis=1) / mx.maximum(weights.sum(axis=1), 1e-9)
        else:
            raise ValueError(f"[llm] expected pooling to be mean or cls; got {pooling!r}")
        if normalize:
            x = x / mx.maximum(mx.linalg.norm(x, axis=-1, keepdims=True), 1e-12)
        return x

    def sanitize(self, weights: dict[str, mx.array]) -> dict[str, mx.array]:
        """Without the heads of pre-training, and under names without a prefix."""
        bare = {
            name.removeprefix("bert.").removeprefix("roberta."): weight
            for name, weight in weights.items()
        }
        kept = ("embeddings.", "encoder.")
        return {
            name.replace("LayerNorm.gamma", "LayerNorm.weight").replace(
                "LayerNorm.beta", "LayerNorm.bias"
            ): weight
            for name, weight in bare.items()
            if name.startswith(kept) and not name.endswith("position_ids")
        }
