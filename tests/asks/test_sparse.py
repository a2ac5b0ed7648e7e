"""Sparse matrices: kept sparse, multiplied, differentiated, compiled."""

import numpy as np

import olivine.core as mx
from olivine import sparse
from tests.support import to_np

RNG = np.random.default_rng(148)


def matrix(rows, columns, density=0.05):
    x = RNG.standard_normal((rows, columns)) * (RNG.random((rows, columns)) < density)
    return x.astype(np.float32)


def test_sparse_arrays_are_built_converted_and_multiplied__mlx_148():
    n, v = matrix(60, 40), RNG.standard_normal((40, 7)).astype(np.float32)
    rows, columns = np.nonzero(n)
    values = (mx.array(a) for a in (n[rows, columns], rows, columns))
    a = sparse.COO(*values, shape=n.shape)
    for kind in (a, a.to_csr(), a.to_bsr((4, 4))):
        np.testing.assert_array_equal(to_np(kind.to_dense()), n)
        np.testing.assert_allclose(to_np(kind @ mx.array(v)), n @ v, rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(to_np(kind.T.to_dense()), n.T)
    assert a.nnz == rows.size
    product = sparse.from_dense(mx.array(n)) @ sparse.from_dense(mx.array(n.T.copy()))
    np.testing.assert_allclose(to_np(product.to_dense()), n @ n.T, rtol=1e-5, atol=1e-5)


def test_a_layer_on_a_sparse_graph_is_trained__mlx_2728():
    """The gradient by features and by the weights of edges, as with the dense matrix."""
    n, x = matrix(30, 30, 0.1), RNG.standard_normal((30, 5)).astype(np.float32)
    a = sparse.from_dense(mx.array(n))

    def loss(data, x):
        return mx.sum(mx.tanh(a.with_data(data) @ x))

    by_data, by_x = mx.compile(mx.grad(loss, argnums=(0, 1)))(a.data, mx.array(x))
    slope = 1 - np.tanh(n @ x) ** 2
    np.testing.assert_allclose(to_np(by_x), n.T @ slope, rtol=1e-4, atol=1e-5)
    want = (slope @ x.T)[np.nonzero(n)]
    np.testing.assert_allclose(to_np(by_data), want, rtol=1e-4, atol=1e-5)


def test_a_large_matrix_takes_memory_for_its_nonzeros__mlx_pr_2796():
    """A million rows: dense it would be four terabytes."""
    count = 1_000_000
    ones = mx.ones((count,))
    mx.eval(ones)
    mx.reset_peak_memory()
    before = mx.get_active_memory()
    ring = (
        sparse.diag(ones)
        - sparse.COO(
            ones, mx.arange(count), (mx.arange(count) + 1) % count, shape=(count, count)
        ).to_csr()
    )
    x = mx.arange(count).astype(mx.float32)
    y = ring @ x
    assert y[:3].tolist() == [-1, -1, -1] and y[-1].item() == count - 1
    assert mx.get_peak_memory() - before < 400e6
