"""Normalization layers: over the features (layer, RMS), groups, instances or the batch."""

from __future__ import annotations

import olivine.core as mx
from olivine.nn.layers.base import Module


def _affine(module: Module, x: mx.array) -> mx.array:
    return module.weight * x + module.bias if "weight" in module else x


class InstanceNorm(Module):
    """Normalizes every channel of every example over its spatial axes.

    Input is `(batch, ..., dims)`. Source: Ulyanov et al., "Instance Normalization" (2016).
    """

    def __init__(self, dims: int, eps: float = 1e-5, affine: bool = False):
        super().__init__()
        if affine:
            self.weight = mx.ones((dims,))
            self.bias = mx.zeros((dims,))
        self.dims = dims
        self.eps = eps

    def _extra_repr(self):
        return f"{self.dims}, eps={self.eps}, affine={'weight' in self}"

    def __call__(self, x: mx.array) -> mx.array:
        axes = tuple(range(1, x.ndim - 1))
        mean = mx.mean(x, axis=axes, keepdims=True)
        variance = mx.var(x, axis=axes, keepdims=True)
        return _affine(self, (x - mean) * mx.rsqrt(variance + self.eps))


class LayerNorm(Module):
    """Normalizes the last axis to mean 0 and variance 1, then scales and shifts it.

    Source: Ba et al., "Layer Normalization" (2016).
    """

    def __init__(self, dims: int, eps: float = 1e-5, affine: bool = True, bias: bool = True):
        super().__init__()
        if affine:
            self.weight = mx.ones((dims,))
            if bias:
                self.bias = mx.zeros((dims,))
        self.eps = eps
        self.dims = dims

    def _extra_repr(self):
        return f"{self.dims}, eps={self.eps}, affine={'weight' in self}"

    def __call__(self, x):
        return mx.fast.layer_norm(x, self.get("weight"), self.get("bias"), self.eps)


class RMSNorm(Module):
    """Divides the last axis by its root mean square, then scales it.

    Source: Zhang and Sennrich, "Root Mean Square Layer Normalization" (2019).
    """

    def __init__(self, dims: int, eps: float = 1e-5):
        super().__init__()
        self.weight = mx.ones((dims,))
        self.eps = eps

    def _extra_repr(self):
        return f"{self.weight.shape[0]}, eps={self.eps}"

    def __call__(self, x):
        return mx.fast.rms_norm(x, self["weight"], self.eps)


class GroupNorm(Module):
    """Normalizes groups of channels of every example.

    Input is `(batch, ..., dims)`. With `pytorch_compatible`, a group is `dims / num_groups`
    neighbouring channels, as in the paper; otherwise channel `c` is in group `c % num_groups`.
    Source: Wu and He, "Group Normalization" (2018).
    """

    def __init__(
        self,
        num_groups: int,
        dims: int,
        eps: float = 1e-5,
        affine: bool = True,
        pytorch_compatible: bool = False,
    ):
        super().__init__()
        if num_groups < 1 or dims % num_groups:
            raise ValueError(
                f"[GroupNorm] expected dims divisible by num_groups; got {dims} and {num_groups}"
            )
        if affine:
            self.bias = mx.zeros((dims,))
            self.weight = mx.ones((dims,))
        self.num_groups = num_groups
        self.dims = dims
        self.eps = eps
        self.pytorch_compatible = pytorch_compatible

    def _extra_repr(self):
        return (
            f"{self.num_groups}, {self.dims}, eps={self.eps}, affine={'weight' in self}, "
            f"pytorch_compatible={self.pytorch_compatible}"
        )

    def _normalize_neighbours(self, x: mx.array) -> mx.array:
        batch, *spatial, dims = x.shape
        size = dims // self.num_groups
        x = x.reshape(batch, -1, self.num_groups, size).transpose(0, 2, 1, 3)
        x = x.reshape(batch, self.num_groups, -1)
        x = mx.fast.layer_norm(x, None, None, self.eps)
        x = x.reshape(batch, self.num_groups, -1, size).transpose(0, 2, 1, 3)
        return x.reshape(batch, *spatial, dims)

    def _normalize_strided(self, x: mx.array) -> mx.array:
        shape = x.shape
        x = x.reshape(shape[0], -1, self.num_groups)
        mean = mx.mean(x, axis=1, keepdims=True)
        variance = mx.var(x, axis=1, keepdims=True)
        return ((x - mean) * mx.rsqrt(variance + self.eps)).reshape(shape)

    def __call__(self, x):
        normalize = (
            self._normalize_neighbours if self.pytorch_compatible else self._normalize_strided
        )
        return _affine(self, normalize(x))


class BatchNorm(Module):
    """Normalizes every channel over the batch and the spatial axes.

    Input is `(N, C)`, `(N, L, C)` or `(N, H, W, C)`. Training uses the batch's own statistics and
    updates the running ones, which evaluation uses. Source: Ioffe and Szegedy, "Batch
    Normalization" (2015).
    """

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
    ):
        super().__init__()
        self.num_features = num_features
        self.eps = eps
        self.momentum = momentum
        self.track_running_stats = track_running_stats
        if affine:
            self.weight = mx.ones((num_features,))
            self.bias = mx.zeros((num_features,))
        if track_running_stats:
            self.running_mean = mx.zeros((num_features,))
            self.running_var = mx.ones((num_features,))
            self._freeze_statistics()

    def _freeze_statistics(self):
        self.freeze(keys=["running_mean", "running_var"], recurse=False)

    def unfreeze(self, *args, **kwargs):
        """As in `Module`, but the running statistics never become trainable."""
        super().unfreeze(*args, **kwargs)
        self._freeze_statistics()
        return self

    def _extra_repr(self):
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, "
            f"affine={'weight' in self}, track_running_stats={self.track_running_stats}"
        )

    def _update_statistics(self, x: mx.array, mean: mx.array, variance: mx.array) -> None:
        count = x.size // x.shape[-1]
        # The running variance is the unbiased estimate, the one used for normalizing is not.
        unbiased = variance * (count / max(count - 1, 1))
        mu = self.momentum
        self.running_mean = (1 - mu) * self.running_mean + mu * mean
        self.running_var = (1 - mu) * self.running_var + mu * unbiased

    def __call__(self, x: mx.array) -> mx.array:
        if not 2 <= x.ndim <= 4:
            raise ValueError(f"[BatchNorm] expected 2 to 4 dimensions; got shape {x.shape}")
        if self.training or not self.track_running_stats:
            axes = tuple(range(x.ndim - 1))
            mean, variance = mx.mean(x, axis=axes), mx.var(x, axis=axes)
            if self.training and self.track_running_stats:
                self._update_statistics(x, mean, variance)
        else:
            mean, variance = self.running_mean, self.running_var
        return _affine(self, (x - mean) * mx.rsqrt(variance + self.eps))
