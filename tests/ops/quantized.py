"""Quantized weights: packing against MLX's, products against dense ones, derivatives, errors."""

import tempfile
from pathlib import Path

import numpy as np
import pytest

import olivine.core as mx
from tests.fixtures.quantized_mlx import DTYPES, FORMATS
from tests.harness import OpTests, Row
from tests.support import assert_close, assert_same, mx_dtype, run_python, to_mx, to_np

FIXTURE = np.load(Path(__file__).parent.parent / "fixtures" / "quantized_mlx.npz")
IDS = [f"{mode}-{bits}-{group}" for mode, bits, group in FORMATS]
each_format = pytest.mark.parametrize("fmt", FORMATS, ids=IDS)
E2M1 = np.array([0, 0.5, 1, 1.5, 2, 3, 4, 6])


def keywords(fmt):
    mode, bits, group = fmt
    return {"group_size": group, "bits": bits, "mode": mode}


def parts(packed):
    """The positional arguments after the words: scales and, if affine, biases."""
    return list(packed) + [None] * (3 - len(packed))


def bits_of(a):
    return np.array(a.view(mx.uint16) if a.dtype in (mx.float16, mx.bfloat16) else a)


def weights(shape, name="float32", seed=3):
    return to_mx(np.random.default_rng(seed).standard_normal(shape), name)


def dense(packed, fmt, **extra):
    """Values of packed weights as float64, computed by dequantize (which has its own test)."""
    w, scales, biases = parts(packed)
    value = mx.dequantize(w, scales, biases, dtype=mx.float32, **keywords(fmt), **extra)
    return to_np(value).astype(np.float64)


# ---- Packing


@each_format
@pytest.mark.parametrize("name", DTYPES)
def test_packs_the_same_bits_as_mlx(fmt, name):
    mode, bits, group = fmt
    w = to_mx(FIXTURE["weights"], name)
    for scaled in (False, True)[: 2 if mode == "nvfp4" else 1]:
        key = f"{name}/{mode}/{bits}/{group}/{int(scaled)}"
        extra = {"global_scale": mx.array(FIXTURE["global"])} if scaled else {}
        packed = mx.quantize(w, **keywords(fmt), **extra)
        assert len(packed) == (3 if mode == "affine" else 2)
        for part, a in zip(("words", "scales", "biases"), packed, strict=False):
            want = FIXTURE[f"{key}/{part}"]
            got = bits_of(a)
            assert got.dtype == want.dtype and got.shape == want.shape
            bad = np.argwhere(got != want)
            assert not len(bad), f"{key}/{part}: {len(bad)} differ, first at {bad[0]}"
        values = mx.dequantize(*packed, **keywords(fmt), **extra,
                               **({} if mode == "affine" else {"dtype": mx.float32}))  # fmt: skip
        assert_same(bits_of(values)[::3], FIXTURE[f"{key}/values"], f"{key} values")


@each_format
def test_codes_lie_lowest_bits_first(fmt):
    """The layout from its definition, bit by bit."""
    mode, bits, group = fmt
    rng = np.random.default_rng(5)
    codes = rng.integers(0, 1 << bits, (3, 256))
    stream = ((codes[..., None] >> np.arange(bits)) & 1).reshape(3, -1).astype(np.uint8)
    words = np.packbits(stream, axis=-1, bitorder="little").view(np.uint32)
    if mode == "affine":
        scales = np.full((3, 256 // group), 2.0, np.float32)
        got = mx.dequantize(mx.array(words), mx.array(scales), mx.array(scales - 5), group, bits)
        want = 2.0 * codes - 3
    else:
        one = 56 if mode == "nvfp4" else 127
        scales = np.full((3, 256 // group), one, np.uint8)
        got = mx.dequantize(
            mx.array(words), mx.array(scales), None, group, bits, mode, dtype=mx.float32
        )
        if bits == 4:
            want = np.where(codes & 8, -1, 1) * E2M1[codes & 7]
        else:
            want = e4m3(codes)
    np.testing.assert_array_equal(np.array(got), want)


def e4m3(codes):
    sign, exponent, mantissa = np.where(codes & 128, -1, 1), (codes >> 3) & 15, codes & 7
    size = np.where(exponent == 0, mantissa * 2.0**-9, (1 + mantissa / 8) * 2.0 ** (exponent - 7))
    return np.where(codes & 127 == 127, np.nan, sign * size)


@pytest.mark.parametrize("group", [32, 64, 128])
@pytest.mark.parametrize("bits", [1, 2, 3, 4, 5, 6, 8])
def test_values_are_half_a_step_away_at_most(bits, group):
    w = weights((7, 256), seed=bits)
    packed = mx.quantize(w, group, bits)
    error = np.abs(dense(packed, ("affine", bits, group)) - to_np(w)).reshape(-1, group)
    scales = np.abs(to_np(packed[1])).reshape(-1, 1)
    # An end of the range that is no multiple of the step moves the other end by half a step.
    assert (error <= scales * (0.51 if bits == 1 else 1.01)).all()


def test_quantizes_matrices_of_any_rank_and_layout():
    w = weights((2, 3, 4, 64))
    flat = mx.quantize(w.reshape(24, 64))
    for a, b in zip(mx.quantize(w), flat, strict=True):
        assert_same(a.reshape(24, -1), b, "leading axes")
    turned = mx.transpose(weights((64, 5)))
    assert_same(mx.quantize(turned), mx.quantize(mx.array(to_np(turned))), "transposed")
    for a in mx.quantize(mx.zeros((0, 64))):
        assert a.shape[0] == 0
    assert [a.shape for a in mx.quantize(mx.zeros((2, 0)))] == [(2, 0)] * 3


def test_infinite_and_missing_weights_spoil_their_group_alone():
    w = to_np(weights((1, 128))).copy()
    w[0, 3] = np.inf
    words, scales, biases = mx.quantize(mx.array(w), 64, 4)
    clean = mx.quantize(mx.array(w[:, 64:]), 64, 4)
    assert_same(words[:, 8:], clean[0], "words")
    assert_same(scales[:, 1:], clean[1], "scales")
    for mode in ("mxfp4", "mxfp8", "nvfp4"):
        w[0, 3] = np.nan
        mx.eval(mx.quantize(mx.array(w), mode=mode))


def test_global_scales_may_differ_by_matrix():
    w = weights((2, 3, 32))
    scale = mx.array([3.0, 5.0])
    words, scales = mx.quantize(w, mode="nvfp4", global_scale=scale)
    values = mx.dequantize(words, scales, mode="nvfp4", global_scale=scale, dtype=mx.float32)
    for i in range(2):
        one = mx.quantize(w[i], mode="nvfp4", global_scale=scale[i])
        assert_same([words[i], scales[i]], list(one), f"matrix {i}")
        assert_same(
            values[i], mx.dequantize(*one, mode="nvfp4", global_scale=scale[i], dtype=mx.float32)
        )


# ---- 8-bit floats


def test_from_fp8_gives_every_value_of_the_standard():
    codes = np.arange(256)
    for name in ("float32", "float16", "bfloat16"):
        got = mx.from_fp8(mx.array(codes.astype(np.uint8)), mx_dtype(name))
        assert got.dtype == mx_dtype(name)
        np.testing.assert_array_equal(to_np(got).astype(np.float64), e4m3(codes))
    assert mx.from_fp8(mx.array([1], mx.uint8)).dtype == mx.bfloat16


def test_to_fp8_rounds_to_nearest_even_and_saturates():
    codes = np.arange(127)
    values = e4m3(codes)
    np.testing.assert_array_equal(np.array(mx.to_fp8(mx.array(values.astype(np.float32)))), codes)
    np.testing.assert_array_equal(
        np.array(mx.to_fp8(mx.array(-values.astype(np.float32)))), codes | 128
    )
    middle = ((values[1:] + values[:-1]) / 2).astype(np.float32)
    even = np.where(codes[:-1] % 2 == 0, codes[:-1], codes[1:])
    np.testing.assert_array_equal(np.array(mx.to_fp8(mx.array(middle))), even)
    above, below = np.nextafter(middle, np.float32(1e9)), np.nextafter(middle, np.float32(0))
    np.testing.assert_array_equal(np.array(mx.to_fp8(mx.array(above))), codes[1:])
    np.testing.assert_array_equal(np.array(mx.to_fp8(mx.array(below))), codes[:-1])
    large = mx.array([449.0, 1e30, float("inf"), -1e30, float("nan")])
    np.testing.assert_array_equal(np.array(mx.to_fp8(large)), [126, 126, 126, 254, 126])


# ---- Products


@each_format
@pytest.mark.parametrize("name", DTYPES)
@pytest.mark.parametrize("transpose", [True, False])
def test_products_agree_with_dequantized_weights(fmt, name, transpose):
    rng = np.random.default_rng(17)
    w = weights((160, 256), name)
    packed = mx.quantize(w, **keywords(fmt))
    values = dense(packed, fmt)
    right = values.T if transpose else values
    for rows in (1, 2, 3, 7, 8, 9, 40):
        x = to_mx(rng.standard_normal((rows, right.shape[0])), name)
        got = mx.quantized_matmul(x, *parts(packed), transpose, **keywords(fmt))
        want = to_np(x).astype(np.float64) @ right
        # Weights in 16 bits are rounded once more where panels of them are unpacked.
        assert_close(got, want, name, 8, f"{rows} rows", span=16)
        assert got.dtype == mx_dtype(name)


@each_format
@pytest.mark.parametrize("name", DTYPES)
def test_products_of_odd_sizes(fmt, name):
    group = fmt[2]
    for k, n, rows in ((1, 1, 3), (3, 5, 1), (3, 131, 33), (9, 131, 2), (9, 5, 15), (9, 34, 1)):
        k *= group
        packed = mx.quantize(weights((n, k), name), **keywords(fmt))
        x = weights((rows, k), name, seed=rows)
        want = to_np(x).astype(np.float64) @ dense(packed, fmt).T
        got = mx.quantized_matmul(x, *parts(packed), **keywords(fmt))
        assert_close(got, want, name, 20, f"{rows} {k} {n}", span=8)


@each_format
def test_products_with_long_rows(fmt):
    """Longer than what is unpacked at once, and more of them than are prepared at once."""
    k = 1024 + 3 * fmt[2]
    packed = mx.quantize(weights((40, k)), **keywords(fmt))
    values = dense(packed, fmt)
    for rows in (1, 5, 300):
        x = weights((rows, k), seed=rows)
        got = mx.quantized_matmul(x, *parts(packed), **keywords(fmt))
        assert_close(got, to_np(x).astype(np.float64) @ values.T, "float32", 20, f"{rows}", span=16)


ROWS_ALONE = """
    import numpy as np
    import olivine.core as mx
    rng = np.random.default_rng(4)
    values, rows = rng.standard_normal((100, 640)), rng.standard_normal((40, 640))
    rows[5] *= np.exp(2 * rng.standard_normal(640))  # takes more bits than the others
    affine = [("affine", 4, 64), ("affine", 3, 32), ("affine", 8, 128)]
    for mode, bits, group in [*affine, ("mxfp4", 4, 32)]:
        how = dict(bits=bits, group_size=group, mode=mode)
        for dtype in (mx.float16, mx.bfloat16, mx.float32):
            packed = mx.quantize(mx.array(values, dtype=dtype), **how)
            def product(begin, end):
                x = mx.array(rows[begin:end], dtype=dtype)
                return np.array(mx.quantized_matmul(x, *packed, **how).astype(mx.float32))
            whole = product(0, 40)
            for begin, end in ((0, 3), (3, 7), (5, 10), (2, 11), (1, 40)):
                assert (product(begin, end) == whole[begin:end]).all(), (mode, bits, dtype, begin)
            print(hash(whole.tobytes()))
"""


def test_rows_do_not_depend_on_those_beside_them():
    """From three rows on, where there are dot products of bytes; nor on the number of threads."""
    fixed = {"PYTHONHASHSEED": "0", "OLIVINE_CPU_ISA": "avx512_bf16"}
    probe = "import olivine.core as mx; mx.eval(mx.ones(2) @ mx.ones(2))"
    if run_python(probe, fixed, check=False).returncode:
        pytest.skip("this machine has no avx512_bf16")
    runs = [run_python(ROWS_ALONE, {"OLIVINE_NUM_THREADS": n, **fixed}) for n in "13"]
    assert runs[0].stdout == runs[1].stdout


@pytest.mark.parametrize("fmt", [("affine", 8, 64), ("affine", 4, 32), ("mxfp4", 4, 32)], ids=str)
@pytest.mark.parametrize("name", DTYPES)
def test_products_of_wide_ranges(fmt, name):
    """Errors stay small beside the largest possible sum, whatever the range within a group."""
    rng = np.random.default_rng(12)
    k = 256
    packed = mx.quantize(weights((48, k), name), **keywords(fmt))
    # Scales as floats, so that values are not rounded to 16 bits.
    wide = [packed[0], *(p if p.dtype == mx.uint8 else p.astype(mx.float32) for p in packed[1:])]
    values = dense(wide, fmt)
    x = rng.standard_normal((12, k))
    x[1] *= 2.0 ** rng.integers(-12, 4, k)
    x[2] *= (
        2.0 ** rng.integers(-24, -1, k) if name == "float16" else 2.0 ** rng.integers(-60, 60, k)
    )
    x[3, ::37] *= 1000
    x[4] *= 1e-7 if name == "float16" else 1e-37
    x[5, :64] = 0
    x[6] = 0
    x[7, 1:] *= 1e-6
    x[8] = np.maximum(x[8], 0) ** 4
    x[9] = 1
    x[10] *= 1e3 if name == "float16" else 1e30
    x[11, 5] = -3e4
    x = to_mx(x, name)
    exact = to_np(x).astype(np.float64)
    want = exact @ values.T
    size = np.sum(np.abs(exact), -1, keepdims=True) * np.max(np.abs(values), -1)
    eps = {"float32": 2.0**-23, "bfloat16": 2.0**-8, "float16": 2.0**-11}[name]
    least = {"float32": 2.0**-140, "bfloat16": 2.0**-133, "float16": 2.0**-24}[name]
    for rows in (slice(0, 12), *(slice(r, r + 1) for r in range(12))):
        got = mx.quantized_matmul(x[rows], *parts(packed), **keywords(fmt))
        error = np.abs(to_np(got).astype(np.float64) - want[rows])
        bound = eps * np.abs(want[rows]) + 16 * 2.0**-23 * size[rows] + least
        if name != "float32" and len(error) > 1:  # panels of weights in 16 bits
            bound += eps / 2 * size[rows]
        assert (error <= bound).all(), f"{rows}: {np.max(error / bound, -1)}"


@pytest.mark.parametrize("fmt", [("affine", 4, 64), ("affine", 3, 32), ("nvfp4", 4, 16)], ids=str)
@pytest.mark.parametrize("name", DTYPES)
def test_values_that_are_not_finite_spoil_their_row_alone(fmt, name):
    packed = mx.quantize(weights((40, 256), name), **keywords(fmt))
    x = to_np(weights((9, 256), name)).copy()

    def product(x):
        return to_np(mx.quantized_matmul(to_mx(x, name), *parts(packed), **keywords(fmt)))

    for rows in (1, 2, 9):
        clean = product(x[:rows])
        for value in (np.inf, -np.inf, np.nan):
            spoiled = x[:rows].copy()
            spoiled[rows // 2, 70] = value
            got = product(spoiled)
            assert not np.isfinite(got[rows // 2]).any() or fmt[0] != "affine"
            assert np.isnan(got[rows // 2]).all() or not np.isnan(value)
            others = np.arange(rows) != rows // 2
            np.testing.assert_array_equal(got[others], clean[others])


def test_products_broadcast_leading_axes():
    fmt = ("affine", 4, 32)
    w = weights((2, 6, 64))
    packed = mx.quantize(w, 32, 4)
    values = dense(packed, fmt)
    for shape in ((3, 64), (2, 3, 64), (5, 1, 3, 64), (64,)):
        x = weights(shape)
        want = to_np(x).astype(np.float64) @ np.swapaxes(values, -1, -2)
        assert_close(
            mx.quantized_matmul(x, *packed, True, 32, 4), want, "float32", 20, str(shape), span=8
        )
    one = mx.quantize(w[0], 32, 4)
    for shape in ((64,), (2, 3, 64), (0, 64)):
        x = weights(shape)
        want = to_np(x).astype(np.float64) @ values[0].T
        assert_close(
            mx.quantized_matmul(x, *one, True, 32, 4), want, "float32", 20, str(shape), span=8
        )


def test_dtypes_of_products_are_promoted():
    packed = mx.quantize(weights((4, 64), "float16"))
    for name, want in (
        ("float16", "float16"),
        ("bfloat16", "float32"),
        ("float32", "float32"),
        ("int32", "float16"),
    ):
        got = mx.quantized_matmul(mx.ones((2, 64), dtype=mx_dtype(name)), *packed)
        assert got.dtype == mx_dtype(want)
    words, scales = mx.quantize(weights((4, 64)), mode="mxfp4")
    assert (
        mx.quantized_matmul(mx.ones((2, 64), dtype=mx.bfloat16), words, scales, mode="mxfp4").dtype
        == mx.bfloat16
    )


@pytest.mark.parametrize("fmt", [("affine", 4, 32), ("mxfp8", 8, 32), ("nvfp4", 4, 16)], ids=str)
@pytest.mark.parametrize("transpose", [True, False])
def test_gathered_products_agree_with_a_loop(fmt, transpose):
    w = weights((3, 32, 64))
    packed = mx.quantize(w, **keywords(fmt))
    values = dense(packed, fmt)
    values = np.swapaxes(values, 1, 2) if transpose else values
    x = weights((2, 2, 3, values.shape[1]))
    flat = to_np(x).reshape(4, 3, -1).astype(np.float64)
    i, j = np.array([[0, 3, -1, 2, 1]]), np.array([[2], [0]])

    def call(**indices):
        return mx.gather_qmm(x, *parts(packed), transpose=transpose, **keywords(fmt), **indices)

    both = np.broadcast_arrays(i, j)
    want = np.stack(
        [[flat[p] @ values[q] for p, q in zip(*r, strict=True)] for r in zip(*both, strict=True)]
    )
    got = call(lhs_indices=mx.array(i), rhs_indices=mx.array(j))
    assert_close(got, want, "float32", 20, "both", span=8)
    j = np.array([[2, 0], [2, 2]])
    want = np.stack([flat[p] @ values[q] for p, q in enumerate(j.ravel())]).reshape(2, 2, 3, -1)
    got = call(rhs_indices=mx.array(j.astype(np.uint32)), sorted_indices=False)
    assert_close(got, want, "float32", 20, "right", span=8)


def test_global_scales_select_by_matrix_in_gathers():
    w, scale = weights((3, 8, 32)), mx.array([3.0, 4.0, 5.0])
    words, scales = mx.quantize(w, mode="nvfp4", global_scale=scale)
    values = to_np(mx.dequantize(words, scales, mode="nvfp4", global_scale=scale, dtype=mx.float32))
    x = weights((4, 2, 32))
    j = np.array([2, 0, 1, 2])
    got = mx.gather_qmm(x, words, scales, rhs_indices=mx.array(j), mode="nvfp4", global_scale=scale)
    want = to_np(x).astype(np.float64) @ np.swapaxes(values[j], 1, 2)
    assert_close(got, want, "float32", 20, "global", span=8)


def rounded_to(x, mode, scale=None):
    extra = {} if scale is None else {"global_scale": scale}
    packed = mx.quantize(x, mode=mode, **extra)
    return to_np(mx.dequantize(*packed, mode=mode, dtype=x.dtype, **extra)).astype(np.float64)


@pytest.mark.parametrize("mode", ["mxfp4", "mxfp8", "nvfp4"])
def test_products_with_both_sides_quantized(mode):
    x, w = weights((5, 64)), weights((6, 64), seed=4)
    words, scales = mx.quantize(w, mode=mode)
    want = rounded_to(x, mode) @ rounded_to(w, mode).T
    assert_close(mx.qqmm(x, w, mode=mode), want, "float32", 20, "dense", span=8)
    assert_close(mx.qqmm(x, words, scales, mode=mode), want, "float32", 20, "packed", span=8)
    assert_close(mx.qqmm(x[0], w, mode=mode), want[0], "float32", 20, "one row", span=8)
    experts = weights((3, 6, 64), seed=5)
    j = np.array([2, 0])
    left = weights((2, 5, 64), seed=6)
    want = rounded_to(left, mode) @ np.swapaxes(rounded_to(experts, mode)[j], 1, 2)
    packed = mx.quantize(experts, mode=mode)
    for args in ((experts,), packed):
        got = mx.gather_qqmm(left, *args, rhs_indices=mx.array(j), mode=mode)
        assert_close(got, want, "float32", 20, "gathered", span=8)


def test_global_scales_of_both_sides():
    x, w = weights((5, 64)), weights((6, 64), seed=4)
    gx, gw = mx.max(mx.abs(x)), mx.max(mx.abs(w))
    words, scales = mx.quantize(w, mode="nvfp4", global_scale=gw)
    want = rounded_to(x, "nvfp4", gx) @ rounded_to(w, "nvfp4", gw).T
    for args in ((w,), (words, scales)):
        got = mx.qqmm(x, *args, global_scale_x=gx, global_scale_w=gw)
        assert_close(got, want, "float32", 20, "global", span=8)
    with pytest.raises(ValueError, match=r"\[qqmm\]"):
        mx.qqmm(x, w, global_scale_x=gx)


# ---- Derivatives: scales and biases in double precision, on codes that stay.

CODES = np.random.default_rng(8).integers(0, 2**32, (5, 8), dtype=np.uint32)
MANY = np.random.default_rng(9).integers(0, 2**32, (3, 5, 8), dtype=np.uint32)
LEFT, RIGHT = np.array([1, 0, 1, 1]), np.array([2, 0, 0, 2])


def unpacked(words):
    codes = (words[..., None] >> (4 * np.arange(8, dtype=np.uint32))) & 15
    return codes.reshape(*words.shape[:-1], -1).astype(np.float64)


def affine(words, scales, biases):
    return unpacked(words) * np.repeat(scales, 32, -1) + np.repeat(biases, 32, -1)


def shaped(words, *shape):
    return np.broadcast_to(words, shape)


ALL = "values layouts grad second jvp vmap compile"
ROWS = [
    Row("dequantize", lambda s, b: affine(CODES, s, b), ((((5, 2), (5, 2)), {}),), dtypes=("float32", "float64"),
        call=lambda s, b: mx.dequantize(mx.array(CODES), s, b, 32, 4), rules=ALL, tol=4, span=16),
    Row("quantized_matmul", lambda x, s, b: x @ affine(CODES, s, b).T, ((((3, 64), (5, 2), (5, 2)), {}),),
        dtypes=("float32", "float64"), call=lambda x, s, b: mx.quantized_matmul(x, mx.array(CODES), s, b, True, 32, 4),
        rules=ALL, tol=40, span=400),
    Row("quantized_matmul", lambda x, s, b: x @ affine(CODES, s, b), ((((3, 5), (5, 2), (5, 2)), {}),),
        dtypes=("float32", "float64"), call=lambda x, s, b: mx.quantized_matmul(x, mx.array(CODES), s, b, False, 32, 4),
        rules=ALL, tol=40, span=100),
    Row("gather_qmm", lambda x, s, b: x[LEFT] @ np.swapaxes(affine(MANY, s, b)[RIGHT], 1, 2),
        ((((2, 3, 64), (3, 5, 2), (3, 5, 2)), {}),), dtypes=("float32", "float64"),
        call=lambda x, s, b: mx.gather_qmm(x, mx.array(MANY), s, b, mx.array(LEFT), mx.array(RIGHT), True, 32, 4),
        rules=ALL, tol=40, span=400),
    Row("gather_qmm", lambda x, s, b: x[LEFT] @ affine(MANY, s, b)[RIGHT], ((((2, 3, 5), (3, 5, 2), (3, 5, 2)), {}),),
        dtypes=("float32", "float64"),
        call=lambda x, s, b: mx.gather_qmm(x, mx.array(MANY), s, b, mx.array(LEFT), mx.array(RIGHT), False, 32, 4),
        rules=ALL, tol=40, span=100),
]  # fmt: skip


class TestQuantized(OpTests):
    rows = ROWS


@pytest.mark.parametrize("rows", [5, 9000])  # of the weights; the second are unpacked in parts
@pytest.mark.parametrize("mode", ["affine", "mxfp4", "nvfp4"])
def test_the_gradient_of_many_rows_is_their_product_with_the_weights(mode, rows):
    packed = mx.quantize(weights((rows, 512)), mode=mode)
    values = to_np(mx.dequantize(*packed, mode=mode, dtype=mx.float32)).astype(np.float64)
    x, ct = weights((70, 512)), weights((70, rows), seed=2)

    def cotangent(x, ct):
        _, (got,) = mx.vjp(lambda x: mx.quantized_matmul(x, *packed, mode=mode), [x], [ct])
        return got

    expected = to_np(ct).astype(np.float64) @ values
    span = np.abs(expected).max()
    assert_close(cotangent(x, ct), expected, "float32", 40, "vjp", span=span)
    compiled = mx.compile(cotangent, shapeless=True)
    for n in (70, 66, 3):
        assert_close(compiled(x[:n], ct[:n]), expected[:n], "float32", 40, "compile", span=span)
    batched = mx.vmap(cotangent)(mx.stack([x, x]), mx.stack([ct, 2 * ct]))
    assert_close(batched[1], 2 * expected, "float32", 40, "vmap", span=2 * span)
    _, (second,) = mx.vjp(lambda ct: cotangent(x, ct), [ct], [x])
    forward = to_np(x).astype(np.float64) @ values.T
    assert_close(second, forward, "float32", 40, "vjp of vjp", span=np.abs(forward).max())


@pytest.mark.parametrize("mode", ["mxfp4", "mxfp8", "nvfp4"])
def test_float_formats_are_linear_in_x(mode):
    words, scales = mx.quantize(weights((5, 64)), mode=mode)
    values = to_np(mx.dequantize(words, scales, mode=mode, dtype=mx.float32))
    x, ct = weights((3, 64)), weights((3, 5), seed=2)
    _, (got,) = mx.vjp(lambda x: mx.quantized_matmul(x, words, scales, mode=mode), [x], [ct])
    assert_close(got, to_np(ct).astype(np.float64) @ values, "float32", 20, "vjp", span=8)
    # In double precision the composite runs.
    wide = mx.quantized_matmul(x.astype(mx.float64), words, scales, mode=mode)
    assert_close(wide, to_np(x).astype(np.float64) @ values.T, "float64", 20, "double", span=8)


def test_vmap_over_packed_weights_is_a_loop():
    packed = mx.quantize(weights((3, 5, 64)), 32, 4)
    x = weights((2, 64))
    got = mx.vmap(lambda w, s, b: mx.quantized_matmul(x, w, s, b, True, 32, 4))(*packed)
    want = mx.stack(
        [mx.quantized_matmul(x, *(a[i] for a in packed), True, 32, 4) for i in range(3)]
    )
    assert_close(got, to_np(want), "float32", 4, "weights", span=8)
    many = mx.quantize(weights((3, 2, 5, 64)), 32, 4)
    xs, j = weights((3, 4, 1, 64)), mx.array([1, 0, -1, 1])

    def call(x, w, s, b, j):
        return mx.gather_qmm(x, w, s, b, rhs_indices=j, group_size=32, bits=4)

    got = mx.vmap(call, (0, 0, 0, 0, None))(xs, *many, j)
    want = mx.stack([call(xs[i], *(a[i] for a in many), j) for i in range(3)])
    assert_close(got, to_np(want), "float32", 4, "gather", span=8)
    w = weights((3, 5, 64))
    assert_same(mx.vmap(lambda w: mx.quantize(w))(w), list(mx.quantize(w)), "quantize")
    words, scales = mx.quantize(w, mode="nvfp4")
    got = mx.vmap(lambda w, s: mx.dequantize(w, s, mode="nvfp4"))(words, scales)
    assert_same(got, mx.dequantize(words, scales, mode="nvfp4"), "dequantize")


@pytest.mark.parametrize("axis", [0, 1, -2])
def test_vmap_over_rows_shares_the_weights(axis):
    packed = mx.quantize(weights((5, 64)), 32, 4)
    x = weights((3, 2, 64))
    got = mx.vmap(lambda x: mx.quantized_matmul(x, *packed, True, 32, 4), axis)(
        mx.moveaxis(x, 0, axis)
    )
    assert_close(
        got, to_np(x).astype(np.float64) @ dense(packed, ("affine", 4, 32)).T, "float32", 20, span=8
    )
    w = weights((6, 64), seed=4)
    got = mx.vmap(lambda x: mx.qqmm(x, w, mode="mxfp8"))(x)
    assert_close(got, rounded_to(x, "mxfp8") @ rounded_to(w, "mxfp8").T, "float32", 20, span=8)


@pytest.mark.parametrize("axes", [(0, 0), (0, None), (None, 0)], ids=str)
def test_vmap_over_global_scales_is_a_loop(axes):
    w, scales = weights((3, 2, 4, 32)), mx.array([1.0, 2.0, 4.0])
    args = [a if axis == 0 else a[0] for a, axis in zip((w, scales), axes, strict=True)]

    def pack(w, scale):
        return mx.quantize(w, mode="nvfp4", global_scale=scale)

    def there_and_back(w, scale):
        packed = pack(w, scale)
        return mx.dequantize(*packed, mode="nvfp4", global_scale=scale, dtype=mx.float32)

    each = [
        [a[i] if axis == 0 else a for a, axis in zip(args, axes, strict=True)] for i in range(3)
    ]
    want = [mx.stack(parts) for parts in zip(*(pack(*a) for a in each), strict=True)]
    assert_same(mx.vmap(pack, axes)(*args), want, "codes and scales")
    want = mx.stack([there_and_back(*a) for a in each])
    assert_same(mx.vmap(there_and_back, axes)(*args), want, "values")


@pytest.mark.parametrize("scales", [[3.0], [3.0, 5.0]], ids=str)
def test_values_in_double_precision_are_those_of_single(scales):
    w = weights((len(scales), 4, 32))
    extra = {"mode": "nvfp4", "global_scale": mx.array(scales)}
    words, groups = mx.quantize(w, **extra)
    single = mx.dequantize(words, groups, dtype=mx.float32, **extra)
    double = mx.dequantize(words, groups, dtype=mx.float64, **extra)
    assert double.dtype == mx.float64
    assert_close(double, to_np(single).astype(np.float64), "float32")


def test_packing_and_rounding_are_exported():
    w, x, scale = weights((6, 64)), weights((3, 64), seed=2), mx.array(3.0)
    both = {"mode": "nvfp4", "global_scale_x": scale, "global_scale_w": scale}
    functions = [
        (lambda w: mx.quantize(w), (w,)),
        (lambda w: mx.quantize(w, mode="mxfp4"), (w,)),
        (lambda w, s: mx.quantize(w, mode="nvfp4", global_scale=s), (w, scale)),
        (lambda x, w: [mx.qqmm(x, w, mode="mxfp8")], (x, w)),
        (lambda x, w: [mx.qqmm(x, w, **both)], (x, w)),
    ]
    with tempfile.TemporaryDirectory() as folder:
        for i, (f, args) in enumerate(functions):
            mx.export_function(f"{folder}/{i}", f, *args)
            got = mx.import_function(f"{folder}/{i}")(*args)
            assert_same(list(got), list(f(*args)), f"function {i}")


def test_tangents_of_quantize_agree_with_its_cotangents():
    w, v = weights((3, 128)), weights((3, 128), seed=6)
    scales_of = lambda w: mx.quantize(w, 64, 4)[1:]  # noqa: E731
    outs, tangents = mx.jvp(scales_of, [w], [v])
    cotangents = [weights(o.shape, seed=7) for o in outs]
    _, (slope,) = mx.vjp(scales_of, [w], cotangents)
    forward = sum(np.sum(to_np(t) * to_np(c)) for t, c in zip(tangents, cotangents, strict=True))
    assert np.isclose(forward, np.sum(to_np(slope) * to_np(v)), rtol=1e-5)
    assert all(np.any(to_np(t)) for t in tangents)
    codes = mx.jvp(lambda w: mx.quantize(w, mode="mxfp4")[1].astype(mx.float32), [w], [v])[1][0]
    assert not np.any(to_np(codes)), "scales of 8 bits have no slope"


def test_tangents_pass_through_rounding():
    x, v, w = weights((3, 64)), weights((3, 64), seed=9), weights((5, 64), seed=4)
    tangent = mx.jvp(lambda x: mx.qqmm(x, w, mode="mxfp8"), [x], [v])[1][0]
    assert_close(
        tangent, to_np(v).astype(np.float64) @ rounded_to(w, "mxfp8").T, "float32", 20, span=8
    )


def test_gradient_through_quantize_follows_scales():
    """The largest value of a group is met exactly: its gradient is one over its code, per step."""
    w = mx.array(np.linspace(-1, 2, 64, dtype=np.float32)[None])
    slope = mx.grad(lambda w: mx.sum(mx.quantize(w, 64, 4)[1]))(w)
    steps = np.round(2 / (-3 / 15))
    np.testing.assert_allclose(np.array(slope)[0], [0] * 63 + [1 / steps], rtol=1e-6)
    slope = mx.grad(lambda w: mx.sum(mx.quantize(w, 64, 4)[2]))(w)
    np.testing.assert_allclose(np.array(slope)[0], [0] * 63 + [1], rtol=1e-6)


def test_rounding_passes_gradients_unchanged():
    x, w = weights((3, 64)), weights((5, 64), seed=4)
    got = mx.grad(lambda x, w: mx.sum(mx.qqmm(x, w, mode="mxfp8")), argnums=(0, 1))(x, w)
    assert_close(got[0], np.tile(rounded_to(w, "mxfp8").sum(0), (3, 1)), "float32", 20, "x", span=8)
    assert_close(got[1], np.tile(rounded_to(x, "mxfp8").sum(0), (5, 1)), "float32", 20, "w", span=8)


# ---- Errors

W, S, B = mx.quantize(mx.ones((8, 128)))
X = mx.ones((2, 128))
BAD = [
    lambda: mx.quantize(mx.ones((2, 64)), 16),
    lambda: mx.quantize(mx.ones((2, 64)), 64, 7),
    lambda: mx.quantize(mx.ones((2, 64)), 64, 0),
    lambda: mx.quantize(mx.ones((2, 64)), mode="int4"),
    lambda: mx.quantize(mx.ones((2, 64)), 64, 4, "mxfp4"),
    lambda: mx.quantize(mx.ones((2, 64)), 32, 8, "mxfp4"),
    lambda: mx.quantize(mx.ones((2, 65))),
    lambda: mx.quantize(mx.ones((64,))),
    lambda: mx.quantize(mx.array(1.0)),
    lambda: mx.quantize(mx.ones((2, 64), dtype=mx.int32)),
    lambda: mx.quantize(mx.ones((2, 64), dtype=mx.complex64)),
    lambda: mx.quantize(mx.ones((2, 64)), global_scale=mx.array(1.0)),
    lambda: mx.quantize(mx.ones((2, 64)), mode="nvfp4", global_scale=mx.array(1)),
    lambda: mx.quantize(mx.ones((2, 64)), mode="nvfp4", global_scale=mx.ones((3,))),
    lambda: mx.dequantize(W, S),
    lambda: mx.dequantize(W, S[:, :1], B),
    lambda: mx.dequantize(W, S, B[:, :1]),
    lambda: mx.dequantize(W[0], S[0], B[0]),
    lambda: mx.dequantize(W.astype(mx.float32), S, B),
    lambda: mx.dequantize(W, S.astype(mx.int32), B.astype(mx.int32)),
    lambda: mx.dequantize(W, S, B, dtype=mx.int32),
    lambda: mx.dequantize(W, S, mode="mxfp4"),
    lambda: mx.dequantize(W, S, B, bits=3),
    lambda: mx.quantized_matmul(X, W, S),
    lambda: mx.quantized_matmul(X[:, :64], W, S, B),
    lambda: mx.quantized_matmul(X, W, S, B, False),
    lambda: mx.quantized_matmul(mx.array(1.0), W, S, B),
    lambda: mx.quantized_matmul(X.astype(mx.complex64), W, S, B),
    lambda: mx.quantized_matmul(X, W, S, B, group_size=32),
    lambda: mx.quantized_matmul(X, *mx.quantize(mx.ones((8, 128)), mode="mxfp4"), B, mode="mxfp4"),
    lambda: mx.gather_qmm(X[None], W, S, B, rhs_indices=mx.array([0.0])),
    lambda: mx.gather_qmm(X[0], W, S, B, rhs_indices=mx.array([0])),
    lambda: mx.gather_qmm(X[None], W, S, B, mx.array([0, 0]), mx.array([0, 0, 0])),
    lambda: mx.qqmm(X, W),
    lambda: mx.qqmm(X, mx.ones((8, 128)), mode="affine"),
    lambda: mx.qqmm(X, mx.ones((2, 8, 128))),
    lambda: mx.qqmm(X[:, :64], mx.ones((8, 128))),
    lambda: mx.qqmm(mx.ones((2, 65)), mx.ones((8, 65))),
    lambda: mx.qqmm(X, mx.ones((128,))),
    lambda: mx.qqmm(X.astype(mx.int32), mx.ones((8, 128))),
    lambda: mx.gather_qqmm(X[None], W, rhs_indices=mx.array([0])),
    lambda: mx.from_fp8(mx.array([1])),
    lambda: mx.from_fp8(mx.array([1], mx.uint8), mx.int32),
    lambda: mx.to_fp8(mx.array([1j])),
]  # fmt: skip


@pytest.mark.parametrize("call", BAD, ids=range(len(BAD)))
def test_bad_arguments_are_refused(call):
    with pytest.raises(ValueError, match=r"^\[\w+\] "):
        mx.eval(call())


@pytest.mark.parametrize("index", [1, -2, 2**40])
def test_indices_out_of_range_are_refused(index):
    with pytest.raises(IndexError, match=r"\[gather_qmm\]"):
        mx.eval(mx.gather_qmm(X[None], W, S, B, rhs_indices=mx.array([0, index])))
    with pytest.raises(IndexError, match=r"\[gather_qmm\]"):
        mx.eval(
            mx.gather_qmm(
                X[None], W, S, B, lhs_indices=mx.array([0, index]), rhs_indices=mx.array(0)
            )
        )


def test_packed_words_have_no_gradient():
    with pytest.raises(ValueError):
        mx.grad(lambda w: mx.sum(mx.quantized_matmul(X, w, S, B)))(W)
