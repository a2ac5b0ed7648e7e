"""Rows of the Fourier transforms, their accuracy, and short-time transforms."""

import numpy as np
import pytest

import olivine.core as mx
from tests.harness import COMPLEX, DTYPES, FLOATING, OpTests, Row, lookup
from tests.support import assert_close, assert_same, to_mx, to_np

ONE = (
    (((8,),), {}),
    (((3, 7),), {"n": 5, "norm": "ortho"}),
    (((6, 4),), {"axis": 0, "norm": "forward"}),
    (((2, 5, 3),), {"axis": 1, "n": 8}),
    (((1,),), {}),
    (((0, 6),), {}),
    (((2, 0),), {"n": 3}),
    (((40, 16),), {}),
    (((33, 100),), {"axis": -1}),
    (((20, 1000),), {"axis": 0}),
    (((3, 509),), {}),
)
TWO = (
    (((4, 6),), {}),
    (((2, 5, 3),), {"axes": (0, 1), "norm": "ortho"}),
    (((3, 4),), {"s": (5, 3), "axes": [1, 0]}),
    (((3, 32, 24),), {}),
)
MANY = (
    *TWO,
    (((2, 3, 4),), {}),
    (((2, 3, 4),), {"axes": (2, 0), "norm": "forward"}),
    (((5, 17),), {"axes": [0]}),
)
PAIRED = "values layouts dtypes jvp grad second vmap compile"


def real_dtype(name):
    return "float64" if name in ("float64", "complex128") else "float32"


def parts(x):
    module = np if isinstance(x, np.ndarray) else mx
    return [module.real(x), module.imag(x)]


def of_reals(name, **fixed):
    """The transform of real arguments, in parts if it is complex, and the same of NumPy."""
    return transform_of(name, lambda x: x, fixed)


def of_pairs(name, **fixed):
    """The transform of x + i y."""
    return transform_of(name, lambda x, y: x + y * 1j, fixed)


def transform_of(name, join, fixed):
    inverse_real = "irfft" in name

    def wrap(fn):
        def f(*args, **kwargs):
            y = fn(join(*args), **{**fixed, **kwargs})
            return y if inverse_real else parts(y)

        return f

    return {"call": wrap(lookup("fft." + name)), "ref": wrap(getattr(np.fft, name))}


def twice(cases):
    return tuple((shapes * 2, kwargs) for shapes, kwargs in cases)


def row(name, cases, of, dtypes, **kwargs):
    # Errors are relative to the size of the addends.
    return Row(
        f"fft.{name}", cases=cases, dtypes=dtypes, out=real_dtype, span=50, **of(name), **kwargs
    )


def real_row(name, cases):
    return row(
        name,
        cases,
        of_reals,
        DTYPES if "rfft" not in name else DTYPES[:-2],
        wrong="axis" * ("axis" in str(cases[2])),
    )


def pair_row(name, cases):
    cases = [
        c for c in cases if "irfft" not in name or c[0][0] != (1,)
    ]  # 2 (1 - 1) elements: an error
    return row(name, twice(cases), of_pairs, FLOATING, rules=PAIRED)


ROWS = [
    real_row("fft", ONE),
    real_row("rfft", ONE),
    real_row("fft2", TWO),
    real_row("rfft2", TWO),
    real_row("fftn", MANY),
    real_row("rfftn", MANY),
    pair_row("ifft", ONE),
    pair_row("irfft", ONE),
    pair_row("ifft2", TWO),
    pair_row("irfft2", TWO),
    pair_row("ifftn", MANY),
    pair_row("irfftn", MANY),
    Row(
        "fft.fftshift",
        np.fft.fftshift,
        ((((5,),), {}), (((4, 3),), {"axes": 1}), (((4, 3, 2),), {"axes": (0, -1)})),
        DTYPES,
    ),
    Row(
        "fft.ifftshift",
        np.fft.ifftshift,
        ((((5,),), {}), (((4, 3),), {"axes": 1}), (((4, 3, 2),), {"axes": (0, -1)})),
        DTYPES,
    ),
]


class TestFft(OpTests):
    rows = ROWS


# Every radix, products of them, primes that need a convolution, and split lines with odd factors.
SIZES = [
    *range(1, 34),
    61,
    127,
    128,
    131,
    210,
    256,
    300,
    509,
    720,
    1000,
    1009,
    1536,
    2000,
    2187,
    4096,
    6561,
    10007,
    65536,
    100003,
]


def relative_error(got, want):
    return np.linalg.norm(to_np(got) - want) / np.linalg.norm(want)


@pytest.mark.parametrize("name", COMPLEX)
@pytest.mark.parametrize("shape", [(1, 1), (7, 1), (20, 1), (1, 3), (1, 37)])
def test_every_size_is_as_accurate_as_numpy(name, shape):
    rng = np.random.default_rng(5)
    for n in SIZES:
        outer, inner = shape
        if n * outer * inner > 200_000:
            continue
        x = rng.standard_normal((outer, n, inner)) + 1j * rng.standard_normal((outer, n, inner))
        x = x.astype(name)
        limit = 4e-7 if name == "complex64" else 5e-16 * max(1, np.log2(n))
        wide = x.astype(np.complex128)
        spectrum = np.fft.rfft(wide.real, axis=1)
        for got, want in (
            (mx.fft.fft(to_mx(x), axis=1), np.fft.fft(wide, axis=1)),
            (mx.fft.ifft(to_mx(x), axis=1), np.fft.ifft(wide, axis=1)),
            (mx.fft.rfft(to_mx(x.real), axis=1), spectrum),
            (mx.fft.irfft(to_mx(spectrum, name), n=n, axis=1), wide.real),
        ):
            assert relative_error(got, want) < limit, f"n = {n}"


def test_long_lines():
    rng = np.random.default_rng(1)
    for n in (1 << 18, 10**6, 3 * 100003):
        x = (rng.standard_normal(n) + 1j * rng.standard_normal(n)).astype(np.complex64)
        assert relative_error(mx.fft.fft(to_mx(x)), np.fft.fft(x.astype(np.complex128))) < 4e-7
        assert (
            relative_error(mx.fft.rfft(to_mx(x.real)), np.fft.rfft(x.real.astype(np.float64)))
            < 4e-7
        )


@pytest.mark.parametrize("name", COMPLEX)
def test_results_larger_than_caches(name):
    rng = np.random.default_rng(6)
    for shape in ((800, 720), (801, 1000), (500, 1001)):
        x = (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)).astype(name)
        want = np.fft.fft(x.astype(np.complex128))
        assert relative_error(mx.fft.fft(to_mx(x)), want) < (4e-7 if name == "complex64" else 1e-14)


def test_a_line_does_not_depend_on_its_neighbours():
    x = np.random.default_rng(2).standard_normal((40, 24)).astype(np.float32)
    whole = to_np(mx.fft.fft(to_mx(x)))
    x[3] = np.nan
    assert_same(to_np(mx.fft.fft(to_mx(x)))[[2, 4]], whole[[2, 4]], "neighbours of NaN")


@pytest.mark.parametrize("name", ["fft", "ifft", "irfft"])
def test_gradients_of_complex_arguments_point_uphill(name):
    rng = np.random.default_rng(3)
    z = rng.standard_normal(5) + 1j * rng.standard_normal(5)
    fn = getattr(mx.fft, name)
    w = to_mx(rng.standard_normal(fn(to_mx(z)).shape))

    def loss(z):
        return mx.sum(w * mx.abs(fn(z)) ** 2)

    got, step = to_np(mx.grad(loss)(to_mx(z))), 1e-6
    for k in range(5):
        for unit in (1, 1j):
            d = np.zeros(5, complex)
            d[k] = unit * step
            slope = (loss(to_mx(z + d)).item() - loss(to_mx(z - d)).item()) / (2 * step)
            assert abs((got[k] * np.conj(unit)).real - slope) < 1e-6


def test_frequencies():
    for n in (1, 2, 5, 8):
        assert_close(mx.fft.fftfreq(n, 0.1), np.fft.fftfreq(n, 0.1).astype(np.float32), "float32")
        assert_close(
            mx.fft.rfftfreq(n, d=2.0), np.fft.rfftfreq(n, 2.0).astype(np.float32), "float32"
        )
    for fn in (mx.fft.fftfreq, mx.fft.rfftfreq):
        for args in ((0,), (-3,), (4, 0.0)):
            with pytest.raises(ValueError, match="freq"):
                fn(*args)


@pytest.mark.parametrize(
    "call",
    [
        lambda x: mx.fft.fft(x, n=0),
        lambda x: mx.fft.fft(x, n=-2),
        lambda x: mx.fft.fft(mx.zeros((3, 0))),
        lambda x: mx.fft.fft(mx.array(1.0)),
        lambda x: mx.fft.fftn(mx.array(1.0)),
        lambda x: mx.fft.irfft(mx.zeros((3, 1))),
        lambda x: mx.fft.fftn(x, axes=[0, -2]),
        lambda x: mx.fft.fftn(x, s=(3,), axes=[0, 1]),
        lambda x: mx.fft.fftn(x, s=(3, 3)),
        lambda x: mx.fft.fft2(mx.zeros(4)),
        lambda x: mx.fft.fft(x, norm="half"),
        lambda x: mx.fft.fft(x, n=2**40),
        lambda x: mx.fft.fftshift(x, axes=7),
        lambda x: mx.fft.stft(x, n_fft=0),
        lambda x: mx.fft.stft(x, n_fft=4, hop_length=0),
        lambda x: mx.fft.stft(x, n_fft=4, win_length=5),
        lambda x: mx.fft.stft(x, n_fft=4, window=mx.ones(5)),
        lambda x: mx.fft.stft(x, n_fft=4, window=mx.ones((2, 2))),
        lambda x: mx.fft.stft(x, n_fft=40, center=False),
        lambda x: mx.fft.stft(mx.array(1.0)),
        lambda x: mx.fft.stft(mx.zeros(0), n_fft=4),
        lambda x: mx.fft.istft(mx.zeros(4)),
        lambda x: mx.fft.istft(x, n_fft=20),
        lambda x: mx.fft.istft(x, length=-1),
        lambda x: mx.fft.istft(mx.zeros((3, 0))),
    ],
)
def test_wrong_arguments(call):
    with pytest.raises((ValueError, IndexError), match=r"\["):
        mx.eval(call(mx.zeros((4, 6))))


def test_no_axes_change_nothing():
    x = mx.array([[1.0, 2.0]])
    assert_same(mx.fft.fftn(x, axes=[]), x)


# ---- Short-time transforms


def frames_of(x, n_fft, hop, center):
    if center:
        x = np.pad(x, n_fft // 2, mode="reflect")
    return np.stack([x[i : i + n_fft] for i in range(0, len(x) - n_fft + 1, hop)])


@pytest.mark.parametrize("center", [True, False])
@pytest.mark.parametrize(
    "n_fft, hop, length", [(16, None, 16), (15, 4, 15), (16, 5, 11), (32, 32, 32)]
)
def test_stft_transforms_windowed_frames(n_fft, hop, length, center):
    rng = np.random.default_rng(4)
    x, window = rng.standard_normal(200), rng.uniform(0.5, 1, length)
    before = (n_fft - length) // 2
    w = np.pad(window, (before, n_fft - length - before))
    frames = frames_of(x, n_fft, hop or n_fft // 4, center) * w
    kwargs = {"n_fft": n_fft, "hop_length": hop, "window": to_mx(window), "center": center}
    assert_close(mx.fft.stft(to_mx(x), **kwargs), np.fft.rfft(frames).T, "complex128", 10)
    full = mx.fft.stft(to_mx(x), onesided=False, norm="ortho", **kwargs)
    assert_close(full, np.fft.fft(frames, norm="ortho").T, "complex128", 10)
    z = x * (1 + 2j)
    assert_close(mx.fft.stft(to_mx(z), **kwargs), np.fft.fft(frames * (1 + 2j)).T, "complex128", 10)
    batch = mx.fft.stft(to_mx(np.stack([x, 2 * x])), **kwargs)
    assert_close(batch[1], 2 * np.fft.rfft(frames).T, "complex128", 10)


@pytest.mark.parametrize(
    "kwargs",
    [
        {"n_fft": 32},
        {"n_fft": 33, "hop_length": 10},
        {"n_fft": 32, "win_length": 20},
        {"n_fft": 32, "onesided": False},
        {"n_fft": 32, "norm": "forward"},
        {"n_fft": 32, "center": False},
    ],
)
def test_istft_inverts_stft(kwargs):
    x = np.random.default_rng(6).standard_normal((2, 320)).astype(np.float32)
    window = mx.array(np.hamming(32).astype(np.float32)) if kwargs["n_fft"] == 32 else None
    if "win_length" not in kwargs:
        kwargs = {**kwargs, "window": window}
    spectra = mx.fft.stft(to_mx(x), **kwargs)
    covered = to_np(mx.fft.istft(spectra, **kwargs))
    assert_close(covered, x[:, : covered.shape[1]], "float32", 4)
    for length in (100, 300, 400):
        got = to_np(mx.fft.istft(spectra, length=length, **kwargs))
        assert got.shape == (2, length)
        assert_close(got[:, : min(length, 310)], x[:, : min(length, 310)], "float32", 4)
    assert covered.shape[1] >= 310


def test_istft_infers_the_frame_size():
    x = mx.random.normal((200,))
    assert_close(mx.fft.istft(mx.fft.stft(x, n_fft=16), length=200), to_np(x), "float32", 4)


def test_stft_has_gradients():
    x = np.random.default_rng(7).standard_normal(40)

    def loss(x):
        return mx.sum(mx.abs(mx.fft.istft(mx.fft.stft(x, n_fft=8) * 2.0, n_fft=8)) ** 2)

    got, d, step = to_np(mx.grad(loss)(to_mx(x))), np.cos(np.arange(40)), 1e-6
    slope = (loss(to_mx(x + step * d)).item() - loss(to_mx(x - step * d)).item()) / (2 * step)
    assert abs(np.sum(got * d) - slope) < 1e-6
