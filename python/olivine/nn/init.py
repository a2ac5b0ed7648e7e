"""Initializers: each returns a function that gives new values for an array of the same shape."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import olivine.core as mx


def constant(value: float, dtype: mx.Dtype = mx.float32) -> Callable[[mx.array], mx.array]:
    """Every element is `value`."""

    def initializer(a: mx.array) -> mx.array:
        return mx.full(a.shape, value, dtype=dtype)

    return initializer


def normal(
    mean: float = 0.0, std: float = 1.0, dtype: mx.Dtype = mx.float32
) -> Callable[[mx.array], mx.array]:
    """Normal distribution."""

    def initializer(a: mx.array) -> mx.array:
        return mx.random.normal(shape=a.shape, scale=std, loc=mean, dtype=dtype)

    return initializer


def uniform(
    low: float = 0.0, high: float = 1.0, dtype: mx.Dtype = mx.float32
) -> Callable[[mx.array], mx.array]:
    """Uniform distribution on `[low, high)`."""

    def initializer(a: mx.array) -> mx.array:
        return mx.random.uniform(low, high, a.shape, dtype=dtype)

    return initializer


def identity(dtype: mx.Dtype = mx.float32) -> Callable[[mx.array], mx.array]:
    """The identity matrix; only for square matrices."""

    def initializer(arr: mx.array) -> mx.array:
        if arr.ndim != 2 or arr.shape[0] != arr.shape[1]:
            raise ValueError(f"[init.identity] expected a square matrix; got shape {arr.shape}")
        return mx.eye(arr.shape[0], dtype=dtype)

    return initializer


def _fans(op: str, x: mx.array) -> tuple[int, int]:
    """Inputs and outputs per unit of a weight shaped `(out, ..., in)`."""
    if x.ndim < 2:
        raise ValueError(f"[init.{op}] expected at least 2 dimensions; got shape {x.shape}")
    receptive = math.prod(x.shape[1:-1])
    return x.shape[-1] * receptive, x.shape[0] * receptive


def glorot_normal(dtype: mx.Dtype = mx.float32) -> Callable[[mx.array, float], mx.array]:
    """Normal with variance `2 gain² / (fan_in + fan_out)`. Source: Glorot and Bengio (2010)."""

    def initializer(a: mx.array, gain: float = 1.0) -> mx.array:
        fan_in, fan_out = _fans("glorot_normal", a)
        std = gain * math.sqrt(2.0 / (fan_in + fan_out))
        return mx.random.normal(shape=a.shape, scale=std, dtype=dtype)

    return initializer


def glorot_uniform(dtype: mx.Dtype = mx.float32) -> Callable[[mx.array, float], mx.array]:
    """Uniform with variance `2 gain² / (fan_in + fan_out)`. Source: Glorot and Bengio (2010)."""

    def initializer(a: mx.array, gain: float = 1.0) -> mx.array:
        fan_in, fan_out = _fans("glorot_uniform", a)
        bound = gain * math.sqrt(6.0 / (fan_in + fan_out))
        return mx.random.uniform(-bound, bound, a.shape, dtype=dtype)

    return initializer


def _he_fan(op: str, a: mx.array, mode: str) -> int:
    fans = dict(zip(("fan_in", "fan_out"), _fans(op, a), strict=True))
    if mode not in fans:
        raise ValueError(f"[init.{op}] expected mode fan_in or fan_out; got {mode!r}")
    return fans[mode]


def he_normal(
    dtype: mx.Dtype = mx.float32,
) -> Callable[[mx.array, Literal["fan_in", "fan_out"], float], mx.array]:
    """Normal with variance `gain² / fan`. Source: He et al., "Delving Deep into Rectifiers"."""

    def initializer(
        a: mx.array, mode: Literal["fan_in", "fan_out"] = "fan_in", gain: float = 1.0
    ) -> mx.array:
        std = gain / math.sqrt(_he_fan("he_normal", a, mode))
        return mx.random.normal(shape=a.shape, scale=std, dtype=dtype)

    return initializer


def he_uniform(
    dtype: mx.Dtype = mx.float32,
) -> Callable[[mx.array, Literal["fan_in", "fan_out"], float], mx.array]:
    """Uniform with variance `gain² / fan`. Source: He et al., "Delving Deep into Rectifiers"."""

    def initializer(
        a: mx.array, mode: Literal["fan_in", "fan_out"] = "fan_in", gain: float = 1.0
    ) -> mx.array:
        bound = gain * math.sqrt(3.0 / _he_fan("he_uniform", a, mode))
        return mx.random.uniform(-bound, bound, a.shape, dtype=dtype)

    return initializer


def sparse(
    sparsity: float, mean: float = 0.0, std: float = 1.0, dtype: mx.Dtype = mx.float32
) -> Callable[[mx.array], mx.array]:
    """Normal, with the fraction `sparsity` (rounded up) of every row set to zero."""

    def initializer(a: mx.array) -> mx.array:
        if a.ndim != 2:
            raise ValueError(f"[init.sparse] expected a matrix; got shape {a.shape}")
        zeros = math.ceil(sparsity * a.shape[1])
        rank = mx.argsort(mx.argsort(mx.random.uniform(shape=a.shape), axis=1), axis=1)
        values = mx.random.normal(shape=a.shape, scale=std, loc=mean, dtype=dtype)
        return mx.where(rank < zeros, mx.array(0, dtype=dtype), values)

    return initializer


def orthogonal(gain: float = 1.0, dtype: mx.Dtype = mx.float32) -> Callable[[mx.array], mx.array]:
    """A random matrix with orthonormal rows or columns (whichever are fewer), times `gain`.

    Part of the orthogonal factor of a square Gaussian matrix's QR decomposition, which is uniformly
    distributed if the diagonal of R is positive. Source: Mezzadri, "How to generate random matrices
    from the classical compact groups" (2007).
    """

    def initializer(a: mx.array) -> mx.array:
        if a.ndim != 2:
            raise ValueError(f"[init.orthogonal] expected a matrix; got shape {a.shape}")
        rows, cols = a.shape
        size = max(rows, cols)
        q, r = mx.linalg.qr(mx.random.normal(shape=(size, size)))
        q = q * mx.sign(mx.diag(r))
        return (gain * q[:rows, :cols]).astype(dtype)

    return initializer
