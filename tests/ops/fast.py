"""Rows of the fused ops, held to their plain definitions in NumPy."""

import numpy as np
import pytest

import olivine.core as mx
from tests.harness import FLOATING, OpTests, Row
from tests.support import assert_close, assert_same, rounded, to_mx, to_np

ALL = {"tol": 8, "span": 1}


def rms_norm(x, weight=None, eps=1e-5):
    y = x / np.sqrt(np.mean(x * x, -1, keepdims=True) + eps)
    return y if weight is None else y * weight


def layer_norm(x, weight=None, bias=None, eps=1e-5):
    c = x - np.mean(x, -1, keepdims=True)
    y = c / np.sqrt(np.mean(c * c, -1, keepdims=True) + eps)
    y = y if weight is None else y * weight
    return y if bias is None else y + bias


def rope(x, dims, traditional, base=10000.0, scale=1.0, offset=0, freqs=None):
    half = dims // 2
    inverse = 1 / freqs if freqs is not None else base ** (-np.arange(half) / half)
    offset = np.asarray(offset).reshape((-1,) + (1,) * (x.ndim - 2)) if np.ndim(offset) else offset
    position = (offset + np.arange(x.shape[-2])) * scale
    angle = position[..., None] * inverse
    cos, sin = np.cos(angle), np.sin(angle)
    y = np.array(x)
    first, second = (
        (np.s_[..., 0:dims:2], np.s_[..., 1:dims:2])
        if traditional
        else (np.s_[..., :half], np.s_[..., half:dims])
    )
    y[first] = x[first] * cos - x[second] * sin
    y[second] = x[first] * sin + x[second] * cos
    return y


def attention(q, k, v, scale=1.0, mask=None, sinks=None):
    group = q.shape[1] // k.shape[1]
    k, v = np.repeat(k, group, 1), np.repeat(v, group, 1)
    scores = q @ np.swapaxes(k, -1, -2) * scale
    if isinstance(mask, str):
        n, m = scores.shape[-2:]
        scores = np.where(np.arange(n)[:, None] + m - n >= np.arange(m), scores, -np.inf)
    elif mask is not None:
        scores = np.where(mask, scores, -np.inf) if mask.dtype == bool else scores + mask
    top = np.max(scores, -1, keepdims=True)
    extra = 0
    if sinks is not None:
        top = np.maximum(top, sinks[:, None, None])
        extra = np.exp(sinks[:, None, None] - top)
    weights = np.exp(scores - top)
    return weights / (np.sum(weights, -1, keepdims=True) + extra) @ v


def cross_entropy(logits, targets):
    top = np.max(logits, -1, keepdims=True)
    total = np.log(np.sum(np.exp(logits - top), -1)) + top[..., 0]
    return total - np.take_along_axis(logits, targets[..., None].astype(np.int64), -1)[..., 0]


def gated_delta(q, k, v, gamma, beta, state=None, mask=None):
    repeats = v.shape[2] // q.shape[2]
    q, k = np.repeat(q, repeats, 2), np.repeat(k, repeats, 2)
    gamma = gamma[..., None] if gamma.ndim == 3 else gamma
    state = np.zeros((*v[:, 0].shape, q.shape[-1])) if state is None else state
    out = np.zeros(v.shape)
    for t in range(v.shape[1]):
        decayed = state * gamma[:, t, :, None, :]
        error = v[:, t] - np.einsum("bhvk,bhk->bhv", decayed, k[:, t])
        new = decayed + (beta[:, t, :, None] * error)[..., None] * k[:, t, :, None, :]
        taken = np.ones(len(q), bool) if mask is None else mask[:, t]
        out[:, t] = np.where(taken[:, None, None], np.einsum("bhvk,bhk->bhv", new, q[:, t]), 0)
        state = np.where(taken[:, None, None, None], new, state)
    return out, state


QKV = (
    (((1, 2, 3, 4), (1, 2, 5, 4), (1, 2, 5, 4)), {"scale": 0.5}),
    (((2, 4, 3, 8), (2, 2, 3, 8), (2, 2, 3, 6)), {"scale": 0.35, "mask": "causal"}),
    (((1, 4, 1, 8), (1, 1, 7, 8), (1, 1, 7, 8)), {"scale": 0.35}),
    (((1, 2, 70, 64), (1, 2, 133, 64), (1, 2, 133, 64)), {"scale": 0.125, "mask": "causal"}),
    (((2, 2, 130, 32), (2, 2, 130, 32), (2, 2, 130, 32)), {"scale": 0.2}),
)
HEADS = (2, 3, 2, 5), (2, 3, 2, 5), (2, 3, 4, 6)
DELTA = (
    ((*HEADS, (2, 3, 4), (2, 3, 4)), {}),
    (((1, 4, 1, 3), (1, 4, 1, 3), (1, 4, 1, 2), (1, 4, 1, 3), (1, 4, 1)), {}),
    ((*HEADS, (2, 3, 4), (2, 3, 4), (2, 4, 6, 5)), {}),
)
ROPE = (
    (((1, 3, 8),), {"dims": 8, "traditional": False, "base": 100.0, "scale": 1.0, "offset": 0}),
    (((2, 3, 8),), {"dims": 4, "traditional": True, "base": 100.0, "scale": 0.5, "offset": 3}),
    (((2, 3, 5, 6),), {"dims": 6, "traditional": True, "base": 10.0, "scale": 1.0, "offset": 1}),
    (
        ((2, 4, 33, 64),),
        {"dims": 64, "traditional": False, "base": 10000.0, "scale": 1.0, "offset": 100},
    ),
)
SMALL = (((2, 5),), {"eps": 1e-5}), (((3, 2, 8),), {"eps": 1e-2})
ROWS_OF = ((3, 5), (5,)), ((2, 2, 8), (8,)), ((70, 1000), (1000,))


def no_weight(name, count):
    return lambda x, eps: getattr(mx.fast, name)(x, *([None] * count), eps)


ROWS = [
    Row("fast.rms_norm", rms_norm, tuple((s, {"eps": 1e-5}) for s in ROWS_OF), **ALL),
    Row("fast.rms_norm", rms_norm, SMALL, call=no_weight("rms_norm", 1), **ALL),
    Row("fast.layer_norm", layer_norm, tuple(((x, w, w), {"eps": 1e-5}) for x, w in ROWS_OF), **ALL),
    Row("fast.layer_norm", layer_norm, SMALL, call=no_weight("layer_norm", 2), **ALL),
    Row("fast.rope", rope, ROPE, **ALL),
    Row("fast.scaled_dot_product_attention", attention, QKV, **ALL),
    Row("fast.scaled_dot_product_attention", lambda q, k, v, m: attention(q, k, v, 0.5, m), (
        (((2, 2, 3, 4), (2, 2, 5, 4), (2, 2, 5, 4), (3, 5)), {}), (((2, 2, 3, 4), (2, 1, 5, 4), (2, 1, 5, 4), (2, 1, 1, 5)), {})),
        call=lambda q, k, v, m: mx.fast.scaled_dot_product_attention(q, k, v, scale=0.5, mask=m), **ALL),
    Row("fast.cross_entropy", cross_entropy, ((((5, 7), (5,)), {}), (((2, 3, 4), (2, 3)), {}), (((40, 3000), (40,)), {})),
        fixed={1: ("int32", 0, 4)}, out=lambda name: "float64" if name == "float64" else "float32", **ALL),
    Row("fast.gated_delta_update", gated_delta, DELTA, low=-1, high=1, tol=8, span=8,
        out=("same", lambda name: "float64" if name == "float64" else "float32")),
]  # fmt: skip


class TestFast(OpTests):
    rows = ROWS


@pytest.mark.parametrize("name", FLOATING)
def test_attention_takes_boolean_masks_and_sinks(name):
    rng = np.random.default_rng(2)
    q, k, v = (
        rounded(rng.standard_normal(s), name) for s in [(2, 4, 3, 8), (2, 2, 5, 8), (2, 2, 5, 8)]
    )
    wide = [x.astype(np.float64) for x in (q, k, v)]
    mask = rng.uniform(0, 1, (2, 1, 3, 5)) > 0.3
    mask[..., 0] = True
    got = mx.fast.scaled_dot_product_attention(
        *map(to_mx, (q, k, v)), scale=0.3, mask=mx.array(mask)
    )
    assert_close(got, rounded(attention(*wide, 0.3, mask), name), name, 4, "bool mask", span=1)
    sinks = rounded(rng.standard_normal(4), name)
    got = mx.fast.scaled_dot_product_attention(
        *map(to_mx, (q, k, v)), scale=0.3, mask="causal", sinks=to_mx(sinks)
    )
    want = attention(*wide, 0.3, "causal", sinks.astype(np.float64))
    assert_close(got, rounded(want, name), name, 4, "sinks", span=1)


def test_a_query_that_sees_no_key_gives_zeros():
    q = mx.ones((1, 1, 2, 4))
    mask = mx.array([[True, True], [False, False]])
    out = mx.fast.scaled_dot_product_attention(q, q, q, scale=1.0, mask=mask)
    assert np.array(out)[0, 0].tolist() == [[1, 1, 1, 1], [0, 0, 0, 0]]


@pytest.mark.parametrize("mask", [None, "causal", (5, 6), (1, 1, 6), (2, 1, 5, 6), (2, 4, 1, 6)])
@pytest.mark.parametrize("batched", ["q", "qk", "qkvm", "m", "qkvs"])
def test_mapped_attention_equals_a_loop_over_it(mask, batched):
    rng = np.random.default_rng(3)
    sizes = {"q": (2, 4, 5, 8), "k": (2, 2, 6, 8), "v": (2, 2, 6, 3), "s": (4,), "m": mask}
    if not isinstance(mask, tuple):
        del sizes["m"]
        batched = batched.replace("m", "") or "v"
    arrays = {
        n: mx.array(rng.standard_normal((3, *shape) if n in batched else shape), dtype=mx.float32)
        for n, shape in sizes.items()
    }

    def loss(x):
        out = mx.fast.scaled_dot_product_attention(
            x["q"], x["k"], x["v"], scale=0.7, mask=x.get("m", mask), sinks=x["s"]
        )
        return mx.sum(mx.sin(out)), out

    def both(x):
        return mx.value_and_grad(loss)(x)

    axes = {n: 0 if n in batched else None for n in arrays}
    (_, got), grads = mx.vmap(both, in_axes=(axes,))(arrays)
    for i in range(3):
        (_, want), want_grads = both({n: a[i] if n in batched else a for n, a in arrays.items()})
        assert mx.allclose(got[i], want, atol=1e-5)
        for n in arrays:
            assert mx.allclose(grads[n][i], want_grads[n], atol=1e-5), n


def test_mapped_attention_overflows_no_half():
    x = mx.full((2, 1, 1, 4, 16), 1000.0, dtype=mx.float16)
    out = mx.vmap(lambda q: mx.fast.scaled_dot_product_attention(q, q, q, scale=1.0))(x)
    assert mx.all(out == 1000.0)
    mask = mx.zeros((4, 4), dtype=mx.float16)

    def summed(mask):
        return mx.sum(mx.fast.scaled_dot_product_attention(x[0], x[0], x[0], scale=1.0, mask=mask))

    assert mx.all(mx.isfinite(mx.grad(summed)(mask)))  # by the op's composite


@pytest.mark.parametrize("name", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("depth", [3, 8, 16, 17, 40, 72, 136, 200])
def test_a_few_queries_of_odd_sizes(depth, name):
    rng = np.random.default_rng(depth)
    for queries, keys, values in ((1, 1, depth), (1, 100, depth + 9), (2, 37, 5), (1, 300, 72)):
        shapes = (2, 4, queries, depth), (2, 2, keys, depth), (2, 2, keys, values)
        inputs = [rounded(rng.standard_normal(s), name) for s in shapes]
        want = attention(*(x.astype(np.float64) for x in inputs), 0.3)
        got = mx.fast.scaled_dot_product_attention(*map(to_mx, inputs), scale=0.3)
        assert_close(got, rounded(want, name), name, 4, "few queries", span=1)


@pytest.mark.parametrize("name", ["float16", "bfloat16"])
@pytest.mark.parametrize("queries", [1, 2, 40])
@pytest.mark.parametrize("depth", [3, 16, 40, 64])
def test_keys_and_values_in_fewer_bits_are_widened_as_they_are_read(name, queries, depth):
    rng = np.random.default_rng(depth)
    shapes = (2, 6, queries, depth), (2, 2, 90, depth), (2, 2, 90, depth)
    q, k, v = (rng.standard_normal(s).astype(np.float32) for s in shapes)
    k, v = rounded(k, name), rounded(v, name)
    want = attention(*(x.astype(np.float64) for x in (q, k, v)), 0.3, "causal")

    def attend(q, k, v):
        # They lie in a buffer with room for more.
        return mx.fast.scaled_dot_product_attention(
            q, k[:, :, :90], v[:, :, :90], scale=0.3, mask="causal"
        )

    room = [(0, 0), (0, 0), (0, 38), (0, 0)]
    inputs = mx.array(q), *(mx.pad(to_mx(x), room) for x in (k, v))
    got = attend(*inputs)
    assert got.dtype == mx.float32
    assert_close(got, want, "float32", 4, "narrow keys", span=1)
    wide = [x.astype(mx.float32) for x in inputs]

    def total(q, k, v):
        return mx.sum(mx.sin(attend(q, k, v)))

    grads, expected = (mx.grad(total, argnums=(0, 1, 2))(*x) for x in (inputs, wide))
    assert [g.dtype for g in grads] == [x.dtype for x in inputs]
    for gradient, like in zip(grads, expected, strict=True):
        assert mx.allclose(gradient, like.astype(gradient.dtype), atol=1e-6, rtol=1e-2)


def test_rows_with_a_gap_are_read_no_further_than_they_go():
    # What lies between the rows is not a number.
    k = np.full((1, 2, 50, 30), np.nan, np.float32)
    k[..., :24] = np.random.default_rng(0).standard_normal((1, 2, 50, 24))
    q = np.random.default_rng(1).standard_normal((1, 2, 1, 24)).astype(np.float32)
    view = to_mx(k)[..., :24]
    got = mx.fast.scaled_dot_product_attention(to_mx(q), view, view, scale=1.0)
    assert_close(got, attention(q, k[..., :24], k[..., :24]), "float32", 4, "gap", span=1)


@pytest.mark.parametrize("mask", [None, "causal"])
@pytest.mark.parametrize("depth", [40, 17])
def test_tiles_of_queries_that_share_packed_keys(depth, mask):
    rng = np.random.default_rng(5)  # 160 tiles of queries: two share keys, the last is alone
    q, k, v = (rng.standard_normal((2, 16, n, depth)).astype(np.float32) for n in (300, 310, 310))
    got = mx.fast.scaled_dot_product_attention(*map(mx.array, (q, k, v)), scale=0.3, mask=mask)
    seen = None if mask is None else np.arange(310) <= np.arange(10, 310)[:, None]
    expected = attention(*(x.astype(np.float64) for x in (q, k, v)), 0.3, seen)
    assert_close(got, expected.astype(np.float32), "float32", 4, "shared keys", span=1)


def test_attention_is_stable_for_huge_scores():
    q = mx.full((1, 1, 3, 4), 200.0)
    out = mx.fast.scaled_dot_product_attention(q, q, mx.ones((1, 1, 3, 4)), scale=100.0)
    assert_close(out, np.ones((1, 1, 3, 4), np.float32), "float32")


@pytest.mark.parametrize("traditional", [False, True])
def test_rope_takes_offsets_per_row_and_frequencies(traditional):
    x = np.random.default_rng(3).standard_normal((3, 2, 5, 8)).astype(np.float32)
    kwargs = {"traditional": traditional, "scale": 1.0}
    offset = np.array([4, 0, 9])
    got = mx.fast.rope(mx.array(x), 8, base=50.0, offset=mx.array(offset), **kwargs)
    want = rope(
        x.astype(np.float64),
        8,
        base=50.0,
        offset=offset[:, None, None] * np.ones((1, 1, 1)),
        **kwargs,
    )
    for i in range(3):
        want[i] = rope(x[i].astype(np.float64), 8, base=50.0, offset=int(offset[i]), **kwargs)
    assert_close(got, want.astype(np.float32), "float32", 4, "offsets", span=1)
    freqs = np.array([1.0, 3.0, 10.0, 40.0], np.float32)
    got = mx.fast.rope(mx.array(x), 8, base=None, offset=2, freqs=mx.array(freqs), **kwargs)
    want = rope(x.astype(np.float64), 8, offset=2, freqs=freqs.astype(np.float64), **kwargs)
    assert_close(got, want.astype(np.float32), "float32", 4, "freqs", span=1)


@pytest.mark.parametrize("traditional", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16", "float64"])
def test_rope_of_rows_that_lie_apart(dtype, traditional):
    """Many positions and heads, more features than are turned, views of another order."""
    tol = 300 if dtype == "float32" else 4  # angles reach 150 radians, rounded to a float
    x = rounded(np.random.default_rng(5).standard_normal((2, 300, 7, 90)), dtype)
    kwargs = {"traditional": traditional, "base": 100.0, "scale": 0.5, "offset": 3}
    heads_first = np.ascontiguousarray(x.transpose(0, 2, 1, 3)).astype(np.float64)
    want = rounded(rope(heads_first, 70, **kwargs), dtype)
    got = mx.fast.rope(mx.transpose(to_mx(x), (0, 2, 1, 3)), 70, **kwargs)
    assert_close(got, want, dtype, tol, "transposed", span=2)
    features_apart = to_mx(np.ascontiguousarray(heads_first.swapaxes(2, 3)).astype(x.dtype))
    got = mx.fast.rope(mx.swapaxes(features_apart, 2, 3), 70, **kwargs)
    assert_close(got, want, dtype, tol, "features apart", span=2)
    assert np.array_equal(to_np(got)[..., 70:], to_np(to_mx(want))[..., 70:])


def test_norms_keep_single_precision_inside():
    x = rounded(np.random.default_rng(4).uniform(90, 110, (4, 4096)), "bfloat16")
    want = rounded(layer_norm(x.astype(np.float64)), "bfloat16")
    assert_close(mx.fast.layer_norm(to_mx(x), None, None, 1e-5), want, "bfloat16", 2, span=1)
    x = rounded(np.full((2, 512), 300.0), "float16")
    assert_close(
        mx.fast.rms_norm(to_mx(x), None, 1e-5), rounded(np.ones((2, 512)), "float16"), "float16"
    )


@pytest.mark.parametrize("call", [
    lambda: mx.fast.rms_norm(mx.ones((2, 4)), mx.ones((3,)), 1e-5),
    lambda: mx.fast.rms_norm(mx.array(1.0), None, 1e-5),
    lambda: mx.fast.layer_norm(mx.ones((2, 4)), mx.ones((4,)), mx.ones((5,)), 1e-5),
    lambda: mx.fast.rope(mx.ones((4,)), 4, traditional=False, base=10.0, scale=1.0, offset=0),
    lambda: mx.fast.rope(mx.ones((2, 3, 4)), 4, traditional=False, base=None, scale=1.0, offset=0),
    lambda: mx.fast.rope(mx.ones((2, 3, 4)), 6, traditional=False, base=10.0, scale=1.0, offset=0),
    lambda: mx.fast.scaled_dot_product_attention(*[mx.ones((2, 3, 4))] * 3, scale=1.0),
    lambda: mx.fast.scaled_dot_product_attention(mx.ones((1, 3, 2, 4)), *[mx.ones((1, 2, 2, 4))] * 2, scale=1.0),
    lambda: mx.fast.scaled_dot_product_attention(mx.ones((1, 2, 2, 4)), *[mx.ones((1, 2, 2, 5))] * 2, scale=1.0),
    lambda: mx.fast.scaled_dot_product_attention(*[mx.ones((1, 2, 2, 4))] * 3, scale=1.0, mask="diagonal"),
    lambda: mx.fast.scaled_dot_product_attention(*[mx.ones((1, 2, 2, 4))] * 3, scale=1.0, mask=mx.ones((3, 2))),
    lambda: mx.fast.scaled_dot_product_attention(*[mx.ones((1, 2, 2, 4), dtype=mx.int32)] * 3, scale=1.0),
    lambda: mx.fast.scaled_dot_product_attention(*[mx.ones((1, 2, 2, 4))] * 3, scale=1.0, mask=mx.ones((2, 2)) * 1j),
    lambda: mx.fast.scaled_dot_product_attention(*[mx.ones((1, 2, 2, 4))] * 3, scale=1.0, sinks=mx.ones((3,))),
    lambda: mx.fast.rope(mx.ones((2, 3, 4)), 4, traditional=False, base=None, scale=1.0, offset=0, freqs=mx.ones((3,))),
    lambda: mx.fast.rope(mx.ones((2, 3, 4)), 4, traditional=False, base=1e4, scale=1.0, offset=mx.array([1, 2, 3])),
    lambda: mx.fast.rms_norm(mx.ones((2, 4), dtype=mx.int32), None, 1e-5),
], ids=range(17))  # fmt: skip
def test_fused_ops_refuse_unfit_arguments(call):
    with pytest.raises(
        (ValueError, TypeError),
        match=r"\[(rms_norm|layer_norm|rope|scaled_dot_product_attention)\]",
    ):
        mx.eval(call())


def test_attention_of_bfloat16_is_close_to_single_precision():
    rng = np.random.default_rng(6)
    q, k, v = (rounded(rng.standard_normal((1, 2, 40, 64)), "bfloat16") for _ in range(3))
    want = attention(*(x.astype(np.float64) for x in (q, k, v)), 0.125, "causal")
    got = mx.fast.scaled_dot_product_attention(*map(to_mx, (q, k, v)), scale=0.125, mask="causal")
    assert np.max(np.abs(to_np(got).astype(np.float64) - want)) < 0.02


def test_gated_delta_leaves_masked_steps_out():
    rng = np.random.default_rng(8)
    args = [rng.uniform(0, 1, s) for s in DELTA[0][0]]
    mask = rng.uniform(0, 1, (2, 3)) > 0.5
    got = mx.fast.gated_delta_update(*(to_mx(x, "float32") for x in args), mask=mx.array(mask))
    for a, b in zip(got, gated_delta(*args, mask=mask), strict=True):
        assert_close(a, b.astype(np.float32), "float32", 8, span=1)


GOOD_DELTA = {
    "queries": (1, 3, 2, 4),
    "keys": (1, 3, 2, 4),
    "values": (1, 3, 4, 5),
    "gates": (1, 3, 4),
    "beta": (1, 3, 4),
}


@pytest.mark.parametrize("changed", [
    {"queries": (1, 3, 4)}, {"keys": (1, 3, 2, 3)}, {"values": (1, 2, 4, 5)}, {"gates": (1, 3, 4, 3)}, {"beta": (1, 3, 3)},
    {"values": (1, 3, 3, 5), "gates": (1, 3, 3), "beta": (1, 3, 3)}, {"initial_state": (1, 4, 4, 5)}, {"mask": (1, 2)},
], ids=str)  # fmt: skip
def test_gated_delta_refuses_unfit_shapes(changed):
    shapes = {**GOOD_DELTA, "initial_state": (1, 4, 5, 4), "mask": (1, 3), **changed}
    if "initial_state" not in changed and "mask" not in changed:
        shapes |= {"initial_state": None, "mask": None}
    arrays = [None if shape is None else mx.ones(shape) for shape in shapes.values()]
    with pytest.raises(ValueError, match=r"\[gated_delta_update\] expected"):
        mx.fast.gated_delta_update(*arrays)
    good = mx.fast.gated_delta_update(*(mx.ones(s).astype(mx.int32) for s in GOOD_DELTA.values()))
    assert [a.dtype for a in good] == [mx.float32] * 2
    with pytest.raises(ValueError, match="expected real inputs"):
        mx.fast.gated_delta_update(*(mx.ones(s) * 1j for s in GOOD_DELTA.values()))


def test_fused_ops_of_every_input_are_exported(tmp_path):
    """With the gradients: files then hold the ops of both directions with all their inputs."""
    rng = np.random.default_rng(10)
    draw = lambda *shape: to_mx(rng.uniform(0, 1, shape), "float32")  # noqa: E731
    q, k, v = draw(1, 4, 3, 8), draw(1, 2, 5, 8), draw(1, 2, 5, 8)
    attend = mx.fast.scaled_dot_product_attention

    def attention_loss(q, k, v, mask, sinks):
        return mx.sum(attend(q, k, v, scale=0.5, mask=mask, sinks=sinks) ** 2)

    delta = [draw(*GOOD_DELTA[name]) for name in GOOD_DELTA] + [draw(1, 4, 5, 4)]
    keep = mx.array([[True, False, True]])

    def delta_loss(q, k, v, g, b, state, mask):
        return sum(mx.sum(o * o) for o in mx.fast.gated_delta_update(q, k, v, g, b, state, mask))

    def turn(x, offset, freqs):
        return mx.fast.rope(
            x, 8, traditional=False, base=None, scale=1.0, offset=offset, freqs=freqs
        )

    def cross(x, t):
        return mx.sum(mx.fast.cross_entropy(x, t))

    functions = [
        (mx.grad(attention_loss, argnums=(0, 1, 2)), [q, k, v, draw(3, 5), draw(4)]),
        (mx.grad(attention_loss, argnums=(0, 1, 2)), [q, k, v, draw(4, 3, 5) > 0.3, draw(4)]),
        (mx.grad(delta_loss, argnums=(0, 1, 2, 3, 4, 5)), [*delta, keep]),
        (turn, [draw(2, 3, 5, 8), mx.array([3, 7]), draw(4)]),
        (mx.grad(cross), [draw(4, 7), mx.array([0, 6, 3, 3])]),
    ]
    for i, (f, args) in enumerate(functions):
        path = str(tmp_path / str(i))
        mx.export_function(path, f, *args)
        want = f(*args)
        want = [want] if isinstance(want, mx.array) else list(want)
        assert_same(list(mx.import_function(path)(*args)), want, f"function {i}")


@pytest.mark.parametrize("kernel", [mx.fast.metal_kernel, mx.fast.cuda_kernel])
def test_custom_kernels_say_that_their_device_is_missing(kernel):
    device = "Metal" if kernel is mx.fast.metal_kernel else "CUDA"
    with pytest.raises(RuntimeError, match=f"a device that runs {device}"):
        made = kernel("k", ["a"], ["b"], "source")
        made(inputs=[1.0], output_shapes=[(2,)], output_dtypes=[mx.float32], grid=(1, 1, 1), threadgroup=(1, 1, 1),
             template=[("T", mx.float32), ("N", 3)])  # fmt: skip


def test_metal_kernels_check_their_arguments():
    with pytest.raises(RuntimeError, match="CUDA"):
        mx.fast.precompiled_cuda_kernel(name="k", compiled_source=b"", inputs=[], output_shapes=[], output_dtypes=[],
                                        scalars=[], grid=(1, 1, 1), threadgroup=(1, 1, 1))  # fmt: skip
    with pytest.raises(ValueError, match="output name"):
        mx.fast.metal_kernel("k", [], [], "")
    with pytest.raises(ValueError, match="compile options"):
        mx.fast.metal_kernel("k", [], ["a"], "", compile_options={"speed": 1})
    made = mx.fast.metal_kernel("k", ["a"], ["b"], "")
    with pytest.raises(ValueError, match="expected 1 inputs"):
        made(inputs=[], output_shapes=[], output_dtypes=[], grid=(1, 1, 1), threadgroup=(1, 1, 1))
    with pytest.raises(ValueError, match="shapes and dtypes of 1 outputs"):
        made(
            inputs=[1.0], output_shapes=[], output_dtypes=[], grid=(1, 1, 1), threadgroup=(1, 1, 1)
        )


@pytest.mark.parametrize("call", [
    lambda x, t: mx.fast.cross_entropy(x, t.astype(mx.float32)),
    lambda x, t: mx.fast.cross_entropy(x, t[:1]),
    lambda x, t: mx.fast.cross_entropy(x.astype(mx.int32), t),
    lambda x, t: mx.fast.cross_entropy(x[:, :0], t),
], ids=range(4))  # fmt: skip
def test_cross_entropy_refuses_unfit_arguments(call):
    with pytest.raises(ValueError, match=r"\[cross_entropy\]"):
        call(mx.ones((2, 3)), mx.array([0, 1]))


def test_cross_entropy_checks_its_targets():
    with pytest.raises(IndexError):
        mx.eval(mx.fast.cross_entropy(mx.ones((2, 3)), mx.array([0, 3])))
