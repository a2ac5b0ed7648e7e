"""Vectors of texts, from encoders such as MiniLM or from any language model."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

import olivine.core as mx

MOST_POSITIONS = 16384  # of a batch


class Embedder:
    """Turns texts into vectors of length 1. ValueError: one is longer than the model's context.

    An encoder's own pooling is used (`Model.embed`); of other models, the mean of the last layer's
    features over the tokens. Texts of similar lengths go through the model together.
    """

    def __init__(self, model, tokenizer, batch_size: int = 32):
        if not hasattr(model, "embed") and not hasattr(model, "features"):
            raise ValueError(
                f"[llm] expected an encoder or a decoder; got {type(model).__module__}"
            )
        self.model, self.tokenizer, self.batch_size = model, tokenizer, batch_size

    @classmethod
    def load(cls, name: str, **options) -> Embedder:
        """Of the model that `olivine.llm.loading` finds under `name`."""
        from olivine.llm.loading import load

        return cls(*load(name, **options))

    def __call__(self, texts: Sequence[str | list[int]]) -> tuple[mx.array, int]:
        """Vectors `(texts, dims)` in float32, and how many tokens were read."""
        ids = [self.tokenizer.encode(t) if isinstance(t, str) else list(t) for t in texts]
        if not ids or not all(ids):
            raise ValueError("[llm] expected texts of at least one token")
        size = self.model.config.vocab_size
        if any(not 0 <= i < size for row in ids for i in row):
            raise ValueError(f"[llm] expected ids below the model's {size}")
        context = getattr(self.model.config, "max_position_embeddings", None)
        longest = max(map(len, ids))
        if context and longest > context:
            raise ValueError(
                f"[llm] expected texts of at most {context} tokens, the model's context; "
                f"got {longest}"
            )
        order = sorted(range(len(ids)), key=lambda i: len(ids[i]))
        out: list[mx.array] = [None] * len(ids)
        while order:
            chosen = order[: self.batch_size]
            # Few of the long ones at once: their memory grows with the positions of all.
            chosen = chosen[: max(1, MOST_POSITIONS // len(ids[chosen[-1]]))]
            del order[: len(chosen)]
            vectors = self._batch([ids[i] for i in chosen])
            mx.eval(vectors)
            for row, i in enumerate(chosen):
                out[i] = vectors[row]
        return mx.stack(out), sum(map(len, ids))

    def _batch(self, rows: list[list[int]]) -> mx.array:
        longest = max(map(len, rows))
        tokens = np.zeros((len(rows), longest), np.int32)
        mask = np.zeros((len(rows), longest), bool)
        for i, row in enumerate(rows):
            tokens[i, : len(row)] = row
            mask[i, : len(row)] = True
        tokens, mask = mx.array(tokens), mx.array(mask)
        if hasattr(self.model, "embed"):
            return self.model.embed(tokens, mask).astype(mx.float32)
        # Padding stands behind the tokens, which do not look ahead.
        x = self.model.features(tokens).astype(mx.float32)
        weights = mask.astype(mx.float32)[..., None]
        x = (x * weights).sum(axis=1) / weights.sum(axis=1)
        return x / mx.maximum(mx.linalg.norm(x, axis=-1, keepdims=True), 1e-12)
