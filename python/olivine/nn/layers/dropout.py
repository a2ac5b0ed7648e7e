"""Dropout: random zeros during training, scaled so that the expectation stays."""

from __future__ import annotations

import olivine.core as mx
from olivine.nn.layers.base import Module


class Dropout(Module):
    """Zeroes each element with probability `p` and multiplies the others by `1 / (1 - p)`."""

    def __init__(self, p: float = 0.5):
        super().__init__()
        if not 0 <= p < 1:
            raise ValueError(f"[{type(self).__name__}] expected 0 <= p < 1; got {p}")
        self._keep = 1 - p

    def _extra_repr(self):
        return f"p={1 - self._keep}"

    def _mask_shape(self, x: mx.array) -> tuple[int, ...]:
        return x.shape

    def __call__(self, x: mx.array) -> mx.array:
        if self._keep == 1 or not self.training:
            return x
        mask = mx.random.bernoulli(p=self._keep, shape=self._mask_shape(x))
        return (mask * x) * (1 / self._keep)


class Dropout2d(Dropout):
    """Drops whole channels of images shaped `(N, H, W, C)` or `(H, W, C)`."""

    def _mask_shape(self, x: mx.array) -> tuple[int, ...]:
        if x.ndim not in (3, 4):
            raise ValueError(f"[Dropout2d] expected 3 or 4 dimensions; got shape {x.shape}")
        return (*x.shape[:-3], 1, 1, x.shape[-1])


class Dropout3d(Dropout):
    """Drops whole channels of volumes shaped `(N, D, H, W, C)` or `(D, H, W, C)`."""

    def _mask_shape(self, x: mx.array) -> tuple[int, ...]:
        if x.ndim not in (4, 5):
            raise ValueError(f"[Dropout3d] expected 4 or 5 dimensions; got shape {x.shape}")
        return (*x.shape[:-4], 1, 1, 1, x.shape[-1])
