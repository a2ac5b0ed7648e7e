"""Sparse products and structures: rows of the ops, degenerate shapes, bad arguments, threads."""

import numpy as np
import pytest

import olivine.core as mx
from tests.harness import INEXACT, OpTests, Row
from tests.support import assert_close, rounded, run_python, to_mx, to_np

# 4 x 6 with an empty row, columns out of order and one place twice.
INDICES = np.array([4, 0, 3, 5, 1, 5, 2, 2])
INDPTR = np.array([0, 2, 2, 5, 8])
ROWS_OF = np.repeat(np.arange(4), np.diff(INDPTR))
# The product of a 4 x 6 and a 6 x 5 matrix.
INDICES_B, INDPTR_B = np.array([0, 3, 1, 4, 2, 0, 1]), np.array([0, 2, 3, 4, 5, 5, 7])
PATTERN = np.array([0, 3, 0, 1, 1, 4, 2])
PATTERN_PTR = np.array([0, 2, 2, 5, 7])


def index(x, dtype=None):
    return mx.array(x, dtype=dtype or mx.int32)


def dense_of(data, indices=INDICES, indptr=INDPTR, columns=6):
    """The matrix as NumPy has it; blocks are put where their indices say."""
    blocks = data if data.ndim == 3 else data[:, None, None]
    _, r, c = blocks.shape
    out = np.zeros((r * (len(indptr) - 1), c * columns), data.dtype)
    for row in range(len(indptr) - 1):
        for p in range(indptr[row], indptr[row + 1]):
            column = indices[p] * c
            out[row * r : (row + 1) * r, column : column + c] += blocks[p]
    return out


def sampled(a, b, r=1, c=1):
    full = a @ b.T if a.ndim == 2 else np.outer(a, b)
    blocks = [
        full[i * r : (i + 1) * r, j * c : (j + 1) * c]
        for i, j in zip(ROWS_OF, INDICES, strict=True)
    ]
    return np.stack(blocks) if r * c > 1 else np.stack(blocks)[:, 0, 0]


def sparse_product(x, y):
    full = dense_of(x) @ dense_of(y, INDICES_B, INDPTR_B, 5)
    return full[np.repeat(np.arange(4), np.diff(PATTERN_PTR)), PATTERN]


RULES = "values layouts dtypes grad jvp second vmap compile"
ALL = {"dtypes": INEXACT, "rules": RULES, "tol": 8, "span": 16}

ROWS = [
    Row("csr_matmul", lambda d, x: dense_of(d) @ x, (
        (((8,), (6, 5)), {}), (((8,), (6,)), {}), (((8, 2, 3), (18, 4)), {}),
        (((8,), (6, 200)), {}), (((8, 5, 1), (6, 17)), {}), (((8, 2, 2), (12,)), {})),
        call=lambda d, x: mx.csr_matmul(d, index(INDICES), index(INDPTR), x), **ALL),
    Row("csr_matmul_transposed", lambda d, x: dense_of(d).T @ x, (
        (((8,), (4, 5)), {}), (((8,), (4,)), {}), (((8, 2, 3), (8, 4)), {}),
        (((8,), (4, 200)), {})),
        call=lambda d, x: mx.csr_matmul_transposed(
            d, index(INDICES), index(INDPTR, mx.int64), x, 6 * (d.shape[2] if d.ndim == 3 else 1)),
        **ALL),
    Row("sampled_matmul", sampled, (
        (((4, 5), (6, 5)), {}), (((4,), (6,)), {}), (((4, 70), (6, 70)), {}),
        (((8, 3), (18, 3)), {"r": 2, "c": 3})),
        call=lambda a, b, r=1, c=1: mx.sampled_matmul(a, b, index(INDICES), index(INDPTR), r, c),
        **ALL),
    Row("csr_csr_matmul", sparse_product, ((((8,), (7,)), {}),),
        call=lambda x, y: mx.csr_csr_matmul(
            x, index(INDICES), index(INDPTR), y, index(INDICES_B), index(INDPTR_B), index(PATTERN),
            index(PATTERN_PTR), 5), **ALL),
]  # fmt: skip


class TestSparse(OpTests):
    rows = ROWS


def random_structure(rng, rows, columns, nnz):
    indptr = np.sort(np.append(rng.integers(0, nnz + 1, rows - 1), [0, nnz]))
    return rng.integers(0, columns, nnz), indptr


@pytest.mark.parametrize("name", INEXACT)
@pytest.mark.parametrize("n", [1, 2, 3, 8, 15, 64, 100])
def test_products_of_all_widths(name, n):
    """Below, at and past a vector and a strip; rows of 0 to hundreds of nonzeros."""
    rng = np.random.default_rng(n)
    indices, indptr = random_structure(rng, 37, 53, 900)
    data, x, y = (rounded(rng.uniform(-1, 1, shape), name) for shape in ((900,), (53, n), (37, n)))
    wide = np.complex128 if "complex" in name else np.float64
    full = dense_of(data.astype(wide), indices, indptr, 53)
    args = (to_mx(data), index(indices), index(indptr))
    want = rounded(full @ x.astype(wide), name)
    assert_close(mx.csr_matmul(*args, to_mx(x)), want, name, 16, span=16)
    want = rounded(full.T @ y.astype(wide), name)
    assert_close(mx.csr_matmul_transposed(*args, to_mx(y), 53), want, name, 16, span=16)
    rows = np.repeat(np.arange(37), np.diff(indptr))
    want = rounded((y.astype(wide)[rows] * x.astype(wide)[indices]).sum(1), name)
    got = mx.sampled_matmul(to_mx(y), to_mx(x), *args[1:])
    assert_close(got, want, name, 16, span=16)


def rows_of_all_lengths(rng, columns):
    """Indices and indptr: 0 to 80 nonzeros in any order, then thousands, then one at a time."""
    lengths = np.concatenate([rng.permutation(81), [0, 3000, 0], np.ones(200, int), [70, 0]])
    indptr = np.append(0, lengths.cumsum())
    return rng.integers(0, columns, indptr[-1]), indptr


@pytest.mark.parametrize("name", ["float16", "bfloat16", "float32", "float64"])
def test_vectors_times_rows_of_all_lengths(name):
    """Both products and their gradients; columns repeat within rows."""
    rng = np.random.default_rng(7)
    indices, indptr = rows_of_all_lengths(rng, 90)
    rows = len(indptr) - 1
    row_of = np.repeat(np.arange(rows), np.diff(indptr))
    data, x, y = (rounded(rng.uniform(-1, 1, n), name) for n in (indices.size, 90, rows))
    full = dense_of(data.astype(np.float64), indices, indptr, 90)
    structure, span = (index(indices), index(indptr)), 64

    def product(data, x):
        return mx.csr_matmul(data, *structure, x)

    def transposed(data, y):
        return mx.csr_matmul_transposed(data, *structure, y, 90)

    at_data = rounded(y.astype(np.float64)[row_of] * x.astype(np.float64)[indices], name)
    for call, dense, ct, matrix in ((product, x, y, full), (transposed, y, x, full.T)):
        (got,), gradients = mx.vjp(call, [to_mx(data), to_mx(dense)], [to_mx(ct)])
        assert_close(got, rounded(matrix @ dense.astype(np.float64), name), name, 16, span=span)
        assert_close(gradients[0], at_data, name, 16, span=1)
        want = rounded(matrix.T @ ct.astype(np.float64), name)
        assert_close(gradients[1], want, name, 16, span=span)


@pytest.mark.parametrize("name", ["float16", "float32", "float64", "complex64"])
@pytest.mark.parametrize("block", [(16, 16), (5, 9), (3, 20), (1, 33), (7, 1)])
@pytest.mark.parametrize("n", [1, 6, 40, 70])
def test_blocks_of_all_shapes(name, block, n):
    """Below, at and past what is computed together: four rows, a vector of columns, a strip."""
    rng = np.random.default_rng(n)
    (r, c), wide = block, np.complex128 if "complex" in name else np.float64
    data, x, y = (
        rounded(rng.uniform(-1, 1, shape), name) for shape in ((8, r, c), (6 * c, n), (4 * r, n))
    )
    full = dense_of(data.astype(wide))
    args = (to_mx(data), index(INDICES), index(INDPTR))
    for dense, transposed in ((x, False), (y, True)):
        dense = dense[:, 0] if n == 1 else dense
        want = rounded((full.T if transposed else full) @ dense.astype(wide), name)
        if transposed:
            got = mx.csr_matmul_transposed(*args, to_mx(dense), 6 * c)
        else:
            got = mx.csr_matmul(*args, to_mx(dense))
        assert_close(got, want, name, 32, span=16)


@pytest.mark.parametrize("n", [1, 40, 100])
def test_rows_of_few_nonzeros_and_many_columns(n):
    """Matrices that read less of the dense one than it would take to rearrange it."""
    rng = np.random.default_rng(3)
    indices, indptr = random_structure(rng, 40, 500, 60)
    data = rng.standard_normal(60).astype(np.float32)
    full = dense_of(data, indices, indptr, 500)
    x = rng.standard_normal((500, n)).astype(np.float32)
    y = rng.standard_normal((40, n)).astype(np.float32)
    args = (to_mx(data), index(indices), index(indptr))
    assert_close(mx.csr_matmul(*args, to_mx(x)), full @ x, "float32", 64, span=16)
    got = mx.csr_matmul_transposed(*args, to_mx(y), 500)
    assert_close(got, full.T @ y, "float32", 64, span=16)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint32", "int64", "uint64"])
def test_indices_of_any_integer_dtype(dtype):
    data = np.arange(8, dtype=np.float32)
    x = np.eye(6, dtype=np.float32)
    t = getattr(mx, dtype)
    got = mx.csr_matmul(to_mx(data), index(INDICES, t), index(INDPTR, t), to_mx(x))
    np.testing.assert_array_equal(to_np(got), dense_of(data))


def test_the_transposed_structure_is_sorted_by_columns():
    order, indices, indptr = (to_np(x) for x in mx.csr_transpose(index(INDICES), index(INDPTR), 6))
    np.testing.assert_array_equal(order, np.argsort(INDICES, kind="stable"))
    np.testing.assert_array_equal(indices, ROWS_OF[order])
    np.testing.assert_array_equal(indptr, np.searchsorted(np.sort(INDICES), np.arange(7)))


def test_long_rows_are_transposed_in_slices():
    """Each slice of the nonzeros, which may begin inside a row, keeps their order."""
    rng = np.random.default_rng(4)
    for indices in (rng.integers(0, 50, 300_000), np.sort(rng.integers(0, 50, 300_000))):
        indptr = np.array([0, 0, 299_000, 299_000, 299_500, 300_000])
        got = mx.csr_transpose(index(indices), index(indptr), 50)
        order, rows, starts = (to_np(x) for x in got)
        np.testing.assert_array_equal(order, np.argsort(indices, kind="stable"))
        np.testing.assert_array_equal(rows, np.searchsorted(indptr, order, side="right") - 1)
        np.testing.assert_array_equal(starts, np.searchsorted(np.sort(indices), np.arange(51)))


@pytest.mark.parametrize("columns", [5, 4000])
def test_the_pattern_of_a_product_is_that_of_the_dense_one(columns):
    """Rows with many products for their width, which are marked, and with few, which are sorted."""
    rng = np.random.default_rng(columns)
    a = random_structure(rng, 30, 20, 80)
    b = random_structure(rng, 20, columns, 70)
    indices, indptr = mx.csr_pattern(*(index(x) for x in (*a, *b)), columns)
    full = dense_of(np.ones(80), *a, 20) @ dense_of(np.ones(70), *b, columns)
    rows, want = np.nonzero(full)
    np.testing.assert_array_equal(to_np(indices), want)
    np.testing.assert_array_equal(to_np(indptr), np.searchsorted(rows, np.arange(31)))
    bounded, _ = mx.csr_pattern(*(index(x) for x in (*a, *b)), columns, want.size + 7)
    np.testing.assert_array_equal(to_np(bounded), np.append(want, np.zeros(7)))
    with pytest.raises(ValueError, match=rf"\[csr_pattern\] expected at most 3 .* got {want.size}"):
        mx.eval(mx.csr_pattern(*(index(x) for x in (*a, *b)), columns, 3))


def test_padding_is_read_by_nobody():
    """Nonzeros past indptr[-1], with indices out of range."""
    data, indices = np.append(np.arange(8.0), [np.nan] * 3), np.append(INDICES, [-5, 99, 7])
    args = (mx.array(data, dtype=mx.float32), index(indices, mx.int64), index(INDPTR))
    x = np.eye(6, dtype=np.float32)
    np.testing.assert_array_equal(to_np(mx.csr_matmul(*args, to_mx(x))), dense_of(data[:8]))
    t = mx.csr_matmul_transposed(*args, mx.eye(4), 6)
    np.testing.assert_array_equal(to_np(t), dense_of(data[:8]).T)
    got = mx.sampled_matmul(mx.ones((4, 2)), mx.ones((6, 2)), *args[1:])
    np.testing.assert_array_equal(to_np(got), [2] * 8 + [0] * 3)
    order, _, _ = mx.csr_transpose(*args[1:], 6)
    np.testing.assert_array_equal(to_np(order)[8:], [8, 9, 10])


@pytest.mark.parametrize("rows, columns, nnz", [(0, 4, 0), (4, 0, 0), (3, 4, 0), (0, 0, 0)])
def test_empty_matrices(rows, columns, nnz):
    structure = (index(np.zeros(nnz)), index(np.zeros(rows + 1)))
    data = mx.zeros((nnz,))
    np.testing.assert_array_equal(
        to_np(mx.csr_matmul(data, *structure, mx.ones((columns, 3)))), np.zeros((rows, 3))
    )
    np.testing.assert_array_equal(
        to_np(mx.csr_matmul_transposed(data, *structure, mx.ones((rows,)), columns)),
        np.zeros(columns),
    )
    assert mx.sampled_matmul(mx.ones((rows, 2)), mx.ones((columns, 2)), *structure).shape == (nnz,)
    assert [x.shape for x in mx.csr_transpose(*structure, columns)] == [
        (nnz,),
        (nnz,),
        (columns + 1,),
    ]


HASHES = """
import hashlib
import numpy as np
import olivine.core as mx

rng = np.random.default_rng(3)
indptr = np.sort(np.append(rng.integers(0, 200_001, 2999), [0, 200_000]))
structure = (mx.array(rng.integers(0, 700, 200_000), dtype=mx.int32), mx.array(indptr))
data = mx.array(rng.standard_normal(200_000), dtype=mx.float32)
x, y = (mx.array(rng.standard_normal((n, 70)), dtype=mx.float32) for n in (700, 3000))
turned = mx.csr_transpose(*structure, 700)
pattern = mx.csr_pattern(*structure, *turned[1:], 3000)
def product(a):
    return mx.csr_csr_matmul(a, *structure, a[turned[0]], *turned[1:], *pattern, 3000)
results = [
    mx.csr_matmul(data, *structure, x), mx.csr_matmul(data, *structure, x[:, 0]),
    mx.csr_matmul_transposed(data, *structure, y, 700),
    mx.csr_matmul_transposed(data, *structure, y[:, 0], 700),
    mx.sampled_matmul(y, x, *structure), pattern[0], product(data),
    mx.grad(lambda a: mx.sum(product(a)))(data),
]
print(*(hashlib.sha256(np.array(r).tobytes()).hexdigest() for r in results))
"""


def test_results_do_not_depend_on_the_number_of_threads():
    one, two, five = (run_python(HASHES, {"OLIVINE_NUM_THREADS": n}).stdout for n in "125")
    assert one and one == two == five


def test_vmap_over_every_operand():
    """Each alone, nested, and all together, against a loop."""
    rng = np.random.default_rng(5)
    data = mx.array(rng.standard_normal((3, 8)), dtype=mx.float32)
    x = mx.array(rng.standard_normal((3, 6, 2)), dtype=mx.float32)
    indices = mx.array(np.stack([INDICES, INDICES[::-1], (INDICES + 1) % 6]), dtype=mx.int32)
    indptr = mx.array([[0, 2, 2, 5, 8], [0, 0, 4, 4, 8], [0, 1, 2, 3, 8]], dtype=mx.int32)
    args = [data, indices, indptr, x]
    for axes in (
        (0, None, None, None),
        (None, 0, None, None),
        (None, None, 0, 0),
        (0, 0, 0, 0),
        (None, None, None, 0),
    ):
        given = [a if axis == 0 else a[0] for a, axis in zip(args, axes, strict=True)]
        got = mx.vmap(mx.csr_matmul, in_axes=axes)(*given)
        for i in range(3):
            want = mx.csr_matmul(
                *(a[i] if axis == 0 else a for a, axis in zip(given, axes, strict=True))
            )
            np.testing.assert_allclose(to_np(got[i]), to_np(want), rtol=1e-6)
    nested = mx.vmap(
        mx.vmap(mx.csr_matmul, in_axes=(None, None, None, 0)), in_axes=(0, None, None, None)
    )
    got = nested(data, indices[0], indptr[0], x)
    for i in range(3):
        for j in range(3):
            want = mx.csr_matmul(data[i], indices[0], indptr[0], x[j])
            np.testing.assert_allclose(to_np(got[i, j]), to_np(want), rtol=1e-6)


ONE, TWO = mx.ones((8,)), mx.ones((6, 2))
BAD = [
    lambda i, p: mx.csr_matmul(mx.ones((7,)), i, p, TWO),
    lambda i, p: mx.csr_matmul(mx.ones((8, 2)), i, p, TWO),
    lambda i, p: mx.csr_matmul(mx.ones((8, 0, 2)), i, p, TWO),
    lambda i, p: mx.csr_matmul(ONE, i.astype(mx.float32), p, TWO),
    lambda i, p: mx.csr_matmul(ONE, i, p[None], TWO),
    lambda i, p: mx.csr_matmul(ONE, i, p[:0], TWO),
    lambda i, p: mx.csr_matmul(ONE, i, p, mx.ones((1, 6, 2))),
    lambda i, p: mx.csr_matmul(mx.ones((8, 2, 4)), i, p, TWO),
    lambda i, p: mx.csr_matmul(ONE.astype(mx.int32), i, p, TWO.astype(mx.int32)),
    lambda i, p: mx.csr_matmul(ONE, i, p[::-1], TWO),
    lambda i, p: mx.csr_matmul(ONE, i, p + 1, TWO),
    lambda i, p: mx.csr_matmul(ONE, i, p - 1, TWO),
    lambda i, p: mx.csr_matmul_transposed(ONE, i, p, mx.ones((3, 2)), 6),
    lambda i, p: mx.csr_matmul_transposed(ONE, i, p, mx.ones((4, 2)), -1),
    lambda i, p: mx.sampled_matmul(mx.ones((4, 2)), mx.ones((6, 3)), i, p),
    lambda i, p: mx.sampled_matmul(mx.ones((5, 2)), mx.ones((6, 2)), i, p),
    lambda i, p: mx.sampled_matmul(mx.ones((4, 2)), mx.ones((6, 2)), i, p, 0),
    lambda i, p: mx.csr_transpose(i, p, -1),
    lambda i, p: mx.csr_pattern(i, p, i, p, -1),
    lambda i, p: mx.csr_pattern(i, p, i, p, 6, -1),
    lambda i, p: mx.csr_csr_matmul(ONE[:3], i, p, ONE, i, p, i, p, 6),
    lambda i, p: mx.csr_csr_matmul(ONE, i, p, ONE, i, p, i, p[:3], 6),
    lambda i, p: mx.csr_csr_matmul(ONE.astype(mx.int32), i, p, ONE.astype(mx.int32), i, p, i, p, 6),
]  # fmt: skip


@pytest.mark.parametrize("call", BAD, ids=range(len(BAD)))
def test_bad_arguments_are_refused(call):
    with pytest.raises(ValueError, match=r"^\[\w+\] "):
        mx.eval(call(index(INDICES), index(INDPTR)))


@pytest.mark.parametrize("wrong", [-1, 6, 2**31 - 1])
@pytest.mark.parametrize("dtype", [mx.int32, mx.int64])
def test_an_index_out_of_range_is_an_error(wrong, dtype):
    indices = index(np.append(INDICES[:7], wrong), dtype)
    structure = (indices, index(INDPTR))
    calls = [
        lambda: mx.csr_matmul(ONE, *structure, TWO),
        lambda: mx.csr_matmul(ONE, *structure, TWO[:, 0]),
        lambda: mx.csr_matmul_transposed(ONE, *structure, mx.ones((4,)), 6),
        lambda: mx.csr_matmul_transposed(ONE, *structure, mx.ones((4, 9)), 6),
        lambda: mx.sampled_matmul(mx.ones((4, 2)), TWO, *structure),
        lambda: mx.csr_transpose(*structure, 6),
    ]
    for call in calls:
        with pytest.raises(IndexError, match=rf"expected indices in \[0, 6\); got {wrong}"):
            mx.eval(call())


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_an_index_out_of_range_is_found_wherever_it_is(dtype):
    """Indices are checked ahead of the rows that use them: early, late, in short and long rows."""
    rng = np.random.default_rng(8)
    indices, indptr = rows_of_all_lengths(rng, 90)
    data, x, y = (mx.ones((n,), getattr(mx, dtype)) for n in (indices.size, 90, len(indptr) - 1))
    last = indices.size - 1
    for place in (0, 1, 63, 64, 65, 200, 1000, 3300, 6000, 6400, last - 270, last - 1, last):
        for wrong in (-1, 90):
            changed = indices.copy()
            changed[place] = wrong
            structure = (index(changed), index(indptr))
            for call in (
                lambda s: mx.csr_matmul(data, *s, x),
                lambda s: mx.csr_matmul_transposed(data, *s, y, 90),
            ):
                with pytest.raises(IndexError, match=rf"in \[0, 90\); got {wrong}"):
                    mx.eval(call(structure))
