"""Activations, each as a function and, where MLX has one, as a layer without parameters."""

from __future__ import annotations

import math
from functools import wraps

import olivine.core as mx
from olivine.nn.layers.base import Module

# Functions


def _rounded_once(function):
    """Computes a 16-bit `x` in float32, so that only the result is rounded, and not every step.

    That keeps digits which the steps would lose, in the gradient too, and it is faster.
    """

    @wraps(function)
    def wrapped(x, *args, **kwargs):
        dtype = x.dtype if isinstance(x, mx.array) else None
        if dtype == mx.bfloat16 or dtype == mx.float16:
            return function(x.astype(mx.float32), *args, **kwargs).astype(dtype)
        return function(x, *args, **kwargs)

    return wrapped


def sigmoid(x):
    """`1 / (1 + exp(-x))`."""
    return mx.sigmoid(x)


def tanh(x):
    """The hyperbolic tangent."""
    return mx.tanh(x)


def relu(x):
    """`max(x, 0)`."""
    return mx.maximum(x, 0)


def relu2(x):
    """The square of `relu`. Source: So et al., "Primer" (2021)."""
    return mx.square(mx.maximum(x, 0))


def relu6(x):
    """`min(max(x, 0), 6)`."""
    return mx.minimum(mx.maximum(x, 0), 6.0)


def leaky_relu(x, negative_slope=0.01):
    """`max(x, negative_slope * x)`."""
    return mx.maximum(negative_slope * x, x)


def prelu(x: mx.array, alpha: mx.array) -> mx.array:
    """`max(x, 0) + alpha * min(x, 0)`; the slope `alpha` is usually learned."""
    return mx.maximum(0, x) + alpha * mx.minimum(0, x)


@_rounded_once
def elu(x, alpha=1.0):
    """`x` where positive, `alpha * (exp(x) - 1)` elsewhere."""
    # The inner where keeps exp, and so the gradient, finite for large x.
    return mx.where(x > 0, x, alpha * mx.expm1(mx.where(x > 0, 0, x)))


@_rounded_once
def celu(x, alpha=1.0):
    """`max(x, 0) + min(0, alpha * (exp(x / alpha) - 1))`, smooth for every `alpha`."""
    return mx.where(x > 0, x, alpha * mx.expm1(mx.where(x > 0, 0, x) / alpha))


@_rounded_once
def selu(x):
    """Self-normalizing scaled `elu`. Source: Klambauer et al. (2017), whose constants these are."""
    return 1.0507 * elu(x, 1.67326)


@_rounded_once
def gelu(x) -> mx.array:
    """`x * Phi(x)` with the Gaussian distribution function Phi, exact."""
    return x * (0.5 * (1 + mx.erf(x * (1 / math.sqrt(2)))))


@_rounded_once
def gelu_approx(x):
    """`gelu` by a tanh. Source: Hendrycks and Gimpel, "Gaussian Error Linear Units" (2016)."""
    return 0.5 * x * (1 + mx.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x)))


@_rounded_once
def gelu_fast_approx(x):
    """`gelu` by a sigmoid: `x * sigmoid(1.702 x)`."""
    return x * mx.sigmoid(1.702 * x)


@_rounded_once
def silu(x):
    """`x * sigmoid(x)`, also called swish."""
    return x * mx.sigmoid(x)


@_rounded_once
def mish(x: mx.array) -> mx.array:
    """`x * tanh(softplus(x))`. Source: Misra, "Mish" (2019)."""
    return x * mx.tanh(softplus(x))


def glu(x: mx.array, axis: int = -1) -> mx.array:
    """The first half of `axis` times the sigmoid of the second half."""
    a, b = mx.split(x, 2, axis=axis)
    return a * mx.sigmoid(b)


@_rounded_once
def hardswish(x):
    """`x * relu6(x + 3) / 6`. Source: Howard et al., "MobileNetV3" (2019)."""
    return x * relu6(x + 3) / 6


def hard_tanh(x, min_val=-1.0, max_val=1.0):
    """`x` clipped to `[min_val, max_val]`."""
    return mx.minimum(mx.maximum(x, min_val), max_val)


def hard_shrink(x, lambd=0.5):
    """`x` where `|x| > lambd`, else 0."""
    return mx.where(mx.abs(x) > lambd, x, 0)


def softshrink(x, lambd: float = 0.5):
    """`x` moved towards 0 by `lambd`, and 0 where `|x| <= lambd`."""
    return mx.where(mx.abs(x) > lambd, x - mx.sign(x) * lambd, 0)


def softplus(x):
    """`log(1 + exp(x))`, without overflow."""
    return mx.logaddexp(x, 0)


@_rounded_once
def softsign(x):
    """`x / (1 + |x|)`."""
    return x / (1 + mx.abs(x))


def softmax(x, axis=-1):
    """`exp(x)` divided by its sum along `axis`."""
    return mx.softmax(x, axis=axis)


def softmin(x, axis=-1):
    """`softmax(-x)`."""
    return mx.softmax(-x, axis=axis)


@_rounded_once
def log_softmax(x, axis=-1):
    """The logarithm of `softmax`, without overflow."""
    return x - mx.logsumexp(x, axis=axis, keepdims=True)


@_rounded_once
def log_sigmoid(x):
    """The logarithm of `sigmoid`, without overflow."""
    return -softplus(-x)


def step(x: mx.array, threshold: float = 0.0):
    """1 where `x >= threshold`, else 0."""
    return mx.where(x >= threshold, 1, 0)


# Layers


def _layer(name: str, function) -> type[Module]:
    """The layer that calls `function` with no settings."""

    def call(self, x):
        return function(x)

    body = {
        "__call__": call,
        "__doc__": f"Layer form of `{function.__name__}`: {function.__doc__}",
        "__module__": __name__,
    }
    return type(name, (Module,), body)


Sigmoid = _layer("Sigmoid", sigmoid)
Tanh = _layer("Tanh", tanh)
ReLU = _layer("ReLU", relu)
ReLU2 = _layer("ReLU2", relu2)
ReLU6 = _layer("ReLU6", relu6)
SELU = _layer("SELU", selu)
SiLU = _layer("SiLU", silu)
Mish = _layer("Mish", mish)
Hardswish = _layer("Hardswish", hardswish)
HardTanh = _layer("HardTanh", hard_tanh)
Softmax = _layer("Softmax", softmax)
Softmin = _layer("Softmin", softmin)
LogSoftmax = _layer("LogSoftmax", log_softmax)
LogSigmoid = _layer("LogSigmoid", log_sigmoid)
Softplus = _layer("Softplus", softplus)
Softsign = _layer("Softsign", softsign)


class LeakyReLU(Module):
    """Layer form of `leaky_relu`."""

    def __init__(self, negative_slope=0.01):
        super().__init__()
        self._negative_slope = negative_slope

    def __call__(self, x):
        return leaky_relu(x, self._negative_slope)


class PReLU(Module):
    """`prelu` with a learned slope, one for all features or one for each."""

    def __init__(self, num_parameters=1, init=0.25):
        super().__init__()
        self.weight = mx.full([num_parameters], init)

    def __call__(self, x: mx.array):
        return prelu(x, self.weight)


class ELU(Module):
    """Layer form of `elu`."""

    def __init__(self, alpha=1.0):
        super().__init__()
        self._alpha = alpha

    def __call__(self, x):
        return elu(x, self._alpha)


class CELU(Module):
    """Layer form of `celu`."""

    def __init__(self, alpha=1.0):
        super().__init__()
        self._alpha = alpha

    def __call__(self, x):
        return celu(x, self._alpha)


class GELU(Module):
    """`gelu`; `approx` "precise" or "tanh" picks `gelu_approx`, "fast" `gelu_fast_approx`."""

    _functions = {
        "none": gelu,
        "precise": gelu_approx,
        "tanh": gelu_approx,
        "fast": gelu_fast_approx,
    }

    def __init__(self, approx="none"):
        super().__init__()
        if approx not in self._functions:
            raise ValueError(
                f"[GELU] expected approx to be one of {', '.join(self._functions)}; got {approx!r}"
            )
        self._approx = approx

    def __call__(self, x):
        return self._functions[self._approx](x)


class GLU(Module):
    """Layer form of `glu`."""

    def __init__(self, axis: int = -1):
        super().__init__()
        self.axis = axis

    def __call__(self, x):
        return glu(x, axis=self.axis)


class HardShrink(Module):
    """Layer form of `hard_shrink`."""

    def __init__(self, lambd=0.5):
        super().__init__()
        self.lambd = lambd

    def __call__(self, x):
        return hard_shrink(x, self.lambd)


class Softshrink(Module):
    """Layer form of `softshrink`."""

    def __init__(self, lambd=0.5):
        super().__init__()
        self.lambd = lambd

    def __call__(self, x):
        return softshrink(x, self.lambd)


class Step(Module):
    """Layer form of `step`."""

    def __init__(self, threshold: float = 0.0):
        super().__init__()
        self.threshold = threshold

    def __call__(self, x: mx.array):
        return step(x, self.threshold)
