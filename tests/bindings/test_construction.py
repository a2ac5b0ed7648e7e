"""Arrays from Python objects and back: scalars, sequences, NumPy, buffers, DLPack, pickle."""

import copy
import ctypes
import gc
import math
import pickle
import sys
import weakref

import numpy as np
import pytest

import olivine.core as mx

DTYPES = [
    "bool_", "uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64",
    "float16", "float32", "float64", "complex64", "complex128",
]  # fmt: skip


def same(a, expected, dtype=None):
    expected = np.asarray(expected)
    assert a.shape == expected.shape
    if dtype is not None:
        assert a.dtype == dtype
    np.testing.assert_array_equal(np.array(a.tolist()).reshape(expected.shape), expected)


@pytest.mark.parametrize(
    ("value", "dtype"),
    [
        (True, mx.bool_),
        (3, mx.int32),
        (-(2**31), mx.int32),
        (2**31, mx.int64),
        (2**63, mx.uint64),
        (1.5, mx.float32),
        (1 + 2j, mx.complex64),
        ([1, 2], mx.int32),
        ([1, 2**40], mx.int64),
        ([1, 2.5], mx.float32),
        ([True, 2], mx.int32),
        ([True, False], mx.bool_),
        ([1, 1j], mx.complex64),
        ([[1, 2], [3, 4]], mx.int32),
        (((1.0,), (2.0,)), mx.float32),
        ([], mx.float32),
        ([[], []], mx.float32),
    ],
)
def test_python_values_choose_their_dtype(value, dtype):
    same(mx.array(value), value, dtype)


def test_dtype_argument_converts():
    same(mx.array([1.7, -1.7], dtype=mx.int32), [1, -1], mx.int32)
    same(mx.array([0, 2], dtype=mx.bool_), [False, True], mx.bool_)
    same(mx.array(3, mx.complex64), 3 + 0j, mx.complex64)
    same(mx.array([1, 2], mx.bfloat16), [1.0, 2.0], mx.bfloat16)


def test_values_that_do_not_fit_are_refused():
    for value in (300, -1, float("nan"), 1e10):
        with pytest.raises(ValueError, match="fits uint8"):
            mx.array(value, dtype=mx.uint8)
    with pytest.raises(ValueError, match="fits uint64"):
        mx.array(2**64)
    with pytest.raises(ValueError, match="fits uint8"):
        mx.array([1], mx.uint8) + 300


def test_wrong_values_are_type_errors_that_name_the_type():
    for value, name in ((None, "NoneType"), ("a", "str"), ({1: 2}, "dict"), (object(), "object")):
        with pytest.raises(TypeError, match=rf"\[array\] .*got {name}"):
            mx.array(value)
    with pytest.raises(ValueError, match="equal lengths"):
        mx.array([[1], [1, 2]])
    loop = []
    loop.append(loop)
    with pytest.raises(ValueError, match="64 dimensions"):
        mx.array(loop)


def test_arrays_inside_lists_are_stacked():
    a = mx.array([1, 2])
    same(mx.array([a, [3, 4.5]]), [[1, 2], [3, 4.5]], mx.float32)
    same(mx.array([[3, 4], a]), [[3, 4], [1, 2]], mx.int32)
    same(mx.array([np.float32(1.5), np.float32(2.5)]), [1.5, 2.5], mx.float32)


@pytest.mark.parametrize("name", DTYPES)
def test_numpy_round_trip_keeps_values_and_layouts(name):
    dtype = getattr(mx, name)
    for source in (np.arange(24).reshape(2, 3, 4) % 2, np.arange(24).reshape(4, 6)[::-2, ::3].T):
        n = source.astype(name.rstrip("_"))
        a = mx.array(n, dtype=dtype)
        assert a.dtype == dtype
        np.testing.assert_array_equal(np.array(a), n)
        assert np.asarray(a).dtype == n.dtype


def test_numpy_doubles_become_single_precision_unless_asked_for():
    assert mx.array(np.ones(2)).dtype == mx.float32
    assert mx.array(np.ones(2, np.complex128)).dtype == mx.complex64
    x = mx.array(np.array([1 / 3]), dtype=mx.float64)
    assert x.item() == 1 / 3


def test_bfloat16_crosses_by_ml_dtypes():
    ml_dtypes = pytest.importorskip("ml_dtypes")
    n = np.array([[1.5, -2.25], [3.0, 4.0]], dtype=ml_dtypes.bfloat16)
    a = mx.array(n)
    assert a.dtype == mx.bfloat16
    back = np.asarray(a)
    assert back.dtype == n.dtype
    np.testing.assert_array_equal(back, n)
    np.testing.assert_array_equal(np.array(mx.array(n.T)), n.T)


def test_construction_copies():
    n = np.ones(3, np.float32)
    a = mx.array(n)
    n[0] = 5
    same(a, [1, 1, 1])


def test_asarray_shares_where_it_can():
    n = np.ones(3, np.float32)
    a = mx.asarray(n)
    n[0] = 5
    same(a, [5, 1, 1])
    b = mx.asarray(n, copy=True)
    n[1] = 7
    same(b, [5, 1, 1])
    with pytest.raises(ValueError, match="copy=False"):
        mx.asarray([1, 2], copy=False)


def test_numpy_views_of_arrays_share_memory_and_keep_it_alive():
    a = mx.arange(6).reshape(2, 3)
    view = np.asarray(a)
    assert not view.flags.owndata
    transposed = np.asarray(a.T)
    assert transposed.strides == (4, 12)
    expected = view.copy()
    del a
    gc.collect()
    np.testing.assert_array_equal(view, expected)


def test_memory_of_numpy_is_released_with_the_last_array():
    n = np.ones(1000, np.float32)
    dead = weakref.ref(n)
    a = mx.from_dlpack(n)
    b = a + 1
    del n, a
    assert dead() is not None
    mx.eval(b)
    del b
    gc.collect()
    assert dead() is None


def test_shared_memory_is_never_overwritten():
    n = np.ones(1000, np.float32)
    a = mx.asarray(n)
    b = a * 2
    del a
    mx.eval(b)
    assert n.sum() == 1000


def test_dlpack_round_trip():
    n = np.arange(12, dtype=np.int16).reshape(3, 4)[:, ::-2]
    a = mx.from_dlpack(n)
    np.testing.assert_array_equal(np.array(a), n)
    back = np.from_dlpack(a)
    np.testing.assert_array_equal(back, n)
    assert a.__dlpack_device__() == (1, 0)
    with pytest.raises(TypeError, match="__dlpack__"):
        mx.from_dlpack([1, 2])


def test_dlpack_shares_both_ways_and_copies_reversed_axes():
    def address(x):
        return np.asarray(x).__array_interface__["data"][0]

    n = np.arange(6, dtype=np.float32).reshape(2, 3)
    n.flags.writeable = False
    a = mx.from_dlpack(n)
    assert address(a) == address(n) and not np.asarray(a).flags.writeable
    assert address(mx.from_dlpack(n, copy=True)) != address(n)
    m = mx.arange(6).reshape(2, 3)
    view = np.from_dlpack(m[1:, 1:])
    assert address(view) == address(m) + 16 and view.tolist() == [[4, 5]]
    del m
    gc.collect()
    assert view.tolist() == [[4, 5]]
    back = np.from_dlpack(mx.arange(4)[::-1])
    assert back.tolist() == [3, 2, 1, 0] and back.strides == (4,)
    with pytest.raises(BufferError, match="reversed"):
        mx.arange(4)[::-1].__dlpack__(copy=False)


def test_torch_tensors_are_understood():
    torch = pytest.importorskip("torch")
    t = torch.arange(6, dtype=torch.bfloat16).reshape(2, 3)
    a = mx.from_dlpack(t)
    assert a.dtype == mx.bfloat16
    assert a.tolist() == t.tolist()
    assert torch.from_dlpack(mx.arange(3)).tolist() == [0, 1, 2]


def test_buffers_in_and_out():
    same(mx.array(b"ab"), [97, 98], mx.uint8)
    same(mx.array(memoryview(b"ab")), [97, 98], mx.uint8)
    same(mx.array(bytearray(b"ab")), [97, 98], mx.uint8)
    assert bytes(mx.array([[1, 2], [3, 4]], mx.uint8).T) == b"\x01\x03\x02\x04"
    assert memoryview(mx.array([1, 2])).tolist() == [1, 2]
    with pytest.raises(BufferError, match="bfloat16"):
        memoryview(mx.array([1], mx.bfloat16))
    with pytest.raises(TypeError, match="numeric"):
        mx.array(np.array(["a"]))


@pytest.mark.parametrize("name", [*DTYPES, "bfloat16"])
def test_pickle_and_copies(name):
    a = mx.array([[0, 1], [1, 0]], dtype=getattr(mx, name))
    for b in (pickle.loads(pickle.dumps(a)), copy.copy(a), copy.deepcopy({"x": a})["x"]):
        assert b.dtype == a.dtype
        assert b.tolist() == a.tolist()
    assert pickle.loads(pickle.dumps(a.dtype)) == a.dtype


def test_broken_pickles_are_refused():
    a = mx.array([1, 2])
    for state in ((b"", (2,), "int32"), (b"12345678", (-2,), "int32"), (b"1234", (1,), "nothing")):
        with pytest.raises((ValueError, TypeError)):
            a.__setstate__(state)
    with pytest.raises((ValueError, MemoryError)):
        a.__setstate__((b"", (2**62, 2**62), "int32"))


def test_item_and_conversions_to_python():
    assert mx.array(1.5).item() == 1.5
    assert mx.array([[3]]).item() == 3
    assert mx.array(True).item() is True
    assert int(mx.array(1.5)) == 1 and float(mx.array(2)) == 2.0 and complex(mx.array(1j)) == 1j
    assert [10, 20, 30][mx.array(1)] == 20
    assert f"{mx.array(1.5):.3f}" == "1.500"
    with pytest.raises(ValueError, match=r"\[item\] expected an array of one element"):
        mx.array([1, 2]).item()
    with pytest.raises(ValueError):
        bool(mx.array([1, 2]))
    with pytest.raises(TypeError, match="integer"):
        [1][mx.array(0.0)]


def test_length_iteration_and_truth():
    a = mx.array([[1, 2], [3, 4]])
    assert len(a) == 2
    assert [row.tolist() for row in a] == [[1, 2], [3, 4]]
    assert bool(mx.array(1)) and not bool(mx.array(0))
    with pytest.raises(TypeError):
        len(mx.array(1))
    with pytest.raises(TypeError):
        iter(mx.array(1))


def test_arrays_can_be_keys_weakly_referenced_and_subclassed():
    a = mx.array(1)
    assert {a: 1}[a] == 1
    assert weakref.ref(a)() is a

    class Named(mx.array):
        pass

    n = Named([1, 2])
    n.name = "x"
    assert (n + 1).tolist() == [2, 3]


def test_protocols_of_other_array_classes():
    class Wrapper:
        def __init__(self, value):
            self.value = value

        def __mlx_array__(self):
            return self.value

    w = Wrapper(mx.array([1.0, 2.0]))
    assert (mx.array([1.0, 1.0]) + w).tolist() == [2, 3]
    assert mx.exp(Wrapper(mx.array(0.0))).item() == 1


def test_reference_counts_stay_level():
    a = mx.array([1.0, 2.0])
    values = [1, 2.5, "x", None, [1], np.ones(2, np.float32)]

    def use_everything():
        for v in values:
            try:
                a + v
                mx.array(v)
                a[v]
            except (TypeError, ValueError, IndexError):
                pass
        np.asarray(a)
        a.tolist()
        pickle.dumps(a)

    for _ in range(3):
        use_everything()
    before = [sys.getrefcount(v) for v in [a, None, *values]]
    for _ in range(50):
        use_everything()
    after = [sys.getrefcount(v) for v in [a, None, *values]]
    assert all(abs(x - y) < 20 for x, y in zip(before, after, strict=True))


def test_buffers_without_strides_are_dense():
    """ctypes and NumPy's scalars leave the strides of contiguous memory out."""
    same(mx.array((ctypes.c_double * 3)(1, 2, 3), mx.float64), [1.0, 2.0, 3.0], mx.float64)
    same(mx.array(((ctypes.c_int32 * 3) * 2)((1, 2, 3), (4, 5, 6))), [[1, 2, 3], [4, 5, 6]])
    same(mx.asarray((ctypes.c_uint8 * 2)(7, 8)), [7, 8], mx.uint8)
    assert mx.array(np.datetime64("2026-01-01")).nbytes == 8


class Emptying:
    """An int whose conversion empties the list it lies in."""

    def __init__(self):
        self.list = [1, self, 3, 4]

    def __index__(self):
        self.list.clear()
        return 1


@pytest.mark.parametrize(
    "call",
    [
        lambda items: mx.zeros(items),
        lambda items: mx.ones((2, 3)).std(axis=items),
        lambda items: mx.ones((2, 3)).reshape(items),
        lambda items: mx.pad(mx.ones((2, 3)), [items, items]),
        lambda items: mx.broadcast_shapes(items),
        lambda items: mx.concatenate(items),
        lambda items: mx.array(items),
        lambda items: mx.ones(9)[items],
    ],
)
def test_a_list_may_change_while_it_is_read(call):
    try:
        mx.eval(call(Emptying().list))
    except (TypeError, ValueError, IndexError) as error:
        assert str(error).startswith("[")


@pytest.mark.parametrize(
    ("call", "kind", "text"),
    [
        (lambda: mx.array(1).__setstate__([1]), TypeError, "a tuple of bytes"),
        (lambda: mx.array(1).__setstate__((b"", 1, 2)), TypeError, "a tuple of bytes"),
        (lambda: mx.array(1).__format__(7), TypeError, "a str"),
        (lambda: mx.array(1).__dlpack__(max_version=[]), TypeError, "a pair of ints"),
        (lambda: mx.isdtype(mx.int8, "\ud800"), ValueError, "surrogates"),
        (lambda: mx.grad(mx.sum, argnames=["\ud800"]), ValueError, "surrogates"),
        (lambda: mx.full(2, 10**400), ValueError, "fits"),
        (lambda: mx.array([1.5, 10**400]), ValueError, "fits float32"),
        (lambda: mx.clip(mx.ones(2), 1j, 10**400), ValueError, "fits"),
        (lambda: mx.linspace(0, 10**400), ValueError, "a double holds"),
        (lambda: mx.arange(np.ones(3)), TypeError, "numbers"),
        (lambda: mx.ones(2).reshape(None), TypeError, "sequence of ints"),
        (lambda: mx.fft.fft(mx.ones(4), norm="é" * 5000), ValueError, "norm"),
        (lambda: mx.sum(mx.ones(2), axis=[1] * 5000), Exception, "axis"),
        (lambda: mx.broadcast_to(mx.ones(2), [1] * 5000), ValueError, "more"),
    ],
)
def test_odd_objects_get_a_clear_error(call, kind, text):
    with pytest.raises(kind, match=text) as caught:
        call()
    assert len(str(caught.value)) < 1500


def test_sizes_may_be_numpy_arrays():
    assert mx.zeros(np.array([2, 3])).shape == (2, 3)
    assert mx.sum(mx.ones((2, 3)), axis=np.array([0])).shape == (3,)


def test_scalar_operands_keep_their_bits_and_dtype():
    # The bindings remember recent scalar operands; what looks equal must not be mixed up.
    x = mx.ones((2,))
    whole = mx.ones((2,), mx.int32)
    for _ in range(2):
        assert (1 / (x * 0.0)).tolist() == [math.inf] * 2
        assert (1 / (x * -0.0)).tolist() == [-math.inf] * 2
        assert mx.isnan(x * math.nan).tolist() == [True] * 2
        assert (whole * 1).dtype == mx.int32 and (whole * 1.0).dtype == mx.float32
        assert (whole * True).dtype == mx.int32 and (x * True).dtype == mx.float32
        assert (x.astype(mx.float16) * 1).dtype == mx.float16
        assert (x * 1j).tolist() == [1j] * 2
    assert [(whole + i).tolist()[0] for i in range(100)] == list(range(1, 101))
    assert [(whole + i).tolist()[0] for i in range(100)] == list(range(1, 101))


def test_scalar_operands_are_not_overwritten():
    y = mx.add(2.0, 3.0)
    y += 1.0
    mx.eval(y)
    z = mx.multiply(mx.array(1.0), 2.0)
    z *= 3.0
    mx.eval(z)
    assert (mx.array(0.0) + 2.0).item() == 2 and (mx.array(0.0) + 3.0).item() == 3
