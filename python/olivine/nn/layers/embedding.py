"""Embedding: a table of learned vectors looked up by integer."""

from __future__ import annotations

import math

import olivine.core as mx
from olivine.nn.layers.base import Module


class Embedding(Module):
    """Row `x` of `weight`, of shape `(num_embeddings, dims)`, for every integer `x`."""

    def __init__(self, num_embeddings: int, dims: int):
        super().__init__()
        scale = math.sqrt(1 / dims)
        self.weight = mx.random.normal(shape=(num_embeddings, dims), scale=scale)

    def _extra_repr(self):
        return f"{self.weight.shape[0]}, {self.weight.shape[1]}"

    def __call__(self, x):
        return self.weight[x]

    def as_linear(self, x):
        """The product with the transposed table: the head of a model with tied embeddings."""
        return x @ self.weight.T

    def to_quantized(
        self,
        group_size: int | None = None,
        bits: int | None = None,
        mode: str = "affine",
        quantize_input: bool = False,
    ):
        """A `QuantizedEmbedding` with this table; `quantize_input` has no meaning for it."""
        from olivine.nn.layers.quantized import QuantizedEmbedding

        if quantize_input:
            raise ValueError("[Embedding.to_quantized] expected quantize_input=False; got True")
        return QuantizedEmbedding.from_embedding(self, group_size, bits, mode)
