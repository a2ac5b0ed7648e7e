"""SigLIP: encoders of texts and images trained by judging each pair on its own.

Source: Zhai et al., "Sigmoid Loss for Language Image Pre-Training" (2023).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import olivine.core as mx
import olivine.nn as nn
from olivine.image.blocks.encoder import (
    MLP,
    Encoder,
    PatchEmbeddings,
    TextEmbeddings,
)
from olivine.image.blocks.layout import channels_last
from olivine.image.models.clip import TextConfig as CLIPTextConfig
from olivine.image.models.clip import VisionConfig as CLIPVisionConfig
from olivine.image.models.clip import normalized
from olivine.image.settings import Settings
from olivine.llm.blocks.attention import attend, join_heads, split_heads


@dataclass
class TextConfig(CLIPTextConfig):
    vocab_size: int = 32000
    hidden_size: int = 768
    intermediate_size: int = 3072
    num_attention_heads: int = 12
    max_position_embeddings: int = 64
    hidden_act: str = "gelu_pytorch_tanh"
    layer_norm_eps: float = 1e-6
    projection_size: int | None = None


@dataclass
class VisionConfig(CLIPVisionConfig):
    patch_size: int = 16
    hidden_act: str = "gelu_pytorch_tanh"
    layer_norm_eps: float = 1e-6


@dataclass
class Config(Settings):
    text_config: dict = field(default_factory=dict)
    vision_config: dict = field(default_factory=dict)


class TextTransformer(nn.Module):
    """Every token sees all others; the last one stands for the text."""

    def __init__(self, config: TextConfig):
        super().__init__()
        dims = config.hidden_size
        self.embeddings = TextEmbeddings(config)
        self.encoder = Encoder(config)
        self.final_layer_norm = nn.LayerNorm(dims, eps=config.layer_norm_eps)
        self.head = nn.Linear(dims, config.projection_size or dims)

    def __call__(self, tokens: mx.array) -> tuple[mx.array, mx.array]:
        """Features of all tokens, and of the texts."""
        last = self.final_layer_norm(self.encoder(self.embeddings(tokens))[-1])
        return last, self.head(last[:, -1])


class PoolingAttention(nn.Module):
    """Attention of one learned query, with the matrices of queries, keys and values in one."""

    def __init__(self, dims: int, heads: int):
        super().__init__()
        self.heads, self.scale = heads, (dims // heads) ** -0.5
        self.in_proj_weight, self.in_proj_bias = mx.zeros((3 * dims, dims)), mx.zeros((3 * dims,))
        self.out_proj = nn.Linear(dims, dims)

    def __call__(self, query: mx.array, x: mx.array) -> mx.array:
        weights = mx.split(self.in_proj_weight, 3)
        biases = mx.split(self.in_proj_bias, 3)
        queries, keys, values = (
            split_heads(of @ weight.T + bias, self.heads)
            for of, weight, bias in zip((query, x, x), weights, biases, strict=True)
        )
        return self.out_proj(join_heads(attend(queries, keys, values, None, scale=self.scale)))


class PoolingHead(nn.Module):
    def __init__(self, config: VisionConfig):
        super().__init__()
        dims = config.hidden_size
        self.probe = mx.zeros((1, 1, dims))
        self.attention = PoolingAttention(dims, config.num_attention_heads)
        self.layernorm = nn.LayerNorm(dims, eps=config.layer_norm_eps)
        self.mlp = MLP(dims, config.intermediate_size, config.hidden_act)

    def __call__(self, x: mx.array) -> mx.array:
        query = mx.broadcast_to(self.probe, (x.shape[0], 1, x.shape[-1]))
        y = self.attention(query, x)
        return (y + self.mlp(self.layernorm(y)))[:, 0]


class VisionTransformer(nn.Module):
    def __init__(self, config: VisionConfig):
        super().__init__()
        self.embeddings = PatchEmbeddings(config, with_class=False, bias=True)
        self.encoder = Encoder(config)
        self.post_layernorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.head = PoolingHead(config)

    def states(self, pixels: mx.array) -> list[mx.array]:
        """What goes into the first layer and comes out of each, of patches."""
        return self.encoder(self.embeddings(pixels))

    def __call__(self, pixels: mx.array) -> tuple[mx.array, mx.array]:
        """Features of all patches, and of the images."""
        last = self.post_layernorm(self.states(pixels)[-1])
        return last, self.head(last)


class Model(nn.Module):
    """Both encoders: how well texts and images go together."""

    def __init__(self, config: Config):
        super().__init__()
        self.text_model = TextTransformer(TextConfig.from_dict(config.text_config))
        self.vision_model = VisionTransformer(VisionConfig.from_dict(config.vision_config))
        self.logit_scale, self.logit_bias = mx.zeros((1,)), mx.zeros((1,))

    @classmethod
    def from_dict(cls, config: dict) -> Model:
        return cls(Config.from_dict(config))

    def embed_texts(self, tokens: mx.array) -> mx.array:
        """Vectors of length 1, `(batch, dims)`, of ids that are padded to the model's length."""
        return normalized(self.text_model(tokens)[1])

    def embed_images(self, pixels: mx.array) -> mx.array:
        """Vectors of length 1, `(batch, dims)`."""
        return normalized(self.vision_model(pixels)[1])

    def __call__(self, tokens: mx.array, pixels: mx.array) -> mx.array:
        """Scores `(images, texts)`, whose sigmoids are probabilities of the pairs."""
        texts, images = self.embed_texts(tokens), self.embed_images(pixels)
        return mx.exp(self.logit_scale) * (images @ texts.T) + self.logit_bias

    def sanitize(self, weights: dict[str, mx.array]) -> dict[str, mx.array]:
        kept = {n: w for n, w in weights.items() if not n.endswith("position_ids")}
        return channels_last(self, kept)
