"""Recurrent layers against their equations, step by step in NumPy."""

import numpy as np
import pytest

import olivine.core as mx
import olivine.nn as nn
from olivine.utils import tree_flatten

IN, OUT = 3, 4


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def values(layer, *names):
    return [
        np.array(v, dtype=np.float64) if (v := getattr(layer, n)) is not None else 0.0
        for n in names
    ]


def rnn(layer, x, hidden, cell):
    wx, wh, b = values(layer, "Wxh", "Whh", "bias")
    out = []
    for t in range(x.shape[-2]):
        hidden = np.tanh(x[..., t, :] @ wx.T + hidden @ wh.T + b)
        out.append(hidden)
    return (np.stack(out, -2),)


def gru(layer, x, hidden, cell):
    wx, wh, b, bhn = values(layer, "Wx", "Wh", "b", "bhn")
    out = []
    for t in range(x.shape[-2]):
        a, r = np.split(x[..., t, :] @ wx.T + b, 3, -1), np.split(hidden @ wh.T, 3, -1)
        reset, update = sigmoid(a[0] + r[0]), sigmoid(a[1] + r[1])
        new = np.tanh(a[2] + reset * (r[2] + bhn))
        hidden = (1 - update) * new + update * hidden
        out.append(hidden)
    return (np.stack(out, -2),)


def lstm(layer, x, hidden, cell):
    wx, wh, b = values(layer, "Wx", "Wh", "bias")
    hiddens, cells = [], []
    for t in range(x.shape[-2]):
        i, f, g, o = np.split(x[..., t, :] @ wx.T + hidden @ wh.T + b, 4, -1)
        cell = sigmoid(f) * cell + sigmoid(i) * np.tanh(g)
        hidden = sigmoid(o) * np.tanh(cell)
        hiddens.append(hidden)
        cells.append(cell)
    return np.stack(hiddens, -2), np.stack(cells, -2)


KINDS = {"rnn": (nn.RNN, rnn), "gru": (nn.GRU, gru), "lstm": (nn.LSTM, lstm)}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(5, IN), (2, 5, IN), (2, 3, 1, IN)])
@pytest.mark.parametrize("given", [False, True])
def test_states_follow_the_equations(kind, bias, shape, given):
    make, reference = KINDS[kind]
    layer = make(IN, OUT, bias=bias)
    rng = np.random.default_rng(0)
    x = rng.standard_normal(shape)
    start = [rng.standard_normal((*shape[:-2], OUT)) for _ in range(2 if kind == "lstm" else 1)]
    arguments = [mx.array(s.astype(np.float32)) for s in start] if given else []
    hidden, cell = (start[0], start[-1]) if given else (np.zeros(start[0].shape),) * 2
    got = layer(mx.array(x.astype(np.float32)), *arguments)
    got = got if isinstance(got, tuple) else (got,)
    want = reference(layer, x, hidden, cell)
    assert len(got) == len(want)
    for a, b in zip(got, want, strict=True):
        assert a.shape == (*shape[:-1], OUT)
        np.testing.assert_allclose(np.array(a), b, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_every_parameter_gets_a_gradient(kind):
    layer = KINDS[kind][0](IN, OUT)
    x = mx.random.normal((2, 6, IN), key=mx.random.key(0))

    def loss(x):
        out = layer(x)
        return mx.sum(mx.square(out[0] if isinstance(out, tuple) else out))

    _, grads = nn.value_and_grad(layer, loss)(x)
    names = {name for name, g in tree_flatten(grads) if np.abs(np.array(g)).max() > 0}
    assert names == {name for name, _ in tree_flatten(layer.parameters())}


def test_an_rnn_takes_another_nonlinearity():
    layer = nn.RNN(IN, OUT, nonlinearity=nn.relu)
    out = np.array(layer(mx.ones((1, 7, IN))))
    assert (out >= 0).all()
    with pytest.raises(ValueError, match=r"\[RNN\] expected nonlinearity to be a function"):
        nn.RNN(IN, OUT, nonlinearity="relu")


@pytest.mark.parametrize("kind", KINDS)
def test_a_sequence_needs_two_dimensions(kind):
    with pytest.raises(ValueError, match=r"expected a sequence of shape .*; got shape \(3,\)"):
        KINDS[kind][0](IN, OUT)(mx.ones((IN,)))


def test_repr_names_the_sizes():
    assert repr(nn.LSTM(3, 4)) == "LSTM(input_dims=3, hidden_size=4, bias=True)"
    assert repr(nn.GRU(3, 4, bias=False)) == "GRU(input_dims=3, hidden_size=4, bias=False)"
