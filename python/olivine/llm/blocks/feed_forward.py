"""Feed-forward layers: gated, and plain."""

from __future__ import annotations

import olivine.core as mx
import olivine.nn as nn

# config.json's hidden_act -> function.
ACTIVATIONS = {
    "silu": nn.silu,
    "swish": nn.silu,
    "relu": nn.relu,
    "gelu": nn.gelu,
    "gelu_new": nn.gelu_approx,
    "gelu_pytorch_tanh": nn.gelu_approx,
    "gelu_fast": nn.gelu_approx,
    "quick_gelu": nn.gelu_fast_approx,
}


def activation(name: str):
    """The function that config.json calls `name`."""
    if name not in ACTIVATIONS:
        raise ValueError(
            f"[llm] expected an activation among {', '.join(ACTIVATIONS)}; got {name!r}"
        )
    return ACTIVATIONS[name]


class GatedMLP(nn.Module):
    """`down(act(gate(x)) * up(x))`. Source: Shazeer, "GLU Variants" (2020)."""

    def __init__(self, dims: int, hidden: int, act: str = "silu", bias: bool = False):
        super().__init__()
        self.gate_proj = nn.Linear(dims, hidden, bias=bias)
        self.up_proj = nn.Linear(dims, hidden, bias=bias)
        self.down_proj = nn.Linear(hidden, dims, bias=bias)
        self._act = activation(act)

    def __call__(self, x: mx.array) -> mx.array:
        return self["down_proj"](self._act(self["gate_proj"](x)) * self["up_proj"](x))


class PlainMLP(nn.Module):
    """`c_proj(act(c_fc(x)))`, under the names of GPT-2."""

    def __init__(self, dims: int, hidden: int, act: str, bias: bool = True):
        super().__init__()
        self.c_fc = nn.Linear(dims, hidden, bias=bias)
        self.c_proj = nn.Linear(hidden, dims, bias=bias)
        self._act = activation(act)

    def __call__(self, x: mx.array) -> mx.array:
        return self["c_proj"](self._act(self["c_fc"](x)))
