"""Activations against their formulas in NumPy, at ordinary, zero and huge arguments."""

import math

import numpy as np
import pytest

import olivine.core as mx
import olivine.nn as nn

X = np.array([-1e4, -30, -3, -1, -0.5, -0.1, 0, 0.1, 0.5, 1, 3, 7, 30, 1e4])


def sigmoid(x):
    return np.where(x >= 0, 1 / (1 + np.exp(-np.abs(x))), 1 - 1 / (1 + np.exp(-np.abs(x))))


def softplus(x):
    return np.logaddexp(x, 0)


def elu(x, alpha=1.0):
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


def softmax(x):
    e = np.exp(x - x.max())
    return e / e.sum()


erf = np.vectorize(math.erf)

FORMULAS = {
    "sigmoid": sigmoid,
    "tanh": np.tanh,
    "relu": lambda x: np.maximum(x, 0),
    "relu2": lambda x: np.maximum(x, 0) ** 2,
    "relu6": lambda x: np.clip(x, 0, 6),
    "leaky_relu": lambda x: np.where(x > 0, x, 0.01 * x),
    "elu": elu,
    "celu": elu,
    "selu": lambda x: 1.0507 * elu(x, 1.67326),
    "gelu": lambda x: x * (1 + erf(x / math.sqrt(2))) / 2,
    "gelu_approx": lambda x: (
        0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
    ),
    "gelu_fast_approx": lambda x: x * sigmoid(1.702 * x),
    "silu": lambda x: x * sigmoid(x),
    "mish": lambda x: x * np.tanh(softplus(x)),
    "hardswish": lambda x: x * np.clip(x + 3, 0, 6) / 6,
    "hard_tanh": lambda x: np.clip(x, -1, 1),
    "hard_shrink": lambda x: np.where(np.abs(x) > 0.5, x, 0),
    "softshrink": lambda x: np.sign(x) * np.maximum(np.abs(x) - 0.5, 0),
    "softplus": softplus,
    "softsign": lambda x: x / (1 + np.abs(x)),
    "softmax": softmax,
    "softmin": lambda x: softmax(-x),
    "log_softmax": lambda x: x - x.max() - np.log(np.exp(x - x.max()).sum()),
    "log_sigmoid": lambda x: -softplus(-x),
    "step": lambda x: np.where(x >= 0, 1, 0),
    "glu": lambda x: x[:7] * sigmoid(x[7:]),
}

LAYERS = {
    "Sigmoid": "sigmoid",
    "Tanh": "tanh",
    "ReLU": "relu",
    "ReLU2": "relu2",
    "ReLU6": "relu6",
    "LeakyReLU": "leaky_relu",
    "ELU": "elu",
    "CELU": "celu",
    "SELU": "selu",
    "GELU": "gelu",
    "SiLU": "silu",
    "Mish": "mish",
    "Hardswish": "hardswish",
    "HardTanh": "hard_tanh",
    "HardShrink": "hard_shrink",
    "Softshrink": "softshrink",
    "Softplus": "softplus",
    "Softsign": "softsign",
    "Softmax": "softmax",
    "Softmin": "softmin",
    "LogSoftmax": "log_softmax",
    "LogSigmoid": "log_sigmoid",
    "Step": "step",
    "GLU": "glu",
}


def close(actual, expected, tolerance=1e-5):
    np.testing.assert_allclose(np.array(actual), expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name", FORMULAS)
def test_function_follows_its_formula(name):
    close(getattr(nn, name)(mx.array(X, dtype=mx.float32)), FORMULAS[name](X))


@pytest.mark.parametrize("name", LAYERS)
def test_layer_is_its_function_without_parameters(name):
    layer = getattr(nn, name)()
    assert layer.parameters() == {} and repr(layer) == f"{name}()"
    close(layer(mx.array(X, dtype=mx.float32)), FORMULAS[LAYERS[name]](X))


@pytest.mark.parametrize("name", sorted(FORMULAS.keys() - {"step", "softmax", "softmin", "glu"}))
def test_gradient_is_finite_and_follows_a_difference(name):
    function, formula = getattr(nn, name), FORMULAS[name]
    ordinary = np.array([-2.0, -0.7, -0.2, 0.3, 0.9, 2.5])
    gradient = np.array(mx.grad(lambda x: function(x).sum())(mx.array(ordinary, mx.float32)))
    h = 1e-5

    def total(i, by):
        x = ordinary.copy()
        x[i] += by
        return formula(x).sum()

    differences = [(total(i, h) - total(i, -h)) / (2 * h) for i in range(len(ordinary))]
    close(gradient, differences, 1e-3)
    huge = mx.grad(lambda x: function(x).sum())(mx.array(X[np.abs(X) <= 1e4], mx.float32))
    assert np.isfinite(np.array(huge)).all()


@pytest.mark.parametrize("name", sorted(FORMULAS.keys() - {"step"}))
def test_dtype_stays(name):
    for dtype in (mx.float16, mx.bfloat16):
        assert getattr(nn, name)(mx.array([0.5, -0.5], dtype=dtype)).dtype == dtype


def test_settings_change_the_function():
    x = np.array([-2.0, -0.3, 0.0, 0.3, 2.0])
    a = mx.array(x, dtype=mx.float32)
    close(nn.leaky_relu(a, 0.2), np.where(x > 0, x, 0.2 * x))
    close(nn.LeakyReLU(0.2)(a), np.where(x > 0, x, 0.2 * x))
    close(nn.elu(a, 2.0), elu(x, 2.0))
    close(nn.ELU(2.0)(a), elu(x, 2.0))
    close(nn.celu(a, 2.0), np.where(x > 0, x, 2 * np.expm1(x / 2)))
    close(nn.CELU(2.0)(a), np.where(x > 0, x, 2 * np.expm1(x / 2)))
    close(nn.hard_tanh(a, -0.1, 0.2), np.clip(x, -0.1, 0.2))
    close(nn.HardShrink(1.0)(a), np.where(np.abs(x) > 1, x, 0))
    close(nn.Softshrink(1.0)(a), np.sign(x) * np.maximum(np.abs(x) - 1, 0))
    close(nn.Step(0.25)(a), np.where(x >= 0.25, 1, 0))
    close(nn.softmax(mx.array([[1.0, 2.0], [3.0, 5.0]]), axis=0)[0], sigmoid(np.array([-2, -3])))
    close(nn.GLU(axis=0)(mx.array([[1.0], [0.0]])), [[0.5]])


def test_prelu_learns_its_slope():
    layer = nn.PReLU(2, init=0.1)
    x = mx.array([[-1.0, 2.0], [3.0, -4.0]])
    close(layer(x), [[-0.1, 2.0], [3.0, -0.4]])
    _, grads = nn.value_and_grad(layer, lambda x: layer(x).sum())(x)
    close(grads["weight"], [-1.0, -4.0])


def test_gelu_layer_offers_approximations():
    a = mx.array(X, dtype=mx.float32)
    for approx, name in [
        ("none", "gelu"),
        ("precise", "gelu_approx"),
        ("tanh", "gelu_approx"),
        ("fast", "gelu_fast_approx"),
    ]:
        close(nn.GELU(approx)(a), FORMULAS[name](X))
    with pytest.raises(ValueError, match=r"\[GELU\] expected"):
        nn.GELU("other")
