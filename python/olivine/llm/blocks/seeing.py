"""What language models that see have in common: a decoder that embeddings of images can enter."""

from __future__ import annotations

from typing import ClassVar

import olivine.core as mx
import olivine.nn as nn
from olivine.llm.blocks.decoder import CausalLM, LanguageModel

# What the files leave out of a language model's configuration, as transformers fills it in.
_SIZES = {
    "hidden_size": 4096,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "vocab_size": 32000,
}
_DEFAULTS = {
    "llama": {**_SIZES, "intermediate_size": 11008},
    "mistral": {
        **_SIZES,
        "intermediate_size": 14336,
        "num_key_value_heads": 8,
        "max_position_embeddings": 4096 * 32,
        "sliding_window": 4096,
    },
}


def text_config(config: dict) -> dict:
    """A text_config with what files leave out of it."""
    config = {"model_type": "llama", **config}
    usual = _DEFAULTS.get(config["model_type"], {})
    return {**usual, **{k: v for k, v in config.items() if v is not None or k not in usual}}


class SeeingModel(LanguageModel):
    """A language model that images can be given to; without them it is the language model alone.

    `config` is the language model's, `settings` what config.json says beside it. A model defines
    `embed_images`, `image_token_id`, `image_size` and `tokens_per_image`. See `olivine.vision` for
    what lays out prompts and prepares images.
    """

    # Parts that stay in full when a model is quantized: they are small, and see.
    in_full: ClassVar[tuple[str, ...]]
    # Whether an image is cut into tiles, each of which is seen like an image.
    tiles: ClassVar[bool] = False

    def __init__(self, settings, text: dict):
        from olivine.llm.models import build

        made = build(text)
        if not isinstance(made, CausalLM):
            raise ValueError(f"[llm] expected a decoder as text_config; got {text['model_type']!r}")
        super().__init__(made.config, made.windows)
        self.settings = settings
        self.language_model = made

    @property
    def layers(self) -> list[nn.Module]:
        return self.language_model.layers

    def embed(self, tokens: mx.array) -> mx.array:
        """Embeddings `(batch, length, hidden_size)` of ids."""
        return self.language_model.model.embed(tokens)

    def features_of(self, embeddings: mx.array, cache: list | None = None) -> mx.array:
        """What the head sees of embeddings, which images may be among."""
        return self.language_model.model.run(embeddings, cache)

    def features(self, tokens: mx.array, cache: list | None = None) -> mx.array:
        return self.language_model.features(tokens, cache)

    def head(self, x: mx.array) -> mx.array:
        return self.language_model.head(x)

    def sanitize_text(self, weights: dict[str, mx.array]) -> dict[str, mx.array]:
        """The language model's own weights, under the names that they have here."""
        own = self.language_model.sanitize(weights)
        return {f"language_model.{name}": weight for name, weight in own.items()}
