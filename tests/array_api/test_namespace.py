"""The array API standard: its names, signatures, dtypes and semantics, against NumPy's own form."""

import inspect

import numpy as np
import pytest

import olivine.core as mx
from tests.array_api import standard
from tests.support import to_mx, to_np

xp = mx.array(1.0).__array_namespace__()
RNG = np.random.default_rng(0)
REAL = ("float32", "float64")
INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
COMPLEX = ("complex64", "complex128")
# NumPy's 2.x main namespace is the standard's, with float64 and int64 as defaults.


def draw(dtype, shape=(3, 4), low=-4, high=4):
    if dtype == "bool":
        return RNG.random(shape) < 0.5
    x = RNG.uniform(0 if dtype.startswith("u") else low, high, shape)
    if dtype.startswith("complex"):
        x = x + 1j * RNG.uniform(low, high, shape)
    return x.astype(dtype)


def same(got, want, exact_dtype=True, rtol=3e-6):
    if isinstance(want, tuple | list):
        assert len(got) == len(want)
        for g, w in zip(got, want, strict=True):
            same(g, w, exact_dtype, rtol)
        return
    got, want = to_np(got), np.asarray(want)
    assert got.shape == want.shape, f"{got.shape} instead of {want.shape}"
    assert not exact_dtype or got.dtype == want.dtype, f"{got.dtype} instead of {want.dtype}"
    single = str(got.dtype) in ("float32", "complex64")
    tolerance = rtol if single else min(rtol, 1e-12)
    np.testing.assert_allclose(got, want, rtol=tolerance, atol=tolerance, equal_nan=True)


def test_all_193_names_are_there():
    main = [*standard.CONSTANTS.split(), *standard.DTYPES.split(), *standard.SIGNATURES]
    assert [n for n in main if not hasattr(xp, n)] == []
    assert [n for n in standard.LINALG if not hasattr(xp.linalg, n)] == []
    assert [n for n in standard.FFT if not hasattr(xp.fft, n)] == []
    assert len(main) + len(standard.LINALG) + len(standard.FFT) == 193
    assert [n for n in standard.METHODS.split() if not hasattr(mx.array, n)] == []
    assert {n for n in xp.__all__ if n not in main} == {"__array_api_version__", "fft", "linalg"}


@pytest.mark.parametrize("part", ["", "linalg", "fft"])
def test_signatures_are_the_standards(part):
    module = getattr(xp, part) if part else xp
    table = {"": standard.SIGNATURES, "linalg": standard.LINALG, "fft": standard.FFT}[part]
    got = {name: str(inspect.signature(getattr(module, name))) for name in table}
    assert got == table


def test_arrays_name_the_namespace_and_their_device():
    x = mx.array([1.0])
    assert xp.__array_api_version__ == "2025.12" and xp.__name__ == "olivine.array_api"
    assert x.__array_namespace__(api_version="2024.12") is xp
    with pytest.raises(ValueError, match=r"expected one of 2021.12, .*; got '1999.01'"):
        x.__array_namespace__(api_version="1999.01")
    assert x.device == mx.default_device() and x.to_device(x.device) is not None
    assert x.device in xp.__array_namespace_info__().devices()
    with pytest.raises(TypeError, match="to_device"):
        x.to_device("cpu")


@pytest.mark.parametrize("name", sorted({*standard.UNARY.split(), *standard.BINARY.split()}))
def test_elementwise_functions_equal_numpy(name):
    """For every dtype of the standard's category, values, dtypes and broadcasting."""
    f, ref = getattr(xp, name), getattr(np, name)
    unary = name in standard.UNARY.split()
    kinds = REAL
    if name.startswith("bitwise"):
        kinds = INTEGERS + (() if "shift" in name else ("bool",))
    elif name.startswith("logical"):
        kinds = ("bool",)
    elif name in ("copysign", "hypot", "nextafter", "signbit", "logaddexp", "atan2"):
        kinds = REAL
    elif name in ("abs", "negative", "positive", "square", "add", "subtract", "multiply"):
        kinds = REAL + INTEGERS + COMPLEX
    elif name in ("ceil", "floor", "round", "trunc", "sign", "maximum", "minimum", "less"):
        kinds = REAL + INTEGERS
    elif name in ("equal", "not_equal", "isfinite", "isnan", "isinf"):
        kinds = REAL + INTEGERS + COMPLEX
    elif name in ("exp", "log", "sqrt", "sin", "cos", "tanh", "expm1", "log1p", "divide", "conj"):
        kinds = REAL + COMPLEX
    elif name in ("real", "imag"):
        kinds = COMPLEX
    unit = name in ("acos", "asin", "atanh")
    positive = name in ("log", "log2", "log10", "log1p", "sqrt", "pow", "acosh")
    low, high = (-0.9, 0.9) if unit else (1.1, 4) if positive else (-4, 4)
    for dtype in kinds:
        args = [draw(dtype, (3, 4), low, high)] + ([] if unary else [draw(dtype, (4,), low, high)])
        if name in ("floor_divide", "remainder"):
            args[1] = np.where(np.abs(args[1]) < 1, args[1].dtype.type(1), args[1])
        if "shift" in name:
            args[1] = np.abs(args[1]) % 4
        with np.errstate(all="ignore"):
            same(f(*map(to_mx, args)), ref(*args), rtol=2e-5)


@pytest.mark.parametrize("dtype", [*REAL, *INTEGERS, *COMPLEX])
def test_reductions_and_scans_equal_numpy(dtype):
    x = draw(dtype, (2, 3, 4), -2, 2)
    a = to_mx(x)
    for axis in (None, 0, -1, (0, 2), ()):
        for name in ("sum", "prod"):
            got = getattr(xp, name)(a, axis=axis, keepdims=True)
            same(got, getattr(np, name)(x, axis=axis, keepdims=True), False, 2e-5)
            small = x.dtype.itemsize < 4
            signed = "u" * (x.dtype.kind == "u")
            assert to_np(got).dtype == (f"{signed}int32" if small else dtype)
        same(xp.count_nonzero(a, axis=axis), np.count_nonzero(x, axis=axis), False)
        same(xp.any(a, axis=axis), np.any(x, axis=axis))
        same(xp.all(a, axis=axis), np.all(x, axis=axis))
        if dtype not in COMPLEX:
            same(xp.max(a, axis=axis), np.max(x, axis=axis))
            same(xp.min(a, axis=axis), np.min(x, axis=axis))
        if dtype in REAL:
            same(xp.mean(a, axis=axis), np.mean(x, axis=axis))
            for correction in (0.0, 1, 0.5):
                want = np.var(x, axis=axis, ddof=correction) if axis != () and axis != 0 else None
                if want is not None:
                    same(xp.var(a, axis=axis, correction=correction), want, rtol=2e-5)
                    same(xp.std(a, axis=axis, correction=correction), np.sqrt(want), rtol=2e-5)
    same(
        xp.sum(a, dtype=xp.float64), np.sum(x.real.astype("float64"))
    ) if dtype not in COMPLEX else 0
    for initial in (False, True):
        kwargs = {"axis": 1, "include_initial": initial}
        same(xp.cumulative_sum(a, **kwargs), np.cumulative_sum(x, **kwargs), False, 2e-5)
        same(xp.cumulative_prod(a, **kwargs), np.cumulative_prod(x, **kwargs), False, 2e-5)
    with pytest.raises(ValueError, match="expected an axis for an array of 3 axes"):
        xp.cumulative_sum(a)


@pytest.mark.parametrize("dtype", ["float32", "float64", "int8", "int32", "uint64"])
def test_sorting_searching_and_sets_equal_numpy(dtype):
    x = np.floor(draw(dtype, (3, 8))).astype(dtype)
    a = to_mx(x)
    for axis in (0, -1):
        same(xp.sort(a, axis=axis), np.sort(x, axis=axis))
        same(xp.sort(a, axis=axis, descending=True), np.flip(np.sort(x, axis=axis), axis))
        same(xp.argsort(a, axis=axis), np.argsort(x, axis=axis, stable=True))
        down = xp.argsort(a, axis=axis, descending=True)
        same(down, np.argsort(-x.astype("float64"), axis=axis, stable=True))
        same(xp.argmax(a, axis=axis, keepdims=True), np.argmax(x, axis=axis, keepdims=True))
        same(xp.argmin(a, axis=axis), np.argmin(x, axis=axis))
    same(xp.argmax(a), np.argmax(x))
    same(xp.nonzero(a), np.nonzero(x))
    same(tuple(xp.unique_all(a)), tuple(np.unique_all(x)))
    same(tuple(xp.unique_counts(a)), tuple(np.unique_counts(x)))
    same(tuple(xp.unique_inverse(a)), tuple(np.unique_inverse(x)))
    same(xp.unique_values(a), np.unique(x))
    same(xp.isin(a, a[0, :2]), np.isin(x, x[0, :2]))
    same(xp.isin(a, a[0, :2], invert=True), np.isin(x, x[0, :2], invert=True))
    ordered, order = np.sort(x[0]), np.argsort(x[0])
    for side in ("left", "right"):
        same(xp.searchsorted(to_mx(ordered), a, side=side), np.searchsorted(ordered, x, side))
        got = xp.searchsorted(a[0], a, side=side, sorter=to_mx(order))
        same(got, np.searchsorted(x[0], x, side, sorter=order))


def test_sets_of_nothing_and_of_nan():
    empty = xp.unique_all(mx.zeros((0,)))
    assert [len(v) for v in empty] == [0, 0, 0, 0]
    assert xp.unique_values(mx.array([np.nan, 1.0, np.nan])).size == 3
    assert [v.size for v in xp.nonzero(mx.zeros((0, 3)))] == [0, 0]
    with pytest.raises(ValueError, match="at least one axis"):
        xp.nonzero(mx.array(1.0))


MOVES = [
    ("moveaxis", ((0, 1), (-1, 0)), {}),
    ("moveaxis", (0, 2), {}),
    ("permute_dims", ((2, 0, 1),), {}),
    ("flip", (), {}),
    ("flip", (), {"axis": (0, 2)}),
    ("roll", ((1, 2),), {"axis": (0, 1)}),
    ("roll", (5,), {}),
    ("reshape", ((4, -1),), {}),
    ("reshape", ((24,),), {"copy": True}),
    ("expand_dims", (), {"axis": (0, -1)}),
    ("tile", ((2, 1, 1, 2),), {}),
    ("tile", ((2,),), {}),
    ("repeat", (2,), {}),
    ("repeat", (3,), {"axis": 1}),
    ("take", (np.array([1, 0, 1]),), {"axis": 2}),
    ("broadcast_to", ((5, 2, 3, 4),), {}),
    ("unstack", (), {"axis": 1}),
]


@pytest.mark.parametrize("dtype", ["bool", "float32", "float64", "int16", "uint32", "complex128"])
def test_manipulation_equals_numpy(dtype):
    x = draw(dtype, (2, 3, 4))
    a = to_mx(x)
    for name, args, kwargs in MOVES:
        ref = np.transpose if name == "permute_dims" else getattr(np, name)
        ours = [to_mx(v) if isinstance(v, np.ndarray) else v for v in args]
        same(getattr(xp, name)(a, *ours, **kwargs), ref(x, *args, **kwargs))
    same(xp.repeat(a, mx.array([1, 0, 2]), axis=1), np.repeat(x, [1, 0, 2], axis=1))
    same(xp.concat([a, a], axis=None), np.concat([x, x], axis=None))
    same(xp.stack([a, a], axis=-1), np.stack([x, x], axis=-1))
    same(xp.squeeze(a[:, :1, :1], (1, 2)), x[:, 0, 0])
    same(xp.tril(a, k=1), np.tril(x, 1))
    same(xp.where(to_mx(x != 0), a, a), x)
    order = RNG.permuted(np.tile(np.arange(4), (2, 3, 1)), axis=-1)
    same(xp.take_along_axis(a, to_mx(order)), np.take_along_axis(x, order, -1))
    if dtype != "bool":
        same(xp.diff(a, axis=1, n=1, prepend=a[:, :1]), np.diff(x, axis=1, prepend=x[:, :1]))
    with pytest.raises(ValueError):
        xp.squeeze(a, 0)
    with pytest.raises(ValueError, match="each of 3 axes once"):
        xp.permute_dims(a, (0, 0, 1))
    with pytest.raises(ValueError, match="expected an axis for an array of 3 axes"):
        xp.take(a, mx.array([0]))


def test_creation_follows_dtypes_devices_and_copies():
    for dtype in (*REAL, *INTEGERS, *COMPLEX, "bool"):
        d = getattr(xp, dtype)
        assert xp.zeros((2,), dtype=d).dtype == d and xp.ones_like(xp.empty(3, dtype=d)).dtype == d
        same(xp.full((2, 1), 1, dtype=d), np.full((2, 1), 1, dtype=dtype))
        same(xp.eye(2, 3, k=1, dtype=d), np.eye(2, 3, k=1, dtype=dtype))
        same(xp.asarray(np.ones(2, dtype)), np.ones(2, dtype))
    assert xp.asarray(1).dtype == xp.int32 and xp.asarray(1.0).dtype == xp.float32
    assert xp.asarray([True, False]).dtype == xp.bool and xp.asarray(1j).dtype == xp.complex64
    assert xp.asarray([xp.asarray(1.5, dtype=xp.float64), 2]).dtype == xp.float64
    assert float(xp.asarray(0.1, dtype=xp.float64)) == 0.1
    assert float(xp.full((), 0.1, dtype=xp.float64)) == 0.1
    same(xp.arange(1, 7, 2, dtype=xp.float64), np.arange(1.0, 7, 2))
    same(
        xp.linspace(0, 1, 4, dtype=xp.float64, endpoint=False), np.linspace(0, 1, 4, endpoint=False)
    )
    same(xp.linspace(0, 1 + 2j, 3, dtype=xp.complex128), np.linspace(0, 1 + 2j, 3))
    same(
        xp.meshgrid(xp.arange(2), xp.arange(3), indexing="ij")[1],
        np.tile(np.arange(3, dtype="i4"), (2, 1)),
    )
    a = xp.zeros((2,), device=mx.cpu)
    assert xp.asarray(a) is a and xp.asarray(a, copy=True) is not a
    with pytest.raises(ValueError, match="copy=False"):
        xp.asarray([1, 2], copy=False)
    with pytest.raises(ValueError, match="copy=False"):
        xp.asarray(a, dtype=xp.float64, copy=False)
    shared = np.zeros(3)
    assert xp.from_dlpack(shared).dtype == xp.float64 and np.from_dlpack(a).shape == (2,)


def test_promotion_follows_the_standards_table():
    for one in (*REAL, *INTEGERS, *COMPLEX, "bool"):
        for two in (*REAL, *INTEGERS, *COMPLEX, "bool"):
            kinds = {np.dtype(one).kind, np.dtype(two).kind}
            if (
                one == two
                or (kinds <= set("fc"))
                or (kinds <= set("iu") and "uint64" not in (one, two))
            ):
                want = str(np.result_type(one, two))
                assert xp.result_type(getattr(xp, one), getattr(xp, two)) == getattr(xp, want)
                got = xp.add(xp.ones(2, dtype=getattr(xp, one)), xp.ones(2, dtype=getattr(xp, two)))
                assert one == "bool" or got.dtype == getattr(xp, want)
    assert xp.result_type(xp.int8, 3) == xp.int8 and xp.result_type(xp.float32, 1.5) == xp.float32
    assert xp.result_type(xp.float64, 1j) == xp.complex128
    assert xp.can_cast(xp.int8, xp.int16) and not xp.can_cast(xp.float64, xp.float32)
    for dtype in REAL:
        ours, theirs = xp.finfo(getattr(xp, dtype)), np.finfo(dtype)
        for name in ("bits", "eps", "max", "min", "smallest_normal"):
            assert getattr(ours, name) == getattr(theirs, name)
    assert xp.iinfo(xp.asarray(3)).max == 2**31 - 1 and xp.isdtype(xp.bool, "bool")


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "int64"])
def test_scalars_take_the_dtype_beside_them(dtype):
    a = to_mx(draw(dtype))
    assert xp.add(a, 2).dtype == a.dtype and xp.maximum(1, a).dtype == a.dtype
    assert (a + 1).dtype == a.dtype and xp.where(a > 0, a, 0).dtype == a.dtype
    assert xp.clip(a, -1, 2).dtype == a.dtype
    same(xp.clip(a, -1, 2), np.clip(to_np(a), -1, 2))
    if dtype.startswith("float"):
        assert xp.multiply(a, 1.5).dtype == a.dtype and xp.pow(2.0, a).dtype == a.dtype


def test_signs_and_neighbours_of_special_numbers():
    for dtype in REAL:
        x = np.array([0.0, -0.0, 1, -1, np.inf, -np.inf, np.nan, 5e-324, -2.5], dtype=dtype)
        y = np.array([-1, 1, 2, 1, 0, 0, 1, 1, -np.inf], dtype=dtype)
        same(xp.signbit(to_mx(x)), np.signbit(x))
        got, want = to_np(xp.copysign(to_mx(y), to_mx(x))), np.copysign(y, x)
        assert (np.signbit(got) == np.signbit(want)).all() and (np.abs(got) == np.abs(want)).all()
        near = to_np(xp.nextafter(to_mx(x), to_mx(y)))
        assert near.tobytes() == np.nextafter(x, y).tobytes() or np.array_equal(
            near, np.nextafter(x, y), equal_nan=True
        )
        assert np.isnan(to_np(xp.sign(to_mx(x)))[6])
        same(xp.round(mx.array([0.5, 1.5, -2.5])), np.float32([0, 2, -2]))


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128"])
def test_linear_algebra_equals_numpy(dtype):
    x = draw(dtype, (2, 5, 3))
    square = draw(dtype, (2, 4, 4)) + 6 * np.eye(4, dtype=dtype)
    definite = square @ square.conj().swapaxes(-1, -2)
    a, s, p = to_mx(x), to_mx(square), to_mx(definite)
    la, close = xp.linalg, {"rtol": 3e-4}
    same(la.cholesky(p), np.linalg.cholesky(definite), **close)
    same(la.det(s), np.linalg.det(square), **close)
    same(la.inv(s), np.linalg.inv(square), **close)
    same(la.pinv(a), np.linalg.pinv(x), **close)
    same(la.pinv(a, rtol=0.5), np.linalg.pinv(x, rtol=0.5), **close)
    same(la.solve(s, a[:, :4]), np.linalg.solve(square, x[:, :4]), **close)
    same(la.solve(s, a[0, :4, 0]), np.linalg.solve(square, x[0, :4, 0]), **close)
    same(la.eigvalsh(p), np.linalg.eigvalsh(definite), **close)
    same(la.svdvals(a), np.linalg.svdvals(x), **close)
    same(la.matrix_rank(a), np.linalg.matrix_rank(x))
    same(la.matrix_power(s, -2), np.linalg.matrix_power(square, -2), **close)
    same(la.trace(a, offset=1), np.linalg.trace(x, offset=1), **close)
    same(la.diagonal(a, offset=-1), np.linalg.diagonal(x, offset=-1))
    same(la.outer(a[0, 0], a[0, 1]), np.linalg.outer(x[0, 0], x[0, 1]))
    same(la.vecdot(a, a, axis=1), np.linalg.vecdot(x, x, axis=1), rtol=2e-5)
    same(la.tensordot(a, a, axes=((0, 1), (0, 1))), np.tensordot(x, x, ((0, 1), (0, 1))), rtol=2e-5)
    same(la.cross(a, a[:1]), np.linalg.cross(x, x[:1]), rtol=2e-5)
    for ord in ("fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf):
        want = np.linalg.matrix_norm(x, ord=ord, keepdims=True)
        same(la.matrix_norm(a, ord=ord, keepdims=True), want, **close)
    for axis in (None, 0, (0, 2)):
        for ord in (2, 1, np.inf, 0, 3):
            want = np.linalg.vector_norm(x, axis=axis, ord=ord, keepdims=True)
            same(la.vector_norm(a, axis=axis, ord=ord, keepdims=True), want, **close)
    for mode in ("reduced", "complete"):
        q, r = la.qr(a, mode=mode)
        assert [v.shape for v in (q, r)] == [v.shape for v in np.linalg.qr(x, mode)]
        same(q @ r, x, rtol=2e-5)
        same(
            xp.conj(q.mT) @ q,
            np.broadcast_to(np.eye(q.shape[-1], dtype=dtype), (2, q.shape[-1], q.shape[-1])),
            rtol=2e-5,
        )
    u, values, vh = la.svd(a, full_matrices=False)
    same((u * values[..., None, :].astype(u.dtype)) @ vh, x, rtol=2e-5)
    sign, logarithm = la.slogdet(s)
    same(logarithm, np.linalg.slogdet(square)[1], **close)
    w, v = la.eigh(p)
    same(p @ v, to_np(v * w[..., None, :].astype(v.dtype)), rtol=1e-3)
    w, v = la.eig(s)
    same(s.astype(v.dtype) @ v, to_np(v * w[..., None, :]), rtol=1e-3)


def test_products_of_integers_are_exact():
    x = draw("int64", (3, 4), -1000, 1000)
    same(xp.matmul(to_mx(x), to_mx(x.T)), x @ x.T)
    same(xp.matmul(to_mx(x[0]), to_mx(x.T)), x[0] @ x.T)
    same(to_mx(x).mT, x.T)


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128"])
def test_transforms_equal_numpy(dtype):
    x = draw(dtype, (3, 6))
    a = to_mx(x)
    names = ["fft", "ifft", "irfft", "hfft"] + ([] if dtype in COMPLEX else ["rfft", "ihfft"])
    for name in names:
        for kwargs in ({}, {"n": 5}, {"axis": 0, "norm": "ortho"}, {"norm": "forward"}):
            same(getattr(xp.fft, name)(a, **kwargs), getattr(np.fft, name)(x, **kwargs), rtol=2e-5)
    for name in ("fftn", "ifftn"):
        same(
            getattr(xp.fft, name)(a, axes=(0, 1)), getattr(np.fft, name)(x, axes=(0, 1)), rtol=2e-5
        )
    same(xp.fft.fftshift(a, axes=1), np.fft.fftshift(x, axes=1))
    same(xp.fft.fftfreq(7, d=0.1, dtype=xp.float64), np.fft.fftfreq(7, d=0.1))
    same(xp.fft.rfftfreq(8, dtype=xp.float64), np.fft.rfftfreq(8))


def test_gradients_go_through_the_namespace():
    def loss(v):
        return xp.sum(
            xp.linalg.vector_norm(xp.copysign(v, -1.0), axis=0) * xp.std(v, correction=0.5)
        )

    x = to_mx(draw("float64"))
    g, d = to_np(mx.grad(loss)(x)), RNG.standard_normal((3, 4))
    step = [float(loss(x + to_mx(s * d))) for s in (1e-6, -1e-6)]
    np.testing.assert_allclose(np.sum(g * d), (step[0] - step[1]) / 2e-6, rtol=1e-6)
