"""Idefics 3 and SmolVLM: images in tiles, seen by SigLIP, whose patches are joined in squares.

Sources: Laurençon et al., "Building and better understanding vision-language models" (2024);
Marafioti et al., "SmolVLM" (2025).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import olivine.core as mx
import olivine.nn as nn
from olivine.image.blocks.encoder import Encoder, PatchEmbeddings
from olivine.image.blocks.layout import channels_last
from olivine.image.models import siglip
from olivine.llm.blocks.config import Config as BaseConfig
from olivine.llm.blocks.seeing import SeeingModel, text_config


@dataclass
class VisionConfig(siglip.VisionConfig):
    hidden_size: int = 1152
    num_attention_heads: int = 16
    patch_size: int = 32

    def __post_init__(self):
        super().__post_init__()
        if self.patch_size == self.num_channels:  # two layouts of weights would look alike
            raise ValueError(f"[llm] expected patch_size other than {self.num_channels}")


@dataclass
class Config(BaseConfig):
    text_config: dict = field(default_factory=dict)
    vision_config: dict = field(default_factory=dict)
    image_token_id: int = 128257
    scale_factor: int = 2
    tie_word_embeddings: bool = False

    def __post_init__(self):
        super().__post_init__()
        # The head's table is a matter of the whole, whatever the text model's part says.
        tied = {"tie_word_embeddings": self.tie_word_embeddings}
        self.text_config = {"rms_norm_eps": 1e-5, **text_config(self.text_config), **tied}


class VisionModel(nn.Module):
    """Features of patches, `(batch, count, hidden_size)`, of tiles of the tower's size.

    Of these each patch has its own position, as it has in training where the patches of a side are
    26, 27 or 32, those of the models that there are.
    """

    def __init__(self, config: VisionConfig):
        super().__init__()
        self.embeddings = PatchEmbeddings(config, with_class=False, bias=True)
        self.encoder = Encoder(config)
        self.post_layernorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)

    def __call__(self, pixels: mx.array) -> mx.array:
        return self.post_layernorm(self.encoder(self.embeddings(pixels))[-1])


class Connector(nn.Module):
    """Squares of `scale` x `scale` patches to embeddings of tokens."""

    def __init__(self, inputs: int, dims: int, scale: int):
        super().__init__()
        self.proj = nn.Linear(inputs * scale * scale, dims, bias=False)
        self._scale = scale

    def __call__(self, x: mx.array) -> mx.array:
        batch, count, dims = x.shape
        side, scale = round(count**0.5), self._scale
        x = x.reshape(batch, side // scale, scale, side // scale, scale * dims)
        x = x.transpose(0, 1, 3, 2, 4)
        return self.proj(x.reshape(batch, count // scale**2, scale * scale * dims))


class Model(SeeingModel):
    in_full = ("vision_model", "connector")
    tiles = True

    def __init__(self, config: Config):
        super().__init__(config, config.text_config)
        self.vision = VisionConfig.from_dict(config.vision_config)
        side = self.vision.image_size // self.vision.patch_size
        if side % config.scale_factor:
            raise ValueError(
                f"[llm] expected scale_factor to divide the {side} patches of a side; "
                f"got {config.scale_factor}"
            )
        self.tokens_per_image = (side // config.scale_factor) ** 2
        self.vision_model = VisionModel(self.vision)
        self.connector = Connector(
            self.vision.hidden_size, self.config.hidden_size, config.scale_factor
        )

    @property
    def image_token_id(self) -> int:
        return self.settings.image_token_id

    @property
    def image_size(self) -> int:
        """The height and width of tiles, in pixels."""
        return self.vision.image_size

    def embed_images(self, pixels: mx.array) -> mx.array:
        """Embeddings `(batch, tokens_per_image, hidden_size)` of normalized tiles
        `(batch, image_size, image_size, channels)`."""
        dtype = self.vision_model.embeddings.dtype
        return self.connector(self.vision_model(pixels.astype(dtype)))

    def sanitize(self, weights: dict[str, mx.array]) -> dict[str, mx.array]:
        """Names of transformers and of MLX's tools."""
        text, rest = {}, {}
        for name, weight in weights.items():
            name = name.removeprefix("model.")
            for prefix in ("text_model.", "language_model."):
                if name.startswith(prefix):
                    name = name.removeprefix(prefix)
                    name = name if name.startswith(("model.", "lm_head.")) else f"model.{name}"
                    text[name] = weight
                    break
            else:
                if name.startswith("lm_head."):
                    text[name] = weight
                elif not name.endswith("position_ids"):
                    rest[name.replace(".modality_projection.", ".")] = weight
        patches = "vision_model.embeddings.patch_embedding.weight"
        own = self.vision_model.embeddings.patch_embedding.weight.shape
        if patches in rest and rest[patches].shape != own:  # channels first, as transformers has it
            rest = channels_last(self, rest)
        return rest | self.sanitize_text(text)
