"""Named axes: patterns of einops against NumPy's reshapes, and one error for each bad pattern."""

import numpy as np
import pytest

import olivine.core as mx
from olivine.einops import einsum, rearrange, reduce, repeat

RNG = np.random.default_rng(0)
X = RNG.standard_normal((6, 4, 8, 3)).astype(np.float32)


def check(got, want):
    got = np.array(got)
    assert got.shape == want.shape
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("pattern", "sizes", "want"), [
    ("b h w c -> b c h w", {}, X.transpose(0, 3, 1, 2)),
    ("b h w c -> h (b w) c", {}, X.transpose(1, 0, 2, 3).reshape(4, 48, 3)),
    ("b h w c -> b (c h w)", {}, X.transpose(0, 3, 1, 2).reshape(6, 96)),
    ("(b1 b2) h w c -> (b1 h) (b2 w) c", {"b1": 2},
     X.reshape(2, 3, 4, 8, 3).transpose(0, 2, 1, 3, 4).reshape(8, 24, 3)),
    ("b (h h1) (w w1) c -> b h w (c h1 w1)", {"h1": 2, "w1": 2},
     X.reshape(6, 2, 2, 4, 2, 3).transpose(0, 1, 3, 5, 2, 4).reshape(6, 2, 4, 12)),
    ("b ... -> ... b", {}, X.transpose(1, 2, 3, 0)),
    ("b ... -> b (...)", {}, X.reshape(6, 96)),
    ("b ... c -> b (c ...)", {}, X.transpose(0, 3, 1, 2).reshape(6, 96)),
    ("... -> (...)", {}, X.reshape(-1)),
    ("b h w c -> b 1 h w 1 c", {}, X[:, None, :, :, None]),
    ("b h w c -> b h w c ()", {}, X[..., None]),
])  # fmt: skip
def test_rearrange_moves_joins_and_splits_axes(pattern, sizes, want):
    check(rearrange(mx.array(X), pattern, **sizes), want)


def test_rearrange_stacks_lists_and_drops_axes_of_one_element():
    parts = [mx.array(x) for x in X]
    check(rearrange(parts, "b h w c -> h (b w) c"), X.transpose(1, 0, 2, 3).reshape(4, 48, 3))
    check(rearrange(mx.array(X[:1]), "1 h w c -> h w c"), X[0])
    check(rearrange(mx.array(2.0), "-> 1 1"), np.full((1, 1), 2.0))
    check(rearrange(mx.zeros((2, 0, 3)), "a b c -> (a b) c"), np.zeros((0, 3)))


@pytest.mark.parametrize(("pattern", "by", "want"), [
    ("b h w c -> b c", "mean", X.mean((1, 2))),
    ("b (h 2) (w 2) c -> b h w c", "max", X.reshape(6, 2, 2, 4, 2, 3).max((2, 4))),
    ("b h w c -> b () () c", "sum", X.sum((1, 2), keepdims=True)),
    ("... -> ", "min", X.min()),
    ("b ... -> b", "prod", X.prod((1, 2, 3))),
    ("b h w c -> c b", "max", X.max((1, 2)).T),
    ("b h w c -> b", lambda x, axes: mx.logsumexp(x, axes), np.log(np.exp(X).sum((1, 2, 3)))),
])  # fmt: skip
def test_reduce_removes_the_axes_that_are_not_named(pattern, by, want):
    check(reduce(mx.array(X), pattern, by), want)


@pytest.mark.parametrize(("pattern", "sizes", "want"), [
    ("h w -> h w c", {"c": 3}, np.repeat(X[0, :, :, 0][..., None], 3, -1)),
    ("h w -> (n h) w", {"n": 2}, np.tile(X[0, :, :, 0], (2, 1))),
    ("h w -> h (w 3)", {}, np.repeat(X[0, :, :, 0], 3, 1)),
    ("h w -> (h 2) (w 2)", {}, np.repeat(np.repeat(X[0, :, :, 0], 2, 0), 2, 1)),
    ("... -> 2 ...", {}, np.stack([X[0, :, :, 0]] * 2)),
])  # fmt: skip
def test_repeat_copies_along_new_axes(pattern, sizes, want):
    check(repeat(mx.array(X[0, :, :, 0]), pattern, **sizes), want)


def test_einsum_multiplies_over_named_axes():
    q, k = (
        mx.array(RNG.standard_normal(s).astype(np.float32)) for s in ((2, 3, 5, 4), (2, 3, 7, 4))
    )
    got = einsum(q, k, "batch head query dim, batch head key dim -> batch head query key")
    check(got, np.einsum("bhqd,bhkd->bhqk", np.array(q), np.array(k)))
    check(einsum(q, "... row column -> ... column"), np.array(q).sum(-2))
    check(einsum(q, q, "... d, ... d -> ..."), (np.array(q) ** 2).sum(-1))


def test_transformations_go_through():
    def f(x):
        return mx.sum(mx.square(reduce(x, "(h 2) w -> w h", "mean")))

    x = mx.array(X[0, :, :, 0])
    want = np.repeat(X[0, :, :, 0].reshape(2, 2, 8).mean(1), 2, 0)
    check(mx.grad(f)(x), want)
    check(mx.compile(f)(x), np.array(f(x)))
    check(
        mx.vmap(lambda v: rearrange(v, "h w c -> c (h w)"))(mx.array(X)),
        X.transpose(0, 3, 1, 2).reshape(6, 3, 32),
    )


@pytest.mark.parametrize(("call", "text"), [
    (lambda x: rearrange(x, "a b"), "expected one '->' in the pattern; got 'a b'"),
    (lambda x: rearrange(x, "a -> b -> a"), "expected one '->'"),
    (lambda x: rearrange(x, "a b -> a"), "every axis on the right, too; got 'b'"),
    (lambda x: rearrange(x, "a b -> a b c"), "every axis on the left, too; got 'c'"),
    (lambda x: rearrange(x, "a b -> a b b"), "each axis once on a side; got 'b' twice"),
    (lambda x: rearrange(x, "a a -> a"), "each axis once on a side; got 'a' twice"),
    (lambda x: rearrange(x, "(a b -> a b"), r"a '\)' for every '\('"),
    (lambda x: rearrange(x, "a b) -> a b"), r"names, numbers and \(...\) groups; got '\)'"),
    (lambda x: rearrange(x, "((a) b) -> a b"), r"groups; got '\('"),
    (lambda x: rearrange(x, "_a b -> b _a"), "groups; got '_a'"),
    (lambda x: rearrange(x, "a-b -> b a"), "groups; got '-'"),
    (lambda x: rearrange(x, "a 0 -> a"), "groups; got '0'"),
    (lambda x: rearrange(x, "a .. b -> a b"), "groups; got '.'"),
    (lambda x: rearrange(x, "(... a) b -> a b ..."), "'...' outside of parentheses on the left"),
    (lambda x: rearrange(x, "a b c -> a b c"), "expected 3 axes for 'a b c -> a b c'; got 2"),
    (lambda x: rearrange(x, "a b c ... -> a b c ..."), "expected at least 3 axes"),
    (lambda x: rearrange(x, "(a c) b -> a b c"), r"all axes but one in \(a c\)"),
    (lambda x: rearrange(x, "(a c) b -> a b c", a=5), r"a multiple of 5 elements for \(a c\)"),
    (lambda x: rearrange(x, "a 1 -> a"), r"expected 1 elements for \(1\)"),
    (lambda x: rearrange(x, "a b -> b a", z=3), "sizes of axes in 'a b -> b a'; got one for 'z'"),
    (lambda x: rearrange(x, "a b -> b a", a=-1), "a size for 'a'; got -1"),
    (lambda x: repeat(x, "a b -> a b c"), "a size for each new axis; got none for 'c'"),
    (lambda x: repeat(x, "a b -> a c", c=2), "every axis on the right, too; got 'b'"),
    (lambda x: reduce(x, "a b -> a", "median"), "a function or one of sum, mean"),
    (lambda x: reduce(x, "a b -> a c", "sum"), "every axis on the left, too; got 'c'"),
    (lambda x: einsum(x, "a b"), "expected one '->'"),
    (lambda x: einsum(x, x, "a b -> a"), "expected 1 arrays for 'a b -> a'; got 2"),
    (lambda x: einsum(x, "a b -> c"), "axes of the arrays behind '->'; got 'c'"),
    (lambda x: einsum(x, "(a b) -> a"), "names without parentheses"),
])  # fmt: skip
def test_a_bad_pattern_gets_one_sentence(call, text):
    with pytest.raises(ValueError, match=rf"^\[(rearrange|reduce|repeat|einsum)\] .*{text}"):
        call(mx.zeros((3, 4)))


def test_einsum_without_a_pattern_is_a_type_error():
    with pytest.raises(TypeError, match="expected arrays and then a pattern; got array last"):
        einsum(mx.zeros((2, 2)))
