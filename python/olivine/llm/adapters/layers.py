"""Linear layers with an adapter: LoRA and DoRA, over full or quantized weights.

The layer that is adapted stays whole as `linear`, so that a quantized base is never unpacked for
LoRA (QLoRA, Dettmers et al., 2023).
"""

from __future__ import annotations

import math

import olivine.core as mx
import olivine.nn as nn
from olivine.llm.layers import full_weight


def _dims(linear: nn.Module) -> tuple[int, int]:
    """Input and output features of a linear layer, quantized or not."""
    outputs, inputs = linear.weight.shape
    if isinstance(linear, nn.QuantizedLinear):
        inputs = inputs * 32 // linear.bits
    return inputs, outputs


class LoRALinear(nn.Module):
    """`linear(x) + scale * (dropout(x) @ lora_a) @ lora_b`; `lora_b` starts at zero.

    Source: Hu et al., "LoRA" (2021). `lora_a` has shape `(inputs, rank)`, `lora_b`
    `(rank, outputs)`; both are float32 whatever the base is, and the sum has the base's dtype.
    """

    def __init__(self, linear: nn.Module, rank: int = 8, scale: float = 2.0, dropout: float = 0.0):
        super().__init__()
        inputs, outputs = _dims(linear)
        if not 1 <= rank <= min(inputs, outputs):
            raise ValueError(
                f"[{type(self).__name__}] expected a rank from 1 to {min(inputs, outputs)} for a "
                f"layer of {inputs} to {outputs} features; got {rank}"
            )
        self.linear = linear
        self.scale = scale
        self.rate = dropout
        self.dropout = nn.Dropout(dropout)
        bound = 1 / math.sqrt(inputs)
        self.lora_a = mx.random.uniform(low=-bound, high=bound, shape=(inputs, rank))
        self.lora_b = mx.zeros((rank, outputs))
        linear.freeze()

    def _extra_repr(self) -> str:
        return f"rank={self.lora_a.shape[1]}, scale={self.scale:g}"

    def delta(self) -> mx.array:
        """What the adapter adds to the weight, `(outputs, inputs)`."""
        return self.scale * (self.lora_a @ self.lora_b).T

    def merged_weight(self) -> mx.array:
        """The weight of a plain layer that does the same, in float32."""
        return full_weight(self.linear).astype(mx.float32) + self.delta()

    def _adapted(self, x: mx.array) -> mx.array:
        # Scaled where that is least work, in the backward pass too.
        return (self.dropout(x) @ (self.scale * self.lora_a)) @ self.lora_b

    def __call__(self, x: mx.array) -> mx.array:
        y = self.linear(x)
        return y + self._adapted(x).astype(y.dtype)


class DoRALinear(LoRALinear):
    """LoRA on the direction of each row of the weight, whose length is a parameter of its own.

    Source: Liu et al., "DoRA" (2024). The length of the adapted rows counts as a constant in the
    gradient, as in section 4.3 there.
    """

    def __init__(self, linear: nn.Module, rank: int = 8, scale: float = 2.0, dropout: float = 0.0):
        super().__init__(linear, rank, scale, dropout)
        self.magnitude = mx.linalg.norm(full_weight(linear).astype(mx.float32), axis=1)

    def merged_weight(self) -> mx.array:
        weight = super().merged_weight()
        length = mx.linalg.norm(weight, axis=1)
        return weight * mx.where(length > 0, self.magnitude / length, 0)[:, None]

    def __call__(self, x: mx.array) -> mx.array:
        length = mx.stop_gradient(mx.linalg.norm(super().merged_weight(), axis=1))
        factor = mx.where(length > 0, self.magnitude / length, 0)
        y = self.linear(x)
        bias = self.linear.bias if "bias" in self.linear else None
        plain = y if bias is None else y - bias
        adapted = (factor * (plain + self._adapted(x))).astype(y.dtype)
        return adapted if bias is None else adapted + bias
