"""Operators of arrays: dtypes beside scalars, reflected and in-place forms, errors."""

import operator

import numpy as np
import pytest

import olivine.core as mx

ARITHMETIC = ["add", "sub", "mul", "truediv", "floordiv", "mod", "pow"]
COMPARISONS = ["eq", "ne", "lt", "le", "gt", "ge"]


@pytest.mark.parametrize("name", ARITHMETIC + COMPARISONS)
def test_operators_agree_with_numpy(name):
    f = getattr(operator, name)
    x = np.array([1.5, 2.0, -3.0, 4.0], np.float32)
    y = np.array([2.0, 2.0, 2.0, 0.5], np.float32)
    for a, b, p, q in ((mx.array(x), mx.array(y), x, y), (mx.array(x), 2.0, x, 2.0)):
        with np.errstate(all="ignore"):
            np.testing.assert_allclose(np.array(f(a, b)), f(p, q), rtol=1e-6)
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(np.array(f(3.0, mx.array(y))), f(3.0, y), rtol=1e-6)


@pytest.mark.parametrize("name", ["and_", "or_", "xor", "lshift", "rshift"])
def test_bitwise_operators_agree_with_numpy(name):
    f = getattr(operator, name)
    x, y = np.array([5, 6, 7], np.int32), np.array([1, 2, 3], np.int32)
    np.testing.assert_array_equal(np.array(f(mx.array(x), mx.array(y))), f(x, y))
    np.testing.assert_array_equal(np.array(f(mx.array(x), 1)), f(x, 1))
    np.testing.assert_array_equal(np.array(f(1, mx.array(y))), f(1, y))


@pytest.mark.parametrize(
    ("dtype", "scalar", "result"),
    [
        (mx.uint8, 1, mx.uint8),
        (mx.uint8, 1.0, mx.float32),
        (mx.float16, 1.0, mx.float16),
        (mx.bfloat16, 2, mx.bfloat16),
        (mx.bool_, 1, mx.int32),
        (mx.bool_, True, mx.bool_),
        (mx.float32, 1j, mx.complex64),
        (mx.float64, 1j, mx.complex128),
        (mx.float64, 1.5, mx.float64),
        (mx.complex64, 1.5, mx.complex64),
    ],
)
def test_scalars_take_the_dtype_of_the_array(dtype, scalar, result):
    a = mx.array([1, 0], dtype=dtype)
    assert (a + scalar).dtype == result
    assert (scalar + a).dtype == result
    assert mx.add(a, scalar).dtype == result
    assert mx.where(mx.array([True, False]), scalar, a).dtype == result


def test_matmul_and_unary_operators():
    a = mx.array([[1.0, 2.0], [3.0, 4.0]])
    assert (a @ a).tolist() == [[7, 10], [15, 22]]
    assert (-a).tolist() == [[-1, -2], [-3, -4]]
    assert (+a).tolist() == a.tolist()
    assert abs(-a).tolist() == a.tolist()
    assert (~mx.array([True, False])).tolist() == [False, True]


def test_in_place_operators_change_the_object():
    a = mx.array([1, 2, 3])
    b = a
    b += 1
    assert a is b and a.tolist() == [2, 3, 4]
    b *= 2.5
    assert a.tolist() == [5.0, 7.5, 10.0]
    c = mx.array([6, 7])
    c //= 2
    c <<= 1
    c |= 1
    assert c.tolist() == [7, 7]
    with pytest.raises(ValueError, match="floating"):
        c /= 2


def test_wrong_operands_are_type_errors():
    a = mx.array([1, 2])
    for other in ("x", None, [1, 2], object()):
        with pytest.raises(TypeError):
            a + other
        with pytest.raises(TypeError):
            other + a
    assert (a == "x") is False
    assert (a != None) is True  # noqa: E711


def test_numpy_arrays_beside_arrays():
    a = mx.array([1.0, 2.0])
    r = a + np.array([1.0, 2.0])
    assert isinstance(r, mx.array) and r.dtype == mx.float32


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: mx.add("a", 1), r"\[add\] expected array or scalar for a; got str"),
        (lambda: mx.sum(mx.ones(2), axis="a"), r"\[sum\] expected an int or a sequence of ints "
                                               r"for axis; got str"),
        (lambda: mx.add(1), r"\[add\] expected an argument for b"),
        (lambda: mx.add(1, 2, 3, 4), r"\[add\] expected at most 3 positional arguments; got 4"),
        (lambda: mx.exp(1, strem=None), r"\[exp\] expected no argument named strem"),
        (lambda: mx.add(1, 2, a=1), r"\[add\] expected one value for a; got two"),
        (lambda: mx.astype(mx.ones(1), "f"), r"\[astype\] expected a Dtype for dtype; got str"),
        (lambda: mx.exp(mx.ones(1), stream=3), r"\[exp\] expected a Stream, a Device or None for "
                                               r"stream; got int"),
        (lambda: mx.ones(1).sum(keepdims="x"), r"\[sum\] expected a bool for keepdims; got str"),
        (lambda: mx.concatenate([1, "a"]), r"\[concatenate\] expected arrays in arrays; got str"),
    ],
)  # fmt: skip
def test_errors_name_the_function_and_the_argument(call, text):
    with pytest.raises(TypeError, match=text):
        call()
