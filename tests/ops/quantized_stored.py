"""Weights in the formats of GGUF's tensors (modes symmetric, k, k_symmetric), and narrow scales."""

import tempfile
from pathlib import Path

import numpy as np
import pytest

import olivine.core as mx
from tests.support import assert_close, assert_same, mx_dtype, to_mx, to_np

# mode, group_size, bits
FORMATS = [
    ("symmetric", 32, 4),
    ("symmetric", 32, 5),
    ("symmetric", 32, 8),
    ("k", 16, 2),
    ("k", 32, 4),
    ("k", 32, 5),
    ("k_symmetric", 16, 3),
    ("k_symmetric", 16, 6),
]
each_format = pytest.mark.parametrize("fmt", FORMATS, ids=lambda f: f"{f[0]}-{f[2]}-{f[1]}")
DTYPES = ("float32", "float16", "bfloat16")


def keywords(fmt):
    return dict(zip(("mode", "group_size", "bits"), fmt, strict=True))


def stored(fmt, rows, width, seed=0, lead=()):
    """Random arrays of a format, and the values that they stand for, by the format's definition."""
    mode, group, bits = fmt
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 2**bits, (*lead, rows, width))
    spread = (codes[..., None] >> np.arange(bits)) & 1
    stream = np.packbits(spread.reshape(*lead, rows, -1).astype(np.uint8), -1, bitorder="little")
    groups = (*lead, rows, width // group)

    def nested(low, high):
        per = 256 // group
        factors = rng.uniform(0.001, 0.01, (*lead, rows, width // 256, 1)).astype(np.float16)
        numbers = rng.integers(low, high, (*lead, rows, width // 256, per)).astype(np.int8)
        blocks = np.concatenate([factors.view(np.uint8), numbers.view(np.uint8)], -1)
        values = factors.astype(np.float64) * numbers
        return blocks.reshape(*lead, rows, -1), values.reshape(groups)

    biases = None
    if mode == "symmetric":
        scales = rng.uniform(-0.1, 0.1, groups).astype(np.float16)
        values = scales.astype(np.float64)
    else:
        scales, values = nested(*((0, 64) if mode == "k" else (-128, 128)))
    if mode == "k":
        biases, added = nested(-64, 1)
        dense = codes * np.repeat(values, group, -1) + np.repeat(added, group, -1)
    else:
        dense = (codes - 2 ** (bits - 1)) * np.repeat(values, group, -1)
    arrays = [mx.array(stream.view(np.uint32)), mx.array(scales)]
    return [*arrays, None if biases is None else mx.array(biases)], dense


def same(got, want):
    """Equal values; zeros have any sign."""
    want = mx.array(want)
    assert got.dtype == want.dtype and mx.array_equal(got, want)


@each_format
def test_values_are_exact(fmt):
    packed, dense = stored(fmt, 5, 512)
    got = mx.dequantize(*packed, **keywords(fmt))
    # One rounding: of scale * code + bias.
    same(got, dense.astype(np.float32))
    for name in ("float16", "bfloat16"):
        got = mx.dequantize(*packed, **keywords(fmt), dtype=mx_dtype(name))
        same(got, mx.array(dense.astype(np.float32)).astype(mx_dtype(name)))
    wide = mx.dequantize(*packed, **keywords(fmt), dtype=mx.float64)
    assert wide.dtype == mx.float64 and mx.array_equal(
        wide, mx.dequantize(*packed, **keywords(fmt))
    )


@each_format
@pytest.mark.parametrize("name", DTYPES)
def test_products_agree_with_the_values(fmt, name):
    rng = np.random.default_rng(1)
    for width, n in ((256, 67), (1280, 9)):
        packed, dense = stored(fmt, n, width)
        for rows in (1, 2, 3, 4, 5, 9, 33):
            for transpose in (True, False):
                right = dense.T if transpose else dense
                x = to_mx(rng.standard_normal((rows, right.shape[0])), name)
                got = mx.quantized_matmul(x, *packed, transpose, **keywords(fmt))
                assert got.dtype == mx_dtype(name)
                want = to_np(x).astype(np.float64) @ right
                assert_close(got, want, name, 20, f"{width} {rows} {transpose}", span=16)


@each_format
def test_products_of_stacks_and_gathers_agree_with_a_loop(fmt):
    packed, dense = stored(fmt, 6, 256, lead=(3,))
    x = mx.random.normal((4, 2, 256), key=mx.random.key(0))
    chosen = np.array([2, 0, 0, 1])
    got = mx.gather_qmm(x, *packed, rhs_indices=mx.array(chosen), **keywords(fmt))
    want = to_np(x).astype(np.float64) @ np.swapaxes(dense[chosen], 1, 2)
    assert_close(got, want, "float32", 20, "gather", span=16)
    got = mx.quantized_matmul(x[:3], *packed, **keywords(fmt))
    want = to_np(x[:3]).astype(np.float64) @ np.swapaxes(dense, 1, 2)
    assert_close(got, want, "float32", 20, "stack", span=16)
    given = [a for a in packed if a is not None]
    product = mx.vmap(lambda x, *w: mx.quantized_matmul(x, *w, **keywords(fmt)))
    assert_close(product(x[:3], *given), want, "float32", 20, "vmap", span=16)
    values = mx.vmap(lambda *w: mx.dequantize(*w, **keywords(fmt)))(*given)
    same(values, dense.astype(np.float32))


@each_format
def test_products_are_linear_in_x_and_in_floating_scales(fmt):
    packed, dense = stored(fmt, 7, 256)
    x, ct = mx.random.normal((3, 256)), mx.random.normal((3, 7))
    _, (got,) = mx.vjp(lambda x: mx.quantized_matmul(x, *packed, **keywords(fmt)), [x], [ct])
    assert_close(got, to_np(ct).astype(np.float64) @ dense, "float32", 20, "vjp", span=16)
    wide = mx.quantized_matmul(x.astype(mx.float64), *packed, **keywords(fmt))
    assert_close(wide, to_np(x).astype(np.float64) @ dense.T, "float64", 20, "double", span=16)
    if fmt[0] != "symmetric":
        return
    words, scales, _ = packed
    scales = scales.astype(mx.float32)

    def product(s):
        return mx.quantized_matmul(x, words, s, **keywords(fmt))

    tangent = mx.random.normal(scales.shape)
    _, (moved,) = mx.jvp(product, [scales], [tangent])
    assert_close(moved, to_np(product(tangent)), "float32", 4, "jvp", span=16)
    _, (back,) = mx.vjp(product, [scales], [ct])
    # Adjoint: <ct, J t> = <J' ct, t>.
    left, right = (np.sum(to_np(a) * to_np(b)) for a, b in ((ct, moved), (back, tangent)))
    assert abs(left - right) <= 1e-4 * np.sum(np.abs(to_np(ct) * to_np(moved)))


@each_format
def test_products_are_exported(fmt):
    packed, _ = stored(fmt, 7, 256)
    given = [a for a in packed if a is not None]
    x = mx.random.normal((3, 256))

    def product(x, *w):
        return mx.quantized_matmul(x, *w, **keywords(fmt))

    with tempfile.TemporaryDirectory() as folder:
        file = str(Path(folder) / "f.mlxfn")
        mx.export_function(file, product, x, *given)
        (got,) = mx.import_function(file)(x, *given)
    assert_same(got, product(x, *given))
    assert_same(mx.compile(product)(x, *given), product(x, *given))


@pytest.mark.parametrize("scales", ["float16", "bfloat16"])
@pytest.mark.parametrize("bits", [2, 4, 5, 8])
def test_narrow_scales_need_no_conversion(scales, bits):
    rng = np.random.default_rng(2)
    w, s, b = mx.quantize(to_mx(rng.standard_normal((37, 192)), scales), 32, bits)
    wide = (s.astype(mx.float32), b.astype(mx.float32))
    assert s.dtype == mx_dtype(scales)
    for transpose, width in ((True, 192), (False, 37)):
        for rows in (1, 3, 8, 40):
            x = to_mx(rng.standard_normal((rows, width)), "float32")

            def product(x, s, b, transpose=transpose):
                return mx.quantized_matmul(x, w, s, b, transpose, 32, bits)

            assert_same(product(x, s, b), product(x, *wide))
            ct = mx.ones((rows, 37 if transpose else 192))
            _, got = mx.vjp(product, [x, s, b], [ct])
            _, want = mx.vjp(product, [x, *wide], [ct])
            assert_same(got[0], want[0])
            for g, v in zip(got[1:], want[1:], strict=True):
                assert_same(g, v.astype(s.dtype))


SIX = {"group_size": 16, "bits": 6, "mode": "k_symmetric"}
WRONG = [
    (lambda w, s: mx.quantize(mx.ones((2, 256)), mode="k"), r"\[quantize\] expected mode affine"),
    (lambda w, s: mx.dequantize(w, s, **{**SIX, "group_size": 32}), "type of GGUF"),
    (lambda w, s: mx.dequantize(w, s, **{**SIX, "mode": "symmetric"}), "type of GGUF"),
    (lambda w, s: mx.dequantize(w, s, **{**SIX, "mode": "q6_k"}), "got 'q6_k'"),
    (lambda w, s: mx.dequantize(w, s, s, **SIX), "biases"),
    (lambda w, s: mx.dequantize(w, s, mode="k", group_size=16, bits=2), "biases"),
    (lambda w, s: mx.dequantize(w, s[:, :-1], **SIX), "scales"),
    (lambda w, s: mx.dequantize(w[:, :24], s[:, :9], **SIX), "scales"),
    (lambda w, s: mx.dequantize(w, s.astype(mx.float32), **SIX), "uint8"),
    (
        lambda w, s: mx.dequantize(
            w, mx.zeros((2, 12), mx.int32), mode="symmetric", group_size=32, bits=4
        ),
        "scales of float32",
    ),
    (lambda w, s: mx.qqmm(mx.ones((1, 256)), w, s, **SIX), "got k_symmetric"),
]


@pytest.mark.parametrize("call, match", WRONG)
def test_what_does_not_fit_is_refused(call, match):
    (words, scales, _), _ = stored(("k_symmetric", 16, 6), 2, 256)
    with pytest.raises(ValueError, match=match):
        call(words, scales)
