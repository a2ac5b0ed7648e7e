"""Rows of the element-wise ops: arithmetic, comparisons, logic, rounding, transcendental functions."""

import math

import ml_dtypes
import numpy as np
import pytest

import olivine.core as mx
from tests.harness import (
    BINARY,
    COMPLEX,
    DTYPES,
    FLOATING,
    INTEGER,
    INTEGRAL,
    NUMBER,
    REAL,
    TERNARY,
    OpTests,
    Row,
)
from tests.support import assert_close, assert_same, rounded, to_mx

PLAIN = "values layouts dtypes vmap compile errors"  # no derivative
NOT_SHIFT = "values layouts vmap compile errors"
FLAT = PLAIN + " jvp grad"  # derivative zero almost everywhere


def away(gap, low=-3.0, high=3.0):
    """Values at least `gap` from zero, for ops with a kink or a pole there."""

    def sample(rng, _, shape):
        x = rng.uniform(low, high, shape)
        return np.where(np.abs(x) < gap, np.sign(x + 1e-9) * gap + x, x)

    return sample


def divisor(rng, i, shape):
    return (
        away(0.5, -9, 9)(rng, i, shape)
        if i == 0
        else np.sign(rng.uniform(-1, 1, shape)) * (rng.uniform(1, 7, shape))
    )


def base_and_exponent(rng, i, shape):
    return rng.uniform(0.5, 3, shape) if i == 0 else rng.uniform(0, 4, shape)


def between(rng, _, shape):
    return np.floor(rng.uniform(-9, 9, shape)) + rng.uniform(0.1, 0.4, shape)


def operands(rng, i, shape):
    return rng.uniform(-40, 40, shape) if i == 0 else rng.uniform(0, 7, shape)


def true_half(rng, _, shape):
    return np.where(rng.uniform(0, 1, shape) < 0.4, 0.0, rng.uniform(1, 3, shape))


erf = np.vectorize(math.erf, otypes=[float])
to_bool = {"out": "bool_", "rules": PLAIN}


def erfinv(y):
    """Newton's method on math.erf, from a rough start."""
    y = np.asarray(y, np.float64)
    a = np.log(np.maximum(1 - y * y, 1e-300))
    b = 2 / (np.pi * 0.147) + a / 2
    x = np.sign(y) * np.sqrt(np.maximum(np.sqrt(np.maximum(b * b - a / 0.147, 0)) - b, 0))
    for _ in range(4):
        x = x - (erf(x) - y) * np.sqrt(np.pi) / 2 * np.exp(np.minimum(x * x, 600))
    x = np.where(np.abs(y) < 1, x, np.copysign(np.inf, y))
    return np.where(y == 0, y, np.where(np.abs(y) <= 1, x, np.nan))


def sigmoid(x):
    return np.where(x >= 0, 1 / (1 + np.exp(-np.abs(x))), 1 - 1 / (1 + np.exp(-np.abs(x))))


def logaddexp(a, b):
    if np.iscomplexobj(a):
        return np.log(np.exp(a) + np.exp(b))
    return np.logaddexp(a, b)


def sign(x):
    if x.dtype == bool:
        return x
    return np.where(x == 0, x, x / np.abs(x)) if np.iscomplexobj(x) else np.sign(x)


def reciprocal(x):
    return 1 / x


def floor_divide(a, b):
    return (
        np.logical_and(a, b)
        if a.dtype == bool
        else np.floor(a / b)
        if (a.dtype.kind == "f")
        else np.floor_divide(a, b)
    )


def clip(x, low, high):
    return np.minimum(np.maximum(x, low), high)


def nan_to_num(x):
    return np.where(np.isnan(x), 0, x)


def fp8(x):
    return np.clip(x, -448, 448).astype(ml_dtypes.float8_e4m3fn).view(np.uint8)


ROWS = [
    Row("abs", np.abs, sample=away(0.1), dtypes=DTYPES, out="real", special=True),
    Row(
        "arccos",
        np.arccos,
        low=-0.95,
        high=0.95,
        dtypes=DTYPES,
        out="float",
        special=True,
        aliases=("acos",),
        tol=2,
    ),
    Row(
        "arccosh",
        np.arccosh,
        low=1.1,
        high=5,
        dtypes=DTYPES,
        out="float",
        special=True,
        aliases=("acosh",),
        tol=2,
    ),
    Row(
        "arcsin",
        np.arcsin,
        low=-0.95,
        high=0.95,
        dtypes=DTYPES,
        out="float",
        special=True,
        aliases=("asin",),
        tol=2,
    ),
    Row("arcsinh", np.arcsinh, dtypes=DTYPES, out="float", special=True, aliases=("asinh",), tol=2),
    Row(
        "arctan",
        np.arctan,
        low=-0.9,
        high=3,
        dtypes=DTYPES,
        out="float",
        special=True,
        aliases=("atan",),
        tol=2,
    ),
    Row(
        "arctanh",
        np.arctanh,
        low=-0.95,
        high=0.95,
        dtypes=DTYPES,
        out="float",
        special=True,
        aliases=("atanh",),
        tol=2,
    ),
    Row("bitwise_invert", np.invert, low=-100, high=100, dtypes=INTEGER, rules=PLAIN),
    Row("ceil", np.ceil, sample=between, dtypes=REAL, rules=FLAT, special=True),
    Row("conjugate", np.conj, dtypes=DTYPES, special=True, aliases=("conj",)),
    Row("cos", np.cos, dtypes=DTYPES, out="float", special=True, tol=2),
    Row("cosh", np.cosh, dtypes=DTYPES, out="float", special=True),
    Row("degrees", lambda x: x * (180 / np.pi), dtypes=REAL, out="float", tol=2),
    Row("erf", erf, dtypes=REAL, out="float", special=True, strict=True),
    Row(
        "erfinv",
        erfinv,
        low=-0.97,
        high=0.97,
        dtypes=REAL,
        out="float",
        special=True,
        strict=True,
        tol=4,
    ),
    Row("exp", np.exp, dtypes=DTYPES, out="float", special=True),
    Row("expm1", np.expm1, dtypes=REAL, out="float", special=True),
    Row("floor", np.floor, sample=between, dtypes=REAL, rules=FLAT, special=True, strict=True),
    Row("imag", np.imag, dtypes=COMPLEX, out="real", rules=PLAIN),
    Row("isfinite", np.isfinite, dtypes=DTYPES, special=True, **to_bool),
    Row("isinf", np.isinf, dtypes=DTYPES, special=True, **to_bool),
    Row("isnan", np.isnan, dtypes=DTYPES, special=True, **to_bool),
    Row("isneginf", lambda x: x == -np.inf, dtypes=REAL, special=True, **to_bool),
    Row("isposinf", lambda x: x == np.inf, dtypes=REAL, special=True, **to_bool),
    Row("log", np.log, low=0.1, high=9, dtypes=DTYPES, out="float", special=True),
    Row("log10", np.log10, low=0.1, high=9, dtypes=DTYPES, out="float", special=True, tol=2),
    Row("log1p", np.log1p, low=-0.9, high=9, dtypes=DTYPES, out="float", special=True),
    Row("log2", np.log2, low=0.1, high=9, dtypes=DTYPES, out="float", special=True, tol=2),
    Row("logical_not", np.logical_not, sample=true_half, dtypes=DTYPES, special=True, **to_bool),
    Row("negative", np.negative, dtypes=NUMBER, special=True, strict=True),
    Row("positive", lambda x: x, dtypes=DTYPES, special=True),
    Row("radians", lambda x: x * (np.pi / 180), dtypes=REAL, out="float", tol=2),
    Row("real", np.real, dtypes=DTYPES, out="real"),
    Row("reciprocal", reciprocal, sample=away(0.3), dtypes=DTYPES, out="float", special=True),
    Row("round", np.round, sample=between, dtypes=DTYPES, rules=FLAT, special=True),
    Row("rsqrt", lambda x: 1 / np.sqrt(x), low=0.2, high=9, dtypes=REAL, out="float", special=True),
    Row("sigmoid", sigmoid, dtypes=REAL, out="float", special=True, strict=True),
    Row("sign", sign, sample=away(0.1), dtypes=DTYPES, rules=FLAT),
    Row("sin", np.sin, dtypes=DTYPES, out="float", special=True, tol=2),
    Row("sinh", np.sinh, dtypes=DTYPES, out="float", special=True),
    Row("sqrt", np.sqrt, low=0.2, high=9, dtypes=DTYPES, out="float", special=True),
    Row("square", lambda x: x * x, dtypes=DTYPES, special=True),
    Row("stop_gradient", lambda x: x, dtypes=DTYPES, rules=PLAIN),
    Row("tan", np.tan, low=-1.3, high=1.3, dtypes=DTYPES, out="float", special=True, tol=2),
    Row("tanh", np.tanh, dtypes=DTYPES, out="float", special=True),
    Row("trunc", np.trunc, sample=between, dtypes=REAL, rules=FLAT, special=True),
    Row("nan_to_num", nan_to_num, dtypes=DTYPES),
    Row(
        "to_fp8",
        fp8,
        low=-500,
        high=500,
        dtypes=("float32",),
        out="uint8",
        rules="values layouts vmap compile",
    ),
    Row(
        "from_fp8",
        lambda x: x.astype(np.uint8).view(ml_dtypes.float8_e4m3fn).astype(np.float64),
        dtypes=("uint8",),
        low=0,
        high=126,
        call=lambda x: mx.from_fp8(x, mx.float32),
        out="float32",
        rules="values vmap compile",
    ),
    # Two operands.
    Row("add", np.add, BINARY, DTYPES, special=True, wrong="shape"),
    Row(
        "arctan2",
        np.arctan2,
        BINARY,
        REAL,
        out="float",
        sample=away(0.2),
        special=True,
        strict=True,
        wrong="shape",
        aliases=("atan2",),
    ),
    Row(
        "bitwise_and",
        np.bitwise_and,
        BINARY,
        INTEGRAL,
        low=-99,
        high=99,
        rules=PLAIN,
        wrong="shape",
        strict=True,
    ),
    Row(
        "bitwise_or",
        np.bitwise_or,
        BINARY,
        INTEGRAL,
        low=-99,
        high=99,
        rules=PLAIN,
        wrong="shape",
        strict=True,
    ),
    Row(
        "bitwise_xor",
        np.bitwise_xor,
        BINARY,
        INTEGRAL,
        low=-99,
        high=99,
        rules=PLAIN,
        wrong="shape",
        strict=True,
    ),
    Row(
        "left_shift",
        np.left_shift,
        BINARY,
        INTEGER,
        sample=operands,
        rules=NOT_SHIFT,
        wrong="shape",
        aliases=("bitwise_left_shift",),
    ),
    Row(
        "right_shift",
        np.right_shift,
        BINARY,
        INTEGER,
        sample=operands,
        rules=NOT_SHIFT,
        wrong="shape",
        aliases=("bitwise_right_shift",),
    ),
    Row(
        "divide",
        np.true_divide,
        BINARY,
        NUMBER,
        out="float",
        sample=divisor,
        special=True,
        wrong="shape",
    ),
    Row(
        "divmod",
        lambda a, b: (floor_divide(a, b), np.remainder(a, b)),
        BINARY,
        INTEGER + FLOATING,
        sample=divisor,
        rules=PLAIN,
    ),
    Row("equal", np.equal, BINARY, DTYPES, low=-2, high=2, special=True, wrong="shape", **to_bool),
    Row(
        "floor_divide",
        floor_divide,
        BINARY,
        INTEGER + FLOATING,
        sample=divisor,
        rules=PLAIN,
        wrong="shape",
    ),
    Row("greater", np.greater, BINARY, REAL, special=True, wrong="shape", **to_bool),
    Row("greater_equal", np.greater_equal, BINARY, REAL, special=True, wrong="shape", **to_bool),
    Row("hypot", np.hypot, BINARY, REAL, out="float", special=True, wrong="shape"),
    Row("isclose", np.isclose, BINARY, REAL, low=0, high=1.5, **to_bool),
    Row("less", np.less, BINARY, REAL, special=True, wrong="shape", **to_bool),
    Row("less_equal", np.less_equal, BINARY, REAL, special=True, wrong="shape", **to_bool),
    Row("logaddexp", logaddexp, BINARY, REAL, out="float", special=True, wrong="shape"),
    Row("logical_and", np.logical_and, BINARY, DTYPES, sample=true_half, special=True, **to_bool),
    Row("logical_or", np.logical_or, BINARY, DTYPES, sample=true_half, special=True, **to_bool),
    Row("logical_xor", np.logical_xor, BINARY, DTYPES, sample=true_half, special=True, **to_bool),
    Row("maximum", np.maximum, BINARY, REAL, wrong="shape"),
    Row("minimum", np.minimum, BINARY, REAL, wrong="shape"),
    Row("multiply", np.multiply, BINARY, DTYPES, special=True, wrong="shape"),
    Row(
        "not_equal",
        np.not_equal,
        BINARY,
        DTYPES,
        low=-2,
        high=2,
        special=True,
        wrong="shape",
        **to_bool,
    ),
    Row(
        "power",
        np.power,
        BINARY,
        NUMBER,
        sample=base_and_exponent,
        special=True,
        wrong="shape",
        aliases=("pow",),
        tol=2,
    ),
    Row(
        "remainder",
        np.remainder,
        BINARY,
        INTEGER + FLOATING,
        sample=divisor,
        wrong="shape",
        strict=False,
    ),
    Row("subtract", np.subtract, BINARY, NUMBER, special=True, wrong="shape"),
    # Three operands.
    Row("where", np.where, TERNARY, DTYPES, fixed={0: ("bool_", 0, 1)}, wrong="shape"),
    Row("clip", clip, TERNARY, REAL, wrong="shape"),
]


class TestElementwise(OpTests):
    rows = ROWS


@pytest.mark.parametrize("decimals", [1, 2, 5, -1, -2])
@pytest.mark.parametrize("name", FLOATING + COMPLEX)
def test_rounds_to_decimals_as_numpy_does(name, decimals):
    rng = np.random.default_rng(decimals + 9)
    x = rounded(rng.uniform(-1, 1, 500) * 10.0 ** rng.integers(-3, 4, 500), name)
    if name in COMPLEX:
        x = rounded(x + 1j * rng.uniform(-20, 20, 500), name)
    # NumPy too scales, rounds and scales back in the dtype itself; the halves are widened here.
    wide = x.astype(np.float32) if name in ("float16", "bfloat16") else x
    got = mx.round(to_mx(x), decimals)
    assert_close(got, rounded(np.round(wide, decimals), name), name)


def test_rounding_of_integers_moves_those_left_of_the_point_only():
    x = np.array([0, 4, 5, 15, 25, 26, -15, -26, 1249, -1251])
    for decimals in (-1, -2, -3, 0, 2):
        got = mx.round(to_mx(x, "int32"), decimals)
        assert_same(got, np.round(x, decimals).astype(np.int32), str(decimals))
    assert mx.round(mx.array(2**53 + 3, dtype=mx.int64), -1).item() == 9007199254741000


@pytest.mark.parametrize("name", FLOATING)
def test_rounding_further_than_the_dtype_reaches_changes_nothing(name):
    x = rounded([1.5, -0.0, 0.0, 100.25, 3e4, np.inf, -np.inf, np.nan], name)
    for decimals in (5, 38, 40, 310, 1000):
        assert_same(mx.round(to_mx(x), decimals), x, str(decimals))
    for decimals in (-40, -310, -1000, -(2**31)):
        want = np.where(np.isfinite(x), np.copysign(0, x), x)
        assert_same(mx.round(to_mx(x), decimals), rounded(want, name), str(decimals))
    large = rounded([-3e38 if name in ("float32", "bfloat16") else 3e4], name)
    assert_same(mx.round(to_mx(large), 3), large, "overflows when scaled")


def test_rounding_has_no_slope():
    for decimals in (2, -1, 50):
        slope = mx.grad(lambda x, d=decimals: mx.sum(mx.round(x, d)))(mx.array([1.234, 3e38]))
        assert slope.tolist() == [0, 0]
