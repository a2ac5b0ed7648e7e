"""T5's encoder alone, FLUX's second encoder of texts; see `olivine.llm.models.t5`."""

from __future__ import annotations

import olivine.core as mx
import olivine.nn as nn
from olivine.llm.formats.checkpoint import ModelError
from olivine.llm.models import t5


class Encoder(nn.Module):
    """Ids `(batch, length)` to features `(batch, length, d_model)`."""

    def __init__(self, config: t5.Config):
        super().__init__()
        self.config = config
        self.shared = nn.Embedding(config.vocab_size, config.d_model)
        self.encoder = t5.Stack(config, config.num_layers, decodes=False)

    @classmethod
    def from_dict(cls, config: dict) -> Encoder:
        try:
            return cls(t5.Config.from_dict(config))
        except ModelError:
            raise
        except ValueError as error:
            raise ModelError(f"[image] {str(error).removeprefix('[llm] ')}") from None

    def __call__(self, tokens: mx.array, mask: mx.array | None = None) -> mx.array:
        return t5.Model.features(self, tokens, mask)

    def sanitize(self, weights: dict[str, mx.array]) -> dict[str, mx.array]:
        """With one table, which files have under one name or the other or both."""
        weights = dict(weights)
        table = weights.pop("encoder.embed_tokens.weight", None)
        if table is not None:
            weights.setdefault("shared.weight", table)
        return weights
