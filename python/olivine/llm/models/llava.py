"""LLaVA: a vision tower of CLIP or SigLIP, whose features a small network turns into tokens.

Each image is as many tokens of the language model as the tower has patches. Sources: Liu et al.,
"Visual Instruction Tuning" (2023) and "Improved Baselines with Visual Instruction Tuning" (2023).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import olivine.core as mx
import olivine.nn as nn
from olivine.image.blocks.layout import channels_last
from olivine.image.models import clip, siglip
from olivine.llm.blocks.config import Config as BaseConfig
from olivine.llm.blocks.feed_forward import activation
from olivine.llm.blocks.seeing import SeeingModel, text_config

# Of a tower that the file does not describe: ViT-L's for images of 336 x 336.
_TOWER = {
    "model_type": "clip_vision_model",
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "image_size": 336,
    "patch_size": 14,
}
TOWERS = {
    "clip_vision_model": (clip.VisionConfig, clip.VisionTransformer),
    "siglip_vision_model": (siglip.VisionConfig, siglip.VisionTransformer),
}
STRATEGIES = ("default", "full")


@dataclass
class Config(BaseConfig):
    """As in config.json. `vision_feature_layer` has the layers whose features are joined."""

    text_config: dict = field(default_factory=dict)
    vision_config: dict = field(default_factory=dict)
    image_token_index: int = 32000
    projector_hidden_act: str = "gelu"
    vision_feature_select_strategy: str = "default"
    vision_feature_layer: list = field(default_factory=lambda: [-2])
    multimodal_projector_bias: bool = True

    def __post_init__(self):
        super().__post_init__()
        self.text_config = text_config(self.text_config)
        self.vision_config = self.vision_config or _TOWER
        if self.vision_feature_select_strategy not in STRATEGIES:
            raise ValueError(
                f"[llm] expected vision_feature_select_strategy among {', '.join(STRATEGIES)}; "
                f"got {self.vision_feature_select_strategy!r}"
            )
        layers = self.vision_feature_layer
        if not layers or len(layers) > 64 or any(type(layer) is not int for layer in layers):
            raise ValueError(
                f"[llm] expected vision_feature_layer of whole numbers; got {layers!r:.60}"
            )

    @classmethod
    def normalized(cls, config: dict) -> dict:
        layers = config.get("vision_feature_layer")
        named = {"vision_feature_layer": [layers]} if isinstance(layers, int) else {}
        if "image_token_id" in config and "image_token_index" not in config:
            named["image_token_index"] = config["image_token_id"]
        return {**config, **named}


class Projector(nn.Module):
    """Features of patches to embeddings of tokens."""

    def __init__(self, inputs: int, dims: int, act: str, bias: bool):
        super().__init__()
        self.linear_1 = nn.Linear(inputs, dims, bias=bias)
        self.linear_2 = nn.Linear(dims, dims, bias=bias)
        self._act = activation(act)

    def __call__(self, x: mx.array) -> mx.array:
        return self.linear_2(self._act(self.linear_1(x)))


class Tower(nn.Module):
    """The vision model, under the name it has in checkpoints."""

    def __init__(self, config: dict):
        super().__init__()
        kind = config.get("model_type", "clip_vision_model")
        if kind not in TOWERS:
            raise ValueError(
                f"[llm] expected a vision tower among {', '.join(TOWERS)}; got {kind!r}"
            )
        settings, made = TOWERS[kind]
        self.config = own = settings.from_dict(config)
        if own.patch_size == own.num_channels:  # two layouts of weights would look alike
            raise ValueError(f"[llm] expected patch_size other than {own.num_channels}")
        self.vision_model = made(self.config)
        # SigLIP's has no token for the whole image.
        self.with_class = kind == "clip_vision_model"

    def __call__(self, pixels: mx.array) -> list[mx.array]:
        return self.vision_model.states(pixels.astype(self.vision_model.embeddings.dtype))


class Model(SeeingModel):
    in_full = ("vision_tower", "multi_modal_projector")

    def __init__(self, config: Config):
        super().__init__(config, config.text_config)
        self.vision_tower = Tower(config.vision_config)
        own = self.vision_tower.config
        layers = own.num_hidden_layers
        self._layers = config.vision_feature_layer
        if not all(-layers - 1 <= i <= layers for i in self._layers):
            raise ValueError(
                f"[llm] expected vision_feature_layer from {-layers - 1} to {layers}; "
                f"got {self._layers}"
            )
        self._skips_class = config.vision_feature_select_strategy == "default"
        self.multi_modal_projector = Projector(
            own.hidden_size * len(self._layers),
            self.config.hidden_size,
            config.projector_hidden_act,
            config.multimodal_projector_bias,
        )

    @property
    def image_token_id(self) -> int:
        return self.settings.image_token_index

    @property
    def image_size(self) -> int:
        """The height and width of images, in pixels."""
        return self.vision_tower.config.image_size

    @property
    def tokens_per_image(self) -> int:
        own = self.vision_tower.config
        count = (own.image_size // own.patch_size) ** 2 + self.vision_tower.with_class
        return count - self._skips_class

    def embed_images(self, pixels: mx.array) -> mx.array:
        """Embeddings `(batch, tokens_per_image, hidden_size)` of normalized images
        `(batch, image_size, image_size, channels)`."""
        states = self.vision_tower(pixels)
        chosen = [states[i][:, 1:] if self._skips_class else states[i] for i in self._layers]
        x = chosen[0] if len(chosen) == 1 else mx.concatenate(chosen, axis=-1)
        return self.multi_modal_projector(x)

    def sanitize(self, weights: dict[str, mx.array]) -> dict[str, mx.array]:
        """Names that transformers 5, its earlier versions and MLX's tools give to one weight."""
        text, rest = {}, {}
        for name, weight in weights.items():
            name = name.removeprefix("model.")
            if name.startswith("lm_head."):
                text[name] = weight
            elif name.startswith("language_model."):
                name = name.removeprefix("language_model.")
                text[name if name.startswith(("model.", "lm_head.")) else f"model.{name}"] = weight
            elif not name.endswith("position_ids"):
                tower = "vision_tower."
                if name.startswith(tower) and not name.startswith(f"{tower}vision_model."):
                    name = f"{tower}vision_model.{name.removeprefix(tower)}"
                rest[name] = weight
        patches = "vision_tower.vision_model.embeddings.patch_embedding.weight"
        own = self.vision_tower.vision_model.embeddings.patch_embedding.weight.shape
        if patches in rest and rest[patches].shape != own:  # channels first, as transformers has it
            rest = channels_last(self, rest)
        return rest | self.sanitize_text(text)
