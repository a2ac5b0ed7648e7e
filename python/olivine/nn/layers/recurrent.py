"""Recurrent layers over sequences of shape `(..., length, features)`.

Each returns its state after every step, so the last state is `out[..., -1, :]`. The product with
the input is taken for all steps at once.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import olivine.core as mx
from olivine.nn.layers.activations import tanh
from olivine.nn.layers.base import Module


class _Recurrent(Module):
    """What the layers share: sizes, initial values, and the loop over steps."""

    def __init__(self, hidden_size: int):
        super().__init__()
        self.hidden_size = hidden_size
        self._bound = 1.0 / math.sqrt(hidden_size)

    def _uniform(self, *shape):
        return mx.random.uniform(low=-self._bound, high=self._bound, shape=shape)

    def _steps(self, x: mx.array):
        """Checks `x` and gives its number of steps."""
        if x.ndim < 2:
            raise ValueError(
                f"[{type(self).__name__}] expected a sequence of shape (..., length, features); "
                f"got shape {x.shape}"
            )
        return x.shape[-2]


class RNN(_Recurrent):
    """Elman's network: `h_t = nonlinearity(Wxh x_t + Whh h_{t-1} + bias)`.

    Input `(..., L, input_size)`, result `(..., L, hidden_size)`; `hidden` is the state before the
    first step, zeros if not given. `nonlinearity` is tanh by default.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: Callable | None = None,
    ):
        super().__init__(hidden_size)
        self.nonlinearity = nonlinearity or tanh
        if not callable(self.nonlinearity):
            raise ValueError(f"[RNN] expected nonlinearity to be a function; got {nonlinearity!r}")
        self.Wxh = self._uniform(hidden_size, input_size)
        self.Whh = self._uniform(hidden_size, hidden_size)
        self.bias = self._uniform(hidden_size) if bias else None

    def _extra_repr(self):
        return (
            f"input_dims={self.Wxh.shape[1]}, hidden_size={self.hidden_size}, "
            f"nonlinearity={self.nonlinearity}, bias={self.bias is not None}"
        )

    def __call__(self, x, hidden=None):
        steps = self._steps(x)
        x = x @ self.Wxh.T if self.bias is None else mx.addmm(self.bias, x, self.Wxh.T)
        states = []
        for t in range(steps):
            inner = x[..., t, :]
            hidden = inner if hidden is None else inner + hidden @ self.Whh.T
            hidden = self.nonlinearity(hidden)
            states.append(hidden)
        return mx.stack(states, axis=-2)


class GRU(_Recurrent):
    """Gated recurrent unit.

    With `r` and `z` the sigmoids of their parts of `Wx x_t + Wh h_{t-1} + b`, and
    `n = tanh(Wx_n x_t + b_n + r * (Wh_n h_{t-1} + bhn))`, `h_t = (1 - z) * n + z * h_{t-1}`; the
    rows of `Wx` and `Wh` are those of r, z and n. Input `(..., L, input_size)`, result
    `(..., L, hidden_size)`. Source: Cho et al. (2014), in the form with the reset gate applied
    after the product.
    """

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True):
        super().__init__(hidden_size)
        self.Wx = self._uniform(3 * hidden_size, input_size)
        self.Wh = self._uniform(3 * hidden_size, hidden_size)
        self.b = self._uniform(3 * hidden_size) if bias else None
        self.bhn = self._uniform(hidden_size) if bias else None

    def _extra_repr(self):
        return (
            f"input_dims={self.Wx.shape[1]}, hidden_size={self.hidden_size}, "
            f"bias={self.b is not None}"
        )

    def __call__(self, x, hidden=None):
        steps = self._steps(x)
        size = self.hidden_size
        x = x @ self.Wx.T if self.b is None else mx.addmm(self.b, x, self.Wx.T)
        states = []
        for t in range(steps):
            gates, new = x[..., t, : 2 * size], x[..., t, 2 * size :]
            recurrent = 0 if self.bhn is None else self.bhn
            if hidden is not None:
                product = hidden @ self.Wh.T
                gates = gates + product[..., : 2 * size]
                recurrent = recurrent + product[..., 2 * size :]
            reset, update = mx.split(mx.sigmoid(gates), 2, axis=-1)
            new = mx.tanh(new + reset * recurrent)
            hidden = (1 - update) * new if hidden is None else (1 - update) * new + update * hidden
            states.append(hidden)
        return mx.stack(states, axis=-2)


class LSTM(_Recurrent):
    """Long short-term memory.

    With `i, f, o` the sigmoids and `g` the tanh of their parts of `Wx x_t + Wh h_{t-1} + bias`,
    in the order i, f, g, o: `c_t = f * c_{t-1} + i * g`, `h_t = o * tanh(c_t)`. Input
    `(..., L, input_size)`; results all `h` and all `c`, each `(..., L, hidden_size)`. Source:
    Hochreiter and Schmidhuber (1997), with the forget gate of Gers et al. (2000).
    """

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True):
        super().__init__(hidden_size)
        self.Wx = self._uniform(4 * hidden_size, input_size)
        self.Wh = self._uniform(4 * hidden_size, hidden_size)
        self.bias = self._uniform(4 * hidden_size) if bias else None

    def _extra_repr(self):
        return (
            f"input_dims={self.Wx.shape[1]}, hidden_size={self.hidden_size}, "
            f"bias={self.bias is not None}"
        )

    def __call__(self, x, hidden=None, cell=None):
        steps = self._steps(x)
        x = x @ self.Wx.T if self.bias is None else mx.addmm(self.bias, x, self.Wx.T)
        hiddens, cells = [], []
        for t in range(steps):
            gates = x[..., t, :]
            if hidden is not None:
                gates = gates + hidden @ self.Wh.T
            i, f, g, o = mx.split(gates, 4, axis=-1)
            added = mx.sigmoid(i) * mx.tanh(g)
            cell = added if cell is None else mx.sigmoid(f) * cell + added
            hidden = mx.sigmoid(o) * mx.tanh(cell)
            hiddens.append(hidden)
            cells.append(cell)
        return mx.stack(hiddens, axis=-2), mx.stack(cells, axis=-2)
