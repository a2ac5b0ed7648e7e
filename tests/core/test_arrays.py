"""The array object: attributes, operators, methods, dtypes and categories, printing, protocols."""

import operator
import weakref

import numpy as np
import pytest

import olivine.core as mx
from tests.support import (
    COMPLEX,
    DTYPES,
    FLOATING,
    INTEGER,
    SIGNED,
    UNSIGNED,
    assert_same,
    dtype_name,
    to_mx,
    to_np,
)

X = np.array([[1.5, -2.0, 3.0], [0.5, 4.0, -1.0]], np.float32)


def test_attributes():
    a = mx.array(X)
    assert tuple(a.shape) == (2, 3) and a.ndim == 2 and a.size == 6
    assert a.itemsize == 4 and a.nbytes == 24 and a.dtype == mx.float32
    assert_same(a.T, X.T)
    assert_same(mx.zeros((2, 3, 4)).mT, np.zeros((2, 4, 3), np.float32))
    z = mx.array([1 + 2j])
    assert z.real.item() == 1 and z.imag.item() == 2
    with pytest.raises((AttributeError, TypeError)):
        a.no_such_attribute  # noqa: B018
    weakref.ref(a)


BINARY = [
    "add",
    "sub",
    "mul",
    "truediv",
    "floordiv",
    "mod",
    "pow",
    "eq",
    "ne",
    "lt",
    "le",
    "gt",
    "ge",
]


@pytest.mark.parametrize("name", BINARY)
def test_arithmetic_operators_are_the_functions(name):
    op = getattr(operator, name)
    a, b = np.abs(X) + 0.5, np.full_like(X, 2) + np.float32(0.25)
    np.testing.assert_allclose(to_np(op(mx.array(a), mx.array(b))), op(a, b), rtol=1e-6)
    np.testing.assert_allclose(to_np(op(mx.array(a), 2.0)), op(a, np.float32(2)), rtol=1e-6)
    np.testing.assert_allclose(to_np(op(2.0, mx.array(a))), op(np.float32(2), a), rtol=1e-6)
    np.testing.assert_allclose(
        to_np(op(mx.array(a), np.float32(2))), op(a, np.float32(2)), rtol=1e-6
    )


@pytest.mark.parametrize("name", ["and_", "or_", "xor", "lshift", "rshift"])
def test_bit_operators_are_the_functions(name):
    op = getattr(operator, name)
    a, b = np.array([12, 7, 255], np.int32), np.array([3, 2, 1], np.int32)
    assert_same(op(mx.array(a), mx.array(b)), op(a, b))
    assert_same(op(mx.array(a), 2), op(a, np.int32(2)))


def test_unary_operators_and_matmul():
    a = mx.array(X)
    assert_same(-a, -X)
    assert_same(+a, X)
    assert_same(abs(a), np.abs(X))
    assert_same(~mx.array([1, -3]), ~np.array([1, -3], np.int32))
    assert_same(~mx.array([True, False]), np.array([False, True]))
    np.testing.assert_allclose(to_np(a @ a.T), X @ X.T, rtol=1e-6)


@pytest.mark.parametrize("name", ["iadd", "isub", "imul", "itruediv", "ifloordiv", "imod", "ipow"])
def test_in_place_operators_update_the_object_alone(name):
    a = mx.array(np.abs(X) + 1)
    same, before = a, to_np(a).copy()
    derived = a + 0
    a = getattr(operator, name)(a, 2.0)
    assert a is same
    np.testing.assert_allclose(
        to_np(a), getattr(operator, name)(before.copy(), np.float32(2)), rtol=1e-6
    )
    assert_same(derived, before)
    for other in ("iand", "ior", "ixor", "ilshift", "irshift"):
        b = mx.array([6, 3])
        assert_same(
            getattr(operator, other)(b, 1), getattr(operator, other)(np.array([6, 3], np.int32), 1)
        )
    m = mx.array([[1.0, 2.0], [3.0, 4.0]])
    m @= m
    assert m.tolist() == [[7, 10], [15, 22]]


def test_comparison_with_other_objects():
    a = mx.array([1.0, 2.0])
    assert (a == None) is False or not np.any(np.array(a == None))  # noqa: E711
    assert a != "text"
    with pytest.raises(TypeError):
        a + "text"
    with pytest.raises(TypeError):
        a < object()  # noqa: B015
    with pytest.raises(TypeError):
        hash(a) if a.__hash__ is None else (_ for _ in ()).throw(TypeError)


METHODS = {
    "abs": {}, "all": {}, "any": {}, "argmax": {}, "argmin": {}, "conj": {}, "cos": {}, "cummax": {"axis": 0},
    "cummin": {"axis": 1}, "cumprod": {"axis": 0}, "cumsum": {"axis": 1}, "diag": {}, "diagonal": {}, "exp": {},
    "flatten": {}, "log": {}, "log10": {}, "log1p": {}, "log2": {}, "logsumexp": {"axis": 1}, "max": {"axis": 0},
    "mean": {"axis": 0}, "min": {}, "prod": {}, "reciprocal": {}, "round": {}, "rsqrt": {}, "sin": {}, "sqrt": {},
    "square": {}, "squeeze": {}, "std": {"axis": 0}, "sum": {"axis": 0, "keepdims": True}, "var": {"ddof": 1},
}  # fmt: skip


@pytest.mark.parametrize("name", METHODS)
def test_methods_are_the_functions(name):
    a = mx.array(np.abs(X) + 0.5)
    assert_same(getattr(a, name)(**METHODS[name]), getattr(mx, name)(a, **METHODS[name]), name)


def test_methods_with_arguments():
    a = mx.arange(12).reshape(3, 4)
    assert tuple(a.reshape((2, 6)).shape) == tuple(a.reshape(2, -1).shape) == (2, 6)
    assert_same(a.transpose(), to_np(a).T)
    assert_same(a.transpose(1, 0), to_np(a).T)
    assert_same(a.transpose((1, 0)), to_np(a).T)
    assert_same(a.swapaxes(0, 1), to_np(a).T)
    assert_same(a.moveaxis(0, 1), to_np(a).T)
    assert [p.tolist() for p in mx.arange(4).split(2)] == [[0, 1], [2, 3]]
    assert a.astype(mx.float16).dtype == mx.float16
    assert a.view(mx.uint32).dtype == mx.uint32
    assert a.item is not None and a.tolist()[1][1] == 5


def test_dtypes_compare_hash_and_print():
    for name in DTYPES:
        t = getattr(mx, name)
        assert t == t and hash(t) == hash(getattr(mx, name)) and {t: 1}[t] == 1
        assert dtype_name(t) == name
        assert t.size == to_mx(np.zeros(1), name).itemsize
    assert mx.float32 != mx.float64 and mx.int32 != "int32"
    assert isinstance(mx.float32, mx.Dtype)


def test_categories():
    inside = {
        mx.signedinteger: SIGNED, mx.unsignedinteger: UNSIGNED, mx.integer: INTEGER, mx.floating: FLOATING,
        mx.complexfloating: COMPLEX, mx.inexact: FLOATING + COMPLEX, mx.number: INTEGER + FLOATING + COMPLEX,
        mx.generic: DTYPES,
    }  # fmt: skip
    for category, names in inside.items():
        assert isinstance(category, mx.DtypeCategory)
        for name in DTYPES:
            assert mx.issubdtype(getattr(mx, name), category) == (name in names), (name, category)
    assert mx.issubdtype(mx.floating, mx.inexact) and not mx.issubdtype(mx.inexact, mx.floating)
    assert mx.issubdtype(mx.float32, mx.float32) and not mx.issubdtype(mx.float32, mx.float64)


def test_isdtype_knows_the_standards_kinds():
    if not hasattr(mx, "isdtype"):
        pytest.skip("not provided")
    assert mx.isdtype(mx.float32, "real floating") and mx.isdtype(mx.int8, ("bool", "integral"))
    assert not mx.isdtype(mx.complex64, "real floating") and mx.isdtype(mx.complex64, "numeric")


def test_printing_follows_the_options():
    a = mx.array([1.23456789, 100.0])
    text = repr(a)
    with mx.printoptions(precision=2):
        assert "1.23" in repr(a) and "1.2345" not in repr(a)
        assert mx.get_printoptions().precision == 2
    assert repr(a) == text
    before = mx.get_printoptions().precision
    mx.set_printoptions(precision=3)
    try:
        assert "1.235" in repr(a)
    finally:
        mx.set_printoptions(precision=before)
    assert repr(a) == text
    assert isinstance(mx.get_printoptions(), mx.PrintOptions)


def test_printing_every_dtype_and_shape():
    for name in DTYPES:
        for shape in [(), (0,), (3,), (2, 2), (2, 0), (2, 3, 4), (1000,), (30, 30, 30)]:
            text = repr(to_mx(np.zeros(shape), name))
            assert text.startswith("array(") and "dtype=" in text and len(text) < 10_000
            assert str(to_mx(np.zeros(shape), name))
    assert "nan" in repr(mx.array([float("nan"), float("inf"), -float("inf")]))


def test_printing_an_empty_array_of_many_rows_shortens_it():
    text = repr(mx.broadcast_to(mx.array(1), (2**40, 2, 0)))
    assert text.startswith("array([[[],") and "..." in text and len(text) < 1000
    assert repr(mx.zeros((2, 0))).startswith("array([[],")


def test_array_namespace():
    a = mx.array([1.0])
    if hasattr(a, "__array_namespace__"):
        assert a.__array_namespace__() is mx or hasattr(a.__array_namespace__(), "asarray")


def test_numpy_functions_accept_arrays():
    a = mx.array(X)
    assert np.allclose(np.sin(a), np.sin(X))
    assert np.array(a, dtype=np.float64).dtype == np.float64
    assert_same(np.asarray(a), X)
    assert (X + np.array(a) == 2 * X).all()


def test_constants():
    assert (
        mx.pi == np.pi
        and mx.e == np.e
        and mx.inf == np.inf
        and np.isnan(mx.nan)
        and mx.newaxis is None
    )
    assert mx.euler_gamma == np.euler_gamma
    assert isinstance(mx.__version__, str)


def test_devices_and_streams_print_and_compare():
    assert mx.Device(mx.cpu) == mx.Device(mx.cpu) and "cpu" in repr(mx.Device(mx.cpu))
    assert mx.cpu in mx.DeviceType and mx.cpu != mx.gpu
    s = mx.default_stream(mx.cpu)
    assert (
        isinstance(s, mx.Stream)
        and s == mx.default_stream(mx.cpu)
        and s.device == mx.Device(mx.cpu)
    )
    assert "tream" in repr(s)
    assert isinstance(mx.stream(s), mx.StreamContext)
    assert isinstance(mx.new_thread_local_stream(mx.cpu), mx.ThreadLocalStream)
    with pytest.raises((ValueError, RuntimeError)):
        mx.eval(mx.add(mx.ones((2,)), 1, stream=mx.gpu))


def test_scatter_and_iteration_helpers_have_types():
    a = mx.arange(3)
    assert isinstance(a.at, mx.ArrayAt) and isinstance(iter(a), mx.ArrayIterator)
    assert [x.item() for x in iter(a)] == [0, 1, 2]


@pytest.mark.parametrize("call", [
    lambda: mx.add(mx.ones((2,))), lambda: mx.add(1, 2, 3, 4, 5), lambda: mx.sum(mx.ones((2,)), axs=0),
    lambda: mx.sum(), lambda: mx.ones((2,)).sum(0, 1, 2, 3), lambda: mx.array(), lambda: mx.reshape(mx.ones((2,))),
    lambda: mx.zeros(shape=(2,), shap=(3,)), lambda: mx.add(a=1, b=2, c=3), lambda: mx.sum(mx.ones((2,)), axis="0"),
    lambda: mx.sum(mx.ones((2,)), axis=1.5), lambda: mx.exp(None), lambda: mx.ones((2,), dtype="float32x"),
    lambda: mx.astype(mx.ones((2,)), 5),
], ids=range(14))  # fmt: skip
def test_wrong_calls_raise_type_errors(call):
    with pytest.raises((TypeError, ValueError)):
        mx.eval(call())


def test_numpy_scalars_and_strings_of_sizes_are_accepted_as_sizes():
    assert tuple(mx.zeros((np.int64(2), np.int32(3))).shape) == (2, 3)
    assert tuple(mx.ones((2, 3)).reshape(np.int64(6)).shape) == (6,)
    assert mx.sum(mx.ones((2, 3)), axis=np.int64(1)).tolist() == [3, 3]
    assert mx.arange(5)[np.int64(2)].item() == 2


def test_an_array_like_stands_for_the_array_it_becomes():
    class Three:
        def __olivine_array__(self):
            return mx.array([3.0])

    assert (mx.ArrayLike(Three()) + mx.array([1.0])).tolist() == [4]
    assert mx.array(mx.ArrayLike(Three())).tolist() == [3]
    with pytest.raises(TypeError, match=r"\[ArrayLike\]"):
        mx.ArrayLike(3)


def test_astype_takes_its_dtype_by_name():
    assert mx.array([1.5]).astype(dtype=mx.int32, stream=mx.cpu).tolist() == [1]


def test_array_namespace_info_answers_as_the_standard_says():
    info = mx.__array_namespace_info__()
    assert info.default_device() in info.devices()
    assert info.dtypes(kind="integral")["uint8"] == mx.uint8
    assert set(info.dtypes(kind=("bool", "real floating"))) == {"bool", "float32", "float64"}
    assert info.default_dtypes(device=mx.cpu)["indexing"] == mx.int64
    assert set(info.capabilities()) == {
        "boolean indexing",
        "data-dependent shapes",
        "max dimensions",
    }
    with pytest.raises(ValueError, match="'words'"):
        info.dtypes(kind="words")
    with pytest.raises(TypeError, match="Device"):
        info.dtypes(device="cpu")


def test_formats_of_scalars_are_those_of_their_values():
    assert f"{mx.array(1.5)}" == "1.5" and f"{mx.array(2)}" == "2" and f"{mx.array(True)}" == "True"
    assert f"{mx.array(1.5):.3f}" == f"{mx.array([1.5]):.3f}" == "1.500"
    assert f"{mx.array([1, 2])}" == repr(mx.array([1, 2]))
    with pytest.raises(TypeError, match=r"\[format\]"):
        f"{mx.array([1.0, 2.0]):.3f}"


def test_long_axes_are_shortened_to_their_ends():
    assert repr(mx.arange(6)) == "array([0, 1, 2, 3, 4, 5], dtype=int32)"
    assert repr(mx.arange(7)) == "array([0, 1, 2, ..., 4, 5, 6], dtype=int32)"
    assert repr(mx.zeros((7, 1))).count("0") == 6 and "...," in repr(mx.zeros((7, 1)))


def test_an_axis_out_of_range_is_an_index_error():
    for call in (mx.sum, mx.sort, mx.argmax, mx.cumsum, mx.expand_dims, mx.softmax):
        with pytest.raises(IndexError, match="expected an axis in"):
            call(mx.zeros((2, 3)), axis=5)


def test_an_array_of_too_many_axes_is_no_buffer():
    with pytest.raises(BufferError, match="at most 64 axes for the buffer protocol; got 65"):
        memoryview(mx.ones((1,) * 65))


def test_what_is_no_dlpack_capsule_is_refused():
    class Other:
        def __dlpack__(self, **_):
            return 3

    with pytest.raises(ValueError, match="expected a capsule named 'dltensor'.*got another int"):
        mx.from_dlpack(Other())


def test_conversion_to_elements_without_bytes_is_refused():
    # NumPy would count through them for minutes, and Ctrl-C could not end it.
    x = mx.broadcast_to(mx.array(1, mx.uint8), (2**40,))
    with pytest.raises(TypeError, match=r"\[__array__\] expected a dtype with a size"):
        x.__array__([])
    assert mx.array([1, 2], mx.uint8).__array__("S").tolist() == [b"1", b"2"]
