"""COO, CSR and BSR against NumPy and SciPy: construction, conversion, arithmetic, reductions."""

import copy
import pickle

import numpy as np
import pytest

import olivine.core as mx
from olivine import sparse
from olivine.utils import tree_flatten, tree_map
from tests.support import to_np

RNG = np.random.default_rng(11)
KINDS = ("coo", "csr", "bsr")


def matrix(shape=(6, 8), density=0.3, seed=0, dtype=np.float32):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(shape) * (rng.random(shape) < density)
    x[2 % shape[0]] = 0
    return x.astype(dtype)


def of_kind(x, kind):
    csr = sparse.from_dense(mx.array(x))
    return {"coo": csr.to_coo, "csr": lambda: csr, "bsr": lambda: csr.to_bsr((2, 4))}[kind]()


def same(got, want, **kwargs):
    got = got.to_dense() if isinstance(got, sparse.Sparse) else got
    np.testing.assert_allclose(to_np(got), want, rtol=1e-5, atol=1e-6, **kwargs)


@pytest.mark.parametrize("kind", KINDS)
def test_conversions_and_views_keep_the_matrix(kind):
    x = matrix()
    a = of_kind(x, kind)
    assert a.shape == (6, 8) and a.ndim == 2 and a.dtype == mx.float32
    for b in (a, a.to_coo(), a.to_csr(), a.to_bsr((3, 2)), a.to_coo().to_bsr((1, 8))):
        assert b.shape == x.shape
        same(b, x)
    same(a.T, x.T)
    same(a.T.T, x)
    np.testing.assert_array_equal(np.asarray(a), x)
    for b in (copy.deepcopy(a), pickle.loads(pickle.dumps(a))):
        assert type(b) is type(a)
        same(b, x)
    assert "shape=(6, 8)" in repr(a) and repr(a).startswith(kind.upper())


@pytest.mark.parametrize("kind", KINDS)
def test_products_are_those_of_the_dense_matrices(kind):
    x, y = matrix(), matrix((8, 6), seed=1)
    a = of_kind(x, kind)
    for shape in ((8,), (8, 3), (8, 70)):
        v = RNG.standard_normal(shape).astype(np.float32)
        same(a @ mx.array(v), x @ v)
        same(a @ v, x @ v)
        same(mx.array(v.T) @ a.T, v.T @ x.T)
    v = RNG.standard_normal((5, 6)).astype(np.float32)
    same(mx.array(v) @ a, v @ x)
    same(mx.array(v[0]) @ a, v[0] @ x)
    for other in KINDS if y.shape[1] % 4 == 0 else ("coo", "csr"):
        product = a @ of_kind(y, other)
        assert isinstance(product, sparse.CSR) and product.shape == (6, 6)
        same(product, x @ y)


@pytest.mark.parametrize("kind", KINDS)
def test_arithmetic(kind):
    x, y = matrix(), matrix(seed=4)
    a, b = of_kind(x, kind), of_kind(y, "csr")
    d = RNG.standard_normal((6, 8)).astype(np.float32)
    same(a * 3, 3 * x)
    same(2.5 * a, 2.5 * x)
    same(a * mx.array(2.0), 2 * x)
    same(a / 4, x / 4)
    same(-a, -x)
    same(abs(a), abs(x))
    same(a + b, x + y)
    same(a - b, x - y)
    same(a * b, x * y)
    same(a * mx.array(d), x * d)
    same(mx.array(d[0]) * a, x * d[0])
    same(a / mx.array(d), x / d)
    same(a + mx.array(d), x + d)
    same(mx.array(d) - a, d - x)
    if kind != "bsr":  # whose blocks store zeros
        assert (a + b).nnz == np.count_nonzero((x != 0) | (y != 0))
    with pytest.raises(TypeError):
        a + 1
    with pytest.raises(ValueError, match=r"\[sparse\] expected matrices of one shape; got"):
        a + sparse.eye(3)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("axis", [None, 0, 1, -1])
def test_reductions(kind, axis):
    x = matrix()
    x[:, 0] = -np.abs(x[:, 0]) - 1  # a column without zeros, of negative elements
    a = of_kind(x, kind)
    same(a.sum(axis), x.sum(axis))
    same(a.mean(axis), x.mean(axis))
    same(a.max(axis), x.max(axis))
    same(a.min(axis), x.min(axis))
    whole = of_kind((4 * x).astype(np.int32), "csr")
    same(whole.sum(axis), (4 * x).astype(np.int32).sum(axis))


def test_softmax_runs_over_the_nonzeros_of_each_row():
    x = matrix()
    want = np.where(x != 0, np.exp(x), 0)
    want /= np.maximum(want.sum(1, keepdims=True), 1e-30)
    same(sparse.softmax(of_kind(x, "csr")), want)
    assert np.isfinite(to_np(of_kind(1000 * x, "csr").softmax().data)).all()


def test_duplicates_add_up():
    a = sparse.COO([1.0, 2.0, 4.0, 8.0], [1, 0, 1, 1], [2, 0, 2, 0], (2, 3))
    want = np.array([[2, 0, 0], [8, 0, 5]])
    same(a, want)
    once = a.coalesce()
    assert once.nnz == 3
    np.testing.assert_array_equal(to_np(once.rows), [0, 1, 1])
    np.testing.assert_array_equal(to_np(once.columns), [0, 0, 2])
    same(a.to_csr(), want)
    same(a @ mx.eye(3), want)
    same(a.coalesce(nnz=6), want)
    with pytest.raises(ValueError, match=r"\[coalesce\] expected at most 2 nonzeros; got 3"):
        a.coalesce(nnz=2)


@pytest.mark.parametrize("shape", [(7,), (7, 3), (7, 40)])
def test_coo_of_any_order_multiplies_as_it_is(shape):
    rng = np.random.default_rng(6)
    rows, columns = rng.integers(0, 5, 60), rng.integers(0, 7, 60)
    data = rng.standard_normal(60).astype(np.float32)
    full = np.zeros((5, 7), np.float32)
    np.add.at(full, (rows, columns), data)
    x = rng.standard_normal(shape).astype(np.float32)
    a = sparse.COO(data, rows, columns, (5, 7))
    same(a @ mx.array(x), full @ x)
    order = np.argsort(rows)
    same(sparse.COO(data[order], rows[order], columns[order], (5, 7)) @ mx.array(x), full @ x)
    same(mx.compile(lambda a, x: a @ x)(a, mx.array(x)), full @ x)
    same(a.T @ mx.ones((5, 2)), full.T @ np.ones((5, 2)))
    gradient = mx.grad(lambda d: mx.sum(a.with_data(d) @ mx.array(x)))(a.data)
    want = x.reshape(7, -1).sum(1)[columns]
    np.testing.assert_allclose(to_np(gradient), want, rtol=1e-5, atol=1e-5)
    with pytest.raises(IndexError, match=r"expected indices in \[0, 5\); got 5"):
        mx.eval(sparse.COO.of((5, 7), a.data, a.rows + 1, a.columns) @ mx.array(x))
    with pytest.raises(IndexError, match=r"expected indices in \[0, 5\); got 5"):
        mx.eval(sparse.COO.of((5, 7), a.data, mx.sort(a.rows) + 1, a.columns) @ mx.array(x))


def test_rows_are_sliced():
    x = matrix()
    a = of_kind(x, "csr")
    same(a[1:4], x[1:4])
    same(a[-2:], x[-2:])
    assert a[4:2].shape == (0, 8)
    with pytest.raises(ValueError, match="step 1"):
        a[::2]


def test_makers():
    same(sparse.eye(3), np.eye(3))
    same(sparse.eye(2, 5), np.eye(2, 5))
    same(sparse.eye(5, 2), np.eye(5, 2))
    for k in (-2, 0, 1):
        same(sparse.diag(mx.array([1.0, 2.0, 3.0]), k), np.diag([1, 2, 3], k))
    x, y = matrix(), matrix(seed=2)
    a, b = of_kind(x, "csr"), of_kind(y, "coo")
    same(sparse.concatenate([a, b]), np.concatenate([x, y]))
    same(sparse.concatenate([a, b], 1), np.concatenate([x, y], 1))
    for density in (0.01, 0.4):
        r = sparse.random((50, 40), density, key=mx.random.key(3))
        assert r.nnz == round(density * 2000)
        places = to_np(r.rows).astype(int) * 40 + to_np(r.columns)
        assert np.unique(places).size == r.nnz
        again = sparse.random((50, 40), density, key=mx.random.key(3))
        np.testing.assert_array_equal(to_np(r.data), to_np(again.data))
        np.testing.assert_array_equal(to_np(r.columns), to_np(again.columns))
    pattern = sparse.sampled_matmul(a, mx.ones((6, 3)), mx.ones((8, 3)))
    same(pattern, 3 * (x != 0))
    blocks = sparse.sampled_matmul(of_kind(x, "bsr"), mx.ones((6, 3)), mx.ones((8, 3)))
    assert isinstance(blocks, sparse.BSR) and (to_np(blocks.data) == 3).all()


def test_scipy_there_and_back():
    scipy = pytest.importorskip("scipy.sparse")
    x = matrix()
    for form in ("csr", "coo", "csc", "bsr"):
        theirs = scipy.csr_array(x).asformat(form)
        ours = sparse.from_scipy(theirs)
        same(ours, x)
        np.testing.assert_array_equal(ours.to_scipy().toarray(), x)


BAD = [
    (IndexError, lambda: sparse.COO([1.0], [2], [0], (2, 3)), r"rows in \[0, 2\); got 2"),
    (IndexError, lambda: sparse.COO([1.0], [0], [-1], (2, 3)), r"columns in \[0, 3\); got -1"),
    (ValueError, lambda: sparse.COO([1.0], [0, 1], [0], (2, 3)), "one shape"),
    (ValueError, lambda: sparse.COO([1.0], [0.5], [0], (2, 3)), "integer dtype"),
    (ValueError, lambda: sparse.COO([1.0], [0], [0], (2, 3, 4)), "two sizes"),
    (ValueError, lambda: sparse.COO([1.0], [0], [0], (2, 2**31)), "below|sizes in"),
    (IndexError, lambda: sparse.CSR([1.0], [3], [0, 1], (1, 3)), r"indices in \[0, 3\); got 3"),
    (ValueError, lambda: sparse.CSR([1.0, 2.0], [0, 1], [0, 2, 1], (2, 3)), "one that falls"),
    (ValueError, lambda: sparse.CSR([1.0, 2.0], [0, 1], [0, 1, 3], (2, 3)), "one from 0 to 3"),
    (ValueError, lambda: sparse.CSR([1.0, 2.0], [0, 1], [1, 1, 2], (2, 3)), "one from 1 to 2"),
    (ValueError, lambda: sparse.CSR([1.0], [0], [0, 1], (2, 3)), "indptr of 3 elements; got 2"),
    (ValueError, lambda: sparse.CSR([1.0], [0, 1], [0, 1], (1, 3)), "index per nonzero"),
    (ValueError, lambda: sparse.BSR([1.0], [0], [0, 1], (1, 3)), r"\(blocks, R, C\)"),
    (ValueError, lambda: sparse.BSR(np.ones((1, 2, 2)), [0], [0, 1], (3, 2)), "2 x 2"),
    (ValueError, lambda: sparse.eye(4).to_bsr((3, 2)), "divide the shape"),
    (ValueError, lambda: sparse.eye(4) @ mx.ones((3,)), "one inner size"),
    (ValueError, lambda: sparse.eye(4) @ sparse.eye(3), "one inner size"),
    (IndexError, lambda: sparse.eye(4).sum(2), r"axis in \[-2, 2\)"),
    (ValueError, lambda: sparse.random((3, 3), 1.5), r"density in \[0, 1\]; got 1.5"),
]  # fmt: skip


@pytest.mark.parametrize("kind, call, says", BAD, ids=range(len(BAD)))
def test_what_does_not_fit_is_one_clear_error(kind, call, says):
    with pytest.raises(kind, match=rf"^\[\w+\] expected .*{says}"):
        call()


def test_matrices_are_trees():
    a = of_kind(matrix(), "csr")
    twice = tree_map(lambda x: x * 2 if x.dtype == mx.float32 else x, a)
    assert type(twice) is type(a)
    same(twice, 2 * matrix())
    assert [path for path, _ in tree_flatten({"a": a})] == ["a.0", "a.1", "a.2"]
    assert len(a) == 3 and a == a and a != a.with_data(a.data)
