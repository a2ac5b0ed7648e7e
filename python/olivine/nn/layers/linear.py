"""Linear layers: affine maps of the last axis, the identity, and the bilinear form."""

from __future__ import annotations

import math
from typing import Any

import olivine.core as mx
from olivine.nn.layers.base import Module


class Identity(Module):
    """Returns its input; arguments are accepted and ignored, so it can stand in for any layer."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()

    def __call__(self, x: mx.array) -> mx.array:
        return x


class Linear(Module):
    """`x @ weight.T + bias`, with `weight` of shape `(output_dims, input_dims)`."""

    def __init__(self, input_dims: int, output_dims: int, bias: bool = True) -> None:
        super().__init__()
        bound = math.sqrt(1.0 / input_dims)
        self.weight = mx.random.uniform(low=-bound, high=bound, shape=(output_dims, input_dims))
        if bias:
            self.bias = mx.random.uniform(low=-bound, high=bound, shape=(output_dims,))

    def _extra_repr(self) -> str:
        output_dims, input_dims = self.weight.shape
        return f"input_dims={input_dims}, output_dims={output_dims}, bias={'bias' in self}"

    def __call__(self, x: mx.array) -> mx.array:
        # Entries, since attributes take ten times as long: models call this for every token.
        if "bias" in self:
            return mx.addmm(self["bias"], x, self["weight"].T)
        return x @ self["weight"].T

    def to_quantized(
        self,
        group_size: int | None = None,
        bits: int | None = None,
        mode: str = "affine",
        quantize_input: bool = False,
    ):
        """A `QuantizedLinear` with this weight; with `quantize_input` a `QQLinear`."""
        from olivine.nn.layers.quantized import QQLinear, QuantizedLinear

        kind = QQLinear if quantize_input else QuantizedLinear
        return kind.from_linear(self, group_size, bits, mode)


class Bilinear(Module):
    """`y[k] = sum_ij x1[i] weight[k, j, i] x2[j] + bias[k]` over the last axes of the inputs."""

    def __init__(
        self, input1_dims: int, input2_dims: int, output_dims: int, bias: bool = True
    ) -> None:
        super().__init__()
        bound = math.sqrt(1.0 / input1_dims)
        self.weight = mx.random.uniform(
            low=-bound, high=bound, shape=(output_dims, input2_dims, input1_dims)
        )
        if bias:
            self.bias = mx.random.uniform(low=-bound, high=bound, shape=(output_dims,))

    def _extra_repr(self) -> str:
        output_dims, input2_dims, input1_dims = self.weight.shape
        return (
            f"input1_dims={input1_dims}, input2_dims={input2_dims}, "
            f"output_dims={output_dims}, bias={'bias' in self}"
        )

    def __call__(self, x1: mx.array, x2: mx.array) -> mx.array:
        output_dims, input2_dims, input1_dims = self.weight.shape
        leading = x1.shape[:-1]
        x1 = x1.reshape(-1, input1_dims)
        x2 = x2.reshape(-1, 1, input2_dims)

        # First all outputs' products with x1, then one small product with x2 per row.
        rows = (x1 @ self.weight.reshape(-1, input1_dims).T).reshape(-1, output_dims, input2_dims)
        y = (x2 @ rows.swapaxes(-2, -1)).reshape(*leading, output_dims)
        return y + self.bias if "bias" in self else y
