"""CLIP: encoders of texts and of images whose results can be compared.

The text encoders of Stable Diffusion are these: ViT-L's of CLIP, and those of OpenCLIP.
Sources: Radford et al., "Learning Transferable Visual Models From Natural Language Supervision"
(2021); Cherti et al., "Reproducible scaling laws for contrastive language-image learning" (2022).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import olivine.core as mx
import olivine.nn as nn
from olivine.image.blocks.encoder import Encoder, PatchEmbeddings, TextEmbeddings
from olivine.image.blocks.layout import channels_last
from olivine.image.settings import Settings


@dataclass
class TextConfig(Settings):
    vocab_size: int = 49408
    hidden_size: int = 512
    intermediate_size: int = 2048
    projection_dim: int = 512
    num_hidden_layers: int = 12
    num_attention_heads: int = 8
    max_position_embeddings: int = 77
    hidden_act: str = "quick_gelu"
    layer_norm_eps: float = 1e-5
    eos_token_id: float | None = 49407  # a whole number, from 0

    def __post_init__(self):
        super().__post_init__()
        self.require_divisible("hidden_size", by="num_attention_heads")


@dataclass
class VisionConfig(Settings):
    hidden_size: int = 768
    intermediate_size: int = 3072
    projection_dim: int = 512
    num_hidden_layers: int = 12
    num_attention_heads: int = 12
    num_channels: int = 3
    image_size: int = 224
    patch_size: int = 32
    hidden_act: str = "quick_gelu"
    layer_norm_eps: float = 1e-5

    def __post_init__(self):
        super().__post_init__()
        self.require_divisible("hidden_size", by="num_attention_heads")
        self.require_no_more("patch_size", "image_size")


@dataclass
class Config(Settings):
    text_config: dict = field(default_factory=dict)
    vision_config: dict = field(default_factory=dict)
    projection_dim: int = 512


@dataclass
class EncodedText:
    """Of texts: `last` are the normalized features `(batch, length, hidden_size)`, `states` what
    went into the first layer and came out of each, `pooled` `last` where each text ends, and
    `projected` what is compared with images, if the model has it."""

    last: mx.array
    states: list[mx.array]
    pooled: mx.array
    projected: mx.array | None = None


class TextTransformer(nn.Module):
    def __init__(self, config: TextConfig):
        super().__init__()
        self.embeddings = TextEmbeddings(config)
        self.encoder = Encoder(config)
        self.final_layer_norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self._end = config.eos_token_id

    def __call__(self, tokens: mx.array) -> EncodedText:
        states = self.encoder(self.embeddings(tokens), "causal")
        last = self.final_layer_norm(states[-1])
        # Old files say that texts end with 2, which they don't: the end is the largest id.
        if self._end is None or self._end == 2:
            ends = mx.argmax(tokens, axis=1)
        else:
            ends = mx.argmax(tokens == int(self._end), axis=1)
        pooled = mx.take_along_axis(last, ends[:, None, None], axis=1)[:, 0]
        return EncodedText(last, states, pooled)


class TextEncoder(nn.Module):
    """Ids `(batch, length)` to `EncodedText`; with `projects`, as comparable vectors too."""

    def __init__(self, config: TextConfig, projects: bool = False):
        super().__init__()
        self.config = config
        self.text_model = TextTransformer(config)
        if projects:
            self.text_projection = nn.Linear(config.hidden_size, config.projection_dim, bias=False)

    @classmethod
    def from_dict(cls, config: dict) -> TextEncoder:
        names = config.get("architectures") or [""]
        return cls(TextConfig.from_dict(config), "WithProjection" in str(names[0]))

    def __call__(self, tokens: mx.array) -> EncodedText:
        out = self.text_model(tokens)
        if "text_projection" in self:
            out.projected = self.text_projection(out.pooled)
        return out

    def sanitize(self, weights: dict[str, mx.array]) -> dict[str, mx.array]:
        """Without buffers, and under the names that files had before transformers 5 too."""
        bare = ("embeddings.", "encoder.", "final_layer_norm.")
        return {
            f"text_model.{name}" if name.startswith(bare) else name: weight
            for name, weight in weights.items()
            if not name.endswith("position_ids")
        }


class VisionTransformer(nn.Module):
    def __init__(self, config: VisionConfig):
        super().__init__()
        dims, eps = config.hidden_size, config.layer_norm_eps
        self.embeddings = PatchEmbeddings(config, with_class=True, bias=False)
        self.pre_layrnorm = nn.LayerNorm(dims, eps=eps)  # the checkpoints' spelling
        self.encoder = Encoder(config)
        self.post_layernorm = nn.LayerNorm(dims, eps=eps)

    def states(self, pixels: mx.array) -> list[mx.array]:
        """What goes into the first layer and comes out of each: of the whole, then of patches."""
        return self.encoder(self.pre_layrnorm(self.embeddings(pixels)))

    def __call__(self, pixels: mx.array) -> tuple[mx.array, mx.array]:
        """Features of all patches, after that of the whole; and that one normalized."""
        last = self.states(pixels)[-1]
        return last, self.post_layernorm(last[:, 0])


class ImageEncoder(nn.Module):
    """Images `(batch, size, size, channels)`, normalized, to comparable vectors."""

    def __init__(self, config: VisionConfig):
        super().__init__()
        self.config = config
        self.vision_model = VisionTransformer(config)
        self.visual_projection = nn.Linear(config.hidden_size, config.projection_dim, bias=False)

    @classmethod
    def from_dict(cls, config: dict) -> ImageEncoder:
        return cls(VisionConfig.from_dict(config))

    def __call__(self, pixels: mx.array) -> mx.array:
        return self.visual_projection(self.vision_model(pixels)[1])

    def sanitize(self, weights: dict[str, mx.array]) -> dict[str, mx.array]:
        kept = {n: w for n, w in weights.items() if not n.endswith("position_ids")}
        return channels_last(self, kept)


class Model(nn.Module):
    """Both encoders: how well texts and images go together."""

    def __init__(self, config: Config):
        super().__init__()
        shared = {"projection_dim": config.projection_dim}
        text = TextEncoder(TextConfig.from_dict({**config.text_config, **shared}), projects=True)
        image = ImageEncoder(VisionConfig.from_dict({**config.vision_config, **shared}))
        self.text_model, self.text_projection = text.text_model, text.text_projection
        self.vision_model, self.visual_projection = image.vision_model, image.visual_projection
        self.logit_scale = mx.zeros(())

    @classmethod
    def from_dict(cls, config: dict) -> Model:
        return cls(Config.from_dict(config))

    def embed_texts(self, tokens: mx.array) -> mx.array:
        """Vectors of length 1, `(batch, projection_dim)`."""
        return normalized(self.text_projection(self.text_model(tokens).pooled))

    def embed_images(self, pixels: mx.array) -> mx.array:
        """Vectors of length 1, `(batch, projection_dim)`."""
        return normalized(self.visual_projection(self.vision_model(pixels)[1]))

    def __call__(self, tokens: mx.array, pixels: mx.array) -> mx.array:
        """Scores `(images, texts)`, whose softmax are probabilities of the texts."""
        texts, images = self.embed_texts(tokens), self.embed_images(pixels)
        return mx.exp(self.logit_scale) * (images @ texts.T)

    def sanitize(self, weights: dict[str, mx.array]) -> dict[str, mx.array]:
        return ImageEncoder.sanitize(self, weights)


def normalized(x: mx.array) -> mx.array:
    """Vectors of length 1."""
    return x / mx.linalg.norm(x, axis=-1, keepdims=True)
