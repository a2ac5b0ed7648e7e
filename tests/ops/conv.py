"""Rows of the convolutions, against sums over the definition."""

import itertools

import numpy as np
import pytest

import olivine.core as mx
from tests.harness import DTYPES, FLOATING, OpTests, Row
from tests.support import assert_close, assert_same, rounded, run_python, to_mx, to_np


def several(value, rank):
    return [value] * rank if isinstance(value, int) else list(value)


def dilated(x, steps):
    out = np.zeros(
        (
            x.shape[0],
            *((n - 1) * s + 1 if n else 0 for n, s in zip(x.shape[1:-1], steps, strict=True)),
            x.shape[-1],
        )
    )
    out[(slice(None), *(slice(None, None, s) for s in steps))] = x
    return out


def padded(x, low, high):
    x = np.pad(
        x, [(0, 0), *((max(a, 0), max(b, 0)) for a, b in zip(low, high, strict=True)), (0, 0)]
    )
    cut = [
        slice(max(-a, 0), n - max(-b, 0)) for a, b, n in zip(low, high, x.shape[1:-1], strict=True)
    ]
    return x[(slice(None), *cut)]


def conv(x, w, stride=1, padding=0, kernel_dilation=1, input_dilation=1, groups=1, flip=False):
    """The sum over kernel elements of shifted inputs times weights."""
    rank = x.ndim - 2
    pair = isinstance(padding, tuple) and not isinstance(padding[0], int)
    low, high = (several(p, rank) for p in (padding if pair else (padding, padding)))
    stride, dilation = several(stride, rank), several(kernel_dilation, rank)
    x = padded(dilated(x, several(input_dilation, rank)), low, high)
    kernel = w.shape[1:-1]
    sizes = [
        (n - (k - 1) * d - 1) // s + 1
        for n, k, d, s in zip(x.shape[1:-1], kernel, dilation, stride, strict=True)
    ]
    out = np.zeros((x.shape[0], *sizes, groups, w.shape[0] // groups))
    x = x.reshape(*x.shape[:-1], groups, x.shape[-1] // groups)
    for k in itertools.product(*(range(n) for n in kernel)):
        taken = [
            slice(i * d, i * d + (n - 1) * s + 1, s)
            for i, d, n, s in zip(k, dilation, sizes, stride, strict=True)
        ]
        at = tuple(n - 1 - i for i, n in zip(k, kernel, strict=True)) if flip else k
        part = w[(slice(None), *at)].reshape(groups, w.shape[0] // groups, w.shape[-1])
        out += np.einsum("...gc,goc->...go", x[(slice(None), *taken)], part)
    return out.reshape(*out.shape[:-2], w.shape[0])


def conv_rank(x, w, stride=1, padding=0, dilation=1, groups=1):
    return conv(x, w, stride, padding, dilation, 1, groups)


def conv_transpose(x, w, stride=1, padding=0, dilation=1, output_padding=0, groups=1):
    """Every input element adds a multiple of the kernel to the result."""
    rank = x.ndim - 2
    stride, padding, dilation, more = (
        several(v, rank) for v in (stride, padding, dilation, output_padding)
    )
    kernel = w.shape[1:-1]
    sizes = [
        (n - 1) * s + (k - 1) * d + 1 + o
        for n, s, k, d, o in zip(x.shape[1:-1], stride, kernel, dilation, more, strict=True)
    ]
    out = np.zeros((x.shape[0], *sizes, w.shape[0]))
    x = x.reshape(*x.shape[:-1], groups, x.shape[-1] // groups)
    for k in itertools.product(*(range(n) for n in kernel)):
        part = w[(slice(None), *k)].reshape(groups, w.shape[0] // groups, w.shape[-1])
        y = np.einsum("...gc,goc->...go", x, part).reshape(*x.shape[:-2], -1)
        out[
            (
                slice(None),
                *(
                    slice(i * d, i * d + (n - 1) * s + 1, s)
                    for i, d, n, s in zip(k, dilation, x.shape[1:-2], stride, strict=True)
                ),
            )
        ] += y
    return out[(slice(None), *(slice(p, n - p) for p, n in zip(padding, sizes, strict=True)))]


ONE = (
    (((2, 7, 3), (4, 3, 3)), {}),
    (((1, 9, 4), (6, 3, 2)), {"stride": 2, "padding": 2, "dilation": 2, "groups": 2}),
    (((2, 6, 5), (5, 3, 1)), {"padding": 1, "groups": 5}),
    (((2, 5, 4), (3, 1, 4)), {}),
    (((0, 5, 4), (3, 2, 4)), {}),
    (((2, 5, 0), (3, 2, 0)), {}),
    (((2, 5, 4), (0, 2, 4)), {}),
    (((2, 0, 4), (3, 2, 4)), {"padding": 2}),
    (((3, 500, 8), (16, 5, 8)), {"padding": 2, "stride": 3}),
    (((2, 40, 70), (70, 4, 1)), {"groups": 70, "stride": 2, "padding": 3}),
)
TWO = (
    (((1, 4, 5, 2), (3, 2, 3, 2)), {"padding": 1}),
    (((2, 5, 4, 3), (3, 3, 2, 1)), {"stride": (2, 1), "padding": (1, 0), "groups": 3}),
    (((1, 5, 5, 4), (2, 1, 1, 4)), {"stride": 2}),
    (((2, 6, 7, 4), (6, 3, 3, 2)), {"dilation": (1, 2), "groups": 2, "padding": 2}),
    (((2, 5, 4, 6), (4, 1, 1, 3)), {"groups": 2}),
    (((2, 33, 29, 19), (35, 3, 3, 19)), {"padding": 1}),
    (((2, 17, 19, 40), (40, 3, 3, 1)), {"padding": 1, "groups": 40}),
    (((1, 1, 40, 6), (5, 3, 3, 6)), {"padding": 1}),
)
THREE = (
    (((1, 3, 4, 3, 2), (2, 2, 2, 3, 2)), {"padding": (1, 0, 1)}),
    (
        ((2, 4, 3, 5, 2), (4, 3, 2, 2, 1)),
        {"stride": 2, "padding": 1, "groups": 2, "dilation": (1, 2, 1)},
    ),
    (((1, 6, 7, 8, 9), (10, 3, 3, 3, 9)), {"padding": 1}),
)
GENERAL = (
    (
        ((1, 5, 4, 2), (3, 2, 3, 2)),
        {"padding": ([1, 0], [2, 3]), "input_dilation": (2, 3), "flip": True},
    ),
    (((2, 7, 2), (4, 3, 1)), {"stride": 2, "input_dilation": 3, "groups": 2, "padding": 1}),
    (((1, 6, 5, 2), (2, 2, 2, 2)), {"padding": ([-1, 1], [0, -2]), "kernel_dilation": [1, 2]}),
    (
        ((1, 2, 3, 2, 2), (3, 2, 1, 2, 2)),
        {"input_dilation": (2, 1, 3), "stride": (3, 1, 2), "padding": 2},
    ),
    (
        ((2, 5, 6), (6, 4, 1)),
        {"groups": 6, "input_dilation": 2, "flip": True, "padding": ([3], [2])},
    ),
    (((1, 4, 1), (2, 1, 1)), {"input_dilation": 3, "padding": 2}),
    (((2, 30, 31, 8), (16, 4, 4, 8)), {"input_dilation": 2, "padding": 2}),
)
TRANSPOSED = (
    (((2, 5, 3), (4, 3, 3)), {}),
    (((1, 4, 4), (6, 4, 2)), {"stride": 3, "padding": 1, "output_padding": 2, "groups": 2}),
    (((2, 5, 3), (2, 3, 3)), {"dilation": 2, "padding": 2}),
    (((1, 5, 6), (6, 3, 1)), {"groups": 6, "stride": 2}),
)
TRANSPOSED2 = (
    (((1, 3, 4, 2), (3, 2, 3, 2)), {"stride": 2, "padding": (0, 1), "output_padding": (1, 0)}),
    (((2, 3, 3, 4), (4, 3, 3, 2)), {"groups": 2, "stride": (1, 2), "dilation": (2, 1)}),
    (((2, 20, 18, 16), (24, 4, 4, 16)), {"stride": 2, "padding": 1}),
)
TRANSPOSED3 = (
    (((1, 2, 3, 2, 2), (3, 2, 2, 3, 2)), {"stride": 2, "padding": 1, "output_padding": 1}),
    (((1, 3, 4, 5, 6), (7, 3, 3, 3, 6)), {"stride": (1, 2, 2)}),
)
CONVOLVE = tuple(
    (((n,), (m,)), {"mode": mode})
    for mode in ("full", "same", "valid")
    for n, m in ((7, 3), (4, 9), (6, 6), (300, 64))
)


def row(name, ref, cases):
    return Row(name, ref, cases, FLOATING, strict=True, wrong="shape", span=40)


ROWS = [
    row("conv1d", conv_rank, ONE),
    row("conv2d", conv_rank, TWO),
    row("conv3d", conv_rank, THREE),
    row("conv_general", conv, GENERAL),
    row("conv_transpose1d", conv_transpose, TRANSPOSED),
    row("conv_transpose2d", conv_transpose, TRANSPOSED2),
    row("conv_transpose3d", conv_transpose, TRANSPOSED3),
    row("convolve", lambda a, v, mode="full": np.convolve(a, v, mode), CONVOLVE),
]


class TestConv(OpTests):
    rows = ROWS


@pytest.mark.parametrize("dtype", FLOATING)
@pytest.mark.parametrize(
    "shape, weight, kwargs",
    [
        ((4, 40, 44, 24), (32, 3, 3, 24), {"padding": 1}),
        ((3, 41, 37, 24), (32, 3, 3, 24), {"padding": 1, "stride": 2}),
        ((4, 40, 44, 48), (48, 3, 3, 1), {"padding": 1, "groups": 48}),
        ((2, 900, 24), (32, 7, 12), {"padding": 3, "groups": 2}),
        ((2, 900, 24), (32, 7, 24), {"padding": 3, "input_dilation": 2}),
        ((2, 2500, 6), (10, 5, 6), {"padding": 2, "kernel_dilation": 3}),
        ((2, 19, 21, 100), (100, 3, 3, 100), {"padding": 1}),
        ((4, 40, 44, 3), (40, 3, 3, 3), {"padding": 1}),
        ((2, 19, 21, 40), (40, 3, 3, 4), {"padding": 1, "groups": 10}),
        ((2, 19, 21, 96), (24, 3, 3, 16), {"groups": 6, "stride": 2}),
        ((2, 15, 17, 64), (32, 1, 1, 8), {"groups": 8}),
        ((3, 20, 22, 128), (130, 1, 1, 128), {}),
        ((2, 7, 9, 160), (136, 3, 3, 160), {"padding": 1}),
        ((2, 9, 8, 160), (160, 3, 3, 160), {"padding": 2, "kernel_dilation": 2}),
        ((2, 6, 7, 320), (256, 3, 3, 160), {"padding": 1, "groups": 2}),
        ((2, 300, 32), (32, 5, 4), {"padding": 2, "groups": 8}),
        ((2, 30, 31, 24), (24, 4, 4, 4), {"padding": 1, "groups": 6}),
        ((2, 4, 5, 6, 40), (24, 3, 3, 3, 40), {"padding": 2}),
        ((2, 15, 66, 40), (35, 3, 3, 40), {"padding": (0, 2)}),
        ((1, 8, 9, 530), (540, 3, 3, 530), {"padding": 1}),
        ((2, 3, 8, 9, 48), (40, 1, 3, 3, 48), {"padding": (0, 1, 1)}),
    ],
)
def test_large_convolutions_and_their_gradients(dtype, shape, weight, kwargs):
    rng = np.random.default_rng(0)
    x, w = (rounded(rng.uniform(-1, 1, s), dtype).astype(np.float64) for s in (shape, weight))
    want = conv(x, w, **kwargs)

    def fn(a, b):
        return mx.conv_general(a, b, **kwargs)

    assert_close(fn(to_mx(x, dtype), to_mx(w, dtype)), rounded(want, dtype), dtype, 2, span=10)
    # The op is bilinear: <ct, conv(x, w)> is <x, its transpose in x> and <w, its transpose in w>.
    ct = rounded(rng.uniform(-1, 1, want.shape), dtype).astype(np.float64)
    grads = mx.vjp(fn, [to_mx(x, dtype), to_mx(w, dtype)], [to_mx(ct, dtype)])[1]
    for g, v in zip(grads, (x, w), strict=True):
        assert g.shape == v.shape
        got = float(np.sum(to_np(g).astype(np.float64) * v))
        scale = np.sqrt(np.sum(ct**2) * np.sum(want**2))
        assert abs(got - np.sum(ct * want)) < scale * {"float64": 1e-12, "float32": 1e-5}.get(
            dtype, 3e-3
        )


HASHES = """
import hashlib
import numpy as np
import olivine.core as mx

rng = np.random.default_rng(0)
for shape, weight, kwargs in (
    ((6, 40, 44, 16), (24, 3, 3, 16), {"padding": 1}),
    ((6, 40, 44, 3), (16, 7, 7, 3), {"padding": 3, "stride": 2}),
    ((2, 14, 14, 128), (96, 3, 3, 128), {"padding": 1}),
    ((6, 40, 44, 32), (32, 3, 3, 4), {"padding": 1, "groups": 8}),
    ((4, 7, 7, 160), (160, 3, 3, 160), {"padding": 1}),
    ((1, 8, 9, 300), (320, 3, 3, 300), {"padding": 1}),
):
    x, w = (mx.array(rng.standard_normal(s).astype(np.float32)) for s in (shape, weight))
    f = lambda x, w: mx.conv_general(x, w, **kwargs)
    out = f(x, w)
    ct = mx.array(rng.standard_normal(out.shape).astype(np.float32))
    for a in (out, *mx.vjp(f, [x, w], [ct])[1]):
        print(hashlib.sha1(np.array(a).tobytes()).hexdigest())
"""


def test_bits_do_not_depend_on_the_number_of_threads():
    one, two, five = (run_python(HASHES, {"OLIVINE_NUM_THREADS": n}).stdout for n in "125")
    assert one and one == two == five


def test_mixed_dtypes_promote():
    out = mx.conv1d(mx.ones((1, 4, 2), mx.float16), mx.ones((3, 2, 2)))
    assert out.dtype == mx.float32


def test_padding_is_an_int_a_list_or_a_pair_of_lists():
    x, w = mx.random.normal((1, 5, 6, 2)), mx.random.normal((3, 2, 2, 2))
    want = mx.conv_general(x, w, padding=([1, 1], [1, 1]))
    assert_same(mx.conv_general(x, w, padding=1), want)
    assert_same(mx.conv_general(x, w, padding=[1, 1]), want)
    assert_same(mx.conv_general(x, w, padding=(1, 1)), want)
    assert_same(mx.conv2d(x, w, padding=1), want)
    assert mx.conv_general(x, w, padding=((0, 1), (2, 3))).shape == (1, 6, 9, 3)


@pytest.mark.parametrize(
    "call",
    [
        lambda x, w: mx.conv1d(x, w, stride=0),
        lambda x, w: mx.conv1d(x, w, dilation=0),
        lambda x, w: mx.conv1d(x, w, groups=0),
        lambda x, w: mx.conv1d(x, w, groups=3),
        lambda x, w: mx.conv1d(x, mx.ones((3, 5, 2)), groups=2),
        lambda x, w: mx.conv1d(x, mx.ones((3, 11, 4))),
        lambda x, w: mx.conv1d(x, mx.ones((3, 0, 4))),
        lambda x, w: mx.conv1d(x, mx.ones((3, 5, 3))),
        lambda x, w: mx.conv1d(x, mx.ones((3, 5))),
        lambda x, w: mx.conv1d(x, w, padding=-4),
        lambda x, w: mx.conv2d(x, w),
        lambda x, w: mx.conv1d(mx.ones((1, 8, 8, 4)), mx.ones((3, 5, 5, 4))),
        lambda x, w: mx.conv2d(mx.ones((1, 8, 8, 4)), mx.ones((3, 5, 5, 4)), stride=(1, 2, 3)),
        lambda x, w: mx.conv_general(mx.ones((2, 4)), mx.ones((3, 4))),
        lambda x, w: mx.conv_general(mx.ones((1,) * 6), mx.ones((1,) * 6)),
        lambda x, w: mx.conv_general(x, w, stride=[1, 2]),
        lambda x, w: mx.conv_general(x, w, padding=([1, 2], [1, 2])),
        lambda x, w: mx.conv_general(x, w, padding=([1], 2)),
        lambda x, w: mx.conv_general(x, w, input_dilation=0),
        lambda x, w: mx.conv_transpose1d(x, w, stride=0),
        lambda x, w: mx.conv_transpose1d(x, w, padding=8),
        lambda x, w: mx.conv_transpose1d(x, w, output_padding=-1),
        lambda x, w: mx.convolve(mx.ones(3), mx.ones(2), mode="half"),
        lambda x, w: mx.convolve(mx.ones(0), mx.ones(2)),
        lambda x, w: mx.convolve(mx.ones((2, 2)), mx.ones(2)),
    ],
)
def test_wrong_arguments(call):
    with pytest.raises((ValueError, TypeError), match=r"\[conv"):
        mx.eval(call(mx.ones((2, 10, 4)), mx.ones((3, 5, 4))))


def test_sizes_that_do_not_fit_are_an_error():
    with pytest.raises((ValueError, MemoryError), match=r"\["):
        mx.eval(
            mx.conv_general(
                mx.ones((1, 3, 1)), mx.ones((1, 1, 1)), padding=2**31 - 1, input_dilation=2**31 - 1
            )
        )


def test_integers_and_complex_numbers_are_refused():
    for name in set(DTYPES) - set(FLOATING):
        with pytest.raises(ValueError, match="floating"):
            mx.convolve(to_mx(np.ones(3), name), to_mx(np.ones(2), name))


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("axes", [(0, 0), (0, None), (None, 0), (1, 2)], ids=str)
def test_gradients_of_weights_are_mapped_as_a_loop(groups, axes):
    """Per-example gradients: the batch goes into channels or groups of one convolution."""
    x = to_mx(np.random.default_rng(1).standard_normal((3, 2, 9, 4)), "float32")
    ct = to_mx(np.random.default_rng(2).standard_normal((3, 2, 4, 6)), "float32")
    w = to_mx(np.random.default_rng(3).standard_normal((6, 3, 4 // groups)), "float32")

    def slope(x, ct):
        f = lambda w: mx.conv1d(x, w, stride=2, groups=groups)  # noqa: E731
        return mx.vjp(f, [w], [ct])[1][0]

    args = [
        a[0] if axis is None else mx.moveaxis(a, 0, axis)
        for a, axis in zip((x, ct), axes, strict=True)
    ]
    pick = lambda a, axis, i: a[0] if axis is None else a[i]  # noqa: E731
    want = mx.stack([slope(pick(x, axes[0], i), pick(ct, axes[1], i)) for i in range(3)])
    assert_close(mx.vmap(slope, axes)(*args), to_np(want), "float32", 8, span=4)
    # Against the definition: tap k of output o sums ct[n, l, o] x[n, 2 l + k, i].
    a, b = to_np(x)[0].astype(np.float64), to_np(ct)[0].astype(np.float64)
    taps = np.stack([np.einsum("nlo,nli->oi", b, a[:, k : k + 7 : 2]) for k in range(3)], 1)
    if groups == 2:
        taps = np.concatenate([taps[:3, :, :2], taps[3:, :, 2:]])
    assert_close(want[0], taps, "float32", 8, span=4)


def test_an_axis_of_no_elements_has_gradients_of_its_shape():
    f = lambda x, w: mx.conv1d(x, w, padding=2)  # noqa: E731
    out, (gx, gw) = mx.vjp(f, [mx.zeros((1, 0, 2)), mx.ones((3, 3, 2))], [mx.ones((1, 2, 3))])
    assert_same(out[0], np.zeros((1, 2, 3), np.float32))
    assert_same([gx, gw], [np.zeros((1, 0, 2), np.float32), np.zeros((3, 3, 2), np.float32)])
