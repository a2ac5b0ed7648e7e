"""Rows of the matrix products, and every transposition and size around the tiles' edges."""

import itertools

import numpy as np
import pytest

import olivine.core as mx
from tests.harness import COMPLEX, DTYPES, FLOATING, NUMBER, OpTests, Row
from tests.support import assert_close, assert_same, rounded, to_mx, to_np

INEXACT = FLOATING + COMPLEX
ALL = {"dtypes": INEXACT, "tol": 8, "span": 8}
PRODUCTS = tuple(
    (shapes, {})
    for shapes in (
        ((3, 4), (4, 5)),
        ((4,), (4,)),
        ((2, 3, 4), (4,)),
        ((4,), (2, 4, 3)),
        ((2, 1, 3, 4), (5, 4, 2)),
        ((2, 3, 0), (0, 4)),
        ((0, 3), (3, 4)),
        ((1, 700), (700, 513)),
        ((130, 257), (257, 67)),
        ((17, 6, 33), (33, 9)),
    )
)
VECTORS = ((((5,), (5,)), {}), (((2, 3), (4, 3)), {}), (((), (3,)), {}))


def addmm(c, a, b, alpha=1.0, beta=1.0):
    return alpha * (a @ b) + beta * c


def einsum(subscripts):
    return {
        "call": lambda *a: mx.einsum(subscripts, *a),
        "ref": lambda *a: np.einsum(subscripts, *a),
    }


def blocks(mask, size, shape):
    return np.kron(mask, np.ones((size, size)))[: shape[0], : shape[1]]


def masked(a, b, out, left, right, block_size=32):
    a = a * blocks(left, block_size, a.shape)
    b = b * blocks(right, block_size, b.shape)
    return (a @ b) * blocks(out, block_size, (a.shape[0], b.shape[1]))


def gather_mm(a, b, i, j):
    return np.stack([a[p] @ b[q] for p, q in zip(i, j, strict=True)])


def segmented(a, b):
    return np.stack([a[:, 0:2] @ b[0:2], a[:, 2:5] @ b[2:5], a[:, 5:5] @ b[5:5]])


def hadamard(x):
    """By the halves of Sylvester's matrix, [[H, H], [H, -H]]: the whole one may be huge."""

    def product(x):
        if x.shape[-1] == 1:
            return x
        a, b = (product(half) for half in np.split(x, 2, axis=-1))
        return np.concatenate([a + b, a - b], axis=-1)

    return product(x) / np.sqrt(x.shape[-1])


MASK = ("bool_", 0, 1)

ROWS = [
    Row("matmul", np.matmul, PRODUCTS, wrong="shape", **ALL),
    Row("addmm", addmm, (
        (((5,), (3, 4), (4, 5)), {}), (((3, 5), (3, 4), (4, 5)), {"alpha": 0.5, "beta": 2.0}),
        (((), (2, 3, 4), (4, 2)), {"beta": 0.0}), (((67,), (130, 257), (257, 67)), {})), **ALL),
    Row("addmm", addmm, (
        (((), (4,), (4,)), {"alpha": 0.5, "beta": 2.0}), (((5,), (4,), (4, 5)), {"beta": -1.0}),
        (((2, 1), (2, 3, 4), (4,)), {"alpha": 3.0}), (((), (4,), (2, 4, 3)), {})), **ALL),
    Row("inner", np.inner, VECTORS, **ALL),
    Row("outer", np.outer, ((((5,), (3,)), {}), (((2, 3), (4,)), {})), dtypes=NUMBER),
    Row("vecdot", lambda a, b, axis=-1: np.sum(np.conj(a) * b, axis), (
        (((5,), (5,)), {}), (((3, 4), (3, 4)), {"axis": 0}), (((2, 3, 4), (2, 1, 4)), {})), **ALL),
    Row("tensordot", np.tensordot, (
        (((2, 3, 4), (3, 4, 5)), {}), (((2, 3), (3, 4)), {"axes": 1}), (((2, 3), (4,)), {"axes": 0}),
        (((2, 3, 4), (4, 2, 5)), {"axes": [[0, 2], [1, 0]]})), **ALL),
    Row("kron", np.kron, ((((2, 3), (3, 2)), {}), (((3,), (2, 2)), {}), (((2, 2), ()), {})), dtypes=NUMBER),
    Row("einsum", cases=((((3, 4), (4, 5)), {}),), **einsum("ij,jk->ik"), **ALL),
    Row("block_masked_mm", masked, (
        (((64, 96), (96, 32), (2, 1), (2, 3), (3, 1)), {"block_size": 32}),), fixed={2: MASK, 3: MASK, 4: MASK},
        call=lambda a, b, o, m, n, block_size: mx.block_masked_mm(a, b, block_size, o, m, n), dtypes=("float32",),
        tol=20, span=20, rules="values layouts dtypes grad second jvp vmap compile"),
    Row("block_masked_mm", masked, (
        (((5, 3), (3, 4), (3, 2), (3, 2), (2, 2)), {"block_size": 2}),
        (((70, 40), (40, 33), (3, 2), (3, 2), (2, 2)), {"block_size": 32})), dtypes=FLOATING,
        call=lambda a, b, o, m, n, block_size: mx.block_masked_mm(a, b, block_size, o, m, n), tol=20, span=20,
        rules="values layouts dtypes grad second jvp vmap compile"),
    Row("gather_mm", gather_mm, ((((4, 2, 3), (5, 3, 2), (3,), (3,)), {}), (((4, 9, 33), (5, 33, 70), (6,), (6,)), {})),
        fixed={2: ("uint32", 0, 4), 3: ("uint32", 0, 5)}, dtypes=FLOATING, tol=8, span=8,
        rules="values layouts dtypes grad jvp second vmap compile errors"),
    Row("segmented_mm", segmented, ((((3, 6), (6, 2)), {}),), dtypes=FLOATING, tol=8, span=8,
        call=lambda a, b: mx.segmented_mm(a, b, mx.array([[0, 2], [2, 5], [5, 5]], dtype=mx.uint32)),
        rules="values layouts dtypes grad second jvp vmap compile"),
    Row("hadamard_transform", hadamard, ((((3, 8),), {}), (((2, 1),), {}), (((5, 512),), {}), (((3, 1 << 15),), {})), tol=8, span=1),
]  # fmt: skip


class TestMatmul(OpTests):
    rows = ROWS


@pytest.mark.parametrize("name", INEXACT)
def test_products_of_all_orders_and_edge_sizes(name):
    """Plain, transposed and strided operands; sizes below, at and past the kernels' tiles."""
    rng = np.random.default_rng(7)
    sizes = (1, 2, 5, 16, 33, 65) if name in ("float32", "bfloat16") else (1, 7, 34)
    for m, k, n in itertools.product(sizes, repeat=3):
        a, b = rounded(rng.uniform(-1, 1, (m, k)), name), rounded(rng.uniform(-1, 1, (k, n)), name)
        wide = np.complex128 if name in COMPLEX else np.float64
        want = rounded(a.astype(wide) @ b.astype(wide), name)
        left = (to_mx(a), mx.transpose(to_mx(a.T.copy())))
        right = (to_mx(b), mx.transpose(to_mx(b.T.copy())))
        for i, j in itertools.product(range(2), repeat=2):
            assert_close(left[i] @ right[j], want, name, 8, f"{m}x{k}x{n} {i}{j}", span=1)


@pytest.mark.parametrize("name", ["float16", "bfloat16", "float32"])
def test_long_products_accumulate_in_single_precision(name):
    rng = np.random.default_rng(8)
    a, b = (
        rounded(rng.uniform(0, 1, (3, 20000)), name),
        rounded(rng.uniform(0, 1, (20000, 2)), name),
    )
    want = rounded(a.astype(np.float64) @ b.astype(np.float64), name)
    assert_close(to_mx(a) @ to_mx(b), want, name, 1.5 if name != "float32" else 10, "long sum")


def test_rows_of_a_batch_do_not_depend_on_the_batch():
    """What one row gives alone it gives in any batch, whatever kernel the size selects."""
    rng = np.random.default_rng(9)
    for name in ("float32", "bfloat16"):
        a, b = (
            to_mx(rng.standard_normal((64, 300)), name),
            to_mx(rng.standard_normal((300, 48)), name),
        )
        whole = to_np(a @ b)
        again = to_np(a @ b)
        assert_same(whole, again, "the same product twice")
        stacked = to_np(mx.stack([a, a]) @ b)
        assert_same(stacked[0], stacked[1], "equal members of a batch")


def test_masks_of_bool_select_what_is_computed():
    """What a bool mask leaves out may be infinite; leading axes of masks are those of the operands."""
    rng = np.random.default_rng(3)
    a, b = rng.standard_normal((2, 70, 40)), rng.standard_normal((40, 33))
    left, out = rng.random((2, 3, 2)) < 0.5, rng.random((1, 3, 2)) < 0.5
    want = np.stack([masked(a[i], b, out[0], left[i], np.ones((2, 2))) for i in range(2)])
    for i, p, q in np.argwhere(~left):
        a[i, 32 * p : 32 * p + 32, 32 * q : 32 * q + 32] = np.nan
    got = mx.block_masked_mm(
        *(mx.array(x.astype(np.float32)) for x in (a, b)), 32, mx.array(out), mx.array(left)
    )
    assert_close(got, want.astype(np.float32), "float32", 20, span=20)
    assert_close(
        mx.block_masked_mm(mx.ones((3, 4)), mx.ones((4, 2))), np.full((3, 2), 4.0), "float32"
    )


def test_gathers_count_matrices_over_all_leading_axes():
    rng = np.random.default_rng(4)
    a, b = rng.standard_normal((2, 3, 1, 9)), rng.standard_normal((4, 9, 5))
    i, j = np.array([[5], [0], [-1]]), np.array([3, 3, 0, -4])
    got = mx.gather_mm(
        mx.array(a, dtype=mx.float64), mx.array(b, dtype=mx.float64), mx.array(i), mx.array(j)
    )
    assert_close(got, a.reshape(6, 1, 9)[i] @ b[j], "float64", 8, span=8)
    j = np.array([[0, 3, 3], [1, 0, 0]])
    got = mx.gather_mm(
        mx.array(a, dtype=mx.float64), mx.array(b, dtype=mx.float64), rhs_indices=mx.array(j)
    )
    assert_close(got, a @ b[j], "float64", 8, span=8)
    rows = mx.gather_mm(mx.array(a[0, 0, 0]), mx.array(b), mx.array([0]), mx.array([2]))
    assert rows.shape == (1, 5)


def test_gathered_gradients_add_up_where_indices_repeat():
    """Many tokens and few experts: sums over the tokens of each expert, and over a token's experts."""
    rng = np.random.default_rng(6)
    tokens, experts, inner, outer = 40, 3, 8, 6
    a, b = rng.standard_normal((tokens, 1, inner)), rng.standard_normal((experts, inner, outer))
    i, j = rng.integers(0, tokens, (50, 2)), rng.integers(0, experts, (50, 2))
    ct = rng.standard_normal((50, 2, 1, outer))
    args = [mx.array(x, dtype=mx.float64) for x in (a, b)]
    _, (da, db) = mx.vjp(
        lambda a, b: mx.gather_mm(a, b, mx.array(i), mx.array(j)),
        args,
        [mx.array(ct, dtype=mx.float64)],
    )
    want_a, want_b = np.zeros_like(a), np.zeros_like(b)
    np.add.at(want_a, i, ct @ np.swapaxes(b, 1, 2)[j])
    np.add.at(want_b, j, np.swapaxes(a, 1, 2)[i] @ ct)
    assert_close(da, want_a, "float64", 20, span=8)
    assert_close(db, want_b, "float64", 20, span=8)


def test_segments_may_overlap_and_have_leading_axes():
    rng = np.random.default_rng(5)
    a, b = rng.standard_normal((3, 6)), rng.standard_normal((6, 2))
    segments = np.array([[[0, 4], [2, 6]], [[6, 6], [5, 1]]])

    def fn(a, b):
        return mx.segmented_mm(a, b, mx.array(segments))

    args = [mx.array(x, dtype=mx.float64) for x in (a, b)]
    want = np.zeros((2, 2, 3, 2))
    want[0, 0], want[0, 1] = a[:, :4] @ b[:4], a[:, 2:] @ b[2:]
    assert_close(fn(*args), want, "float64", 8, span=8)
    _, (da, _) = mx.vjp(fn, args, [mx.ones((2, 2, 3, 2), dtype=mx.float64)])
    times = np.array([1, 1, 2, 2, 1, 1])
    assert_close(da, np.tile(b.sum(1) * times, (3, 1)), "float64", 8, span=8)


@pytest.mark.parametrize("m", [12, 20, 28])
def test_hadamard_matrices_of_other_orders(m):
    """Rows of one sign each, orthogonal; in Kronecker product with Sylvester's matrix."""
    first = np.array(mx.hadamard_transform(mx.eye(m), 1.0)).T
    assert set(np.unique(first)) == {-1, 1}
    np.testing.assert_array_equal(first @ first.T, m * np.eye(m))
    large = np.array(mx.hadamard_transform(mx.eye(4 * m), 1.0)).T
    h = np.array([[1, 1], [1, -1]])
    np.testing.assert_array_equal(large, np.kron(first, np.kron(h, h)))
    x, ct = np.random.default_rng(m).standard_normal((2, 3, 2 * m))
    two = np.kron(first, h) / np.sqrt(2 * m)
    out, (back,) = mx.vjp(
        mx.hadamard_transform, [mx.array(x, dtype=mx.float64)], [mx.array(ct, dtype=mx.float64)]
    )
    assert_close(out[0], x @ two.T, "float64", 20, span=8)
    assert_close(back, ct @ two, "float64", 20, span=8)  # of the transpose: these are not symmetric


BAD = [
    lambda: mx.addmm(mx.ones((2, 5)), mx.ones((4,)), mx.ones((4, 5))),
    lambda: mx.addmm(mx.ones((3,)), mx.ones((4,)), mx.ones((4,))),
    lambda: mx.addmm(mx.ones((3,)), mx.ones((2, 4)), mx.ones((4, 5))),
    lambda: mx.vecdot(mx.array(1.0), mx.array(2.0)),
    lambda: mx.vecdot(mx.ones((3,)), mx.ones((4,))),
    lambda: mx.tensordot(mx.ones((2, 3)), mx.ones((3, 2)), [[0, 1], [0]]),
    lambda: mx.block_masked_mm(mx.ones((4,)), mx.array(1.0)),
    lambda: mx.block_masked_mm(mx.ones((3, 4)), mx.ones((4, 3)), 2, mx.ones((2, 2), dtype=mx.complex64)),
    lambda: mx.segmented_mm(mx.ones((3, 4), dtype=mx.int32), mx.ones((4, 3), dtype=mx.int32), mx.array([[0, 1]])),
    lambda: mx.gather_mm(mx.ones((2, 3, 4)), mx.ones((2, 5, 4)), mx.array([0])),
    lambda: mx.gather_mm(mx.ones((2, 3, 4)), mx.ones((2, 4, 5)), mx.array([0.0])),
    lambda: mx.gather_mm(mx.ones((2, 3, 4)), mx.ones((2, 4, 5)), mx.array([0, 1]), mx.array([0, 1, 0])),
    lambda: mx.gather_mm(mx.ones((2, 3, 4), dtype=mx.int32), mx.ones((2, 4, 5), dtype=mx.int32), mx.array([0])),
    lambda: mx.gather_mm(mx.array(1.0), mx.ones((2, 4, 5)), mx.array([0])),
    lambda: mx.block_masked_mm(mx.ones((3, 4)), mx.ones((3, 4))),
    lambda: mx.block_masked_mm(mx.ones((3, 4)), mx.ones((4, 3)), 0),
    lambda: mx.block_masked_mm(mx.ones((3, 4)), mx.ones((4, 3)), 2, mx.ones((1, 2))),
    lambda: mx.block_masked_mm(mx.ones((3, 4)), mx.ones((4, 3)), 2, None, mx.ones((5, 2, 2))),
    lambda: mx.block_masked_mm(mx.ones((3, 4), dtype=mx.int32), mx.ones((4, 3), dtype=mx.int32)),
    lambda: mx.segmented_mm(mx.ones((3, 4)), mx.ones((4, 3)), mx.array([0, 1, 2])),
    lambda: mx.segmented_mm(mx.ones((3, 4)), mx.ones((4, 3)), mx.array([[0.0, 1.0]])),
    lambda: mx.segmented_mm(mx.ones((1, 3, 4)), mx.ones((4, 3)), mx.array([[0, 1]])),
    lambda: mx.segmented_mm(mx.ones((3, 4)), mx.ones((3, 4)), mx.array([[0, 1]])),
    lambda: mx.hadamard_transform(mx.ones((3, 6))),
    lambda: mx.hadamard_transform(mx.ones((3, 0))),
    lambda: mx.hadamard_transform(mx.array(1.0)),
    lambda: mx.hadamard_transform(mx.ones((2, 4), dtype=mx.complex64)),
]  # fmt: skip


@pytest.mark.parametrize("call", BAD, ids=range(len(BAD)))
def test_bad_arguments_are_refused(call):
    with pytest.raises(ValueError, match=r"^\[\w+\] "):
        mx.eval(call())


def test_indices_and_segments_out_of_range_are_refused():
    a, b = mx.ones((2, 3, 4)), mx.ones((5, 4, 6))
    for i, j in ((2, 0), (0, 5), (-3, 0), (0, -6), (2**40, 0)):
        with pytest.raises(IndexError, match=r"\[gather_mm\]"):
            mx.eval(mx.gather_mm(a, b, mx.array([i]), mx.array([j])))
    with pytest.raises(IndexError, match=r"\[gather_mm\]"):
        batch = mx.vmap(lambda a: mx.gather_mm(a, b, mx.array([2]), mx.array([0])))(
            mx.stack([a, a])
        )
        mx.eval(batch)
    for begin, end in ((0, 5), (-1, 2), (5, 5)):
        with pytest.raises(IndexError, match=r"\[segmented_mm\]"):
            mx.eval(mx.segmented_mm(mx.ones((3, 4)), mx.ones((4, 3)), mx.array([[begin, end]])))


@pytest.mark.parametrize("subscripts", [
    "ij,jk->ik", "ij,kj->ik", "bij,bjk->bik", "bhqd,bhkd->bhqk", "i,j->ij", "ii->i", "ii->", "ij->ji", "ij->", "i,i->",
    "bij,jk,kl->bil", "...ij,...jk->...ik", "ij,jk", "abc,cde->abde", "ij,ij->j", "ijk,k->ij"])  # fmt: skip
def test_einsum_agrees_with_numpy(subscripts):
    sizes = dict(zip("abcdehijklq", (2, 3, 4, 2, 3, 2, 4, 4, 3, 5, 6), strict=True))
    if "ii" in subscripts:
        sizes["i"] = 4
    terms = subscripts.split("->")[0].split(",")
    rng = np.random.default_rng(5)
    args = [
        rng.standard_normal([*([2] if "..." in t else []), *(sizes[c] for c in t.strip("."))])
        for t in terms
    ]
    args = [x.astype(np.float32) for x in args]
    want = np.einsum(subscripts, *(x.astype(np.float64) for x in args))
    assert_close(
        mx.einsum(subscripts, *map(mx.array, args)), want.astype(np.float32), "float32", 8, span=8
    )


def test_einsum_path_orders_contractions():
    path, text = mx.einsum_path(
        "ij,jk,kl->il", mx.ones((2, 300)), mx.ones((300, 4)), mx.ones((4, 5))
    )
    assert (
        sorted(i for pair in path for i in pair) == [0, 0, 1, 1]
        or sorted(i for pair in path for i in pair) == [0, 1, 1, 2]
        or len(path) == 2
    )
    assert isinstance(text, str)


@pytest.mark.parametrize("call", [
    lambda: mx.matmul(mx.ones((2, 3)), mx.ones((4, 3))),
    lambda: mx.matmul(mx.ones(()), mx.ones((3,))),
    lambda: mx.matmul(mx.ones((2, 2, 3)), mx.ones((3, 3, 2))),
    lambda: mx.ones((2, 3)) @ mx.ones((2, 3)),
], ids=range(4))  # fmt: skip
def test_products_of_unfit_shapes_are_refused(call):
    with pytest.raises(ValueError, match=r"\[matmul\]"):
        mx.eval(call())


def test_integer_products_are_refused_or_exact():
    for name in set(DTYPES) - set(INEXACT):
        a = to_mx(np.ones((2, 2)), name)
        try:
            out = a @ a
        except (ValueError, TypeError) as error:
            assert "[matmul]" in str(error)
        else:
            assert np.array(out).tolist() == [[2, 2], [2, 2]] or name == "bool_"


@pytest.mark.parametrize("subscripts", ["ii->i", "ii", "iij->ij", "jii,j->i"])
def test_a_diagonal_has_axes_of_one_size(subscripts):
    letters = subscripts.split("->")[0].split(",")
    sizes = {"i": 3, "j": 2}
    good = [
        np.arange(float(np.prod([sizes[c] for c in s]))).reshape([sizes[c] for c in s])
        for s in letters
    ]
    want = np.einsum(subscripts, *good)
    assert_close(mx.einsum(subscripts, *map(to_mx, good)), want, "float64", 4)
    narrow = [np.ones([1 if n == s.index("i") else sizes[c] for n, c in enumerate(s)]) if "i" in s else x
              for s, x in zip(letters, good, strict=True)]  # fmt: skip
    with pytest.raises(ValueError, match=r"\[einsum\] expected one size"):
        mx.einsum(subscripts, *map(to_mx, narrow))


@pytest.mark.parametrize("subscripts", ["ij,jk->iz", "ij", "ij,jk,kl->il", "i$->i", "ij,jk->ii"])
def test_malformed_einsums_are_refused(subscripts):
    if subscripts == "ij":
        with pytest.raises(ValueError, match=r"\[einsum"):
            mx.eval(mx.einsum(subscripts, mx.ones((3,))))
    else:
        with pytest.raises(ValueError, match=r"\[einsum"):
            mx.eval(mx.einsum(subscripts, mx.ones((3, 3)), mx.ones((3, 3))))


def test_einsum_path_is_numpys_greedy_one():
    for subscripts, *shapes in [("ij,jk,kl->il", (2, 3), (3, 4), (4, 5)), ("ab,bc,cd,de->ae", (9, 2), (2, 8), (8, 3), (3, 7)),
                                ("ij,jk", (2, 3), (3, 4)), ("ea,fb,abcd,gc,hd->efgh", (5, 4), (5, 4), (4,) * 4, (5, 4), (5, 4))]:  # fmt: skip
        want = np.einsum_path(subscripts, *map(np.ones, shapes), optimize="greedy")[0][1:]
        assert mx.einsum_path(subscripts, *map(mx.ones, shapes))[0] == want


def test_einsum_of_integers_is_exact_and_ones_broadcast():
    a = mx.arange(6).reshape(2, 3)
    assert mx.einsum("ij,kj->ik", a, a).tolist() == [[5, 14], [14, 50]]
    assert mx.einsum("ij,jk->ik", mx.ones((2, 3)), mx.ones((1, 4))).tolist() == [[3] * 4] * 2
    assert mx.einsum("ii", mx.arange(9.0).reshape(3, 3)).item() == 12
    g = mx.grad(lambda x: mx.einsum("ij,ij,j->", x, x, mx.ones(3)))(mx.ones((2, 3)))
    assert g.tolist() == [[2] * 3] * 2


@pytest.mark.parametrize("shape", [(), (4,), (3, 4), (3, 1)])
def test_addmm_is_batched_over_the_addend_alone(shape):
    rng = np.random.default_rng(5)
    c, a, b = (to_mx(rng.standard_normal(s)) for s in ((2, *shape), (3, 5), (5, 4)))
    f = lambda c: mx.addmm(c, a, b, alpha=0.5, beta=2.0)  # noqa: E731
    want = np.stack([0.5 * to_np(a) @ to_np(b) + 2 * x for x in to_np(c)])
    assert_close(mx.vmap(f)(c), want, "float64")
    assert_close(mx.vmap(f, in_axes=-1)(mx.moveaxis(c, 0, -1)), want, "float64")


def test_tensordot_refuses_axes_of_a_buffer_with_several_axes():
    a = mx.ones((5,))
    with pytest.raises(TypeError, match="a pair of lists of int for axes; got memoryview"):
        mx.tensordot(a, a, memoryview(bytes(24)).cast("i", (2, 3)))


@pytest.mark.parametrize("dtype", [mx.float32, mx.bfloat16])
def test_a_vector_whose_size_in_bytes_overflows_is_refused(dtype):
    x = mx.broadcast_to(mx.array(1, dtype), (2**62,))
    with pytest.raises(MemoryError, match="does not fit"):
        mx.eval(x @ x)


@pytest.mark.parametrize("m", [1, 2, 3, 4, 5, 6, 13, 17])
@pytest.mark.parametrize("k", [386, 516, 774, 1032])
def test_a_few_rows_times_a_transposed_matrix_in_blocks(m, k):
    # Blocks along k are packed by different threads.
    rng = np.random.default_rng(m)
    a, b = (rng.standard_normal(s).astype(np.float32) for s in ((m, k), (1500, k)))
    want = a.astype(np.float64) @ b.T.astype(np.float64)
    for _ in range(5):
        assert np.abs(to_np(to_mx(a) @ to_mx(b).T) - want).max() < 1e-6 * k
